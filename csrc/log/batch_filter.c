#include "log/batch_filter.h"

#include <stdlib.h>

#include "record/build.h"
#include "record/iterate.h"

/* How much longer a record can get by another timestamp delta: nine bytes, and the size in front of it. */
enum { RECORD_GROWTH_MAX = 16 };

kc_status kc_byte_buffer_reserve(struct kc_byte_buffer *buffer, size_t size) {
    if (size <= buffer->capacity) return KC_OK;
    free(buffer->bytes);
    *buffer = (struct kc_byte_buffer){malloc(size), size};
    if (buffer->bytes) return KC_OK;
    buffer->capacity = 0;
    return KC_NO_MEMORY;
}

void kc_batch_filter_release(struct kc_batch_filter *filter) {
    free(filter->kept.bytes);
    free(filter->built.bytes);
    filter->kept = filter->built = (struct kc_byte_buffer){0};
}

struct kc_batch_header kc_batch_emptied(const struct kc_batch_header *header) {
    struct kc_batch_header empty = *header;
    empty.attributes &= KC_ATTRIBUTE_LOG_APPEND_TIME | KC_ATTRIBUTE_TRANSACTIONAL | KC_ATTRIBUTE_CONTROL;
    empty.base_timestamp = -1;
    empty.record_count = 0;
    empty.size_bytes = KC_BATCH_HEADER_SIZE;
    return empty;
}

static int64_t timestamp_of(const struct kc_batch_header *header, const struct kc_record *record) {
    if (header->attributes & KC_ATTRIBUTE_LOG_APPEND_TIME) return header->max_timestamp;
    return (int64_t)((uint64_t)header->base_timestamp + (uint64_t)record->timestamp_delta);
}

static bool stays(const struct kc_batch_filter *filter, const struct kc_batch_header *header, const struct kc_record *record) {
    if (record->key_null) return false;
    if (kc_offset_map_get(filter->map, record->key) > header->base_offset + record->offset_delta) return false;
    bool is_overdue = (header->attributes & KC_ATTRIBUTE_DELETE_HORIZON) && filter->now_ms >= header->base_timestamp;
    return !(record->value_null && is_overdue);
}

struct kept {
    size_t size;
    int32_t count;
    int64_t max_timestamp;
    bool has_tombstone;
};

static kc_status keep(struct kc_batch_filter *filter, const struct kc_batch_header *header, struct kc_slice records,
                      struct kept *kept) {
    *kept = (struct kept){.max_timestamp = -1};
    uint8_t *to = filter->kept.bytes + KC_BATCH_HEADER_SIZE;
    struct kc_record_iterator it;
    struct kc_record record;
    kc_status status;
    kc_record_iterator_init(&it, records, header->record_count);
    while ((status = kc_record_next(&it, &record)) == KC_OK) {
        if (record.offset_delta < 0 || record.offset_delta > header->last_offset_delta) return KC_CORRUPT;
        if (!stays(filter, header, &record)) continue;
        memcpy(to + kept->size, it.at - record.size_bytes, record.size_bytes);
        kept->size += record.size_bytes;
        kept->count++;
        kept->has_tombstone = kept->has_tombstone || record.value_null;
        int64_t timestamp = timestamp_of(header, &record);
        if (timestamp > kept->max_timestamp) kept->max_timestamp = timestamp;
    }
    return status == KC_END ? KC_OK : status;
}

/* The kept records once more, with timestamps against a delete horizon. */
static kc_status build(struct kc_batch_filter *filter, const struct kc_batch_header *header, const struct kept *kept,
                       struct kc_batch_remnant *remnant) {
    size_t capacity = KC_BATCH_HEADER_SIZE + kept->size + (size_t)kept->count * RECORD_GROWTH_MAX;
    kc_status status = kc_byte_buffer_reserve(&filter->built, capacity);
    if (status != KC_OK) return status;
    int64_t horizon = filter->now_ms;
    horizon = filter->delete_retention_ms > INT64_MAX - horizon ? INT64_MAX : horizon + filter->delete_retention_ms;
    struct kc_batch_spec spec = {
        .base_offset = header->base_offset,
        .producer_id = header->producer_id,
        .delete_horizon_ms = horizon,
        .leader_epoch = header->leader_epoch,
        .base_sequence = header->base_sequence,
        .producer_epoch = header->producer_epoch,
        .attributes = (int16_t)((header->attributes & ~KC_ATTRIBUTE_CODEC_MASK) | KC_ATTRIBUTE_DELETE_HORIZON),
    };
    struct kc_batch_builder builder;
    kc_batch_builder_init(&builder, filter->built.bytes, filter->built.capacity, &spec);
    struct kc_record_iterator it;
    struct kc_record record;
    kc_record_iterator_init(&it, kc_slice_make(filter->kept.bytes + KC_BATCH_HEADER_SIZE, kept->size), kept->count);
    while ((status = kc_record_next(&it, &record)) == KC_OK) {
        status = kc_batch_builder_add_encoded(&builder, record.offset_delta, timestamp_of(header, &record), record.key, record.value,
                                              record.headers, record.header_count);
        /* Offsets within a batch that do not rise: nobody who checks batches lets one in. */
        if (status != KC_OK) return KC_CORRUPT;
    }
    if (status != KC_END) return status;
    remnant->header = *header;
    remnant->header.attributes = spec.attributes;
    remnant->header.base_timestamp = horizon;
    remnant->section = filter->built.bytes + KC_BATCH_HEADER_SIZE;
    remnant->section_size = builder.used - KC_BATCH_HEADER_SIZE;
    return KC_OK;
}

kc_status kc_batch_filter_time(struct kc_batch_filter *filter, const struct kc_batch_header *header, struct kc_slice records,
                               struct kc_batch_remnant *remnant) {
    struct kept kept = {.size = records.size, .count = header->record_count};
    kc_status status = kc_byte_buffer_reserve(&filter->kept, records.size + KC_BATCH_HEADER_SIZE);
    if (status != KC_OK) return status;
    memcpy(filter->kept.bytes + KC_BATCH_HEADER_SIZE, records.data, records.size);
    return build(filter, header, &kept, remnant);
}

kc_status kc_batch_filter_run(struct kc_batch_filter *filter, const struct kc_batch_header *header, struct kc_slice records,
                              enum kc_batch_rest *rest, struct kc_batch_remnant *remnant) {
    struct kept kept;
    kc_status status = kc_byte_buffer_reserve(&filter->kept, records.size + KC_BATCH_HEADER_SIZE);
    if (status == KC_OK) status = keep(filter, header, records, &kept);
    if (status != KC_OK) return status;
    bool times = kept.has_tombstone && !(header->attributes & KC_ATTRIBUTE_DELETE_HORIZON);
    if (kept.count == header->record_count && !times) {
        *rest = header->record_count > 0 ? KC_BATCH_REST_ALL : KC_BATCH_REST_NONE;
        return KC_OK;
    }
    if (kept.count == 0) {
        *rest = KC_BATCH_REST_NONE;
        return KC_OK;
    }
    *rest = KC_BATCH_REST_SOME;
    if (times) {
        status = build(filter, header, &kept, remnant);
        if (status != KC_OK) return status;
    } else {
        remnant->header = *header;
        remnant->header.attributes = (int16_t)(header->attributes & ~KC_ATTRIBUTE_CODEC_MASK);
        remnant->section = filter->kept.bytes + KC_BATCH_HEADER_SIZE;
        remnant->section_size = kept.size;
    }
    remnant->header.record_count = kept.count;
    if (!(header->attributes & KC_ATTRIBUTE_LOG_APPEND_TIME)) remnant->header.max_timestamp = kept.max_timestamp;
    return KC_OK;
}

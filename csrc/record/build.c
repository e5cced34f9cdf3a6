#include "record/build.h"

#include "base/check.h"
#include "base/varint.h"

/* A record's own numbers at their longest: size, attributes, two deltas, two sizes, header count. */
enum { RECORD_OVERHEAD_MAX = 5 + 1 + 10 + 5 + 5 + 5 + 5 };

struct kc_batch_spec kc_batch_spec_plain(void) {
    return (struct kc_batch_spec){.producer_id = -1, .delete_horizon_ms = -1, .leader_epoch = -1, .base_sequence = -1, .producer_epoch = -1};
}

void kc_batch_builder_init(struct kc_batch_builder *b, void *buffer, size_t capacity, const struct kc_batch_spec *spec) {
    KC_CHECK((spec->attributes & KC_ATTRIBUTE_CODEC_MASK) == 0);
    *b = (struct kc_batch_builder){
        .buffer = buffer,
        .capacity = capacity,
        .used = KC_BATCH_HEADER_SIZE,
        .spec = *spec,
        .base_timestamp = spec->delete_horizon_ms,
        .max_timestamp = -1,
        .last_offset_delta = -1,
    };
}

void kc_batch_builder_moved(struct kc_batch_builder *b, void *buffer, size_t capacity) {
    KC_CHECK(capacity >= b->used || b->record_count == 0);
    b->buffer = buffer;
    b->capacity = capacity;
}

size_t kc_record_size_max(struct kc_slice key, struct kc_slice value, size_t headers_size) {
    const size_t limit = INT32_MAX - KC_BATCH_HEADER_SIZE - RECORD_OVERHEAD_MAX;
    if (key.size > limit || value.size > limit - key.size || headers_size > limit - key.size - value.size) return 0;
    return RECORD_OVERHEAD_MAX + key.size + value.size + headers_size;
}

static uint8_t *put_bytes(uint8_t *p, struct kc_slice bytes, bool null) {
    p = kc_varint_encode(p, null ? -1 : (int32_t)bytes.size);
    if (bytes.size) memcpy(p, bytes.data, bytes.size);
    return p + bytes.size;
}

static size_t bytes_size(struct kc_slice bytes, bool null) {
    return kc_uvarlong_size(kc_zigzag32(null ? -1 : (int32_t)bytes.size)) + bytes.size;
}

/* Everything of a record up to its headers, into the builder's buffer; NULL and *status where it does not go. */
static uint8_t *begin_record(struct kc_batch_builder *b, int32_t offset_delta, int64_t timestamp, struct kc_slice key,
                             struct kc_slice value, size_t headers_size, int32_t header_count, kc_status *status) {
    size_t room = kc_record_size_max(key, value, headers_size);
    *status = KC_INVALID;
    if (room == 0 || offset_delta <= b->last_offset_delta || header_count < 0) return NULL;
    if (room > (size_t)INT32_MAX - b->used) return NULL;
    /* Timestamp deltas count from the first record, or from the delete horizon where there is one. */
    const bool first = b->record_count == 0 && !(b->spec.attributes & KC_ATTRIBUTE_DELETE_HORIZON);
    int64_t base_timestamp = first ? timestamp : b->base_timestamp;
    int64_t timestamp_delta = (int64_t)((uint64_t)timestamp - (uint64_t)base_timestamp);
    const bool key_null = key.data == NULL, value_null = value.data == NULL;
    size_t body_size = 1 + kc_uvarlong_size(kc_zigzag64(timestamp_delta)) + kc_uvarlong_size(kc_zigzag32(offset_delta)) +
                       bytes_size(key, key_null) + bytes_size(value, value_null) +
                       kc_uvarlong_size(kc_zigzag32(header_count)) + headers_size;
    size_t size = kc_uvarlong_size(kc_zigzag32((int32_t)body_size)) + body_size;
    *status = KC_LIMIT;
    if (b->used > b->capacity || size > b->capacity - b->used) return NULL;
    *status = KC_OK;

    uint8_t *p = b->buffer + b->used;
    b->used += size;
    b->base_timestamp = base_timestamp;
    b->record_count++;
    b->last_offset_delta = offset_delta;
    if (timestamp > b->max_timestamp) b->max_timestamp = timestamp;
    p = kc_varint_encode(p, (int32_t)body_size);
    *p++ = 0; /* attributes */
    p = kc_varlong_encode(p, timestamp_delta);
    p = kc_varint_encode(p, offset_delta);
    p = put_bytes(p, key, key_null);
    p = put_bytes(p, value, value_null);
    return kc_varint_encode(p, header_count);
}

kc_status kc_batch_builder_add_at(struct kc_batch_builder *b, int32_t offset_delta, int64_t timestamp, struct kc_slice key,
                                  struct kc_slice value, const struct kc_record_header *headers, int32_t header_count) {
    size_t headers_size = 0;
    for (int32_t i = 0; i < header_count; i++) {
        if (headers[i].key.size > INT32_MAX || headers[i].value.size > INT32_MAX) return KC_INVALID;
        headers_size += bytes_size(headers[i].key, false) + bytes_size(headers[i].value, headers[i].value_null);
    }
    kc_status status;
    uint8_t *p = begin_record(b, offset_delta, timestamp, key, value, headers_size, header_count, &status);
    if (!p) return status;
    for (int32_t i = 0; i < header_count; i++) {
        p = put_bytes(p, headers[i].key, false);
        p = put_bytes(p, headers[i].value, headers[i].value_null);
    }
    KC_DCHECK(p == b->buffer + b->used);
    return KC_OK;
}

kc_status kc_batch_builder_add(struct kc_batch_builder *b, int64_t timestamp, struct kc_slice key, struct kc_slice value,
                               const struct kc_record_header *headers, int32_t header_count) {
    if (b->last_offset_delta == INT32_MAX) return KC_INVALID;
    return kc_batch_builder_add_at(b, b->last_offset_delta + 1, timestamp, key, value, headers, header_count);
}

kc_status kc_batch_builder_add_encoded(struct kc_batch_builder *b, int32_t offset_delta, int64_t timestamp, struct kc_slice key,
                                       struct kc_slice value, struct kc_slice headers, int32_t header_count) {
    kc_status status;
    uint8_t *p = begin_record(b, offset_delta, timestamp, key, value, headers.size, header_count, &status);
    if (p && headers.size) memcpy(p, headers.data, headers.size);
    return status;
}

static struct kc_batch_header header_of(const struct kc_batch_builder *b) {
    const struct kc_batch_spec *spec = &b->spec;
    return (struct kc_batch_header){
        .base_offset = spec->base_offset,
        .base_timestamp = b->base_timestamp,
        .max_timestamp = b->max_timestamp,
        .producer_id = spec->producer_id,
        .size_bytes = (int32_t)b->used,
        .leader_epoch = spec->leader_epoch,
        .last_offset_delta = b->last_offset_delta < 0 ? 0 : b->last_offset_delta,
        .base_sequence = spec->base_sequence,
        .record_count = b->record_count,
        .attributes = spec->attributes,
        .producer_epoch = spec->producer_epoch,
        .magic = KC_BATCH_MAGIC_VALUE,
    };
}

kc_status kc_batch_builder_finish(struct kc_batch_builder *b, struct kc_slice *batch) {
    if (b->capacity < KC_BATCH_HEADER_SIZE) return KC_LIMIT;
    struct kc_batch_header header = header_of(b);
    kc_batch_header_store(b->buffer, &header);
    kc_batch_seal(b->buffer);
    *batch = kc_slice_make(b->buffer, b->used);
    return KC_OK;
}

kc_status kc_batch_wrap(const struct kc_batch_header *header, struct kc_slice section, uint8_t *out) {
    if (section.size > (size_t)INT32_MAX - KC_BATCH_HEADER_SIZE) return KC_INVALID;
    struct kc_batch_header whole = *header;
    whole.size_bytes = (int32_t)section.size + KC_BATCH_HEADER_SIZE;
    whole.magic = KC_BATCH_MAGIC_VALUE;
    whole.crc = 0;
    kc_batch_header_store(out, &whole);
    if (section.size) memcpy(out + KC_BATCH_HEADER_SIZE, section.data, section.size);
    kc_batch_seal(out);
    return KC_OK;
}

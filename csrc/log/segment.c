#include "log/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "log/offset_index.h"
#include "log/time_index.h"

static kc_status make_file(struct kc_file_cache *files, const char *directory, int64_t base_offset, enum kc_log_file_kind kind,
                           enum kc_log_file_stage stage, struct kc_file **out) {
    char path[KC_PATH_SIZE];
    kc_status status = kc_log_path(path, directory, base_offset, kind, stage);
    if (status != KC_OK) return status;
    /* What an earlier attempt left under a name that is only for the time being is not to be built upon. */
    int flags = stage == KC_LOG_FILE_PLAIN ? 0 : KC_OPEN_TRUNCATE;
    return kc_file_create(files, path, KC_OPEN_WRITE | KC_OPEN_CREATE | flags, out);
}

kc_status kc_segment_create(struct kc_file_cache *files, const char *directory, int64_t base_offset, uint64_t index_ids,
                            int64_t now_ms, struct kc_segment **out) {
    return kc_segment_create_staged(files, directory, base_offset, KC_LOG_FILE_PLAIN, index_ids, now_ms, out);
}

kc_status kc_segment_create_staged(struct kc_file_cache *files, const char *directory, int64_t base_offset,
                                   enum kc_log_file_stage stage, uint64_t index_ids, int64_t now_ms, struct kc_segment **out) {
    struct kc_segment *segment = calloc(1, sizeof *segment);
    if (!segment) return KC_NO_MEMORY;
    atomic_init(&segment->reference_count, 1);
    segment->base_offset = segment->next_offset = base_offset;
    segment->max_timestamp = segment->first_timestamp = -1;
    segment->max_timestamp_offset = base_offset;
    segment->created_ms = now_ms;
    struct kc_file *index_file = NULL;
    kc_status status = make_file(files, directory, base_offset, KC_LOG_FILE_LOG, stage, &segment->file);
    if (status == KC_OK) status = make_file(files, directory, base_offset, KC_LOG_FILE_OFFSET_INDEX, stage, &index_file);
    if (status == KC_OK)
        status = kc_index_file_init(&segment->offset_index, index_file, index_ids, KC_OFFSET_INDEX_ENTRY_SIZE, 0, false);
    if (status == KC_OK) status = make_file(files, directory, base_offset, KC_LOG_FILE_TIME_INDEX, stage, &index_file);
    if (status == KC_OK)
        status = kc_index_file_init(&segment->time_index, index_file, index_ids + 1, KC_TIME_INDEX_ENTRY_SIZE, 0, false);
    if (status == KC_OK) status = make_file(files, directory, base_offset, KC_LOG_FILE_TXN_INDEX, stage, &index_file);
    if (status == KC_OK) kc_txn_index_init(&segment->txn_index, index_file, index_ids);
    if (status != KC_OK) {
        kc_segment_release(segment);
        return status;
    }
    *out = segment;
    return KC_OK;
}

/* *good is false where the file's size is no multiple of an entry, or nothing can be read. */
static kc_status load_index(struct kc_index_file *index, bool exists, bool *good) {
    index->exists = exists;
    if (!exists) {
        *good = false;
        return KC_OK;
    }
    int64_t size;
    kc_status status = kc_file_size(index->file, &size);
    if (status != KC_OK) return status;
    struct kc_file *file = index->file;
    uint64_t id = index->id;
    uint32_t entry_size = index->entry_size;
    *good = size % entry_size == 0;
    status = kc_index_file_init(index, file, id, entry_size, *good ? size / entry_size : 0, true);
    kc_file_close_idle(file);
    if (status == KC_CORRUPT) {
        *good = false;
        status = KC_OK;
    }
    return status;
}

kc_status kc_segment_load(struct kc_segment *segment, struct kc_segment_found found, int64_t end_offset,
                          struct kc_segment_verdict *verdict) {
    kc_status status = kc_file_size(segment->file, &segment->size_bytes);
    if (status != KC_OK) return status;
    if (segment->size_bytes > INT32_MAX) return KC_CORRUPT;
    segment->batch_size_max = INT32_MAX;
    bool offsets_good, times_good;
    status = load_index(&segment->offset_index, found.has_offset_index, &offsets_good);
    if (status == KC_OK) status = load_index(&segment->time_index, found.has_time_index, &times_good);
    if (status != KC_OK) return status;
    if (found.has_txn_index) status = kc_txn_index_load(&segment->txn_index, segment->base_offset, end_offset);
    verdict->txn_index_good = status != KC_CORRUPT;
    if (status != KC_OK && status != KC_CORRUPT) return status;
    verdict->indexes_good = offsets_good && times_good && kc_offset_index_plausible(&segment->offset_index, segment->size_bytes) &&
                    kc_time_index_plausible(&segment->time_index) &&
                    (segment->time_index.count > 0 || segment->size_bytes == 0);       /* sealing leaves an entry */
    if (verdict->indexes_good && segment->time_index.count) {
        segment->max_timestamp = kc_time_entry_timestamp(segment->time_index.last);
        segment->max_timestamp_offset = segment->base_offset + kc_time_entry_relative(segment->time_index.last);
    }
    return KC_OK;
}

struct kc_segment *kc_segment_retain(struct kc_segment *segment) {
    int before = atomic_fetch_add_explicit(&segment->reference_count, 1, memory_order_relaxed);
    KC_CHECK(before > 0);
    return segment;
}

void kc_segment_release(struct kc_segment *segment) {
    if (!segment || atomic_fetch_sub_explicit(&segment->reference_count, 1, memory_order_acq_rel) > 1) return;
    kc_file_release(segment->file);
    kc_index_file_release(&segment->offset_index);
    kc_index_file_release(&segment->time_index);
    kc_txn_index_release(&segment->txn_index);
    free(segment);
}

kc_status kc_segment_add(struct kc_segment *segment, int64_t last_offset, int64_t max_timestamp, int32_t size_bytes,
                         int32_t index_interval_bytes) {
    KC_CHECK(kc_segment_holds(segment, last_offset));
    KC_CHECK(segment->size_bytes <= INT32_MAX - size_bytes);
    kc_status status = KC_OK;
    if (segment->size_bytes == 0) segment->first_timestamp = max_timestamp;
    if (max_timestamp > segment->max_timestamp) {
        segment->max_timestamp = max_timestamp;
        segment->max_timestamp_offset = last_offset;
    }
    if (segment->bytes_since_index > index_interval_bytes) {
        /* Timestamps first: what stands behind the last offset entry in the file is all that has to be read after a crash. */
        if (kc_index_file_page_full(&segment->offset_index)) status = kc_index_file_flush(&segment->time_index);
        if (kc_status_is_shortage(status)) status = KC_OK;
        if (status == KC_OK)
            status = kc_offset_index_append(&segment->offset_index, (int32_t)(last_offset - segment->base_offset),
                                            (int32_t)segment->size_bytes);
        if (status == KC_OK)
            status = kc_time_index_maybe_append(&segment->time_index, segment->max_timestamp,
                                                (int32_t)(segment->max_timestamp_offset - segment->base_offset));
        segment->bytes_since_index = 0;
    }
    segment->next_offset = last_offset + 1;
    segment->size_bytes += size_bytes;
    segment->bytes_since_index += size_bytes;
    if (size_bytes > segment->batch_size_max) segment->batch_size_max = size_bytes;
    segment->dirty = true;
    return status;
}

bool kc_segment_index_full(const struct kc_segment *segment, int32_t index_size_bytes, int64_t pending) {
    int64_t offsets_max = index_size_bytes / KC_OFFSET_INDEX_ENTRY_SIZE;
    int64_t times_max = index_size_bytes / KC_TIME_INDEX_ENTRY_SIZE - 1;       /* one place is kept for sealing */
    return segment->offset_index.count + pending >= offsets_max || segment->time_index.count + pending >= times_max;
}

kc_status kc_segment_seal(struct kc_segment *segment) {
    kc_status status = kc_time_index_maybe_append(&segment->time_index, segment->max_timestamp,
                                                  (int32_t)(segment->max_timestamp_offset - segment->base_offset));
    if (status == KC_OK) status = kc_index_file_flush(&segment->offset_index);
    if (status == KC_OK) status = kc_index_file_flush(&segment->time_index);
    if (status == KC_OK && segment->allocated_bytes > segment->size_bytes) {
        status = kc_file_truncate(segment->file, segment->size_bytes);
        segment->allocated_bytes = 0;
    }
    kc_txn_index_trim(&segment->txn_index);
    return status;
}

void kc_segment_list_dirty_batches(struct kc_segment *segment, struct kc_file **files, size_t *count) {
    if (segment->dirty) files[(*count)++] = kc_file_retain(segment->file);
    segment->dirty = false;
}

void kc_segment_list_dirty(struct kc_segment *segment, struct kc_file **files, size_t *count) {
    kc_segment_list_dirty_batches(segment, files, count);
    if (segment->offset_index.dirty) files[(*count)++] = kc_file_retain(segment->offset_index.file);
    if (segment->time_index.dirty) files[(*count)++] = kc_file_retain(segment->time_index.file);
    if (segment->txn_index.dirty) files[(*count)++] = kc_file_retain(segment->txn_index.file);
    segment->offset_index.dirty = segment->time_index.dirty = segment->txn_index.dirty = false;
}

/* The number of entries whose offset lies below next_offset. */
static kc_status count_below(struct kc_index_file *index, int64_t relative, int64_t *count) {
    int64_t low = 0, high = index->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        uint8_t entry[KC_INDEX_ENTRY_SIZE_MAX];
        if (middle >= index->tail_first) {
            memcpy(entry, index->tail + (size_t)(middle - index->tail_first) * index->entry_size, index->entry_size);
        } else {
            size_t got;
            kc_status status = kc_file_read(index->file, entry, index->entry_size, middle * index->entry_size, &got);
            if (status != KC_OK) return status;
            if (got < index->entry_size) return KC_CORRUPT;
        }
        int32_t found = index->entry_size == KC_OFFSET_INDEX_ENTRY_SIZE ? kc_offset_entry_relative(entry)
                                                                        : kc_time_entry_relative(entry);
        if (found < relative)
            low = middle + 1;
        else
            high = middle;
    }
    *count = low;
    return KC_OK;
}

/* The highest timestamp is that of the last time index entry, or of a batch behind the last offset index entry, because each
 * offset entry brings the time index up to date. */
kc_status kc_segment_walk_tail(struct kc_segment *segment, int64_t *next_offset) {
    segment->max_timestamp = segment->first_timestamp = -1;
    segment->max_timestamp_offset = segment->base_offset;
    int64_t position = 0;
    if (segment->time_index.count) {
        segment->max_timestamp = kc_time_entry_timestamp(segment->time_index.last);
        segment->max_timestamp_offset = segment->base_offset + kc_time_entry_relative(segment->time_index.last);
    }
    if (segment->offset_index.count) position = kc_offset_entry_position(segment->offset_index.last);
    segment->bytes_since_index = segment->size_bytes - position;
    uint8_t buffer[KC_SCANNER_BUFFER_SIZE];
    struct kc_batch_scanner scanner;
    struct kc_batch_header header;
    kc_status status;
    if (position > 0) {
        kc_batch_scanner_init(&scanner, segment->file, 0, segment->size_bytes, segment->base_offset, buffer,
                              KC_BATCH_HEADER_SIZE);
        int64_t first_position;
        status = kc_batch_scanner_next(&scanner, &header, &first_position);
        if (status != KC_OK) return status;
        segment->first_timestamp = header.max_timestamp;
    }
    kc_batch_scanner_init(&scanner, segment->file, position, segment->size_bytes, segment->base_offset, buffer, sizeof buffer);
    bool first = segment->offset_index.count > 0;
    while ((status = kc_batch_scanner_next(&scanner, &header, &position)) == KC_OK) {
        if (first && kc_batch_last_offset(&header) - segment->base_offset != kc_offset_entry_relative(segment->offset_index.last))
            return KC_CORRUPT;
        first = false;
        if (position == 0) segment->first_timestamp = header.max_timestamp;
        if (header.max_timestamp <= segment->max_timestamp) continue;
        segment->max_timestamp = header.max_timestamp;
        segment->max_timestamp_offset = kc_batch_last_offset(&header);
    }
    if (status != KC_END) return status;
    if (!kc_segment_holds(segment, scanner.next_offset - 1) && segment->size_bytes > 0) return KC_CORRUPT;
    *next_offset = segment->next_offset = scanner.next_offset;
    return KC_OK;
}

kc_status kc_segment_truncate(struct kc_segment *segment, int64_t position, int64_t next_offset) {
    struct kc_index_file *indexes[] = {&segment->offset_index, &segment->time_index};
    for (int i = 0; i < 2; i++) {
        int64_t count;
        kc_status status = count_below(indexes[i], next_offset - segment->base_offset, &count);
        if (status == KC_OK) status = kc_index_file_truncate(indexes[i], count);
        if (status != KC_OK) return status;
    }
    kc_status status = kc_txn_index_truncate(&segment->txn_index, next_offset);
    if (status == KC_OK) status = kc_file_truncate(segment->file, position);
    if (status != KC_OK) return status;
    segment->size_bytes = position;
    if (segment->written_back > position) segment->written_back = position;
    segment->allocated_bytes = 0;
    segment->dirty = true;
    int64_t ignored;
    return kc_segment_walk_tail(segment, &ignored);
}

kc_status kc_segment_reset(struct kc_segment *segment) {
    struct kc_index_file *indexes[] = {&segment->offset_index, &segment->time_index};
    for (int i = 0; i < 2; i++) {
        struct kc_index_file *index = indexes[i];
        index->count = index->written = index->tail_first = 0;
        if (!index->exists) continue;
        kc_status status = kc_file_truncate(index->file, 0);
        if (status != KC_OK) return status;
        index->dirty = true;
    }
    segment->size_bytes = 0;
    segment->next_offset = segment->base_offset;
    segment->bytes_since_index = 0;
    segment->batch_size_max = 0;
    segment->max_timestamp = segment->first_timestamp = -1;
    segment->max_timestamp_offset = segment->base_offset;
    return KC_OK;
}

/* The files that exist get their plain names with this suffix. */
static kc_status rename_files(struct kc_segment *segment, const char *directory, const char *suffix) {
    struct {
        struct kc_file *file;
        enum kc_log_file_kind kind;
        bool exists;
    } parts[KC_SEGMENT_FILE_COUNT] = {
        {segment->file, KC_LOG_FILE_LOG, true},
        {segment->offset_index.file, KC_LOG_FILE_OFFSET_INDEX, segment->offset_index.exists},
        {segment->time_index.file, KC_LOG_FILE_TIME_INDEX, segment->time_index.exists},
        {segment->txn_index.file, KC_LOG_FILE_TXN_INDEX, segment->txn_index.exists},
    };
    kc_status first_failure = KC_OK;
    for (int i = 0; i < KC_SEGMENT_FILE_COUNT; i++) {
        char path[KC_PATH_SIZE];
        kc_status status = kc_log_path(path, directory, segment->base_offset, parts[i].kind, KC_LOG_FILE_PLAIN);
        if (status == KC_OK && strlen(path) + strlen(suffix) >= sizeof path) status = KC_LIMIT;
        /* One that is not there yet will be made under the new name. */
        if (status == KC_OK)
            status = parts[i].exists ? kc_file_rename(parts[i].file, strcat(path, suffix)) : kc_file_moved(parts[i].file, strcat(path, suffix));
        if (status != KC_OK && status != KC_NOT_FOUND && first_failure == KC_OK) first_failure = status;
    }
    return first_failure;
}

kc_status kc_segment_mark_deleted(struct kc_segment *segment, const char *directory) {
    return rename_files(segment, directory, kc_log_stage_suffix(KC_LOG_FILE_DELETED));
}

kc_status kc_segment_mark_replaced(struct kc_segment *segment, const char *directory, uint32_t number) {
    char suffix[KC_LOG_NAME_SIZE];
    snprintf(suffix, sizeof suffix, ".%" PRIx32 "%s", number, kc_log_stage_suffix(KC_LOG_FILE_DELETED));
    return rename_files(segment, directory, suffix);
}

kc_status kc_segment_set_stage(struct kc_segment *segment, const char *directory, enum kc_log_file_stage stage) {
    return rename_files(segment, directory, kc_log_stage_suffix(stage));
}

kc_status kc_segment_moved(struct kc_segment *segment, const char *directory) {
    struct kc_file *parts[KC_SEGMENT_FILE_COUNT] = {segment->file, segment->offset_index.file, segment->time_index.file,
                                                    segment->txn_index.file};
    const enum kc_log_file_kind kinds[KC_SEGMENT_FILE_COUNT] = {KC_LOG_FILE_LOG, KC_LOG_FILE_OFFSET_INDEX, KC_LOG_FILE_TIME_INDEX,
                                                                KC_LOG_FILE_TXN_INDEX};
    kc_status first_failure = KC_OK;
    for (int i = 0; i < KC_SEGMENT_FILE_COUNT; i++) {
        char path[KC_PATH_SIZE];
        kc_status status = kc_log_path(path, directory, segment->base_offset, kinds[i], KC_LOG_FILE_PLAIN);
        if (status == KC_OK) status = kc_file_moved(parts[i], path);
        if (status != KC_OK && first_failure == KC_OK) first_failure = status;
    }
    return first_failure;
}

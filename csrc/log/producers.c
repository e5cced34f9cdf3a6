/* producers.c: producer state and leader epochs out of stored batches: replay, and the snapshots that shorten it. */
#include <stdlib.h>
#include <string.h>

#include "log/directory.h"
#include "log/log_internal.h"
#include "log/producer_snapshot.h"
#include "record/iterate.h"

enum {
    MARKER_ABORT = 0,
    MARKER_COMMIT = 1,
    MARKER_BYTES_MAX = 512,            /* a control batch of a transaction is 78 bytes; headers could make it longer */
    REPLAY_BUFFER_SIZE = 64 << 10,
};

/* The coordinator epoch of a transaction marker; false: some other control record, or not to be read. */
static bool read_marker(struct kc_slice records, int32_t record_count, int32_t *coordinator_epoch) {
    struct kc_record_iterator it;
    struct kc_record record;
    kc_record_iterator_init(&it, records, record_count);
    if (kc_record_next(&it, &record) != KC_OK || record.key_null || record.key.size < 4) return false;
    int16_t type = kc_load_i16(record.key.data + 2);
    if (type != MARKER_ABORT && type != MARKER_COMMIT) return false;
    *coordinator_epoch = !record.value_null && record.value.size >= 6 ? kc_load_i32(record.value.data + 2) : -1;
    return true;
}

static kc_status remember_marker(struct kc_log *log, const struct kc_batch_header *header, const uint8_t *batch,
                                 struct kc_file *file, int64_t position, int64_t now_ms) {
    uint8_t bytes[MARKER_BYTES_MAX];
    size_t size = (size_t)header->size_bytes;
    if (!batch) {
        if (size > sizeof bytes) return KC_OK;
        size_t got;
        kc_status status = kc_file_read(file, bytes, size, position, &got);
        if (status != KC_OK) return status;
        if (got < size) return KC_CORRUPT;
        batch = bytes;
    }
    int32_t coordinator_epoch;
    struct kc_slice records = kc_slice_make(batch + KC_BATCH_HEADER_SIZE, size - KC_BATCH_HEADER_SIZE);
    if (!read_marker(records, header->record_count, &coordinator_epoch)) return KC_OK;
    return kc_producer_state_end_txn(&log->producers, header->producer_id, header->producer_epoch, coordinator_epoch,
                                     header->max_timestamp, now_ms);
}

static kc_status remember_producer(struct kc_log *log, const struct kc_batch_header *header, const uint8_t *batch,
                                   struct kc_file *file, int64_t position, int64_t now_ms) {
    if (header->producer_id < 0) return KC_OK;
    if (header->attributes & KC_ATTRIBUTE_CONTROL) return remember_marker(log, header, batch, file, position, now_ms);
    return kc_producer_state_update(&log->producers, header, now_ms);
}

kc_status kc_log_remember_batch(struct kc_log *log, const struct kc_batch_header *header, const uint8_t *batch,
                                struct kc_file *file, int64_t position, int64_t now_ms) {
    /* Where the history disagrees with the batch, the batch is right: it is what was written. */
    if (header->leader_epoch >= 0 && kc_leader_epochs_at(&log->epochs, header->base_offset) != header->leader_epoch) {
        kc_leader_epochs_truncate_end(&log->epochs, header->base_offset);
        kc_status status = kc_leader_epochs_assign(&log->epochs, header->leader_epoch, header->base_offset);
        if (status != KC_OK) return status;
    }
    return remember_producer(log, header, batch, file, position, now_ms);
}

static kc_status replay_segment(struct kc_log *log, struct kc_segment *segment, int64_t from, int64_t to, uint8_t *buffer) {
    struct kc_segment_view view;
    struct kc_batch_header header;
    int64_t position = 0;
    kc_segment_view_for(segment, from, &view);
    kc_status status = kc_segment_find(&view, &log->offset_page, &log->page_lock, from, &position, &header);
    if (status != KC_OK) return status == KC_END ? KC_OK : status;
    struct kc_batch_scanner scanner;
    kc_batch_scanner_init(&scanner, segment->file, position, segment->size_bytes, segment->base_offset, buffer,
                          REPLAY_BUFFER_SIZE);
    /* A replayed batch counts as touched when it was made, so that producers of long ago stay expired. */
    while ((status = kc_batch_scanner_next(&scanner, &header, &position)) == KC_OK) {
        if (header.base_offset < from) continue;
        if (header.base_offset >= to) return KC_OK;
        status = remember_producer(log, &header, NULL, segment->file, position, header.max_timestamp);
        if (status != KC_OK) return status;
    }
    return status == KC_END ? KC_OK : status;
}

static kc_status replay(struct kc_log *log, int64_t from, int64_t to) {
    if (from >= to) return KC_OK;
    uint8_t *buffer = malloc(REPLAY_BUFFER_SIZE);
    if (!buffer) return KC_NO_MEMORY;
    kc_status status = KC_OK;
    for (size_t i = kc_log_segment_slot(log, from); i < log->segment_count && status == KC_OK; i++) {
        if (log->segments[i]->base_offset >= to) break;
        status = replay_segment(log, log->segments[i], from, to, buffer);
        /* A trusted segment that cannot be read to its end costs its producers their memory, not the log its life. */
        if (status == KC_CORRUPT) status = KC_OK;
    }
    free(buffer);
    if (status == KC_OK) kc_producer_state_expire(&log->producers, kc_log_now(log));
    return status;
}

static kc_status remove_snapshot(struct kc_log *log, int64_t offset) {
    char path[KC_PATH_SIZE];
    kc_status status = kc_log_path(path, log->directory, offset, KC_LOG_FILE_SNAPSHOT, KC_LOG_FILE_PLAIN);
    if (status == KC_OK) status = log->disk->unlink(log->disk->state, path);
    log->directory_dirty = true;
    return status == KC_NOT_FOUND ? KC_OK : status;
}

kc_status kc_log_rebuild_producers(struct kc_log *log, int64_t offset) {
    int64_t *snapshots;
    size_t count;
    kc_status status = kc_directory_snapshots(log->disk, log->directory, &snapshots, &count);
    if (status != KC_OK) return status;
    kc_producer_state_clear(&log->producers);
    log->snapshot_offset = -1;
    int64_t from = log->segment_count ? log->segments[0]->base_offset : 0;
    while (count > 0 && status == KC_OK) {
        int64_t candidate = snapshots[--count];
        if (candidate > offset) continue;
        status = kc_producer_snapshot_read(log->disk, log->directory, candidate, &log->producers, kc_log_now(log));
        if (status == KC_OK) {
            log->snapshot_offset = candidate;
            if (candidate > from) from = candidate;
            break;
        }
        if (status == KC_CORRUPT) status = remove_snapshot(log, candidate);
        if (status == KC_NOT_FOUND) status = KC_OK;
    }
    free(snapshots);
    return status == KC_OK ? replay(log, from, offset) : status;
}

kc_status kc_log_remove_snapshots(struct kc_log *log, int64_t offset) {
    int64_t *snapshots;
    size_t count;
    kc_status status = kc_directory_snapshots(log->disk, log->directory, &snapshots, &count);
    if (status != KC_OK) return status;
    bool newest = true;
    for (size_t i = count; i > 0 && status == KC_OK; i--) {
        int64_t candidate = snapshots[i - 1];
        bool starts_segment = log->segments[kc_log_segment_slot(log, candidate)]->base_offset == candidate;
        if (candidate > offset || (!starts_segment && !newest))
            status = remove_snapshot(log, candidate);
        else
            newest = false;
    }
    free(snapshots);
    return status;
}

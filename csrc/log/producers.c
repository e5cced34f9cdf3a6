/* producers.c: producer state and leader epochs out of stored batches: replay, and the snapshots that shorten it. */
#include <stdlib.h>
#include <string.h>

#include "log/directory.h"
#include "log/log_internal.h"
#include "log/producer_snapshot.h"

enum { REPLAY_BUFFER_SIZE = 64 << 10 };

kc_status kc_log_remember_marker(struct kc_log *log, const struct kc_marker *marker, int64_t offset, struct kc_aborted_txns *aborted,
                                 int64_t now_ms) {
    struct kc_completed_txn completed;
    kc_status status = kc_producer_state_end_txn(&log->producers, marker->producer_id, marker->producer_epoch,
                                                 marker->coordinator_epoch, offset, marker->timestamp, now_ms, &completed);
    /* A marker without data has no effect on anybody who reads. */
    if (status != KC_OK || !aborted || marker->commit || completed.first_offset < 0) return status;
    struct kc_aborted_txn txn = {marker->producer_id, completed.first_offset, offset, completed.last_stable_offset};
    return kc_aborted_txns_add(aborted, &txn);
}

static kc_status remember_producer(struct kc_log *log, const struct kc_batch_header *header, const uint8_t *batch,
                                   struct kc_aborted_txns *aborted, int64_t now_ms) {
    if (header->producer_id < 0) return KC_OK;
    if (!(header->attributes & KC_ATTRIBUTE_CONTROL)) return kc_producer_state_update(&log->producers, header, now_ms);
    struct kc_marker marker;
    struct kc_slice records = kc_slice_make(batch + KC_BATCH_HEADER_SIZE, (size_t)header->size_bytes - KC_BATCH_HEADER_SIZE);
    if (!kc_marker_read(records, header, &marker)) return KC_OK;
    return kc_log_remember_marker(log, &marker, header->base_offset, aborted, now_ms);
}

kc_status kc_log_remember_batch(struct kc_log *log, const struct kc_batch_header *header, const uint8_t *batch,
                                struct kc_aborted_txns *aborted, int64_t now_ms) {
    /* Where the history disagrees with the batch, the batch is right: it is what was written. */
    if (header->leader_epoch >= 0 && kc_leader_epochs_at(&log->epochs, header->base_offset) != header->leader_epoch) {
        kc_leader_epochs_truncate_end(&log->epochs, header->base_offset);
        kc_status status = kc_leader_epochs_assign(&log->epochs, header->leader_epoch, header->base_offset);
        if (status != KC_OK) return status;
    }
    return remember_producer(log, header, batch, aborted, now_ms);
}

/* The same for a batch of which only the header is at hand: a marker is read from its file. */
static kc_status replay_batch(struct kc_log *log, struct kc_segment *segment, const struct kc_batch_header *header, int64_t position,
                              struct kc_aborted_txns *aborted) {
    uint8_t bytes[KC_MARKER_SIZE_MAX];
    if (header->producer_id < 0) return KC_OK;
    if (header->attributes & KC_ATTRIBUTE_CONTROL) {
        size_t size = (size_t)header->size_bytes, got;
        if (size > sizeof bytes) return KC_OK;
        kc_status status = kc_file_read(segment->file, bytes, size, position, &got);
        if (status != KC_OK) return status;
        if (got < size) return KC_CORRUPT;
    }
    /* A replayed batch counts as touched when it was made, so that producers of long ago stay expired. */
    return remember_producer(log, header, bytes, aborted, header->max_timestamp);
}

static kc_status replay_segment(struct kc_log *log, struct kc_segment *segment, int64_t from, int64_t to, uint8_t *buffer,
                                struct kc_aborted_txns *aborted) {
    struct kc_segment_view view;
    struct kc_batch_header header;
    int64_t position = 0;
    kc_segment_view_for(segment, from, &view);
    kc_status status = kc_segment_find(&view, &log->offset_page, &log->page_lock, from, &position, &header);
    if (status != KC_OK) return status == KC_END ? KC_OK : status;
    struct kc_batch_scanner scanner;
    kc_batch_scanner_init(&scanner, segment->file, position, segment->size_bytes, segment->base_offset, buffer,
                          REPLAY_BUFFER_SIZE);
    while ((status = kc_batch_scanner_next(&scanner, &header, &position)) == KC_OK) {
        if (header.base_offset < from) continue;
        if (header.base_offset >= to) return KC_OK;
        status = replay_batch(log, segment, &header, position, aborted);
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
        status = replay_segment(log, log->segments[i], from, to, buffer, NULL);
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

kc_status kc_log_rebuild_txn_index(struct kc_log *log, size_t slot) {
    struct kc_segment *segment = log->segments[slot];
    bool last = slot + 1 == log->segment_count;
    int64_t end_offset = last ? INT64_MAX : log->segments[slot + 1]->base_offset;
    kc_status status = kc_log_rebuild_producers(log, segment->base_offset);
    if (status != KC_OK) return status;
    uint8_t *buffer = malloc(REPLAY_BUFFER_SIZE);
    if (!buffer) return KC_NO_MEMORY;
    struct kc_aborted_txns aborted = {0};
    status = replay_segment(log, segment, segment->base_offset, end_offset, buffer, &aborted);
    /* Durable, because the segment will go on being trusted. */
    if (status == KC_OK || status == KC_CORRUPT) status = kc_txn_index_replace(&segment->txn_index, &aborted, true);
    kc_aborted_txns_release(&aborted);
    free(buffer);
    return status;
}

kc_status kc_log_index_aborted(struct kc_log *log, const struct kc_aborted_txns *aborted) {
    struct kc_txn_index *index = &kc_log_active(log)->txn_index;
    for (uint32_t i = 0; i < aborted->count; i++) {
        if (!index->exists) log->directory_dirty = true;
        kc_status status = kc_txn_index_append(index, &aborted->items[i]);
        if (status != KC_OK) {
            kc_log_unindex_aborted(log, aborted->items[0].last_offset);
            return kc_log_fail_unless_short(log, status);
        }
        atomic_store_explicit(&log->last_abort_offset, aborted->items[i].last_offset, memory_order_release);
    }
    return KC_OK;
}

void kc_log_unindex_aborted(struct kc_log *log, int64_t offset) {
    struct kc_txn_index *index = &kc_log_active(log)->txn_index;
    kc_status status = kc_txn_index_truncate(index, offset);
    if (status == KC_OK) status = kc_txn_index_cut(index);
    if (status != KC_OK) kc_log_fail(log, status);
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

#include "log/recovery.h"

#include <stdlib.h>
#include <string.h>

#include "log/file_window.h"
#include "log/offset_index.h"
#include "record/validate.h"

enum { SCAN_BUFFER_SIZE = 1 << 20 };

struct scan {
    struct kc_log *log;
    struct kc_file_window window;
    int64_t next_offset;
    int32_t epoch;                     /* of the batch before, -1: none */
    struct kc_aborted_txns aborted;    /* with markers in this segment */
    bool dense;                        /* this segment has every offset since its base: it was never compacted */
};

/* The batch at `position`, checked.  KC_CORRUPT: the log ends here. */
static kc_status read_batch(struct scan *scan, int64_t position, int64_t offset_limit, struct kc_slice *bytes,
                            struct kc_batch_header *header) {
    kc_status status = kc_file_window_move(&scan->window, position, KC_BATCH_HEADER_SIZE, bytes);
    if (status != KC_OK) return status;
    if (bytes->size < KC_BATCH_HEADER_SIZE) return KC_CORRUPT;
    kc_batch_header_load(bytes->data, header);
    if (!kc_batch_header_plausible(header, scan->window.file_size - position, scan->next_offset)) return KC_CORRUPT;
    status = kc_file_window_move(&scan->window, position, (size_t)header->size_bytes, bytes);
    if (status != KC_OK) return status;
    status = kc_batch_check_stored(*bytes, header);
    if (status != KC_OK) return KC_CORRUPT;
    if (kc_batch_last_offset(header) >= offset_limit) return KC_CORRUPT;
    if (header->leader_epoch >= 0 && header->leader_epoch < scan->epoch) return KC_CORRUPT;
    return KC_OK;
}

/* *good_size is the position behind the last good batch. */
static kc_status scan_segment(struct scan *scan, struct kc_segment *segment, int64_t offset_limit, int64_t *good_size) {
    struct kc_log *log = scan->log;
    kc_file_window_open(&scan->window, segment->file, 0);
    kc_status status = kc_file_size(segment->file, &scan->window.file_size);
    if (status == KC_OK) status = kc_segment_reset(segment);
    if (status != KC_OK) return status;
    scan->aborted.count = 0;
    if (scan->next_offset < segment->base_offset) scan->next_offset = segment->base_offset;
    scan->dense = true;
    int64_t position = 0, end = scan->window.file_size < INT32_MAX ? scan->window.file_size : INT32_MAX;
    while (position < end) {
        struct kc_slice bytes;
        struct kc_batch_header header;
        status = read_batch(scan, position, offset_limit, &bytes, &header);
        if (status == KC_OK && (position + header.size_bytes > INT32_MAX || !kc_segment_holds(segment, kc_batch_last_offset(&header))))
            status = KC_CORRUPT;
        if (status == KC_CORRUPT) break;
        if (status == KC_OK)
            status = kc_segment_add(segment, kc_batch_last_offset(&header), header.max_timestamp, header.size_bytes,
                                    log->config.index_interval_bytes);
        if (status == KC_OK) status = kc_log_remember_batch(log, &header, bytes.data, &scan->aborted, header.max_timestamp);
        if (status != KC_OK) return status;
        position += header.size_bytes;
        if (header.base_offset != scan->next_offset || header.record_count != header.last_offset_delta + 1) scan->dense = false;
        scan->next_offset = kc_batch_last_offset(&header) + 1;
        if (header.leader_epoch >= 0) scan->epoch = header.leader_epoch;
    }
    *good_size = position;
    log->directory_dirty = true;
    return kc_txn_index_replace(&segment->txn_index, &scan->aborted, false);
}

/* Where the segment's last whole batch starts and ends; its header.  KC_CORRUPT: what follows is no cut-off batch. */
static kc_status walk(struct kc_segment *segment, int32_t index_interval_bytes, int64_t file_size, int64_t *last, int64_t *end) {
    uint8_t buffer[KC_SCANNER_BUFFER_SIZE];
    struct kc_batch_scanner scanner;
    struct kc_batch_header header;
    int64_t position;
    kc_batch_scanner_init(&scanner, segment->file, segment->size_bytes, file_size, segment->base_offset, buffer, sizeof buffer);
    kc_status status;
    *last = -1;
    bool entered = segment->offset_index.count > 0;
    while ((status = kc_batch_scanner_next(&scanner, &header, &position)) == KC_OK) {
        int64_t last_offset = kc_batch_last_offset(&header);
        if (!kc_segment_holds(segment, last_offset) || position + header.size_bytes > INT32_MAX) return KC_CORRUPT;
        if (entered && last_offset - segment->base_offset != kc_offset_entry_relative(segment->offset_index.last)) return KC_CORRUPT;
        entered = false;
        if (position == 0) segment->first_timestamp = header.max_timestamp;
        status = kc_segment_add(segment, last_offset, header.max_timestamp, header.size_bytes, index_interval_bytes);
        if (status != KC_OK) return status;
        *last = position;
    }
    *end = segment->size_bytes;
    if (status != KC_CORRUPT) return status == KC_END ? KC_OK : status;
    size_t got;
    if (file_size - *end < KC_BATCH_HEADER_SIZE) return KC_OK;
    status = kc_file_read(segment->file, buffer, KC_BATCH_HEADER_SIZE, *end, &got);
    if (status != KC_OK || got < KC_BATCH_HEADER_SIZE) return status == KC_OK ? KC_CORRUPT : status;
    kc_batch_header_load(buffer, &header);
    bool cut_off = header.size_bytes > file_size - *end && kc_batch_header_plausible(&header, INT64_MAX, scanner.next_offset);
    return cut_off ? KC_OK : KC_CORRUPT;
}

static kc_status check_batch(struct kc_segment *segment, int64_t position, int64_t end) {
    size_t size = (size_t)(end - position), got;
    uint8_t *bytes = malloc(size);
    if (!bytes) return KC_NO_MEMORY;
    struct kc_batch_header header;
    kc_status status = kc_file_read(segment->file, bytes, size, position, &got);
    if (status == KC_OK && (got < size || kc_batch_check_stored(kc_slice_make(bytes, size), &header) != KC_OK)) status = KC_CORRUPT;
    free(bytes);
    return status;
}

kc_status kc_recovery_walk_tail(struct kc_log *log, struct kc_log_recovery *report, int64_t *end_offset) {
    struct kc_segment *segment = kc_log_active(log);
    int64_t file_size, last, end;
    kc_status status = kc_file_size(segment->file, &file_size);
    if (status != KC_OK) return status;
    segment->size_bytes = segment->offset_index.count ? kc_offset_entry_position(segment->offset_index.last) : 0;
    segment->bytes_since_index = 0;
    report->scanned_bytes += file_size - segment->size_bytes;
    if (segment->size_bytes > 0) {
        uint8_t bytes[KC_BATCH_HEADER_SIZE];
        struct kc_batch_header header;
        size_t got;
        status = kc_file_read(segment->file, bytes, sizeof bytes, 0, &got);
        if (status != KC_OK || got < sizeof bytes) return status == KC_OK ? KC_CORRUPT : status;
        kc_batch_header_load(bytes, &header);
        segment->first_timestamp = header.max_timestamp;
    }
    status = walk(segment, log->config.index_interval_bytes, file_size, &last, &end);
    if (status == KC_OK && last >= 0) status = check_batch(segment, last, end);
    if (status == KC_OK && end < file_size) {
        report->truncated_bytes += file_size - end;
        report->cut_base_offset = segment->base_offset;
        report->cut_position = end;
    }
    /* Also where the size is right: blocks that the process had reserved go back. */
    if (status == KC_OK) status = kc_file_truncate(segment->file, end);
    if (status == KC_OK) *end_offset = segment->next_offset;
    return status;
}

static kc_status drop_behind(struct kc_log *log, size_t slot, struct kc_log_recovery *report) {
    while (log->segment_count > slot + 1) {
        int64_t size;
        kc_status status = kc_file_size(kc_log_active(log)->file, &size);
        if (status != KC_OK) return status;
        report->truncated_bytes += size;
        report->dropped_segments++;
        kc_log_active(log)->size_bytes = 0;            /* not counted yet */
        status = kc_log_discard_last_segment(log);
        if (status != KC_OK) return status;
    }
    return KC_OK;
}

kc_status kc_recovery_scan(struct kc_log *log, size_t first, bool compacted, struct kc_log_recovery *report, int64_t *end_offset) {
    struct scan scan = {.log = log, .epoch = -1};
    scan.window.bytes = malloc(SCAN_BUFFER_SIZE);
    scan.window.capacity = SCAN_BUFFER_SIZE;
    if (!scan.window.bytes) return KC_NO_MEMORY;
    kc_status status = KC_OK;
    for (size_t i = first; i < log->segment_count && status == KC_OK; i++) {
        struct kc_segment *segment = log->segments[i];
        bool last = i + 1 == log->segment_count;
        int64_t good_size = 0, limit = last ? INT64_MAX : log->segments[i + 1]->base_offset;
        status = scan_segment(&scan, segment, limit, &good_size);
        if (status != KC_OK) break;
        report->scanned_bytes += scan.window.file_size;
        kc_log_dir_add_scanned(log->dir, scan.window.file_size);
        report->rebuilt_indexes++;
        /* A power cut may keep a later segment and lose the end of this one, at a batch's edge.  Compaction leaves such gaps too,
         * but hardly without leaving others before. */
        bool cut = good_size < scan.window.file_size || (!last && scan.dense && !compacted && scan.next_offset < limit);
        if (cut) {
            report->truncated_bytes += scan.window.file_size - good_size;
            report->cut_base_offset = segment->base_offset;
            report->cut_position = good_size;
            status = kc_file_truncate(segment->file, good_size);
            if (status == KC_OK) status = drop_behind(log, i, report);
            last = true;
        }
        /* What is not there any more must not be on disk either, and blocks reserved by a process that died go back. */
        if (status == KC_OK && last && !cut) status = kc_file_truncate(segment->file, good_size);
        if (status == KC_OK && !last) status = kc_segment_seal(segment);
        kc_segment_mark_unsynced(segment);
    }
    kc_aborted_txns_release(&scan.aborted);
    free(scan.window.bytes);
    if (status != KC_OK) return status;
    struct kc_segment *active = kc_log_active(log);
    *end_offset = scan.next_offset > active->base_offset ? scan.next_offset : active->base_offset;
    return KC_OK;
}

kc_status kc_recovery_rebuild_indexes(struct kc_log *log, size_t slot, struct kc_log_recovery *report) {
    struct kc_segment *segment = log->segments[slot];
    int64_t size = segment->size_bytes, position;
    kc_status status = kc_segment_reset(segment);
    if (status != KC_OK) return status;
    uint8_t *buffer = malloc(SCAN_BUFFER_SIZE);
    if (!buffer) return KC_NO_MEMORY;
    struct kc_batch_scanner scanner;
    struct kc_batch_header header;
    kc_batch_scanner_init(&scanner, segment->file, 0, size, segment->base_offset, buffer, SCAN_BUFFER_SIZE);
    while ((status = kc_batch_scanner_next(&scanner, &header, &position)) == KC_OK) {
        if (!kc_segment_holds(segment, kc_batch_last_offset(&header))) break;
        status = kc_segment_add(segment, kc_batch_last_offset(&header), header.max_timestamp, header.size_bytes,
                                log->config.index_interval_bytes);
        if (status != KC_OK) break;
    }
    free(buffer);
    if (status == KC_END || status == KC_CORRUPT) status = KC_OK;
    segment->size_bytes = size;
    segment->batch_size_max = INT32_MAX;
    if (status == KC_OK) status = kc_segment_seal(segment);
    report->scanned_bytes += size;
    report->rebuilt_indexes++;
    return status;
}

kc_status kc_recovery_rebuild_epochs(struct kc_log *log) {
    uint8_t *buffer = malloc(SCAN_BUFFER_SIZE);
    if (!buffer) return KC_NO_MEMORY;
    kc_leader_epochs_clear(&log->epochs);
    kc_status status = KC_OK;
    for (size_t i = 0; i < log->segment_count && status == KC_OK; i++) {
        struct kc_segment *segment = log->segments[i];
        struct kc_batch_scanner scanner;
        struct kc_batch_header header;
        int64_t position;
        kc_batch_scanner_init(&scanner, segment->file, 0, segment->size_bytes, segment->base_offset, buffer, SCAN_BUFFER_SIZE);
        while ((status = kc_batch_scanner_next(&scanner, &header, &position)) == KC_OK) {
            if (header.leader_epoch <= kc_leader_epochs_latest(&log->epochs)) continue;
            status = kc_leader_epochs_assign(&log->epochs, header.leader_epoch, header.base_offset);
            if (status != KC_OK) break;
        }
        if (status == KC_END || status == KC_CORRUPT) status = KC_OK;
    }
    free(buffer);
    return status;
}

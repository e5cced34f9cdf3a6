/* lookup.c: offsets by timestamp.
 *
 * The first record at or after a time: the first segment whose highest timestamp reaches it, the time index to a place before
 * it, then headers, then the records of the first batch that reaches it.  A compressed batch is handed to the caller.
 * Works on views, without the log's lock.  Source: LogSegment.findOffsetByTimestamp, UnifiedLog.fetchOffsetByTimestamp. */
#include <stdlib.h>

#include "log/log_internal.h"
#include "log/time_index.h"
#include "record/search.h"

enum { LOOKUP_BUFFER_SIZE = 16 << 10 };

struct search {
    int64_t target;
    int64_t from_offset, offset_limit;
};

static const struct kc_log_position nowhere = {.offset = -1, .timestamp = -1, .leader_epoch = -1};

/* The first record of an uncompressed batch with timestamp >= target and offset >= from_offset.  KC_END: none. */
static kc_status search_records(struct kc_file *file, int64_t position, const struct kc_batch_header *header,
                                const struct search *search, struct kc_log_position *out) {
    size_t size = (size_t)header->size_bytes, got;
    uint8_t *bytes = malloc(size);
    if (!bytes) return KC_NO_MEMORY;
    kc_status status = kc_file_read(file, bytes, size, position, &got);
    if (status == KC_OK && got < size) status = KC_CORRUPT;
    struct kc_timestamped_offset found;
    if (status == KC_OK)
        status = kc_record_find_timestamp(kc_slice_make(bytes + KC_BATCH_HEADER_SIZE, size - KC_BATCH_HEADER_SIZE), header,
                                          search->target, search->from_offset, &found);
    free(bytes);
    if (status == KC_OK)
        *out = (struct kc_log_position){
            .offset = found.offset, .timestamp = found.timestamp, .leader_epoch = header->leader_epoch};
    return status;
}

/* KC_END: no record of this batch will do. */
static kc_status search_batch(struct kc_file *file, int64_t position, const struct kc_batch_header *header,
                              const struct search *search, struct kc_log_position *out) {
    if (header->attributes & KC_ATTRIBUTE_LOG_APPEND_TIME) {
        int64_t offset = header->base_offset > search->from_offset ? header->base_offset : search->from_offset;
        *out = (struct kc_log_position){.offset = offset, .timestamp = header->max_timestamp, .leader_epoch = header->leader_epoch};
        return KC_OK;
    }
    if (kc_batch_codec(header->attributes) == KC_CODEC_NONE) return search_records(file, position, header, search, out);
    *out = (struct kc_log_position){.offset = header->base_offset,
                                    .timestamp = header->max_timestamp,
                                    .leader_epoch = header->leader_epoch,
                                    .in_batch = true,
                                    .batch = {kc_file_retain(file), position, header->size_bytes}};
    return KC_OK;
}

/* Where a search of a segment begins.  `named` is what the time index says: all records up to this offset are older than the
 * target, and its batch bears this timestamp. */
struct start {
    struct kc_segment_view view, view_of_named;
    int64_t named_offset, named_timestamp;     /* -1: the index names nothing, the search begins at the segment's start */
    int64_t from_offset;
};

/* The place of the batch to begin with. */
static kc_status find_start(struct kc_log *log, const struct start *start, int64_t *position) {
    struct kc_batch_header header;
    if (start->named_offset >= start->from_offset) {
        kc_status status = kc_segment_find(&start->view_of_named, &log->offset_page, &log->page_lock, start->named_offset,
                                           position, &header);
        /* An index whose batch is not there, or bears another timestamp, is not believed. */
        if (status == KC_OK && kc_batch_last_offset(&header) == start->named_offset &&
            header.max_timestamp == start->named_timestamp)
            return KC_OK;
        if (status != KC_OK && status != KC_END && status != KC_CORRUPT) return status;
    }
    return kc_segment_find(&start->view, &log->offset_page, &log->page_lock, start->from_offset, position, &header);
}

static kc_status search_segment(struct kc_log *log, const struct start *start, const struct search *search,
                                struct kc_log_position *out) {
    const struct kc_segment_view *view = &start->view;
    struct kc_file *file = view->segment->file;
    struct kc_batch_header header;
    int64_t position;
    kc_status status = find_start(log, start, &position);
    if (status != KC_OK) return status;
    uint8_t *buffer = malloc(LOOKUP_BUFFER_SIZE);
    if (!buffer) return KC_NO_MEMORY;
    struct kc_batch_scanner scanner;
    kc_batch_scanner_init(&scanner, file, position, view->size_bytes, view->segment->base_offset, buffer, LOOKUP_BUFFER_SIZE);
    while ((status = kc_batch_scanner_next(&scanner, &header, &position)) == KC_OK) {
        if (header.base_offset >= search->offset_limit) {
            status = KC_END;
            break;
        }
        if (header.max_timestamp < search->target || kc_batch_last_offset(&header) < search->from_offset) continue;
        status = search_batch(file, position, &header, search, out);
        if (status != KC_END) break;
    }
    free(buffer);
    return status;
}

/* Under the lock. */
static kc_status prepare(struct kc_log *log, struct kc_segment *segment, const struct search *search, struct start *start) {
    int64_t target = search->target;
    start->from_offset = segment->base_offset > search->from_offset ? segment->base_offset : search->from_offset;
    start->named_offset = start->named_timestamp = -1;
    kc_segment_view_for(segment, start->from_offset, &start->view);
    if (target <= 0) return KC_OK;
    struct kc_index_hit hit;
    pthread_mutex_lock(&log->page_lock);
    kc_status status = kc_index_file_search(&segment->time_index, &log->time_page, target - 1, &hit);
    pthread_mutex_unlock(&log->page_lock);
    if (status == KC_CORRUPT) return KC_OK;
    if (status == KC_OK && hit.slot >= 0) {
        start->named_offset = segment->base_offset + kc_time_entry_relative(hit.entry);
        start->named_timestamp = kc_time_entry_timestamp(hit.entry);
        kc_segment_view_for(segment, start->named_offset, &start->view_of_named);
    }
    return status;
}

kc_status kc_log_find_timestamp(struct kc_log *log, int64_t target, int64_t offset_limit, struct kc_log_position *out) {
    int64_t after_base = -1;
    for (;;) {
        pthread_mutex_lock(&log->lock);
        if (log->closed || kc_log_offline(log)) {
            bool closed = log->closed;
            pthread_mutex_unlock(&log->lock);
            return closed ? KC_CLOSED : KC_IO_ERROR;
        }
        struct search search = {target, kc_log_start_offset(log), offset_limit};
        size_t slot = kc_log_segment_slot(log, search.from_offset);
        while (slot < log->segment_count &&
               (log->segments[slot]->base_offset <= after_base || log->segments[slot]->max_timestamp < target))
            slot++;
        if (slot == log->segment_count || log->segments[slot]->base_offset >= offset_limit) {
            pthread_mutex_unlock(&log->lock);
            *out = nowhere;
            return KC_OK;
        }
        struct kc_segment *segment = kc_segment_retain(log->segments[slot]);
        struct start start;
        kc_status status = prepare(log, segment, &search, &start);
        uint64_t truncations = log->truncations;
        pthread_mutex_unlock(&log->lock);

        struct kc_log_position found = nowhere;
        if (status == KC_OK) status = search_segment(log, &start, &search, &found);
        after_base = segment->base_offset;
        kc_segment_release(segment);

        pthread_mutex_lock(&log->lock);
        bool stale = truncations != log->truncations;
        pthread_mutex_unlock(&log->lock);
        if (stale) {
            kc_file_release(found.batch.file);
            after_base = -1;
            continue;
        }
        if (status == KC_END) continue;
        if (status == KC_OK) *out = found.offset < offset_limit ? found : nowhere;
        return status;
    }
}

kc_status kc_log_find_max_timestamp(struct kc_log *log, struct kc_log_position *out) {
    pthread_mutex_lock(&log->lock);
    if (log->closed || kc_log_offline(log)) {
        bool closed = log->closed;
        pthread_mutex_unlock(&log->lock);
        return closed ? KC_CLOSED : KC_IO_ERROR;
    }
    struct kc_segment *best = NULL;
    for (size_t i = kc_log_segment_slot(log, kc_log_start_offset(log)); i < log->segment_count; i++)
        if (log->segments[i]->max_timestamp >= 0 && (!best || log->segments[i]->max_timestamp > best->max_timestamp))
            best = log->segments[i];
    if (!best) {
        pthread_mutex_unlock(&log->lock);
        *out = nowhere;
        return KC_OK;
    }
    int64_t max_timestamp = best->max_timestamp;
    pthread_mutex_unlock(&log->lock);
    return kc_log_find_timestamp(log, max_timestamp, INT64_MAX, out);
}

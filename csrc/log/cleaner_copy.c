/* cleaner_copy.c: the copy of a group of segments, from `.cleaned` to its place in the log. */
#include <stdlib.h>

#include "log/cleaning.h"
#include "log/directory.h"
#include "log/offset_index.h"
#include "log/time_index.h"

enum { OUT_SIZE = 1 << 20 };

/* As many segments as make one, by their sizes before: what is copied is hardly ever longer. */
static size_t choose_group(const struct kc_cleaning *c, size_t first) {
    int64_t size_bytes = 0, offset_entries = 0, time_entries = 0;
    int64_t base_offset = c->sources[first].segment->base_offset;
    int64_t size_max = c->config.segment_size_bytes < INT32_MAX ? c->config.segment_size_bytes : INT32_MAX;
    size_t end = first;
    for (; end < c->copy_count; end++) {
        const struct kc_cleaning_source *source = &c->sources[end];
        size_bytes += source->size_bytes;
        offset_entries += source->segment->offset_index.count;
        time_entries += source->segment->time_index.count;
        bool fits = size_bytes <= size_max && source->end_offset - 1 - base_offset <= INT32_MAX &&
                    offset_entries * KC_OFFSET_INDEX_ENTRY_SIZE <= c->config.segment_index_size_bytes &&
                    time_entries * KC_TIME_INDEX_ENTRY_SIZE <= c->config.segment_index_size_bytes;
        if (!fits && end > first) break;
    }
    return end;
}

kc_status kc_cleaning_begin_group(struct kc_cleaning *c) {
    c->group_first = c->group_end;
    if (c->group_first == c->copy_count) {
        c->phase = KC_CLEANING_OVER;
        return KC_OK;
    }
    c->group_end = choose_group(c, c->group_first);
    kc_status status = kc_byte_buffer_reserve(&c->out, OUT_SIZE);
    if (status != KC_OK) return status;
    struct kc_log *log = c->log;
    pthread_mutex_lock(&log->lock);
    uint64_t index_ids = log->next_index_id;
    log->next_index_id += 2;
    pthread_mutex_unlock(&log->lock);
    status = kc_segment_create_staged(log->files, c->directory, c->sources[c->group_first].segment->base_offset,
                                      KC_LOG_FILE_CLEANED, index_ids, c->options.now_ms, &c->copy);
    if (status != KC_OK) return status;
    c->copy->created_ms = c->sources[c->group_end - 1].segment->created_ms;
    c->out_size = 0;
    c->written_bytes = 0;
    c->last_lost_marker = -1;
    /* Also a copy without a batch is a file. */
    int handle;
    status = kc_file_pin(c->copy->file, &handle);
    if (status == KC_OK) kc_file_unpin(c->copy->file);
    return status;
}

static kc_status write_out(struct kc_cleaning *c, struct kc_slice bytes) {
    struct iovec iov = {(void *)(uintptr_t)bytes.data, bytes.size};
    if (bytes.size == 0) return KC_OK;
    kc_status status = kc_file_write(c->copy->file, &iov, 1, c->written_bytes);
    if (status == KC_OK) c->written_bytes += (int64_t)bytes.size;
    return status;
}

static kc_status flush_out(struct kc_cleaning *c) {
    kc_status status = write_out(c, kc_slice_make(c->out.bytes, c->out_size));
    c->out_size = 0;
    return status;
}

kc_status kc_cleaning_emit(struct kc_cleaning *c, const struct kc_batch_header *header, struct kc_slice bytes) {
    struct kc_segment *copy = c->copy;
    int64_t last_offset = kc_batch_last_offset(header);
    if (!kc_segment_holds(copy, last_offset) || (int64_t)bytes.size > INT32_MAX - copy->size_bytes) return KC_LIMIT;
    kc_status status = KC_OK;
    if (bytes.size > c->out.capacity - c->out_size) status = flush_out(c);
    if (status == KC_OK && bytes.size > c->out.capacity) {
        status = write_out(c, bytes);
    } else if (status == KC_OK) {
        memcpy(c->out.bytes + c->out_size, bytes.data, bytes.size);
        c->out_size += bytes.size;
    }
    if (status != KC_OK) return status;
    c->budget_bytes -= (int64_t)bytes.size;
    c->stats.bytes_written += (int64_t)bytes.size;
    return kc_segment_add(copy, last_offset, header->max_timestamp, (int32_t)bytes.size, c->config.index_interval_bytes);
}

static kc_status complete_copy(struct kc_cleaning *c) {
    kc_status status = flush_out(c);
    if (status == KC_OK) status = kc_segment_seal(c->copy);
    struct kc_file *files[KC_SEGMENT_FILE_COUNT];
    size_t count = 0;
    kc_segment_list_dirty(c->copy, files, &count);
    for (size_t i = 0; i < count; i++) {
        if (status == KC_OK) status = kc_file_sync(files[i]);
        kc_file_release(files[i]);
    }
    return status;
}

/* The place of the group in the log, if the log still has it as it was. */
static kc_status find_group(const struct kc_cleaning *c, size_t *slot) {
    const struct kc_log *log = c->log;
    kc_status status = kc_log_check_writable(log);
    if (status != KC_OK) return status;
    size_t count = c->group_end - c->group_first;
    *slot = kc_log_segment_slot(log, c->copy->base_offset);
    if (log->truncations != c->truncations || *slot + count >= log->segment_count) return KC_STALE;
    for (size_t i = 0; i < count; i++)
        if (log->segments[*slot + i] != c->sources[c->group_first + i].segment) return KC_STALE;
    return KC_OK;
}

static kc_status unlink_snapshot(struct kc_log *log, int64_t offset) {
    char path[KC_PATH_SIZE];
    kc_status status = kc_log_path(path, log->directory, offset, KC_LOG_FILE_SNAPSHOT, KC_LOG_FILE_PLAIN);
    if (status == KC_OK) status = log->disk->unlink(log->disk->state, path);
    return status == KC_NOT_FOUND ? KC_OK : status;
}

/* Under the lock.  Snapshots that may know a transaction as open whose marker is not in the copy: a replay from one would never close it.
 * The newest is above all markers that go. */
static kc_status forget_snapshots(struct kc_cleaning *c) {
    struct kc_log *log = c->log;
    int64_t *snapshots;
    size_t count;
    if (c->last_lost_marker < 0) return KC_OK;
    kc_status status = kc_directory_snapshots(log->disk, log->directory, &snapshots, &count);
    if (status != KC_OK) return status;
    for (size_t i = 0; i < count && snapshots[i] <= c->last_lost_marker && status == KC_OK; i++)
        if (snapshots[i] != log->snapshot_offset) status = unlink_snapshot(log, snapshots[i]);
    free(snapshots);
    return status;
}

/* Under the lock.  What fails half-way leaves names that only opening the log anew can put right. */
static kc_status rename_all(struct kc_cleaning *c, size_t slot) {
    struct kc_log *log = c->log;
    size_t count = c->group_end - c->group_first;
    kc_status status = kc_segment_set_stage(c->copy, log->directory, KC_LOG_FILE_SWAP);
    for (size_t i = 0; i < count && status == KC_OK; i++) {
        struct kc_segment *segment = log->segments[slot + i];
        status = kc_segment_mark_replaced(segment, log->directory, (uint32_t)log->truncations);
        /* A snapshot begins where a segment does; the newest is kept whatever happens. */
        if (status == KC_OK && i > 0 && segment->base_offset != log->snapshot_offset)
            status = unlink_snapshot(log, segment->base_offset);
    }
    if (status == KC_OK) status = kc_segment_set_stage(c->copy, log->directory, KC_LOG_FILE_PLAIN);
    return status;
}

/* Under the lock. */
static void replace(struct kc_cleaning *c, size_t slot) {
    struct kc_log *log = c->log;
    size_t count = c->group_end - c->group_first;
    int64_t shrunk_bytes = -c->copy->size_bytes;
    for (size_t i = 0; i < count; i++) {
        shrunk_bytes += log->segments[slot + i]->size_bytes;
        kc_segment_release(log->segments[slot + i]);
    }
    log->segments[slot] = c->copy;
    memmove(log->segments + slot + 1, log->segments + slot + count,
            (log->segment_count - slot - count) * sizeof(struct kc_segment *));
    log->segment_count -= count - 1;
    atomic_fetch_sub_explicit(&log->size_bytes, shrunk_bytes, memory_order_relaxed);
    /* Look-ups that are under way in the originals start again. */
    c->truncations = ++log->truncations;
}

kc_status kc_cleaning_end_group(struct kc_cleaning *c) {
    struct kc_log *log = c->log;
    kc_status status = complete_copy(c);
    if (status != KC_OK) return status;
    size_t slot = 0;
    pthread_mutex_lock(&log->lock);
    status = find_group(c, &slot);
    if (status == KC_OK) status = forget_snapshots(c);
    if (status == KC_OK) {
        status = rename_all(c, slot);
        if (status == KC_OK)
            replace(c, slot);
        else
            kc_segment_release(c->copy);
        c->copy = NULL;
        if (status != KC_OK) kc_log_fail(log, status);
    }
    pthread_mutex_unlock(&log->lock);
    if (status != KC_OK) return status;
    c->stats.segments_before += (int32_t)(c->group_end - c->group_first);
    c->stats.segments_after++;
    status = log->disk->sync_directory(log->disk->state, c->directory);
    if (status == KC_OK || status == KC_NOT_FOUND) return KC_OK;
    pthread_mutex_lock(&log->lock);
    kc_log_fail(log, status);
    pthread_mutex_unlock(&log->lock);
    return status;
}

void kc_cleaning_discard_copy(struct kc_cleaning *c) {
    if (!c->copy) return;
    const struct kc_disk *disk = c->log->disk;
    struct kc_file *files[KC_SEGMENT_FILE_COUNT] = {c->copy->file, c->copy->offset_index.file, c->copy->time_index.file,
                                                    c->copy->txn_index.file};
    /* What cannot be removed is removed when the log is opened. */
    for (int i = 0; i < KC_SEGMENT_FILE_COUNT; i++) disk->unlink(disk->state, kc_file_path(files[i]));
    kc_segment_release(c->copy);
    c->copy = NULL;
}

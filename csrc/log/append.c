/* append.c: batches into the active segment, and rolling to the next.
 *
 * Accepted neighbours are gathered into one pwritev(); nothing is visible, and no index entry exists, before that call
 * has succeeded.  The file is pinned before the first batch of a group is judged, so that running out of descriptors refuses
 * batches without a trace.  A write that fails leaves the log failed: the file is cut back, and what was remembered of the
 * group's producers is never used or written.  A write that finds the disk full is cut back too, and the producers are brought back
 * to what the log holds; the rest of the call's batches are refused with it, and later ones first ask for room. */
#include <limits.h>

#include "base/check.h"
#include "log/log_internal.h"
#include "log/producer_snapshot.h"

enum {
    GROUP_BATCH_COUNT_MAX = 128,               /* below IOV_MAX, and small enough for the stack */
    ALLOCATE_FROM_BYTES = 1 << 20,             /* smaller segments reserve nothing: there may be thousands */
    ALLOCATE_STEP_MAX_BYTES = 8 << 20,
};
_Static_assert(GROUP_BATCH_COUNT_MAX <= 1024, "one pwritev takes at most IOV_MAX pieces");

struct pending {
    int64_t base_offset, last_offset, max_timestamp;
    int32_t size_bytes;
};

/* Batches that have been accepted and not yet written. */
struct group {
    struct iovec iov[GROUP_BATCH_COUNT_MAX];
    struct pending batches[GROUP_BATCH_COUNT_MAX];
    int count;
    int handle;
    bool pinned;
    bool has_producers;
    bool refused;                              /* could not be written, nor may what comes behind it in this call */
    int64_t size_bytes;
    int64_t next_offset;                       /* log end offset once it is written */
};

static void group_begin(struct kc_log *log, struct group *group) {
    group->count = 0;
    group->pinned = group->has_producers = group->refused = false;
    group->size_bytes = 0;
    group->next_offset = kc_log_end_offset(log);
}

static kc_status group_pin(struct kc_log *log, struct group *group) {
    if (group->pinned) return KC_OK;
    kc_status status = kc_file_pin(kc_log_active(log)->file, &group->handle);
    group->pinned = status == KC_OK;
    return status;
}

static void group_unpin(struct kc_log *log, struct group *group) {
    if (group->pinned) kc_file_unpin(kc_log_active(log)->file);
    group->pinned = false;
}

/* Reserves blocks ahead of the write, in steps that grow with the segment. */
static void allocate_ahead(struct kc_log *log, struct kc_segment *segment, int handle, int64_t end) {
    if (log->cannot_allocate || segment->size_bytes < ALLOCATE_FROM_BYTES || end <= segment->allocated_bytes) return;
    int64_t step = segment->size_bytes / 4;
    if (step > ALLOCATE_STEP_MAX_BYTES) step = ALLOCATE_STEP_MAX_BYTES;
    if (step < ALLOCATE_FROM_BYTES) step = ALLOCATE_FROM_BYTES;
    int64_t from = segment->allocated_bytes > segment->size_bytes ? segment->allocated_bytes : segment->size_bytes;
    int64_t to = end + step;
    if (to > log->config.segment_size_bytes) to = log->config.segment_size_bytes;
    if (to <= from) return;
    kc_status status = log->disk->allocate(log->disk->state, handle, from, to - from);
    if (status == KC_OK)
        segment->allocated_bytes = to;
    else
        log->cannot_allocate = status != KC_NO_SPACE;      /* only speed is lost; a full disk will tell by itself */
}

/* After a write that found the disk full: whether there is room again.  Asked before anything is remembered of a batch. */
static bool has_room(struct kc_log *log, int32_t size_bytes) {
    struct kc_segment *segment = kc_log_active(log);
    int handle;
    if (kc_file_pin(segment->file, &handle) != KC_OK) return false;
    kc_status status = log->disk->allocate(log->disk->state, handle, segment->size_bytes, size_bytes);
    kc_file_unpin(segment->file);
    int64_t end = segment->size_bytes + size_bytes;
    if (status == KC_OK && segment->allocated_bytes < end) segment->allocated_bytes = end;
    return !kc_status_is_shortage(status);     /* where blocks cannot be reserved only a write can tell */
}

/* The file is as long as the log again, and the producers are those of the log. */
static kc_status group_undo(struct kc_log *log, struct group *group, kc_status why) {
    struct kc_segment *segment = kc_log_active(log);
    kc_status status = log->disk->truncate(log->disk->state, group->handle, segment->size_bytes);
    segment->allocated_bytes = 0;
    group_unpin(log, group);
    group->count = 0;
    group->refused = true;
    if (status != KC_OK || !kc_status_is_shortage(why)) return kc_log_fail(log, why);
    log->short_of_space = why == KC_NO_SPACE;
    if (group->has_producers) status = kc_log_rebuild_producers(log, kc_log_end_offset(log));
    kc_log_publish_open_txns(log);
    return status == KC_OK ? why : kc_log_fail(log, status);
}

/* Writes the group out and makes it visible. */
static kc_status group_commit(struct kc_log *log, struct group *group) {
    if (group->count == 0) {
        group_unpin(log, group);
        return KC_OK;
    }
    struct kc_segment *segment = kc_log_active(log);
    allocate_ahead(log, segment, group->handle, segment->size_bytes + group->size_bytes);
    kc_status status = log->disk->write(log->disk->state, group->handle, group->iov, group->count, segment->size_bytes);
    if (status != KC_OK) return group_undo(log, group, status);
    log->short_of_space = false;
    kc_file_written(segment->file, segment->size_bytes, segment->size_bytes + group->size_bytes);
    kc_status index_status = KC_OK;
    for (int i = 0; i < group->count; i++) {
        const struct pending *batch = &group->batches[i];
        kc_recent_batches_add(&log->recent,
                              (struct kc_recent_batch){batch->base_offset, (int32_t)(batch->last_offset - batch->base_offset),
                                                       (int32_t)segment->size_bytes});
        status = kc_segment_add(segment, batch->last_offset, batch->max_timestamp, batch->size_bytes,
                                log->config.index_interval_bytes);
        if (status != KC_OK) index_status = status;
    }
    atomic_fetch_add_explicit(&log->size_bytes, group->size_bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&log->bytes_to_write_back, group->size_bytes, memory_order_relaxed);
    atomic_store_explicit(&log->log_end_offset, group->next_offset, memory_order_release);
    group_unpin(log, group);
    int64_t size_bytes = group->size_bytes;
    group->count = 0;
    group->size_bytes = 0;
    group->has_producers = false;
    /* The batches are in the file; only what comes later is refused. */
    if (index_status != KC_OK) kc_log_fail(log, index_status);
    else kc_log_landmark(log, size_bytes);
    return KC_OK;
}

kc_status kc_log_roll_to(struct kc_log *log, int64_t base_offset, int64_t last_offset) {
    struct kc_segment *old = kc_log_active(log);
    if (old->size_bytes == 0) {
        if (old->base_offset == base_offset) return KC_OK;
        kc_status status = kc_log_discard_last_segment(log);
        if (status == KC_OK) status = kc_log_create_segment(log, base_offset);
        return status == KC_OK ? KC_OK : kc_log_fail(log, status);
    }
    /* The old one's indexes first, so that none but the last segment is ever found with a part of them. */
    kc_status status = kc_segment_seal(old);
    if (status != KC_OK) return kc_log_fail_unless_short(log, status);
    /* Segments touch, so that recovery can tell a lost end from a gap: offsets that nothing bears (behind a truncation into a
     * batch, or in a follower's copy of a compacted log) belong to the new segment. */
    if (last_offset - old->next_offset <= INT32_MAX) base_offset = old->next_offset;
    status = kc_log_create_segment(log, base_offset);
    if (status != KC_OK) return kc_log_fail_unless_short(log, status);
    if (log->snapshot_offset != base_offset) {
        status = kc_producer_snapshot_write(log->disk, log->directory, base_offset, &log->producers, false);
        /* Without it the next start has more to read. */
        if (kc_status_is_shortage(status)) return KC_OK;
        log->snapshot_offset = base_offset;
        log->snapshot_dirty = true;
        log->bytes_since_landmark = 0;
    }
    return status == KC_OK ? KC_OK : kc_log_fail(log, status);
}

static bool must_roll(const struct kc_log *log, const struct group *group, const struct pending *batch, int64_t now_ms) {
    const struct kc_segment *segment = kc_log_active(log);
    int64_t size = segment->size_bytes + group->size_bytes;
    if (!kc_segment_holds(segment, batch->last_offset)) return true;
    if (size == 0) return false;
    int64_t limit = log->config.segment_size_bytes < INT32_MAX ? log->config.segment_size_bytes : INT32_MAX;
    if (size + batch->size_bytes > limit) return true;
    int64_t first = segment->size_bytes > 0 ? segment->first_timestamp : group->batches[0].max_timestamp;
    int64_t from = first >= 0 ? first : segment->created_ms, to = first >= 0 ? batch->max_timestamp : now_ms;
    if (to > from && (uint64_t)to - (uint64_t)from > (uint64_t)log->config.segment_ms) return true;
    return kc_segment_index_full(segment, log->config.segment_index_size_bytes, group->count);
}

/* Rolls if the batch asks for it; afterwards the active segment is pinned and has room. */
static kc_status make_way(struct kc_log *log, struct group *group, const struct pending *batch, int64_t now_ms) {
    if (group->count == GROUP_BATCH_COUNT_MAX) {
        kc_status status = group_commit(log, group);
        if (status != KC_OK) return status;
    }
    if (must_roll(log, group, batch, now_ms)) {
        kc_status status = group_commit(log, group);
        if (status == KC_OK) status = kc_log_check_writable(log);
        if (status == KC_OK) status = kc_log_roll_to(log, batch->base_offset, batch->last_offset);
        if (status != KC_OK) return status;
    }
    kc_status status = kc_log_check_writable(log);
    return status == KC_OK ? group_pin(log, group) : status;
}

static void group_push(struct group *group, const struct pending *batch, const uint8_t *bytes) {
    KC_CHECK(group->count < GROUP_BATCH_COUNT_MAX);
    group->iov[group->count] = (struct iovec){(void *)(uintptr_t)bytes, (size_t)batch->size_bytes};
    group->batches[group->count++] = *batch;
    group->size_bytes += batch->size_bytes;
    group->next_offset = batch->last_offset + 1;
}

static enum kc_append_fault fault_of(enum kc_producer_verdict verdict) {
    switch (verdict) {
    case KC_PRODUCER_ACCEPT: return KC_APPEND_OK;
    case KC_PRODUCER_DUPLICATE: return KC_APPEND_DUPLICATE;
    case KC_PRODUCER_OUT_OF_ORDER: return KC_APPEND_OUT_OF_ORDER_SEQUENCE;
    case KC_PRODUCER_OLD_EPOCH: return KC_APPEND_INVALID_PRODUCER_EPOCH;
    case KC_PRODUCER_TXN_OPEN: return KC_APPEND_INVALID_TXN_STATE;
    case KC_PRODUCER_UNVERIFIED: return KC_APPEND_UNVERIFIED;
    case KC_PRODUCER_COORDINATOR_FENCED: return KC_APPEND_COORDINATOR_FENCED;
    }
    return KC_APPEND_STORAGE_ERROR;
}

/* The verdict on an idempotent batch; KC_APPEND_OK: append it. */
static enum kc_append_fault judge(struct kc_log *log, struct kc_append *append, int64_t now_ms) {
    const struct kc_producer_batch *old;
    enum kc_producer_verdict verdict =
        kc_producer_state_judge(&log->producers, &append->info->header, append->origin, append->guard, now_ms, &old);
    if (verdict != KC_PRODUCER_DUPLICATE) return fault_of(verdict);
    append->base_offset = old->last_offset - old->offset_delta;
    append->last_offset = old->last_offset;
    append->log_append_time_ms = append->log_append_time ? old->timestamp : -1;
    return KC_APPEND_DUPLICATE;
}

static enum kc_append_fault append_one(struct kc_log *log, struct group *group, struct kc_append *append, int64_t now_ms) {
    if (log->closed) return KC_APPEND_CLOSED;
    if (group->refused || kc_log_failed(log)) return KC_APPEND_STORAGE_ERROR;
    struct kc_batch_header header = append->info->header;
    if (header.size_bytes > log->config.segment_size_bytes) return KC_APPEND_TOO_LARGE;
    if (log->short_of_space && group->count == 0 && !has_room(log, header.size_bytes)) return KC_APPEND_STORAGE_ERROR;
    if (header.producer_id >= 0) {
        enum kc_append_fault fault = judge(log, append, now_ms);
        if (fault != KC_APPEND_OK) return fault;
    } else if (header.attributes & KC_ATTRIBUTE_TRANSACTIONAL) {
        return KC_APPEND_UNVERIFIED;
    }
    header.base_offset = group->next_offset;
    header.leader_epoch = append->leader_epoch;
    header.max_timestamp = append->log_append_time ? now_ms : append->info->max_timestamp;
    if (header.base_offset > INT64_MAX - 1 - header.last_offset_delta) return KC_APPEND_STORAGE_ERROR;
    struct pending batch = {header.base_offset, kc_batch_last_offset(&header), header.max_timestamp, header.size_bytes};
    if (make_way(log, group, &batch, now_ms) != KC_OK) return KC_APPEND_STORAGE_ERROR;
    kc_batch_stamp(append->batch, header.base_offset, header.leader_epoch);
    if (kc_leader_epochs_assign(&log->epochs, header.leader_epoch, header.base_offset) != KC_OK) return KC_APPEND_STORAGE_ERROR;
    if (header.producer_id >= 0) {
        if (kc_producer_state_update(&log->producers, &header, now_ms) != KC_OK) return KC_APPEND_STORAGE_ERROR;
        group->has_producers = true;
    }
    if (header.attributes & KC_ATTRIBUTE_TRANSACTIONAL) kc_log_publish_open_txns(log);
    group_push(group, &batch, append->batch);
    append->base_offset = batch.base_offset;
    append->last_offset = batch.last_offset;
    append->log_append_time_ms = append->log_append_time ? now_ms : -1;
    return KC_APPEND_OK;
}

int64_t kc_log_append(struct kc_log *log, struct kc_append *appends, size_t count) {
    int64_t now_ms = kc_log_now(log);
    for (size_t i = 0; i < count; i++) {       /* before the lock: these recompute a CRC */
        struct kc_append *append = &appends[i];
        if (append->log_append_time)
            kc_batch_set_log_append_time(append->batch, now_ms);
        else if (append->info->max_timestamp_differs)
            kc_batch_set_max_timestamp(append->batch, append->info->max_timestamp);
        append->base_offset = append->last_offset = append->log_append_time_ms = -1;
    }
    struct group group;
    pthread_mutex_lock(&log->lock);
    group_begin(log, &group);
    for (size_t i = 0; i < count; i++) appends[i].fault = append_one(log, &group, &appends[i], now_ms);
    group_commit(log, &group);
    int64_t end_offset = kc_log_end_offset(log), accepted = 0;
    pthread_mutex_unlock(&log->lock);
    for (size_t i = 0; i < count; i++) {
        struct kc_append *append = &appends[i];
        bool answered = append->fault == KC_APPEND_OK || append->fault == KC_APPEND_DUPLICATE;
        /* What stood in a group that could not be written, or repeats a batch of it, did not happen. */
        if (answered && append->last_offset >= end_offset) {
            append->fault = KC_APPEND_STORAGE_ERROR;
            append->base_offset = append->last_offset = append->log_append_time_ms = -1;
        }
        if (append->fault == KC_APPEND_OK) accepted += append->info->header.size_bytes;
    }
    return accepted;
}

/* What a marker does to the producer and to the index, which are written before it. */
static kc_status remember_marker(struct kc_log *log, struct group *group, const struct kc_marker *marker, int64_t offset, int64_t now_ms) {
    struct kc_aborted_txns aborted = {0};
    group->has_producers = true;
    kc_status status = kc_log_remember_marker(log, marker, offset, &aborted, now_ms);
    if (status == KC_OK) status = kc_log_index_aborted(log, &aborted);
    kc_aborted_txns_release(&aborted);
    return status;
}

/* Under the lock. */
static enum kc_append_fault append_marker(struct kc_log *log, struct group *group, const struct kc_log_marker *marker, uint8_t *bytes,
                                          int64_t now_ms, int64_t *offset) {
    if (log->closed) return KC_APPEND_CLOSED;
    if (kc_log_failed(log)) return KC_APPEND_STORAGE_ERROR;
    if (log->short_of_space && !has_room(log, KC_MARKER_SIZE)) return KC_APPEND_STORAGE_ERROR;
    enum kc_append_fault fault =
        fault_of(kc_producer_state_judge_marker(&log->producers, marker->producer_id, marker->producer_epoch,
                                                marker->coordinator_epoch, marker->transaction_version, now_ms));
    if (fault != KC_APPEND_OK) return fault;
    int64_t end_offset = group->next_offset;
    struct pending batch = {end_offset, end_offset, now_ms, KC_MARKER_SIZE};
    if (end_offset == INT64_MAX || make_way(log, group, &batch, now_ms) != KC_OK) return KC_APPEND_STORAGE_ERROR;
    kc_batch_stamp(bytes, end_offset, marker->leader_epoch);
    if (kc_leader_epochs_assign(&log->epochs, marker->leader_epoch, end_offset) != KC_OK) return KC_APPEND_STORAGE_ERROR;
    struct kc_marker written = {marker->producer_id, now_ms, marker->coordinator_epoch, marker->producer_epoch, marker->commit};
    kc_status status = remember_marker(log, group, &written, end_offset, now_ms);
    if (status != KC_OK) {
        status = kc_log_rebuild_producers(log, end_offset);
        if (status != KC_OK) kc_log_fail(log, status);
        kc_log_publish_open_txns(log);
        return KC_APPEND_STORAGE_ERROR;
    }
    group_push(group, &batch, bytes);
    status = group_commit(log, group);
    if (status != KC_OK) {
        kc_log_unindex_aborted(log, end_offset);
        return KC_APPEND_STORAGE_ERROR;
    }
    kc_log_publish_open_txns(log);
    *offset = end_offset;
    return KC_APPEND_OK;
}

int64_t kc_log_append_marker(struct kc_log *log, const struct kc_log_marker *marker, struct kc_append *out) {
    uint8_t bytes[KC_MARKER_SIZE];
    int64_t now_ms = kc_log_now(log), offset = -1;
    kc_marker_build(&(struct kc_marker){marker->producer_id, now_ms, marker->coordinator_epoch, marker->producer_epoch, marker->commit},
                    bytes);
    if (marker->log_append_time) kc_batch_set_log_append_time(bytes, now_ms);
    struct group group;
    pthread_mutex_lock(&log->lock);
    group_begin(log, &group);
    enum kc_append_fault fault = append_marker(log, &group, marker, bytes, now_ms, &offset);
    group_unpin(log, &group);
    pthread_mutex_unlock(&log->lock);
    *out = (struct kc_append){.fault = fault, .base_offset = -1, .last_offset = -1, .log_append_time_ms = -1};
    if (fault != KC_APPEND_OK) return 0;
    out->base_offset = out->last_offset = offset;
    if (marker->log_append_time) out->log_append_time_ms = now_ms;
    return KC_MARKER_SIZE;
}

kc_status kc_log_append_as_follower(struct kc_log *log, const uint8_t *batch, size_t size) {
    struct kc_batch_header header;
    kc_status status = kc_batch_check_stored(kc_slice_make(batch, size), &header);
    if (status != KC_OK || (size_t)header.size_bytes != size) return KC_CORRUPT;
    if (header.base_offset > INT64_MAX - 1 - header.last_offset_delta) return KC_CORRUPT;
    int64_t now_ms = kc_log_now(log);
    struct group group;
    struct pending pending = {header.base_offset, kc_batch_last_offset(&header), header.max_timestamp, header.size_bytes};
    if (header.last_offset_delta < 0) return KC_CORRUPT;
    pthread_mutex_lock(&log->lock);
    group_begin(log, &group);
    group.has_producers = header.producer_id >= 0;
    status = kc_log_check_writable(log);
    if (status == KC_OK && header.base_offset < group.next_offset) status = KC_INVALID;
    if (status == KC_OK) status = make_way(log, &group, &pending, now_ms);
    struct kc_aborted_txns aborted = {0};
    if (status == KC_OK) status = kc_log_remember_batch(log, &header, batch, &aborted, now_ms);
    if (status == KC_OK) status = kc_log_index_aborted(log, &aborted);
    if (status == KC_OK) group_push(&group, &pending, batch);
    /* A transaction that begins is seen before its data is, one that ends after its marker. */
    if (status == KC_OK && kc_producer_state_first_open_offset(&log->producers) == header.base_offset) kc_log_publish_open_txns(log);
    kc_status written = group_commit(log, &group);
    if (status == KC_OK && written != KC_OK && aborted.count) kc_log_unindex_aborted(log, header.base_offset);
    if (status == KC_OK && written == KC_OK) kc_log_publish_open_txns(log);
    pthread_mutex_unlock(&log->lock);
    kc_aborted_txns_release(&aborted);
    return status != KC_OK ? status : written;
}

kc_status kc_log_roll(struct kc_log *log) {
    pthread_mutex_lock(&log->lock);
    kc_status status = kc_log_check_writable(log);
    if (status == KC_OK && kc_log_active(log)->size_bytes > 0) status = kc_log_roll_to(log, kc_log_end_offset(log), kc_log_end_offset(log));
    pthread_mutex_unlock(&log->lock);
    return status;
}

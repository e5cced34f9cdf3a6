/* txns.c: which data is stable, and which was aborted.
 *
 * The last stable offset is the first offset of the oldest open transaction, or the end of the log.  It is read without the lock,
 * from two atomics, the end first:
 *   - A transaction's first offset is stored before the end passes its first batch, so that whoever has seen an end with data of an
 *     open transaction sees the transaction too.
 *   - A marker's effect is stored after the end has passed the marker and after the index of aborted transactions knows it, so that whoever
 *     reads decided data learns what became of it. */
#include "base/check.h"
#include "log/log_internal.h"
#include "log/offset_index.h"

void kc_log_publish_open_txns(struct kc_log *log) {
    atomic_store_explicit(&log->first_open_offset, kc_open_txns_first(&log->producers.open, -1, INT64_MAX), memory_order_release);
}

void kc_log_publish_aborts(struct kc_log *log) {
    int64_t last = -1;
    for (size_t i = log->segment_count; i > 0 && last < 0; i--)
        if (log->segments[i - 1]->txn_index.count) last = log->segments[i - 1]->txn_index.last_offset;
    atomic_store_explicit(&log->last_abort_offset, last, memory_order_release);
}

int64_t kc_log_last_stable_offset(const struct kc_log *log) {
    int64_t end = kc_log_end_offset(log);
    int64_t first_open = atomic_load_explicit(&log->first_open_offset, memory_order_acquire);
    int64_t start = kc_log_start_offset(log);
    if (first_open < end) end = first_open;
    return end > start ? end : start;      /* DeleteRecords may go beyond */
}

bool kc_log_admits_transaction(struct kc_log *log, int64_t producer_id, int16_t producer_epoch) {
    pthread_mutex_lock(&log->lock);
    bool admits = kc_producer_state_admits(&log->producers, producer_id, producer_epoch);
    pthread_mutex_unlock(&log->lock);
    return admits;
}

kc_status kc_log_begin_verification(struct kc_log *log, int64_t producer_id, int16_t producer_epoch, int32_t sequence,
                                    bool supports_epoch_bump, int64_t *guard) {
    pthread_mutex_lock(&log->lock);
    kc_status status = kc_log_check_writable(log);
    *guard = KC_TXN_GUARD_NONE;
    if (status == KC_OK && !kc_producer_state_admits(&log->producers, producer_id, producer_epoch))
        status = kc_txn_verification_begin(&log->producers.verifications, producer_id, producer_epoch, sequence, supports_epoch_bump,
                                           kc_log_now(log), guard);
    pthread_mutex_unlock(&log->lock);
    return status;
}

kc_status kc_log_expect_transaction(struct kc_log *log, int64_t producer_id, int16_t producer_epoch) {
    pthread_mutex_lock(&log->lock);
    kc_status status = kc_log_check_writable(log);
    const struct kc_producer *producer = kc_producer_state_find(&log->producers, producer_id, kc_log_now(log));
    if (status == KC_OK && producer && producer->epoch > producer_epoch) status = KC_STALE;
    if (status == KC_OK && !(producer && producer->txn_first_offset >= 0 && producer->epoch == producer_epoch))
        status = kc_txn_verification_expect(&log->producers.verifications, producer_id, producer_epoch, kc_log_now(log));
    pthread_mutex_unlock(&log->lock);
    return status;
}

void kc_log_producers(struct kc_log *log, struct kc_producer_info *infos, size_t capacity, size_t *count) {
    pthread_mutex_lock(&log->lock);
    const struct kc_producer_state *state = &log->producers;
    size_t found = 0;
    for (size_t i = 0; i < state->capacity; i++) {
        const struct kc_producer *producer = &state->table[i];
        if (producer->producer_id < 0) continue;
        if (found < capacity)
            infos[found] = (struct kc_producer_info){
                .producer_id = producer->producer_id,
                .last_timestamp = producer->last_timestamp,
                .txn_first_offset = producer->txn_first_offset,
                .last_sequence = producer->batch_count ? producer->batches[producer->batch_count - 1].last_sequence : -1,
                .coordinator_epoch = producer->coordinator_epoch,
                .producer_epoch = producer->epoch,
            };
        found++;
    }
    pthread_mutex_unlock(&log->lock);
    *count = found;
}

/* ---- aborted transactions ------------------------------------------------------------------------------------------------ */

struct collection {
    struct kc_log *log;
    int64_t offset, end_offset;
    struct kc_aborted_txns *list;
    uint32_t list_start;
    uint64_t truncations;
    bool complete;
};

/* Under the lock: goes through what is in memory.  *segment, retained, has the next entries in its file, `*count` of them; NULL: none. */
static kc_status collect_in_memory(struct collection *c, int64_t *after_base, struct kc_segment **segment, int64_t *count) {
    struct kc_log *log = c->log;
    kc_status status = KC_OK;
    size_t slot = kc_log_segment_slot(log, c->offset);
    *segment = NULL;
    for (; slot < log->segment_count && status == KC_OK && !c->complete; slot++) {
        struct kc_segment *at = log->segments[slot];
        if (at->base_offset <= *after_base || at->txn_index.last_offset < c->offset) continue;
        *after_base = at->base_offset;
        if (kc_txn_index_tail_covers(&at->txn_index, c->offset)) {
            status = kc_txn_index_scan_tail(&at->txn_index, c->offset, c->end_offset, c->list, &c->complete);
            continue;
        }
        *segment = kc_segment_retain(at);
        *count = at->txn_index.count;
        break;
    }
    return status;
}

static kc_status collect(struct collection *c) {
    struct kc_log *log = c->log;
    int64_t after_base = -1;
    for (;;) {
        struct kc_segment *segment = NULL;
        int64_t count = 0;
        pthread_mutex_lock(&log->lock);
        if (after_base < 0) c->truncations = log->truncations;
        kc_status status = KC_OK;
        if (log->closed)
            status = KC_CLOSED;
        else if (c->truncations == log->truncations)
            status = collect_in_memory(c, &after_base, &segment, &count);
        else
            status = KC_STALE;
        pthread_mutex_unlock(&log->lock);
        if (status != KC_OK || !segment) return status;
        pthread_mutex_lock(&log->page_lock);
        status = kc_txn_index_scan_file(&segment->txn_index, &log->txn_page, count, c->offset, c->end_offset, c->list, &c->complete);
        /* What was read while the file was cut may be anything.  Whoever cuts counts first and makes the pages forget then, so that a page that
         * is kept here is good, or will be forgotten. */
        if (c->truncations != atomic_load(&log->truncations)) {
            kc_txn_index_forget(&segment->txn_index, &log->txn_page);
            status = KC_STALE;
        }
        pthread_mutex_unlock(&log->page_lock);
        kc_segment_release(segment);
        if (status != KC_OK || c->complete) return status;
    }
}

bool kc_log_has_aborts_from(const struct kc_log *log, int64_t offset) {
    return atomic_load_explicit(&log->last_abort_offset, memory_order_acquire) >= offset;
}

kc_status kc_log_collect_aborted(struct kc_log *log, int64_t offset, int64_t end_offset, struct kc_aborted_txns *list) {
    if (!kc_log_has_aborts_from(log, offset) || offset >= end_offset) return KC_OK;
    struct collection collection = {.log = log, .offset = offset, .end_offset = end_offset, .list = list, .list_start = list->count};
    for (;;) {
        kc_status status = collect(&collection);
        if (status == KC_OK) return KC_OK;
        list->count = collection.list_start;
        collection.complete = false;
        /* Segments were cut or replaced under it: again from the start. */
        if (status != KC_STALE) return status;
    }
}

/* ---- the end of a slice, as an offset ----------------------------------------------------------------------------------------- */

static int64_t offset_in(const struct kc_segment *segment, const uint8_t *entry) {
    return segment->base_offset + kc_offset_entry_relative(entry);
}

/* The offset of the first entry at or behind the position, among the first `count` of the file; INT64_MAX: none, or it cannot be read,
 * which tells nothing. */
static int64_t bound_by_file(struct kc_log *log, struct kc_segment *segment, int64_t count, int64_t position) {
    struct kc_index_hit hit;
    pthread_mutex_lock(&log->page_lock);
    kc_status status = kc_index_file_search_values(&segment->offset_index, &log->offset_page, count, position - 1, &hit);
    pthread_mutex_unlock(&log->page_lock);
    return status == KC_OK && hit.has_next ? offset_in(segment, hit.next) : INT64_MAX;
}

int64_t kc_log_bound_slice(struct kc_log *log, int64_t offset, const struct kc_log_slice *slice, int64_t offset_limit) {
    int64_t position = slice->position + slice->size_bytes, bound = INT64_MAX, file_count = 0;
    struct kc_segment *segment = NULL;
    pthread_mutex_lock(&log->lock);
    for (size_t slot = kc_log_segment_slot(log, offset); !log->closed && slot < log->segment_count; slot++) {
        struct kc_segment *at = log->segments[slot];
        if (at->file != slice->file) continue;
        if (slot + 1 < log->segment_count) bound = log->segments[slot + 1]->base_offset;
        if (position >= at->size_bytes) break;
        struct kc_index_hit hit;
        kc_index_file_search_tail_values(&at->offset_index, position - 1, &hit);
        if (hit.has_next && offset_in(at, hit.next) < bound) bound = offset_in(at, hit.next);
        /* None of those in memory lies before the position: the file may have a nearer one behind it. */
        if (hit.slot < 0 && at->offset_index.tail_first > 0) {
            segment = kc_segment_retain(at);
            file_count = at->offset_index.tail_first;
        }
        break;
    }
    pthread_mutex_unlock(&log->lock);
    if (segment) {
        int64_t in_file = bound_by_file(log, segment, file_count, position);
        if (in_file < bound) bound = in_file;
        kc_segment_release(segment);
    }
    return bound < offset_limit ? bound : offset_limit;
}

/* fetch.c: Fetch, versions 4 to 18: look at each partition, answer or park, wake.
 *
 * Size rules (KIP-74): partitions in the order asked for; the first batch of the first partition that has any goes out whole even
 * if it is larger than every limit; otherwise a partition gives at most its own limit and what is left of the request's, and its
 * last batch may be cut.
 *
 * read_committed (KIP-98): nothing at or above the last stable offset goes out, and with the bytes goes the list of aborted
 * transactions among them, which the client leaves out.
 *
 * Source: kafka.server.ReplicaManager.{fetchMessages,readFromLog}, DelayedFetch; sessions KIP-227, leader epochs KIP-320. */
#include "hot/fetch.h"

#include <stdlib.h>

#include "base/check.h"
#include "hot/fetch_session.h"
#include "hot/hot_state.h"

/* The size of an answer is an int32, headers included; half of that is left for them. */
enum { FETCH_VERSION_MIN = 4, FETCH_VERSION_MAX = 18, FETCH_SIZE_CAP = 1 << 30 };

static void fetch_message(struct kc_message *message, struct kc_reactor *reactor);
static void fetch_expired(struct kc_timer *timer);
static void fetch_woken(struct kc_waiter *waiter, int64_t bytes);

static struct kc_fetch *take_fetch(struct kc_hot *hot) {
    struct kc_fetch *f = hot->free_fetches;
    if (f) {
        hot->free_fetches = f->next_free;
        return f;
    }
    f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->hot = hot;
    f->timer.expired = fetch_expired;
    f->message.run = fetch_message;
    atomic_init(&f->missing_bytes, 0);
    atomic_init(&f->posted, false);
    return f;
}

static void give_back(struct kc_fetch *f) {
    f->conn = NULL;
    f->abandoned = false;
    f->next_free = f->hot->free_fetches;
    f->hot->free_fetches = f;
}

static void drop_slices(struct kc_fetch *f) {
    for (uint32_t i = 0; i < f->entry_count; i++) {
        struct kc_log_slice *slice = &f->entries[i].slice;
        if (slice->file) kc_file_release(slice->file);
        *slice = (struct kc_log_slice){0};
    }
}

/* What is wrong with a partition before its log is looked at. */
static enum kc_error check_entry(const struct kc_fetch *f, const struct kc_fetch_entry *entry) {
    if (!entry->partition || atomic_load_explicit(&entry->partition->removed, memory_order_relaxed))
        return f->version >= FETCH_TOPIC_ID ? KC_ERROR_UNKNOWN_TOPIC_ID : KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (f->from_replica) return KC_ERROR_NOT_LEADER_OR_FOLLOWER;      /* no partition has a second replica */
    int32_t epoch = kc_partition_leader_epoch(entry->partition);
    if (entry->current_leader_epoch >= 0 && entry->current_leader_epoch < epoch) return KC_ERROR_FENCED_LEADER_EPOCH;
    if (entry->current_leader_epoch > epoch) return KC_ERROR_UNKNOWN_LEADER_EPOCH;
    return KC_ERROR_NONE;
}

/* Notes what was aborted in an entry's slice. */
static kc_status note_aborted(struct kc_fetch *f, struct kc_fetch_entry *entry) {
    struct kc_log *log = entry->partition->log;
    entry->aborted_first = f->aborted.count;
    if (entry->slice.size_bytes == 0 || !kc_log_has_aborts_from(log, entry->offset)) return KC_OK;
    int64_t end_offset = kc_log_bound_slice(log, entry->offset, &entry->slice, entry->last_stable_offset);
    kc_status status = kc_log_collect_aborted(log, entry->offset, end_offset, &f->aborted);
    entry->aborted_count = f->aborted.count - entry->aborted_first;
    return status;
}

/* Fills in the offsets, the slice and the error of every partition.  Returns the bytes found, or -1 if there is an error that the client
 * must hear of at once. */
static int64_t look(struct kc_fetch *f) {
    int64_t total = 0, left = f->size_max_bytes;
    bool failed = false, first = true;
    f->aborted.count = 0;
    for (uint32_t i = 0; i < f->entry_count; i++) {
        struct kc_fetch_entry *entry = &f->entries[i];
        entry->slice = (struct kc_log_slice){0};
        entry->high_watermark = entry->last_stable_offset = entry->log_start_offset = -1;
        entry->aborted_count = 0;
        entry->error = (int16_t)check_entry(f, entry);
        if (entry->error == KC_ERROR_NONE) {
            const struct kc_partition *partition = entry->partition;
            entry->last_stable_offset = kc_partition_last_stable_offset(partition);
            entry->high_watermark = kc_partition_high_watermark(partition);
            entry->log_start_offset = kc_log_start_offset(partition->log);
            int64_t limit = f->read_committed ? entry->last_stable_offset : entry->high_watermark;
            int64_t size_max = entry->size_max_bytes < left ? entry->size_max_bytes : left;
            kc_status status = kc_log_read(partition->log, entry->offset, limit, size_max > 0 ? (int32_t)size_max : 0, first,
                                           &entry->slice);
            if (status == KC_OK && f->read_committed) status = note_aborted(f, entry);
            if (status != KC_OK) {
                if (entry->slice.file) kc_file_release(entry->slice.file);
                entry->slice = (struct kc_log_slice){0};
                entry->error = (int16_t)kc_error_from_read(status);
                entry->high_watermark = entry->last_stable_offset = entry->log_start_offset = -1;
            }
        }
        if (entry->error != KC_ERROR_NONE) failed = true;
        if (entry->slice.size_bytes > 0) {
            first = false;
            total += entry->slice.size_bytes;
            left = left > entry->slice.size_bytes ? left - entry->slice.size_bytes : 0;
        }
    }
    return failed ? -1 : total;
}

static bool enough(const struct kc_fetch *f, int64_t found) {
    return found < 0 || found >= f->size_min_bytes || (f->entry_count == 0 && !f->session) || f->error != KC_ERROR_NONE;
}

/* The same once more, with what has changed since; the slices were dropped before. */
static int64_t look_again(struct kc_fetch *f) {
    if (f->session && kc_fetch_session_gather(f) != KC_OK) {
        kc_conn_close(f->conn);
        return -1;
    }
    return look(f);
}

static void finish(struct kc_fetch *f) {
    struct kc_conn *conn = f->conn;
    if (f->session) kc_fetch_session_settle(f);
    else kc_fetch_session_begin(f);
    if (kc_fetch_answer(f) != KC_OK) kc_conn_close(conn);
    else kc_conn_output_added(conn);
    drop_slices(f);
}

/* ---- waiting ---------------------------------------------------------------------------------------------------------------- */

/* Waits in every partition, and looks once more, because an append may have come between.  Returns the bytes found by then. */
static int64_t register_waiters(struct kc_fetch *f, int64_t found) {
    if (f->session) {
        kc_fetch_session_park(f, f->size_min_bytes - found);
        drop_slices(f);
        return look_again(f);
    }
    atomic_exchange(&f->missing_bytes, f->size_min_bytes - found);
    for (uint32_t i = 0; i < f->entry_count; i++) {
        f->entries[i].fetch = f;
        f->entries[i].waiter.woken = fetch_woken;
        kc_partition_wait(f->entries[i].partition, &f->entries[i].waiter);
    }
    drop_slices(f);
    return look(f);
}

static void unregister_waiters(struct kc_fetch *f) {
    if (f->session) {
        kc_fetch_session_unpark(f);
        return;
    }
    for (uint32_t i = 0; i < f->entry_count; i++) kc_partition_unwait(f->entries[i].partition, &f->entries[i].waiter);
}

/* Leaves the parked state.  The fetch may be used again at once unless a message is still under way. */
static void unpark(struct kc_fetch *f) {
    struct kc_hot_conn *state = kc_conn_user(f->conn);
    state->parked = NULL;
    kc_list_remove(&f->parked_node);
    unregister_waiters(f);
    kc_reactor_timer_cancel(f->hot->reactor, &f->timer);
    kc_topic_snapshot_release(f->snapshot);
    f->snapshot = NULL;
}

static void retire(struct kc_fetch *f) {
    if (atomic_load(&f->posted)) f->abandoned = true;
    else give_back(f);
}

/* On any thread, under the partition's waiters lock. */
static void fetch_woken(struct kc_waiter *waiter, int64_t bytes) {
    struct kc_fetch *f = KC_CONTAINER_OF(waiter, struct kc_fetch_entry, waiter)->fetch;
    bool ready = bytes == INT64_MAX || atomic_fetch_sub(&f->missing_bytes, bytes) <= bytes;
    if (ready && !atomic_exchange(&f->posted, true)) kc_reactor_post(f->hot->reactor, &f->message);
}

static void answer_parked(struct kc_fetch *f) {
    struct kc_conn *conn = f->conn;
    finish(f);
    unpark(f);
    retire(f);
    kc_conn_resume(conn);
}

void kc_fetch_woken(struct kc_fetch *f, _Atomic int64_t *missing_bytes) {
    int64_t found = look_again(f);
    if (enough(f, found)) {
        answer_parked(f);
        return;
    }
    /* Not enough after all (a partition's own limit, or a batch that does not fit): wait on.  The count starts anew from what is
     * there; an append whose count it overwrites has happened before, so that the second look finds its records. */
    atomic_exchange(missing_bytes, f->size_min_bytes - found);
    drop_slices(f);
    if (enough(f, look_again(f))) answer_parked(f);
    else drop_slices(f);
}

static void fetch_message(struct kc_message *message, struct kc_reactor *reactor) {
    struct kc_fetch *f = KC_CONTAINER_OF(message, struct kc_fetch, message);
    atomic_store(&f->posted, false);
    if (f->abandoned) give_back(f);
    else if (reactor) kc_fetch_woken(f, &f->missing_bytes);
    /* Else stopping: closed() takes care of the fetch. */
}

static void fetch_expired(struct kc_timer *timer) {
    struct kc_fetch *f = KC_CONTAINER_OF(timer, struct kc_fetch, timer);
    look_again(f);
    answer_parked(f);
}

void kc_hot_answer_parked(struct kc_hot *hot) {
    while (!kc_list_empty(&hot->parked)) {
        struct kc_fetch *f = KC_CONTAINER_OF(hot->parked.next, struct kc_fetch, parked_node);
        look_again(f);
        answer_parked(f);
    }
}

void kc_hot_abandon_fetch(struct kc_hot *hot, struct kc_fetch *f) {
    (void)hot;
    unpark(f);
    retire(f);
}

void kc_hot_free_fetches(struct kc_hot *hot) {
    while (hot->free_fetches) {
        struct kc_fetch *f = hot->free_fetches;
        hot->free_fetches = f->next_free;
        kc_fetch_free_arrays(f);
        free(f);
    }
}

/* ---- the request -------------------------------------------------------------------------------------------------------------- */

enum kc_frame_verdict kc_hot_fetch(struct kc_hot *hot, struct kc_conn *conn, uint8_t *frame, size_t size) {
    int16_t version = kc_load_i16(frame + 2);
    if (version < FETCH_VERSION_MIN || version > FETCH_VERSION_MAX) return kc_hot_hand_up(hot, conn, frame, size);
    if (hot->gather.request_count == 0) kc_topic_view_refresh(&hot->view);
    struct kc_fetch *f = take_fetch(hot);
    if (!f) return KC_FRAME_CLOSE;
    f->conn = conn;
    if (kc_fetch_parse(f, &hot->view, kc_slice_make(frame, size)) != KC_OK) {
        give_back(f);
        return KC_FRAME_CLOSE;
    }
    int32_t cap = hot->config->fetch_size_max_bytes < FETCH_SIZE_CAP ? hot->config->fetch_size_max_bytes : FETCH_SIZE_CAP;
    if (f->size_max_bytes > cap) f->size_max_bytes = cap;
    if (f->version >= FETCH_SESSION && kc_fetch_session_take(f) != KC_OK) {
        give_back(f);
        return KC_FRAME_CLOSE;
    }
    int64_t found = f->error == KC_ERROR_NONE ? look(f) : 0;
    if (f->wait_ms_max <= 0 || enough(f, found)) {
        finish(f);
        give_back(f);
        return KC_FRAME_NEXT;
    }
    found = register_waiters(f, found);
    if (enough(f, found)) {
        unregister_waiters(f);
        finish(f);
        retire(f);
        return KC_FRAME_NEXT;
    }
    drop_slices(f);
    struct kc_hot_conn *state = kc_conn_user(conn);
    state->parked = f;
    kc_list_push_back(&hot->parked, &f->parked_node);
    f->snapshot = kc_topic_snapshot_retain(hot->view.snapshot);
    kc_reactor_timer_arm(hot->reactor, &f->timer, kc_reactor_now_us(hot->reactor) + (int64_t)f->wait_ms_max * 1000);
    return KC_FRAME_HOLD;
}

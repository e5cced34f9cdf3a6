#include "hot/held.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/check.h"
#include "hot/hot_state.h"
#include "hot/produce_answer.h"
#include "hot/sync.h"

struct kc_held;

struct partition_wait {                   /* one partition of the request */
    struct kc_sync_waiter waiter;
    struct kc_held *held;
    uint32_t answer_at;
};

struct kc_held {
    struct kc_held *next_free;
    struct kc_list node;                  /* in its connection's list, oldest first */
    struct kc_hot *hot;
    struct kc_conn *conn;                 /* NULL: gone */
    struct kc_message message;
    uint8_t *answer;
    struct partition_wait *waits;
    uint32_t answer_size, answer_capacity, wait_count, wait_capacity;
    int16_t version, acks;
    bool failed;                          /* with acks=0: something was refused */
    bool ready;
    atomic_uint outstanding;              /* syncs, and one for the reactor while it registers them */
};

struct kc_deferred {
    struct kc_deferred *next;
    size_t size;
    uint8_t frame[];
};

static void held_message(struct kc_message *message, struct kc_reactor *reactor);

static struct kc_held *take_held(struct kc_hot *hot) {
    struct kc_held *held = hot->free_helds;
    if (held) hot->free_helds = held->next_free;
    else if (!(held = calloc(1, sizeof *held))) return NULL;
    held->hot = hot;
    held->message.run = held_message;
    held->wait_count = held->answer_size = 0;
    held->failed = held->ready = false;
    return held;
}

static void give_back(struct kc_held *held) {
    atomic_fetch_sub(&held->hot->held_count, 1);
    held->next_free = held->hot->free_helds;
    held->hot->free_helds = held;
}

/* ---- holding ------------------------------------------------------------------------------------------------------------------ */

static bool entry_waits(const struct kc_gathered_entry *entry) {
    if (entry->error != KC_ERROR_NONE || entry->flush_messages == INT64_MAX) return false;
    int64_t unsynced = entry->append.last_offset + 1 - atomic_load(&entry->partition->synced_offset);
    return unsynced > 0 && unsynced >= entry->flush_messages;
}

bool kc_held_needed(const struct kc_hot *hot, const struct kc_gathered_request *request) {
    const struct kc_hot_conn *state = kc_conn_user(request->conn);
    if (!kc_list_empty(&state->held)) return true;
    const struct kc_gather *g = &hot->gather;
    for (uint32_t t = request->topic_first; t < request->topic_first + request->topic_count; t++)
        for (uint32_t e = 0; e < g->topics[t].entry_count; e++)
            if (entry_waits(&g->entries[g->topics[t].entry_first + e])) return true;
    return false;
}

bool kc_held_full(struct kc_hot_conn *state) {
    state->held_full = state->held_count + state->gathered >= KC_HELD_MAX;
    return state->held_full;
}

/* On a worker's thread. */
static void wait_done(struct kc_sync_waiter *waiter, struct kc_posts *posts) {
    struct kc_held *held = KC_CONTAINER_OF(waiter, struct partition_wait, waiter)->held;
    if (atomic_fetch_sub(&held->outstanding, 1) == 1) kc_posts_add(posts, held->hot->reactor, &held->message);
}

static bool write_answer(struct kc_held *held, struct kc_hot *hot, const struct kc_gathered_request *request) {
    size_t capacity = kc_produce_answer_size_max(&hot->gather, request);
    if (capacity > UINT32_MAX || !KC_ARRAY_RESERVE(held->answer, held->answer_capacity, (uint32_t)capacity)) return false;
    held->answer_size = (uint32_t)kc_produce_answer_write(&hot->gather, request, held->answer, capacity);
    return true;
}

void kc_held_answer(struct kc_hot *hot, const struct kc_gathered_request *request) {
    struct kc_gather *g = &hot->gather;
    struct kc_hot_conn *state = kc_conn_user(request->conn);
    struct kc_held *held = take_held(hot);
    uint32_t entry_count = 0;
    for (uint32_t t = request->topic_first; t < request->topic_first + request->topic_count; t++) entry_count += g->topics[t].entry_count;
    if (!held || !write_answer(held, hot, request) || !KC_ARRAY_RESERVE(held->waits, held->wait_capacity, entry_count)) {
        if (held) {
            held->next_free = hot->free_helds;
            hot->free_helds = held;
        }
        kc_conn_close(request->conn);
        return;
    }
    atomic_fetch_add(&hot->held_count, 1);
    held->conn = request->conn;
    held->version = request->version;
    held->acks = request->acks;
    kc_list_push_back(&state->held, &held->node);
    state->held_count++;
    atomic_store(&held->outstanding, 1);
    for (uint32_t t = request->topic_first; t < request->topic_first + request->topic_count; t++)
        for (uint32_t e = 0; e < g->topics[t].entry_count; e++) {
            const struct kc_gathered_entry *entry = &g->entries[g->topics[t].entry_first + e];
            if (entry->error != KC_ERROR_NONE) held->failed = true;
            if (!entry_waits(entry)) continue;
            struct partition_wait *wait = &held->waits[held->wait_count++];
            *wait = (struct partition_wait){.waiter = {.offset = entry->append.last_offset + 1, .done = wait_done}, .held = held,
                                  .answer_at = entry->answer_at};
            atomic_fetch_add(&held->outstanding, 1);
            kc_sync_request(entry->partition, hot->config->worker, &wait->waiter);
        }
    if (atomic_fetch_sub(&held->outstanding, 1) == 1) kc_reactor_post(hot->reactor, &held->message);
}

/* ---- releasing ---------------------------------------------------------------------------------------------------------------- */

static void settle(struct kc_held *held) {
    held->ready = true;
    for (uint32_t i = 0; i < held->wait_count; i++) {
        if (held->waits[i].waiter.status == KC_OK) continue;
        held->failed = true;
        kc_produce_answer_fail(held->answer + held->waits[i].answer_at, held->version, KC_ERROR_KAFKA_STORAGE_ERROR);
    }
}

/* False: the connection is being closed. */
static bool send(struct kc_held *held) {
    if (held->acks == 0) {
        if (held->failed) kc_hot_close(held->conn);
        return !held->failed;
    }
    uint8_t *buffer = kc_chain_reserve(kc_conn_output(held->conn), held->answer_size);
    if (!buffer) {
        kc_conn_close(held->conn);
        return false;
    }
    memcpy(buffer, held->answer, held->answer_size);
    kc_conn_output_added(held->conn);
    return true;
}

void kc_held_check_room(struct kc_conn *conn) {
    struct kc_hot_conn *state = kc_conn_user(conn);
    if (!state->held_full || state->held_count + state->gathered >= KC_HELD_MAX / 2) return;
    state->held_full = false;
    if (!state->deferred) kc_conn_resume(conn);
}

static void go_on(struct kc_hot *hot, struct kc_conn *conn, struct kc_hot_conn *state) {
    kc_held_check_room(conn);
    if (!state->deferred || !kc_list_empty(&state->held)) return;
    struct kc_deferred *deferred = state->deferred;
    state->deferred = NULL;
    deferred->next = hot->spent_deferred;
    hot->spent_deferred = deferred;
    enum kc_frame_verdict verdict = kc_hot_frame(hot, conn, deferred->frame, deferred->size);
    if (verdict == KC_FRAME_NEXT) kc_conn_resume(conn);
    else if (verdict == KC_FRAME_CLOSE) kc_conn_close(conn);
}

static void held_message(struct kc_message *message, struct kc_reactor *reactor) {
    struct kc_held *held = KC_CONTAINER_OF(message, struct kc_held, message);
    struct kc_conn *conn = held->conn;
    if (!conn || !reactor) {
        kc_list_remove(&held->node);
        give_back(held);
        return;
    }
    settle(held);
    struct kc_hot *hot = held->hot;
    struct kc_hot_conn *state = kc_conn_user(conn);
    while (!kc_list_empty(&state->held)) {
        struct kc_held *first = KC_CONTAINER_OF(state->held.next, struct kc_held, node);
        if (!first->ready) break;
        bool good = send(first);
        kc_list_remove(&first->node);
        state->held_count--;
        give_back(first);
        if (!good) return;
    }
    go_on(hot, conn, state);
}

enum kc_frame_verdict kc_held_defer(struct kc_hot *hot, struct kc_conn *conn, const uint8_t *frame, size_t size) {
    (void)hot;
    struct kc_hot_conn *state = kc_conn_user(conn);
    KC_CHECK(!state->deferred);
    struct kc_deferred *deferred = malloc(sizeof *deferred + size);
    if (!deferred) return KC_FRAME_CLOSE;
    deferred->size = size;
    memcpy(deferred->frame, frame, size);
    state->deferred = deferred;
    return KC_FRAME_HOLD;
}

void kc_held_abandon(struct kc_hot_conn *state) {
    for (struct kc_list *node; (node = kc_list_pop_front(&state->held));) {
        struct kc_held *held = KC_CONTAINER_OF(node, struct kc_held, node);
        held->conn = NULL;
        if (held->ready) give_back(held);
    }
    free(state->deferred);
    state->deferred = NULL;
}

void kc_held_turn_end(struct kc_hot *hot) {
    while (hot->spent_deferred) {
        struct kc_deferred *deferred = hot->spent_deferred;
        hot->spent_deferred = deferred->next;
        free(deferred);
    }
}

void kc_held_free(struct kc_hot *hot) {
    kc_held_turn_end(hot);
    while (hot->free_helds) {
        struct kc_held *held = hot->free_helds;
        hot->free_helds = held->next_free;
        free(held->answer);
        free(held->waits);
        free(held);
    }
}

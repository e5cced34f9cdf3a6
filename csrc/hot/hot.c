#include "hot/hot.h"

#include <stdlib.h>

#include "base/check.h"
#include "hot/fetch_session.h"
#include "hot/held.h"
#include "hot/hot_state.h"

kc_status kc_hot_create(const struct kc_hot_config *config, struct kc_topic_table *table, const struct kc_clock *clock,
                        const struct kc_hand_up *up, struct kc_hot **out) {
    struct kc_hot *hot = calloc(1, sizeof *hot);
    if (!hot) return KC_NO_MEMORY;
    hot->config = config;
    hot->clock = *clock;
    hot->up = *up;
    kc_list_init(&hot->parked);
    atomic_init(&hot->held_count, 0);
    kc_topic_view_open(&hot->view, table);
    *out = hot;
    return KC_OK;
}

void kc_hot_destroy(struct kc_hot *hot) {
    if (!hot) return;
    kc_topic_view_close(&hot->view);
    kc_gather_free(&hot->gather);
    kc_hot_free_offsets(hot);
    kc_hot_free_fetches(hot);
    kc_held_free(hot);
    while (hot->free_conns) {
        struct kc_hot_conn *conn = hot->free_conns;
        hot->free_conns = conn->next_free;
        free(conn);
    }
    free(hot);
}

bool kc_hot_idle(const struct kc_hot *hot) { return atomic_load(&hot->held_count) == 0; }

void kc_hot_attach(struct kc_hot *hot, struct kc_reactor *reactor) { hot->reactor = reactor; }

void kc_hot_close(struct kc_conn *conn) {
    struct kc_hot_conn *state = kc_conn_user(conn);
    if (state) state->quiet = true;
    kc_conn_close(conn);
}

void kc_hot_endpoint(const struct kc_hot_config *config, const struct kc_conn *conn, struct kc_endpoint *out) {
    int32_t listener = kc_conn_listener(conn);
    *out = (struct kc_endpoint){0};
    if (listener >= 0 && listener < KC_ENDPOINTS_MAX) *out = config->endpoints[listener];
    if (out->host[0]) return;
    const char *local = kc_conn_local(conn);              /* "address:port" or "[address]:port" */
    const char *colon = strrchr(local, ':');
    if (!colon) return;
    const char *start = local, *end = colon;
    if (*start == '[' && end > start && end[-1] == ']') start++, end--;
    size_t size = (size_t)(end - start);
    if (size > KC_HOST_SIZE_MAX) size = KC_HOST_SIZE_MAX;
    memcpy(out->host, start, size);
    out->host[size] = 0;
    out->port = (int32_t)strtol(colon + 1, NULL, 10);
}

enum kc_frame_verdict kc_hot_hand_up(struct kc_hot *hot, struct kc_conn *conn, const uint8_t *frame, size_t size) {
    struct kc_hot_conn *state = kc_conn_user(conn);
    if (state->gathered) kc_hot_flush(hot);
    if (!kc_list_empty(&state->held)) return kc_held_defer(hot, conn, frame, size);
    return hot->up.request(hot->up.state, conn, frame, size) == KC_OK ? KC_FRAME_HOLD : KC_FRAME_CLOSE;
}

/* ---- what the reactor calls ---------------------------------------------------------------------------------------------------- */

static void opened(void *arg, struct kc_conn *conn) {
    struct kc_hot *hot = arg;
    struct kc_hot_conn *state = hot->free_conns;
    if (state) hot->free_conns = state->next_free;
    else state = malloc(sizeof *state);
    if (!state) {
        kc_conn_close(conn);
        return;
    }
    *state = (struct kc_hot_conn){0};
    kc_list_init(&state->held);
    kc_conn_set_user(conn, state);
}

static enum kc_frame_verdict api_versions(struct kc_hot *hot, struct kc_conn *conn, const uint8_t *frame, size_t size) {
    uint8_t *buffer = kc_chain_reserve(kc_conn_output(conn), KC_API_VERSIONS_ANSWER_MAX);
    if (!buffer) return KC_FRAME_CLOSE;
    size_t used = kc_api_versions_answer(hot->config->api_versions, kc_slice_make(frame, size), buffer);
    kc_chain_trim(kc_conn_output(conn), KC_API_VERSIONS_ANSWER_MAX - used);
    if (!used) return kc_hot_hand_up(hot, conn, frame, size);
    kc_conn_output_added(conn);
    return KC_FRAME_NEXT;
}

enum kc_frame_verdict kc_hot_frame(struct kc_hot *hot, struct kc_conn *conn, uint8_t *bytes, size_t size) {
    struct kc_hot_conn *state = kc_conn_user(conn);
    if (!state || size < KC_REQUEST_HEADER_SIZE_MIN) return KC_FRAME_CLOSE;
    int16_t key = kc_load_i16(bytes);
    bool wanted = key >= 0 && key < KC_API_KEY_COUNT && !hot->config->handed_up[key];
    if (wanted && key == KC_API_PRODUCE) return kc_hot_produce(hot, conn, bytes, size);
    if (state->gathered) kc_hot_flush(hot);
    if (!kc_list_empty(&state->held)) return kc_held_defer(hot, conn, bytes, size);
    if (wanted && key == KC_API_FETCH) return kc_hot_fetch(hot, conn, bytes, size);
    if (wanted && key == KC_API_LIST_OFFSETS) return kc_hot_list_offsets(hot, conn, bytes, size);
    if (wanted && key == KC_API_HEARTBEAT) return kc_hot_heartbeat(hot, conn, bytes, size);
    if (wanted && key == KC_API_API_VERSIONS) return api_versions(hot, conn, bytes, size);
    return kc_hot_hand_up(hot, conn, bytes, size);
}

static enum kc_frame_verdict frame(void *arg, struct kc_conn *conn, uint8_t *bytes, size_t size) {
    return kc_hot_frame(arg, conn, bytes, size);
}

static void turn_end(void *arg) {
    struct kc_hot *hot = arg;
    kc_hot_flush(hot);
    kc_held_turn_end(hot);
    /* An idle reactor shall not keep a deleted topic alive. */
    kc_topic_view_refresh(&hot->view);
}

static void closed(void *arg, struct kc_conn *conn, enum kc_close_reason reason, struct kc_slice detail) {
    struct kc_hot *hot = arg;
    struct kc_hot_conn *state = kc_conn_user(conn);
    bool quiet = false;
    if (state) {
        for (uint32_t i = 0; state->gathered && i < hot->gather.request_count; i++)
            if (hot->gather.requests[i].conn == conn) hot->gather.requests[i].conn = NULL;
        kc_held_abandon(state);
        if (state->parked) kc_hot_abandon_fetch(hot, state->parked);
        kc_fetch_session_end(state);
        quiet = state->quiet;
        state->next_free = hot->free_conns;
        hot->free_conns = state;
        kc_conn_set_user(conn, NULL);
    }
    if (!quiet) hot->up.closed(hot->up.state, conn, reason, detail);
}

static void accept_failed(void *arg, kc_status status) {
    struct kc_hot *hot = arg;
    hot->up.accept_failed(hot->up.state, status);
}

struct kc_protocol kc_hot_protocol(struct kc_hot *hot) {
    return (struct kc_protocol){
        .state = hot, .opened = opened, .frame = frame, .turn_end = turn_end, .closed = closed, .accept_failed = accept_failed};
}

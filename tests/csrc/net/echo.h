/* echo.h: a small protocol above the reactor, for tests.  The first byte of a frame says what is to be done with it:
 *
 *   e  answer with the same frame
 *   g  the same, but in turn_end: the frame must still be in place
 *   n  no answer
 *   h  hold; answer and resume from a timer after (second byte) ms
 *   p  park: hold until an 'r' arrives on any connection of this reactor
 *   r  answer all that is parked, then this frame
 *   i  resume from inside the callback, answer, and hold all the same
 *   b  answer of (u32 at 1) bytes of memory
 *   f  slices of the file: (u32 position, u32 size) repeated from byte 1; the answer is a frame of '#' slice '#' slice ...
 *   x  answer with the same frame, then KC_FRAME_CLOSE
 *   c  kc_conn_close in the callback, and KC_FRAME_NEXT
 *   k  answer, and close the connection that was parked first
 *
 * Counters are atomic, because the test's thread looks at them. */
#ifndef KC_TESTS_NET_ECHO_H
#define KC_TESTS_NET_ECHO_H

#include <stdatomic.h>

#include "base/check.h"
#include "client.h"
#include "net/reactor.h"

enum { ECHO_PARKED_MAX = 256, ECHO_GATHERED_MAX = 65536 };

struct echo_held {
    struct kc_timer timer;
    struct kc_reactor *reactor;
    kc_conn_token token;
    size_t size;
    uint8_t frame[];
};

struct echo {
    struct kc_reactor *reactor;
    struct kc_clock clock;
    struct kc_file *file;
    uint16_t port;
    struct { struct kc_conn *conn; uint8_t *frame; size_t size; } gathered[ECHO_GATHERED_MAX];
    size_t gathered_count;
    struct echo_held *parked[ECHO_PARKED_MAX];
    size_t parked_count;
    _Atomic int opened, closed, frames, turn_ends, accept_failures, accept_status;
    _Atomic int reasons[16];
    _Atomic int detail_size;
    uint8_t detail[64];
    _Atomic uint64_t last_token;
};

struct echo_turn {
    struct kc_message message;
    _Atomic bool run;
};

static void echo_turn_run(struct kc_message *message, struct kc_reactor *reactor) {
    (void)reactor;
    KC_CONTAINER_OF(message, struct echo_turn, message)->run = true;
}

/* Until the reactor has turned so often.  What was sent before has been read then, as far as it will be: it is taken a buffer at a time. */
__attribute__((unused)) static void echo_await_turns(struct echo *echo) {
    for (int i = 0; i < 32; i++) {
        struct echo_turn turn = {.message.run = echo_turn_run};
        kc_reactor_post(echo->reactor, &turn.message);
        while (!turn.run) client_sleep_ms(1);
    }
}

static void echo_answer(struct kc_conn *conn, const uint8_t *frame, size_t size) {
    uint8_t *out = kc_chain_reserve(kc_conn_output(conn), 4 + size + 10);
    KC_CHECK(out);
    kc_store_u32(out, (uint32_t)size);
    memcpy(out + 4, frame, size);
    kc_chain_trim(kc_conn_output(conn), 10);
}

static void echo_release(struct echo_held *held) {
    struct kc_conn *conn = kc_reactor_find(held->reactor, held->token);
    if (conn) {
        echo_answer(conn, held->frame, held->size);
        kc_conn_output_added(conn);
        kc_conn_resume(conn);
    }
    free(held);
}

static void echo_expired(struct kc_timer *timer) {
    struct echo_held *held = KC_CONTAINER_OF(timer, struct echo_held, timer);
    struct kc_conn *conn = kc_reactor_find(held->reactor, held->token);
    if (conn) kc_conn_set_user(conn, NULL);
    echo_release(held);
}

static struct echo_held *echo_hold(struct kc_conn *conn, const uint8_t *frame, size_t size) {
    struct echo_held *held = malloc(sizeof *held + size);
    KC_CHECK(held);
    *held = (struct echo_held){.reactor = kc_conn_reactor(conn), .token = kc_conn_token_of(conn), .size = size};
    memcpy(held->frame, frame, size);
    return held;
}

static void echo_file(struct echo *echo, struct kc_conn *conn, const uint8_t *frame, size_t size) {
    struct kc_chain *chain = kc_conn_output(conn);
    uint8_t *length = kc_chain_reserve(chain, 4);
    size_t total = 0;
    for (size_t at = 1; at + 8 <= size; at += 8) {
        *kc_chain_reserve(chain, 1) = '#';
        int64_t position = kc_load_u32(frame + at), part = kc_load_u32(frame + at + 4);
        KC_CHECK(kc_chain_add_file(chain, kc_file_retain(echo->file), position, part) == KC_OK);
        total += 1 + (size_t)part;
    }
    kc_store_u32(length, (uint32_t)total);
}

static void echo_opened(void *state, struct kc_conn *conn) {
    struct echo *echo = state;
    atomic_store(&echo->last_token, kc_conn_token_of(conn));
    atomic_fetch_add(&echo->opened, 1);
}

static enum kc_frame_verdict echo_frame(void *state, struct kc_conn *conn, uint8_t *frame, size_t size) {
    struct echo *echo = state;
    atomic_fetch_add(&echo->frames, 1);
    switch (frame[0]) {
    case 'e': echo_answer(conn, frame, size); return KC_FRAME_NEXT;
    case 'g':
        KC_CHECK(echo->gathered_count < ECHO_GATHERED_MAX);
        echo->gathered[echo->gathered_count].conn = conn;
        echo->gathered[echo->gathered_count].frame = frame;
        echo->gathered[echo->gathered_count++].size = size;
        return KC_FRAME_NEXT;
    case 'h': {
        struct echo_held *held = echo_hold(conn, frame, size);
        held->timer.expired = echo_expired;
        kc_conn_set_user(conn, held);
        kc_reactor_timer_arm(held->reactor, &held->timer, kc_reactor_now_us(held->reactor) + (int64_t)frame[1] * 1000);
        return KC_FRAME_HOLD;
    }
    case 'p':
        KC_CHECK(echo->parked_count < ECHO_PARKED_MAX);
        echo->parked[echo->parked_count++] = echo_hold(conn, frame, size);
        return KC_FRAME_HOLD;
    case 'r':
        for (size_t i = 0; i < echo->parked_count; i++) echo_release(echo->parked[i]);
        echo->parked_count = 0;
        echo_answer(conn, frame, size);
        return KC_FRAME_NEXT;
    case 'i':
        echo_answer(conn, frame, size);
        kc_conn_resume(conn);
        return KC_FRAME_HOLD;
    case 'b': {
        uint32_t count = kc_load_u32(frame + 1);
        uint8_t *out = kc_chain_reserve(kc_conn_output(conn), 4 + (size_t)count);
        KC_CHECK(out);
        client_build_frame(out, 'b', count, 5);
        return KC_FRAME_NEXT;
    }
    case 'f': echo_file(echo, conn, frame, size); return KC_FRAME_NEXT;
    case 'x': echo_answer(conn, frame, size); return KC_FRAME_CLOSE;
    case 'c': kc_conn_close(conn); return KC_FRAME_NEXT;
    case 'k': {
        struct kc_conn *other = kc_reactor_find(kc_conn_reactor(conn), echo->parked[0]->token);
        if (other) kc_conn_close(other);
        echo_answer(conn, frame, size);
        return KC_FRAME_NEXT;
    }
    default: return KC_FRAME_NEXT;
    }
}

static void echo_turn_end(void *state) {
    struct echo *echo = state;
    for (size_t i = 0; i < echo->gathered_count; i++)
        echo_answer(echo->gathered[i].conn, echo->gathered[i].frame, echo->gathered[i].size);
    echo->gathered_count = 0;
    atomic_fetch_add(&echo->turn_ends, 1);
}

static void echo_closed(void *state, struct kc_conn *conn, enum kc_close_reason reason, struct kc_slice detail) {
    struct echo *echo = state;
    struct echo_held *held = kc_conn_user(conn);
    if (held) {
        kc_reactor_timer_cancel(held->reactor, &held->timer);
        free(held);
    }
    /* A token of a connection that is closing finds nothing any more. */
    KC_CHECK(!kc_reactor_find(kc_conn_reactor(conn), kc_conn_token_of(conn)));
    for (size_t i = 0; i < echo->parked_count;) {
        if (echo->parked[i]->token != kc_conn_token_of(conn)) i++;
        else free(echo->parked[i]), echo->parked[i] = echo->parked[--echo->parked_count];
    }
    if (detail.size) memcpy(echo->detail, detail.data, detail.size);
    atomic_store(&echo->detail_size, (int)detail.size);
    atomic_fetch_add(&echo->reasons[reason], 1);
    atomic_fetch_add(&echo->closed, 1);
}

static void echo_accept_failed(void *state, kc_status status) {
    struct echo *echo = state;
    atomic_store(&echo->accept_status, (int)status);
    atomic_fetch_add(&echo->accept_failures, 1);
}

static struct kc_protocol echo_protocol(struct echo *echo) {
    return (struct kc_protocol){.state = echo, .opened = echo_opened, .frame = echo_frame, .turn_end = echo_turn_end,
                                .closed = echo_closed, .accept_failed = echo_accept_failed};
}

/* A reactor that listens and runs.  config NULL: the default. */
__attribute__((unused)) static struct echo *echo_start(const struct kc_reactor_config *config, struct kc_file *file) {
    struct kc_reactor_config usual = kc_reactor_config_default();
    struct echo *echo = calloc(1, sizeof *echo);
    EXPECT(echo);
    echo->file = file;
    echo->clock = kc_clock_system();
    struct kc_protocol protocol = echo_protocol(echo);
    EXPECT_EQ(kc_reactor_create(config ? config : &usual, &echo->clock, &protocol, &echo->reactor), KC_OK);
    int listener = client_listen(&echo->port);
    EXPECT_EQ(kc_reactor_listen(echo->reactor, listener, 7, &echo->reactor, 1), KC_OK);
    EXPECT_EQ(kc_reactor_start(echo->reactor), KC_OK);
    return echo;
}

/* Every connection that was opened has been reported closed, once. */
__attribute__((unused)) static void echo_stop(struct echo *echo) {
    kc_reactor_stop(echo->reactor);
    EXPECT_EQ(echo->opened, echo->closed);
    EXPECT_EQ(kc_reactor_connection_count(echo->reactor), 0);
    kc_reactor_destroy(echo->reactor);
    free(echo);
}

#endif

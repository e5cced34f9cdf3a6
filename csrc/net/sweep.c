#include <limits.h>

#include "base/check.h"
#include "net/connection.h"
#include "net/loop.h"

/* One timer for the deadlines of all connections, which are long and may be met a second late.  It looks at each connection, so it is
 * armed for the earliest moment at which anything can expire, and at most once a second: an idle reactor sleeps for minutes. */

enum { PERIOD_US = 1000000, TRIM_AFTER_US = 5 * 1000000, SLOW_READER_BYTES_PER_S = 1024 };

static bool reads_too_slowly(struct kc_conn *conn, int64_t now) {
    int64_t elapsed = now - conn->blocked_since_us;
    if (elapsed < conn->reactor->config.frame_timeout_us) return false;
    if (conn->sent_since < (uint64_t)(elapsed / 1000000) * SLOW_READER_BYTES_PER_S || conn->sent_since == 0) return true;
    conn->blocked_since_us = now;
    conn->sent_since = 0;
    return false;
}

/* When this connection may next have to be closed; closes it if that is now. */
static int64_t check(struct kc_conn *conn, int64_t now) {
    const struct kc_reactor_config *config = &conn->reactor->config;
    int64_t next = INT64_MAX;
    if (conn->frame_started_us != 0 && !conn->held && !conn->backlog) {
        next = conn->frame_started_us + config->frame_timeout_us;
        if (next <= now) kc_conn_end(conn, KC_CLOSE_FRAME_TIMEOUT);
    } else if (conn->backlog && !conn->loading) {
        if (reads_too_slowly(conn, now)) kc_conn_end(conn, KC_CLOSE_SLOW_READER);
        next = conn->blocked_since_us + config->frame_timeout_us;
    } else if (config->idle_us >= 0 && (!conn->held || conn->peer_ended)) {
        next = conn->active_us + config->idle_us;
        if (next <= now) kc_conn_end(conn, KC_CLOSE_IDLE);
    } else if (config->idle_us >= 0) {
        /* Held: somebody owes it an answer.  Looked at again later, because the end of a hold does not arm the sweep. */
        next = now + config->idle_us;
    }
    return next;
}

static void sweep(struct kc_timer *timer) {
    struct kc_reactor *reactor = KC_CONTAINER_OF(timer, struct kc_reactor, sweep);
    int64_t now = reactor->now_us, next = INT64_MAX;
    for (uint32_t i = 0; i < reactor->slot_count; i++) {
        struct kc_conn *conn = reactor->slots[i];
        if (!conn->in_use || conn->closing) continue;
        int64_t at = check(conn, now);
        if (!conn->closing && at < next) next = at;
    }
    kc_buffer_pool_trim(reactor->buffers);
    if (next < INT64_MAX) kc_timers_arm(&reactor->timers, timer, next < now + PERIOD_US ? now + PERIOD_US : next);
}

void kc_sweep_init(struct kc_reactor *reactor) { reactor->sweep = (struct kc_timer){.expired = sweep}; }

void kc_sweep_expect(struct kc_reactor *reactor, int64_t deadline_us) {
    if (reactor->sweep.heap_index != 0 && reactor->sweep.deadline_us <= deadline_us) return;
    kc_timers_arm(&reactor->timers, &reactor->sweep, deadline_us);
}

void kc_sweep_expect_trim(struct kc_reactor *reactor) { kc_sweep_expect(reactor, reactor->now_us + TRIM_AFTER_US); }

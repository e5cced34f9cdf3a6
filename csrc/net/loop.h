/* loop.h: the inside of a reactor, shared by reactor.c, connection.c, listener.c and sweep.c.  Not for the layers above.
 *
 * A connection is in at most one list of each kind:
 *   ready     frames wait in its buffer and may be handed over in the next turn
 *   touched   it was read from, or frames were handed over, in this turn: its buffer is put in order after turn_end
 *   output    its chain is to be flushed at the end of this turn, or in the next one when the budget was used up
 *   starved   it found no room for input; reading is switched off until other buffers come back
 *   closing   it ends with this turn; it is then in no other list
 *
 * Invariants: (1) input.data moves only while no frame of it has been handed over in this turn; (2) a connection is freed only at the
 * end of a turn; (3) with a backlog (a chain that outlived its flush) nothing is read and nothing handed over. */
#ifndef KC_NET_LOOP_H
#define KC_NET_LOOP_H

#include <pthread.h>
#include <stdatomic.h>

#include "io/inbox.h"
#include "io/worker.h"
#include "net/buffer.h"
#include "net/chunk.h"
#include "net/poller.h"
#include "net/reactor.h"
#include "net/spin.h"
#include "net/timer.h"

enum { KC_EVENTS_MAX = 256, KC_LISTENERS_MAX = 64 };

/* Tokens with the highest slot numbers do not name connections. */
#define KC_TOKEN_WAKE UINT64_MAX
#define KC_TOKEN_LISTENER ((uint64_t)0xfffffffe00000000)
#define KC_SLOTS_MAX ((uint32_t)1 << 24)

struct kc_listener;

struct kc_reactor {
    struct kc_reactor_config config;
    struct kc_clock clock;
    struct kc_protocol protocol;

    struct kc_poller *poller;
    struct kc_inbox inbox;
    struct kc_timers timers;
    struct kc_buffer_pool *buffers;
    struct kc_chunk_pool *chunks;
    uint8_t *scratch;
    size_t scratch_size;

    struct kc_conn **slots;                 /* all that were ever opened; closed ones are reused */
    uint32_t slot_count, slot_capacity;
    struct kc_list free_slots;
    struct kc_list ready, touched, output, starved, closing;
    uint32_t held_count, backlog_count;
    uint64_t buffers_returned;              /* as of the last look at the starved */

    int64_t now_us;
    struct kc_spin spin;
    bool turn_end_due;
    bool quiesced;
    bool stopping;
    struct kc_timer sweep;

    struct kc_listener *listeners[KC_LISTENERS_MAX];
    int64_t accept_failed_us;

    _Atomic uint32_t connection_count;      /* opened, and on their way through the inbox */
    _Atomic bool idle;
    _Atomic bool refusing;                  /* quiesced or stopped, as seen from other threads */
    _Atomic bool stop_called;
    bool started;
    pthread_t thread;
    struct kc_message stop_message, quiesce_message;
    _Atomic bool quiesce_called;
    _Atomic bool quiesce_pending;           /* called, and not yet in force */

    struct kc_poll_event events[KC_EVENTS_MAX];
};

static inline bool kc_reactor_is_own_thread(const struct kc_reactor *reactor) {
    return reactor->started && pthread_equal(reactor->thread, pthread_self());
}

/* Runs `act` on the reactor's thread and waits for it; directly when that is this thread or the reactor has not been started.
 * KC_CLOSED: the reactor has stopped, and act was not called. */
kc_status kc_reactor_call(struct kc_reactor *reactor, kc_status (*act)(struct kc_reactor *reactor, void *argument), void *argument);

/* ---- sweep.c: deadlines of connections ---- */
void kc_sweep_init(struct kc_reactor *reactor);
/* Something may expire at this time: the sweep comes no later than that. */
void kc_sweep_expect(struct kc_reactor *reactor, int64_t deadline_us);
/* Buffers that nobody needs wait in the pool: the sweep gives them back. */
void kc_sweep_expect_trim(struct kc_reactor *reactor);

/* ---- listener.c ---- */
void kc_listener_ready(struct kc_reactor *reactor, uint64_t token);
void kc_listeners_close(struct kc_reactor *reactor);

#endif

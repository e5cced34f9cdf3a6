#include "net/reactor.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "net/connection.h"
#include "net/loop.h"

enum {
    STACK_SIZE = 1 << 20,           /* musl's default of 128 KiB is too small */
    SCRATCH_SIZE_MIN = 128 << 10,
    STARVED_TRIES = 32,
    TIMERS_PER_TURN = 64,
};

struct kc_reactor_config kc_reactor_config_default(void) {
    return (struct kc_reactor_config){
        .frame_size_max = 100u << 20,
        .connections_max = 16384,
        .input_bytes_max = (uint64_t)256 << 20,
        .idle_us = (int64_t)600 * 1000000,
        .frame_timeout_us = (int64_t)30 * 1000000,
        .read_budget = 2u << 20,
        .send_budget = 2u << 20,
        .sendfile_step = 2u << 20,
        .copy_max = 16u << 10,
        /* Measured together with sendfile_step: the cheapest pair on loopback. */
        .socket_send_buffer = 256 << 10,
        .socket_receive_buffer = -1,
    };
}

/* ---- the turn --------------------------------------------------------------------------------------------------------- */

static struct kc_conn *of_turn(struct kc_list *node) { return KC_CONTAINER_OF(node, struct kc_conn, turn_node); }
static struct kc_conn *of_touched(struct kc_list *node) { return KC_CONTAINER_OF(node, struct kc_conn, touched_node); }
static struct kc_conn *of_output(struct kc_list *node) { return KC_CONTAINER_OF(node, struct kc_conn, output_node); }
static struct kc_conn *of_starved(struct kc_list *node) { return KC_CONTAINER_OF(node, struct kc_conn, starved_node); }

/* Moves everything from one list to an empty one, so that what is added meanwhile waits for the next round. */
static void take_all(struct kc_list *from, struct kc_list *to) {
    kc_list_init(to);
    if (kc_list_empty(from)) return;
    kc_list_insert_before(from, to);
    kc_list_remove(from);
}

static bool work_waits(const struct kc_reactor *reactor) {
    return !kc_list_empty(&reactor->ready) || !kc_list_empty(&reactor->output) || reactor->turn_end_due || reactor->stopping;
}

static int64_t time_to_wait(struct kc_reactor *reactor) {
    if (!kc_inbox_sleep(&reactor->inbox)) return 0;
    const struct kc_timer *first = kc_timers_first(&reactor->timers);
    if (!first) return -1;
    int64_t left = first->deadline_us - kc_clock_monotonic_us(&reactor->clock);
    return left > 0 ? left : 0;
}

static int poll_for(struct kc_reactor *reactor, int64_t timeout_us) {
    return kc_poller_wait(reactor->poller, reactor->events, KC_EVENTS_MAX, timeout_us);
}

/* Awake, so that a message needs no system call to get here either.  False: nothing came. */
static bool spin(struct kc_reactor *reactor, int *count) {
    const struct kc_timer *first = kc_timers_first(&reactor->timers);
    const int64_t end_us = kc_clock_monotonic_us(&reactor->clock) + reactor->spin.limit_us;
    do {
        *count = poll_for(reactor, 0);
        if (*count > 0 || !kc_inbox_empty(&reactor->inbox)) return true;
        reactor->now_us = kc_clock_monotonic_us(&reactor->clock);
        if (first && first->deadline_us <= reactor->now_us) return true;
    } while (reactor->now_us < end_us);
    kc_spin_failed(&reactor->spin);
    return false;
}

/* The number of events; reactor->now_us is the time at which they were there. */
static int wait_for_events(struct kc_reactor *reactor) {
    int count = 0;
    if (work_waits(reactor)) {
        count = poll_for(reactor, 0);
    } else if (!kc_spin_wanted(&reactor->spin) || !spin(reactor, &count)) {
        const int64_t from_us = reactor->spin.limit_us > 0 ? kc_clock_monotonic_us(&reactor->clock) : 0;
        count = poll_for(reactor, time_to_wait(reactor));
        reactor->now_us = kc_clock_monotonic_us(&reactor->clock);
        if (reactor->spin.limit_us > 0) kc_spin_slept(&reactor->spin, reactor->now_us - from_us);
        return count;
    }
    reactor->now_us = kc_clock_monotonic_us(&reactor->clock);
    return count;
}

static void run_messages(struct kc_reactor *reactor, struct kc_inbox_node *node, struct kc_reactor *self) {
    while (node) {
        struct kc_message *message = KC_CONTAINER_OF(node, struct kc_message, node);
        node = node->next;      /* run owns the message */
        reactor->turn_end_due = true;
        message->run(message, self);
    }
}

static void run_timers(struct kc_reactor *reactor) {
    /* One that arms itself for the past again has to wait for the next turn.  So do those that are too many, and that turn begins at
     * once: when a thousand consumers have waited for the same half second, what arrives meanwhile must not wait until all of them are
     * answered. */
    uint32_t budget = reactor->timers.count < TIMERS_PER_TURN ? reactor->timers.count : TIMERS_PER_TURN;
    for (; budget > 0; budget--) {
        struct kc_timer *timer = kc_timers_first(&reactor->timers);
        if (!timer || timer->deadline_us > reactor->now_us) return;
        kc_timers_cancel(&reactor->timers, timer);
        reactor->turn_end_due = true;
        timer->expired(timer);
    }
}

static struct kc_conn *conn_of_token(struct kc_reactor *reactor, uint64_t token) {
    uint32_t slot = (uint32_t)token;
    if (slot >= reactor->slot_count) return NULL;
    struct kc_conn *conn = reactor->slots[slot];
    return conn->in_use && !conn->closing && kc_conn_token_of(conn) == token ? conn : NULL;
}

static void dispatch(struct kc_reactor *reactor, const struct kc_poll_event *event) {
    if (event->token == KC_TOKEN_WAKE) {
        if (!KC_INBOX_EDGE) kc_inbox_clear(&reactor->inbox);
    } else if ((event->token & KC_TOKEN_LISTENER) == KC_TOKEN_LISTENER) {
        kc_listener_ready(reactor, event->token);
    } else {
        struct kc_conn *conn = conn_of_token(reactor, event->token);
        if (conn) kc_conn_event(conn, event->ready);
    }
}

/* When a buffer has come back, those that found no room may try again: several, because the first may want more than there is.  Without
 * news they would only be refused again, turn after turn. */
static void feed_starved(struct kc_reactor *reactor) {
    uint64_t returned = kc_buffer_pool_returned(reactor->buffers);
    if (returned == reactor->buffers_returned) return;
    reactor->buffers_returned = returned;
    for (int tries = STARVED_TRIES; tries > 0 && kc_buffer_pool_room(reactor->buffers) > 0 && !kc_list_empty(&reactor->starved); tries--) {
        struct kc_conn *conn = of_starved(kc_list_pop_front(&reactor->starved));
        conn->starved = false;
        kc_conn_rest(conn);
    }
}

static void finish_closing(struct kc_reactor *reactor) {
    for (struct kc_list *node; (node = kc_list_pop_front(&reactor->closing));) kc_conn_finish(of_turn(node));
}

static void publish_idle(struct kc_reactor *reactor) {
    bool idle = reactor->held_count == 0 && reactor->backlog_count == 0 && kc_list_empty(&reactor->ready) &&
                kc_list_empty(&reactor->output);
    if (idle != atomic_load_explicit(&reactor->idle, memory_order_relaxed)) {
        atomic_store_explicit(&reactor->idle, idle, memory_order_release);
    }
}

static void turn(struct kc_reactor *reactor) {
    struct kc_list round;
    struct kc_list *node;
    int count = wait_for_events(reactor);
    run_messages(reactor, kc_inbox_take(&reactor->inbox), reactor);
    run_timers(reactor);
    for (int i = 0; i < count; i++) dispatch(reactor, &reactor->events[i]);
    take_all(&reactor->ready, &round);
    while ((node = kc_list_pop_front(&round))) kc_conn_go_on(of_turn(node));
    if (reactor->turn_end_due) {
        reactor->turn_end_due = false;
        if (reactor->protocol.turn_end) reactor->protocol.turn_end(reactor->protocol.state);
    }
    while ((node = kc_list_pop_front(&reactor->touched))) kc_conn_settle(of_touched(node));
    take_all(&reactor->output, &round);
    while ((node = kc_list_pop_front(&round))) kc_conn_flush(of_output(node));
    finish_closing(reactor);
    feed_starved(reactor);
    if (kc_buffer_pool_kept(reactor->buffers) > 0) kc_sweep_expect_trim(reactor);
    publish_idle(reactor);
}

static void end_all(struct kc_reactor *reactor) {
    kc_listeners_close(reactor);
    for (uint32_t i = 0; i < reactor->slot_count; i++) {
        if (reactor->slots[i]->in_use) kc_conn_end(reactor->slots[i], KC_CLOSE_STOP);
    }
    finish_closing(reactor);
    /* Adoptions and answers that came too late free themselves. */
    run_messages(reactor, kc_inbox_close(&reactor->inbox), NULL);
}

static void *run(void *argument) {
    struct kc_reactor *reactor = argument;
    while (!reactor->stopping) turn(reactor);
    end_all(reactor);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------------------- */

static bool config_is_sound(const struct kc_reactor_config *config) {
    return config->frame_size_max > 0 && config->frame_size_max <= INT32_MAX && config->connections_max > 0 &&
           config->input_bytes_max > 0 && config->frame_timeout_us > 0 &&
           config->read_budget > 0 && config->send_budget > 0 && config->sendfile_step > 0 &&
           config->spin_us >= 0;
}

static void free_reactor(struct kc_reactor *reactor) {
    for (uint32_t i = 0; i < reactor->slot_count; i++) free(reactor->slots[i]);
    free(reactor->slots);
    free(reactor->scratch);
    kc_timers_destroy(&reactor->timers);
    if (reactor->buffers) kc_buffer_pool_destroy(reactor->buffers);
    if (reactor->chunks) kc_chunk_pool_destroy(reactor->chunks);
    if (reactor->inbox.wake_read >= 0) kc_inbox_destroy(&reactor->inbox);
    if (reactor->poller) kc_poller_destroy(reactor->poller);
    free(reactor);
}

static kc_status build(struct kc_reactor *reactor) {
    kc_status status = kc_poller_create(&reactor->poller);
    if (status != KC_OK) return status;
    status = kc_inbox_init(&reactor->inbox);
    if (status != KC_OK) {
        reactor->inbox.wake_read = -1;
        return status;
    }
    status = kc_buffer_pool_create(reactor->config.input_bytes_max, &reactor->buffers);
    if (status != KC_OK) return status;
    status = kc_chunk_pool_create(&reactor->chunks);
    if (status != KC_OK) return status;
    reactor->scratch_size = (size_t)reactor->config.copy_max * 4;
    if (reactor->scratch_size < SCRATCH_SIZE_MIN) reactor->scratch_size = SCRATCH_SIZE_MIN;
    reactor->scratch = malloc(reactor->scratch_size);
    if (!reactor->scratch) return KC_NO_MEMORY;
    status = kc_timers_reserve(&reactor->timers, KC_LISTENERS_MAX + 16);
    if (status != KC_OK) return status;
    return kc_poller_add(reactor->poller, kc_inbox_descriptor(&reactor->inbox), KC_TOKEN_WAKE,
                         KC_POLL_IN | (KC_INBOX_EDGE ? KC_POLL_EDGE : 0u));
}

kc_status kc_reactor_create(const struct kc_reactor_config *config, const struct kc_clock *clock, const struct kc_protocol *protocol,
                            struct kc_reactor **out) {
    if (!config_is_sound(config)) return KC_INVALID;
    struct kc_reactor *reactor = calloc(1, sizeof *reactor);
    if (!reactor) return KC_NO_MEMORY;
    reactor->config = *config;
    if (reactor->config.connections_max > KC_SLOTS_MAX) reactor->config.connections_max = KC_SLOTS_MAX;
    reactor->clock = *clock;
    reactor->protocol = *protocol;
    reactor->inbox.wake_read = -1;
    kc_list_init(&reactor->free_slots);
    kc_list_init(&reactor->ready);
    kc_list_init(&reactor->touched);
    kc_list_init(&reactor->output);
    kc_list_init(&reactor->starved);
    kc_list_init(&reactor->closing);
    kc_timers_init(&reactor->timers);
    kc_sweep_init(reactor);
    kc_spin_init(&reactor->spin, config->spin_us);
    atomic_init(&reactor->idle, true);
    reactor->now_us = kc_clock_monotonic_us(&reactor->clock);
    reactor->accept_failed_us = INT64_MIN;
    kc_status status = build(reactor);
    if (status != KC_OK) {
        free_reactor(reactor);
        return status;
    }
    *out = reactor;
    return KC_OK;
}

kc_status kc_reactor_start(struct kc_reactor *reactor) {
    sigset_t all, before;
    pthread_attr_t attributes;
    KC_CHECK(!reactor->started);
    if (pthread_attr_init(&attributes)) return KC_NO_MEMORY;
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all);
    reactor->started = true;
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&reactor->thread, &attributes, run, reactor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error) reactor->started = false;
    return error ? KC_NO_MEMORY : KC_OK;
}

static void run_stop(struct kc_message *message, struct kc_reactor *reactor) {
    (void)message;
    if (reactor) reactor->stopping = true;
}

void kc_reactor_stop(struct kc_reactor *reactor) {
    if (atomic_exchange(&reactor->stop_called, true)) return;
    atomic_store(&reactor->refusing, true);
    if (!reactor->started) {
        end_all(reactor);
        return;
    }
    KC_CHECK(!kc_reactor_is_own_thread(reactor));
    reactor->stop_message.run = run_stop;
    kc_reactor_post(reactor, &reactor->stop_message);
    pthread_join(reactor->thread, NULL);
}

void kc_reactor_destroy(struct kc_reactor *reactor) {
    kc_reactor_stop(reactor);
    free_reactor(reactor);
}

/* ---- from other threads ----------------------------------------------------------------------------------------------- */

void kc_reactor_post(struct kc_reactor *reactor, struct kc_message *message) {
    if (!kc_inbox_put(&reactor->inbox, &message->node)) message->run(message, NULL);
}

struct call {
    struct kc_message message;
    kc_status (*act)(struct kc_reactor *reactor, void *argument);
    void *argument;
    pthread_mutex_t lock;
    pthread_cond_t done_changed;
    bool done;
    kc_status status;
};

static void run_call(struct kc_message *message, struct kc_reactor *reactor) {
    struct call *call = KC_CONTAINER_OF(message, struct call, message);
    kc_status status = reactor ? call->act(reactor, call->argument) : KC_CLOSED;
    pthread_mutex_lock(&call->lock);
    call->status = status;
    call->done = true;
    pthread_cond_signal(&call->done_changed);
    pthread_mutex_unlock(&call->lock);
}

kc_status kc_reactor_call(struct kc_reactor *reactor, kc_status (*act)(struct kc_reactor *reactor, void *argument), void *argument) {
    if (!reactor->started || kc_reactor_is_own_thread(reactor)) return act(reactor, argument);
    struct call call = {.message.run = run_call, .act = act, .argument = argument};
    pthread_mutex_init(&call.lock, NULL);
    pthread_cond_init(&call.done_changed, NULL);
    kc_reactor_post(reactor, &call.message);
    pthread_mutex_lock(&call.lock);
    while (!call.done) pthread_cond_wait(&call.done_changed, &call.lock);
    pthread_mutex_unlock(&call.lock);
    pthread_cond_destroy(&call.done_changed);
    pthread_mutex_destroy(&call.lock);
    return call.status;
}

struct adoption {
    struct kc_message message;
    int fd;
    int32_t listener;
    struct kc_reactor *reactor;
};

static void run_adoption(struct kc_message *message, struct kc_reactor *reactor) {
    struct adoption *adoption = KC_CONTAINER_OF(message, struct adoption, message);
    if (reactor && !reactor->quiesced) {
        (void)kc_conn_open(reactor, adoption->fd, adoption->listener);
    } else {
        close(adoption->fd);
        atomic_fetch_sub_explicit(&adoption->reactor->connection_count, 1, memory_order_relaxed);
    }
    free(adoption);
}

kc_status kc_reactor_adopt(struct kc_reactor *reactor, int fd, int32_t listener) {
    if (atomic_load_explicit(&reactor->refusing, memory_order_acquire)) return KC_CLOSED;
    struct adoption *adoption = malloc(sizeof *adoption);
    if (!adoption) return KC_NO_MEMORY;
    if (atomic_fetch_add_explicit(&reactor->connection_count, 1, memory_order_relaxed) >= reactor->config.connections_max) {
        atomic_fetch_sub_explicit(&reactor->connection_count, 1, memory_order_relaxed);
        free(adoption);
        return KC_LIMIT;
    }
    *adoption = (struct adoption){.message.run = run_adoption, .fd = fd, .listener = listener, .reactor = reactor};
    kc_reactor_post(reactor, &adoption->message);
    return KC_OK;
}

static void run_quiesce(struct kc_message *message, struct kc_reactor *reactor) {
    struct kc_reactor *of = KC_CONTAINER_OF(message, struct kc_reactor, quiesce_message);
    atomic_store(&of->quiesce_pending, false);
    if (!reactor) return;
    reactor->quiesced = true;
    for (uint32_t i = 0; i < reactor->slot_count; i++) {
        if (reactor->slots[i]->in_use) kc_conn_rest(reactor->slots[i]);
    }
}

void kc_reactor_quiesce(struct kc_reactor *reactor) {
    if (atomic_exchange(&reactor->quiesce_called, true)) return;
    atomic_store(&reactor->refusing, true);
    atomic_store(&reactor->quiesce_pending, true);
    reactor->quiesce_message.run = run_quiesce;
    kc_reactor_post(reactor, &reactor->quiesce_message);
}

bool kc_reactor_idle(const struct kc_reactor *reactor) {
    /* Until the quiesce is in force, frames may still be handed over. */
    return !atomic_load_explicit(&reactor->quiesce_pending, memory_order_acquire) &&
           atomic_load_explicit(&reactor->idle, memory_order_acquire);
}

uint32_t kc_reactor_connection_count(const struct kc_reactor *reactor) {
    return atomic_load_explicit(&reactor->connection_count, memory_order_relaxed);
}

/* ---- on the reactor's thread ------------------------------------------------------------------------------------------ */

int64_t kc_reactor_now_us(const struct kc_reactor *reactor) { return reactor->now_us; }

void kc_reactor_timer_arm(struct kc_reactor *reactor, struct kc_timer *timer, int64_t deadline_us) {
    kc_timers_arm(&reactor->timers, timer, deadline_us);
}

void kc_reactor_timer_cancel(struct kc_reactor *reactor, struct kc_timer *timer) { kc_timers_cancel(&reactor->timers, timer); }

struct kc_conn *kc_reactor_find(struct kc_reactor *reactor, kc_conn_token token) { return conn_of_token(reactor, token); }

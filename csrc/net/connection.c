#include "net/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

enum {
    FRAME_HEADER = 4,
    READ_AHEAD_MAX = 256 << 10,
    HELD_INPUT_MAX = 64 << 10,      /* behind a held frame */
    DETAIL_MAX = 64,
    GENERATION_END = KC_TOKEN_LISTENER >> 32,
    UNACKNOWLEDGED_MS = 30000,      /* half-open connections, FAULTS: TCP_USER_TIMEOUT */
};

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static size_t waiting(const struct kc_conn *conn) { return conn->input.end - conn->input.start; }

static bool listed(const struct kc_list *node) { return !kc_list_empty(node); }

static void put_once(struct kc_list *head, struct kc_list *node) {
    if (!listed(node)) kc_list_push_back(head, node);
}

/* ---- opening ---------------------------------------------------------------------------------------------------------- */

static void set_option(int fd, int level, int name, int value) {
    /* What is not a TCP socket, or a kernel that does not know the option, works without. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static void set_options(const struct kc_reactor_config *config, int fd) {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_USER_TIMEOUT
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS);
#endif
    if (config->socket_send_buffer >= 0) set_option(fd, SOL_SOCKET, SO_SNDBUF, config->socket_send_buffer);
    if (config->socket_receive_buffer >= 0) set_option(fd, SOL_SOCKET, SO_RCVBUF, config->socket_receive_buffer);
}

static void name_ends(struct kc_conn *conn, int fd) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getpeername(fd, (struct sockaddr *)&address, &size)) address.ss_family = AF_UNSPEC;
    kc_address_format((struct sockaddr *)&address, conn->peer, sizeof conn->peer);
    size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size)) address.ss_family = AF_UNSPEC;
    kc_address_format((struct sockaddr *)&address, conn->local, sizeof conn->local);
}

static struct kc_conn *new_slot(struct kc_reactor *reactor) {
    if (reactor->slot_count == reactor->slot_capacity) {
        uint32_t capacity = reactor->slot_capacity ? reactor->slot_capacity * 2 : 64;
        struct kc_conn **slots = realloc(reactor->slots, capacity * sizeof(*slots));
        if (!slots) return NULL;
        reactor->slots = slots;
        reactor->slot_capacity = capacity;
    }
    if (reactor->slot_count == KC_SLOTS_MAX) return NULL;
    /* One timer of the layer above per connection, and a few of ours. */
    if (kc_timers_reserve(&reactor->timers, reactor->slot_count + 1 + KC_LISTENERS_MAX + 16) != KC_OK) return NULL;
    struct kc_conn *conn = calloc(1, sizeof *conn);
    if (!conn) return NULL;
    conn->slot = reactor->slot_count;
    reactor->slots[reactor->slot_count++] = conn;
    return conn;
}

static struct kc_conn *take_slot(struct kc_reactor *reactor) {
    struct kc_list *node = kc_list_pop_front(&reactor->free_slots);
    struct kc_conn *conn = node ? KC_CONTAINER_OF(node, struct kc_conn, turn_node) : new_slot(reactor);
    if (!conn) return NULL;
    uint32_t slot = conn->slot, generation = conn->generation + 1;
    if (generation == GENERATION_END) generation = 1;       /* the token 0 names nobody */
    *conn = (struct kc_conn){.reactor = reactor, .slot = slot, .generation = generation, .in_use = true};
    kc_list_init(&conn->turn_node);
    kc_list_init(&conn->touched_node);
    kc_list_init(&conn->output_node);
    kc_list_init(&conn->starved_node);
    return conn;
}

static void free_slot(struct kc_conn *conn) {
    conn->in_use = false;
    kc_list_push_front(&conn->reactor->free_slots, &conn->turn_node);
    atomic_fetch_sub_explicit(&conn->reactor->connection_count, 1, memory_order_relaxed);
}

kc_status kc_conn_open(struct kc_reactor *reactor, int fd, int32_t listener) {
    struct kc_conn *conn = take_slot(reactor);
    if (!conn) {
        close(fd);
        atomic_fetch_sub_explicit(&reactor->connection_count, 1, memory_order_relaxed);
        return KC_NO_MEMORY;
    }
    set_options(&reactor->config, fd);
    name_ends(conn, fd);
    kc_transport_plain(&conn->transport, fd);
    kc_chain_init(&conn->output, reactor->chunks);
    conn->listener = listener;
    conn->read_ahead = KC_BUFFER_SIZE_MIN;
    conn->active_us = reactor->now_us;
    conn->interest = conn->transport.receive_wants;
    kc_status status = kc_poller_add(reactor->poller, fd, kc_conn_token_of(conn), conn->interest);
    if (status != KC_OK) {
        conn->transport.ops->close(&conn->transport);
        free_slot(conn);
        return status;
    }
    if (reactor->config.idle_us >= 0) kc_sweep_expect(reactor, reactor->now_us + reactor->config.idle_us);
    if (reactor->protocol.opened) reactor->protocol.opened(reactor->protocol.state, conn);
    return KC_OK;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

/* How much to ask the socket for.  The rest of a large frame is read exactly to its end, so that little has to be moved to the front
 * of the buffer; small frames are read many at a time. */
static size_t wanted(const struct kc_conn *conn) {
    size_t have = waiting(conn), want = conn->read_ahead;
    if (conn->held) return HELD_INPUT_MAX - have;
    if (have == 0) {
        want = larger(want, conn->frame_size_last);
    } else if (have >= FRAME_HEADER) {
        size_t left = FRAME_HEADER + (size_t)kc_load_u32(conn->input.data + conn->input.start) - have;
        if (left >= want) want = left;
    }
    return smaller(want, conn->reactor->config.read_budget);
}

/* Makes room at the end of the buffer, for at most *want bytes.  A buffer grows when half of it is full of what has arrived. */
static kc_status make_room(struct kc_conn *conn, size_t *want) {
    struct kc_buffer *input = &conn->input;
    struct kc_buffer_pool *pool = conn->reactor->buffers;
    if (!input->data) {
        kc_status status = kc_buffer_acquire(pool, *want, input);
        if (status != KC_OK) return status;
    }
    kc_buffer_compact(input);
    if (input->end + *want > input->capacity && input->end >= input->capacity / 2) {
        kc_status status = kc_buffer_grow(pool, input->end + *want, input);
        if (status != KC_OK && input->end == input->capacity) return status;
    }
    *want = smaller(*want, input->capacity - input->end);
    return KC_OK;
}

static void adapt(struct kc_conn *conn, size_t asked, size_t got) {
    if (got == asked && asked == conn->read_ahead) conn->read_ahead = smaller(conn->read_ahead * 2, READ_AHEAD_MAX);
    else if (got < conn->read_ahead / 4 && conn->read_ahead > KC_BUFFER_SIZE_MIN) conn->read_ahead /= 2;
}

static void receive(struct kc_conn *conn) {
    struct kc_reactor *reactor = conn->reactor;
    put_once(&reactor->touched, &conn->touched_node);
    if (conn->held && waiting(conn) >= HELD_INPUT_MAX) return;      /* kc_conn_rest stops listening */
    size_t want = wanted(conn), got = 0;
    kc_status status = make_room(conn, &want);
    if (status == KC_LIMIT) {
        conn->starved = true;
        put_once(&reactor->starved, &conn->starved_node);
        return;
    }
    if (status != KC_OK) {
        kc_conn_end(conn, KC_CLOSE_NO_MEMORY);
        return;
    }
    status = conn->transport.ops->receive(&conn->transport, conn->input.data + conn->input.end, want, &got);
    switch (status) {
    case KC_OK:
        conn->input.end += got;
        conn->active_us = reactor->now_us;
        adapt(conn, want, got);
        break;
    case KC_AGAIN: break;
    case KC_END: conn->peer_ended = true; break;
    default: kc_conn_end(conn, KC_CLOSE_PEER);
    }
}

void kc_conn_event(struct kc_conn *conn, uint32_t ready) {
    if (conn->closing) return;
    bool readable = ready & (conn->transport.receive_wants | KC_POLL_HUP);
    if (conn->blocked && (ready & (conn->transport.send_wants | KC_POLL_HUP))) {
        put_once(&conn->reactor->output, &conn->output_node);
        conn->blocked = false;
    } else if (readable && (conn->interest & conn->transport.receive_wants)) {
        if (conn->backlog || conn->handed || conn->starved) return;
        receive(conn);
        kc_conn_hand_over(conn);
    } else if (ready & KC_POLL_HUP) {
        /* Nothing is wanted from the socket just now, but it would be reported for ever. */
        kc_conn_end(conn, KC_CLOSE_PEER);
    }
}

/* Bytes that the transport has taken out of the socket are not announced again. */
static bool pending(const struct kc_conn *conn) { return conn->transport.ops->pending && conn->transport.ops->pending(&conn->transport); }

static bool may_read(const struct kc_conn *conn) {
    return !conn->peer_ended && !conn->starved && !conn->reactor->quiesced && !(conn->held && waiting(conn) >= HELD_INPUT_MAX);
}

/* ---- frames ----------------------------------------------------------------------------------------------------------- */

/* Does a whole frame, or a size that cannot be, stand at the start of the buffer? */
static bool frame_waits(const struct kc_conn *conn) {
    size_t have = waiting(conn);
    if (have < FRAME_HEADER) return false;
    uint32_t size = kc_load_u32(conn->input.data + conn->input.start);
    return size == 0 || size > conn->reactor->config.frame_size_max || have - FRAME_HEADER >= size;
}

static void hold(struct kc_conn *conn) {
    conn->held = true;
    conn->reactor->held_count++;
}

static void end_hold(struct kc_conn *conn) {
    if (!conn->held) return;
    conn->held = false;
    conn->reactor->held_count--;
}

static void hand_over_frame(struct kc_conn *conn) {
    struct kc_reactor *reactor = conn->reactor;
    uint8_t *at = conn->input.data + conn->input.start;
    uint32_t size = kc_load_u32(at);
    if (size == 0 || size > reactor->config.frame_size_max) {
        conn->detail = kc_slice_make(at, smaller(waiting(conn), DETAIL_MAX));
        kc_conn_end(conn, KC_CLOSE_FRAME_TOO_LARGE);
        return;
    }
    size_t whole = FRAME_HEADER + (size_t)size;
    conn->frame_size_last = whole > KC_BUFFER_SIZE_MIN ? whole : 0;
    conn->input.start += whole;
    conn->handed = true;
    reactor->turn_end_due = true;
    put_once(&reactor->touched, &conn->touched_node);
    conn->in_frame = true;
    conn->resumed = false;
    enum kc_frame_verdict verdict = reactor->protocol.frame(reactor->protocol.state, conn, at + FRAME_HEADER, size);
    conn->in_frame = false;
    if (verdict == KC_FRAME_HOLD && !conn->resumed) hold(conn);
    if (verdict == KC_FRAME_CLOSE) kc_conn_end(conn, KC_CLOSE_PROTOCOL);
}

void kc_conn_hand_over(struct kc_conn *conn) {
    while (!conn->closing && !conn->held && !conn->backlog && !conn->reactor->quiesced && frame_waits(conn)) hand_over_frame(conn);
}

void kc_conn_go_on(struct kc_conn *conn) {
    put_once(&conn->reactor->touched, &conn->touched_node);
    if (!frame_waits(conn) && pending(conn) && may_read(conn) && !conn->backlog && !conn->handed) receive(conn);
    kc_conn_hand_over(conn);
}

void kc_conn_resume(struct kc_conn *conn) {
    if (conn->in_frame) conn->resumed = true;
    if (conn->closing || !conn->held) return;
    end_hold(conn);
    conn->active_us = conn->reactor->now_us;
    conn->reactor->turn_end_due = true;
    /* Not handed over from here: the caller is in the middle of something. */
    put_once(&conn->reactor->ready, &conn->turn_node);
    if (conn->output.size_bytes > 0) kc_conn_output_added(conn);
}

void kc_conn_settle(struct kc_conn *conn) {
    struct kc_reactor *reactor = conn->reactor;
    bool handed = conn->handed;
    conn->handed = false;
    if (conn->closing) return;
    size_t have = waiting(conn);
    if (have == 0) kc_buffer_release(reactor->buffers, &conn->input);
    else kc_buffer_compact(&conn->input);
    if (have == 0 || conn->held || frame_waits(conn)) {
        conn->frame_started_us = 0;
    } else if (conn->frame_started_us == 0 || handed) {
        conn->frame_started_us = reactor->now_us;
        kc_sweep_expect(reactor, reactor->now_us + reactor->config.frame_timeout_us);
    }
    if (conn->output.size_bytes > 0) put_once(&reactor->output, &conn->output_node);
    else kc_conn_rest(conn);
}

/* ---- sending ---------------------------------------------------------------------------------------------------------- */

void kc_conn_output_added(struct kc_conn *conn) {
    if (!conn->closing) put_once(&conn->reactor->output, &conn->output_node);
}

static enum kc_flush_result send_chain(struct kc_conn *conn, size_t warm) {
    const struct kc_reactor *reactor = conn->reactor;
    const struct kc_flush_limits limits = {
        .budget = reactor->config.send_budget,
        .sendfile_step = reactor->config.sendfile_step,
        .copy_max = reactor->config.copy_max,
        .warm = reactor->config.loader ? warm : SIZE_MAX,
        .scratch = reactor->scratch,
        .scratch_size = reactor->scratch_size,
    };
    uint64_t before = conn->output.size_bytes;
    enum kc_flush_result result = kc_flush(&conn->output, &conn->transport, &limits);
    conn->sent_since += before - conn->output.size_bytes;
    conn->warm_size -= smaller(conn->warm_size, before - conn->output.size_bytes);
    return result;
}

void kc_conn_flush(struct kc_conn *conn) {
    struct kc_reactor *reactor = conn->reactor;
    if (conn->closing) return;
    if (!conn->blocked && !conn->loading && conn->output.size_bytes > 0) {
        uint64_t before = conn->output.size_bytes;
        enum kc_flush_result result = send_chain(conn, conn->warm_size);
        if (result == KC_FLUSH_COLD && !kc_conn_load(conn)) result = send_chain(conn, SIZE_MAX);
        if (conn->output.size_bytes < before) conn->active_us = reactor->now_us;
        if (result == KC_FLUSH_PEER || result == KC_FLUSH_FILE) {
            kc_conn_end(conn, result == KC_FLUSH_PEER ? KC_CLOSE_PEER : KC_CLOSE_FILE);
            return;
        }
        conn->blocked = result == KC_FLUSH_BLOCKED;
        if (result == KC_FLUSH_BUDGET) put_once(&reactor->output, &conn->output_node);
    }
    kc_conn_rest(conn);
}

static void note_backlog(struct kc_conn *conn) {
    struct kc_reactor *reactor = conn->reactor;
    bool backlog = conn->output.size_bytes > 0;
    if (backlog == conn->backlog) return;
    conn->backlog = backlog;
    if (!backlog) {
        reactor->backlog_count--;
        return;
    }
    reactor->backlog_count++;
    conn->blocked_since_us = reactor->now_us;
    conn->sent_since = 0;
    kc_sweep_expect(reactor, reactor->now_us + reactor->config.frame_timeout_us);
}

/* While the budget alone holds the chain back, what the poller watches is left as it is: it would change every turn. */
static void watch(struct kc_conn *conn) {
    uint32_t interest = 0;
    if (conn->backlog && !conn->blocked && !conn->loading) return;
    if (conn->loading) interest = 0;
    else if (conn->blocked) interest = conn->transport.send_wants;
    else if (may_read(conn)) interest = conn->transport.receive_wants;
    if (interest == conn->interest) return;
    kc_status status = kc_poller_change(conn->reactor->poller, conn->transport.fd, kc_conn_token_of(conn), conn->interest, interest);
    conn->interest = interest;
    if (status != KC_OK) kc_conn_end(conn, KC_CLOSE_NO_MEMORY);
}

void kc_conn_rest(struct kc_conn *conn) {
    if (conn->closing) return;
    note_backlog(conn);
    bool frame = frame_waits(conn);
    if (!conn->backlog) {
        /* Nobody is left to read an answer.  Frames that came whole before the end are still worked on: a producer that wants no
         * acknowledgement may send and go. */
        if (conn->peer_ended && !frame) {
            kc_conn_end(conn, KC_CLOSE_PEER);
            return;
        }
        if ((frame && !conn->held && !conn->reactor->quiesced) || (!frame && may_read(conn) && pending(conn)))
            put_once(&conn->reactor->ready, &conn->turn_node);
    }
    watch(conn);
}

/* ---- closing ---------------------------------------------------------------------------------------------------------- */

void kc_conn_end(struct kc_conn *conn, enum kc_close_reason reason) {
    if (conn->closing) return;
    conn->closing = true;
    conn->reason = reason;
    kc_list_remove(&conn->turn_node);
    kc_list_remove(&conn->output_node);
    kc_list_remove(&conn->starved_node);
    kc_list_push_back(&conn->reactor->closing, &conn->turn_node);
}

void kc_conn_close(struct kc_conn *conn) { kc_conn_end(conn, KC_CLOSE_PROTOCOL); }

void kc_conn_finish(struct kc_conn *conn) {
    struct kc_reactor *reactor = conn->reactor;
    bool reachable = conn->reason != KC_CLOSE_PEER && conn->reason != KC_CLOSE_FILE && conn->reason != KC_CLOSE_SLOW_READER;
    if (reachable && conn->output.size_bytes > 0) (void)send_chain(conn, conn->warm_size);
    end_hold(conn);
    if (conn->backlog) reactor->backlog_count--;
    conn->backlog = false;
    kc_poller_remove(reactor->poller, conn->transport.fd);
    if (reactor->protocol.closed) reactor->protocol.closed(reactor->protocol.state, conn, conn->reason, conn->detail);
    conn->transport.ops->close(&conn->transport);
    kc_chain_clear(&conn->output);
    kc_buffer_release(reactor->buffers, &conn->input);
    kc_list_remove(&conn->touched_node);
    free_slot(conn);
}

/* ---- what the layer above asks ---------------------------------------------------------------------------------------- */

kc_conn_token kc_conn_token_of(const struct kc_conn *conn) { return (uint64_t)conn->generation << 32 | conn->slot; }
struct kc_reactor *kc_conn_reactor(const struct kc_conn *conn) { return conn->reactor; }
int32_t kc_conn_listener(const struct kc_conn *conn) { return conn->listener; }
void *kc_conn_user(const struct kc_conn *conn) { return conn->user; }
void kc_conn_set_user(struct kc_conn *conn, void *user) { conn->user = user; }
const char *kc_conn_peer(const struct kc_conn *conn) { return conn->peer; }
const char *kc_conn_local(const struct kc_conn *conn) { return conn->local; }
struct kc_chain *kc_conn_output(struct kc_conn *conn) { return &conn->output; }

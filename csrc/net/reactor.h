/* reactor.h: one thread, one poller, and the connections that belong to it for life.
 *
 * The loop of a reactor, called a turn:
 *   1. wait for events (or a deadline, or a message from another thread);
 *   2. run the messages; run the timers that are due;
 *   3. for each readable connection: one recv into its buffer, then every complete frame goes to protocol->frame;
 *   4. protocol->turn_end, once: work that was gathered over all frames of the turn is done and answered now;
 *   5. for each connection with output: flush within the budget; what the socket does not take waits for writability.
 * The bytes of a frame stay in place, and may be written to, until turn_end has returned; then they are gone.
 *
 * A connection hands over one frame after another until protocol->frame answers KC_FRAME_HOLD; then the next one waits for
 * kc_conn_resume.  While output is blocked (the peer does not read) no frame is handed over either, so what a connection can hold is
 * bounded: one input buffer of at most frame_size_max, and the answers of one turn.
 *
 * When the peer ends its stream, the frames that came whole before it are still handed over (a producer that wants no acknowledgement
 * may send and go); after the last of them, or at once while a frame is held and nothing whole waits behind it, closed() is called.
 *
 * Frames are a 4-byte big-endian size and that many bytes.  The buffer grows as bytes arrive (64 KiB, doubling), never by the
 * declared size, and goes back to the reactor's pool whenever it is empty.
 *
 * Threads: functions marked [reactor] are called on the reactor's own thread only (inside the callbacks); [any] from any thread.
 * This layer knows no Kafka. */
#ifndef KC_NET_REACTOR_H
#define KC_NET_REACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/status.h"
#include "io/inbox.h"
#include "net/chain.h"

struct kc_reactor;
struct kc_conn;

/* Names a connection for ever: a slot and its generation.  A token of a closed connection matches nothing. */
typedef uint64_t kc_conn_token;

enum kc_frame_verdict {
    KC_FRAME_NEXT,     /* done with (or gathered until turn_end): go on with the next frame */
    KC_FRAME_HOLD,     /* being worked on elsewhere or parked: no further frame before kc_conn_resume */
    KC_FRAME_CLOSE,    /* malformed or refused: close, after what is already in the chain has been tried once */
};

/* Why a connection ended, for the log line of the layer above. */
enum kc_close_reason {
    KC_CLOSE_PEER,              /* the peer closed or reset */
    KC_CLOSE_PROTOCOL,          /* KC_FRAME_CLOSE or kc_conn_close */
    KC_CLOSE_FRAME_TOO_LARGE,   /* declared size > frame_size_max, zero or negative */
    KC_CLOSE_FRAME_TIMEOUT,     /* a started frame did not arrive in time */
    KC_CLOSE_IDLE,
    KC_CLOSE_FILE,              /* a file slice could not be read */
    KC_CLOSE_NO_MEMORY,
    KC_CLOSE_STOP,              /* the reactor is stopping */
    KC_CLOSE_SLOW_READER,       /* took less than 1 KiB/s of its answers for frame_timeout_us */
};

/* The layer above. */
struct kc_protocol {
    void *state;
    /* conn->user may be set. */
    void (*opened)(void *state, struct kc_conn *conn);
    /* `frame` is without its size field and may be written to. */
    enum kc_frame_verdict (*frame)(void *state, struct kc_conn *conn, uint8_t *frame, size_t size);
    void (*turn_end)(void *state);
    /* Parked work of this connection must be let go of now; the first bytes of a frame that broke the limit are in `detail`. */
    void (*closed)(void *state, struct kc_conn *conn, enum kc_close_reason reason, struct kc_slice detail);
    /* A connection could not be accepted, for want of descriptors or memory, or (KC_LIMIT) because every reactor has connections_max:
     * called at most once a second. */
    void (*accept_failed)(void *state, kc_status status);
};

struct kc_worker;

struct kc_reactor_config {
    uint32_t frame_size_max;            /* socket.request.max.bytes */
    uint32_t connections_max;           /* of this reactor; never more than 2^24 */
    uint64_t input_bytes_max;           /* of all input buffers of this reactor together; beyond it reading pauses */
    int64_t idle_us;                    /* connections.max.idle.ms; < 0: never */
    int64_t frame_timeout_us;           /* a started frame must be complete by then */
    uint32_t read_budget;               /* bytes per connection and turn */
    uint32_t send_budget;
    uint32_t sendfile_step;             /* bytes per sendfile call */
    uint32_t copy_max;                  /* file slices up to this size are read and sent with their header in one call */
    int32_t socket_send_buffer;         /* SO_SNDBUF, -1: the kernel's autotuning */
    int32_t socket_receive_buffer;
    int64_t spin_us;                    /* how long to look for events before sleeping, where that pays (spin.h); 0: never */
    struct kc_worker *loader;           /* loads what is not in memory; NULL: the reactor waits for the disk itself.  Outlives the reactor */
};
struct kc_reactor_config kc_reactor_config_default(void);

/* A message to a reactor: embedded in what it carries.  `run` is called on the reactor's thread, once, and then owns the message.
 * If the reactor has stopped, `run` is called with reactor == NULL on the sender's or stopping thread, to free what it carries. */
struct kc_message {
    struct kc_inbox_node node;
    void (*run)(struct kc_message *message, struct kc_reactor *reactor);
};

/* A deadline.  Embedded; heap_index 0 means not armed. */
struct kc_timer {
    int64_t deadline_us;
    void (*expired)(struct kc_timer *timer);
    uint32_t heap_index;
};

kc_status kc_reactor_create(const struct kc_reactor_config *config, const struct kc_clock *clock, const struct kc_protocol *protocol,
                            struct kc_reactor **out);
/* Starts the thread (all signals blocked in it). */
kc_status kc_reactor_start(struct kc_reactor *reactor);
/* [any] Closes the connections and ends the thread; returns when it has ended. */
void kc_reactor_stop(struct kc_reactor *reactor);
void kc_reactor_destroy(struct kc_reactor *reactor);

/* [any] Never blocks, never fails. */
void kc_reactor_post(struct kc_reactor *reactor, struct kc_message *message);
/* [any] Hands over an accepted, non-blocking socket; the reactor owns it from then on.  KC_LIMIT: it has connections_max already; KC_CLOSED: it has
 * stopped or is quiesced.  On failure the socket is still the caller's. */
kc_status kc_reactor_adopt(struct kc_reactor *reactor, int fd, int32_t listener);
/* [any] Stops reading new frames on all connections, goes on sending; used to drain.  */
void kc_reactor_quiesce(struct kc_reactor *reactor);
/* [any] As of the end of the latest turn no frame was held and nothing waited to be sent.  Once quiesced and idle, it stays so until a
 * message adds output. */
bool kc_reactor_idle(const struct kc_reactor *reactor);
/* [any] */
uint32_t kc_reactor_connection_count(const struct kc_reactor *reactor);

/* [any] Accepts on a listening socket and deals connections out to `reactors` in turn.  The listener belongs to `reactor`, which closes
 * it at the end; `reactors` must live as long.  At most 64 listeners (KC_LIMIT).  On failure the socket is still the caller's. */
kc_status kc_reactor_listen(struct kc_reactor *reactor, int listen_fd, int32_t listener, struct kc_reactor **reactors, uint32_t count);
/* [any] Stops accepting on every listener of this reactor and closes the sockets; returns when done. */
void kc_reactor_stop_listening(struct kc_reactor *reactor);

/* ---- [reactor] ----------------------------------------------------------------------------------------------------------- */

int64_t kc_reactor_now_us(const struct kc_reactor *reactor);        /* monotonic, as of the start of the turn */
/* One timer per connection has its place reserved; whoever arms many more must expect the heap to grow. */
void kc_reactor_timer_arm(struct kc_reactor *reactor, struct kc_timer *timer, int64_t deadline_us);
void kc_reactor_timer_cancel(struct kc_reactor *reactor, struct kc_timer *timer);

struct kc_conn *kc_reactor_find(struct kc_reactor *reactor, kc_conn_token token);      /* NULL: gone */

kc_conn_token kc_conn_token_of(const struct kc_conn *conn);
struct kc_reactor *kc_conn_reactor(const struct kc_conn *conn);
int32_t kc_conn_listener(const struct kc_conn *conn);
void *kc_conn_user(const struct kc_conn *conn);
void kc_conn_set_user(struct kc_conn *conn, void *user);
/* Numeric "address:port" of the peer, and of our side; NUL-terminated, valid as long as the connection. */
const char *kc_conn_peer(const struct kc_conn *conn);
const char *kc_conn_local(const struct kc_conn *conn);

/* The connection's output.  What a connection is given for a frame that it handed over in this turn, in protocol->frame or turn_end, is
 * sent without further ado; whoever adds at another time, or to another connection, calls kc_conn_output_added. */
struct kc_chain *kc_conn_output(struct kc_conn *conn);
void kc_conn_output_added(struct kc_conn *conn);
/* Ends a HOLD: the next frames are handed over in this or the next turn, never from inside this call.  Called in protocol->frame before
 * that has answered KC_FRAME_HOLD, it takes the HOLD back.  On a connection that is not held it does nothing. */
void kc_conn_resume(struct kc_conn *conn);
/* Closes at the end of the turn, after one attempt to send what is in the chain.  kc_reactor_find does not find it any more. */
void kc_conn_close(struct kc_conn *conn);

#endif

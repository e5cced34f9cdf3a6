/* connection.h: one peer: its socket, what has arrived and what waits to be sent.
 *
 *            opened                 a frame is complete                 KC_FRAME_HOLD
 *   (slot) ----------> reading ------------------------> handing over ---------------> held
 *                         ^                                  |   ^                        |
 *                         |      chain sent                  |   +------------------------+ kc_conn_resume
 *                         +------------------ backlog <------+
 *   From each of these: kc_conn_end, and at the end of the turn kc_conn_finish.
 *
 * Thread: its reactor's, for life. */
#ifndef KC_NET_CONNECTION_H
#define KC_NET_CONNECTION_H

#include "net/address.h"
#include "net/flush.h"
#include "net/loop.h"
#include "net/transport.h"

struct kc_conn {
    struct kc_reactor *reactor;
    struct kc_transport transport;
    struct kc_buffer input;
    struct kc_chain output;

    struct kc_list turn_node;       /* ready, closing, or the free slots */
    struct kc_list touched_node;
    struct kc_list output_node;
    struct kc_list starved_node;

    uint32_t slot, generation;
    uint32_t interest;              /* what the poller watches */
    bool in_use;
    bool handed;                    /* a frame was handed over in this turn: the buffer must not move */
    bool in_frame;                  /* inside protocol->frame */
    bool held;
    bool resumed;                   /* kc_conn_resume came before the HOLD that it ends */
    bool backlog;                   /* the chain outlived its flush */
    bool blocked;                   /* the socket took no more */
    bool loading;                   /* a worker loads the head of the chain */
    bool starved;
    bool peer_ended;                /* the end of the stream was read */
    bool closing;
    enum kc_close_reason reason;
    struct kc_slice detail;

    size_t read_ahead;              /* how much to ask for when nothing waits: grows with what arrives */
    size_t frame_size_last;         /* of the latest large frame; 0: frames are small */
    int64_t active_us;              /* bytes moved */
    int64_t frame_started_us;       /* 0: no part of a frame waits */
    int64_t blocked_since_us;
    uint64_t sent_since;            /* bytes since blocked_since_us */
    size_t warm_size;               /* of the chain, from its head: just loaded */

    void *user;
    int32_t listener;
    char peer[KC_ADDRESS_SIZE], local[KC_ADDRESS_SIZE];
};

/* Takes the socket over, also on failure. */
kc_status kc_conn_open(struct kc_reactor *reactor, int fd, int32_t listener);

/* An event of the poller. */
void kc_conn_event(struct kc_conn *conn, uint32_t ready);
/* Hands over what is complete, as far as may be. */
void kc_conn_hand_over(struct kc_conn *conn);
/* Goes on with a ready connection. */
void kc_conn_go_on(struct kc_conn *conn);
/* After turn_end: lets go of the frames that were handed over. */
void kc_conn_settle(struct kc_conn *conn);
/* Sends within the budget. */
void kc_conn_flush(struct kc_conn *conn);
/* cold.c: has the slice at the head of the chain loaded by a worker.  False: nobody can, and the connection sends it all the same. */
bool kc_conn_load(struct kc_conn *conn);
/* Decides what the connection waits for. */
void kc_conn_rest(struct kc_conn *conn);
/* Marks it as ending with this turn.  The first reason counts. */
void kc_conn_end(struct kc_conn *conn, enum kc_close_reason reason);
/* Tries once to send, reports and frees. */
void kc_conn_finish(struct kc_conn *conn);

#endif

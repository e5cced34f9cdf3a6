/* server.h: reactors with their data paths, their listeners, and the way between them and one other thread (Python's).
 *
 *   up:   a reactor copies a request, or what is worth a line in the log, into the inbox; its descriptor wakes the other side
 *   down: kc_server_reply posts the answer to the reactor that owns the connection
 *
 * The server knows nothing of Python.  Threads: create, listen, start, stop and destroy by one thread; publish and reply by any;
 * kc_server_next by the one thread that watches the descriptor.
 * Memory that goes up is bounded by the connections: each has at most one request there. */
#ifndef KC_SERVER_SERVER_H
#define KC_SERVER_SERVER_H

#include "hot/hot.h"

enum { KC_REACTORS_MAX = 64, KC_ADDRESS_SIZE = 80 };

struct kc_server;

struct kc_server_config {
    struct kc_hot_config hot;             /* but for worker, groups and api_versions, which the server makes */
    struct kc_reactor_config reactor;
    uint32_t reactor_count;               /* 1..KC_REACTORS_MAX */
    uint32_t worker_count;                /* threads that sync; at least 1 */
    uint64_t hash_seed;
};

enum kc_up_kind {
    KC_UP_REQUEST,
    KC_UP_CLOSED,                         /* a connection ended for cause: reason, peer, the first bytes of what broke a rule */
    KC_UP_ACCEPT_FAILED,
};

/* One thing that came up.  Owned by whoever took it, until kc_up_free. */
struct kc_up;

struct kc_up_view {
    enum kc_up_kind kind;
    uint32_t reactor;                     /* with token: where the answer goes */
    kc_conn_token token;
    int32_t listener;
    enum kc_close_reason reason;
    kc_status status;                     /* of a failed accept */
    uint32_t suppressed;                  /* events of this kind that were left out since the last one */
    const char *peer, *local;
    struct kc_slice data;                 /* the frame, or the first bytes */
};

kc_status kc_server_create(const struct kc_server_config *config, struct kc_server **out);
/* Stopped before. */
void kc_server_destroy(struct kc_server *server);

struct kc_topic_table *kc_server_topics(struct kc_server *server);
struct kc_group_table *kc_server_groups(struct kc_server *server);
struct kc_api_versions *kc_server_api_versions(struct kc_server *server);

/* Before the start.  The socket is taken over; endpoint is what clients of this listener are told.  KC_LIMIT: too many listeners. */
kc_status kc_server_listen(struct kc_server *server, int fd, int32_t listener, const struct kc_endpoint *endpoint);
kc_status kc_server_start(struct kc_server *server);
void kc_server_stop_listening(struct kc_server *server);
/* No further request is read, fetches that wait are answered with what there is, what is in progress goes on.  Once. */
void kc_server_quiesce(struct kc_server *server);
bool kc_server_idle(const struct kc_server *server);
uint32_t kc_server_connection_count(const struct kc_server *server);
/* Ends the reactors; what is still on its way up stays to be taken or freed. */
void kc_server_stop(struct kc_server *server);

/* Readable while there may be something to take. */
int kc_server_descriptor(const struct kc_server *server);
/* Everything that has come up, oldest first, one call at a time; NULL: nothing more, and the descriptor will tell. */
struct kc_up *kc_server_next(struct kc_server *server);
void kc_up_view(const struct kc_up *up, struct kc_up_view *out);
void kc_up_free(struct kc_up *up);

/* Answers the request of a token: `size` bytes without the frame's size, which are copied; with has_answer false none is sent.
 * close: the connection ends afterwards.  KC_NO_MEMORY; a connection that is gone is KC_OK. */
kc_status kc_server_reply(struct kc_server *server, uint32_t reactor, kc_conn_token token, const void *answer, size_t size,
                          bool has_answer, bool close);
/* The same for whoever has several answers at hand: they leave with the next kc_server_flush_replies, and wake each reactor once.
 * Both by one thread. */
kc_status kc_server_reply_later(struct kc_server *server, uint32_t reactor, kc_conn_token token, const void *answer, size_t size,
                                bool has_answer, bool close);
void kc_server_flush_replies(struct kc_server *server);

#endif

#include "server/server.h"

#include <stdlib.h>

#include "base/check.h"
#include "io/inbox.h"

/* More than a reactor can number is as good as no limit. */
enum { CONNECTIONS_MAX = 1 << 24, LOADERS = 2 };

enum { EVENT_INTERVAL_US = 1000000, DETAIL_SIZE_MAX = 64, REASON_COUNT = KC_CLOSE_SLOW_READER + 1 };

struct reply;

/* The way up from one reactor.  Touched on its thread only, but for the last fields. */
struct path {
    struct kc_server *server;
    uint32_t index;
    struct kc_reactor *reactor;
    struct kc_hot *hot;
    struct kc_message drain;
    int64_t event_us[REASON_COUNT];       /* when the last event of this reason went up */
    uint32_t suppressed[REASON_COUNT];
    /* Of the thread that answers: what kc_server_flush_replies will post. */
    struct reply *later_first, *later_last;
};

struct kc_server {
    struct kc_server_config config;
    struct kc_clock clock;
    struct kc_topic_table *topics;
    struct kc_inbox inbox;
    struct kc_inbox_node *taken;          /* taken from the inbox, not yet handed out */
    uint32_t listener_count;
    bool started, quiesced, stopped;
    struct path paths[];
};

struct kc_up {
    struct kc_inbox_node node;
    struct kc_up_view view;
    char peer[KC_ADDRESS_SIZE], local[KC_ADDRESS_SIZE];
    uint8_t data[];
};

/* ---- up -------------------------------------------------------------------------------------------------------------------------- */

static struct kc_up *up_create(const struct path *path, struct kc_conn *conn, struct kc_slice data) {
    struct kc_up *up = malloc(sizeof *up + data.size);
    if (!up) return NULL;
    up->view = (struct kc_up_view){.reactor = path->index, .listener = -1, .data = kc_slice_make(up->data, data.size)};
    up->peer[0] = up->local[0] = 0;
    if (data.size) memcpy(up->data, data.data, data.size);
    if (conn) {
        up->view.token = kc_conn_token_of(conn);
        up->view.listener = kc_conn_listener(conn);
        strncat(up->peer, kc_conn_peer(conn), sizeof up->peer - 1);
        strncat(up->local, kc_conn_local(conn), sizeof up->local - 1);
    }
    up->view.peer = up->peer;
    up->view.local = up->local;
    return up;
}

static void up_send(const struct path *path, struct kc_up *up) {
    if (!kc_inbox_put(&path->server->inbox, &up->node)) free(up);
}

static kc_status up_request(void *state, struct kc_conn *conn, const uint8_t *frame, size_t size) {
    struct path *path = state;
    struct kc_up *up = up_create(path, conn, kc_slice_make(frame, size));
    if (!up) return KC_NO_MEMORY;
    up->view.kind = KC_UP_REQUEST;
    up_send(path, up);
    return KC_OK;
}

/* One event of a reason per second and reactor; the others are counted. */
static bool event_due(struct path *path, int reason) {
    int64_t now = kc_clock_monotonic_us(&path->server->clock);
    if (path->event_us[reason] != 0 && now - path->event_us[reason] < EVENT_INTERVAL_US) {
        path->suppressed[reason]++;
        return false;
    }
    path->event_us[reason] = now;
    return true;
}

static void up_closed(void *state, struct kc_conn *conn, enum kc_close_reason reason, struct kc_slice detail) {
    struct path *path = state;
    if (reason == KC_CLOSE_PEER || reason == KC_CLOSE_IDLE || reason == KC_CLOSE_STOP || !event_due(path, (int)reason)) return;
    if (detail.size > DETAIL_SIZE_MAX) detail.size = DETAIL_SIZE_MAX;
    struct kc_up *up = up_create(path, conn, detail);
    if (!up) return;
    up->view.kind = KC_UP_CLOSED;
    up->view.reason = reason;
    up->view.suppressed = path->suppressed[reason];
    path->suppressed[reason] = 0;
    up_send(path, up);
}

static void up_accept_failed(void *state, kc_status status) {
    struct path *path = state;
    struct kc_up *up = up_create(path, NULL, (struct kc_slice){0});
    if (!up) return;
    up->view.kind = KC_UP_ACCEPT_FAILED;
    up->view.status = status;
    up_send(path, up);
}

int kc_server_descriptor(const struct kc_server *server) { return kc_inbox_descriptor(&server->inbox); }

struct kc_up *kc_server_next(struct kc_server *server) {
    while (!server->taken) {
        server->taken = kc_inbox_take(&server->inbox);
        if (server->taken) break;
        kc_inbox_clear(&server->inbox);
        if (kc_inbox_sleep(&server->inbox)) return NULL;
    }
    struct kc_inbox_node *node = server->taken;
    server->taken = node->next;
    return KC_CONTAINER_OF(node, struct kc_up, node);
}

void kc_up_view(const struct kc_up *up, struct kc_up_view *out) { *out = up->view; }
void kc_up_free(struct kc_up *up) { free(up); }

/* ---- down ------------------------------------------------------------------------------------------------------------------------ */

struct reply {
    struct kc_message message;            /* of the first of a chain */
    struct reply *next;
    kc_conn_token token;
    bool has_answer, close;
    size_t size;
    uint8_t data[];
};

/* True: the answer is in the connection's output. */
static bool deliver(struct kc_conn *conn, const struct reply *reply) {
    uint8_t *buffer = kc_chain_reserve(kc_conn_output(conn), 4 + reply->size);
    if (!buffer) return false;
    kc_store_u32(buffer, (uint32_t)reply->size);
    memcpy(buffer + 4, reply->data, reply->size);
    kc_conn_output_added(conn);
    return true;
}

static void reply_run(struct kc_message *message, struct kc_reactor *reactor) {
    for (struct reply *reply = KC_CONTAINER_OF(message, struct reply, message), *next; reply; reply = next) {
        next = reply->next;
        struct kc_conn *conn = reactor ? kc_reactor_find(reactor, reply->token) : NULL;
        if (conn) {
            bool good = !reply->has_answer || deliver(conn, reply);
            if (reply->close || !good) kc_hot_close(conn);
            else kc_conn_resume(conn);
        }
        free(reply);
    }
}

static struct reply *reply_create(kc_conn_token token, const void *answer, size_t size, bool has_answer, bool close) {
    KC_CHECK(size <= INT32_MAX);
    struct reply *reply = malloc(sizeof *reply + size);
    if (!reply) return NULL;
    *reply = (struct reply){.message.run = reply_run, .token = token, .has_answer = has_answer, .close = close, .size = size};
    if (size) memcpy(reply->data, answer, size);
    return reply;
}

kc_status kc_server_reply(struct kc_server *server, uint32_t reactor, kc_conn_token token, const void *answer, size_t size,
                          bool has_answer, bool close) {
    KC_CHECK(reactor < server->config.reactor_count);
    struct reply *reply = reply_create(token, answer, size, has_answer, close);
    if (!reply) return KC_NO_MEMORY;
    kc_reactor_post(server->paths[reactor].reactor, &reply->message);
    return KC_OK;
}

kc_status kc_server_reply_later(struct kc_server *server, uint32_t reactor, kc_conn_token token, const void *answer, size_t size,
                                bool has_answer, bool close) {
    KC_CHECK(reactor < server->config.reactor_count);
    struct path *path = &server->paths[reactor];
    struct reply *reply = reply_create(token, answer, size, has_answer, close);
    if (!reply) return KC_NO_MEMORY;
    if (path->later_last) path->later_last->next = reply;
    else path->later_first = reply;
    path->later_last = reply;
    return KC_OK;
}

void kc_server_flush_replies(struct kc_server *server) {
    for (uint32_t i = 0; i < server->config.reactor_count; i++) {
        struct path *path = &server->paths[i];
        struct reply *first = path->later_first;
        path->later_first = path->later_last = NULL;
        if (first) kc_reactor_post(path->reactor, &first->message);
    }
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */

static kc_status path_create(struct kc_server *server, uint32_t index) {
    struct path *path = &server->paths[index];
    path->server = server;
    path->index = index;
    struct kc_hand_up up = {.state = path, .request = up_request, .closed = up_closed, .accept_failed = up_accept_failed};
    kc_status status = kc_hot_create(&server->config.hot, server->topics, &server->clock, &up, &path->hot);
    if (status != KC_OK) return status;
    struct kc_protocol protocol = kc_hot_protocol(path->hot);
    status = kc_reactor_create(&server->config.reactor, &server->clock, &protocol, &path->reactor);
    if (status == KC_OK) kc_hot_attach(path->hot, path->reactor);
    return status;
}

kc_status kc_server_create(const struct kc_server_config *config, struct kc_server **out) {
    if (config->worker_count < 1 || config->reactor_count < 1 || config->reactor_count > KC_REACTORS_MAX) return KC_INVALID;
    struct kc_server *server = calloc(1, sizeof *server + config->reactor_count * sizeof(struct path));
    if (!server) return KC_NO_MEMORY;
    server->config = *config;
    if (server->config.reactor.connections_max > CONNECTIONS_MAX) server->config.reactor.connections_max = CONNECTIONS_MAX;
    server->clock = kc_clock_system();
    kc_status status = kc_inbox_init(&server->inbox);
    if (status != KC_OK) {
        free(server);
        return status;
    }
    status = kc_topic_table_create(config->hash_seed, &server->topics);
    if (status == KC_OK) status = kc_group_table_create(config->hash_seed, &server->config.hot.groups);
    if (status == KC_OK) status = kc_api_versions_create(config->hot.node_id, &server->config.hot.api_versions);
    /* A partition has one job at a time, so that the queue is as long as there are partitions at the most. */
    if (status == KC_OK) status = kc_worker_create(config->worker_count, UINT32_MAX, &server->config.hot.worker);
    /* Of its own: a replay from a slow disk must not stand in the way of syncs.  A connection has one load at a time. */
    if (status == KC_OK) status = kc_worker_create(LOADERS, UINT32_MAX, &server->config.reactor.loader);
    for (uint32_t i = 0; status == KC_OK && i < config->reactor_count; i++) status = path_create(server, i);
    if (status != KC_OK) {
        kc_server_destroy(server);
        return status;
    }
    KC_CHECK(!kc_server_next(server));    /* nothing yet, and the descriptor will tell */
    *out = server;
    return KC_OK;
}

void kc_server_destroy(struct kc_server *server) {
    if (!server) return;
    KC_CHECK(!server->started || server->stopped);
    if (server->config.hot.worker) kc_worker_stop(server->config.hot.worker);
    if (server->config.reactor.loader) kc_worker_stop(server->config.reactor.loader);
    for (uint32_t i = 0; i < server->config.reactor_count; i++) {
        for (struct reply *reply = server->paths[i].later_first, *next; reply; reply = next) {
            next = reply->next;
            free(reply);
        }
        if (server->paths[i].reactor) kc_reactor_destroy(server->paths[i].reactor);
        kc_hot_destroy(server->paths[i].hot);
    }
    struct kc_inbox_node *left[] = {server->taken, kc_inbox_close(&server->inbox)};
    for (int i = 0; i < 2; i++)
        for (struct kc_inbox_node *node = left[i], *next; node; node = next) {
            next = node->next;
            free(KC_CONTAINER_OF(node, struct kc_up, node));
        }
    kc_inbox_destroy(&server->inbox);
    kc_topic_table_destroy(server->topics);
    kc_group_table_destroy(server->config.hot.groups);
    kc_api_versions_destroy(server->config.hot.api_versions);
    if (server->config.hot.worker) kc_worker_destroy(server->config.hot.worker);
    if (server->config.reactor.loader) kc_worker_destroy(server->config.reactor.loader);
    free(server);
}

struct kc_topic_table *kc_server_topics(struct kc_server *server) { return server->topics; }
struct kc_group_table *kc_server_groups(struct kc_server *server) { return server->config.hot.groups; }
struct kc_api_versions *kc_server_api_versions(struct kc_server *server) { return server->config.hot.api_versions; }

kc_status kc_server_listen(struct kc_server *server, int fd, int32_t listener, const struct kc_endpoint *endpoint) {
    KC_CHECK(!server->started);
    if (listener < 0 || listener >= KC_ENDPOINTS_MAX) return KC_LIMIT;
    server->config.hot.endpoints[listener] = *endpoint;
    struct kc_reactor *reactors[KC_REACTORS_MAX];
    for (uint32_t i = 0; i < server->config.reactor_count; i++) reactors[i] = server->paths[i].reactor;
    /* Listeners are spread, so that accepting is not one reactor's burden. */
    struct kc_reactor *accepting = reactors[server->listener_count % server->config.reactor_count];
    kc_status status = kc_reactor_listen(accepting, fd, listener, reactors, server->config.reactor_count);
    if (status == KC_OK) server->listener_count++;
    return status;
}

kc_status kc_server_start(struct kc_server *server) {
    KC_CHECK(!server->started);
    server->started = true;
    for (uint32_t i = 0; i < server->config.reactor_count; i++) {
        kc_status status = kc_reactor_start(server->paths[i].reactor);
        if (status != KC_OK) {
            kc_server_stop(server);
            return status;
        }
    }
    return KC_OK;
}

void kc_server_stop_listening(struct kc_server *server) {
    for (uint32_t i = 0; i < server->config.reactor_count; i++) kc_reactor_stop_listening(server->paths[i].reactor);
}

static void drain_run(struct kc_message *message, struct kc_reactor *reactor) {
    struct path *path = KC_CONTAINER_OF(message, struct path, drain);
    if (reactor) kc_hot_answer_parked(path->hot);
}

void kc_server_quiesce(struct kc_server *server) {
    if (server->quiesced) return;
    server->quiesced = true;
    for (uint32_t i = 0; i < server->config.reactor_count; i++) {
        struct path *path = &server->paths[i];
        kc_reactor_quiesce(path->reactor);
        path->drain.run = drain_run;
        kc_reactor_post(path->reactor, &path->drain);
    }
}

bool kc_server_idle(const struct kc_server *server) {
    for (uint32_t i = 0; i < server->config.reactor_count; i++)
        if (!kc_reactor_idle(server->paths[i].reactor) || !kc_hot_idle(server->paths[i].hot)) return false;
    return true;
}

uint32_t kc_server_connection_count(const struct kc_server *server) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < server->config.reactor_count; i++) count += kc_reactor_connection_count(server->paths[i].reactor);
    return count;
}

void kc_server_stop(struct kc_server *server) {
    if (server->stopped || !server->started) return;
    server->stopped = true;
    /* Syncs first: whoever waits for one is told, and its answer may still leave. */
    kc_worker_stop(server->config.hot.worker);
    kc_worker_stop(server->config.reactor.loader);
    for (uint32_t i = 0; i < server->config.reactor_count; i++) kc_reactor_stop(server->paths[i].reactor);
}

/* hot.h: the data path of one reactor: Produce, Fetch, ListOffsets, most of Heartbeat and of ApiVersions answered
 * whole, everything else handed up whole.
 *
 * One kc_hot per reactor, used on that reactor's thread only.  It stands between net (frames, connections, turns) and log.
 *
 *   frame --> Produce     parsed in place, batches validated, gathered; at the end of the turn one append per partition, then
 *                         every answer (produce.c)
 *         --> Fetch       places in files; answered at once, or parked until there is enough or its time is up (fetch.c)
 *         --> ListOffsets (list_offsets.c)
 *         --> Heartbeat   of members that Python has published (heartbeat.c, group_table.h)
 *         --> ApiVersions as Python has published it (api_versions.h)
 *         --> the rest, and what only Python can settle: copied once and handed up; the connection holds until the answer
 *
 * Invariants:
 *   1. Answers leave a connection in request order: whatever is gathered for a connection is answered before its next request of
 *      another kind is looked at.
 *   2. A request is handed up before it has had any effect.
 *   3. Nothing is allocated per request in steady state: scratch arrays and fetches are kept and reused.
 *   4. No answer leaves before a sync that its topic asks for (held.h).
 *   5. The view of the topic table is refreshed only while nothing is gathered. */
#ifndef KC_HOT_HOT_H
#define KC_HOT_HOT_H

#include "hot/api_versions.h"
#include "hot/group_table.h"
#include "hot/topic_table.h"
#include "io/worker.h"
#include "net/reactor.h"
#include "wire/header.h"

enum { KC_API_PRODUCE = 0, KC_API_FETCH = 1, KC_API_LIST_OFFSETS = 2, KC_API_HEARTBEAT = 12, KC_API_API_VERSIONS = 18, KC_API_KEY_COUNT = 128 };
enum { KC_ENDPOINTS_MAX = 16, KC_HOST_SIZE_MAX = 255 };

/* Where clients of one listener are told to find this broker.  An empty host: the address that they came to. */
struct kc_endpoint {
    char host[KC_HOST_SIZE_MAX + 1];
    int32_t port;
};

/* What every reactor of a server shares and nobody changes after the start. */
struct kc_hot_config {
    int32_t node_id;
    int32_t fetch_size_max_bytes;                 /* fetch.max.bytes of the broker */
    uint32_t fetch_sessions_max;                  /* in one reactor: max.incremental.fetch.session.cache.slots, shared out */
    struct kc_worker *worker;                     /* for syncs; outlives every kc_hot */
    struct kc_group_table *groups;                /* outlives every kc_hot */
    struct kc_api_versions *api_versions;         /* the same */
    struct kc_endpoint endpoints[KC_ENDPOINTS_MAX];   /* by listener */
    bool handed_up[KC_API_KEY_COUNT];             /* keys that Python wants to see even if they could be answered here */
};

/* The way up.  Called on the reactor's thread. */
struct kc_hand_up {
    void *state;
    /* Takes a copy.  KC_NO_MEMORY: the connection is closed. */
    kc_status (*request)(void *state, struct kc_conn *conn, const uint8_t *frame, size_t size);
    void (*closed)(void *state, struct kc_conn *conn, enum kc_close_reason reason, struct kc_slice detail);
    void (*accept_failed)(void *state, kc_status status);
};

struct kc_hot;

/* config outlives the kc_hot. */
kc_status kc_hot_create(const struct kc_hot_config *config, struct kc_topic_table *table, const struct kc_clock *clock,
                        const struct kc_hand_up *up, struct kc_hot **out);
/* The reactor has stopped before. */
void kc_hot_destroy(struct kc_hot *hot);
/* The callbacks to create the reactor with; then kc_hot_attach. */
struct kc_protocol kc_hot_protocol(struct kc_hot *hot);
/* Closes a connection on purpose: whoever asks for it has said why. */
void kc_hot_close(struct kc_conn *conn);
/* [any thread] No answer waits for the disk. */
bool kc_hot_idle(const struct kc_hot *hot);
/* Answers every fetch that waits with what there is, as if its time were up: before a drain. */
void kc_hot_answer_parked(struct kc_hot *hot);
void kc_hot_attach(struct kc_hot *hot, struct kc_reactor *reactor);

#endif

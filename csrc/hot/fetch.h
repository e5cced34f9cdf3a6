/* fetch.h: one Fetch request, from parsing to answer; for the files of this folder.
 *
 * The struct and its arrays belong to a reactor and are reused.  While a fetch is parked it has a waiter in each of its
 * partitions (a session has them already), a timer, and a reference to the snapshot of topics that it was parsed with.
 *
 * Life:  parse -> look -> answer
 *                  |  ^
 *                  v  | woken: enough bytes appended, a partition removed, or the deadline
 *                 parked
 *
 * Threads: the reactor's, but for `missing_bytes` and `posted`, which an appender on another thread touches under the waiters'
 * lock of a partition.  A message may still be under way when the fetch has been answered (its timer came first): then the fetch is
 * `abandoned` and goes back to the free list when the message arrives. */
#ifndef KC_HOT_FETCH_H
#define KC_HOT_FETCH_H

#include <stdatomic.h>

#include "hot/error.h"
#include "hot/hot.h"
#include "hot/partition.h"

enum { FETCH_LOG_START_OFFSET = 5, FETCH_SESSION = 7, FETCH_LEADER_EPOCH = 9, FETCH_RACK = 11, FETCH_FLEXIBLE = 12, FETCH_TOPIC_ID = 13,
       FETCH_REPLICA_STATE = 15, FETCH_NODE_ENDPOINTS = 16 };

struct kc_fetch_session;
struct member;

struct kc_fetch_entry {                   /* one partition */
    struct kc_fetch *fetch;
    struct kc_waiter waiter;
    struct kc_partition *partition;       /* NULL: unknown */
    struct member *member;                /* of the session, in an incremental fetch */
    int64_t offset;
    int32_t index;
    int32_t current_leader_epoch;         /* of the client, -1: not checked */
    int32_t size_max_bytes;
    /* the last look */
    int16_t error;
    int64_t high_watermark, last_stable_offset, log_start_offset;
    struct kc_log_slice slice;            /* its file retained when size_bytes > 0 */
    uint32_t aborted_first, aborted_count;   /* in the fetch's list */
};

struct kc_fetch_topic {
    uint8_t id[KC_TOPIC_ID_SIZE];
    uint32_t name_at, name_size;          /* in names */
    uint32_t entry_first, entry_count;
};

struct kc_fetch_forgotten {               /* a partition that leaves the session */
    uint8_t id[KC_TOPIC_ID_SIZE];
    uint32_t name_at, name_size;
    int32_t index;
};

struct kc_fetch {
    struct kc_fetch *next_free;
    struct kc_list parked_node;           /* in the data path's list of parked fetches */
    struct kc_hot *hot;
    struct kc_conn *conn;
    struct kc_topic_snapshot *snapshot;   /* while parked */

    int32_t correlation_id;
    int16_t version;
    int16_t error;                        /* of the request as a whole, versions >= 7 */
    bool read_committed;
    bool from_replica;
    int32_t wait_ms_max, size_min_bytes, size_max_bytes;

    int32_t session_id, session_epoch;    /* as asked; session_id later as answered */
    bool session_wanted;
    struct kc_fetch_session *session;     /* of an incremental fetch */

    struct kc_fetch_entry *entries;
    struct kc_fetch_topic *topics;
    struct kc_aborted_txns aborted;       /* read_committed: what to leave out of the slices, one entry's after the other's */
    struct kc_fetch_forgotten *forgotten;
    uint32_t forgotten_count, forgotten_capacity;
    char *names;
    uint32_t entry_count, entry_capacity, topic_count, topic_capacity, names_size, names_capacity;

    struct kc_timer timer;
    struct kc_message message;
    _Atomic int64_t missing_bytes;        /* until size_min_bytes is there */
    atomic_bool posted;                   /* the message is under way */
    bool abandoned;
};

/* Writes the answer into the connection's output and lets go of the slices.  KC_NO_MEMORY: close the connection. */
kc_status kc_fetch_answer(struct kc_fetch *fetch);

/* Parses a whole frame; names are copied, partitions looked up.  KC_CORRUPT, KC_NO_MEMORY. */
kc_status kc_fetch_parse(struct kc_fetch *fetch, const struct kc_topic_view *view, struct kc_slice frame);
void kc_fetch_free_arrays(struct kc_fetch *fetch);

/* A fetch that is parked, alone or of a session, has been woken: enough bytes have been appended, or something is to be said at once, or so it
 * seems.  missing_bytes is the count that its waiters count down. */
void kc_fetch_woken(struct kc_fetch *fetch, _Atomic int64_t *missing_bytes);

#endif

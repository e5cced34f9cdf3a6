/* gather.h: the produce requests of one turn, from parsing to answer.
 *
 * Requests, their topics and their partitions lie in three growing arrays that are emptied, not freed, at each flush.  All
 * slices point into input buffers, which stay until the end of the turn.
 *
 * Thread: the reactor's. */
#ifndef KC_HOT_GATHER_H
#define KC_HOT_GATHER_H

#include "hot/error.h"
#include "hot/topic.h"
#include "net/reactor.h"

struct kc_gathered_entry {                /* one partition of a request */
    struct kc_partition *partition;       /* NULL where error is set from the start */
    uint8_t *batch;
    struct kc_batch_info info;
    struct kc_append append;
    struct kc_batch_refusal refusal;
    int64_t flush_messages;
    uint32_t answer_at;                   /* where its error code stands in the answer */
    int32_t index;
    int16_t error;                        /* enum kc_error */
    bool log_append_time;
};

struct kc_gathered_topic {
    struct kc_slice name;                 /* as asked for, for versions that answer by name */
    const uint8_t *id;
    const struct kc_topic *topic;         /* NULL: there is none.  Good while the request is looked at */
    uint32_t entry_first, entry_count;
};

struct kc_gathered_request {
    struct kc_conn *conn;                 /* NULL: closed meanwhile */
    int32_t correlation_id;
    int16_t version;
    int16_t acks;
    uint32_t topic_first, topic_count;
};

struct kc_gather {
    struct kc_gathered_entry *entries;
    struct kc_gathered_topic *topics;
    struct kc_gathered_request *requests;
    struct kc_append *appends;            /* scratch: the appends of one partition, in order */
    uint32_t *order;                      /* scratch: entries that are to be appended, neighbours of one partition adjacent; twice */
    uint32_t entry_count, entry_capacity, append_capacity, order_capacity;
    uint32_t topic_count, topic_capacity;
    uint32_t request_count, request_capacity;
    uint64_t size_bytes;                  /* of the batches */
    int64_t now_ms;                       /* wall clock when the first request came */
};

/* When this much is gathered it is flushed before more is taken. */
enum { KC_GATHER_ENTRIES_MAX = 4096, KC_GATHER_BYTES_MAX = 16 * 1024 * 1024 };

/* Each returns a zeroed element at the end of its array, or NULL: no memory. */
struct kc_gathered_entry *kc_gather_add_entry(struct kc_gather *gather);
struct kc_gathered_topic *kc_gather_add_topic(struct kc_gather *gather);
struct kc_gathered_request *kc_gather_add_request(struct kc_gather *gather);

/* Forgets everything behind these counts (a request that turned out malformed, or is handed up). */
void kc_gather_rewind(struct kc_gather *gather, uint32_t entry_count, uint32_t topic_count, uint32_t request_count);

static inline bool kc_gather_full(const struct kc_gather *gather) {
    return gather->entry_count >= KC_GATHER_ENTRIES_MAX || gather->size_bytes >= KC_GATHER_BYTES_MAX;
}

/* Appends every entry without an error, one kc_log_append for each partition with all its batches in order of arrival, and tells
 * the fetches that wait.  Errors are left in the entries.  The worker (NULL: none) writes dirty pages back in steps. */
void kc_gather_append(struct kc_gather *gather, struct kc_worker *worker);

void kc_gather_free(struct kc_gather *gather);

#endif

/* partition.h: a partition that this broker leads: its log, its leader epoch, and the fetches that wait on it.
 *
 * Threads: any.  The log has its own lock; the waiters have one here, held for list operations only.  A partition is counted
 * by reference: topics hold one, and so does every waiter's snapshot through its topic.
 *
 * The race between an append and a fetch that is about to wait is closed by order: the fetch registers first and looks at the
 * log once more afterwards; the append moves log_end_offset first and looks for waiters afterwards. */
#ifndef KC_HOT_PARTITION_H
#define KC_HOT_PARTITION_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "io/worker.h"
#include "log/log.h"

/* A fetch waits on several partitions at once and has one waiter in each.  `woken` is called under the waiters' lock, on the
 * appender's thread, and may do no more than count and post. */
struct kc_waiter {
    struct kc_list node;
    void (*woken)(struct kc_waiter *waiter, int64_t bytes);
};

struct kc_partition {
    atomic_int references;
    int32_t index;
    struct kc_log *log;                  /* one reference */
    atomic_int leader_epoch;
    atomic_bool removed;                 /* no longer in the topic table: answered as unknown */
    uint64_t mark;                       /* of kc_topic_table_publish, under its lock */
    pthread_mutex_t waiters_lock;
    struct kc_list waiters;
    atomic_int waiter_count;

    /* Group commit, see sync.h. */
    _Atomic int64_t synced_offset;       /* every record below it is on disk, as far as this process has seen to it */
    pthread_mutex_t sync_lock;
    struct kc_list sync_waiters;
    bool sync_running;
    struct kc_job sync_job;

    atomic_bool write_back_running;
    struct kc_job write_back_job;
};

/* Takes a reference to the log.  KC_NO_MEMORY. */
kc_status kc_partition_create(int32_t index, struct kc_log *log, int32_t leader_epoch, struct kc_partition **out);
struct kc_partition *kc_partition_retain(struct kc_partition *partition);
void kc_partition_release(struct kc_partition *partition);

/* Offsets up to which a consumer may read.  With one replica the high watermark is the end of the log.  Whoever wants both asks for
 * the last stable offset first, so that it is not above the other. */
static inline int64_t kc_partition_high_watermark(const struct kc_partition *partition) {
    return kc_log_end_offset(partition->log);
}
static inline int64_t kc_partition_last_stable_offset(const struct kc_partition *partition) {
    return kc_log_last_stable_offset(partition->log);
}

static inline int32_t kc_partition_leader_epoch(const struct kc_partition *partition) {
    return atomic_load_explicit(&partition->leader_epoch, memory_order_relaxed);
}
void kc_partition_set_leader_epoch(struct kc_partition *partition, int32_t leader_epoch);

void kc_partition_wait(struct kc_partition *partition, struct kc_waiter *waiter);
/* Afterwards `woken` is not running and will not be called. */
void kc_partition_unwait(struct kc_partition *partition, struct kc_waiter *waiter);
/* `bytes` more can be read; INT64_MAX: look again whatever you wait for. */
void kc_partition_notify(struct kc_partition *partition, int64_t bytes);

#endif

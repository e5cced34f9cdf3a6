/* sync.h: group commit.  Who needs a partition's records on disk before going on registers here; one sync covers all that had been
 * appended when it began, and those who come while it runs share the next.
 *
 * At most one job per partition is with the workers at any time; it goes on as long as somebody waits.  A sync that fails has failed
 * its log for good (log.h): everybody who waits, and everybody who comes later, is told so and nothing is tried again.
 *
 * Threads: kc_sync_request from any; `done` is called on a worker's thread, without a lock, once.
 * Ownership: the waiter is borrowed until `done`; the partition is retained meanwhile. */
#ifndef KC_HOT_SYNC_H
#define KC_HOT_SYNC_H

#include "hot/partition.h"
#include "io/worker.h"
#include "net/posts.h"

struct kc_sync_waiter {
    struct kc_list node;
    int64_t offset;                       /* every record below it shall be on disk */
    kc_status status;                     /* when done */
    /* What it has to tell a reactor goes into `posts`, which leaves when all have been told. */
    void (*done)(struct kc_sync_waiter *waiter, struct kc_posts *posts);
};

/* With waiter NULL the partition is synced and nobody is told. */
void kc_sync_request(struct kc_partition *partition, struct kc_worker *worker, struct kc_sync_waiter *waiter);

/* Has a worker start writing what has been appended, where that is due (log/write_back.c). */
void kc_sync_write_back(struct kc_partition *partition, struct kc_worker *worker);

#endif

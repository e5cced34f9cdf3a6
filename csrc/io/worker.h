/* worker.h: a few threads that do what a reactor must not wait for: sync, unlink, read-ahead, recovery scans.
 *
 * A job is a function and a node inside whatever it works on.  How its end is told is the job's own business: usually it posts a
 * message to the reactor that asked.  Jobs start in the order in which they were submitted; with several threads they overlap.
 *
 * Threads: any may submit; run is called on one of the pool's threads, which have all signals blocked.
 * Ownership: the pool borrows the job from submit until run is called, and never touches it after that.
 * Limit: at most queue_max jobs wait; the next is refused with KC_LIMIT. */
#ifndef KC_IO_WORKER_H
#define KC_IO_WORKER_H

#include <stdint.h>

#include "base/list.h"
#include "base/status.h"

struct kc_worker;

struct kc_job {
    struct kc_list node;
    void (*run)(struct kc_job *job);
};

kc_status kc_worker_create(uint32_t thread_count, uint32_t queue_max, struct kc_worker **out);
/* KC_LIMIT: too many wait.  KC_CLOSED: stopped.  In both cases run will not be called. */
kc_status kc_worker_submit(struct kc_worker *worker, struct kc_job *job);
/* Returns at a moment when every submitted job has ended.  Not from a job. */
void kc_worker_drain(struct kc_worker *worker);
/* Takes no more jobs, runs those that wait, ends the threads.  Twice is harmless. */
void kc_worker_stop(struct kc_worker *worker);
void kc_worker_destroy(struct kc_worker *worker);

#endif

#include "hot/sync.h"

#include "base/check.h"

/* Moves the waiters that `offset` satisfies, or all of them after a failure, to `out`. */
static void take_done(struct kc_partition *partition, kc_status status, int64_t offset, struct kc_list *out) {
    for (struct kc_list *node = partition->sync_waiters.next, *next; node != &partition->sync_waiters; node = next) {
        next = node->next;
        struct kc_sync_waiter *waiter = KC_CONTAINER_OF(node, struct kc_sync_waiter, node);
        if (status == KC_OK && waiter->offset > offset) continue;
        waiter->status = status;
        kc_list_remove(node);
        kc_list_push_back(out, node);
    }
}

static void tell(struct kc_list *done) {
    struct kc_posts posts = {0};
    for (struct kc_list *node; (node = kc_list_pop_front(done));) {
        struct kc_sync_waiter *waiter = KC_CONTAINER_OF(node, struct kc_sync_waiter, node);
        waiter->done(waiter, &posts);
    }
    kc_posts_send(&posts);
}

static void sync_run(struct kc_job *job) {
    struct kc_partition *partition = KC_CONTAINER_OF(job, struct kc_partition, sync_job);
    for (bool again = true; again;) {
        int64_t synced = -1;
        kc_status status = kc_log_sync_batches(partition->log, &synced);
        struct kc_list done;
        kc_list_init(&done);
        pthread_mutex_lock(&partition->sync_lock);
        if (status == KC_OK) atomic_store(&partition->synced_offset, synced);
        take_done(partition, status, synced, &done);
        again = !kc_list_empty(&partition->sync_waiters);
        partition->sync_running = again;
        pthread_mutex_unlock(&partition->sync_lock);
        tell(&done);
    }
    kc_partition_release(partition);
}

void kc_sync_request(struct kc_partition *partition, struct kc_worker *worker, struct kc_sync_waiter *waiter) {
    struct kc_list done;
    kc_list_init(&done);
    pthread_mutex_lock(&partition->sync_lock);
    if (waiter && waiter->offset <= atomic_load(&partition->synced_offset)) {
        pthread_mutex_unlock(&partition->sync_lock);
        waiter->status = KC_OK;
        kc_list_push_back(&done, &waiter->node);
        tell(&done);
        return;
    }
    if (waiter) kc_list_push_back(&partition->sync_waiters, &waiter->node);
    if (!partition->sync_running) {
        partition->sync_job.run = sync_run;
        kc_partition_retain(partition);
        kc_status status = kc_worker_submit(worker, &partition->sync_job);
        partition->sync_running = status == KC_OK;
        if (status != KC_OK) {
            take_done(partition, status, 0, &done);
            kc_partition_release(partition);
        }
    }
    pthread_mutex_unlock(&partition->sync_lock);
    tell(&done);
}

static void write_back_run(struct kc_job *job) {
    struct kc_partition *partition = KC_CONTAINER_OF(job, struct kc_partition, write_back_job);
    kc_log_write_back(partition->log);
    atomic_store(&partition->write_back_running, false);
    kc_partition_release(partition);
}

void kc_sync_write_back(struct kc_partition *partition, struct kc_worker *worker) {
    if (!worker || !kc_log_wants_write_back(partition->log) || atomic_exchange(&partition->write_back_running, true)) return;
    partition->write_back_job.run = write_back_run;
    kc_partition_retain(partition);
    if (kc_worker_submit(worker, &partition->write_back_job) == KC_OK) return;
    /* The workers have enough to do; it is due again with the next append. */
    atomic_store(&partition->write_back_running, false);
    kc_partition_release(partition);
}

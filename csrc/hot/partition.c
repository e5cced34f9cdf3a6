#include "hot/partition.h"

#include <stdlib.h>

#include "base/check.h"

kc_status kc_partition_create(int32_t index, struct kc_log *log, int32_t leader_epoch, struct kc_partition **out) {
    struct kc_partition *partition = calloc(1, sizeof *partition);
    if (!partition) return KC_NO_MEMORY;
    if (pthread_mutex_init(&partition->waiters_lock, NULL) != 0) {
        free(partition);
        return KC_NO_MEMORY;
    }
    if (pthread_mutex_init(&partition->sync_lock, NULL) != 0) {
        pthread_mutex_destroy(&partition->waiters_lock);
        free(partition);
        return KC_NO_MEMORY;
    }
    atomic_init(&partition->references, 1);
    atomic_init(&partition->leader_epoch, leader_epoch);
    atomic_init(&partition->removed, false);
    atomic_init(&partition->waiter_count, 0);
    partition->index = index;
    partition->log = kc_log_retain(log);
    kc_list_init(&partition->waiters);
    kc_list_init(&partition->sync_waiters);
    atomic_init(&partition->write_back_running, false);
    atomic_init(&partition->synced_offset, kc_log_synced_offset(log));
    *out = partition;
    return KC_OK;
}

struct kc_partition *kc_partition_retain(struct kc_partition *partition) {
    atomic_fetch_add_explicit(&partition->references, 1, memory_order_relaxed);
    return partition;
}

void kc_partition_release(struct kc_partition *partition) {
    if (atomic_fetch_sub_explicit(&partition->references, 1, memory_order_acq_rel) != 1) return;
    KC_CHECK(kc_list_empty(&partition->waiters) && kc_list_empty(&partition->sync_waiters));
    kc_log_release(partition->log);
    pthread_mutex_destroy(&partition->waiters_lock);
    pthread_mutex_destroy(&partition->sync_lock);
    free(partition);
}

void kc_partition_set_leader_epoch(struct kc_partition *partition, int32_t leader_epoch) {
    atomic_store(&partition->leader_epoch, leader_epoch);
}

void kc_partition_wait(struct kc_partition *partition, struct kc_waiter *waiter) {
    pthread_mutex_lock(&partition->waiters_lock);
    kc_list_push_back(&partition->waiters, &waiter->node);
    atomic_fetch_add(&partition->waiter_count, 1);
    pthread_mutex_unlock(&partition->waiters_lock);
}

void kc_partition_unwait(struct kc_partition *partition, struct kc_waiter *waiter) {
    pthread_mutex_lock(&partition->waiters_lock);
    kc_list_remove(&waiter->node);
    atomic_fetch_sub(&partition->waiter_count, 1);
    pthread_mutex_unlock(&partition->waiters_lock);
}

void kc_partition_notify(struct kc_partition *partition, int64_t bytes) {
    /* A read-modify-write, as the registration's is: whichever comes second has seen what came before the other, so either the
     * waiter is found here or its second look finds the records. */
    if (atomic_fetch_add(&partition->waiter_count, 0) == 0) return;
    pthread_mutex_lock(&partition->waiters_lock);
    KC_LIST_FOR_EACH(node, &partition->waiters) {
        struct kc_waiter *waiter = KC_CONTAINER_OF(node, struct kc_waiter, node);
        waiter->woken(waiter, bytes);
    }
    pthread_mutex_unlock(&partition->waiters_lock);
}

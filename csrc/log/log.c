/* log.c: a log's life, its configuration, and what can be asked without reading a file. */
#include "log/log.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "log/log_internal.h"

struct kc_log_config kc_log_config_default(void) {
    return (struct kc_log_config){
        .segment_size_bytes = 1 << 30,
        .segment_ms = 7 * 24 * 3600 * (int64_t)1000,
        .segment_index_size_bytes = 10 << 20,
        .index_interval_bytes = 4096,
        .producer_id_expiration_ms = 24 * 3600 * (int64_t)1000,
    };
}

struct kc_log *kc_log_retain(struct kc_log *log) {
    int before = atomic_fetch_add_explicit(&log->reference_count, 1, memory_order_relaxed);
    KC_CHECK(before > 0);
    return log;
}

void kc_log_release(struct kc_log *log) {
    if (!log || atomic_fetch_sub_explicit(&log->reference_count, 1, memory_order_acq_rel) > 1) return;
    for (size_t i = 0; i < log->segment_count; i++) kc_segment_release(log->segments[i]);
    free(log->segments);
    kc_recent_batches_release(&log->recent);
    kc_producer_state_release(&log->producers);
    kc_leader_epochs_release(&log->epochs);
    kc_log_dir_release(log->dir);
    kc_index_page_release(&log->offset_page);
    kc_index_page_release(&log->time_page);
    kc_index_page_release(&log->txn_page);
    pthread_mutex_destroy(&log->flush_lock);
    pthread_mutex_destroy(&log->lock);
    pthread_mutex_destroy(&log->page_lock);
    free(log->directory);
    free(log);
}

kc_status kc_log_check_writable(const struct kc_log *log) {
    return log->closed || kc_log_failed(log) ? KC_CLOSED : KC_OK;
}

kc_status kc_log_fail(struct kc_log *log, kc_status status) {
    if (log->failure == KC_OK) log->failure = status;
    atomic_store_explicit(&log->writable, false, memory_order_release);
    /* What is wrong with this log's own bytes says nothing about its neighbours. */
    if (status != KC_NO_MEMORY && status != KC_NO_FILES && status != KC_CORRUPT && status != KC_LIMIT)
        kc_log_dir_fail(log->dir, status);
    return status;
}

kc_status kc_log_fail_unless_short(struct kc_log *log, kc_status status) {
    return kc_status_is_shortage(status) ? status : kc_log_fail(log, status);
}

size_t kc_log_segment_slot(const struct kc_log *log, int64_t offset) {
    size_t low = 0, high = log->segment_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (log->segments[middle]->base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

kc_status kc_log_add_segment(struct kc_log *log, int64_t base_offset, struct kc_segment **out) {
    if (log->segment_count == log->segment_capacity) {
        size_t capacity = log->segment_capacity ? log->segment_capacity * 2 : 2;
        struct kc_segment **segments = realloc(log->segments, capacity * sizeof(struct kc_segment *));
        if (!segments) return KC_NO_MEMORY;
        log->segments = segments;
        log->segment_capacity = capacity;
    }
    struct kc_segment *segment;
    kc_status status =
        kc_segment_create(log->files, log->directory, base_offset, log->next_index_id, kc_log_now(log), &segment);
    if (status != KC_OK) return status;
    log->next_index_id += 2;
    log->segments[log->segment_count++] = segment;
    *out = segment;
    return KC_OK;
}

kc_status kc_log_create_segment(struct kc_log *log, int64_t base_offset) {
    struct kc_segment *segment;
    kc_status status = kc_log_add_segment(log, base_offset, &segment);
    if (status != KC_OK) return status;
    int handle;
    status = kc_file_pin(segment->file, &handle);
    if (status != KC_OK) {
        log->segment_count--;
        kc_segment_release(segment);
        return status;
    }
    kc_file_unpin(segment->file);
    log->directory_dirty = true;
    kc_recent_batches_clear(&log->recent);
    return KC_OK;
}

kc_status kc_log_discard_last_segment(struct kc_log *log) {
    struct kc_segment *segment = kc_log_active(log);
    kc_status status = kc_segment_mark_deleted(segment, log->directory);
    atomic_fetch_sub_explicit(&log->size_bytes, segment->size_bytes, memory_order_relaxed);
    log->segment_count--;
    log->directory_dirty = true;
    kc_recent_batches_clear(&log->recent);
    kc_segment_release(segment);
    return status;
}

void kc_log_set_config(struct kc_log *log, const struct kc_log_config *config) {
    pthread_mutex_lock(&log->lock);
    log->config = *config;
    log->producers.expiration_ms = config->producer_id_expiration_ms;
    pthread_mutex_unlock(&log->lock);
}

struct kc_log_config kc_log_get_config(struct kc_log *log) {
    pthread_mutex_lock(&log->lock);
    struct kc_log_config config = log->config;
    pthread_mutex_unlock(&log->lock);
    return config;
}

kc_status kc_log_directory(struct kc_log *log, char *buffer, size_t size) {
    pthread_mutex_lock(&log->lock);
    size_t needed = strlen(log->directory) + 1;
    if (needed <= size) memcpy(buffer, log->directory, needed);
    pthread_mutex_unlock(&log->lock);
    return needed <= size ? KC_OK : KC_LIMIT;
}

void kc_log_segments(struct kc_log *log, struct kc_log_segment_info *infos, size_t capacity, size_t *count) {
    pthread_mutex_lock(&log->lock);
    *count = log->segment_count;
    for (size_t i = 0; i < log->segment_count && i < capacity; i++) {
        const struct kc_segment *segment = log->segments[i];
        infos[i] = (struct kc_log_segment_info){segment->base_offset, segment->size_bytes, segment->max_timestamp};
    }
    pthread_mutex_unlock(&log->lock);
}

void kc_log_end_offset_for_epoch(struct kc_log *log, int32_t epoch, int32_t *epoch_out, int64_t *end_offset) {
    pthread_mutex_lock(&log->lock);
    kc_leader_epochs_end_offset(&log->epochs, epoch, kc_log_end_offset(log), epoch_out, end_offset);
    pthread_mutex_unlock(&log->lock);
}

int32_t kc_log_epoch_for_offset(struct kc_log *log, int64_t offset) {
    pthread_mutex_lock(&log->lock);
    int32_t epoch = kc_leader_epochs_at(&log->epochs, offset);
    pthread_mutex_unlock(&log->lock);
    return epoch;
}

int32_t kc_log_latest_epoch(struct kc_log *log) {
    pthread_mutex_lock(&log->lock);
    int32_t epoch = kc_leader_epochs_latest(&log->epochs);
    pthread_mutex_unlock(&log->lock);
    return epoch;
}

kc_status kc_log_assign_epoch(struct kc_log *log, int32_t epoch) {
    pthread_mutex_lock(&log->lock);
    kc_status status = kc_log_check_writable(log);
    if (status == KC_OK && epoch < kc_leader_epochs_latest(&log->epochs)) status = KC_STALE;
    if (status == KC_OK) status = kc_leader_epochs_assign(&log->epochs, epoch, kc_log_end_offset(log));
    if (status == KC_OK) status = kc_leader_epochs_store(&log->epochs, log->disk, log->directory, true);
    if (status != KC_OK && status != KC_CLOSED && status != KC_STALE) kc_log_fail_unless_short(log, status);
    pthread_mutex_unlock(&log->lock);
    return status;
}

int64_t kc_log_start_offset(const struct kc_log *log) {
    return atomic_load_explicit(&log->log_start_offset, memory_order_acquire);
}
int64_t kc_log_synced_offset(const struct kc_log *log) {
    return atomic_load_explicit(&log->synced_offset, memory_order_acquire);
}

int64_t kc_log_end_offset(const struct kc_log *log) {
    return atomic_load_explicit(&log->log_end_offset, memory_order_acquire);
}
int64_t kc_log_size_bytes(const struct kc_log *log) {
    return atomic_load_explicit(&log->size_bytes, memory_order_relaxed);
}
bool kc_log_writable(const struct kc_log *log) {
    return atomic_load_explicit(&log->writable, memory_order_acquire) && !kc_log_offline(log);
}
bool kc_log_offline(const struct kc_log *log) { return kc_log_dir_failure(log->dir) != KC_OK; }

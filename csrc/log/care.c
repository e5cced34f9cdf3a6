/* care.c: flush, close, truncation, and dropping what nobody keeps. */
#include <stdlib.h>
#include <string.h>

#include "log/log_internal.h"
#include "log/producer_snapshot.h"
#include "log/small_file.h"

/* What one flush has to sync, gathered under the lock. */
struct sync_list {
    struct kc_file **files;
    size_t count;
    bool snapshot, directory, epochs;
    int64_t snapshot_offset;
    char *path;
};

static void sync_list_release(struct sync_list *list) {
    for (size_t i = 0; i < list->count; i++) kc_file_release(list->files[i]);
    free(list->files);
    free(list->path);
}

enum extent { BATCHES, ALL };

/* ALL: index entries go to their files first, so that what is declared to be on disk has its indexes there too. */
static kc_status gather(struct kc_log *log, enum extent extent, struct sync_list *list) {
    memset(list, 0, sizeof *list);
    list->files = malloc((log->segment_count * KC_SEGMENT_FILE_COUNT + 1) * sizeof(struct kc_file *));
    list->path = strdup(log->directory);
    if (!list->files || !list->path) return KC_NO_MEMORY;
    struct kc_segment *active = kc_log_active(log);
    if (active->size_bytes > 0 && extent == ALL) {
        kc_status status = kc_index_file_flush(&active->offset_index);
        if (status == KC_OK) status = kc_index_file_flush(&active->time_index);
        if (status != KC_OK) return kc_log_fail_unless_short(log, status);
    }
    if (log->epochs.dirty) {
        kc_status status = kc_leader_epochs_store(&log->epochs, log->disk, log->directory, false);
        if (status != KC_OK) return kc_log_fail_unless_short(log, status);
        log->epochs_unsynced = log->directory_dirty = true;
    }
    /* From here on nothing can be refused: what is taken off the lists of unsynced files is synced, or the log fails. */
    void (*list_dirty)(struct kc_segment *segment, struct kc_file **files, size_t *count) =
        extent == ALL ? kc_segment_list_dirty : kc_segment_list_dirty_batches;
    for (size_t i = 0; i < log->segment_count; i++) list_dirty(log->segments[i], list->files, &list->count);
    list->epochs = log->epochs_unsynced;
    log->epochs_unsynced = false;
    list->snapshot = extent == ALL && log->snapshot_dirty && log->snapshot_offset >= 0;
    list->snapshot_offset = log->snapshot_offset;
    list->directory = log->directory_dirty || list->snapshot;
    log->directory_dirty = false;
    if (extent == ALL) log->snapshot_dirty = false;
    return KC_OK;
}

static kc_status sync_small_file(const struct kc_disk *disk, const char *directory, const char *name) {
    char path[KC_PATH_SIZE];
    kc_status status = kc_path_join(path, directory, name);
    if (status == KC_OK) status = kc_small_file_sync(disk, path);
    return status == KC_NOT_FOUND ? KC_OK : status;
}

/* Without the lock.  A file that was renamed or dropped meanwhile is still the same file; a name that is gone needs nothing. */
static kc_status sync_all(const struct kc_disk *disk, const struct sync_list *list) {
    kc_status status = KC_OK;
    for (size_t i = 0; i < list->count && status == KC_OK; i++) {
        status = kc_file_sync(list->files[i]);
        if (status == KC_NOT_FOUND) status = KC_OK;
    }
    if (status == KC_OK && list->epochs) status = sync_small_file(disk, list->path, KC_LEADER_EPOCH_CHECKPOINT);
    if (status == KC_OK && list->snapshot) {
        char name[KC_LOG_NAME_SIZE];
        kc_log_name_format(name, list->snapshot_offset, KC_LOG_FILE_SNAPSHOT, KC_LOG_FILE_PLAIN);
        status = sync_small_file(disk, list->path, name);
    }
    if (status == KC_OK && list->directory) {
        status = disk->sync_directory(disk->state, list->path);
        if (status == KC_NOT_FOUND) status = KC_OK;            /* renamed as a whole; its own entry is the renamer's affair */
    }
    return status;
}

/* After a flush that did not come about. */
static void forget_flush(struct kc_log *log, const struct sync_list *list, kc_status status) {
    pthread_mutex_lock(&log->lock);
    if (status == KC_NO_FILES || status == KC_NO_MEMORY) {
        /* A file could not even be opened: no sync has failed, and the next flush does it all. */
        for (size_t i = 0; i < log->segment_count; i++) kc_segment_mark_unsynced(log->segments[i]);
        log->epochs_unsynced |= list->epochs;
        log->snapshot_dirty |= list->snapshot;
        log->directory_dirty |= list->directory;
    } else {
        /* The kernel may have thrown the pages away: a second sync that succeeds would prove nothing. */
        kc_log_fail(log, status);
    }
    pthread_mutex_unlock(&log->lock);
}

static kc_status flush(struct kc_log *log, enum extent extent, int64_t *synced_offset) {
    struct sync_list list;
    pthread_mutex_lock(&log->lock);
    kc_status status = kc_log_check_writable(log);
    if (status != KC_OK) {
        pthread_mutex_unlock(&log->lock);
        return status;
    }
    int64_t end_offset = kc_log_end_offset(log);
    uint64_t truncations = log->truncations;
    status = gather(log, extent, &list);
    pthread_mutex_unlock(&log->lock);
    if (status == KC_OK) {
        status = sync_all(log->disk, &list);
        if (status != KC_OK) forget_flush(log, &list, status);
    }
    sync_list_release(&list);
    if (status != KC_OK) return status;
    pthread_mutex_lock(&log->lock);
    if (truncations == log->truncations) atomic_store_explicit(&log->synced_offset, end_offset, memory_order_release);
    pthread_mutex_unlock(&log->lock);
    if (synced_offset) *synced_offset = end_offset;
    return KC_OK;
}

static kc_status flush_in_turn(struct kc_log *log, enum extent extent, int64_t *synced_offset) {
    pthread_mutex_lock(&log->flush_lock);
    kc_status status = flush(log, extent, synced_offset);
    pthread_mutex_unlock(&log->flush_lock);
    return status;
}

kc_status kc_log_flush(struct kc_log *log, int64_t *synced_offset) { return flush_in_turn(log, ALL, synced_offset); }
kc_status kc_log_sync_batches(struct kc_log *log, int64_t *synced_offset) { return flush_in_turn(log, BATCHES, synced_offset); }

static void close_segments(struct kc_log *log) {
    pthread_mutex_lock(&log->page_lock);
    kc_index_page_release(&log->offset_page);
    kc_index_page_release(&log->time_page);
    kc_index_page_release(&log->txn_page);
    pthread_mutex_unlock(&log->page_lock);
    for (size_t i = 0; i < log->segment_count; i++) kc_segment_release(log->segments[i]);
    log->segment_count = 0;
    kc_recent_batches_release(&log->recent);
    kc_producer_state_release(&log->producers);
}

static kc_status close_log(struct kc_log *log) {
    pthread_mutex_lock(&log->lock);
    if (log->closed) {
        pthread_mutex_unlock(&log->lock);
        return KC_CLOSED;
    }
    kc_status status = log->failure != KC_OK ? log->failure : kc_log_dir_failure(log->dir);
    struct sync_list list = {0};
    if (status == KC_OK) status = kc_segment_seal(kc_log_active(log));
    /* Also where there are no producers: without it the next open would have to look through the whole log for them. */
    if (status == KC_OK && log->snapshot_offset != kc_log_end_offset(log) &&
        kc_log_end_offset(log) > log->segments[0]->base_offset) {
        status = kc_producer_snapshot_write(log->disk, log->directory, kc_log_end_offset(log), &log->producers, false);
        log->snapshot_offset = kc_log_end_offset(log);
        log->snapshot_dirty = true;
    }
    if (status == KC_OK) status = gather(log, ALL, &list);
    if (status == KC_OK) status = sync_all(log->disk, &list);
    sync_list_release(&list);
    log->closed = true;
    atomic_store_explicit(&log->writable, false, memory_order_release);
    close_segments(log);
    pthread_mutex_unlock(&log->lock);
    return status;
}

kc_status kc_log_close(struct kc_log *log) {
    pthread_mutex_lock(&log->flush_lock);
    kc_status status = close_log(log);
    pthread_mutex_unlock(&log->flush_lock);
    return status;
}

kc_status kc_log_raise_start_offset(struct kc_log *log, int64_t offset) {
    pthread_mutex_lock(&log->lock);
    kc_status status = log->closed || kc_log_offline(log) ? KC_CLOSED : offset > kc_log_end_offset(log) ? KC_OUT_OF_RANGE : KC_OK;
    if (status == KC_OK && offset > kc_log_start_offset(log)) {
        atomic_store_explicit(&log->log_start_offset, offset, memory_order_release);
        kc_leader_epochs_truncate_start(&log->epochs, offset);
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

static kc_status mark_snapshot_deleted(struct kc_log *log, int64_t offset) {
    char from[KC_PATH_SIZE], to[KC_PATH_SIZE];
    kc_status status = kc_log_path(from, log->directory, offset, KC_LOG_FILE_SNAPSHOT, KC_LOG_FILE_PLAIN);
    if (status == KC_OK) status = kc_log_path(to, log->directory, offset, KC_LOG_FILE_SNAPSHOT, KC_LOG_FILE_DELETED);
    if (status == KC_OK) status = log->disk->rename(log->disk->state, from, to);
    return status == KC_NOT_FOUND ? KC_OK : status;
}

kc_status kc_log_drop_segments(struct kc_log *log, int32_t *dropped) {
    pthread_mutex_lock(&log->lock);
    kc_status status = kc_log_check_writable(log);
    int64_t start_offset = kc_log_start_offset(log);
    size_t count = 0;
    while (status == KC_OK && count + 1 < log->segment_count && log->segments[count + 1]->base_offset <= start_offset) {
        struct kc_segment *segment = log->segments[count];
        status = kc_segment_mark_deleted(segment, log->directory);
        if (status == KC_OK) status = mark_snapshot_deleted(log, segment->base_offset);
        if (status != KC_OK) {
            kc_log_fail_unless_short(log, status);
            break;
        }
        atomic_fetch_sub_explicit(&log->size_bytes, segment->size_bytes, memory_order_relaxed);
        log->directory_dirty = true;
        count++;
    }
    for (size_t i = 0; i < count; i++) kc_segment_release(log->segments[i]);
    if (count > 0) {
        log->segment_count -= count;
        memmove(log->segments, log->segments + count, log->segment_count * sizeof(struct kc_segment *));
    }
    pthread_mutex_unlock(&log->lock);
    if (dropped) *dropped = (int32_t)count;
    return status;
}

/* Cuts the one segment that is left so that nothing at or above the offset remains. */
static kc_status cut_segment(struct kc_log *log, struct kc_segment *segment, int64_t offset) {
    struct kc_segment_view view;
    struct kc_batch_header header;
    int64_t position, before = segment->size_bytes;
    kc_segment_view_for(segment, offset, &view);
    kc_status status = kc_segment_find(&view, &log->offset_page, &log->page_lock, offset, &position, &header);
    int64_t ignored;
    /* Nothing to cut, but a sealed segment that is active again has to know its tail. */
    if (status == KC_END) return kc_segment_walk_tail(segment, &ignored);
    if (status != KC_OK) return status;
    int64_t cut_offset = header.base_offset < offset ? header.base_offset : offset;
    pthread_mutex_lock(&log->page_lock);
    kc_index_page_forget(&log->offset_page, &segment->offset_index);
    kc_index_page_forget(&log->time_page, &segment->time_index);
    kc_txn_index_forget(&segment->txn_index, &log->txn_page);
    status = kc_segment_truncate(segment, position, cut_offset);
    pthread_mutex_unlock(&log->page_lock);
    atomic_fetch_sub_explicit(&log->size_bytes, before - segment->size_bytes, memory_order_relaxed);
    return status;
}

static kc_status truncate_to(struct kc_log *log, int64_t offset) {
    kc_status status = KC_OK;
    log->truncations++;
    kc_recent_batches_clear(&log->recent);
    atomic_store_explicit(&log->log_end_offset, offset, memory_order_release);
    if (kc_log_synced_offset(log) > offset) atomic_store_explicit(&log->synced_offset, offset, memory_order_release);
    if (kc_log_start_offset(log) > offset) atomic_store_explicit(&log->log_start_offset, offset, memory_order_release);
    kc_leader_epochs_truncate_end(&log->epochs, offset);
    /* A snapshot beyond the cut would be believed once the log has grown past it again: gone before the cut, for good. */
    status = kc_log_remove_snapshots(log, offset);
    if (status == KC_OK && log->directory_dirty) status = log->disk->sync_directory(log->disk->state, log->directory);
    while (status == KC_OK && log->segment_count > 1 && kc_log_active(log)->base_offset >= offset)
        status = kc_log_discard_last_segment(log);
    if (status != KC_OK) return status;
    struct kc_segment *active = kc_log_active(log);
    if (active->base_offset > offset || (active->base_offset == offset && active->size_bytes > 0)) {
        status = kc_log_discard_last_segment(log);
        if (status == KC_OK) status = kc_log_create_segment(log, offset);
    } else {
        status = cut_segment(log, active, offset);
    }
    if (status == KC_OK) status = kc_log_rebuild_producers(log, offset);
    kc_log_publish_open_txns(log);
    kc_log_publish_aborts(log);
    return status;
}

kc_status kc_log_truncate(struct kc_log *log, int64_t offset) {
    pthread_mutex_lock(&log->lock);
    kc_status status = kc_log_check_writable(log);
    if (status == KC_OK && offset < 0) status = KC_INVALID;
    if (status == KC_OK && offset < kc_log_end_offset(log)) {
        status = truncate_to(log, offset);
        if (status != KC_OK) kc_log_fail(log, status);
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

kc_status kc_log_rename_directory(struct kc_log *log, const char *directory) {
    char *copy = strdup(directory);
    if (!copy) return KC_NO_MEMORY;
    pthread_mutex_lock(&log->lock);
    kc_status status = log->closed ? KC_CLOSED : KC_OK;
    if (status == KC_OK) {
        status = log->disk->rename(log->disk->state, log->directory, directory);
        if (status == KC_NOT_FOUND) {
            /* Renamed already by somebody else, if the new name is there. */
            status = log->disk->sync_directory(log->disk->state, directory);
        }
    }
    if (status == KC_OK) {
        char *unused = log->directory;
        log->directory = copy;
        copy = unused;
        for (size_t i = 0; i < log->segment_count && status == KC_OK; i++)
            status = kc_segment_moved(log->segments[i], log->directory);
        if (status != KC_OK) kc_log_fail(log, status);
    }
    pthread_mutex_unlock(&log->lock);
    free(copy);
    return status;
}

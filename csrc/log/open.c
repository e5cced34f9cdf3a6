/* open.c: from a directory to a log.
 *
 *     clear the directory -> load segments -> decide which to believe -> producer state up to the first that is not believed ->
 *     scan from there on, or (stopped cleanly, or only the process died) walk the tail -> leader epochs, start offset, snapshots in agreement with the end
 */
#include <stdlib.h>
#include <string.h>

#include "log/directory.h"
#include "log/log_internal.h"
#include "log/offset_index.h"
#include "log/recovery.h"
#include "log/time_index.h"

static kc_status load_segments(struct kc_log *log, const struct kc_directory *directory, struct kc_segment_verdict *verdicts) {
    for (size_t i = 0; i < directory->segment_count; i++) {
        const struct kc_directory_segment *found = &directory->segments[i];
        struct kc_segment_found files = {found->has_offset_index, found->has_time_index, found->has_txn_index};
        int64_t end_offset = i + 1 < directory->segment_count ? directory->segments[i + 1].base_offset : INT64_MAX;
        struct kc_segment *segment;
        kc_status status = kc_log_add_segment(log, found->base_offset, &segment);
        if (status == KC_OK) status = kc_segment_load(segment, files, end_offset, &verdicts[i]);
        if (status != KC_OK) return status;
    }
    return KC_OK;
}

/* Entries that name offsets of a later segment are not of this one. */
static bool within(const struct kc_log *log, size_t slot) {
    const struct kc_segment *segment = log->segments[slot];
    if (slot + 1 == log->segment_count) return true;
    int64_t end = log->segments[slot + 1]->base_offset - segment->base_offset;
    const struct kc_index_file *offsets = &segment->offset_index, *times = &segment->time_index;
    return (offsets->count == 0 || kc_offset_entry_relative(offsets->last) < end) &&
           (times->count == 0 || kc_time_entry_relative(times->last) < end);
}

/* The slot of the first segment that is scanned: one that holds offsets not known to be on disk.  segment_count: none. */
static size_t first_doubted(const struct kc_log *log, const struct kc_log_options *options, bool tail_good) {
    if (options->clean) return log->segment_count;
    if (options->process_died) return log->segment_count - (log->segment_count > 0 && !tail_good);
    for (size_t i = 0; i + 1 < log->segment_count; i++)
        if (log->segments[i + 1]->base_offset > options->recovery_point) return i;
    return log->segment_count ? log->segment_count - 1 : 0;
}

static kc_status load_epochs(struct kc_log *log) {
    kc_status status = kc_leader_epochs_load(&log->epochs, log->disk, log->directory);
    if (status != KC_NOT_FOUND && status != KC_CORRUPT) return status;
    return kc_recovery_rebuild_epochs(log);
}

/* The kernel has kept what the process had written; whether it is on disk, nobody knows. */
static void mark_unsynced(struct kc_log *log, int64_t recovery_point) {
    for (size_t i = log->segment_count; i > 0; i--) {
        kc_segment_mark_unsynced(log->segments[i - 1]);
        if (log->segments[i - 1]->base_offset <= recovery_point) break;
    }
    log->directory_dirty = log->epochs_unsynced = true;
    log->snapshot_dirty = log->snapshot_offset >= 0;
}

static kc_status recover(struct kc_log *log, const struct kc_log_options *options, const struct kc_segment_verdict *verdicts,
                         struct kc_log_recovery *report) {
    size_t doubted = first_doubted(log, options, verdicts[log->segment_count - 1].indexes_good);
    for (size_t i = 0; i < doubted; i++) {
        kc_status status = KC_OK;
        if (!verdicts[i].indexes_good || !within(log, i)) status = kc_recovery_rebuild_indexes(log, i, report);
        if (status != KC_OK) return status;
    }
    for (size_t i = 0; i < doubted; i++) {
        /* One whose other indexes were not to be believed was perhaps being recovered when that was cut short. */
        bool good = verdicts[i].txn_index_good && verdicts[i].indexes_good;
        kc_status status = good ? KC_OK : kc_log_rebuild_txn_index(log, i);
        if (status != KC_OK) return status;
    }
    int64_t end_offset = 0;
    if (doubted == log->segment_count) {
        kc_status status = options->clean ? kc_segment_walk_tail(kc_log_active(log), &end_offset)
                                          : kc_recovery_walk_tail(log, report, &end_offset);
        /* Called clean, and its end is not: somebody else wrote here, or the mark lies. */
        if (status == KC_CORRUPT)
            doubted = log->segment_count - 1;
        else if (status != KC_OK)
            return status;
    }
    kc_status status = load_epochs(log);
    if (status != KC_OK) return status;
    bool scan = doubted < log->segment_count;
    status = kc_log_rebuild_producers(log, scan ? log->segments[doubted]->base_offset : end_offset);
    if (status == KC_OK && scan) status = kc_recovery_scan(log, doubted, options->compacted, report, &end_offset);
    if (status != KC_OK) return status;
    if (scan) kc_producer_state_expire(&log->producers, kc_log_now(log));
    else status = kc_txn_index_truncate(&kc_log_active(log)->txn_index, end_offset);
    if (status != KC_OK) return status;
    if (options->process_died && !options->clean) mark_unsynced(log, options->recovery_point);
    atomic_store(&log->log_end_offset, end_offset);
    return scan ? kc_log_leave_landmark(log) : KC_OK;
}

static void settle_offsets(struct kc_log *log, const struct kc_log_options *options) {
    int64_t end_offset = kc_log_end_offset(log), start_offset = log->segments[0]->base_offset, size_bytes = 0;
    if (options->log_start_offset > start_offset) start_offset = options->log_start_offset;
    if (start_offset > end_offset) start_offset = end_offset;
    for (size_t i = 0; i < log->segment_count; i++) size_bytes += log->segments[i]->size_bytes;
    atomic_store(&log->log_start_offset, start_offset);
    int64_t synced_offset = options->clean || options->recovery_point > end_offset ? end_offset : options->recovery_point;
    atomic_store(&log->synced_offset, synced_offset > start_offset ? synced_offset : start_offset);
    atomic_store(&log->size_bytes, size_bytes);
    /* An epoch that begins where the log ends may be the present one, in which nothing has been written yet. */
    kc_leader_epochs_truncate_end(&log->epochs, end_offset + 1);
    kc_leader_epochs_truncate_start(&log->epochs, start_offset);
    kc_log_publish_open_txns(log);
    kc_log_publish_aborts(log);
}

static kc_status open_directory(struct kc_log *log, const struct kc_log_options *options, struct kc_log_recovery *report) {
    kc_status status = log->disk->make_directory(log->disk->state, log->directory);
    if (status != KC_OK && status != KC_EXISTS) return status;
    log->directory_dirty = status == KC_OK;
    struct kc_directory directory;
    status = kc_directory_load(log->files, log->directory, &directory);
    if (status != KC_OK) return status;
    log->directory_dirty = log->directory_dirty || directory.changed;
    struct kc_segment_verdict *verdicts = calloc(directory.segment_count + 1, sizeof *verdicts);
    status = verdicts ? load_segments(log, &directory, verdicts) : KC_NO_MEMORY;
    if (status == KC_OK && log->segment_count == 0) {
        int64_t base_offset = options->log_start_offset > 0 ? options->log_start_offset : 0;
        status = kc_log_create_segment(log, base_offset);
        atomic_store(&log->log_end_offset, base_offset);
        if (status == KC_OK) status = kc_log_rebuild_producers(log, base_offset);
    } else if (status == KC_OK) {
        status = recover(log, options, verdicts, report);
    }
    free(verdicts);
    if (status == KC_OK) {
        settle_offsets(log, options);
        bool stray = directory.snapshot_count > 0;
        if (stray) status = kc_log_remove_snapshots(log, kc_log_end_offset(log));
    }
    kc_directory_release(&directory);
    /* Handles opened on the way are for whoever needs them next. */
    for (size_t i = 0; i < log->segment_count; i++) kc_file_close_idle(log->segments[i]->file);
    return status;
}

static struct kc_log *create(const char *directory, const struct kc_log_options *options) {
    struct kc_log *log = calloc(1, sizeof *log);
    if (!log) return NULL;
    atomic_init(&log->reference_count, 1);
    pthread_mutex_init(&log->flush_lock, NULL);
    pthread_mutex_init(&log->lock, NULL);
    pthread_mutex_init(&log->page_lock, NULL);
    log->dir = kc_log_dir_retain(options->dir);
    log->landmark_bytes = options->landmark_bytes;
    log->files = options->files;
    log->disk = kc_file_cache_disk(options->files);
    log->clock = options->clock;
    log->config = options->config;
    log->next_index_id = 1;
    log->snapshot_offset = -1;
    kc_producer_state_init(&log->producers, options->config.producer_id_expiration_ms);
    log->directory = strdup(directory);
    if (log->directory) return log;
    kc_log_release(log);
    return NULL;
}

kc_status kc_log_open(const char *directory, const struct kc_log_options *options, struct kc_log_recovery *recovery,
                      struct kc_log **out) {
    struct kc_log *log = create(directory, options);
    if (!log) return KC_NO_MEMORY;
    struct kc_log_recovery report = {.cut_base_offset = -1, .cut_position = -1};
    kc_status status = open_directory(log, options, &report);
    if (status != KC_OK) {
        kc_log_release(log);
        return status;
    }
    atomic_store(&log->writable, true);
    if (recovery) *recovery = report;
    *out = log;
    return KC_OK;
}

kc_status kc_log_open_offline(const char *directory, const struct kc_log_options *options, struct kc_log **out) {
    if (!options->dir) return KC_INVALID;
    struct kc_log *log = create(directory, options);
    if (!log) return KC_NO_MEMORY;
    kc_log_dir_fail(log->dir, KC_IO_ERROR);
    log->failure = kc_log_dir_failure(log->dir);
    *out = log;
    return KC_OK;
}

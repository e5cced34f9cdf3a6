/* landmark.c: what keeps a restart short.
 *
 * After the mere death of the process the log's files are all there, and opening it reads what stands behind the last index entry and
 * behind the newest producer snapshot.  Neither is written often by itself (a page of index entries may stand for half a gigabyte, a
 * snapshot for a segment), so every 8 MiB of appended batches both are brought up to date: a start costs by the partition, not by the
 * byte.  Nothing is synced, and nobody depends on it: where there is no room, the next one will do.
 *
 * Thread: the owner of the log's lock.  Source: none; Kafka scans. */
#include "log/log_internal.h"
#include "log/producer_snapshot.h"

enum { LANDMARK_BYTES = 8 << 20, PRODUCER_BYTES = 64 * KC_SNAPSHOT_ENTRY_SIZE };

/* With very many producers a snapshot is worth more appended bytes. */
static bool is_due(const struct kc_log *log) {
    int64_t interval = log->landmark_bytes > 0 ? log->landmark_bytes : LANDMARK_BYTES;
    int64_t worth = (int64_t)log->producers.count * PRODUCER_BYTES;
    return log->bytes_since_landmark >= (worth > interval ? worth : interval);
}

/* A snapshot that no segment begins at serves until the next one is there. */
static kc_status replace_snapshot(struct kc_log *log, int64_t offset) {
    int64_t before = log->snapshot_offset;
    kc_status status = kc_producer_snapshot_write(log->disk, log->directory, offset, &log->producers, false);
    if (status != KC_OK) return status;
    log->snapshot_offset = offset;
    log->snapshot_dirty = log->directory_dirty = true;
    if (before <= kc_log_active(log)->base_offset || before == offset) return KC_OK;
    char path[KC_PATH_SIZE];
    status = kc_log_path(path, log->directory, before, KC_LOG_FILE_SNAPSHOT, KC_LOG_FILE_PLAIN);
    if (status == KC_OK) status = log->disk->unlink(log->disk->state, path);
    return status == KC_NOT_FOUND ? KC_OK : status;
}

kc_status kc_log_leave_landmark(struct kc_log *log) {
    log->bytes_since_landmark = 0;
    struct kc_segment *active = kc_log_active(log);
    if (active->size_bytes == 0) return KC_OK;
    kc_status status = kc_index_file_flush(&active->time_index);
    if (status == KC_OK) status = kc_index_file_flush(&active->offset_index);
    if (status == KC_OK) status = replace_snapshot(log, kc_log_end_offset(log));
    return kc_status_is_shortage(status) ? KC_OK : status;
}

void kc_log_landmark(struct kc_log *log, int64_t size_bytes) {
    log->bytes_since_landmark += size_bytes;
    if (!is_due(log)) return;
    kc_status status = kc_log_leave_landmark(log);
    if (status != KC_OK) kc_log_fail(log, status);
}

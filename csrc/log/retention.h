/* retention.h: which segments have outlived the topic's retention, and the new log start offset that follows.
 *
 *     kc_log_expire            decides, under the lock, and raises log_start_offset
 *     (the caller)             writes log-start-offset-checkpoint, synced
 *     kc_log_drop_segments     renames the files of what lies below to `.deleted`
 *
 * In this order, a crash at any point leaves either the old log or the new start: no segment is missing whose records somebody could
 * still be promised.
 *
 * Rules, oldest segment first, each ending at the first segment that stays:
 *   1. Below log_start_offset already (DeleteRecords, or a pass that was interrupted): goes.
 *   2. Time: the segment's largest timestamp lies more than retention_ms back.
 *   3. Size: without it, the log still holds retention_bytes.
 *   4. Nothing at or above the high watermark goes.  The active segment goes only if it holds records and a rule asks for it; then
 *      the log rolls first, so that it always has an active segment.
 *
 * Thread: any; the log's lock is taken inside.  Source: org.apache.kafka.storage.internals.log.UnifiedLog.deleteOldSegments. */
#ifndef KC_LOG_RETENTION_H
#define KC_LOG_RETENTION_H

#include "log/log.h"

struct kc_retention {
    int64_t retention_ms;                /* -1: no limit */
    int64_t retention_bytes;             /* -1: no limit */
};

enum kc_retention_reason { KC_RETENTION_START_OFFSET, KC_RETENTION_TIME, KC_RETENTION_SIZE };

struct kc_retention_segment {
    enum kc_retention_reason reason;
    int64_t base_offset;
    int64_t size_bytes;
    int64_t max_timestamp;               /* -1: none of its records bears one */
};

struct kc_retention_result {
    int64_t log_start_offset;            /* afterwards */
    bool raised;                         /* by this call */
    size_t segment_count;                /* how many segments may be dropped */
};

/* The segments that the rules ask for, of which the first `capacity` are written to `segments` (NULL with 0), and log_start_offset raised
 * to where the log begins without them.  KC_CLOSED, what the disk said while rolling; nothing has been raised then. */
kc_status kc_log_expire(struct kc_log *log, const struct kc_retention *retention, int64_t high_watermark,
                        struct kc_retention_segment *segments, size_t capacity, struct kc_retention_result *out);

#endif

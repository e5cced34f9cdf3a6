#include "log/retention.h"

#include "log/log_internal.h"

struct pass {
    const struct kc_retention *retention;
    int64_t start_offset, now_ms;
    int64_t surplus_bytes;               /* what may go before the log is smaller than retention_bytes */
};

/* The age of a segment without timestamps is that of its object: the file's own times are not to be had through the disk's table. */
static bool is_expired(const struct pass *pass, const struct kc_segment *segment) {
    int64_t newest = segment->max_timestamp >= 0 ? segment->max_timestamp : segment->created_ms;
    return pass->retention->retention_ms >= 0 && newest < pass->now_ms &&
           (uint64_t)pass->now_ms - (uint64_t)newest > (uint64_t)pass->retention->retention_ms;
}

static bool is_surplus(const struct pass *pass, const struct kc_segment *segment) {
    return pass->retention->retention_bytes >= 0 && pass->surplus_bytes >= segment->size_bytes;
}

/* Whether a rule asks for the segment, which ends where `end_offset` begins. */
static bool must_go(const struct pass *pass, const struct kc_segment *segment, int64_t end_offset, bool is_active,
                    enum kc_retention_reason *reason) {
    if (!is_active && end_offset <= pass->start_offset)
        *reason = KC_RETENTION_START_OFFSET;
    else if (is_expired(pass, segment))
        *reason = KC_RETENTION_TIME;
    else if (is_surplus(pass, segment))
        *reason = KC_RETENTION_SIZE;
    else
        return false;
    return true;
}

/* Where the log would begin; *count segments go. */
static int64_t decide(const struct kc_log *log, struct pass *pass, int64_t high_watermark, struct kc_retention_segment *segments,
                      size_t capacity, size_t *count) {
    int64_t start_offset = pass->start_offset;
    *count = 0;
    for (size_t i = 0; i < log->segment_count; i++) {
        const struct kc_segment *segment = log->segments[i];
        bool is_active = i + 1 == log->segment_count;
        int64_t end_offset = is_active ? kc_log_end_offset(log) : log->segments[i + 1]->base_offset;
        enum kc_retention_reason reason;
        if (end_offset > high_watermark || (is_active && segment->size_bytes == 0)) break;
        if (!must_go(pass, segment, end_offset, is_active, &reason)) break;
        if (*count < capacity)
            segments[*count] =
                (struct kc_retention_segment){reason, segment->base_offset, segment->size_bytes, segment->max_timestamp};
        ++*count;
        pass->surplus_bytes -= segment->size_bytes;
        if (end_offset > start_offset) start_offset = end_offset;
    }
    return start_offset;
}

kc_status kc_log_expire(struct kc_log *log, const struct kc_retention *retention, int64_t high_watermark,
                        struct kc_retention_segment *segments, size_t capacity, struct kc_retention_result *out) {
    pthread_mutex_lock(&log->lock);
    kc_status status = kc_log_check_writable(log);
    if (status != KC_OK) {
        pthread_mutex_unlock(&log->lock);
        return status;
    }
    struct pass pass = {retention, kc_log_start_offset(log), kc_log_now(log), kc_log_size_bytes(log) - retention->retention_bytes};
    size_t count;
    int64_t start_offset = decide(log, &pass, high_watermark, segments, capacity, &count);
    bool raised = start_offset > pass.start_offset;
    if (count == log->segment_count) status = kc_log_roll_to(log, kc_log_end_offset(log), kc_log_end_offset(log));
    if (status == KC_OK) {
        if (raised) {
            atomic_store_explicit(&log->log_start_offset, start_offset, memory_order_release);
            kc_leader_epochs_truncate_start(&log->epochs, start_offset);
        }
        *out = (struct kc_retention_result){start_offset, raised, count};
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

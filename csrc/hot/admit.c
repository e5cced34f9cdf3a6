#include "hot/admit.h"

enum kc_error kc_admit(struct kc_slice records, const struct kc_topic_config *config, int16_t produce_version,
                       enum kc_append_origin origin, int64_t now_ms, struct kc_batch_info *info, struct kc_batch_refusal *refusal) {
    struct kc_batch_rules rules = {
        .batch_size_max_bytes = config->batch_size_max_bytes,
        .log_append_time = config->log_append_time,
        .timestamp_before_max_ms = config->timestamp_before_max_ms,
        .timestamp_after_max_ms = config->timestamp_after_max_ms,
        .now_ms = now_ms,
        .keys_required = config->compacted,
        .zstd_allowed = produce_version >= KC_PRODUCE_VERSION_ZSTD,
        .sequence_optional = origin == KC_ORIGIN_COORDINATOR,
    };
    return kc_batch_validate(records, &rules, info, refusal) == KC_OK ? KC_ERROR_NONE : kc_error_from_fault(refusal->fault);
}

static void answer(const struct kc_partition *partition, const struct kc_append *append, struct kc_partition_append *out) {
    out->error = kc_error_from_append(append->fault);
    if (out->error != KC_ERROR_NONE) return;
    out->base_offset = append->base_offset;
    out->log_append_time_ms = append->log_append_time_ms;
    out->log_start_offset = kc_log_start_offset(partition->log);
}

void kc_partition_append(struct kc_partition *partition, const struct kc_topic_config *config, uint8_t *batch, size_t size,
                         const struct kc_append_terms *terms, int64_t now_ms, struct kc_partition_append *out) {
    struct kc_batch_info info;
    *out = (struct kc_partition_append){.base_offset = -1, .log_append_time_ms = -1, .log_start_offset = -1};
    out->error = atomic_load(&partition->removed)
                     ? KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION
                     : kc_admit(kc_slice_make(batch, size), config, terms->produce_version, terms->origin, now_ms, &info, &out->refusal);
    if (out->error != KC_ERROR_NONE) return;
    struct kc_append append = {
        .batch = batch,
        .info = &info,
        .leader_epoch = kc_partition_leader_epoch(partition),
        .log_append_time = config->log_append_time,
        .origin = terms->origin,
        .guard = terms->guard,
    };
    int64_t bytes = kc_log_append(partition->log, &append, 1);
    if (bytes > 0) kc_partition_notify(partition, bytes);
    answer(partition, &append, out);
}

void kc_partition_append_marker(struct kc_partition *partition, struct kc_log_marker *marker, struct kc_partition_append *out) {
    *out = (struct kc_partition_append){.base_offset = -1, .log_append_time_ms = -1, .log_start_offset = -1};
    if (atomic_load(&partition->removed)) {
        out->error = KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    struct kc_append append;
    marker->leader_epoch = kc_partition_leader_epoch(partition);
    /* More than the marker's bytes may be stable now: whoever waits looks for himself. */
    if (kc_log_append_marker(partition->log, marker, &append) > 0) kc_partition_notify(partition, INT64_MAX);
    answer(partition, &append, out);
}

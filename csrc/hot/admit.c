#include "hot/admit.h"

enum kc_error kc_admit(struct kc_slice records, const struct kc_topic_config *config, int16_t produce_version, int64_t now_ms,
                       struct kc_batch_info *info, struct kc_batch_refusal *refusal) {
    struct kc_batch_rules rules = {
        .batch_size_max_bytes = config->batch_size_max_bytes,
        .log_append_time = config->log_append_time,
        .timestamp_before_max_ms = config->timestamp_before_max_ms,
        .timestamp_after_max_ms = config->timestamp_after_max_ms,
        .now_ms = now_ms,
        .keys_required = config->compacted,
        .zstd_allowed = produce_version >= KC_PRODUCE_VERSION_ZSTD,
    };
    if (kc_batch_validate(records, &rules, info, refusal) != KC_OK) return kc_error_from_fault(refusal->fault);
    /* No transaction can be open, because there is no coordinator to open it with; Kafka's answer to an unknown one. */
    if (info->header.attributes & KC_ATTRIBUTE_TRANSACTIONAL) return KC_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return KC_ERROR_NONE;
}

void kc_partition_append(struct kc_partition *partition, const struct kc_topic_config *config, uint8_t *batch, size_t size,
                         int16_t produce_version, int64_t now_ms, struct kc_partition_append *out) {
    struct kc_batch_info info;
    *out = (struct kc_partition_append){.base_offset = -1, .log_append_time_ms = -1, .log_start_offset = -1};
    out->error = atomic_load(&partition->removed)
                     ? KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION
                     : kc_admit(kc_slice_make(batch, size), config, produce_version, now_ms, &info, &out->refusal);
    if (out->error != KC_ERROR_NONE) return;
    struct kc_append append = {
        .batch = batch,
        .info = &info,
        .leader_epoch = kc_partition_leader_epoch(partition),
        .log_append_time = config->log_append_time,
    };
    int64_t bytes = kc_log_append(partition->log, &append, 1);
    if (bytes > 0) kc_partition_notify(partition, bytes);
    out->error = kc_error_from_append(append.fault);
    if (out->error != KC_ERROR_NONE) return;
    out->base_offset = append.base_offset;
    out->log_append_time_ms = append.log_append_time_ms;
    out->log_start_offset = kc_log_start_offset(partition->log);
}

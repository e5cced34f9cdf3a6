#include "record/search.h"

#include "record/iterate.h"

static struct kc_timestamped_offset place_of(const struct kc_record *record, const struct kc_batch_header *h) {
    const bool log_append_time = h->attributes & KC_ATTRIBUTE_LOG_APPEND_TIME;
    return (struct kc_timestamped_offset){
        .timestamp = log_append_time ? h->max_timestamp : (int64_t)((uint64_t)h->base_timestamp + (uint64_t)record->timestamp_delta),
        .offset = (int64_t)((uint64_t)h->base_offset + (uint64_t)record->offset_delta),
    };
}

kc_status kc_record_find_timestamp(struct kc_slice records, const struct kc_batch_header *header, int64_t target, int64_t offset_min,
                                   struct kc_timestamped_offset *out) {
    struct kc_record_iterator it;
    struct kc_record record;
    kc_status status;
    kc_record_iterator_init(&it, records, header->record_count);
    while ((status = kc_record_next(&it, &record)) == KC_OK) {
        struct kc_timestamped_offset here = place_of(&record, header);
        if (here.timestamp < target || here.offset < offset_min) continue;
        *out = here;
        return KC_OK;
    }
    return status;
}

kc_status kc_record_find_max_timestamp(struct kc_slice records, const struct kc_batch_header *header, struct kc_timestamped_offset *out) {
    struct kc_record_iterator it;
    struct kc_record record;
    struct kc_timestamped_offset best = {-1, -1};
    kc_status status;
    kc_record_iterator_init(&it, records, header->record_count);
    while ((status = kc_record_next(&it, &record)) == KC_OK) {
        struct kc_timestamped_offset here = place_of(&record, header);
        if (here.timestamp > best.timestamp) best = here;
    }
    if (status != KC_END || best.timestamp < 0) return status;
    *out = best;
    return KC_OK;
}

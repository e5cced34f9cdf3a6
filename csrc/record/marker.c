#include "record/marker.h"

#include "base/check.h"
#include "record/build.h"
#include "record/iterate.h"

enum { ABORT = 0, COMMIT = 1, KEY_SIZE = 4, VALUE_SIZE = 6, VERSION = 0 };

void kc_marker_build(const struct kc_marker *marker, uint8_t *batch) {
    struct kc_batch_spec spec = kc_batch_spec_plain();
    spec.producer_id = marker->producer_id;
    spec.producer_epoch = marker->producer_epoch;
    spec.attributes = KC_ATTRIBUTE_TRANSACTIONAL | KC_ATTRIBUTE_CONTROL;
    uint8_t key[KEY_SIZE], value[VALUE_SIZE], room[KC_MARKER_SIZE_MAX];
    kc_store_i16(key, VERSION);
    kc_store_i16(key + 2, marker->commit ? COMMIT : ABORT);
    kc_store_i16(value, VERSION);
    kc_store_i32(value + 2, marker->coordinator_epoch);
    struct kc_batch_builder builder;
    struct kc_slice built;
    kc_batch_builder_init(&builder, room, sizeof room, &spec);
    kc_status status = kc_batch_builder_add(&builder, marker->timestamp, kc_slice_make(key, KEY_SIZE),
                                            kc_slice_make(value, VALUE_SIZE), NULL, 0);
    if (status == KC_OK) status = kc_batch_builder_finish(&builder, &built);
    KC_CHECK(status == KC_OK && built.size == KC_MARKER_SIZE);
    memcpy(batch, built.data, KC_MARKER_SIZE);
}

bool kc_marker_read(struct kc_slice records, const struct kc_batch_header *header, struct kc_marker *out) {
    struct kc_record_iterator it;
    struct kc_record record;
    kc_record_iterator_init(&it, records, header->record_count);
    if (kc_record_next(&it, &record) != KC_OK || record.key_null || record.key.size < KEY_SIZE) return false;
    int16_t type = kc_load_i16(record.key.data + 2);
    if (type != ABORT && type != COMMIT) return false;
    bool complete = !record.value_null && record.value.size >= VALUE_SIZE;
    *out = (struct kc_marker){
        .producer_id = header->producer_id,
        .timestamp = header->max_timestamp,
        .coordinator_epoch = complete ? kc_load_i32(record.value.data + 2) : -1,
        .producer_epoch = header->producer_epoch,
        .commit = type == COMMIT,
    };
    return true;
}

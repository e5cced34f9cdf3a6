#include "record/batch.h"

#include "base/check.h"
#include "crc32c/crc32c.h"

void kc_batch_header_load(const uint8_t *batch, struct kc_batch_header *out) {
    int32_t length = kc_load_i32(batch + KC_BATCH_LENGTH);
    *out = (struct kc_batch_header){
        .base_offset = kc_load_i64(batch + KC_BATCH_BASE_OFFSET),
        .size_bytes = length > INT32_MAX - KC_BATCH_LOG_OVERHEAD ? INT32_MAX
                      : length < 0                               ? length
                                                                 : length + KC_BATCH_LOG_OVERHEAD,
        .leader_epoch = kc_load_i32(batch + KC_BATCH_LEADER_EPOCH),
        .magic = (int8_t)batch[KC_BATCH_MAGIC],
        .crc = kc_load_u32(batch + KC_BATCH_CRC),
        .attributes = kc_load_i16(batch + KC_BATCH_ATTRIBUTES),
        .last_offset_delta = kc_load_i32(batch + KC_BATCH_LAST_OFFSET_DELTA),
        .base_timestamp = kc_load_i64(batch + KC_BATCH_BASE_TIMESTAMP),
        .max_timestamp = kc_load_i64(batch + KC_BATCH_MAX_TIMESTAMP),
        .producer_id = kc_load_i64(batch + KC_BATCH_PRODUCER_ID),
        .producer_epoch = kc_load_i16(batch + KC_BATCH_PRODUCER_EPOCH),
        .base_sequence = kc_load_i32(batch + KC_BATCH_BASE_SEQUENCE),
        .record_count = kc_load_i32(batch + KC_BATCH_RECORD_COUNT),
    };
}

void kc_batch_header_store(uint8_t *batch, const struct kc_batch_header *header) {
    KC_CHECK(header->size_bytes >= KC_BATCH_HEADER_SIZE);
    kc_store_i64(batch + KC_BATCH_BASE_OFFSET, header->base_offset);
    kc_store_i32(batch + KC_BATCH_LENGTH, header->size_bytes - KC_BATCH_LOG_OVERHEAD);
    kc_store_i32(batch + KC_BATCH_LEADER_EPOCH, header->leader_epoch);
    batch[KC_BATCH_MAGIC] = (uint8_t)header->magic;
    kc_store_u32(batch + KC_BATCH_CRC, header->crc);
    kc_store_i16(batch + KC_BATCH_ATTRIBUTES, header->attributes);
    kc_store_i32(batch + KC_BATCH_LAST_OFFSET_DELTA, header->last_offset_delta);
    kc_store_i64(batch + KC_BATCH_BASE_TIMESTAMP, header->base_timestamp);
    kc_store_i64(batch + KC_BATCH_MAX_TIMESTAMP, header->max_timestamp);
    kc_store_i64(batch + KC_BATCH_PRODUCER_ID, header->producer_id);
    kc_store_i16(batch + KC_BATCH_PRODUCER_EPOCH, header->producer_epoch);
    kc_store_i32(batch + KC_BATCH_BASE_SEQUENCE, header->base_sequence);
    kc_store_i32(batch + KC_BATCH_RECORD_COUNT, header->record_count);
}

int32_t kc_sequence_add(int32_t sequence, int32_t increment) {
    return (int32_t)(((uint32_t)sequence + (uint32_t)increment) & INT32_MAX);
}

void kc_batch_seal(uint8_t *batch) {
    int32_t length = kc_load_i32(batch + KC_BATCH_LENGTH);
    KC_CHECK(length >= KC_BATCH_LENGTH_MIN);
    size_t covered = (size_t)length + KC_BATCH_LOG_OVERHEAD - KC_BATCH_ATTRIBUTES;
    kc_store_u32(batch + KC_BATCH_CRC, kc_crc32c(batch + KC_BATCH_ATTRIBUTES, covered));
}

static void set_timestamp(uint8_t *batch, bool log_append_time, int64_t max_timestamp) {
    int16_t attributes = kc_load_i16(batch + KC_BATCH_ATTRIBUTES);
    attributes = (int16_t)(attributes & ~KC_ATTRIBUTE_LOG_APPEND_TIME);
    if (log_append_time) attributes = (int16_t)(attributes | KC_ATTRIBUTE_LOG_APPEND_TIME);
    kc_store_i16(batch + KC_BATCH_ATTRIBUTES, attributes);
    kc_store_i64(batch + KC_BATCH_MAX_TIMESTAMP, max_timestamp);
    kc_batch_seal(batch);
}

void kc_batch_set_log_append_time(uint8_t *batch, int64_t timestamp_ms) { set_timestamp(batch, true, timestamp_ms); }

void kc_batch_set_max_timestamp(uint8_t *batch, int64_t max_timestamp) { set_timestamp(batch, false, max_timestamp); }

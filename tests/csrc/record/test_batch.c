/* The header, both ways, what a leader writes into a batch, and the check of a batch found on disk. */
#include "crc32c/crc32c.h"
#include "fixture.h"

TEST(the_header_of_a_golden_batch_is_decoded) {
    struct kc_batch_header h;
    kc_batch_header_load(golden, &h);
    EXPECT_EQ(h.base_offset, 0);
    EXPECT_EQ(h.size_bytes, 120);
    EXPECT_EQ(h.leader_epoch, 0);
    EXPECT_EQ(h.magic, 2);
    EXPECT_EQ(h.crc, 0x65b9f534);
    EXPECT_EQ(h.crc, kc_crc32c(golden + 21, 99));
    EXPECT_EQ(h.attributes, 0);
    EXPECT_EQ(h.last_offset_delta, 2);
    EXPECT_EQ(h.base_timestamp, GOLDEN_TIME);
    EXPECT_EQ(h.max_timestamp, GOLDEN_TIME + 5);
    EXPECT_EQ(h.producer_id, -1);
    EXPECT_EQ(h.producer_epoch, -1);
    EXPECT_EQ(h.base_sequence, -1);
    EXPECT_EQ(h.record_count, 3);
    EXPECT_EQ(kc_batch_last_offset(&h), 2);
}

TEST(a_random_header_is_the_same_after_store_and_load) {
    for (int i = 0; i < 1000; i++) {
        uint8_t bytes[KC_BATCH_HEADER_SIZE], again[KC_BATCH_HEADER_SIZE];
        for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (uint8_t)kc_test_random();
        kc_store_i32(bytes + KC_BATCH_LENGTH, 49 + (int32_t)kc_test_random_below(1 << 30));
        struct kc_batch_header h;
        kc_batch_header_load(bytes, &h);
        kc_batch_header_store(again, &h);
        EXPECT_MEM(bytes, again, sizeof bytes);
    }
}

TEST(lengths_at_the_edges_do_not_wrap) {
    uint8_t bytes[KC_BATCH_HEADER_SIZE] = {0};
    struct kc_batch_header h;
    kc_store_i32(bytes + KC_BATCH_LENGTH, INT32_MAX);
    kc_batch_header_load(bytes, &h);
    EXPECT_EQ(h.size_bytes, INT32_MAX);
    kc_store_i32(bytes + KC_BATCH_LENGTH, INT32_MIN);
    kc_batch_header_load(bytes, &h);
    EXPECT(h.size_bytes < 0);
}

TEST(sequences_wrap_to_zero) {
    EXPECT_EQ(kc_sequence_add(5, 3), 8);
    EXPECT_EQ(kc_sequence_add(INT32_MAX, 0), INT32_MAX);
    EXPECT_EQ(kc_sequence_add(INT32_MAX, 1), 0);
    EXPECT_EQ(kc_sequence_add(INT32_MAX - 1, 5), 3);
}

TEST(stamping_leaves_the_crc_right) {
    uint8_t batch[sizeof golden];
    memcpy(batch, golden, sizeof batch);
    kc_batch_stamp(batch, 123456789012, 7);
    struct kc_batch_header h;
    EXPECT_EQ(kc_batch_check_stored(kc_slice_make(batch, sizeof batch), &h), KC_OK);
    EXPECT_EQ(h.base_offset, 123456789012);
    EXPECT_EQ(h.leader_epoch, 7);
    EXPECT_EQ(kc_batch_last_offset(&h), 123456789014);
}

TEST(timestamps_are_rewritten_with_a_new_crc) {
    uint8_t batch[sizeof golden];
    memcpy(batch, golden, sizeof batch);
    struct kc_batch_header h;
    kc_batch_set_log_append_time(batch, 1800000000000);
    EXPECT_EQ(kc_batch_check_stored(kc_slice_make(batch, sizeof batch), &h), KC_OK);
    EXPECT_EQ(h.attributes, KC_ATTRIBUTE_LOG_APPEND_TIME);
    EXPECT_EQ(h.max_timestamp, 1800000000000);
    kc_batch_set_max_timestamp(batch, GOLDEN_TIME + 5);
    EXPECT_MEM(batch, golden, sizeof golden);
}

TEST(a_stored_batch_that_is_cut_is_told_from_a_corrupt_one) {
    struct kc_batch_header h = {.magic = 99};
    for (size_t size = 0; size < sizeof golden; size++) {
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, golden, size);
        EXPECT_EQ(kc_batch_check_stored(kc_slice_make(copy, size), &h), KC_END);
        free(copy);
    }
    EXPECT_EQ(h.magic, 99); /* untouched */
    uint8_t two[200] = {0};
    memcpy(two, golden, sizeof golden);
    EXPECT_EQ(kc_batch_check_stored(kc_slice_make(two, sizeof two), &h), KC_OK);
    EXPECT_EQ(h.size_bytes, sizeof golden);
}

static kc_status stored_with(size_t at, uint64_t value, size_t width) {
    uint8_t batch[sizeof golden];
    memcpy(batch, golden, sizeof batch);
    for (size_t i = 0; i < width; i++) batch[at + i] = (uint8_t)(value >> 8 * (width - 1 - i));
    if (at >= KC_BATCH_ATTRIBUTES) kc_batch_seal(batch);
    struct kc_batch_header h;
    return kc_batch_check_stored(kc_slice_make(batch, sizeof batch), &h);
}

TEST(a_stored_batch_that_cannot_be_is_corrupt) {
    EXPECT_EQ(stored_with(KC_BATCH_LENGTH, 48, 4), KC_CORRUPT);
    EXPECT_EQ(stored_with(KC_BATCH_LENGTH, (uint32_t)-1, 4), KC_CORRUPT);
    EXPECT_EQ(stored_with(KC_BATCH_LENGTH, INT32_MAX, 4), KC_CORRUPT);
    EXPECT_EQ(stored_with(KC_BATCH_LENGTH, 200, 4), KC_END);
    EXPECT_EQ(stored_with(KC_BATCH_LENGTH, 100, 4), KC_CORRUPT); /* the CRC */
    EXPECT_EQ(stored_with(KC_BATCH_MAGIC, 1, 1), KC_CORRUPT);
    EXPECT_EQ(stored_with(KC_BATCH_CRC, 0, 4), KC_CORRUPT);
    EXPECT_EQ(stored_with(KC_BATCH_ATTRIBUTES, 5, 2), KC_CORRUPT);
    EXPECT_EQ(stored_with(KC_BATCH_LAST_OFFSET_DELTA, (uint32_t)-1, 4), KC_CORRUPT);
    EXPECT_EQ(stored_with(KC_BATCH_LAST_OFFSET_DELTA, 1, 4), KC_CORRUPT); /* three records at two offsets */
    EXPECT_EQ(stored_with(KC_BATCH_LAST_OFFSET_DELTA, 9, 4), KC_OK);      /* compaction left gaps */
    EXPECT_EQ(stored_with(KC_BATCH_RECORD_COUNT, (uint32_t)-1, 4), KC_CORRUPT);
    EXPECT_EQ(stored_with(KC_BATCH_RECORD_COUNT, INT32_MAX, 4), KC_CORRUPT);
    EXPECT_EQ(stored_with(KC_BATCH_ATTRIBUTES, KC_ATTRIBUTE_CONTROL, 2), KC_OK);
    EXPECT_EQ(stored_with(KC_BATCH_BASE_OFFSET, (uint64_t)-1, 8), KC_CORRUPT);
    EXPECT_EQ(stored_with(KC_BATCH_BASE_OFFSET, INT64_MAX, 8), KC_CORRUPT);
    EXPECT_EQ(stored_with(KC_BATCH_BASE_OFFSET, INT64_MAX - 2, 8), KC_OK);
}

RUN_ALL()

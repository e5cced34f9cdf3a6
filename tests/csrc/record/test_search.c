/* Looking for a timestamp in the golden batch: 1700000000000, +5, -1 at offsets 0, 1, 2. */
#include "fixture.h"
#include "record/search.h"

static struct kc_slice records(void) { return kc_slice_make(golden + 61, sizeof golden - 61); }

TEST(the_first_record_at_or_after_a_timestamp_is_found) {
    struct kc_batch_header h;
    kc_batch_header_load(golden, &h);
    h.base_offset = 100;
    struct kc_timestamped_offset found = {0, 0};
    EXPECT_EQ(kc_record_find_timestamp(records(), &h, 0, 0, &found), KC_OK);
    EXPECT_EQ(found.offset, 100);
    EXPECT_EQ(found.timestamp, GOLDEN_TIME);
    EXPECT_EQ(kc_record_find_timestamp(records(), &h, GOLDEN_TIME + 1, 0, &found), KC_OK);
    EXPECT_EQ(found.offset, 101);
    EXPECT_EQ(kc_record_find_timestamp(records(), &h, 0, 102, &found), KC_OK); /* the log starts inside the batch */
    EXPECT_EQ(found.offset, 102);
    EXPECT_EQ(found.timestamp, GOLDEN_TIME - 1);
    EXPECT_EQ(kc_record_find_timestamp(records(), &h, GOLDEN_TIME + 6, 0, &found), KC_END);
    EXPECT_EQ(kc_record_find_timestamp(records(), &h, 0, 103, &found), KC_END);
    EXPECT_EQ(found.offset, 102); /* untouched */
}

TEST(the_highest_timestamp_is_found) {
    struct kc_batch_header h;
    kc_batch_header_load(golden, &h);
    struct kc_timestamped_offset found;
    EXPECT_EQ(kc_record_find_max_timestamp(records(), &h, &found), KC_OK);
    EXPECT_EQ(found.offset, 1);
    EXPECT_EQ(found.timestamp, GOLDEN_TIME + 5);
    h.attributes = KC_ATTRIBUTE_LOG_APPEND_TIME;
    EXPECT_EQ(kc_record_find_max_timestamp(records(), &h, &found), KC_OK);
    EXPECT_EQ(found.offset, 0);
    EXPECT_EQ(found.timestamp, GOLDEN_TIME + 5);
    h.attributes = 0;
    h.base_timestamp = -10;
    EXPECT_EQ(kc_record_find_max_timestamp(records(), &h, &found), KC_END);
}

TEST(a_broken_record_is_corrupt) {
    struct kc_batch_header h;
    kc_batch_header_load(golden, &h);
    struct kc_timestamped_offset found;
    struct kc_slice cut = {golden + 61, sizeof golden - 62};
    EXPECT_EQ(kc_record_find_timestamp(cut, &h, INT64_MAX, 0, &found), KC_CORRUPT);
    EXPECT_EQ(kc_record_find_max_timestamp(cut, &h, &found), KC_CORRUPT);
}

RUN_ALL()

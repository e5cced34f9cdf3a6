/* The gate: each rule of a Produce request, with Kafka's reason for each refusal; every flipped byte, every truncation and
 * random damage.  The expected answers are those recorded from Apache Kafka 4.3.1. */
#include "fixture.h"
#include "record/iterate.h"

static struct kc_batch_refusal with(size_t at, uint64_t value, size_t width) {
    struct kc_batch_rules rules = default_rules();
    return verdict_with(at, value, width, &rules, NULL);
}

static const char *formatted(const struct kc_batch_refusal *refusal) {
    static char out[KC_BATCH_REFUSAL_TEXT_MAX];
    size_t size = kc_batch_refusal_format(refusal, out, sizeof out);
    EXPECT_EQ(size, strlen(out));
    return out;
}

TEST(a_good_batch_is_accepted_and_told_about) {
    struct kc_batch_rules rules = default_rules();
    struct kc_batch_info info;
    EXPECT_EQ(verdict(golden, sizeof golden, &rules, &info).fault, KC_FAULT_NONE);
    EXPECT_EQ(info.header.size_bytes, sizeof golden);
    EXPECT_EQ(info.header.record_count, 3);
    EXPECT_EQ(info.header.last_offset_delta, 2);
    EXPECT_EQ(info.header.producer_id, -1);
    EXPECT_EQ(info.max_timestamp, GOLDEN_TIME + 5);
    EXPECT_EQ(info.offset_of_max_timestamp_delta, 1);
    EXPECT(!info.max_timestamp_differs);
}

TEST(a_header_that_lies_about_its_newest_record_is_corrected) {
    struct kc_batch_rules rules = default_rules();
    struct kc_batch_info info;
    EXPECT_EQ(verdict_with(KC_BATCH_MAX_TIMESTAMP, GOLDEN_TIME + 6, 8, &rules, &info).fault, KC_FAULT_NONE);
    EXPECT(info.max_timestamp_differs);
    EXPECT_EQ(info.max_timestamp, GOLDEN_TIME + 5);
}

TEST(no_batch_a_partial_batch_and_two_batches_are_invalid) {
    EXPECT_EQ(fault_of(golden, 0), KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(fault_of(golden, sizeof golden - 1), KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(with(KC_BATCH_LENGTH, sizeof golden - 12 + 1, 4).fault, KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(with(KC_BATCH_LENGTH, INT32_MAX, 4).fault, KC_FAULT_INVALID_RECORD);
    uint8_t two[2 * sizeof golden];
    memcpy(two, golden, sizeof golden);
    memcpy(two + sizeof golden, golden, sizeof golden);
    EXPECT_EQ(fault_of(two, sizeof two), KC_FAULT_INVALID_RECORD);
}

TEST(what_cannot_be_a_batch_of_its_own_behind_the_batch_is_ignored) {
    uint8_t bytes[sizeof golden + 40] = {0};
    memcpy(bytes, golden, sizeof golden);
    memcpy(bytes + sizeof golden, golden, 40); /* a second batch, cut */
    struct kc_batch_rules rules = default_rules();
    struct kc_batch_info info;
    EXPECT_EQ(verdict(bytes, sizeof golden + 5, &rules, &info).fault, KC_FAULT_NONE);
    EXPECT_EQ(info.header.size_bytes, sizeof golden);
    EXPECT_EQ(verdict(bytes, sizeof bytes, &rules, &info).fault, KC_FAULT_NONE);
    bytes[sizeof golden + KC_BATCH_MAGIC] = 9;
    EXPECT_EQ(verdict(bytes, sizeof bytes, &rules, &info).fault, KC_FAULT_CORRUPT);
}

TEST(lengths_and_magics_that_no_version_knows_are_corrupt) {
    struct kc_batch_refusal r = with(KC_BATCH_LENGTH, 3, 4);
    EXPECT_EQ(r.fault, KC_FAULT_CORRUPT);
    EXPECT_STR(formatted(&r), "Record size 3 is less than the minimum record overhead (14)");
    EXPECT_EQ(with(KC_BATCH_LENGTH, 13, 4).fault, KC_FAULT_CORRUPT);
    EXPECT_EQ(with(KC_BATCH_LENGTH, (uint32_t)-1, 4).fault, KC_FAULT_CORRUPT);
    EXPECT_EQ(with(KC_BATCH_LENGTH, 14, 4).fault, KC_FAULT_CORRUPT); /* magic 2, but shorter than its header */
    EXPECT_EQ(with(KC_BATCH_LENGTH, 48, 4).fault, KC_FAULT_CORRUPT);
    r = with(KC_BATCH_MAGIC, 3, 1);
    EXPECT_EQ(r.fault, KC_FAULT_CORRUPT);
    EXPECT_STR(formatted(&r), "Invalid magic found in record: 3");
    EXPECT_EQ(with(KC_BATCH_MAGIC, 0xff, 1).fault, KC_FAULT_CORRUPT);
    EXPECT_EQ(with(KC_BATCH_MAGIC, 0, 1).fault, KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(with(KC_BATCH_MAGIC, 1, 1).fault, KC_FAULT_INVALID_RECORD);
}

TEST(a_wrong_crc_is_corrupt) { EXPECT_EQ(with(KC_BATCH_CRC, 1, 4).fault, KC_FAULT_CORRUPT); }

TEST(counts_offsets_and_attributes_follow_the_rules_for_clients) {
    EXPECT_EQ(with(KC_BATCH_RECORD_COUNT, 99, 4).fault, KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(with(KC_BATCH_RECORD_COUNT, 0, 4).fault, KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(with(KC_BATCH_RECORD_COUNT, (uint32_t)-1, 4).fault, KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(with(KC_BATCH_RECORD_COUNT, 0x80000000u, 4).fault, KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(with(KC_BATCH_LAST_OFFSET_DELTA, 5, 4).fault, KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(with(KC_BATCH_LAST_OFFSET_DELTA, (uint32_t)-1, 4).fault, KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(with(KC_BATCH_BASE_OFFSET, 77, 8).fault, KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(with(KC_BATCH_ATTRIBUTES, KC_ATTRIBUTE_CONTROL, 2).fault, KC_FAULT_INVALID_RECORD);
    for (uint64_t codec = 5; codec <= 7; codec++) EXPECT_EQ(with(KC_BATCH_ATTRIBUTES, codec, 2).fault, KC_FAULT_INVALID_RECORD);
    EXPECT_EQ(with(KC_BATCH_ATTRIBUTES, KC_CODEC_GZIP, 2).fault, KC_FAULT_INVALID_RECORD); /* on uncompressed bytes */
    EXPECT_EQ(with(KC_BATCH_ATTRIBUTES, 0x80, 2).fault, KC_FAULT_NONE);                    /* an unused bit */
    EXPECT_EQ(with(KC_BATCH_ATTRIBUTES, KC_ATTRIBUTE_TRANSACTIONAL, 2).fault, KC_FAULT_NONE); /* the log knows transactions */
    EXPECT_EQ(with(KC_BATCH_PRODUCER_ID, 4711, 8).fault, KC_FAULT_INVALID_RECORD);         /* with sequence -1 */
    EXPECT_EQ(with(KC_BATCH_LEADER_EPOCH, 12, 4).fault, KC_FAULT_NONE);
}

/* A count and last delta that agree, of batches with too few and too many records. */
TEST(the_records_must_be_as_many_as_the_header_says) {
    for (int count = 1; count < 6; count++) {
        uint8_t batch[sizeof golden];
        memcpy(batch, golden, sizeof batch);
        kc_store_i32(batch + KC_BATCH_RECORD_COUNT, count);
        kc_store_i32(batch + KC_BATCH_LAST_OFFSET_DELTA, count - 1);
        kc_batch_seal(batch);
        EXPECT_EQ(fault_of(batch, sizeof batch), count == 3 ? KC_FAULT_NONE : KC_FAULT_INVALID_RECORD);
    }
}

TEST(a_batch_above_the_topics_limit_is_too_large) {
    struct kc_batch_rules rules = default_rules();
    rules.batch_size_max_bytes = sizeof golden;
    EXPECT_EQ(verdict(golden, sizeof golden, &rules, NULL).fault, KC_FAULT_NONE);
    rules.batch_size_max_bytes--;
    EXPECT_EQ(verdict(golden, sizeof golden, &rules, NULL).fault, KC_FAULT_TOO_LARGE);
}

TEST(timestamps_are_bound_on_topics_with_create_time_only) {
    struct kc_batch_rules rules = default_rules();
    rules.timestamp_before_max_ms = 60001;
    EXPECT_EQ(verdict(golden, sizeof golden, &rules, NULL).fault, KC_FAULT_NONE);
    rules.timestamp_before_max_ms = 60000; /* the third record is a millisecond too old */
    struct kc_batch_refusal r = verdict(golden, sizeof golden, &rules, NULL);
    EXPECT_EQ(r.fault, KC_FAULT_INVALID_TIMESTAMP);
    EXPECT_EQ(r.record_index, 2);
    EXPECT_STR(formatted(&r), "Timestamp 1699999999999 of message with offset 2 is out of range. "
                              "The timestamp should be within [1700000000000, 1700003660000]");
    rules.log_append_time = true;
    EXPECT_EQ(verdict(golden, sizeof golden, &rules, NULL).fault, KC_FAULT_NONE);
    rules = default_rules();
    rules.now_ms = GOLDEN_TIME - 3600000 + 4;
    r = verdict(golden, sizeof golden, &rules, NULL);
    EXPECT_EQ(r.fault, KC_FAULT_INVALID_TIMESTAMP);
    EXPECT_EQ(r.record_index, 1);
    rules.now_ms++;
    EXPECT_EQ(verdict(golden, sizeof golden, &rules, NULL).fault, KC_FAULT_NONE);
    /* Bounds that would overflow are no bounds. */
    rules.now_ms = INT64_MIN;
    rules.timestamp_after_max_ms = INT64_MAX;
    EXPECT_EQ(verdict(golden, sizeof golden, &rules, NULL).fault, KC_FAULT_INVALID_TIMESTAMP);
    rules.now_ms = 1;
    EXPECT_EQ(verdict(golden, sizeof golden, &rules, NULL).fault, KC_FAULT_NONE);
}

TEST(records_without_a_timestamp_are_never_out_of_range) {
    struct kc_batch_rules rules = default_rules();
    rules.timestamp_before_max_ms = 1000;
    uint8_t buffer[200];
    struct kc_batch_spec spec = kc_batch_spec_plain();
    struct kc_batch_builder b;
    struct kc_slice batch;
    kc_batch_builder_init(&b, buffer, sizeof buffer, &spec);
    EXPECT_EQ(kc_batch_builder_add(&b, -1, text("k"), text("v"), NULL, 0), KC_OK);
    EXPECT_EQ(kc_batch_builder_finish(&b, &batch), KC_OK);
    struct kc_batch_info info;
    EXPECT_EQ(verdict(batch.data, batch.size, &rules, &info).fault, KC_FAULT_NONE);
    EXPECT_EQ(info.max_timestamp, -1);
    EXPECT_EQ(info.offset_of_max_timestamp_delta, 0);
    EXPECT(!info.max_timestamp_differs);
}

TEST(a_clients_log_append_time_is_taken_for_create_time) {
    struct kc_batch_rules rules = default_rules();
    struct kc_batch_info info;
    EXPECT_EQ(verdict_with(KC_BATCH_ATTRIBUTES, KC_ATTRIBUTE_LOG_APPEND_TIME, 2, &rules, &info).fault, KC_FAULT_NONE);
    EXPECT(info.max_timestamp_differs);
    EXPECT_EQ(info.max_timestamp, GOLDEN_TIME + 5);
    rules.log_append_time = true;
    EXPECT_EQ(verdict_with(KC_BATCH_ATTRIBUTES, KC_ATTRIBUTE_LOG_APPEND_TIME, 2, &rules, NULL).fault, KC_FAULT_INVALID_TIMESTAMP);
}

TEST(a_missing_key_is_found_where_keys_are_required) {
    struct kc_batch_rules rules = default_rules();
    rules.keys_required = true;
    struct kc_batch_refusal r = verdict(golden, sizeof golden, &rules, NULL);
    EXPECT_EQ(r.fault, KC_FAULT_NULL_KEY);
    EXPECT_EQ(r.record_index, 1);
    /* Where a record breaks both rules of the topic, the timestamp is named, as Kafka does. */
    rules.timestamp_before_max_ms = 1;
    EXPECT_EQ(verdict(golden, sizeof golden, &rules, NULL).fault, KC_FAULT_INVALID_TIMESTAMP);
}

TEST(zstd_needs_a_request_that_knows_it) {
    struct kc_batch_rules rules = default_rules();
    rules.zstd_allowed = false;
    EXPECT_EQ(verdict_with(KC_BATCH_ATTRIBUTES, KC_CODEC_ZSTD, 2, &rules, NULL).fault, KC_FAULT_UNSUPPORTED_CODEC);
}

/* Positions in the golden batch: the records begin at 61, 99 and 113. */
TEST(records_that_break_the_format_are_named) {
    static const struct {
        size_t at;
        uint8_t value;
        int32_t record_index;
        const char *what;
    } cases[] = {
        {61, 0x00, 0, "size 0"},
        {61, 0x01, 0, "size -1"},
        {61, 0x48, 0, "a size one too small"},
        {61, 0x4c, 0, "a size one too large"},
        {62, 0x01, 0, "an attribute for compression"},
        {64, 0x02, 0, "offset delta 1 first"},
        {65, 0x03, 0, "key size -2"},
        {65, 0x7e, 0, "a key longer than the record"},
        {71, 0x0d, 0, "value size -7"},
        {79, 0x08, 0, "four headers where three are"},
        {79, 0x05, 0, "header count -3"},
        {79, 0x04, 0, "two headers and bytes behind them"},
        {80, 0x01, 0, "a header without a key"},
        {83, 0x03, 0, "header value size -2"},
        {102, 0x06, 1, "offset delta 3 after 0"},
        {102, 0x00, 1, "offset delta 0 twice"},
        {113, 0x0e, 2, "a record beyond the batch"},
        {119, 0x02, 2, "a header that is not there"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kc_batch_refusal r = with(cases[i].at, cases[i].value, 1);
        if (r.fault != KC_FAULT_INVALID_RECORD || r.record_index != cases[i].record_index) fprintf(stderr, "%s\n", cases[i].what);
        EXPECT_EQ(r.fault, KC_FAULT_INVALID_RECORD);
        EXPECT_EQ(r.record_index, cases[i].record_index);
    }
    EXPECT_EQ(with(62, 0x10, 1).fault, KC_FAULT_NONE); /* an attribute of no meaning */
}

TEST(each_flipped_bit_is_refused_unless_the_crc_leaves_it_out) {
    for (size_t bit = 0; bit < 8 * sizeof golden; bit++) {
        uint8_t batch[sizeof golden];
        memcpy(batch, golden, sizeof batch);
        batch[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum kc_batch_fault fault = fault_of(batch, sizeof batch);
        bool epoch = bit / 8 >= KC_BATCH_LEADER_EPOCH && bit / 8 < KC_BATCH_MAGIC;
        EXPECT_EQ(fault == KC_FAULT_NONE, epoch);
    }
}

TEST(each_truncation_is_refused) {
    for (size_t size = 0; size < sizeof golden; size++) {
        EXPECT_EQ(fault_of(golden, size), KC_FAULT_INVALID_RECORD);
        /* The same with a length that fits what is left. */
        if (size < KC_BATCH_HEADER_SIZE) continue;
        uint8_t batch[sizeof golden];
        memcpy(batch, golden, sizeof batch);
        kc_store_i32(batch + KC_BATCH_LENGTH, (int32_t)size - KC_BATCH_LOG_OVERHEAD);
        kc_batch_seal(batch);
        EXPECT_EQ(fault_of(batch, size), KC_FAULT_INVALID_RECORD);
    }
}

/* Damage behind a CRC that is right: only the parser stands in the way. */
TEST(random_damage_is_refused_or_parses_to_the_last_byte) {
    struct kc_batch_rules rules = default_rules();
    int accepted = 0;
    for (int round = 0; round < 20000; round++) {
        uint8_t batch[sizeof golden];
        memcpy(batch, golden, sizeof batch);
        for (uint64_t n = 1 + kc_test_random_below(3); n > 0; n--)
            batch[KC_BATCH_HEADER_SIZE + kc_test_random_below(sizeof golden - KC_BATCH_HEADER_SIZE)] = (uint8_t)kc_test_random();
        kc_batch_seal(batch);
        struct kc_batch_info info;
        if (verdict(batch, sizeof batch, &rules, &info).fault != KC_FAULT_NONE) continue;
        accepted++;
        struct kc_record_iterator it;
        struct kc_record record;
        int count = 0;
        kc_record_iterator_init(&it, kc_slice_make(batch + 61, sizeof batch - 61), info.header.record_count);
        while (kc_record_next(&it, &record) == KC_OK) EXPECT_EQ(record.offset_delta, count++);
        EXPECT_EQ(kc_record_next(&it, &record), KC_END);
        EXPECT_EQ(count, 3);
    }
    EXPECT(accepted > 100); /* damage to keys and values is none */
}

/* A batch of records of few sizes, so that most are as the one before them. */
static struct kc_slice alike_batch(uint8_t *bytes, size_t capacity, int count) {
    static const uint8_t letters[300];
    struct kc_batch_spec spec = kc_batch_spec_plain();
    struct kc_batch_builder builder;
    struct kc_slice batch;
    kc_batch_builder_init(&builder, bytes, capacity, &spec);
    size_t key_size = 0, value_size = 0;
    uint64_t same_size = 1 + kc_test_random_below(100), same_time = 1 + kc_test_random_below(100);
    int64_t timestamp = GOLDEN_TIME;
    for (int i = 0; i < count; i++) {
        if (i == 0 || kc_test_random_below(same_size) == 0) {
            key_size = kc_test_random_below(4) ? kc_test_random_below(3) : 70;
            value_size = kc_test_random_below(4) ? 20 + kc_test_random_below(12) : kc_test_random_below(150);
        }
        if (kc_test_random_below(same_time) == 0) timestamp = GOLDEN_TIME + (int64_t)kc_test_random_below(3) * (kc_test_random_below(8) ? 40 : 9000);
        struct kc_slice key = kc_slice_make(key_size ? letters : NULL, key_size);
        EXPECT_EQ(kc_batch_builder_add(&builder, timestamp, key, kc_slice_make(letters, value_size), NULL, 0), KC_OK);
    }
    EXPECT_EQ(kc_batch_builder_finish(&builder, &batch), KC_OK);
    return batch;
}

/* What one record after the other, each parsed by itself, says of the batch. */
static bool each_is_sound(struct kc_slice batch, int64_t *max_timestamp, int32_t *index) {
    struct kc_batch_header h;
    struct kc_record_iterator it;
    struct kc_record record;
    kc_status status;
    kc_batch_header_load(batch.data, &h);
    kc_record_iterator_init(&it, kc_slice_make(batch.data + 61, batch.size - 61), h.record_count);
    *max_timestamp = -1;
    for (int32_t i = 0; (status = kc_record_next(&it, &record)) == KC_OK; i++) {
        if (record.offset_delta != i || record.attributes & KC_ATTRIBUTE_CODEC_MASK) return false;
        if (h.base_timestamp + record.timestamp_delta <= *max_timestamp) continue;
        *max_timestamp = h.base_timestamp + record.timestamp_delta;
        *index = i;
    }
    return status == KC_END;
}

TEST(records_alike_are_judged_as_if_each_stood_alone) {
    struct kc_batch_rules rules = default_rules();
    static uint8_t bytes[65536];
    int sound = 0, unsound = 0;
    rules.timestamp_after_max_ms = INT64_MAX;
    for (int round = 0; round < 20000; round++) {
        struct kc_slice batch = alike_batch(bytes, sizeof bytes, 1 + (int)kc_test_random_below(kc_test_random_below(4) ? 40 : 220));
        for (uint64_t n = kc_test_random_below(4); n > 0; n--) {
            uint8_t *at = bytes + KC_BATCH_HEADER_SIZE + kc_test_random_below(batch.size - KC_BATCH_HEADER_SIZE);
            *at = kc_test_random_below(2) ? (uint8_t)kc_test_random() : (uint8_t)(*at + kc_test_random_below(5) - 2);
        }
        kc_batch_seal(bytes);
        struct kc_batch_info info;
        int64_t max_timestamp;
        int32_t index = 0;
        bool good = each_is_sound(batch, &max_timestamp, &index);
        struct kc_batch_refusal refusal = verdict(batch.data, batch.size, &rules, &info);
        EXPECT_EQ(refusal.fault == KC_FAULT_NONE, good);
        *(good ? &sound : &unsound) += 1;
        if (!good) continue;
        EXPECT_EQ(info.max_timestamp, max_timestamp);
        EXPECT_EQ(info.offset_of_max_timestamp_delta, index);
    }
    EXPECT(sound > 2000 && unsound > 2000);
}

/* Four records of 40 bytes whose number of headers takes two bytes; in the last of them the first of these is `low`. */
static bool takes_long_header_counts(uint8_t low) {
    static uint8_t bytes[4096];
    enum { SIZE = 40 };
    struct kc_batch_spec spec = kc_batch_spec_plain();
    struct kc_batch_builder builder;
    struct kc_slice batch;
    struct kc_batch_rules rules = default_rules();
    static const uint8_t letters[SIZE];
    kc_batch_builder_init(&builder, bytes, sizeof bytes, &spec);
    for (int i = 0; i < 5; i++)        /* the fifth keeps the others from being the last */
        EXPECT_EQ(kc_batch_builder_add(&builder, GOLDEN_TIME, kc_slice_make(NULL, 0), kc_slice_make(letters, SIZE - 7), NULL, 0), KC_OK);
    EXPECT_EQ(kc_batch_builder_finish(&builder, &batch), KC_OK);
    for (int i = 0; i < 4; i++) {
        uint8_t *record = bytes + KC_BATCH_HEADER_SIZE + i * SIZE;
        record[5] = 2 * (SIZE - 8);    /* the value gives a byte to the number of headers */
        record[SIZE - 2] = i == 3 ? low : 0x80;
        record[SIZE - 1] = 0;
    }
    kc_batch_seal(bytes);
    return verdict(bytes, batch.size, &rules, NULL).fault == KC_FAULT_NONE;
}

TEST(a_number_of_headers_of_two_bytes_is_read_whole) {
    EXPECT(takes_long_header_counts(0x80));
    EXPECT(!takes_long_header_counts(0x82));   /* one header, and no byte left for it */
}

TEST(a_text_that_does_not_fit_is_cut) {
    struct kc_batch_refusal r = {KC_FAULT_CORRUPT, -1, "a %lld b %lld", {-5, INT64_MIN, 0, 0}};
    char out[64];
    EXPECT_EQ(kc_batch_refusal_format(&r, out, sizeof out), 27);
    EXPECT_STR(out, "a -5 b -9223372036854775808");
    for (size_t capacity = 1; capacity < 28; capacity++) EXPECT_EQ(kc_batch_refusal_format(&r, out, capacity), capacity - 1);
    EXPECT_EQ(kc_batch_refusal_format(&r, out, 0), 0);
}

RUN_ALL()

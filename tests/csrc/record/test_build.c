/* Building: the golden batch is rebuilt byte for byte, random batches are read back, and a buffer is never overrun. */
#include "fixture.h"
#include "record/columns.h"

static kc_status build_golden(struct kc_batch_builder *b) {
    struct kc_record_header headers[3] = {
        {text("h1"), false, text("v1")}, {text("empty"), false, text("")}, {text("null"), true, kc_slice_make(NULL, 0)}};
    kc_status status = kc_batch_builder_add(b, GOLDEN_TIME, text("key-0"), text("value-0"), headers, 3);
    if (status == KC_OK) status = kc_batch_builder_add(b, GOLDEN_TIME + 5, text(NULL), text("value-1"), NULL, 0);
    if (status == KC_OK) status = kc_batch_builder_add(b, GOLDEN_TIME - 1, text(""), text(NULL), NULL, 0);
    return status;
}

TEST(the_golden_batch_is_rebuilt) {
    uint8_t buffer[sizeof golden];
    struct kc_batch_spec spec = kc_batch_spec_plain();
    spec.leader_epoch = 0;
    struct kc_batch_builder b;
    struct kc_slice batch;
    kc_batch_builder_init(&b, buffer, sizeof buffer, &spec);
    EXPECT_EQ(build_golden(&b), KC_OK);
    EXPECT_EQ(kc_batch_builder_finish(&b, &batch), KC_OK);
    EXPECT_EQ(batch.size, sizeof golden);
    EXPECT_MEM(batch.data, golden, sizeof golden);
}

TEST(a_record_that_does_not_fit_changes_nothing_and_can_be_added_after_a_move) {
    struct kc_batch_spec spec = kc_batch_spec_plain();
    spec.leader_epoch = 0;
    for (size_t capacity = 0; capacity < sizeof golden; capacity++) {
        uint8_t *small = malloc(capacity ? capacity : 1);
        struct kc_batch_builder b;
        kc_batch_builder_init(&b, small, capacity, &spec);
        EXPECT_EQ(build_golden(&b), KC_LIMIT);
        size_t used = b.used;
        int32_t count = b.record_count;
        EXPECT_EQ(kc_batch_builder_add(&b, 9, text("0123456789"), text("0123456789012345678901234567890123456789"), NULL, 0), KC_LIMIT);
        EXPECT_EQ(b.used, used);
        EXPECT_EQ(b.record_count, count);
        struct kc_slice batch;
        EXPECT_EQ(kc_batch_builder_finish(&b, &batch), capacity < 61 ? KC_LIMIT : KC_OK);
        uint8_t large[sizeof golden];
        memcpy(large, small, used < capacity ? used : capacity);
        kc_batch_builder_moved(&b, large, sizeof large);
        free(small);
        if (count == 0) EXPECT_EQ(build_golden(&b), KC_OK);
        if (count == 1) EXPECT_EQ(kc_batch_builder_add(&b, GOLDEN_TIME + 5, text(NULL), text("value-1"), NULL, 0), KC_OK);
        if (count == 1 || count == 2) EXPECT_EQ(kc_batch_builder_add(&b, GOLDEN_TIME - 1, text(""), text(NULL), NULL, 0), KC_OK);
        EXPECT_EQ(kc_batch_builder_finish(&b, &batch), KC_OK);
        EXPECT_MEM(batch.data, golden, sizeof golden);
    }
}

TEST(an_empty_batch_keeps_a_range_of_offsets) {
    uint8_t buffer[61];
    struct kc_batch_spec spec = kc_batch_spec_plain();
    spec.producer_id = 5;
    spec.producer_epoch = 1;
    spec.base_sequence = 10;
    struct kc_batch_builder b;
    struct kc_slice batch;
    struct kc_batch_header h;
    kc_batch_builder_init(&b, buffer, sizeof buffer, &spec);
    b.last_offset_delta = 7;
    EXPECT_EQ(kc_batch_builder_finish(&b, &batch), KC_OK);
    EXPECT_EQ(kc_batch_check_stored(batch, &h), KC_OK);
    EXPECT_EQ(h.record_count, 0);
    EXPECT_EQ(h.last_offset_delta, 7);
    EXPECT_EQ(h.base_sequence, 10);
}

TEST(offset_deltas_rise) {
    uint8_t buffer[500];
    struct kc_batch_spec spec = kc_batch_spec_plain();
    struct kc_batch_builder b;
    kc_batch_builder_init(&b, buffer, sizeof buffer, &spec);
    EXPECT_EQ(kc_batch_builder_add_at(&b, 3, 1, text("a"), text("b"), NULL, 0), KC_OK);
    EXPECT_EQ(kc_batch_builder_add_at(&b, 3, 1, text("a"), text("b"), NULL, 0), KC_INVALID);
    EXPECT_EQ(kc_batch_builder_add(&b, 1, text("a"), text("b"), NULL, 0), KC_OK);
    EXPECT_EQ(b.last_offset_delta, 4);
    EXPECT_EQ(kc_batch_builder_add_at(&b, INT32_MAX, 1, text("a"), text("b"), NULL, 0), KC_OK);
    EXPECT_EQ(kc_batch_builder_add(&b, 1, text("a"), text("b"), NULL, 0), KC_INVALID);
}

TEST(with_a_delete_horizon_timestamps_count_from_it) {
    uint8_t buffer[200];
    struct kc_batch_spec spec = kc_batch_spec_plain();
    spec.attributes = KC_ATTRIBUTE_DELETE_HORIZON;
    spec.delete_horizon_ms = 5000;
    struct kc_batch_builder b;
    struct kc_slice batch;
    kc_batch_builder_init(&b, buffer, sizeof buffer, &spec);
    EXPECT_EQ(kc_batch_builder_add(&b, 4000, text("a"), text(NULL), NULL, 0), KC_OK);
    EXPECT_EQ(kc_batch_builder_finish(&b, &batch), KC_OK);
    struct kc_batch_header h;
    kc_batch_header_load(batch.data, &h);
    EXPECT_EQ(h.base_timestamp, 5000);
    EXPECT_EQ(h.max_timestamp, 4000);
    struct kc_record_iterator it;
    struct kc_record r;
    kc_record_iterator_init(&it, kc_slice_make(batch.data + 61, batch.size - 61), 1);
    EXPECT_EQ(kc_record_next(&it, &r), KC_OK);
    EXPECT_EQ(r.timestamp_delta, -1000);
}

TEST(sizes_beyond_a_batch_are_refused_before_a_byte_is_touched) {
    uint8_t buffer[100];
    struct kc_batch_spec spec = kc_batch_spec_plain();
    struct kc_batch_builder b;
    kc_batch_builder_init(&b, buffer, sizeof buffer, &spec);
    struct kc_slice huge = {buffer, INT32_MAX};
    EXPECT_EQ(kc_batch_builder_add(&b, 0, huge, text("v"), NULL, 0), KC_INVALID);
    EXPECT_EQ(kc_batch_builder_add(&b, 0, text("k"), kc_slice_make(buffer, SIZE_MAX / 2), NULL, 0), KC_INVALID);
    EXPECT_EQ(kc_record_size_max(kc_slice_make(buffer, SIZE_MAX), kc_slice_make(buffer, SIZE_MAX), SIZE_MAX), 0);
    uint8_t out[61];
    struct kc_batch_header h = {0};
    EXPECT_EQ(kc_batch_wrap(&h, huge, out), KC_INVALID);
}

TEST(a_section_is_wrapped_with_its_header_and_crc) {
    uint8_t out[sizeof golden];
    struct kc_batch_header h;
    kc_batch_header_load(golden, &h);
    EXPECT_EQ(kc_batch_wrap(&h, kc_slice_make(golden + 61, sizeof golden - 61), out), KC_OK);
    EXPECT_MEM(out, golden, sizeof golden);
}

/* Random records through columns: encode, validate, decode, compare. */
TEST(random_columns_come_back) {
    enum { COUNT = 40, BYTES = 4000 };
    for (int round = 0; round < 300; round++) {
        uint8_t bytes[BYTES], headers[BYTES];
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)kc_test_random();
        int64_t timestamp[COUNT], kp[COUNT], ks[COUNT], vp[COUNT], vs[COUNT], hp[COUNT], hs[COUNT], hc[COUNT];
        int32_t count = 1 + (int32_t)kc_test_random_below(COUNT);
        size_t headers_used = 0;
        for (int i = 0; i < count; i++) {
            timestamp[i] = GOLDEN_TIME + (int64_t)kc_test_random_below(1u << kc_test_random_below(30)) - 500;
            ks[i] = (int64_t)kc_test_random_below(300) - 1;
            vs[i] = (int64_t)kc_test_random_below(1u << kc_test_random_below(11)) - 1;
            kp[i] = (int64_t)kc_test_random_below(BYTES - 300);
            vp[i] = (int64_t)kc_test_random_below(BYTES - 2048);
            hp[i] = (int64_t)headers_used;
            hc[i] = (int64_t)kc_test_random_below(3);
            for (int64_t n = 0; n < hc[i]; n++) {
                headers[headers_used++] = 4; /* "hi" */
                headers[headers_used++] = 'h';
                headers[headers_used++] = 'i';
                headers[headers_used++] = (uint8_t)kc_test_random_below(2); /* empty or null */
            }
            hs[i] = (int64_t)headers_used - hp[i];
        }
        struct kc_record_source source = {.keys = {bytes, BYTES}, .values = {bytes, BYTES}, .headers = {headers, headers_used},
                                          .timestamp = timestamp, .key_position = kp, .key_size = ks,
                                          .value_position = vp, .value_size = vs,
                                          .headers_position = hp, .headers_size = hs, .header_count = hc};
        size_t size_max;
        int32_t bad = -1;
        EXPECT_EQ(kc_record_columns_size_max(&source, count, &size_max, &bad), KC_OK);
        uint8_t *buffer = malloc(61 + size_max);
        struct kc_batch_spec spec = kc_batch_spec_plain();
        struct kc_batch_builder b;
        kc_batch_builder_init(&b, buffer, 61 + size_max, &spec);
        EXPECT_EQ(kc_record_columns_encode(&b, &source, count, &bad), KC_OK);
        struct kc_slice batch;
        EXPECT_EQ(kc_batch_builder_finish(&b, &batch), KC_OK);
        struct kc_batch_rules rules = default_rules();
        rules.timestamp_after_max_ms = INT64_MAX;
        struct kc_batch_info info;
        EXPECT_EQ(verdict(batch.data, batch.size, &rules, &info).fault, KC_FAULT_NONE);
        EXPECT(!info.max_timestamp_differs);
        struct kc_record_iterator it;
        struct kc_record r;
        kc_record_iterator_init(&it, kc_slice_make(batch.data + 61, batch.size - 61), count);
        for (int i = 0; i < count; i++) {
            EXPECT_EQ(kc_record_next(&it, &r), KC_OK);
            EXPECT_EQ(info.header.base_timestamp + r.timestamp_delta, timestamp[i]);
            EXPECT_EQ(r.key_null ? -1 : (int64_t)r.key.size, ks[i]);
            if (ks[i] > 0) EXPECT_MEM(r.key.data, bytes + kp[i], r.key.size);
            EXPECT_EQ(r.value_null ? -1 : (int64_t)r.value.size, vs[i]);
            if (vs[i] > 0) EXPECT_MEM(r.value.data, bytes + vp[i], r.value.size);
            EXPECT_EQ(r.header_count, hc[i]);
            EXPECT(kc_slice_equal(r.headers, kc_slice_make(headers + hp[i], (size_t)hs[i])));
        }
        EXPECT_EQ(kc_record_next(&it, &r), KC_END);
        free(buffer);
    }
}

TEST(rows_that_name_bytes_outside_their_buffer_are_refused) {
    int64_t zero[1] = {0}, one[1] = {1}, null[1] = {-1}, worse[1] = {-2}, big[1] = {INT64_MAX};
    size_t size;
    int32_t bad = -1;
    struct kc_record_source good = {.keys = text("k"), .values = text("v"), .timestamp = zero, .key_position = zero,
                                    .key_size = one, .value_position = zero, .value_size = null};
    EXPECT_EQ(kc_record_columns_size_max(&good, 1, &size, &bad), KC_OK);
    struct kc_record_source s = good;
    s.key_position = one;
    EXPECT_EQ(kc_record_columns_size_max(&s, 1, &size, &bad), KC_INVALID);
    EXPECT_EQ(bad, 0);
    s = good;
    s.key_position = null;
    EXPECT_EQ(kc_record_columns_size_max(&s, 1, &size, &bad), KC_INVALID);
    s = good;
    s.value_size = worse;
    EXPECT_EQ(kc_record_columns_size_max(&s, 1, &size, &bad), KC_INVALID);
    s.value_size = big;
    EXPECT_EQ(kc_record_columns_size_max(&s, 1, &size, &bad), KC_INVALID);
    s = good;
    s.headers = text("\x02h");
    s.headers_position = zero;
    s.headers_size = one;
    s.header_count = one;
    EXPECT_EQ(kc_record_columns_size_max(&s, 1, &size, &bad), KC_INVALID); /* no header is one byte long */
    s.header_count = big;
    EXPECT_EQ(kc_record_columns_size_max(&s, 1, &size, &bad), KC_INVALID);
}

RUN_ALL()

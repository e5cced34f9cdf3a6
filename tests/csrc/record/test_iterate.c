/* Reading records, one by one and as columns. */
#include "fixture.h"
#include "record/columns.h"

static struct kc_slice golden_records(void) { return kc_slice_make(golden + 61, sizeof golden - 61); }

static void expect_slice(struct kc_slice s, const char *expected) {
    EXPECT_EQ(s.data == NULL, expected == NULL);
    EXPECT(kc_slice_equal(s, text(expected)));
}

TEST(the_golden_records_are_read) {
    struct kc_record_iterator it;
    struct kc_record r;
    kc_record_iterator_init(&it, golden_records(), 3);
    EXPECT_EQ(kc_record_next(&it, &r), KC_OK);
    EXPECT_EQ(r.size_bytes, 38);
    EXPECT_EQ(r.timestamp_delta, 0);
    expect_slice(r.key, "key-0");
    expect_slice(r.value, "value-0");
    EXPECT_EQ(r.header_count, 3);
    struct kc_record_header h;
    EXPECT_EQ(kc_record_header_next(&r.headers, &h), KC_OK);
    expect_slice(h.key, "h1");
    expect_slice(h.value, "v1");
    EXPECT_EQ(kc_record_header_next(&r.headers, &h), KC_OK);
    expect_slice(h.key, "empty");
    EXPECT(!h.value_null && h.value.size == 0);
    EXPECT_EQ(kc_record_header_next(&r.headers, &h), KC_OK);
    expect_slice(h.key, "null");
    EXPECT(h.value_null);
    EXPECT_EQ(kc_record_header_next(&r.headers, &h), KC_END);

    EXPECT_EQ(kc_record_next(&it, &r), KC_OK);
    EXPECT_EQ(r.timestamp_delta, 5);
    EXPECT_EQ(r.offset_delta, 1);
    EXPECT(r.key_null && !r.value_null);
    EXPECT_EQ(kc_record_next(&it, &r), KC_OK);
    EXPECT_EQ(r.timestamp_delta, -1);
    EXPECT(!r.key_null && r.key.size == 0 && r.value_null);
    EXPECT_EQ(kc_record_next(&it, &r), KC_END);
}

TEST(a_count_that_does_not_match_ends_the_walk) {
    for (int count = -1; count < 6; count++) {
        struct kc_record_iterator it;
        struct kc_record r;
        kc_record_iterator_init(&it, golden_records(), count);
        kc_status status;
        while ((status = kc_record_next(&it, &r)) == KC_OK) continue;
        EXPECT_EQ(status, count == 3 ? KC_END : KC_CORRUPT);
    }
}

TEST(bytes_that_are_no_headers_are_corrupt) {
    struct kc_slice bad = text("\x04h");
    struct kc_record_header h;
    EXPECT_EQ(kc_record_header_next(&bad, &h), KC_CORRUPT);
    EXPECT_EQ(bad.size, 2);
}

struct arrays {
    int64_t column[9][64];
};

static struct kc_record_columns columns_of(struct arrays *a) {
    return (struct kc_record_columns){a->column[0], a->column[1], a->column[2], a->column[3], a->column[4],
                                      a->column[5], a->column[6], a->column[7], a->column[8]};
}

TEST(columns_hold_what_the_iterator_reads) {
    struct arrays a;
    int32_t bad = -1;
    struct kc_record_columns c = columns_of(&a);
    EXPECT_EQ(kc_record_columns_decode(golden_records(), 3, c, &bad), KC_OK);
    struct kc_record_iterator it;
    struct kc_record r;
    kc_record_iterator_init(&it, golden_records(), 3);
    for (int i = 0; kc_record_next(&it, &r) == KC_OK; i++) {
        EXPECT_EQ(c.offset_delta[i], i);
        EXPECT_EQ(c.timestamp_delta[i], r.timestamp_delta);
        EXPECT_EQ(c.key_size[i], r.key_null ? -1 : (int64_t)r.key.size);
        EXPECT_EQ(c.value_size[i], r.value_null ? -1 : (int64_t)r.value.size);
        if (!r.value_null) EXPECT_EQ(c.value_position[i], r.value.data - (golden + 61));
        EXPECT_EQ(c.header_count[i], r.header_count);
    }
    int64_t kp[3], ks[3], vp[3], vs[3];
    EXPECT_EQ(kc_record_headers_decode(golden_records(), c.headers_position[0], c.headers_size[0], 3, kp, ks, vp, vs), KC_OK);
    EXPECT_EQ(ks[1], 5);
    EXPECT_EQ(vs[1], 0);
    EXPECT_EQ(vs[2], -1);
    EXPECT_MEM(golden + 61 + kp[2], "null", 4);
    EXPECT_EQ(kc_record_headers_decode(golden_records(), c.headers_position[0], c.headers_size[0], 2, kp, ks, vp, vs), KC_CORRUPT);
    EXPECT_EQ(kc_record_headers_decode(golden_records(), 50, 10, 1, kp, ks, vp, vs), KC_CORRUPT);
    EXPECT_EQ(kc_record_columns_decode(golden_records(), 2, c, &bad), KC_CORRUPT);
    EXPECT_EQ(bad, 2);
    EXPECT_EQ(kc_record_columns_decode(golden_records(), 4, c, &bad), KC_CORRUPT);
    EXPECT_EQ(bad, 3);
}

TEST(random_bytes_never_lead_outside) {
    for (int round = 0; round < 20000; round++) {
        size_t size = kc_test_random_below(80);
        uint8_t *copy = malloc(size ? size : 1);
        for (size_t i = 0; i < size; i++) copy[i] = (uint8_t)(kc_test_random_below(4) ? kc_test_random_below(20) : kc_test_random());
        if (size > 0 && kc_test_random_below(2)) copy[0] = (uint8_t)(2 * (size - 1)); /* a size that fits */
        struct kc_record_iterator it;
        struct kc_record r;
        kc_record_iterator_init(&it, kc_slice_make(copy, size), 20);
        while (kc_record_next(&it, &r) == KC_OK) {
            if (r.key.data) EXPECT(r.key.data >= copy && r.key.data + r.key.size <= copy + size);
            if (r.value.data) EXPECT(r.value.data >= copy && r.value.data + r.value.size <= copy + size);
            struct kc_record_header h;
            int count = 0;
            while (kc_record_header_next(&r.headers, &h) == KC_OK) count++;
            EXPECT_EQ(count, r.header_count);
        }
        free(copy);
    }
}

RUN_ALL()

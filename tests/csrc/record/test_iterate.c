/* Reading records, one by one and as columns. */
#include "fixture.h"
#include "record/columns.h"
#include "record/parse.h"

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

/* Records as most are, and damaged ones: the short way accepts nothing that the long way reads differently. */
TEST(the_short_way_agrees_with_the_long_way) {
    int taken = 0;
    for (int round = 0; round < 20000; round++) {
        uint8_t buffer[512], value[200] = {0};
        struct kc_batch_spec spec = kc_batch_spec_plain();
        struct kc_batch_builder b;
        kc_batch_builder_init(&b, buffer, sizeof buffer, &spec);
        kc_batch_builder_add(&b, 0, text("k"), text("v"), NULL, 0);
        struct kc_slice key = {value, kc_test_random_below(100)}, null = {NULL, 0};
        struct kc_slice val = {value, kc_test_random_below(200)};
        EXPECT_EQ(kc_batch_builder_add_at(&b, 1 + (int32_t)kc_test_random_below(1u << kc_test_random_below(28)),
                                          (int64_t)kc_test_random_below(1u << kc_test_random_below(30)),
                                          kc_test_random_below(2) ? key : null, kc_test_random_below(4) ? val : null, NULL, 0),
                  KC_OK);
        size_t size = b.used - 61 - 9; /* the first record takes nine bytes */
        size_t behind = kc_test_random_below(40);
        uint8_t *copy = malloc(size + behind);
        memcpy(copy, buffer + 70, size);
        for (size_t i = 0; i < behind; i++) copy[size + i] = (uint8_t)kc_test_random();
        if (kc_test_random_below(2)) copy[kc_test_random_below(size < 16 ? size : 16)] = (uint8_t)kc_test_random();
        struct kc_record plain, any;
        const uint8_t *next = kc_record_parse_plain(copy, copy + size + behind, &plain);
        const uint8_t *expected = kc_record_parse_any(copy, copy + size + behind, &any);
        if (next) {
            taken++;
            EXPECT(next == expected);
            EXPECT_EQ(plain.size_bytes, any.size_bytes);
            EXPECT_EQ(plain.attributes, any.attributes);
            EXPECT_EQ(plain.timestamp_delta, any.timestamp_delta);
            EXPECT_EQ(plain.offset_delta, any.offset_delta);
            EXPECT_EQ(plain.key_null, any.key_null);
            EXPECT_EQ(plain.value_null, any.value_null);
            EXPECT(plain.key.data == any.key.data && plain.key.size == any.key.size);
            EXPECT(plain.value.data == any.value.data && plain.value.size == any.value.size);
            EXPECT_EQ(plain.header_count, any.header_count);
            EXPECT_EQ(plain.headers.size, any.headers.size);
        }
        free(copy);
    }
    EXPECT(taken > 2000);
}

RUN_ALL()

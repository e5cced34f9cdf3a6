/* The bounded reader: whatever the bytes say, it stays within them, and a failure is remembered.  Each input is copied to an
 * allocation of its exact size, so that one byte too far meets the sanitizer. */
#include "../check.h"
#include "wire/reader.h"
#include "wire/writer.h"

static struct kc_reader reader_of(const void *bytes, size_t size, uint8_t **copy) {
    *copy = malloc(size ? size : 1);
    if (size) memcpy(*copy, bytes, size);
    struct kc_reader r;
    kc_reader_init(&r, kc_slice_make(*copy, size));
    return r;
}
#define READER(r, ...)                          \
    const uint8_t r##_bytes[] = {__VA_ARGS__};  \
    uint8_t *r##_copy;                          \
    struct kc_reader r = reader_of(r##_bytes, sizeof r##_bytes, &r##_copy)

TEST(numbers_are_big_endian) {
    READER(r, 0xff, 0x01, 0x02, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 0x96, 0x01, 1);
    EXPECT_EQ(kc_read_i8(&r), -1);
    EXPECT_EQ(kc_read_i16(&r), 0x102);
    EXPECT_EQ(kc_read_i32(&r), INT32_MIN + 1);
    EXPECT_EQ(kc_read_i64(&r), 0x102);
    EXPECT_EQ(kc_read_uvarint(&r), 150);
    EXPECT_EQ(kc_read_bool(&r), true);
    EXPECT_EQ(kc_read_remaining(&r), 0);
    EXPECT(kc_reader_ok(&r));
    free(r_copy);
}

TEST(a_read_beyond_the_end_fails_for_good_and_yields_zeros) {
    READER(r, 1, 2, 3);
    EXPECT_EQ(kc_read_i32(&r), 0);
    EXPECT(!kc_reader_ok(&r));
    EXPECT_EQ(kc_read_i8(&r), 0); /* although three bytes were there */
    EXPECT_EQ(kc_read_string(&r).size, 0);
    EXPECT(kc_read_nullable_string(&r).data != NULL);
    EXPECT_EQ(kc_read_compact_array_count(&r, 1), 0);
    EXPECT_EQ(kc_read_array_count(&r, 1), 0);
    EXPECT_EQ(kc_read_uuid(&r)[15], 0);
    EXPECT(!kc_reader_ok(&r));
    free(r_copy);
}

TEST(null_and_empty_strings_differ) {
    READER(r, 0xff, 0xff, 0, 0, 0, 1, 'a', 0, 1, 2, 'b', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1);
    EXPECT(kc_read_nullable_string(&r).data == NULL);
    struct kc_slice s = kc_read_nullable_string(&r);
    EXPECT(s.data != NULL && s.size == 0);
    s = kc_read_string(&r);
    EXPECT(kc_slice_equal(s, kc_slice_make("a", 1)));
    EXPECT(kc_read_compact_nullable_string(&r).data == NULL);
    s = kc_read_compact_nullable_string(&r);
    EXPECT(s.data != NULL && s.size == 0);
    s = kc_read_compact_string(&r);
    EXPECT(kc_slice_equal(s, kc_slice_make("b", 1)));
    EXPECT(kc_read_bytes(&r).data == NULL);
    EXPECT(kc_read_bytes(&r).data != NULL);
    EXPECT(kc_read_compact_bytes(&r).data == NULL);
    EXPECT(kc_read_compact_bytes(&r).data != NULL);
    EXPECT(kc_reader_ok(&r));
    EXPECT_EQ(kc_read_remaining(&r), 0);
    free(r_copy);
}

#define EXPECT_REFUSED(call, ...)        \
    do {                                 \
        READER(r, __VA_ARGS__);          \
        (void)(call);                    \
        EXPECT(!kc_reader_ok(&r));       \
        EXPECT_EQ(kc_read_remaining(&r), 0); \
        free(r_copy);                    \
    } while (0)

TEST(lengths_that_cannot_be_are_refused) {
    EXPECT_REFUSED(kc_read_string(&r), 0xff, 0xff);                              /* null where null is not allowed */
    EXPECT_REFUSED(kc_read_compact_string(&r), 0);
    EXPECT_REFUSED(kc_read_nullable_string(&r), 0xff, 0xfe, 1, 2, 3);            /* -2 */
    EXPECT_REFUSED(kc_read_string(&r), 0x80, 0, 1, 2, 3);                        /* -32768 */
    EXPECT_REFUSED(kc_read_string(&r), 0, 4, 1, 2, 3);                           /* one byte short */
    EXPECT_REFUSED(kc_read_bytes(&r), 0x7f, 0xff, 0xff, 0xff, 1);
    EXPECT_REFUSED(kc_read_bytes(&r), 0x80, 0, 0, 0, 1);
    EXPECT_REFUSED(kc_read_compact_bytes(&r), 0xff, 0xff, 0xff, 0xff, 0x0f, 1);  /* 2^32 - 2 bytes */
    EXPECT_REFUSED(kc_read_compact_nullable_string(&r), 0x81, 0x80, 0x02, 1);    /* 32768 bytes */
    EXPECT_REFUSED(kc_read_uvarint(&r), 0xff, 0xff, 0xff, 0xff, 0x1f);           /* beyond 32 bits */
    EXPECT_REFUSED(kc_read_uvarint(&r), 0x80, 0x80, 0x80, 0x80, 0x80, 0);        /* too long */
    EXPECT_REFUSED(kc_read_uvarint(&r), 0x80);
}

TEST(an_array_count_must_fit_the_bytes_that_are_left) {
    EXPECT_REFUSED(kc_read_array_count(&r, 1), 0x7f, 0xff, 0xff, 0xff, 1, 2);
    EXPECT_REFUSED(kc_read_array_count(&r, 2), 0, 0, 0, 2, 1, 2, 3);
    EXPECT_REFUSED(kc_read_array_count(&r, 1), 0xff, 0xff, 0xff, 0xfe);
    EXPECT_REFUSED(kc_read_compact_array_count(&r, 1), 0xff, 0xff, 0xff, 0xff, 0x0f, 1);
    EXPECT_REFUSED(kc_read_compact_array_count(&r, 3), 3, 1, 2, 3, 4, 5);
    READER(good, 0, 0, 0, 2, 3, 9, 9, 0xff, 0xff, 0xff, 0xff, 0);
    EXPECT_EQ(kc_read_array_count(&good, 4), 2);
    EXPECT_EQ(kc_read_compact_array_count(&good, 1), 2);
    kc_read_i16(&good);
    EXPECT_EQ(kc_read_array_count(&good, 1), -1);
    EXPECT_EQ(kc_read_compact_array_count(&good, 1), -1);
    EXPECT(kc_reader_ok(&good));
    free(good_copy);
}

TEST(tag_sections_are_passed_over_within_limits) {
    READER(good, 0, 2, 0, 1, 'x', 5, 0, 7);
    kc_read_skip_tags(&good);
    kc_read_skip_tags(&good);
    EXPECT(kc_reader_ok(&good));
    EXPECT_EQ(kc_read_i8(&good), 7);
    free(good_copy);
    EXPECT_REFUSED(kc_read_skip_tags(&r), 2, 0, 0, 1);       /* the second field cannot be there */
    EXPECT_REFUSED(kc_read_skip_tags(&r), 1, 0, 5, 1, 2);    /* a field longer than the bytes */
    EXPECT_REFUSED(kc_read_skip_tags(&r), 0xff, 0xff, 0xff, 0xff, 0x0f);

    size_t size = KC_TAG_SIZE_MAX + 16;
    uint8_t *big = calloc(size, 1);
    for (int over = 0; over < 2; over++) {
        struct kc_writer w;
        kc_writer_init(&w, big, size);
        kc_write_uvarint(&w, 1);
        kc_write_uvarint(&w, 9);
        kc_write_uvarint(&w, (uint32_t)(KC_TAG_SIZE_MAX + over));
        struct kc_reader at_limit;
        kc_reader_init(&at_limit, kc_slice_make(big, size));
        kc_read_skip_tags(&at_limit);
        EXPECT_EQ(kc_reader_ok(&at_limit), over == 0);
    }
    free(big);
}

TEST(single_tags_can_be_taken) {
    READER(r, 2, 3, 2, 'h', 'i', 9, 0);
    EXPECT_EQ(kc_read_tag_count(&r), 2);
    uint32_t tag;
    struct kc_slice value = kc_read_tag(&r, &tag);
    EXPECT_EQ(tag, 3);
    EXPECT(kc_slice_equal(value, kc_slice_make("hi", 2)));
    EXPECT_EQ(kc_read_tag(&r, &tag).size, 0);
    EXPECT_EQ(tag, 9);
    EXPECT(kc_reader_ok(&r));
    free(r_copy);
}

/* Random calls on random bytes, most of them small numbers so that lengths are often plausible. */
TEST(no_sequence_of_reads_leaves_the_bytes) {
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[64];
        size_t size = (size_t)kc_test_random_below(sizeof bytes + 1);
        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(kc_test_random_below(3) ? kc_test_random_below(6) : kc_test_random());
        uint8_t *copy;
        struct kc_reader r = reader_of(bytes, size, &copy);
        struct kc_slice s = {copy, 0};
        uint32_t tag;
        while (kc_reader_ok(&r) && kc_read_remaining(&r) > 0) {
            const uint8_t *before = r.at;
            switch (kc_test_random_below(13)) {
            case 0: kc_read_i8(&r); break;
            case 1: kc_read_i16(&r); break;
            case 2: kc_read_i64(&r); break;
            case 3: kc_read_uvarint(&r); break;
            case 4: s = kc_read_string(&r); break;
            case 5: s = kc_read_nullable_string(&r); break;
            case 6: s = kc_read_compact_string(&r); break;
            case 7: s = kc_read_compact_nullable_string(&r); break;
            case 8: s = kc_read_bytes(&r); break;
            case 9: s = kc_read_compact_bytes(&r); break;
            case 10: kc_read_skip_tags(&r); break;
            case 11: s = kc_read_tag(&r, &tag); break;
            case 12: EXPECT(kc_read_array_count(&r, 2) <= (int32_t)kc_read_remaining(&r) / 2); break;
            }
            EXPECT(r.at >= before && r.at <= copy + size);
            if (s.data) EXPECT(s.data >= copy && s.data + s.size <= copy + size);
            s = kc_slice_make(copy, 0);
        }
        free(copy);
    }
}

RUN_ALL()

/* The bounded writer: what is written is what the reader reads, and one byte too many writes nothing. */
#include "../check.h"
#include "wire/reader.h"
#include "wire/writer.h"

static void write_everything(struct kc_writer *w) {
    static const uint8_t uuid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    kc_write_i32(w, 0);
    kc_write_i8(w, -3);
    kc_write_bool(w, true);
    kc_write_i16(w, -300);
    kc_write_i64(w, INT64_MIN);
    kc_write_uvarint(w, UINT32_MAX);
    kc_write_uuid(w, uuid);
    kc_write_string(w, kc_slice_make("topic", 5));
    kc_write_string(w, kc_slice_make(NULL, 0));
    kc_write_compact_string(w, kc_slice_make("topic", 5));
    kc_write_compact_string(w, kc_slice_make(NULL, 0));
    kc_write_compact_string(w, kc_slice_make("", 0));
    kc_write_bytes(w, kc_slice_make("\x01\x02", 2));
    kc_write_compact_bytes(w, kc_slice_make(NULL, 0));
    kc_write_array_count(w, -1);
    kc_write_compact_array_count(w, -1);
    kc_write_compact_array_count(w, 0);
    kc_write_empty_tags(w);
    kc_write_patch_i32(w, 0, (int32_t)w->used);
}

TEST(what_is_written_is_read_back) {
    uint8_t buffer[256];
    struct kc_writer w;
    kc_writer_init(&w, buffer, sizeof buffer);
    write_everything(&w);
    EXPECT(!w.overflow);
    struct kc_reader r;
    kc_reader_init(&r, kc_slice_make(buffer, w.used));
    EXPECT_EQ(kc_read_i32(&r), w.used);
    EXPECT_EQ(kc_read_i8(&r), -3);
    EXPECT_EQ(kc_read_bool(&r), true);
    EXPECT_EQ(kc_read_i16(&r), -300);
    EXPECT_EQ(kc_read_i64(&r), INT64_MIN);
    EXPECT_EQ(kc_read_uvarint(&r), UINT32_MAX);
    EXPECT_EQ(kc_read_uuid(&r)[15], 16);
    EXPECT(kc_slice_equal(kc_read_string(&r), kc_slice_make("topic", 5)));
    EXPECT(kc_read_nullable_string(&r).data == NULL);
    EXPECT(kc_slice_equal(kc_read_compact_string(&r), kc_slice_make("topic", 5)));
    EXPECT(kc_read_compact_nullable_string(&r).data == NULL);
    EXPECT(kc_read_compact_nullable_string(&r).data != NULL);
    EXPECT_EQ(kc_read_bytes(&r).size, 2);
    EXPECT(kc_read_compact_bytes(&r).data == NULL);
    EXPECT_EQ(kc_read_array_count(&r, 1), -1);
    EXPECT_EQ(kc_read_compact_array_count(&r, 1), -1);
    EXPECT_EQ(kc_read_compact_array_count(&r, 1), 0);
    kc_read_skip_tags(&r);
    EXPECT(kc_reader_ok(&r));
    EXPECT_EQ(kc_read_remaining(&r), 0);
}

TEST(a_buffer_too_small_by_any_amount_is_reported_and_never_overrun) {
    uint8_t full[256];
    struct kc_writer w;
    kc_writer_init(&w, full, sizeof full);
    write_everything(&w);
    size_t size = w.used;
    for (size_t capacity = 0; capacity <= size; capacity++) {
        uint8_t *buffer = malloc(capacity ? capacity : 1);
        kc_writer_init(&w, buffer, capacity);
        write_everything(&w);
        EXPECT_EQ(w.overflow, capacity < size);
        EXPECT(w.used <= capacity);
        free(buffer);
    }
}

RUN_ALL()

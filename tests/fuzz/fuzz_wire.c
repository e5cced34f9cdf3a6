/* The bounded reader: any sequence of reads over any bytes stays inside them, a failed reader stays failed and at its end, and what a
 * count promises could be there.  First byte: how many operations; then that many; then what they read. */
#include "target.h"
#include "wire/header.h"
#include "wire/reader.h"

static void expect_inside(struct kc_slice bytes, struct kc_slice s) {
    if (!s.data) {
        FUZZ_EXPECT(s.size == 0);
        return;
    }
    if (s.size) FUZZ_EXPECT(s.data >= bytes.data && s.data + s.size <= bytes.data + bytes.size);
    for (size_t i = 0; i < s.size; i++) __asm__ volatile("" ::"r"(s.data[i]));
}

static void expect_count(const struct kc_reader *r, int32_t count, size_t element_size_min) {
    FUZZ_EXPECT(count >= -1);
    if (count > 0) FUZZ_EXPECT((size_t)count <= kc_read_remaining(r) / element_size_min);
}

static void operate(struct kc_reader *r, struct kc_slice bytes, uint8_t operation) {
    size_t element = (size_t)(operation >> 4) + 1;
    switch (operation & 15) {
    case 0: kc_read_i8(r); break;
    case 1: kc_read_i16(r); break;
    case 2: kc_read_i32(r); break;
    case 3: kc_read_i64(r); break;
    case 4: FUZZ_EXPECT(kc_read_uuid(r) != NULL); break;
    case 5: kc_read_uvarint(r); break;
    case 6: expect_inside(bytes, kc_read_string(r)); break;
    case 7: expect_inside(bytes, kc_read_nullable_string(r)); break;
    case 8: expect_inside(bytes, kc_read_compact_string(r)); break;
    case 9: expect_inside(bytes, kc_read_compact_nullable_string(r)); break;
    case 10: expect_inside(bytes, kc_read_bytes(r)); break;
    case 11: expect_inside(bytes, kc_read_compact_bytes(r)); break;
    case 12: expect_count(r, kc_read_array_count(r, element), element); break;
    case 13: expect_count(r, kc_read_compact_array_count(r, element), element); break;
    case 14: kc_read_skip_tags(r); break;
    default: {
        uint32_t count = kc_read_tag_count(r), tag;
        if (kc_reader_ok(r)) FUZZ_EXPECT(count <= bytes.size / 2);
        for (uint32_t i = 0; i < count && kc_reader_ok(r); i++) {
            struct kc_slice value = kc_read_tag(r, &tag);
            expect_inside(bytes, value);
            FUZZ_EXPECT(value.size <= KC_TAG_SIZE_MAX);
        }
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    struct kc_slice operations = input_bytes(&in, input_u8(&in));
    size_t left = input_left(&in);
    struct kc_slice bytes = input_bytes(&in, left);
    uint8_t *copy = fuzz_copy(bytes);
    bytes.data = copy;

    struct kc_reader r;
    kc_reader_init(&r, bytes);
    for (size_t i = 0; i < operations.size; i++) {
        const uint8_t *before = r.at;
        bool failed = r.failed;
        operate(&r, bytes, operations.data[i]);
        FUZZ_EXPECT(r.at >= before && r.at <= bytes.data + bytes.size);
        if (failed) FUZZ_EXPECT(r.failed);
        if (r.failed) FUZZ_EXPECT(r.at == r.end);
    }

    for (int flexible = 0; flexible < 2; flexible++) {
        struct kc_request_header header;
        if (kc_request_header_parse(bytes, flexible, &header) != KC_OK) continue;
        FUZZ_EXPECT(header.size_bytes >= KC_REQUEST_HEADER_SIZE_MIN && header.size_bytes <= bytes.size);
        expect_inside(bytes, header.client_id);
    }
    free(copy);
    return 0;
}

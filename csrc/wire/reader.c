#include "wire/reader.h"

#define STRING_SIZE_MAX 0x7fff

const uint8_t *kc_read_uuid(struct kc_reader *r) {
    static const uint8_t zero[KC_UUID_SIZE];
    const uint8_t *p = kc_read_raw(r, KC_UUID_SIZE);
    return p ? p : zero;
}

static inline struct kc_slice take(struct kc_reader *r, size_t size) {
    const uint8_t *p = kc_read_raw(r, size);
    return p ? kc_slice_make(p, size) : kc_slice_make(r->end, 0);
}

/* A failed read yields an empty slice that is not null, so that "null" is always something that the peer said. */
static inline struct kc_slice refuse(struct kc_reader *r) {
    kc_reader_fail(r);
    return kc_slice_make(r->end, 0);
}

static inline struct kc_slice null_slice(void) { return kc_slice_make(NULL, 0); }

struct kc_slice kc_read_nullable_string(struct kc_reader *r) {
    int16_t size = kc_read_i16(r);
    if (size == -1) return null_slice();
    if (size < 0) return refuse(r);
    return take(r, (size_t)size);
}

struct kc_slice kc_read_string(struct kc_reader *r) {
    int16_t size = kc_read_i16(r);
    if (size < 0) return refuse(r);
    return take(r, (size_t)size);
}

struct kc_slice kc_read_compact_nullable_string(struct kc_reader *r) {
    uint32_t size = kc_read_uvarint(r);
    if (r->failed) return refuse(r);
    if (size == 0) return null_slice();
    if (size - 1 > STRING_SIZE_MAX) return refuse(r);
    return take(r, size - 1);
}

struct kc_slice kc_read_compact_string(struct kc_reader *r) {
    uint32_t size = kc_read_uvarint(r);
    if (size == 0 || size - 1 > STRING_SIZE_MAX) return refuse(r);
    return take(r, size - 1);
}

struct kc_slice kc_read_bytes(struct kc_reader *r) {
    int32_t size = kc_read_i32(r);
    if (size == -1) return null_slice();
    if (size < 0) return refuse(r);
    return take(r, (size_t)size);
}

struct kc_slice kc_read_compact_bytes(struct kc_reader *r) {
    uint32_t size = kc_read_uvarint(r);
    if (r->failed) return refuse(r);
    if (size == 0) return null_slice();
    return take(r, size - 1);
}

static int32_t count_that_fits(struct kc_reader *r, uint32_t count, size_t element_size_min) {
    if (count > INT32_MAX || count > kc_read_remaining(r) / element_size_min) {
        kc_reader_fail(r);
        return 0;
    }
    return (int32_t)count;
}

int32_t kc_read_array_count(struct kc_reader *r, size_t element_size_min) {
    int32_t count = kc_read_i32(r);
    if (count == -1) return -1;
    if (count < 0) {
        kc_reader_fail(r);
        return 0;
    }
    return count_that_fits(r, (uint32_t)count, element_size_min);
}

int32_t kc_read_compact_array_count(struct kc_reader *r, size_t element_size_min) {
    uint32_t count = kc_read_uvarint(r);
    if (r->failed) return 0;
    if (count == 0) return -1;
    return count_that_fits(r, count - 1, element_size_min);
}

uint32_t kc_read_tag_count(struct kc_reader *r) {
    uint32_t count = kc_read_uvarint(r);
    /* A tagged field is at least its tag and its size. */
    if (count > kc_read_remaining(r) / 2) {
        kc_reader_fail(r);
        return 0;
    }
    return count;
}

struct kc_slice kc_read_tag(struct kc_reader *r, uint32_t *tag) {
    *tag = kc_read_uvarint(r);
    uint32_t size = kc_read_uvarint(r);
    if (size > KC_TAG_SIZE_MAX) return refuse(r);
    return take(r, size);
}

void kc_read_skip_tags_slow(struct kc_reader *r) {
    uint32_t tag;
    for (uint32_t count = kc_read_tag_count(r); count > 0 && !r->failed; count--) kc_read_tag(r, &tag);
}

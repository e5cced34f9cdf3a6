/* reader.h: a bounded cursor over bytes from a peer.
 *
 * A read beyond the end sets failed, moves the cursor to the end and yields zero, an empty slice or an empty array; reading on
 * is harmless, so a parser reads a whole struct and asks kc_reader_ok once.  A length is compared with what is left before
 * it is used, as unsigned numbers, so that nothing wraps.  Nothing is allocated on a declared count: an array count is
 * refused unless that many smallest elements could be in the bytes that are left.
 *
 * Slices point into the caller's bytes and live as long as those.  A null string is a slice whose data is NULL; an empty one
 * has data.  Thread: any.  Source of the encodings: kafka.apache.org/protocol (KIP-482 for the compact ones). */
#ifndef KC_WIRE_READER_H
#define KC_WIRE_READER_H

#include "base/bytes.h"
#include "base/check.h"
#include "base/varint.h"

struct kc_reader {
    const uint8_t *at, *end;
    bool failed;
};

enum {
    KC_UUID_SIZE = 16,
    KC_TAG_SIZE_MAX = 128 * 1024, /* one tagged field; more is an attack, not a protocol */
};

static inline void kc_reader_init(struct kc_reader *r, struct kc_slice bytes) {
    r->at = bytes.data;
    r->end = bytes.data + bytes.size;
    r->failed = false;
}

static inline bool kc_reader_ok(const struct kc_reader *r) { return !r->failed; }
static inline size_t kc_read_remaining(const struct kc_reader *r) { return (size_t)(r->end - r->at); }

/* For a value that was read but cannot be. */
static inline void kc_reader_fail(struct kc_reader *r) {
    r->failed = true;
    r->at = r->end;
}

/* The next size bytes, or NULL and failed. */
static inline const uint8_t *kc_read_raw(struct kc_reader *r, size_t size) {
    if (KC_UNLIKELY(kc_read_remaining(r) < size)) {
        kc_reader_fail(r);
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += size;
    return p;
}

static inline int8_t kc_read_i8(struct kc_reader *r) {
    const uint8_t *p = kc_read_raw(r, 1);
    return p ? (int8_t)*p : 0;
}
static inline uint8_t kc_read_u8(struct kc_reader *r) { return (uint8_t)kc_read_i8(r); }
static inline bool kc_read_bool(struct kc_reader *r) { return kc_read_i8(r) != 0; }
static inline int16_t kc_read_i16(struct kc_reader *r) {
    const uint8_t *p = kc_read_raw(r, 2);
    return p ? kc_load_i16(p) : 0;
}
static inline int32_t kc_read_i32(struct kc_reader *r) {
    const uint8_t *p = kc_read_raw(r, 4);
    return p ? kc_load_i32(p) : 0;
}
static inline int64_t kc_read_i64(struct kc_reader *r) {
    const uint8_t *p = kc_read_raw(r, 8);
    return p ? kc_load_i64(p) : 0;
}

/* 16 bytes, never NULL: all zero (static) where the bytes end early. */
const uint8_t *kc_read_uuid(struct kc_reader *r);

static inline uint32_t kc_read_uvarint(struct kc_reader *r) {
    uint32_t value = 0;
    if (KC_LIKELY(r->at < r->end && *r->at < 0x80)) return *r->at++;
    const uint8_t *next = kc_uvarint_decode(r->at, r->end, &value);
    if (KC_UNLIKELY(!next)) {
        kc_reader_fail(r);
        return 0;
    }
    r->at = next;
    return value;
}

/* int16 length.  kc_read_string refuses null; so do its siblings without "nullable". */
struct kc_slice kc_read_string(struct kc_reader *r);
struct kc_slice kc_read_nullable_string(struct kc_reader *r);
/* uvarint length + 1, 0 is null.  Kafka's limit of 32767 bytes for a string holds here too. */
struct kc_slice kc_read_compact_string(struct kc_reader *r);
struct kc_slice kc_read_compact_nullable_string(struct kc_reader *r);
/* int32 length and uvarint length + 1, both nullable: record sets and raw bytes. */
struct kc_slice kc_read_bytes(struct kc_reader *r);
struct kc_slice kc_read_compact_bytes(struct kc_reader *r);

/* The number of elements of an array, -1 for null.  element_size_min: bytes of the smallest element, at least 1. */
int32_t kc_read_array_count(struct kc_reader *r, size_t element_size_min);
int32_t kc_read_compact_array_count(struct kc_reader *r, size_t element_size_min);

/* Passes over a section of tagged fields. */
void kc_read_skip_tags_slow(struct kc_reader *r);
static inline void kc_read_skip_tags(struct kc_reader *r) {
    if (KC_LIKELY(r->at < r->end && *r->at == 0)) {
        r->at++;
        return;
    }
    kc_read_skip_tags_slow(r);
}

/* The next tagged field of a section whose count was read with kc_read_tag_count; for a parser that wants some of them. */
uint32_t kc_read_tag_count(struct kc_reader *r);
struct kc_slice kc_read_tag(struct kc_reader *r, uint32_t *tag);

#endif

/* writer.h: a bounded writer into a buffer of the caller's.
 *
 * A write that does not fit writes nothing and sets overflow, and so does every write after it; the caller writes a whole
 * response and looks at overflow once.  Nothing is allocated.  Thread: any. */
#ifndef KC_WIRE_WRITER_H
#define KC_WIRE_WRITER_H

#include "base/bytes.h"
#include "base/check.h"
#include "base/varint.h"

struct kc_writer {
    uint8_t *data;
    size_t used, capacity;
    bool overflow;
};

static inline void kc_writer_init(struct kc_writer *w, void *buffer, size_t capacity) {
    *w = (struct kc_writer){(uint8_t *)buffer, 0, capacity, false};
}

/* Room for size bytes, which count as written, or NULL and overflow. */
static inline uint8_t *kc_write_reserve(struct kc_writer *w, size_t size) {
    if (KC_UNLIKELY(w->overflow || w->capacity - w->used < size)) {
        w->overflow = true;
        return NULL;
    }
    uint8_t *p = w->data + w->used;
    w->used += size;
    return p;
}

static inline void kc_write_i8(struct kc_writer *w, int8_t value) {
    uint8_t *p = kc_write_reserve(w, 1);
    if (p) *p = (uint8_t)value;
}
static inline void kc_write_bool(struct kc_writer *w, bool value) { kc_write_i8(w, value); }
static inline void kc_write_i16(struct kc_writer *w, int16_t value) {
    uint8_t *p = kc_write_reserve(w, 2);
    if (p) kc_store_i16(p, value);
}
static inline void kc_write_i32(struct kc_writer *w, int32_t value) {
    uint8_t *p = kc_write_reserve(w, 4);
    if (p) kc_store_i32(p, value);
}
static inline void kc_write_i64(struct kc_writer *w, int64_t value) {
    uint8_t *p = kc_write_reserve(w, 8);
    if (p) kc_store_i64(p, value);
}
static inline void kc_write_raw(struct kc_writer *w, const void *data, size_t size) {
    uint8_t *p = kc_write_reserve(w, size);
    if (p && size) memcpy(p, data, size);
}
static inline void kc_write_uuid(struct kc_writer *w, const uint8_t uuid[16]) { kc_write_raw(w, uuid, 16); }

static inline void kc_write_uvarint(struct kc_writer *w, uint32_t value) {
    uint8_t encoded[KC_VARINT_SIZE_MAX];
    kc_write_raw(w, encoded, (size_t)(kc_uvarint_encode(encoded, value) - encoded));
}
/* No tagged fields. */
static inline void kc_write_empty_tags(struct kc_writer *w) { kc_write_i8(w, 0); }

/* A string or bytes whose data is NULL is written as null.  A string beyond 32767 bytes is a bug of ours. */
static inline void kc_write_string(struct kc_writer *w, struct kc_slice s) {
    KC_CHECK(s.size <= INT16_MAX);
    kc_write_i16(w, s.data ? (int16_t)s.size : (int16_t)-1);
    kc_write_raw(w, s.data, s.size);
}
static inline void kc_write_compact_string(struct kc_writer *w, struct kc_slice s) {
    KC_CHECK(s.size <= INT16_MAX);
    kc_write_uvarint(w, s.data ? (uint32_t)s.size + 1 : 0);
    kc_write_raw(w, s.data, s.size);
}
static inline void kc_write_bytes(struct kc_writer *w, struct kc_slice s) {
    KC_CHECK(s.size <= INT32_MAX);
    kc_write_i32(w, s.data ? (int32_t)s.size : -1);
    kc_write_raw(w, s.data, s.size);
}
static inline void kc_write_compact_bytes(struct kc_writer *w, struct kc_slice s) {
    KC_CHECK(s.size <= INT32_MAX);
    kc_write_uvarint(w, s.data ? (uint32_t)s.size + 1 : 0);
    kc_write_raw(w, s.data, s.size);
}

/* count -1 is a null array. */
static inline void kc_write_array_count(struct kc_writer *w, int32_t count) { kc_write_i32(w, count); }
static inline void kc_write_compact_array_count(struct kc_writer *w, int32_t count) {
    kc_write_uvarint(w, (uint32_t)(count + 1));
}

/* Writes over bytes that were written before; at is a former value of used.  After an overflow nothing happens. */
static inline void kc_write_patch_i32(struct kc_writer *w, size_t at, int32_t value) {
    if (w->overflow) return;
    KC_CHECK(at + 4 <= w->used);
    kc_store_i32(w->data + at, value);
}
static inline void kc_write_patch_i16(struct kc_writer *w, size_t at, int16_t value) {
    if (w->overflow) return;
    KC_CHECK(at + 2 <= w->used);
    kc_store_i16(w->data + at, value);
}

#endif

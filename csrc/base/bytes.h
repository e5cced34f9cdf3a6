/* bytes.h: slices, and big-endian numbers at any address.
 *
 * A slice names bytes that somebody else owns; whoever hands one out says how long it lives.  Kafka's wire and disk are
 * big endian and unaligned, so loads and stores go through memcpy, which compiles to one instruction. */
#ifndef KC_BASE_BYTES_H
#define KC_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct kc_slice {
    const uint8_t *data;
    size_t size;
};

static inline struct kc_slice kc_slice_make(const void *data, size_t size) {
    return (struct kc_slice){(const uint8_t *)data, size};
}

static inline bool kc_slice_equal(struct kc_slice a, struct kc_slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline uint16_t kc_load_u16(const void *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}
static inline uint32_t kc_load_u32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
static inline uint64_t kc_load_u64(const void *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
static inline int16_t kc_load_i16(const void *p) { return (int16_t)kc_load_u16(p); }
static inline int32_t kc_load_i32(const void *p) { return (int32_t)kc_load_u32(p); }
static inline int64_t kc_load_i64(const void *p) { return (int64_t)kc_load_u64(p); }

static inline void kc_store_u16(void *p, uint16_t v) {
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
}
static inline void kc_store_u32(void *p, uint32_t v) {
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}
static inline void kc_store_u64(void *p, uint64_t v) {
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}
static inline void kc_store_i16(void *p, int16_t v) { kc_store_u16(p, (uint16_t)v); }
static inline void kc_store_i32(void *p, int32_t v) { kc_store_u32(p, (uint32_t)v); }
static inline void kc_store_i64(void *p, int64_t v) { kc_store_u64(p, (uint64_t)v); }

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the byte swaps above assume a little-endian machine");

#endif

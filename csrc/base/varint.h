/* varint.h: Protocol Buffers' base-128 numbers as Kafka uses them.
 *
 * Unsigned varints (flexible versions: lengths, counts, tags) and zigzag varints (fields of a record).  A 32-bit number
 * takes at most 5 bytes and a 64-bit number at most 10; longer encodings, and bits beyond the width, are refused as
 * org.apache.kafka.common.utils.ByteUtils does. */
#ifndef KC_BASE_VARINT_H
#define KC_BASE_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KC_VARINT_SIZE_MAX 5
#define KC_VARLONG_SIZE_MAX 10

/* Each decoder reads at p, never at or beyond end, and returns the byte after the number, or NULL (out untouched) where
 * the bytes end early or the number is too long. */
static inline const uint8_t *kc_uvarlong_decode(const uint8_t *p, const uint8_t *end, uint64_t *out) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && p < end; shift += 7) {
        uint64_t byte = *p++;
        if (shift == 63 && byte > 1) return NULL;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return p;
        }
    }
    return NULL;
}

static inline const uint8_t *kc_uvarint_decode(const uint8_t *p, const uint8_t *end, uint32_t *out) {
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 35 && p < end; shift += 7) {
        uint32_t byte = *p++;
        if (shift == 28 && byte > 0xf) return NULL;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return p;
        }
    }
    return NULL;
}

static inline const uint8_t *kc_varint_decode(const uint8_t *p, const uint8_t *end, int32_t *out) {
    uint32_t raw;
    const uint8_t *next = kc_uvarint_decode(p, end, &raw);
    if (next) *out = (int32_t)((raw >> 1) ^ (0u - (raw & 1)));
    return next;
}

static inline const uint8_t *kc_varlong_decode(const uint8_t *p, const uint8_t *end, int64_t *out) {
    uint64_t raw;
    const uint8_t *next = kc_uvarlong_decode(p, end, &raw);
    if (next) *out = (int64_t)((raw >> 1) ^ (0u - (raw & 1)));
    return next;
}

/* Each encoder writes at p, which has room for the longest form, and returns the byte after the number. */
static inline uint8_t *kc_uvarlong_encode(uint8_t *p, uint64_t value) {
    while (value >= 0x80) {
        *p++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *p++ = (uint8_t)value;
    return p;
}

static inline uint8_t *kc_uvarint_encode(uint8_t *p, uint32_t value) { return kc_uvarlong_encode(p, value); }

static inline uint32_t kc_zigzag32(int32_t value) { return ((uint32_t)value << 1) ^ (uint32_t)(value >> 31); }
static inline uint64_t kc_zigzag64(int64_t value) { return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63); }

static inline uint8_t *kc_varint_encode(uint8_t *p, int32_t value) { return kc_uvarlong_encode(p, kc_zigzag32(value)); }
static inline uint8_t *kc_varlong_encode(uint8_t *p, int64_t value) { return kc_uvarlong_encode(p, kc_zigzag64(value)); }

static inline size_t kc_uvarlong_size(uint64_t value) {
    return value == 0 ? 1 : (size_t)(70 - __builtin_clzll(value)) / 7;
}

#endif

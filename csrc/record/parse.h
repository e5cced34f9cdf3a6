/* parse.h: one record, decoded in place; included by this folder alone.
 *
 *     varint size of what follows, int8 attributes, varlong timestamp delta, varint offset delta,
 *     varint key size (-1: null), key, varint value size (-1: null), value,
 *     varint header count, { varint key size, key, varint value size (-1: null), value } ...
 *
 * Inline and over plain pointers, because this is the one loop that touches every record of every uncompressed batch: a
 * caller that ignores a field does not pay for it. */
#ifndef KC_RECORD_PARSE_H
#define KC_RECORD_PARSE_H

#include "base/check.h"
#include "base/varint.h"
#include "record/iterate.h"

static inline int32_t kc_unzigzag32(uint32_t raw) { return (int32_t)((raw >> 1) ^ (0u - (raw & 1))); }
static inline int64_t kc_unzigzag64(uint64_t raw) { return (int64_t)((raw >> 1) ^ (0u - (raw & 1))); }

/* As kc_varint_decode, with the numbers of one and two bytes, which most are, straight in line. */
static inline const uint8_t *kc_record_varint(const uint8_t *p, const uint8_t *end, int32_t *out) {
    if (KC_UNLIKELY(p >= end)) return NULL;
    uint32_t low = p[0];
    if (low < 0x80) {
        *out = kc_unzigzag32(low);
        return p + 1;
    }
    if (KC_LIKELY(end - p >= 2) && p[1] < 0x80) {
        *out = kc_unzigzag32((low & 0x7f) | (uint32_t)p[1] << 7);
        return p + 2;
    }
    return kc_varint_decode(p, end, out);
}

static inline const uint8_t *kc_record_varlong(const uint8_t *p, const uint8_t *end, int64_t *out) {
    if (KC_UNLIKELY(p >= end)) return NULL;
    uint32_t low = p[0];
    if (low < 0x80) {
        *out = kc_unzigzag64(low);
        return p + 1;
    }
    if (KC_LIKELY(end - p >= 2) && p[1] < 0x80) {
        *out = kc_unzigzag64((low & 0x7f) | (uint32_t)p[1] << 7);
        return p + 2;
    }
    return kc_varlong_decode(p, end, out);
}

/* A size and that many bytes; only -1 stands for null. */
static inline const uint8_t *kc_record_bytes(const uint8_t *p, const uint8_t *end, struct kc_slice *out, bool *null) {
    int32_t size;
    p = kc_record_varint(p, end, &size);
    if (KC_UNLIKELY(!p)) return NULL;
    if (size < 0) {
        if (KC_UNLIKELY(size != -1)) return NULL;
        *out = kc_slice_make(NULL, 0);
        *null = true;
        return p;
    }
    if (KC_UNLIKELY(size > end - p)) return NULL;
    *out = kc_slice_make(p, (size_t)size);
    *null = false;
    return p + size;
}

/* One header of a record, or NULL. */
static inline const uint8_t *kc_record_header_parse(const uint8_t *p, const uint8_t *end, struct kc_record_header *out) {
    bool null;
    p = kc_record_bytes(p, end, &out->key, &null);
    if (!p || null) return NULL;
    return kc_record_bytes(p, end, &out->value, &out->value_null);
}

/* True when exactly count headers fill p..end. */
bool kc_record_headers_fit(const uint8_t *p, const uint8_t *end, int32_t count);

/* The record at p, and the byte after it, or NULL where it breaks the format or would pass end. */
static inline const uint8_t *kc_record_parse(const uint8_t *p, const uint8_t *end, struct kc_record *out) {
    const uint8_t *start = p;
    int32_t body_size;
    p = kc_record_varint(p, end, &body_size);
    if (KC_UNLIKELY(!p || body_size < 1 || body_size > end - p)) return NULL;
    const uint8_t *body_end = p + body_size;
    out->size_bytes = (size_t)(body_end - start);
    out->attributes = (int8_t)*p++;
    p = kc_record_varlong(p, body_end, &out->timestamp_delta);
    if (KC_UNLIKELY(!p)) return NULL;
    p = kc_record_varint(p, body_end, &out->offset_delta);
    if (KC_UNLIKELY(!p)) return NULL;
    p = kc_record_bytes(p, body_end, &out->key, &out->key_null);
    if (KC_UNLIKELY(!p)) return NULL;
    p = kc_record_bytes(p, body_end, &out->value, &out->value_null);
    if (KC_UNLIKELY(!p)) return NULL;
    p = kc_record_varint(p, body_end, &out->header_count);
    if (KC_UNLIKELY(!p)) return NULL;
    out->headers = kc_slice_make(p, (size_t)(body_end - p));
    if (KC_LIKELY(out->header_count == 0)) return KC_LIKELY(p == body_end) ? body_end : NULL;
    return kc_record_headers_fit(p, body_end, out->header_count) ? body_end : NULL;
}

#endif

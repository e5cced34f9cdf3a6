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

/* The record at p, and the byte after it, or NULL where it breaks the format or would pass end.  Takes any record. */
const uint8_t *kc_record_parse_any(const uint8_t *p, const uint8_t *end, struct kc_record *out);

enum { KC_RECORD_NUMBERS_MAX = 32 }; /* more bytes than kc_record_parse_plain reads before it knows the record's size */

/* A number of one to three bytes, of which four can be read; false for a longer one. */
static inline bool kc_record_short_varint(const uint8_t **p, uint32_t *raw) {
    uint32_t word;
    memcpy(&word, *p, 4);
    if (KC_LIKELY(!(word & 0x80))) {
        *raw = word & 0x7f;
        *p += 1;
        return true;
    }
    if (KC_LIKELY(!(word & 0x8000))) {
        *raw = (word & 0x7f) | (word >> 1 & 0x3f80);
        *p += 2;
        return true;
    }
    if (word & 0x800000) return false;
    *raw = (word & 0x7f) | (word >> 1 & 0x3f80) | (word >> 2 & 0x1fc000);
    *p += 3;
    return true;
}

/* The record that most are: no headers, numbers below 2^20, and not among the last bytes.  NULL says nothing but that
 * kc_record_parse_any has to look; what is accepted here is accepted there with the same result.  The numbers are read
 * without a check for each, because KC_RECORD_NUMBERS_MAX bytes are known to be there; whether they lay inside the record is
 * asked where it matters, before the key and the value are passed over. */
static inline const uint8_t *kc_record_parse_plain(const uint8_t *p, const uint8_t *end, struct kc_record *out) {
    const uint8_t *start = p;
    uint32_t body_size, timestamp_delta, offset_delta, key_size, value_size;
    if (KC_UNLIKELY(end - p < KC_RECORD_NUMBERS_MAX)) return NULL;
    if (!kc_record_short_varint(&p, &body_size)) return NULL;
    if (KC_UNLIKELY((body_size & 1) || body_size / 2 > (uint64_t)(end - p))) return NULL;
    const uint8_t *body_end = p + body_size / 2;
    out->size_bytes = (size_t)(body_end - start);
    out->attributes = (int8_t)*p++;
    if (!kc_record_short_varint(&p, &timestamp_delta)) return NULL;
    if (!kc_record_short_varint(&p, &offset_delta)) return NULL;
    out->timestamp_delta = kc_unzigzag32(timestamp_delta);
    out->offset_delta = kc_unzigzag32(offset_delta);

    if (!kc_record_short_varint(&p, &key_size)) return NULL;
    out->key_null = key_size == 1;
    if (out->key_null) {
        out->key = kc_slice_make(NULL, 0);
    } else {
        if (KC_UNLIKELY((key_size & 1) || (int64_t)(key_size / 2) > body_end - p)) return NULL;
        out->key = kc_slice_make(p, key_size / 2);
        p += key_size / 2;
    }
    if (KC_UNLIKELY(end - p < 4)) return NULL;
    if (!kc_record_short_varint(&p, &value_size)) return NULL;
    out->value_null = value_size == 1;
    if (out->value_null) {
        out->value = kc_slice_make(NULL, 0);
    } else {
        if (KC_UNLIKELY((value_size & 1) || (int64_t)(value_size / 2) > body_end - p)) return NULL;
        out->value = kc_slice_make(p, value_size / 2);
        p += value_size / 2;
    }
    if (KC_UNLIKELY(body_end - p != 1 || *p != 0)) return NULL;
    out->header_count = 0;
    out->headers = kc_slice_make(body_end, 0);
    return body_end;
}

/* The record at p, and the byte after it, or NULL where it breaks the format or would pass end. */
static inline const uint8_t *kc_record_parse(const uint8_t *p, const uint8_t *end, struct kc_record *out) {
    const uint8_t *next = kc_record_parse_plain(p, end, out);
    if (KC_LIKELY(next != NULL)) return next;
    struct kc_record any; /* a variable of its own, so that *out can live in registers */
    next = kc_record_parse_any(p, end, &any);
    if (next) *out = any;
    return next;
}

#endif

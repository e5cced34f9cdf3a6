/* alike.h: the record that is as the one before it, but for its numbers and the bytes of its key and value.
 *
 * Most batches are runs of records of one size.  What two records of a run have in common is then not parsed again: if the size, the
 * attributes, the place of the key's size, that size and the value's are the same, byte for byte, and the last byte says "no
 * headers" again, the second is as sound as the first.  Only its two deltas are read.  Where the deltas are those of a run as well,
 * the same time and the next offset, not even that: the numbers are compared as they stand.  Included by this folder alone.
 *
 * Invariant: a record that is taken here, kc_record_parse takes with the same result. */
#ifndef KC_RECORD_ALIKE_H
#define KC_RECORD_ALIKE_H

#include "record/parse.h"

struct kc_alike {
    size_t size_bytes;              /* of the record that was learnt; 0: none */
    size_t last_size_bytes;         /* of the latest record: one that does not come twice is not worth learning */
    uint32_t head, head_mask;       /* the size and the attributes */
    uint32_t value, value_mask;     /* the value's size */
    uint32_t head_size, key_size_at, value_size_at;
    uint8_t key_size;               /* as it stands there, one byte */
};

enum {
    KC_ALIKE_SPARE = 4,             /* bytes behind a record that its numbers may be read together with */
    KC_ALIKE_NUMBERS_MAX = 2 * sizeof(uint64_t),    /* the size, the attributes, the deltas and the key's size */
};

/* What `size` bytes of a little-endian word are. */
static inline uint32_t kc_alike_mask(size_t size) { return size >= 4 ? UINT32_MAX : (1u << 8 * size) - 1; }

/* Notes the record at p, which has been parsed. */
static inline void kc_alike_learn(struct kc_alike *alike, const uint8_t *p, const uint8_t *end, const struct kc_record *record) {
    bool again = record->size_bytes == alike->last_size_bytes;
    alike->last_size_bytes = record->size_bytes;
    alike->size_bytes = 0;
    if (KC_LIKELY(!again) || record->header_count != 0) return;
    if ((size_t)(end - p) < KC_RECORD_NUMBERS_MAX || (size_t)(end - p) < record->size_bytes + KC_ALIKE_SPARE) return;
    const uint8_t *q = p;
    uint32_t ignored, word;
    if (!kc_record_short_varint(&q, &ignored)) return;
    alike->head_size = (uint32_t)(q + 1 - p);
    memcpy(&word, p, sizeof word);
    alike->head_mask = kc_alike_mask(alike->head_size);
    alike->head = word & alike->head_mask;
    q++;
    if (!kc_record_short_varint(&q, &ignored) || !kc_record_short_varint(&q, &ignored) || *q >= 0x80) return;
    alike->key_size_at = (uint32_t)(q - p);
    alike->key_size = *q;
    alike->value_size_at = alike->key_size_at + 1 + (record->key_null ? 0 : (uint32_t)record->key.size);
    const uint8_t *value_size = q = p + alike->value_size_at;
    if (!kc_record_short_varint(&q, &ignored)) return;
    /* The number of headers may be a zero of more than one byte, of which the last says nothing. */
    if (q + record->value.size + 1 != p + record->size_bytes) return;
    memcpy(&word, value_size, sizeof word);
    alike->value_mask = kc_alike_mask((size_t)(q - value_size));
    alike->value = word & alike->value_mask;
    alike->size_bytes = record->size_bytes;
}

/* The byte after the record at p, or NULL: it has to be parsed. */
static inline const uint8_t *kc_alike_next(const struct kc_alike *alike, const uint8_t *p, const uint8_t *end, int64_t *timestamp_delta,
                                           int32_t *offset_delta) {
    size_t size = alike->size_bytes;
    uint32_t word, timestamp, offset;
    if (size == 0 || (size_t)(end - p) < size + KC_ALIKE_SPARE || size < KC_RECORD_NUMBERS_MAX) return NULL;
    memcpy(&word, p, sizeof word);
    if ((word & alike->head_mask) != alike->head) return NULL;
    const uint8_t *q = p + alike->head_size;
    if (!kc_record_short_varint(&q, &timestamp) || !kc_record_short_varint(&q, &offset)) return NULL;
    if (q != p + alike->key_size_at || *q != alike->key_size) return NULL;
    memcpy(&word, p + alike->value_size_at, sizeof word);
    if ((word & alike->value_mask) != alike->value || p[size - 1] != 0) return NULL;
    *timestamp_delta = kc_unzigzag32(timestamp);
    *offset_delta = kc_unzigzag32(offset);
    return p + size;
}

/* What `size` bytes of a little-endian word of eight are. */
static inline uint64_t kc_alike_long_mask(size_t size) { return size >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1; }

/* How many records at p, `count_max` at the most, are as the one before p, which is of the learnt kind, with the same timestamp delta
 * and offset deltas that go on by one.
 *
 * An offset delta that goes on by one is a varint whose first byte goes on by two, unless that runs over into the next byte; a run
 * ends there, at the latest after 63 records. */
static inline int32_t kc_alike_run(const struct kc_alike *alike, const uint8_t *p, const uint8_t *end, int32_t count_max) {
    const size_t size = alike->size_bytes, numbers_size = alike->key_size_at + 1;
    if (size < KC_ALIKE_NUMBERS_MAX || numbers_size > KC_ALIKE_NUMBERS_MAX || (size_t)(end - p) < KC_ALIKE_SPARE) return 0;
    const uint8_t *before = p - size, *q = before + alike->head_size;
    uint32_t ignored;
    if (!kc_record_short_varint(&q, &ignored)) return 0;
    const size_t offset_at = (size_t)(q - before);
    uint64_t low, high, word, low_mask = kc_alike_long_mask(numbers_size);
    uint64_t high_mask = numbers_size > 8 ? kc_alike_long_mask(numbers_size - 8) : 0;
    memcpy(&low, before, sizeof low);
    memcpy(&high, before + 8, sizeof high);
    const uint64_t step = UINT64_C(2) << 8 * offset_at;
    const size_t fitting = ((size_t)(end - p) - KC_ALIKE_SPARE) / size;
    int32_t most = (0x7f - (*q & 0x7f)) / 2;
    if (most > count_max) most = count_max;
    if ((size_t)most > fitting) most = (int32_t)fitting;
    const uint8_t *value = p + alike->value_size_at, *last = p + size - 1;
    for (int32_t count = 0; count < most; count++, p += size, value += size, last += size) {
        uint32_t value_size;
        low += step;
        memcpy(&word, p, sizeof word);
        uint64_t differs = (word ^ low) & low_mask;
        memcpy(&word, p + 8, sizeof word);
        differs |= (word ^ high) & high_mask;
        memcpy(&value_size, value, sizeof value_size);
        differs |= ((value_size ^ alike->value) & alike->value_mask) | *last;
        if (KC_UNLIKELY(differs)) return count;
    }
    return most;
}

#endif

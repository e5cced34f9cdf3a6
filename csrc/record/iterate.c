#include "record/iterate.h"

#include "record/batch.h"
#include "record/parse.h"

bool kc_record_headers_fit(const uint8_t *p, const uint8_t *end, int32_t count) {
    /* The smallest header is two bytes, so a count that cannot be ends here and not after as many steps. */
    if (count < 0 || count > (end - p) / 2) return false;
    struct kc_record_header header;
    for (; count > 0; count--) {
        p = kc_record_header_parse(p, end, &header);
        if (!p) return false;
    }
    return p == end;
}

const uint8_t *kc_record_parse_any(const uint8_t *p, const uint8_t *end, struct kc_record *out) {
    const uint8_t *start = p;
    int32_t body_size;
    p = kc_record_varint(p, end, &body_size);
    if (!p || body_size < 1 || body_size > end - p) return NULL;
    const uint8_t *body_end = p + body_size;
    out->size_bytes = (size_t)(body_end - start);
    out->attributes = (int8_t)*p++;
    p = kc_record_varlong(p, body_end, &out->timestamp_delta);
    if (!p) return NULL;
    p = kc_record_varint(p, body_end, &out->offset_delta);
    if (!p) return NULL;
    p = kc_record_bytes(p, body_end, &out->key, &out->key_null);
    if (!p) return NULL;
    p = kc_record_bytes(p, body_end, &out->value, &out->value_null);
    if (!p) return NULL;
    p = kc_record_varint(p, body_end, &out->header_count);
    if (!p) return NULL;
    out->headers = kc_slice_make(p, (size_t)(body_end - p));
    return kc_record_headers_fit(p, body_end, out->header_count) ? body_end : NULL;
}

void kc_record_iterator_init(struct kc_record_iterator *it, struct kc_slice records, int32_t record_count) {
    *it = (struct kc_record_iterator){records.data, records.data + records.size, record_count};
}

kc_status kc_record_next(struct kc_record_iterator *it, struct kc_record *out) {
    if (it->remaining <= 0) return it->remaining == 0 && it->at == it->end ? KC_END : KC_CORRUPT;
    struct kc_record record;
    const uint8_t *next = kc_record_parse(it->at, it->end, &record);
    if (!next) return KC_CORRUPT;
    it->at = next;
    it->remaining--;
    *out = record;
    return KC_OK;
}

kc_status kc_record_header_next(struct kc_slice *headers, struct kc_record_header *out) {
    if (headers->size == 0) return KC_END;
    struct kc_record_header header;
    const uint8_t *end = headers->data + headers->size;
    const uint8_t *next = kc_record_header_parse(headers->data, end, &header);
    if (!next) return KC_CORRUPT;
    *headers = kc_slice_make(next, (size_t)(end - next));
    *out = header;
    return KC_OK;
}

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

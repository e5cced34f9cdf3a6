/* iterate.h: the records of an uncompressed batch, or of a records section that somebody has decompressed.
 *
 * Every length is checked before it is used; a record that breaks the format ends the walk with KC_CORRUPT.  Slices point
 * into the caller's bytes and live as long as those.  Thread: any. */
#ifndef KC_RECORD_ITERATE_H
#define KC_RECORD_ITERATE_H

#include "base/bytes.h"
#include "base/status.h"

struct kc_record {
    int64_t timestamp_delta;
    int32_t offset_delta;
    int32_t header_count;
    int8_t attributes;
    bool key_null, value_null;
    struct kc_slice key, value;
    struct kc_slice headers;         /* header_count headers, already checked to parse to exactly these bytes */
    size_t size_bytes;               /* the whole record with its length field */
};

struct kc_record_header {
    struct kc_slice key;
    bool value_null;
    struct kc_slice value;
};

struct kc_record_iterator {
    const uint8_t *at, *end;
    int32_t remaining;               /* records still promised by the batch header */
};

/* records: the bytes after the batch header, uncompressed. */
void kc_record_iterator_init(struct kc_record_iterator *it, struct kc_slice records, int32_t record_count);

/* KC_OK: *out is the next record.  KC_END: all promised records were read and no byte is left over.  KC_CORRUPT. */
kc_status kc_record_next(struct kc_record_iterator *it, struct kc_record *out);

/* Takes the first header off *headers.  KC_END when it is empty; KC_CORRUPT. */
kc_status kc_record_header_next(struct kc_slice *headers, struct kc_record_header *out);

#endif

/* columns.h: many records at once, as columns of numbers; the form in which Python (numpy) reads and writes them.
 *
 * Every array is the caller's and has room for record_count entries.  Positions are byte places in the records section, or in
 * the buffer handed to the encoder.  A size of -1 stands for null.  Thread: any. */
#ifndef KC_RECORD_COLUMNS_H
#define KC_RECORD_COLUMNS_H

#include "base/bytes.h"
#include "base/status.h"
#include "record/batch.h"
#include "record/build.h"

struct kc_record_columns {
    int64_t *offset_delta;
    int64_t *timestamp_delta;
    int64_t *key_position;
    int64_t *key_size;
    int64_t *value_position;
    int64_t *value_size;
    int64_t *headers_position;  /* the encoded headers, behind their count */
    int64_t *headers_size;
    int64_t *header_count;
};

/* Fills the columns.  KC_CORRUPT: record *bad_index breaks the format, or (*bad_index == record_count) bytes are left over. */
kc_status kc_record_columns_decode(struct kc_slice records, int32_t record_count, struct kc_record_columns columns, int32_t *bad_index);

/* Fills header_count rows: positions within records of the headers that lie at headers_position.  KC_CORRUPT. */
kc_status kc_record_headers_decode(struct kc_slice records, int64_t headers_position, int64_t headers_size, int32_t header_count,
                                   int64_t *key_position, int64_t *key_size, int64_t *value_position, int64_t *value_size);

/* What the encoder reads: keys, values and encoded headers lie in three buffers of the caller's. */
struct kc_record_source {
    struct kc_slice keys, values, headers;
    const int64_t *timestamp;         /* absolute, one per record */
    const int64_t *offset_delta;      /* rising, or NULL: 0, 1, 2, ... */
    const int64_t *key_position, *key_size;
    const int64_t *value_position, *value_size;
    const int64_t *headers_position, *headers_size, *header_count; /* all NULL: no headers */
};

/* An upper bound of the bytes that the records take.  KC_INVALID: record *bad_index names bytes outside its buffer, or all
 * together are more than a batch can be. */
kc_status kc_record_columns_size_max(const struct kc_record_source *source, int32_t record_count, size_t *size, int32_t *bad_index);

/* Adds the records to a builder.  The source was checked with kc_record_columns_size_max.  KC_LIMIT, KC_INVALID as
 * kc_batch_builder_add_at; the records before *bad_index are in. */
kc_status kc_record_columns_encode(struct kc_batch_builder *b, const struct kc_record_source *source, int32_t record_count,
                                   int32_t *bad_index);

#endif

/* build.h: record batches made here: by internal topics, by the Python library, by tests.
 *
 *     kc_batch_builder_init(&b, buffer, capacity, &spec);
 *     for each record: kc_batch_builder_add(&b, timestamp, key, value, headers, header_count);
 *     kc_batch_builder_finish(&b, &batch);
 *
 * The buffer is the caller's and never grows by itself: a record that does not fit is refused with KC_LIMIT and changes
 * nothing; the caller may move the bytes to a larger buffer, say so with kc_batch_builder_moved, and add it again.
 * kc_record_size tells beforehand.  Thread: the caller's. */
#ifndef KC_RECORD_BUILD_H
#define KC_RECORD_BUILD_H

#include "base/bytes.h"
#include "base/status.h"
#include "record/batch.h"
#include "record/iterate.h"

/* What a batch says about itself besides its records. */
struct kc_batch_spec {
    int64_t base_offset;
    int64_t producer_id;         /* -1: not idempotent */
    int64_t delete_horizon_ms;   /* the base timestamp where KC_ATTRIBUTE_DELETE_HORIZON is set (KIP-534), -1 otherwise */
    int32_t leader_epoch;
    int32_t base_sequence;       /* -1 without a producer id */
    int16_t producer_epoch;      /* -1 without a producer id */
    int16_t attributes;          /* without a codec: the builder writes records as they are */
};

/* A batch of no producer at offset 0, leader epoch -1. */
struct kc_batch_spec kc_batch_spec_plain(void);

struct kc_batch_builder {
    uint8_t *buffer;
    size_t capacity, used;
    struct kc_batch_spec spec;
    int64_t base_timestamp, max_timestamp;
    int32_t record_count, last_offset_delta;
};

void kc_batch_builder_init(struct kc_batch_builder *b, void *buffer, size_t capacity, const struct kc_batch_spec *spec);

/* The first b->used bytes have been copied to a larger buffer. */
void kc_batch_builder_moved(struct kc_batch_builder *b, void *buffer, size_t capacity);

/* Appends a record at the next offset.  A key or value whose data is NULL is null; so is a header's value where value_null is
 * set.  KC_LIMIT: no room.  KC_INVALID: the record alone is larger than a batch can be. */
kc_status kc_batch_builder_add(struct kc_batch_builder *b, int64_t timestamp, struct kc_slice key, struct kc_slice value,
                               const struct kc_record_header *headers, int32_t header_count);

/* The same at a given delta, above all earlier ones: compaction leaves gaps.  KC_INVALID also for a delta that is not. */
kc_status kc_batch_builder_add_at(struct kc_batch_builder *b, int32_t offset_delta, int64_t timestamp, struct kc_slice key,
                                  struct kc_slice value, const struct kc_record_header *headers, int32_t header_count);

/* Appends a record whose headers section (count headers, already in their encoding) is copied as it stands. */
kc_status kc_batch_builder_add_encoded(struct kc_batch_builder *b, int32_t offset_delta, int64_t timestamp, struct kc_slice key,
                                       struct kc_slice value, struct kc_slice headers, int32_t header_count);

/* Writes the header and its CRC.  *batch is in the buffer.  The caller may have raised b->last_offset_delta above the last
 * record's: a compacted batch keeps the range of offsets that it had.  KC_LIMIT: no room even for a header. */
kc_status kc_batch_builder_finish(struct kc_batch_builder *b, struct kc_slice *batch);

/* Bytes that a record takes, at most; 0 where it is larger than a batch can be. */
size_t kc_record_size_max(struct kc_slice key, struct kc_slice value, size_t headers_size);

/* A batch around a records section that somebody has compressed: copies it behind the header, which is taken as it is except
 * for size, magic and CRC.  out has KC_BATCH_HEADER_SIZE + section.size bytes.  KC_INVALID: larger than a batch can be. */
kc_status kc_batch_wrap(const struct kc_batch_header *header, struct kc_slice section, uint8_t *out);

#endif

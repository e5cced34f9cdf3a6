/* batch_filter.h: what compaction leaves of one batch.
 *
 * A record stays if no later record of its key is in the map, and if it is not a tombstone whose time is over (KIP-534: the first cleaning
 * writes that time, the delete horizon, into the batch's base timestamp).  A record without a key does not stay.  The batch keeps its base
 * offset, its last offset and its sequence numbers, so that every offset and every producer's history stays what it was; records that stay
 * are copied byte for byte unless their timestamps have to be told anew, against a delete horizon.
 *
 * Whether a batch was aborted is the cleaner's to know (cleaned_txns.h): such a one does not come here.  Nor does a marker, but to get its
 * delete horizon.
 *
 * Thread: the cleaner's.  Source: org.apache.kafka.common.record.MemoryRecords.filterTo, Cleaner.shouldRetainRecord. */
#ifndef KC_LOG_BATCH_FILTER_H
#define KC_LOG_BATCH_FILTER_H

#include "log/offset_map.h"
#include "record/batch.h"

enum kc_batch_rest {
    KC_BATCH_REST_ALL,                   /* the batch stays as it is */
    KC_BATCH_REST_SOME,                  /* a new header and a new records section */
    KC_BATCH_REST_NONE,
};

struct kc_byte_buffer {
    uint8_t *bytes;
    size_t capacity;
};

struct kc_batch_filter {
    const struct kc_offset_map *map;
    int64_t now_ms, delete_retention_ms;
    struct kc_byte_buffer kept, built;   /* of its own; results lie in one of them */
};

/* What stays, for KC_BATCH_REST_SOME. */
struct kc_batch_remnant {
    struct kc_batch_header header;       /* without codec and size */
    uint8_t *section;                    /* KC_BATCH_HEADER_SIZE bytes of room lie before it; lives until the next call */
    size_t section_size;
};

/* records: the uncompressed records section of the batch.  KC_CORRUPT, KC_NO_MEMORY. */
kc_status kc_batch_filter_run(struct kc_batch_filter *filter, const struct kc_batch_header *header, struct kc_slice records,
                              enum kc_batch_rest *rest, struct kc_batch_remnant *remnant);
/* The whole of an uncompressed batch, with a delete horizon. */
kc_status kc_batch_filter_time(struct kc_batch_filter *filter, const struct kc_batch_header *header, struct kc_slice records,
                               struct kc_batch_remnant *remnant);
void kc_batch_filter_release(struct kc_batch_filter *filter);

/* The header of a batch without records that stands for one whose records are gone. */
struct kc_batch_header kc_batch_emptied(const struct kc_batch_header *header);

/* Makes room; the bytes that are there are lost. */
kc_status kc_byte_buffer_reserve(struct kc_byte_buffer *buffer, size_t size);

#endif

/* search.h: the record of a batch that a timestamp asks for (ListOffsets).
 *
 * records is the uncompressed section of the batch that header describes.  Under LogAppendTime every record has the header's
 * maximum timestamp.  Thread: any. */
#ifndef KC_RECORD_SEARCH_H
#define KC_RECORD_SEARCH_H

#include "base/bytes.h"
#include "base/status.h"
#include "record/batch.h"

struct kc_timestamped_offset {
    int64_t timestamp, offset;
};

/* The first record at or after offset_min whose timestamp is at least target.  KC_END: none.  KC_CORRUPT. */
kc_status kc_record_find_timestamp(struct kc_slice records, const struct kc_batch_header *header, int64_t target, int64_t offset_min,
                                   struct kc_timestamped_offset *out);

/* The first of the records with the highest timestamp.  KC_END: none has one.  KC_CORRUPT. */
kc_status kc_record_find_max_timestamp(struct kc_slice records, const struct kc_batch_header *header, struct kc_timestamped_offset *out);

#endif

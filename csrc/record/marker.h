/* marker.h: the control batch that ends a transaction in a partition.
 *
 * One record.  Key: int16 version 0, int16 type (0 abort, 1 commit).  Value: int16 version 0, int32 coordinator epoch.  The batch
 * bears the transactional and the control attribute, the producer's id and epoch, and no sequence.
 *
 * Thread: any.  Source: org.apache.kafka.common.record.{ControlRecordType, EndTransactionMarker}. */
#ifndef KC_RECORD_MARKER_H
#define KC_RECORD_MARKER_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"
#include "record/batch.h"

/* A marker as it is written here is KC_MARKER_SIZE bytes long; others may put headers into it. */
enum { KC_MARKER_SIZE = 78, KC_MARKER_SIZE_MAX = 512 };

struct kc_marker {
    int64_t producer_id;
    int64_t timestamp;
    int32_t coordinator_epoch;
    int16_t producer_epoch;
    bool commit;
};

/* Writes the batch, at offset 0 and without a leader epoch, into KC_MARKER_SIZE bytes. */
void kc_marker_build(const struct kc_marker *marker, uint8_t *batch);

/* Reads the records of a control batch.  False: some other control record, or none (compaction has taken the transaction), or not
 * to be read. */
bool kc_marker_read(struct kc_slice records, const struct kc_batch_header *header, struct kc_marker *out);

#endif

/* recovery.h: reading a segment from its first byte to its last good batch.
 *
 * For every batch: whole, magic, CRC, offsets that go on from the batch before and stay below the next segment, leader epochs
 * that do not fall.  Both indexes are built anew on the way, and leader epochs and producer state take in what they see.  The
 * first batch that fails ends the log: the file is cut there, later segments become `.deleted`.  So does a segment that ends
 * before the next begins, unless the log is or may have been compacted: Kafka's cleaner leaves empty segments behind.
 *
 * Thread: whoever opens the log; nobody else has it yet. */
#ifndef KC_LOG_RECOVERY_H
#define KC_LOG_RECOVERY_H

#include "log/log_internal.h"

/* Scans the segments from slot `first` on.  *end_offset is the log end offset. */
kc_status kc_recovery_scan(struct kc_log *log, size_t first, bool compacted, struct kc_log_recovery *report, int64_t *end_offset);

/* After the mere death of the process: walks the headers of the last segment from its last index entry on, and adds the entries that had
 * not been written.  A write that was cut short, which ends in the middle of a batch, is cut off.  KC_CORRUPT: there is something else,
 * which a scan has to find. */
kc_status kc_recovery_walk_tail(struct kc_log *log, struct kc_log_recovery *report, int64_t *end_offset);

/* Builds the indexes of one trusted segment from its headers.  What cannot be walked to its end keeps the indexes as far as
 * they came. */
kc_status kc_recovery_rebuild_indexes(struct kc_log *log, size_t slot, struct kc_log_recovery *report);

/* Fills empty leader epochs from the headers of all segments. */
kc_status kc_recovery_rebuild_epochs(struct kc_log *log);

#endif

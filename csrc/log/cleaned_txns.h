/* cleaned_txns.h: what a cleaning knows of the transactions in the segments that it reads: all of them are decided.
 *
 * A batch was aborted if an entry of the index of aborted transactions spans it: transactions of one producer do not overlap.  A marker is
 * needed as long as a batch of its transaction is in the log, be it one without records; so those seen on the way are remembered until
 * their marker comes.  That tells of every batch only if the log is read from its start.
 *
 * Thread: the cleaner's.  Source: org.apache.kafka.storage.internals.log.CleanedTransactionMetadata. */
#ifndef KC_LOG_CLEANED_TXNS_H
#define KC_LOG_CLEANED_TXNS_H

#include <stdbool.h>
#include <stddef.h>

#include "log/aborted_txns.h"
#include "record/batch.h"
#include "record/marker.h"

struct kc_cleaned_txns {
    struct kc_aborted_txns aborted;      /* by producer and first offset, after kc_cleaned_txns_sort */
    int64_t *producers;                  /* those with a batch, and no marker yet; rising */
    size_t producer_count, producer_capacity;
};

/* Once `aborted` is filled. */
void kc_cleaned_txns_sort(struct kc_cleaned_txns *txns);
void kc_cleaned_txns_release(struct kc_cleaned_txns *txns);

bool kc_cleaned_txns_aborted(const struct kc_cleaned_txns *txns, const struct kc_batch_header *header);

/* A data batch was read.  KC_NO_MEMORY. */
kc_status kc_cleaned_txns_see_batch(struct kc_cleaned_txns *txns, const struct kc_batch_header *header);
/* A marker was read: whether a batch of its transaction was.  *aborted: its entry in the index, NULL: none. */
bool kc_cleaned_txns_see_marker(struct kc_cleaned_txns *txns, const struct kc_marker *marker, int64_t offset,
                                const struct kc_aborted_txn **aborted);

#endif

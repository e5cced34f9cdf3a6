/* open_txns.h: the transactions that have data in a partition and no marker yet, oldest first.
 *
 * The first of them holds the last stable offset.  A transaction begins at the end of the log, so that adding is appending; only a
 * snapshot's come in any order.  There are as many as transactional producers at work, which is few.
 *
 * Thread: the owner of the log's lock.  Memory: one array that doubles. */
#ifndef KC_LOG_OPEN_TXNS_H
#define KC_LOG_OPEN_TXNS_H

#include <stdint.h>

#include "base/status.h"

struct kc_open_txn {
    int64_t first_offset;
    int64_t producer_id;
};

struct kc_open_txns {
    struct kc_open_txn *items;             /* by first offset */
    uint32_t count, capacity;
};

void kc_open_txns_release(struct kc_open_txns *txns);
static inline void kc_open_txns_clear(struct kc_open_txns *txns) { txns->count = 0; }

/* Makes sure that one kc_open_txns_add needs no memory. */
kc_status kc_open_txns_reserve(struct kc_open_txns *txns);
void kc_open_txns_add(struct kc_open_txns *txns, int64_t first_offset, int64_t producer_id);
void kc_open_txns_remove(struct kc_open_txns *txns, int64_t first_offset, int64_t producer_id);

/* The first offset of the oldest open transaction of another producer than this one (-1: of any), or `otherwise`. */
int64_t kc_open_txns_first(const struct kc_open_txns *txns, int64_t but_producer_id, int64_t otherwise);

#endif

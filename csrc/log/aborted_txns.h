/* aborted_txns.h: the aborted transactions of a range of offsets.
 *
 * Thread: any; a list belongs to one thread.  Memory: the list's array, kept and reused until released. */
#ifndef KC_LOG_ABORTED_TXNS_H
#define KC_LOG_ABORTED_TXNS_H

#include <stdint.h>

#include "base/array.h"
#include "base/status.h"

struct kc_aborted_txn {
    int64_t producer_id;
    int64_t first_offset;                  /* of its first batch in the partition */
    int64_t last_offset;                   /* of the abort marker */
    int64_t last_stable_offset;            /* of the partition, once the marker was there */
};

struct kc_aborted_txns {
    struct kc_aborted_txn *items;          /* by last offset */
    uint32_t count, capacity;
};

static inline kc_status kc_aborted_txns_add(struct kc_aborted_txns *list, const struct kc_aborted_txn *txn) {
    if (list->count == UINT32_MAX || !KC_ARRAY_RESERVE(list->items, list->capacity, list->count + 1)) return KC_NO_MEMORY;
    list->items[list->count++] = *txn;
    return KC_OK;
}

static inline void kc_aborted_txns_release(struct kc_aborted_txns *list) {
    free(list->items);
    *list = (struct kc_aborted_txns){0};
}

#endif

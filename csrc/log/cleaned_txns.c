#include "log/cleaned_txns.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right) {
    const struct kc_aborted_txn *a = left, *b = right;
    if (a->producer_id != b->producer_id) return a->producer_id < b->producer_id ? -1 : 1;
    return (a->first_offset > b->first_offset) - (a->first_offset < b->first_offset);
}

void kc_cleaned_txns_sort(struct kc_cleaned_txns *txns) {
    if (txns->aborted.count) qsort(txns->aborted.items, txns->aborted.count, sizeof *txns->aborted.items, compare);
}

void kc_cleaned_txns_release(struct kc_cleaned_txns *txns) {
    kc_aborted_txns_release(&txns->aborted);
    free(txns->producers);
    *txns = (struct kc_cleaned_txns){0};
}

/* The producer's last aborted transaction that began at or below the offset; NULL: none, or it was over before. */
static const struct kc_aborted_txn *find_aborted(const struct kc_cleaned_txns *txns, int64_t producer_id, int64_t offset) {
    uint32_t low = 0, high = txns->aborted.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct kc_aborted_txn *txn = &txns->aborted.items[middle];
        if (txn->producer_id < producer_id || (txn->producer_id == producer_id && txn->first_offset <= offset))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0) return NULL;
    const struct kc_aborted_txn *txn = &txns->aborted.items[low - 1];
    return txn->producer_id == producer_id && offset <= txn->last_offset ? txn : NULL;
}

bool kc_cleaned_txns_aborted(const struct kc_cleaned_txns *txns, const struct kc_batch_header *header) {
    return (header->attributes & KC_ATTRIBUTE_TRANSACTIONAL) && find_aborted(txns, header->producer_id, header->base_offset);
}

/* Where the producer is, or belongs. */
static size_t place_of(const struct kc_cleaned_txns *txns, int64_t producer_id) {
    size_t low = 0, high = txns->producer_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (txns->producers[middle] < producer_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

kc_status kc_cleaned_txns_see_batch(struct kc_cleaned_txns *txns, const struct kc_batch_header *header) {
    if (!(header->attributes & KC_ATTRIBUTE_TRANSACTIONAL)) return KC_OK;
    size_t place = place_of(txns, header->producer_id);
    if (place < txns->producer_count && txns->producers[place] == header->producer_id) return KC_OK;
    if (txns->producer_count == txns->producer_capacity) {
        size_t capacity = txns->producer_capacity ? txns->producer_capacity * 2 : 64;
        int64_t *grown = realloc(txns->producers, capacity * sizeof *grown);
        if (!grown) return KC_NO_MEMORY;
        txns->producers = grown;
        txns->producer_capacity = capacity;
    }
    memmove(txns->producers + place + 1, txns->producers + place, (txns->producer_count++ - place) * sizeof *txns->producers);
    txns->producers[place] = header->producer_id;
    return KC_OK;
}

bool kc_cleaned_txns_see_marker(struct kc_cleaned_txns *txns, const struct kc_marker *marker, int64_t offset,
                                const struct kc_aborted_txn **aborted) {
    const struct kc_aborted_txn *txn = marker->commit ? NULL : find_aborted(txns, marker->producer_id, offset);
    *aborted = txn && txn->last_offset == offset ? txn : NULL;
    size_t place = place_of(txns, marker->producer_id);
    if (place == txns->producer_count || txns->producers[place] != marker->producer_id) return false;
    memmove(txns->producers + place, txns->producers + place + 1, (--txns->producer_count - place) * sizeof *txns->producers);
    return true;
}

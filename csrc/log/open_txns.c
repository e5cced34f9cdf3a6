#include "log/open_txns.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/check.h"

void kc_open_txns_release(struct kc_open_txns *txns) {
    free(txns->items);
    *txns = (struct kc_open_txns){0};
}

kc_status kc_open_txns_reserve(struct kc_open_txns *txns) {
    return KC_ARRAY_RESERVE(txns->items, txns->capacity, txns->count + 1) ? KC_OK : KC_NO_MEMORY;
}

void kc_open_txns_add(struct kc_open_txns *txns, int64_t first_offset, int64_t producer_id) {
    KC_CHECK(txns->count < txns->capacity);
    uint32_t at = txns->count++;
    for (; at > 0 && txns->items[at - 1].first_offset > first_offset; at--) txns->items[at] = txns->items[at - 1];
    txns->items[at] = (struct kc_open_txn){first_offset, producer_id};
}

void kc_open_txns_remove(struct kc_open_txns *txns, int64_t first_offset, int64_t producer_id) {
    uint32_t at = 0;
    while (at < txns->count && (txns->items[at].first_offset != first_offset || txns->items[at].producer_id != producer_id)) at++;
    KC_CHECK(at < txns->count);
    txns->count--;
    memmove(txns->items + at, txns->items + at + 1, (txns->count - at) * sizeof *txns->items);
}

int64_t kc_open_txns_first(const struct kc_open_txns *txns, int64_t but_producer_id, int64_t otherwise) {
    for (uint32_t i = 0; i < txns->count; i++)
        if (txns->items[i].producer_id != but_producer_id) return txns->items[i].first_offset;
    return otherwise;
}

#include "log/txn_verification.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void kc_txn_verifications_release(struct kc_txn_verifications *notes) {
    free(notes->items);
    notes->items = NULL;
    notes->count = notes->capacity = 0;
}

struct kc_txn_verification *kc_txn_verification_find(const struct kc_txn_verifications *notes, int64_t producer_id) {
    for (uint32_t i = 0; i < notes->count; i++)
        if (notes->items[i].producer_id == producer_id) return &notes->items[i];
    return NULL;
}

static void remove_at(struct kc_txn_verifications *notes, uint32_t at) {
    notes->count--;
    memmove(notes->items + at, notes->items + at + 1, (notes->count - at) * sizeof *notes->items);
}

static kc_status add(struct kc_txn_verifications *notes, const struct kc_txn_verification *note, struct kc_txn_verification **out) {
    if (notes->count == KC_TXN_VERIFICATIONS_MAX) remove_at(notes, 0);
    if (!KC_ARRAY_RESERVE(notes->items, notes->capacity, notes->count + 1)) return KC_NO_MEMORY;
    struct kc_txn_verification *added = &notes->items[notes->count++];
    *added = *note;
    added->guard = ++notes->guards;
    *out = added;
    return KC_OK;
}

kc_status kc_txn_verification_begin(struct kc_txn_verifications *notes, int64_t producer_id, int16_t epoch, int32_t sequence,
                                    bool supports_epoch_bump, int64_t now_ms, int64_t *guard) {
    struct kc_txn_verification *note = kc_txn_verification_find(notes, producer_id);
    if (!note) {
        struct kc_txn_verification made = {.producer_id = producer_id, .noted_ms = now_ms, .lowest_sequence = sequence,
                                           .epoch = epoch, .supports_epoch_bump = supports_epoch_bump};
        kc_status status = add(notes, &made, &note);
        if (status != KC_OK) return status;
    }
    if (epoch > note->epoch) {
        note->epoch = epoch;
        note->lowest_sequence = sequence;
        note->expected = false;
    } else if (epoch == note->epoch && sequence < note->lowest_sequence) {
        note->lowest_sequence = sequence;
    }
    *guard = note->guard;
    return KC_OK;
}

kc_status kc_txn_verification_expect(struct kc_txn_verifications *notes, int64_t producer_id, int16_t epoch, int64_t now_ms) {
    struct kc_txn_verification *note = kc_txn_verification_find(notes, producer_id);
    if (!note) {
        struct kc_txn_verification made = {.producer_id = producer_id, .noted_ms = now_ms, .lowest_sequence = INT32_MAX,
                                           .epoch = epoch};
        kc_status status = add(notes, &made, &note);
        if (status != KC_OK) return status;
    }
    if (epoch < note->epoch) return KC_STALE;
    if (epoch > note->epoch) note->lowest_sequence = INT32_MAX;
    note->epoch = epoch;
    note->expected = true;
    return KC_OK;
}

void kc_txn_verification_forget(struct kc_txn_verifications *notes, int64_t producer_id) {
    if (notes->count == 0) return;
    struct kc_txn_verification *note = kc_txn_verification_find(notes, producer_id);
    if (note) remove_at(notes, (uint32_t)(note - notes->items));
}

void kc_txn_verifications_expire(struct kc_txn_verifications *notes, int64_t noted_before_ms) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < notes->count; i++)
        if (notes->items[i].noted_ms >= noted_before_ms) notes->items[kept++] = notes->items[i];
    notes->count = kept;
}

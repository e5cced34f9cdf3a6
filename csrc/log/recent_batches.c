#include "log/recent_batches.h"

#include <stdlib.h>

void kc_recent_batches_release(struct kc_recent_batches *recent) {
    free(recent->entries);
    recent->entries = NULL;
    recent->first = recent->count = 0;
}

void kc_recent_batches_clear(struct kc_recent_batches *recent) { recent->first = recent->count = 0; }

static const struct kc_recent_batch *at(const struct kc_recent_batches *recent, uint32_t i) {
    return &recent->entries[(recent->first + i) % KC_RECENT_BATCH_COUNT];
}

void kc_recent_batches_add(struct kc_recent_batches *recent, struct kc_recent_batch batch) {
    if (!recent->entries && !(recent->entries = malloc(KC_RECENT_BATCH_COUNT * sizeof *recent->entries))) return;
    if (recent->count == KC_RECENT_BATCH_COUNT) {
        recent->first = (recent->first + 1) % KC_RECENT_BATCH_COUNT;
        recent->count--;
    }
    recent->entries[(recent->first + recent->count++) % KC_RECENT_BATCH_COUNT] = batch;
}

bool kc_recent_batches_find(const struct kc_recent_batches *recent, int64_t offset, struct kc_recent_batch *out,
                            int64_t *end_position) {
    if (recent->count == 0) return false;
    const struct kc_recent_batch *oldest = at(recent, 0);
    /* Below the oldest there may be others, unless it is the segment's first. */
    if (offset < oldest->base_offset && oldest->position > 0) return false;
    uint32_t low = 0, high = recent->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (at(recent, middle)->base_offset + at(recent, middle)->last_offset_delta < offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == recent->count) return false;
    *out = *at(recent, low);
    *end_position = low + 1 < recent->count ? at(recent, low + 1)->position : -1;
    return true;
}

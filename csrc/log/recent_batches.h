/* recent_batches.h: where the last batches of the active segment lie.
 *
 * A consumer at the tail asks for what was appended a moment ago; this answers without an index or a system call.
 * A ring of 64; allocated with the first batch.  Thread: the owner of the log's lock. */
#ifndef KC_LOG_RECENT_BATCHES_H
#define KC_LOG_RECENT_BATCHES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { KC_RECENT_BATCH_COUNT = 64 };

struct kc_recent_batch {
    int64_t base_offset;
    int32_t last_offset_delta;
    int32_t position;
};

struct kc_recent_batches {
    struct kc_recent_batch *entries;
    uint32_t first, count;
};

void kc_recent_batches_release(struct kc_recent_batches *recent);
void kc_recent_batches_clear(struct kc_recent_batches *recent);
/* Offsets and positions rise.  Where memory is short the ring stays empty, which only costs speed. */
void kc_recent_batches_add(struct kc_recent_batches *recent, struct kc_recent_batch batch);

/* The first batch with last offset >= offset, if the ring can tell.  *end_position is where the next one starts, or -1 for the
 * newest. */
bool kc_recent_batches_find(const struct kc_recent_batches *recent, int64_t offset, struct kc_recent_batch *out,
                            int64_t *end_position);

#endif

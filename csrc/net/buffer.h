/* buffer.h: input buffers, lent to a connection only while bytes of it wait.
 *
 * Sizes are powers of two from 64 KiB to 4 MiB, kept in one stack each (last in first out, so that the next reader gets the pages that
 * are in the cache); larger ones are made to measure and given back to the system.  A buffer grows as bytes arrive, never because
 * a peer has announced something.
 *
 * Thread: the reactor's.  Limit: what all lent buffers hold together.  The limit is met before a buffer is lent and may be passed by
 * that one buffer, so that a single frame of the largest size always gets through.  Growth ends at three quarters of it: large frames
 * that wait for each other cannot lock out small ones. */
#ifndef KC_NET_BUFFER_H
#define KC_NET_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define KC_BUFFER_SIZE_MIN ((size_t)64 << 10)
#define KC_BUFFER_SIZE_POOLED ((size_t)4 << 20)

struct kc_buffer_pool;

/* data[start..end) is received and not yet used.  No data: nothing is lent. */
struct kc_buffer {
    uint8_t *data;
    size_t capacity, start, end;
};

kc_status kc_buffer_pool_create(uint64_t limit_bytes, struct kc_buffer_pool **out);
/* Everything has come back. */
void kc_buffer_pool_destroy(struct kc_buffer_pool *pool);
uint64_t kc_buffer_pool_lent(const struct kc_buffer_pool *pool);        /* bytes */
uint64_t kc_buffer_pool_kept(const struct kc_buffer_pool *pool);        /* bytes that wait for the next borrower */
/* How many more bytes may be lent before the limit. */
uint64_t kc_buffer_pool_room(const struct kc_buffer_pool *pool);
/* How many buffers have ever come back: whoever was refused need not ask again before this has changed. */
uint64_t kc_buffer_pool_returned(const struct kc_buffer_pool *pool);
/* Gives half of what has not been needed since the last call back to the system. */
void kc_buffer_pool_trim(struct kc_buffer_pool *pool);

/* Lends an empty buffer of at least KC_BUFFER_SIZE_MIN bytes, and of `size` unless that would cost others their room.
 * KC_LIMIT: none now. */
kc_status kc_buffer_acquire(struct kc_buffer_pool *pool, size_t size, struct kc_buffer *buffer);
/* Doubles the buffer, or takes it to `size` if that is less; start becomes 0. */
kc_status kc_buffer_grow(struct kc_buffer_pool *pool, size_t size, struct kc_buffer *buffer);
/* Moves what waits to the front. */
void kc_buffer_compact(struct kc_buffer *buffer);
/* Gives it back, with whatever is in it. */
void kc_buffer_release(struct kc_buffer_pool *pool, struct kc_buffer *buffer);

#endif

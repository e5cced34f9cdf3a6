/* chain.h: what waits to be sent on one connection: memory and file slices, in order.
 *
 * Memory comes in chunks of the reactor's pool and never moves, so that a length written first may be patched later.  A file
 * slice holds a reference and a place, not bytes and not a descriptor: the file is pinned only while it is being sent.
 *
 * Thread: the connection's reactor.  Order: bytes leave in the order in which they were added.  Nothing is sent before
 * kc_chain_flush, so that the answers of one round leave together.  Model: nginx's ngx_chain_t. */
#ifndef KC_NET_CHAIN_H
#define KC_NET_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/status.h"
#include "io/file.h"

struct kc_chunk_pool;   /* one per reactor */
struct kc_chunk;

struct kc_chain {
    struct kc_list items;
    struct kc_chunk_pool *pool;
    struct kc_chunk *tail;    /* the chunk that the next memory goes into, while it has room */
    uint64_t size_bytes;      /* everything added and not yet sent */
};

void kc_chain_init(struct kc_chain *chain, struct kc_chunk_pool *pool);
/* Drops what is left: chunks go back to the pool, files lose their reference. */
void kc_chain_clear(struct kc_chain *chain);

/* `size` bytes at the end of the chain, contiguous, for the caller to fill before the next flush.  They stay where they are until
 * sent.  NULL: no memory. */
uint8_t *kc_chain_reserve(struct kc_chain *chain, size_t size);
/* Gives back the last `size` bytes of the latest reserve (an answer came out shorter than its upper bound). */
void kc_chain_trim(struct kc_chain *chain, size_t size);
/* Appends a slice of a file; takes over the caller's reference, also on failure. */
kc_status kc_chain_add_file(struct kc_chain *chain, struct kc_file *file, int64_t position, int64_t size);
/* Takes the first `size` bytes away: they have been sent. */
void kc_chain_consume(struct kc_chain *chain, uint64_t size);

#endif

/* chunk.h: the memory that answers are written into, and the entries of a chain.
 *
 * A chunk holds the memory of several answers, one after another; file slices may lie between them in the chain, so one chunk may be
 * named by several entries and is counted.  Both kinds go back to the reactor's pool, last in first out, so that the next answer
 * is written where the last one still is in the cache.
 *
 * Thread: the reactor's.  Limits: KEEP chunks and entries are kept for later; beyond that they are freed. */
#ifndef KC_NET_CHUNK_H
#define KC_NET_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "io/file.h"

struct kc_chunk_pool;

struct kc_chunk {
    struct kc_chunk *next;          /* in the pool's stack */
    uint32_t references;            /* entries that name it */
    size_t used, capacity;
    uint8_t data[];
};

/* An entry: `size` bytes at `position` of a chunk or of a file. */
struct kc_chain_item {
    struct kc_list node;
    struct kc_chunk *chunk;
    struct kc_file *file;
    int64_t position, size;
};

#define KC_CHUNK_SIZE ((size_t)16 << 10)

kc_status kc_chunk_pool_create(struct kc_chunk_pool **out);
/* Everything has come back. */
void kc_chunk_pool_destroy(struct kc_chunk_pool *pool);
/* How many chunks and entries are lent out: zero once every chain is empty. */
size_t kc_chunk_pool_lent(const struct kc_chunk_pool *pool);

/* NULL: no memory.  With no references; room for at least `size` bytes. */
struct kc_chunk *kc_chunk_acquire(struct kc_chunk_pool *pool, size_t size);
void kc_chunk_release(struct kc_chunk_pool *pool, struct kc_chunk *chunk);
struct kc_chain_item *kc_chain_item_acquire(struct kc_chunk_pool *pool);
void kc_chain_item_release(struct kc_chunk_pool *pool, struct kc_chain_item *item);

#endif

#include "net/chunk.h"

#include <stdlib.h>

#include "base/check.h"

enum { KEEP_CHUNKS = 64, KEEP_ITEMS = 1024 };

struct kc_chunk_pool {
    struct kc_chunk *chunks;
    struct kc_list items;
    size_t chunk_count, item_count;
    size_t lent;
};

kc_status kc_chunk_pool_create(struct kc_chunk_pool **out) {
    struct kc_chunk_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return KC_NO_MEMORY;
    kc_list_init(&pool->items);
    *out = pool;
    return KC_OK;
}

void kc_chunk_pool_destroy(struct kc_chunk_pool *pool) {
    KC_CHECK(pool->lent == 0);
    while (pool->chunks) {
        struct kc_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        free(chunk);
    }
    for (struct kc_list *node; (node = kc_list_pop_front(&pool->items));) free(KC_CONTAINER_OF(node, struct kc_chain_item, node));
    free(pool);
}

size_t kc_chunk_pool_lent(const struct kc_chunk_pool *pool) { return pool->lent; }

struct kc_chunk *kc_chunk_acquire(struct kc_chunk_pool *pool, size_t size) {
    const size_t usual = KC_CHUNK_SIZE - sizeof(struct kc_chunk);
    struct kc_chunk *chunk = size <= usual ? pool->chunks : NULL;
    if (chunk) {
        pool->chunks = chunk->next;
        pool->chunk_count--;
    } else {
        size_t capacity = size <= usual ? usual : size;
        if (capacity > SIZE_MAX - sizeof *chunk) return NULL;
        chunk = malloc(sizeof *chunk + capacity);
        if (!chunk) return NULL;
        chunk->capacity = capacity;
    }
    chunk->next = NULL;
    chunk->references = 0;
    chunk->used = 0;
    pool->lent++;
    return chunk;
}

void kc_chunk_release(struct kc_chunk_pool *pool, struct kc_chunk *chunk) {
    KC_CHECK(pool->lent > 0);
    pool->lent--;
    if (chunk->capacity == KC_CHUNK_SIZE - sizeof *chunk && pool->chunk_count < KEEP_CHUNKS) {
        chunk->next = pool->chunks;
        pool->chunks = chunk;
        pool->chunk_count++;
    } else {
        free(chunk);
    }
}

struct kc_chain_item *kc_chain_item_acquire(struct kc_chunk_pool *pool) {
    struct kc_list *node = kc_list_pop_front(&pool->items);
    struct kc_chain_item *item = node ? KC_CONTAINER_OF(node, struct kc_chain_item, node) : malloc(sizeof *item);
    if (!item) return NULL;
    if (node) pool->item_count--;
    *item = (struct kc_chain_item){.chunk = NULL};
    kc_list_init(&item->node);
    pool->lent++;
    return item;
}

void kc_chain_item_release(struct kc_chunk_pool *pool, struct kc_chain_item *item) {
    KC_CHECK(pool->lent > 0);
    pool->lent--;
    if (pool->item_count < KEEP_ITEMS) {
        kc_list_push_front(&pool->items, &item->node);
        pool->item_count++;
    } else {
        free(item);
    }
}

#include "net/chain.h"

#include "base/check.h"
#include "net/chunk.h"

void kc_chain_init(struct kc_chain *chain, struct kc_chunk_pool *pool) {
    kc_list_init(&chain->items);
    chain->pool = pool;
    chain->tail = NULL;
    chain->size_bytes = 0;
}

static struct kc_chain_item *item_of(struct kc_list *node) { return KC_CONTAINER_OF(node, struct kc_chain_item, node); }

static void drop(struct kc_chain *chain, struct kc_chain_item *item) {
    if (item->file) kc_file_release(item->file);
    if (item->chunk && --item->chunk->references == 0) {
        if (chain->tail == item->chunk) chain->tail = NULL;
        kc_chunk_release(chain->pool, item->chunk);
    }
    kc_list_remove(&item->node);
    kc_chain_item_release(chain->pool, item);
}

void kc_chain_clear(struct kc_chain *chain) {
    while (!kc_list_empty(&chain->items)) drop(chain, item_of(chain->items.next));
    chain->size_bytes = 0;
}

uint8_t *kc_chain_reserve(struct kc_chain *chain, size_t size) {
    struct kc_chunk *chunk = chain->tail;
    bool fits = chunk && chunk->capacity - chunk->used >= size;
    struct kc_chain_item *last = kc_list_empty(&chain->items) ? NULL : item_of(chain->items.prev);
    if (!fits || last->chunk != chunk) {
        struct kc_chain_item *item = kc_chain_item_acquire(chain->pool);
        if (!item) return NULL;
        if (!fits) chunk = kc_chunk_acquire(chain->pool, size);
        if (!chunk) {
            kc_chain_item_release(chain->pool, item);
            return NULL;
        }
        item->chunk = chunk;
        item->position = (int64_t)chunk->used;
        chunk->references++;
        kc_list_push_back(&chain->items, &item->node);
        chain->tail = chunk;
        last = item;
    }
    uint8_t *at = chunk->data + chunk->used;
    chunk->used += size;
    last->size += (int64_t)size;
    chain->size_bytes += size;
    return at;
}

void kc_chain_trim(struct kc_chain *chain, size_t size) {
    if (size == 0) return;
    KC_CHECK(!kc_list_empty(&chain->items));
    struct kc_chain_item *last = item_of(chain->items.prev);
    KC_CHECK(last->chunk && last->size >= (int64_t)size);
    last->chunk->used -= size;
    last->size -= (int64_t)size;
    chain->size_bytes -= size;
    if (last->size == 0) drop(chain, last);
}

kc_status kc_chain_add_file(struct kc_chain *chain, struct kc_file *file, int64_t position, int64_t size) {
    KC_CHECK(position >= 0 && size >= 0);
    struct kc_chain_item *item = size > 0 ? kc_chain_item_acquire(chain->pool) : NULL;
    if (!item) {
        kc_file_release(file);
        return size > 0 ? KC_NO_MEMORY : KC_OK;
    }
    item->file = file;
    item->position = position;
    item->size = size;
    kc_list_push_back(&chain->items, &item->node);
    chain->size_bytes += (uint64_t)size;
    return KC_OK;
}

void kc_chain_consume(struct kc_chain *chain, uint64_t size) {
    KC_CHECK(size <= chain->size_bytes);
    chain->size_bytes -= size;
    while (size > 0) {
        struct kc_chain_item *first = item_of(chain->items.next);
        int64_t part = (uint64_t)first->size < size ? first->size : (int64_t)size;
        first->position += part;
        first->size -= part;
        size -= (uint64_t)part;
        if (first->size == 0) drop(chain, first);
    }
    /* An entry of no bytes is left behind only by a reserve of none. */
    while (chain->size_bytes == 0 && !kc_list_empty(&chain->items)) drop(chain, item_of(chain->items.next));
}

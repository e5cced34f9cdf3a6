#ifdef __linux__
#define _GNU_SOURCE     /* mremap */
#endif
#include "net/buffer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(data, size) __asan_poison_memory_region((data), (size))
#define UNPOISON(data, size) __asan_unpoison_memory_region((data), (size))
#else
#define POISON(data, size) ((void)(data), (void)(size))
#define UNPOISON(data, size) ((void)(data), (void)(size))
#endif

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

enum { CLASSES = 7 };       /* 64 KiB << 0 .. 64 KiB << 6 */
_Static_assert(KC_BUFFER_SIZE_MIN << (CLASSES - 1) == KC_BUFFER_SIZE_POOLED, "the classes end at the largest pooled size");

#define KEPT_MAX ((uint64_t)64 << 20)

/* Kept in the first bytes of a buffer that nobody has. */
struct kept {
    struct kept *next;
};

struct stack {
    struct kept *top;
    uint32_t count, lowest;     /* lowest: since the last trim; so many were not needed */
};

struct kc_buffer_pool {
    uint64_t limit, lent, kept, returned;
    struct stack stacks[CLASSES];
};

kc_status kc_buffer_pool_create(uint64_t limit_bytes, struct kc_buffer_pool **out) {
    struct kc_buffer_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return KC_NO_MEMORY;
    pool->limit = limit_bytes;
    *out = pool;
    return KC_OK;
}

static size_t class_size(int class) { return KC_BUFFER_SIZE_MIN << class; }

/* The smallest class that holds `size`, or -1. */
static int class_of(size_t size) {
    for (int class = 0; class < CLASSES; class++)
        if (size <= class_size(class)) return class;
    return -1;
}

static uint8_t *map(size_t size) {
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

static uint8_t *pop(struct kc_buffer_pool *pool, int class) {
    struct stack *stack = &pool->stacks[class];
    struct kept *top = stack->top;
    if (!top) return NULL;
    UNPOISON(top, class_size(class));
    stack->top = top->next;
    if (--stack->count < stack->lowest) stack->lowest = stack->count;
    pool->kept -= class_size(class);
    return (uint8_t *)top;
}

static void give_back(struct kc_buffer_pool *pool, uint8_t *data, size_t size) {
    int class = class_of(size);
    if (class >= 0 && class_size(class) == size && pool->kept + size <= KEPT_MAX) {
        struct stack *stack = &pool->stacks[class];
        struct kept *top = (struct kept *)(void *)data;
        top->next = stack->top;
        stack->top = top;
        stack->count++;
        pool->kept += size;
        POISON(data, size);
    } else {
        munmap(data, size);
    }
}

void kc_buffer_pool_destroy(struct kc_buffer_pool *pool) {
    KC_CHECK(pool->lent == 0);
    for (int class = 0; class < CLASSES; class++)
        for (uint8_t *data; (data = pop(pool, class));) munmap(data, class_size(class));
    free(pool);
}

uint64_t kc_buffer_pool_lent(const struct kc_buffer_pool *pool) { return pool->lent; }
uint64_t kc_buffer_pool_kept(const struct kc_buffer_pool *pool) { return pool->kept; }
uint64_t kc_buffer_pool_returned(const struct kc_buffer_pool *pool) { return pool->returned; }
uint64_t kc_buffer_pool_room(const struct kc_buffer_pool *pool) { return pool->lent < pool->limit ? pool->limit - pool->lent : 0; }

void kc_buffer_pool_trim(struct kc_buffer_pool *pool) {
    for (int class = 0; class < CLASSES; class++) {
        struct stack *stack = &pool->stacks[class];
        for (uint32_t spare = (stack->lowest + 1) / 2; spare > 0; spare--) munmap(pop(pool, class), class_size(class));
        stack->lowest = stack->count;
    }
}

kc_status kc_buffer_acquire(struct kc_buffer_pool *pool, size_t size, struct kc_buffer *buffer) {
    KC_CHECK(!buffer->data);
    if (pool->lent >= pool->limit) return KC_LIMIT;
    if (size > KC_BUFFER_SIZE_POOLED) size = KC_BUFFER_SIZE_POOLED;
    int class = pool->lent + size > pool->limit / 2 ? 0 : class_of(size);
    uint8_t *data = pop(pool, class);
    if (!data) data = map(class_size(class));
    if (!data) return KC_NO_MEMORY;
    *buffer = (struct kc_buffer){.data = data, .capacity = class_size(class)};
    pool->lent += class_size(class);
    return KC_OK;
}

/* What `capacity` grows to. */
static size_t grown(size_t capacity, size_t size) {
    size_t doubled = capacity * 2;
    if (doubled <= KC_BUFFER_SIZE_POOLED) return doubled;
    size_t whole = (size + KC_BUFFER_SIZE_MIN - 1) & ~(KC_BUFFER_SIZE_MIN - 1);
    return whole > capacity && whole < doubled ? whole : doubled;
}

/* A larger place with the first `used` bytes of the old one, which is gone. */
static uint8_t *move(struct kc_buffer_pool *pool, uint8_t *data, size_t capacity, size_t used, size_t larger) {
#ifdef __linux__
    if (larger > KC_BUFFER_SIZE_POOLED) {      /* page tables are moved, not bytes */
        void *moved = mremap(data, capacity, larger, MREMAP_MAYMOVE);
        return moved == MAP_FAILED ? NULL : moved;
    }
#endif
    int class = class_of(larger);
    uint8_t *to = class >= 0 ? pop(pool, class) : NULL;
    if (!to) to = map(larger);
    if (!to) return NULL;
    memcpy(to, data, used);
    give_back(pool, data, capacity);
    return to;
}

kc_status kc_buffer_grow(struct kc_buffer_pool *pool, size_t size, struct kc_buffer *buffer) {
    if (pool->lent - buffer->capacity >= pool->limit - pool->limit / 4) return KC_LIMIT;
    kc_buffer_compact(buffer);
    size_t larger = grown(buffer->capacity, size);
    uint8_t *data = move(pool, buffer->data, buffer->capacity, buffer->end, larger);
    if (!data) return KC_NO_MEMORY;
    pool->lent += larger - buffer->capacity;
    buffer->data = data;
    buffer->capacity = larger;
    return KC_OK;
}

void kc_buffer_compact(struct kc_buffer *buffer) {
    if (buffer->start == 0) return;
    memmove(buffer->data, buffer->data + buffer->start, buffer->end - buffer->start);
    buffer->end -= buffer->start;
    buffer->start = 0;
}

void kc_buffer_release(struct kc_buffer_pool *pool, struct kc_buffer *buffer) {
    if (!buffer->data) return;
    KC_CHECK(pool->lent >= buffer->capacity);
    pool->lent -= buffer->capacity;
    pool->returned++;
    give_back(pool, buffer->data, buffer->capacity);
    *buffer = (struct kc_buffer){.data = NULL};
}

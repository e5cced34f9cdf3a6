#include "net/timer.h"

#include <stdlib.h>

#include "base/check.h"

void kc_timers_init(struct kc_timers *timers) { *timers = (struct kc_timers){.heap = NULL}; }

void kc_timers_destroy(struct kc_timers *timers) {
    for (uint32_t i = 1; i <= timers->count; i++) timers->heap[i]->heap_index = 0;
    free(timers->heap);
    kc_timers_init(timers);
}

kc_status kc_timers_reserve(struct kc_timers *timers, uint32_t count) {
    if (count <= timers->capacity) return KC_OK;
    uint32_t capacity = timers->capacity ? timers->capacity : 64;
    while (capacity < count) capacity *= 2;
    struct kc_timer **heap = realloc(timers->heap, ((size_t)capacity + 1) * sizeof(*heap));
    if (!heap) return KC_NO_MEMORY;
    timers->heap = heap;
    timers->capacity = capacity;
    return KC_OK;
}

static void put(struct kc_timers *timers, uint32_t index, struct kc_timer *timer) {
    timers->heap[index] = timer;
    timer->heap_index = index;
}

static void rise(struct kc_timers *timers, uint32_t index, struct kc_timer *timer) {
    for (; index > 1 && timers->heap[index / 2]->deadline_us > timer->deadline_us; index /= 2) {
        put(timers, index, timers->heap[index / 2]);
    }
    put(timers, index, timer);
}

static void sink(struct kc_timers *timers, uint32_t index, struct kc_timer *timer) {
    for (uint32_t child; (child = index * 2) <= timers->count; index = child) {
        if (child < timers->count && timers->heap[child + 1]->deadline_us < timers->heap[child]->deadline_us) child++;
        if (timers->heap[child]->deadline_us >= timer->deadline_us) break;
        put(timers, index, timers->heap[child]);
    }
    put(timers, index, timer);
}

void kc_timers_arm(struct kc_timers *timers, struct kc_timer *timer, int64_t deadline_us) {
    if (timer->heap_index == 0) {
        /* Whoever may have more timers than connections reserves them; failing here would lose a wake-up for ever. */
        KC_CHECK(kc_timers_reserve(timers, timers->count + 1) == KC_OK);
        timer->deadline_us = deadline_us;
        rise(timers, ++timers->count, timer);
        return;
    }
    int64_t before = timer->deadline_us;
    timer->deadline_us = deadline_us;
    if (deadline_us < before) rise(timers, timer->heap_index, timer);
    else sink(timers, timer->heap_index, timer);
}

void kc_timers_cancel(struct kc_timers *timers, struct kc_timer *timer) {
    uint32_t index = timer->heap_index;
    if (index == 0) return;
    KC_CHECK(index <= timers->count && timers->heap[index] == timer);
    timer->heap_index = 0;
    struct kc_timer *last = timers->heap[timers->count--];
    if (last == timer) return;
    if (last->deadline_us < timer->deadline_us) rise(timers, index, last);
    else sink(timers, index, last);
}

struct kc_timer *kc_timers_first(const struct kc_timers *timers) { return timers->count ? timers->heap[1] : NULL; }

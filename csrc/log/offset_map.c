#include "log/offset_map.h"

#include <stdlib.h>

kc_status kc_offset_map_init(struct kc_offset_map *map, size_t memory_bytes, double load_factor, struct kc_hash_seed seed) {
    size_t capacity = memory_bytes / KC_OFFSET_MAP_SLOT_SIZE;
    if (capacity < 2) capacity = 2;
    size_t count_max = (size_t)((double)capacity * load_factor);
    if (count_max >= capacity) count_max = capacity - 1;
    if (count_max < 1) count_max = 1;
    struct kc_offset_map_slot *slots = calloc(capacity, sizeof *slots);
    if (!slots) return KC_NO_MEMORY;
    *map = (struct kc_offset_map){slots, capacity, 0, count_max, seed};
    return KC_OK;
}

void kc_offset_map_release(struct kc_offset_map *map) {
    free(map->slots);
    *map = (struct kc_offset_map){0};
}

/* The slot of the hash, or the empty one where it would go. */
static struct kc_offset_map_slot *find(const struct kc_offset_map *map, struct kc_key_hash hash) {
    /* The upper bits of a product: as even as a remainder, without the division. */
    size_t i = (size_t)(((unsigned __int128)hash.low * map->capacity) >> 64);
    for (;;) {
        struct kc_offset_map_slot *slot = &map->slots[i];
        if (slot->offset_plus_one == 0 || (slot->hash.low == hash.low && slot->hash.high == hash.high)) return slot;
        if (++i == map->capacity) i = 0;
    }
}

kc_status kc_offset_map_put(struct kc_offset_map *map, struct kc_slice key, int64_t offset) {
    struct kc_key_hash hash = kc_key_hash(map->seed, key);
    struct kc_offset_map_slot *slot = find(map, hash);
    if (slot->offset_plus_one == 0) {
        if (map->count == map->count_max) return KC_LIMIT;
        map->count++;
        slot->hash = hash;
    }
    slot->offset_plus_one = offset + 1;
    return KC_OK;
}

int64_t kc_offset_map_get(const struct kc_offset_map *map, struct kc_slice key) {
    return find(map, kc_key_hash(map->seed, key))->offset_plus_one - 1;
}

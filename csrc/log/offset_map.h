/* offset_map.h: the newest offset of each key, in memory of a fixed size.
 *
 * A slot is 24 bytes: 128 bits of the key's hash and an offset; the key itself is not kept.  Open addressing, linear probing, never more
 * than the load factor full.  So the memory bounds the number of keys that one cleaning can tell apart, and not their size.
 *
 * Thread: the cleaner's.  Source: org.apache.kafka.storage.internals.log.SkimpyOffsetMap. */
#ifndef KC_LOG_OFFSET_MAP_H
#define KC_LOG_OFFSET_MAP_H

#include "base/status.h"
#include "log/key_hash.h"

enum { KC_OFFSET_MAP_SLOT_SIZE = 24 };

struct kc_offset_map_slot {
    struct kc_key_hash hash;
    int64_t offset_plus_one;             /* 0: empty, so that fresh memory is an empty map */
};
_Static_assert(sizeof(struct kc_offset_map_slot) == KC_OFFSET_MAP_SLOT_SIZE, "the memory limit counts slots of this size");

struct kc_offset_map {
    struct kc_offset_map_slot *slots;
    size_t capacity, count, count_max;
    struct kc_hash_seed seed;
};

/* memory_bytes: at least one slot is made.  load_factor: 0 < load_factor <= 1; one slot always stays empty.  Pages that no key falls
 * on are never touched. */
kc_status kc_offset_map_init(struct kc_offset_map *map, size_t memory_bytes, double load_factor, struct kc_hash_seed seed);
void kc_offset_map_release(struct kc_offset_map *map);

/* The key's newest offset is this one, which is above all that were put before.  KC_LIMIT: a new key, and the map is full. */
kc_status kc_offset_map_put(struct kc_offset_map *map, struct kc_slice key, int64_t offset);
/* -1: the key is not there. */
int64_t kc_offset_map_get(const struct kc_offset_map *map, struct kc_slice key);

#endif

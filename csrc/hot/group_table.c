#include "hot/group_table.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"

enum { BUCKETS_MIN = 64 };

struct member {
    uint64_t hash;
    struct kc_slice id, instance;         /* into the group's bytes */
    int64_t heard_us;                     /* -1: never */
};

/* One allocation: the struct, its members, an open-addressing table of member numbers + 1 that is at most half full, the bytes. */
struct group {
    struct group *next;                   /* in its bucket */
    uint64_t hash;
    struct kc_slice id;
    int32_t generation;
    bool open;
    uint32_t count, mask;
    uint32_t *slots;
    struct member members[];
};

struct kc_group_table {
    pthread_mutex_t lock;
    uint64_t seed;
    struct group **buckets;
    size_t bucket_count;                  /* a power of two */
    size_t group_count;
};

/* FNV-1a over a seed, finished by a multiply and shift so that the low bits depend on all of it. */
static uint64_t hash(uint64_t seed, struct kc_slice bytes) {
    uint64_t h = seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes.size; i++) h = (h ^ bytes.data[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

kc_status kc_group_table_create(uint64_t seed, struct kc_group_table **out) {
    struct kc_group_table *table = calloc(1, sizeof *table);
    if (!table) return KC_NO_MEMORY;
    table->seed = seed;
    table->bucket_count = BUCKETS_MIN;
    table->buckets = calloc(table->bucket_count, sizeof(struct group *));
    if (!table->buckets || pthread_mutex_init(&table->lock, NULL) != 0) {
        free(table->buckets);
        free(table);
        return KC_NO_MEMORY;
    }
    *out = table;
    return KC_OK;
}

void kc_group_table_destroy(struct kc_group_table *table) {
    if (!table) return;
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct group *group = table->buckets[i], *next; group; group = next) {
            next = group->next;
            free(group);
        }
    free(table->buckets);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

/* ---- one group --------------------------------------------------------------------------------------------------------------- */

static struct kc_slice copy(uint8_t **at, struct kc_slice bytes) {
    if (!bytes.data) return bytes;
    uint8_t *to = *at;
    if (bytes.size) memcpy(to, bytes.data, bytes.size);
    *at += bytes.size;
    return kc_slice_make(to, bytes.size);
}

static struct group *group_create(uint64_t seed, struct kc_slice id, int32_t generation, const struct kc_group_member *members,
                                  uint32_t count) {
    if (count > UINT32_MAX / 8) return NULL;
    uint32_t slots = 2;
    while (slots < count * 2) slots *= 2;
    size_t size = id.size;
    for (uint32_t i = 0; i < count; i++) size += members[i].id.size + members[i].instance.size;
    size += sizeof(struct group) + count * sizeof(struct member) + slots * sizeof(uint32_t);
    struct group *group = calloc(1, size);
    if (!group) return NULL;
    group->slots = (uint32_t *)(void *)(group->members + count);
    uint8_t *at = (uint8_t *)(group->slots + slots);
    group->hash = hash(seed, id);
    group->id = copy(&at, id);
    group->generation = generation;
    group->open = true;
    group->count = count;
    group->mask = slots - 1;
    for (uint32_t i = 0; i < count; i++) {
        struct member *member = &group->members[i];
        member->hash = hash(seed, members[i].id);
        member->id = copy(&at, members[i].id);
        member->instance = copy(&at, members[i].instance);
        member->heard_us = -1;
        uint32_t slot = (uint32_t)member->hash & group->mask;
        while (group->slots[slot]) slot = (slot + 1) & group->mask;
        group->slots[slot] = i + 1;
    }
    KC_CHECK(at == (uint8_t *)group + size);
    return group;
}

static struct member *find_member(struct group *group, uint64_t h, struct kc_slice id) {
    for (uint32_t slot = (uint32_t)h & group->mask; group->slots[slot]; slot = (slot + 1) & group->mask) {
        struct member *member = &group->members[group->slots[slot] - 1];
        if (member->hash == h && kc_slice_equal(member->id, id)) return member;
    }
    return NULL;
}

/* ---- all of them, under the lock --------------------------------------------------------------------------------------------- */

/* Where the pointer to the group is, or would be. */
static struct group **find_group(struct kc_group_table *table, uint64_t h, struct kc_slice id) {
    struct group **at = &table->buckets[h & (table->bucket_count - 1)];
    while (*at && !((*at)->hash == h && kc_slice_equal((*at)->id, id))) at = &(*at)->next;
    return at;
}

/* Without memory the buckets get longer, which is slower and no worse. */
static void grow(struct kc_group_table *table) {
    size_t count = table->bucket_count * 2;
    struct group **buckets = calloc(count, sizeof(struct group *));
    if (!buckets) return;
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct group *group = table->buckets[i], *next; group; group = next) {
            next = group->next;
            struct group **at = &buckets[group->hash & (count - 1)];
            group->next = *at;
            *at = group;
        }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
}

kc_status kc_group_table_open(struct kc_group_table *table, struct kc_slice id, int32_t generation,
                              const struct kc_group_member *members, uint32_t count) {
    struct group *group = group_create(table->seed, id, generation, members, count);
    if (!group) {
        kc_group_table_close(table, id);
        return KC_NO_MEMORY;
    }
    pthread_mutex_lock(&table->lock);
    struct group **at = find_group(table, group->hash, id);
    struct group *last = *at;
    if (last) {
        for (uint32_t i = 0; i < group->count; i++) {
            const struct member *known = find_member(last, group->members[i].hash, group->members[i].id);
            if (known) group->members[i].heard_us = known->heard_us;
        }
        group->next = last->next;
    }
    *at = group;
    if (!last && ++table->group_count > table->bucket_count) grow(table);
    pthread_mutex_unlock(&table->lock);
    free(last);
    return KC_OK;
}

void kc_group_table_close(struct kc_group_table *table, struct kc_slice id) {
    uint64_t h = hash(table->seed, id);
    pthread_mutex_lock(&table->lock);
    struct group *group = *find_group(table, h, id);
    if (group) group->open = false;
    pthread_mutex_unlock(&table->lock);
}

void kc_group_table_forget(struct kc_group_table *table, struct kc_slice id) {
    uint64_t h = hash(table->seed, id);
    pthread_mutex_lock(&table->lock);
    struct group **at = find_group(table, h, id);
    struct group *group = *at;
    if (group) {
        *at = group->next;
        table->group_count--;
    }
    pthread_mutex_unlock(&table->lock);
    free(group);
}

bool kc_group_table_beat(struct kc_group_table *table, struct kc_slice id, int32_t generation, struct kc_slice member_id,
                         struct kc_slice instance, int64_t now_us) {
    uint64_t group_hash = hash(table->seed, id), member_hash = hash(table->seed, member_id);
    pthread_mutex_lock(&table->lock);
    struct group *group = *find_group(table, group_hash, id);
    struct member *member = NULL;
    if (group && group->open && group->generation == generation) member = find_member(group, member_hash, member_id);
    if (member && instance.data && !(member->instance.data && kc_slice_equal(member->instance, instance))) member = NULL;
    if (member) member->heard_us = now_us;
    pthread_mutex_unlock(&table->lock);
    return member != NULL;
}

int64_t kc_group_table_heard_us(struct kc_group_table *table, struct kc_slice id, struct kc_slice member_id) {
    uint64_t group_hash = hash(table->seed, id), member_hash = hash(table->seed, member_id);
    pthread_mutex_lock(&table->lock);
    struct group *group = *find_group(table, group_hash, id);
    const struct member *member = group ? find_member(group, member_hash, member_id) : NULL;
    int64_t heard_us = member ? member->heard_us : -1;
    pthread_mutex_unlock(&table->lock);
    return heard_us;
}

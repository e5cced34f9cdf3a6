#include "hot/topic_table.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"

/* Two open-addressing tables of pointers, at most half full, over one array of topics. */
struct kc_topic_snapshot {
    atomic_int references;
    uint64_t seed;
    size_t mask;
    size_t count;
    struct kc_topic **topics;
    struct kc_topic **by_name;
    struct kc_topic **by_id;
};

struct kc_topic_table {
    pthread_mutex_t lock;
    uint64_t seed;
    uint64_t mark;
    struct kc_topic_snapshot *current;
    _Atomic uint64_t version;
};

/* FNV-1a over a seed, finished by a multiply and shift so that the low bits depend on all of it. */
static uint64_t hash(uint64_t seed, const uint8_t *data, size_t size) {
    uint64_t h = seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) h = (h ^ data[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

static struct kc_topic_snapshot *snapshot_create(uint64_t seed, struct kc_topic *const *topics, size_t count) {
    size_t capacity = 8;
    while (capacity < count * 2) capacity *= 2;
    struct kc_topic_snapshot *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->topics = calloc(count + 1, sizeof *s->topics);
    s->by_name = calloc(capacity, sizeof *s->by_name);
    s->by_id = calloc(capacity, sizeof *s->by_id);
    if (!s->topics || !s->by_name || !s->by_id) {
        free(s->topics);
        free(s->by_name);
        free(s->by_id);
        free(s);
        return NULL;
    }
    atomic_init(&s->references, 1);
    s->seed = seed;
    s->mask = capacity - 1;
    s->count = count;
    for (size_t i = 0; i < count; i++) {
        struct kc_topic *topic = s->topics[i] = kc_topic_retain(topics[i]);
        size_t at = hash(seed, topic->name.data, topic->name.size) & s->mask;
        while (s->by_name[at]) at = (at + 1) & s->mask;
        s->by_name[at] = topic;
        at = hash(seed, topic->id, KC_TOPIC_ID_SIZE) & s->mask;
        while (s->by_id[at]) at = (at + 1) & s->mask;
        s->by_id[at] = topic;
    }
    return s;
}

struct kc_topic_snapshot *kc_topic_snapshot_retain(struct kc_topic_snapshot *snapshot) {
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

void kc_topic_snapshot_release(struct kc_topic_snapshot *s) {
    if (!s || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < s->count; i++) kc_topic_release(s->topics[i]);
    free(s->topics);
    free(s->by_name);
    free(s->by_id);
    free(s);
}

kc_status kc_topic_table_create(uint64_t seed, struct kc_topic_table **out) {
    struct kc_topic_table *table = calloc(1, sizeof *table);
    if (!table) return KC_NO_MEMORY;
    table->seed = seed;
    table->current = snapshot_create(seed, NULL, 0);
    if (!table->current || pthread_mutex_init(&table->lock, NULL) != 0) {
        kc_topic_snapshot_release(table->current);
        free(table);
        return KC_NO_MEMORY;
    }
    atomic_init(&table->version, 1);
    *out = table;
    return KC_OK;
}

void kc_topic_table_destroy(struct kc_topic_table *table) {
    if (!table) return;
    kc_topic_snapshot_release(table->current);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

kc_status kc_topic_table_publish(struct kc_topic_table *table, struct kc_topic *const *topics, size_t count) {
    struct kc_topic_snapshot *next = snapshot_create(table->seed, topics, count);
    if (!next) return KC_NO_MEMORY;
    pthread_mutex_lock(&table->lock);
    uint64_t mark = ++table->mark;
    for (size_t i = 0; i < count; i++)
        for (int32_t p = 0; p < topics[i]->partition_count; p++) topics[i]->partitions[p]->mark = mark;
    struct kc_topic_snapshot *last = table->current;
    for (size_t i = 0; i < last->count; i++)
        for (int32_t p = 0; p < last->topics[i]->partition_count; p++) {
            struct kc_partition *partition = last->topics[i]->partitions[p];
            if (partition->mark != mark) atomic_store(&partition->removed, true);
        }
    table->current = next;
    atomic_fetch_add(&table->version, 1);
    pthread_mutex_unlock(&table->lock);

    for (size_t i = 0; i < last->count; i++)
        for (int32_t p = 0; p < last->topics[i]->partition_count; p++) {
            struct kc_partition *partition = last->topics[i]->partitions[p];
            if (atomic_load(&partition->removed)) kc_partition_notify(partition, INT64_MAX);
        }
    kc_topic_snapshot_release(last);
    return KC_OK;
}

void kc_topic_view_open(struct kc_topic_view *view, struct kc_topic_table *table) {
    *view = (struct kc_topic_view){.table = table};
    kc_topic_view_refresh(view);
}

void kc_topic_view_close(struct kc_topic_view *view) {
    kc_topic_snapshot_release(view->snapshot);
    view->snapshot = NULL;
    view->version = 0;
}

void kc_topic_view_refresh(struct kc_topic_view *view) {
    struct kc_topic_table *table = view->table;
    if (KC_LIKELY(atomic_load_explicit(&table->version, memory_order_acquire) == view->version)) return;
    pthread_mutex_lock(&table->lock);
    struct kc_topic_snapshot *last = view->snapshot;
    view->snapshot = kc_topic_snapshot_retain(table->current);
    view->version = atomic_load(&table->version);
    pthread_mutex_unlock(&table->lock);
    kc_topic_snapshot_release(last);
}

struct kc_topic *kc_topic_view_find_name(const struct kc_topic_view *view, struct kc_slice name) {
    const struct kc_topic_snapshot *s = view->snapshot;
    if (name.size == 0 || name.size > KC_TOPIC_NAME_SIZE_MAX) return NULL;
    for (size_t at = hash(s->seed, name.data, name.size) & s->mask; s->by_name[at]; at = (at + 1) & s->mask)
        if (kc_slice_equal(s->by_name[at]->name, name)) return s->by_name[at];
    return NULL;
}

struct kc_topic *kc_topic_view_find_id(const struct kc_topic_view *view, const uint8_t *id) {
    const struct kc_topic_snapshot *s = view->snapshot;
    for (size_t at = hash(s->seed, id, KC_TOPIC_ID_SIZE) & s->mask; s->by_id[at]; at = (at + 1) & s->mask)
        if (memcmp(s->by_id[at]->id, id, KC_TOPIC_ID_SIZE) == 0) return s->by_id[at];
    return NULL;
}

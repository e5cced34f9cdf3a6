#include "hot/topic.h"

#include <stdlib.h>

kc_status kc_topic_create(struct kc_slice name, const uint8_t *id, const struct kc_topic_config *config,
                          struct kc_partition *const *partitions, int32_t partition_count, struct kc_topic **out) {
    if (name.size == 0 || name.size > KC_TOPIC_NAME_SIZE_MAX || partition_count < 0) return KC_INVALID;
    struct kc_topic *topic = calloc(1, sizeof *topic + (size_t)partition_count * sizeof(struct kc_partition *));
    uint8_t *copy = malloc(name.size);
    if (!topic || !copy) {
        free(topic);
        free(copy);
        return KC_NO_MEMORY;
    }
    memcpy(copy, name.data, name.size);
    atomic_init(&topic->references, 1);
    topic->name = kc_slice_make(copy, name.size);
    memcpy(topic->id, id, KC_TOPIC_ID_SIZE);
    topic->config = *config;
    topic->partition_count = partition_count;
    for (int32_t i = 0; i < partition_count; i++) topic->partitions[i] = kc_partition_retain(partitions[i]);
    *out = topic;
    return KC_OK;
}

struct kc_topic *kc_topic_retain(struct kc_topic *topic) {
    atomic_fetch_add_explicit(&topic->references, 1, memory_order_relaxed);
    return topic;
}

void kc_topic_release(struct kc_topic *topic) {
    if (atomic_fetch_sub_explicit(&topic->references, 1, memory_order_acq_rel) != 1) return;
    for (int32_t i = 0; i < topic->partition_count; i++) kc_partition_release(topic->partitions[i]);
    free((void *)(uintptr_t)topic->name.data);
    free(topic);
}

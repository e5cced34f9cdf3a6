/* topic.h: one topic as the data path sees it: name, id, the settings it obeys, its partitions.
 *
 * Immutable once made and counted by reference; a changed setting makes a new topic that shares the partitions.
 * Thread: any. */
#ifndef KC_HOT_TOPIC_H
#define KC_HOT_TOPIC_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "hot/partition.h"

enum { KC_TOPIC_NAME_SIZE_MAX = 249, KC_TOPIC_ID_SIZE = 16, KC_TOPIC_CODEC_PRODUCER = -1 };

/* Topic configuration by Kafka's names; see pykafka_core.native.TopicConfig. */
struct kc_topic_config {
    int64_t timestamp_before_max_ms;     /* message.timestamp.before.max.ms */
    int64_t timestamp_after_max_ms;      /* message.timestamp.after.max.ms */
    int64_t flush_messages;              /* flush.messages: so many records may wait for a sync; 1: none, INT64_MAX: all */
    int32_t batch_size_max_bytes;        /* max.message.bytes */
    int32_t min_insync_replicas;
    int8_t codec;                        /* compression.type, KC_TOPIC_CODEC_PRODUCER: as the client sent it */
    bool log_append_time;                /* message.timestamp.type */
    bool compacted;                      /* cleanup.policy contains compact */
    bool internal;                       /* not for clients to write to */
};

struct kc_topic {
    atomic_int references;
    struct kc_slice name;                /* owned */
    uint8_t id[KC_TOPIC_ID_SIZE];
    struct kc_topic_config config;
    int32_t partition_count;
    struct kc_partition *partitions[];   /* one reference each; partitions[i]->index == i */
};

/* Takes a reference to each partition.  KC_INVALID: a name too long or empty.  KC_NO_MEMORY. */
kc_status kc_topic_create(struct kc_slice name, const uint8_t *id, const struct kc_topic_config *config,
                          struct kc_partition *const *partitions, int32_t partition_count, struct kc_topic **out);
struct kc_topic *kc_topic_retain(struct kc_topic *topic);
void kc_topic_release(struct kc_topic *topic);

/* NULL: no such partition. */
static inline struct kc_partition *kc_topic_partition(const struct kc_topic *topic, int32_t index) {
    return index >= 0 && index < topic->partition_count ? topic->partitions[index] : NULL;
}

#endif

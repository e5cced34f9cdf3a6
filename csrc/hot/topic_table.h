/* topic_table.h: which topics there are, published by Python as whole snapshots and read by the reactors without a lock.
 *
 * A snapshot never changes.  Each reactor keeps a view: a reference to the snapshot it saw last, exchanged when the table's
 * version has moved on, which costs one atomic load per request otherwise.  A fetch that waits keeps the snapshot it was parsed
 * with, so that its partitions stay alive.
 *
 * Threads: kc_topic_table_publish and kc_topic_view_refresh from any (one lock, held for a pointer exchange); a view belongs to one
 * thread. */
#ifndef KC_HOT_TOPIC_TABLE_H
#define KC_HOT_TOPIC_TABLE_H

#include "hot/topic.h"

struct kc_topic_table;
struct kc_topic_snapshot;

struct kc_topic_view {
    struct kc_topic_table *table;
    struct kc_topic_snapshot *snapshot;   /* one reference; NULL only before the first refresh */
    uint64_t version;
};

/* seed: of the hash, so that names cannot be chosen to collide. */
kc_status kc_topic_table_create(uint64_t seed, struct kc_topic_table **out);
/* Views have been closed before. */
void kc_topic_table_destroy(struct kc_topic_table *table);

/* Makes these the topics, all at once; takes a reference to each.  Partitions that are in no topic any more are marked as removed
 * and everybody who waits on them is woken.  KC_NO_MEMORY: nothing has changed. */
kc_status kc_topic_table_publish(struct kc_topic_table *table, struct kc_topic *const *topics, size_t count);

void kc_topic_view_open(struct kc_topic_view *view, struct kc_topic_table *table);
void kc_topic_view_close(struct kc_topic_view *view);
/* Brings the view up to date.  Pointers found through it before may die. */
void kc_topic_view_refresh(struct kc_topic_view *view);

/* NULL: unknown.  The topic lives as long as the view's snapshot. */
struct kc_topic *kc_topic_view_find_name(const struct kc_topic_view *view, struct kc_slice name);
struct kc_topic *kc_topic_view_find_id(const struct kc_topic_view *view, const uint8_t *id);

struct kc_topic_snapshot *kc_topic_snapshot_retain(struct kc_topic_snapshot *snapshot);
void kc_topic_snapshot_release(struct kc_topic_snapshot *snapshot);

#endif

/* group_table.h: whose heartbeats the reactors may answer by themselves.
 *
 * Python decides who is a member of which generation, and publishes it; a heartbeat that says just what was published is answered
 * "all is well" by the reactor that reads it, and the time is noted.  Every other heartbeat, such as one of an old generation or one
 * while the group rebalances, goes up whole.  Before Python ends a session for silence it asks when the member was last heard.
 *
 *     kc_group_table_open     a generation begins: these are its members
 *     kc_group_table_close    it ends: from here on every heartbeat goes up; the times stay to be asked for
 *     kc_group_table_forget   the group is gone, and the times with it
 *
 * Invariants:
 *   1. What is answered here Python would have answered the same way at some moment since its last call about that group.
 *   2. A time once noted is not lost while the member is in the group, through any number of generations.
 *
 * One lock, held for a look-up or an exchange of pointers.  Threads: any.  The table copies what it is given. */
#ifndef KC_HOT_GROUP_TABLE_H
#define KC_HOT_GROUP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

struct kc_group_table;

struct kc_group_member {
    struct kc_slice id;
    struct kc_slice instance;             /* data NULL: not a static member */
};

/* seed: of the hash, so that names cannot be chosen to collide. */
kc_status kc_group_table_create(uint64_t seed, struct kc_group_table **out);
void kc_group_table_destroy(struct kc_group_table *table);

/* Ids are those of one group, each once.  KC_NO_MEMORY: the group is closed. */
kc_status kc_group_table_open(struct kc_group_table *table, struct kc_slice group, int32_t generation,
                              const struct kc_group_member *members, uint32_t count);
void kc_group_table_close(struct kc_group_table *table, struct kc_slice group);
void kc_group_table_forget(struct kc_group_table *table, struct kc_slice group);

/* True: this is a member of the open generation, and now_us is noted.  instance.data NULL: the request names none, which also a static
 * member's may do. */
bool kc_group_table_beat(struct kc_group_table *table, struct kc_slice group, int32_t generation, struct kc_slice member,
                         struct kc_slice instance, int64_t now_us);

/* When a heartbeat of this member was last answered here; -1: never. */
int64_t kc_group_table_heard_us(struct kc_group_table *table, struct kc_slice group, struct kc_slice member);

#endif

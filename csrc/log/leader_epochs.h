/* leader_epochs.h: which leader epoch begins at which offset.
 *
 * A follower that comes back, and a consumer that wants to know whether its position was cut away, ask where an epoch ended;
 * the answer must survive restarts, so it stands in `leader-epoch-checkpoint`:
 *
 *     0\n <count>\n  then count lines of  <epoch> <start offset>\n
 *
 * Appends do not write the file: the epoch stands in each batch, and recovery reads it back from there.  The file is written
 * before offsets are declared to be on disk (flush, close) and when the history is cut.
 *
 * Thread: the owner of the log's lock.  Invariant: epochs and start offsets rise strictly from entry to entry.
 * Source: org.apache.kafka.storage.internals.epoch.LeaderEpochFileCache, KIP-101, KIP-279. */
#ifndef KC_LOG_LEADER_EPOCHS_H
#define KC_LOG_LEADER_EPOCHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/disk.h"

#define KC_LEADER_EPOCH_CHECKPOINT "leader-epoch-checkpoint"

struct kc_epoch_entry {
    int64_t start_offset;
    int32_t epoch;
};

struct kc_leader_epochs {
    struct kc_epoch_entry *entries;
    size_t count, capacity;
    bool dirty;                        /* differs from the file */
};

void kc_leader_epochs_release(struct kc_leader_epochs *epochs);

/* Remembers that `epoch` begins at start_offset, unless it is the latest and began before.  Entries that this contradicts
 * (an epoch at or above it, or a start at or beyond it) are dropped. */
kc_status kc_leader_epochs_assign(struct kc_leader_epochs *epochs, int32_t epoch, int64_t start_offset);

/* Drops what begins at or beyond end_offset. */
void kc_leader_epochs_truncate_end(struct kc_leader_epochs *epochs, int64_t end_offset);
/* Drops what ended at or below start_offset; the epoch that holds start_offset now begins there. */
void kc_leader_epochs_truncate_start(struct kc_leader_epochs *epochs, int64_t start_offset);
void kc_leader_epochs_clear(struct kc_leader_epochs *epochs);

/* -1: none. */
int32_t kc_leader_epochs_latest(const struct kc_leader_epochs *epochs);
int32_t kc_leader_epochs_at(const struct kc_leader_epochs *epochs, int64_t offset);
/* The largest epoch <= asked and the offset where it ends: the start of the next one, or log_end_offset for the latest.  An
 * epoch older than all known ones ends where the first known one begins.  (-1, -1): newer than all known ones, or -1. */
void kc_leader_epochs_end_offset(const struct kc_leader_epochs *epochs, int32_t epoch, int64_t log_end_offset,
                                 int32_t *epoch_out, int64_t *end_offset);

/* KC_NOT_FOUND; KC_CORRUPT: not in this format, or not rising.  On failure *epochs is empty. */
kc_status kc_leader_epochs_load(struct kc_leader_epochs *epochs, const struct kc_disk *disk, const char *directory);
/* Writes the file if it differs.  durable: see small_file.h. */
kc_status kc_leader_epochs_store(struct kc_leader_epochs *epochs, const struct kc_disk *disk, const char *directory,
                                 bool durable);

#endif

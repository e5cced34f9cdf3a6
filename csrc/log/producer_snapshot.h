/* producer_snapshot.h: the producers of a partition at one offset, as a file.
 *
 * `<offset>.snapshot` holds what batches below `offset` left behind, so that opening a log replays only what came later.  The
 * layout is Kafka's (FORMAT.md); only the newest of a producer's five batches is in it.  The CRC covers the rest, so a torn
 * or damaged file is told apart and an older one, or the log itself, is used instead.
 *
 * Thread: the owner of the log's lock.  Source: org.apache.kafka.storage.internals.log.ProducerStateManager. */
#ifndef KC_LOG_PRODUCER_SNAPSHOT_H
#define KC_LOG_PRODUCER_SNAPSHOT_H

#include "base/bytes.h"
#include "io/disk.h"
#include "log/producer_state.h"

enum {
    KC_SNAPSHOT_VERSION = 1,
    KC_SNAPSHOT_CRC_START = 6,         /* after version and CRC */
    KC_SNAPSHOT_HEADER_SIZE = 10,      /* version, CRC, count */
    KC_SNAPSHOT_ENTRY_SIZE = 46,
};

/* *data is the caller's to free().  Producers stand in the order of their ids, so that equal states give equal bytes. */
kc_status kc_producer_snapshot_encode(const struct kc_producer_state *state, uint8_t **data, size_t *size);
/* Replaces the state.  KC_CORRUPT (state empty): version, CRC, size or a field is wrong.  Producers expired by now_ms are left
 * out; the others count as touched at their last timestamp. */
kc_status kc_producer_snapshot_decode(struct kc_slice bytes, struct kc_producer_state *state, int64_t now_ms);

/* durable: see small_file.h. */
kc_status kc_producer_snapshot_write(const struct kc_disk *disk, const char *directory, int64_t offset,
                                     const struct kc_producer_state *state, bool durable);
kc_status kc_producer_snapshot_read(const struct kc_disk *disk, const char *directory, int64_t offset,
                                    struct kc_producer_state *state, int64_t now_ms);

#endif

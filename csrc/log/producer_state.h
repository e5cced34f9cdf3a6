/* producer_state.h: what a partition remembers about each idempotent producer.
 *
 * A producer numbers its batches; a partition takes each exactly once and in order.  For that it keeps, by producer id, the
 * epoch, the last five batches (a producer has at most five requests on their way, so a repeat is always among them) and the
 * first offset of an open transaction.
 *
 * Rules (PROTOCOL §3.3, org.apache.kafka.storage.internals.log.{ProducerAppendInfo, ProducerStateEntry}):
 *   1. same epoch and exactly the sequences of one of the five: a duplicate, answered with the old offset and timestamp
 *   2. an epoch below the known one: refused
 *   3. an epoch above it: the first sequence must be 0; taking it forgets the five
 *   4. the same epoch: the first sequence must follow the last, INT32_MAX by 0
 *   5. a producer that is not known: any sequence
 *   6. a plain batch while the producer's transaction is open: refused
 * A batch from a replica or from disk is not judged, only remembered.
 *
 * Expiry: a producer is forgotten once both its last batch's timestamp and our last touch of it are older than
 * producer.id.expiration.ms, and no transaction is open.  The touch is in memory only and keeps a producer with old record
 * timestamps (a replay of history) from being forgotten between two of its batches.
 *
 * Thread: the owner of the log's lock.  Memory: one table that doubles; nothing is allocated for a known producer. */
#ifndef KC_LOG_PRODUCER_STATE_H
#define KC_LOG_PRODUCER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "record/batch.h"

enum { KC_PRODUCER_BATCH_COUNT = 5 };

struct kc_producer_batch {
    int64_t last_offset;
    int64_t timestamp;
    int32_t last_sequence;
    int32_t offset_delta;              /* records of the batch - 1 */
};

struct kc_producer {
    int64_t producer_id;               /* -1: an empty place in the table */
    int64_t last_timestamp;
    int64_t touched_ms;
    int64_t txn_first_offset;          /* -1: no open transaction */
    int32_t coordinator_epoch;         /* -1: no marker seen */
    int16_t epoch;                     /* -1: none */
    uint8_t batch_count;               /* of batches, oldest first */
    struct kc_producer_batch batches[KC_PRODUCER_BATCH_COUNT];
};

struct kc_producer_state {
    struct kc_producer *table;         /* open addressing, linear probing; capacity is a power of two */
    size_t count, capacity;
    int64_t expiration_ms;
};

enum kc_producer_verdict {
    KC_PRODUCER_ACCEPT,
    KC_PRODUCER_DUPLICATE,
    KC_PRODUCER_OUT_OF_ORDER,
    KC_PRODUCER_OLD_EPOCH,
    KC_PRODUCER_TXN_OPEN,
};

void kc_producer_state_init(struct kc_producer_state *state, int64_t expiration_ms);
void kc_producer_state_release(struct kc_producer_state *state);
void kc_producer_state_clear(struct kc_producer_state *state);

/* NULL: not known (or expired by now_ms, and forgotten). */
struct kc_producer *kc_producer_state_find(struct kc_producer_state *state, int64_t producer_id, int64_t now_ms);

/* Judges a batch of a producer with an id.  *duplicate is set for KC_PRODUCER_DUPLICATE and lives until the next change. */
enum kc_producer_verdict kc_producer_state_judge(struct kc_producer_state *state, const struct kc_batch_header *header,
                                                 int64_t now_ms, const struct kc_producer_batch **duplicate);

/* Remembers a data batch that has been accepted; header carries its final base offset and maximum timestamp. */
kc_status kc_producer_state_update(struct kc_producer_state *state, const struct kc_batch_header *header, int64_t now_ms);

/* Remembers a transaction's end: closes it and takes over the marker's epoch. */
kc_status kc_producer_state_end_txn(struct kc_producer_state *state, int64_t producer_id, int16_t epoch,
                                    int32_t coordinator_epoch, int64_t timestamp, int64_t now_ms);

/* Puts back an entry of a snapshot. */
kc_status kc_producer_state_restore(struct kc_producer_state *state, const struct kc_producer *producer);

/* Forgets all expired producers. */
void kc_producer_state_expire(struct kc_producer_state *state, int64_t now_ms);

/* The first offset of the oldest open transaction, or -1. */
int64_t kc_producer_state_first_open_offset(const struct kc_producer_state *state);

#endif

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
 *   7. a transactional batch of a transaction that is not open here: refused, unless its coordinator has been asked (txn_verification.h)
 *   8. while that is asked, no batch passes one with a lower sequence; with transaction version 2 an unknown producer begins at 0
 *   9. a batch of a coordinator (offsets in a transaction) has no sequences: 1, 3, 4, 5 and 8 do not apply
 * A marker:
 *   a. with transaction version 2 its epoch must be above the known one, which it replaces; the known one again is a repeat, and good
 *      while no transaction is open.  Before, it must not be below.
 *   b. a coordinator epoch below the last one is that of a coordinator that has been replaced
 * A batch from a replica or from disk is not judged, only remembered.
 *
 * Expiry: a producer is forgotten once both its last batch's timestamp and our last touch of it are older than
 * producer.id.expiration.ms, and no transaction is open.  The touch is in memory only and keeps a producer with old record
 * timestamps (a replay of history) from being forgotten between two of its batches.
 *
 * A transaction is open from its first batch to its marker.  `open` lists them by first offset.
 *
 * Thread: the owner of the log's lock.  Memory: one table that doubles; nothing is allocated for a known producer. */
#ifndef KC_LOG_PRODUCER_STATE_H
#define KC_LOG_PRODUCER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "log/open_txns.h"
#include "log/txn_verification.h"
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
    struct kc_open_txns open;          /* exactly the producers with txn_first_offset >= 0 */
    struct kc_txn_verifications verifications;
};

/* Who made a batch that is judged. */
enum kc_append_origin { KC_ORIGIN_CLIENT, KC_ORIGIN_COORDINATOR };

enum kc_producer_verdict {
    KC_PRODUCER_ACCEPT,
    KC_PRODUCER_DUPLICATE,
    KC_PRODUCER_OUT_OF_ORDER,
    KC_PRODUCER_OLD_EPOCH,
    KC_PRODUCER_TXN_OPEN,
    KC_PRODUCER_UNVERIFIED,            /* rule 7 */
    KC_PRODUCER_COORDINATOR_FENCED,    /* markers only: rule b */
};

/* The end of a transaction that had data here. */
struct kc_completed_txn {
    int64_t first_offset;              /* -1: it had none */
    int64_t last_stable_offset;        /* of a log that ends with the marker */
};

void kc_producer_state_init(struct kc_producer_state *state, int64_t expiration_ms);
void kc_producer_state_release(struct kc_producer_state *state);
void kc_producer_state_clear(struct kc_producer_state *state);

/* NULL: not known (or expired by now_ms, and forgotten). */
struct kc_producer *kc_producer_state_find(struct kc_producer_state *state, int64_t producer_id, int64_t now_ms);

/* Judges a data batch of a producer with an id.  guard: of kc_txn_verification_begin, or one of enum KC_TXN_GUARD_*.  *duplicate is
 * set for KC_PRODUCER_DUPLICATE and lives until the next change. */
enum kc_producer_verdict kc_producer_state_judge(struct kc_producer_state *state, const struct kc_batch_header *header,
                                                 enum kc_append_origin origin, int64_t guard, int64_t now_ms,
                                                 const struct kc_producer_batch **duplicate);
/* Judges a marker. */
enum kc_producer_verdict kc_producer_state_judge_marker(struct kc_producer_state *state, int64_t producer_id, int16_t epoch,
                                                        int32_t coordinator_epoch, int16_t transaction_version, int64_t now_ms);
/* Whether a transactional batch of this producer would be taken without a guard. */
bool kc_producer_state_admits(struct kc_producer_state *state, int64_t producer_id, int16_t epoch);

/* Remembers a data batch that has been accepted; header carries its final base offset and maximum timestamp. */
kc_status kc_producer_state_update(struct kc_producer_state *state, const struct kc_batch_header *header, int64_t now_ms);

/* Remembers a transaction's end by a marker at this offset: closes it and takes over the marker's epoch. */
kc_status kc_producer_state_end_txn(struct kc_producer_state *state, int64_t producer_id, int16_t epoch,
                                    int32_t coordinator_epoch, int64_t offset, int64_t timestamp, int64_t now_ms,
                                    struct kc_completed_txn *completed);

/* Puts back an entry of a snapshot. */
kc_status kc_producer_state_restore(struct kc_producer_state *state, const struct kc_producer *producer);

/* Forgets all expired producers. */
void kc_producer_state_expire(struct kc_producer_state *state, int64_t now_ms);

/* The first offset of the oldest open transaction, or -1. */
static inline int64_t kc_producer_state_first_open_offset(const struct kc_producer_state *state) {
    return kc_open_txns_first(&state->open, -1, -1);
}

#endif

/* txn_verification.h: who may begin a transaction's part in this partition.
 *
 * A transaction that nobody will ever end would hold the last stable offset for ever (a hanging transaction).  So the first batch
 * of a transaction is taken only after its coordinator has said that the partition is in the transaction (KIP-890):
 *
 *     begin     -> a guard, noted for the producer             (a request that was handed up)
 *     ... the coordinator is asked ...
 *     append with the guard: taken if it is still noted
 *
 * What ends a transaction here, or begins one, forgets the note, so that an answer which comes after the marker is worth nothing.
 * A coordinator in the same process may also note its consent beforehand, when it adds the partition: `expect`.
 *
 * The note keeps the lowest sequence that was seen while the question was open: a batch behind one that has to be sent again must not
 * get in before it.
 *
 * At most KC_TXN_VERIFICATIONS_MAX notes; the oldest gives way, and its request is refused with an error that clients survive.
 * Thread: the owner of the log's lock.  Source: org.apache.kafka.storage.internals.log.{VerificationStateEntry, VerificationGuard}. */
#ifndef KC_LOG_TXN_VERIFICATION_H
#define KC_LOG_TXN_VERIFICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { KC_TXN_VERIFICATIONS_MAX = 4096 };

/* Values of a guard that no note has. */
enum {
    KC_TXN_GUARD_NONE = 0,
    KC_TXN_GUARD_TRUSTED = -1,             /* whoever appends answers for it: no note is asked for */
};

struct kc_txn_verification {
    int64_t producer_id;
    int64_t guard;
    int64_t noted_ms;
    int32_t lowest_sequence;
    int16_t epoch;
    bool supports_epoch_bump;              /* transaction version 2: an unknown producer begins with sequence 0 */
    bool expected;                         /* no guard is asked for */
};

struct kc_txn_verifications {
    struct kc_txn_verification *items;     /* in the order in which they were noted */
    uint32_t count, capacity;
    int64_t guards;                        /* given out so far */
};

void kc_txn_verifications_release(struct kc_txn_verifications *notes);

/* NULL: none. */
struct kc_txn_verification *kc_txn_verification_find(const struct kc_txn_verifications *notes, int64_t producer_id);
/* Notes the producer, or takes the new batch into its note; *guard is that of the note. */
kc_status kc_txn_verification_begin(struct kc_txn_verifications *notes, int64_t producer_id, int16_t epoch, int32_t sequence,
                                    bool supports_epoch_bump, int64_t now_ms, int64_t *guard);
/* Notes that the producer's batches of this epoch may come. */
kc_status kc_txn_verification_expect(struct kc_txn_verifications *notes, int64_t producer_id, int16_t epoch, int64_t now_ms);
void kc_txn_verification_forget(struct kc_txn_verifications *notes, int64_t producer_id);
/* Forgets notes that are older than this. */
void kc_txn_verifications_expire(struct kc_txn_verifications *notes, int64_t noted_before_ms);

#endif

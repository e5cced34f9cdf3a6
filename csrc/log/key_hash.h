/* key_hash.h: 128 bits for a record's key: SipHash-2-4 with a 128-bit result.
 *
 * Compaction takes two keys with one hash for the same key and drops the older record, so nobody may be able to make two: the
 * function is keyed, and its seed is drawn anew for each cleaning.  (Apache Kafka takes MD5, for which such pairs are known.)
 * Thread: any.  Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF"; their reference vectors are in the test. */
#ifndef KC_LOG_KEY_HASH_H
#define KC_LOG_KEY_HASH_H

#include "base/bytes.h"

struct kc_hash_seed {
    uint64_t low, high;
};

struct kc_key_hash {
    uint64_t low, high;
};

struct kc_key_hash kc_key_hash(struct kc_hash_seed seed, struct kc_slice key);

#endif

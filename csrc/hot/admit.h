/* admit.h: a client's batch meets a topic's rules, and one batch's way into a partition for callers that have just one.
 *
 * The reactors gather many batches and append them together (gather.h); Python, which has re-encoded or opened a batch, and what
 * writes internal topics, append one at a time here.  Both pass the same gate.  Thread: any. */
#ifndef KC_HOT_ADMIT_H
#define KC_HOT_ADMIT_H

#include "hot/error.h"
#include "hot/topic.h"

enum { KC_PRODUCE_VERSION_ZSTD = 7 };

/* KC_ERROR_NONE: *info is filled; otherwise *refusal may say more. */
enum kc_error kc_admit(struct kc_slice records, const struct kc_topic_config *config, int16_t produce_version,
                       enum kc_append_origin origin, int64_t now_ms, struct kc_batch_info *info, struct kc_batch_refusal *refusal);

struct kc_partition_append {
    enum kc_error error;
    int64_t base_offset;              /* -1 on error, as are the next two */
    int64_t log_append_time_ms;
    int64_t log_start_offset;
    struct kc_batch_refusal refusal;
};

/* How a batch comes. */
struct kc_append_terms {
    int16_t produce_version;
    enum kc_append_origin origin;
    int64_t guard;                    /* for a transactional batch: see kc_log_begin_verification */
};

/* Admits one batch, appends it and wakes who waits.  The bytes are the caller's and are written to. */
void kc_partition_append(struct kc_partition *partition, const struct kc_topic_config *config, uint8_t *batch, size_t size,
                         const struct kc_append_terms *terms, int64_t now_ms, struct kc_partition_append *out);
/* Ends a producer's transaction in this partition and wakes who waits; *marker gets the partition's leader epoch. */
void kc_partition_append_marker(struct kc_partition *partition, struct kc_log_marker *marker, struct kc_partition_append *out);

#endif

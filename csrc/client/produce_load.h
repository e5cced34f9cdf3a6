/* produce_load.h: records made and produced as fast as a broker takes them, or at a given rate.
 *
 *     kc_produce_load_open(&config, &load);
 *     while (kc_produce_load_run(load, until_us) == KC_AGAIN) ...look at the counters...
 *     kc_produce_load_close(load);
 *
 * One thread drives everything: records go into one batch after the other, a batch goes to the next partition in turn, a full
 * batch or one that has waited for linger_us is sent, and answers are matched in order.  A record's latency is counted from
 * when it was put into its batch until its answer, in milliseconds.
 *
 * Memory: buffer_size_bytes of batches, made at open.  With all of them under way nothing more is made, which is how a slow
 * broker slows the load down.  A batch that is refused for a reason that may pass is sent again, in the order of its
 * partition: nothing else is sent on that link until it is settled.
 *
 * Versions: Produce 7, which all brokers from 2.1 on take.  Thread: the caller's; the loan of a codec is called from it. */
#ifndef KC_CLIENT_PRODUCE_LOAD_H
#define KC_CLIENT_PRODUCE_LOAD_H

#include "base/clock.h"
#include "client/codec.h"
#include "client/latency.h"
#include "client/link.h"

enum {
    KC_LOAD_IN_FLIGHT_MAX = 64,     /* requests on one link */
    KC_LOAD_ATTEMPTS_MAX = 50,      /* of one batch */
};

enum kc_payload_kind {
    KC_PAYLOAD_RANDOM,              /* payload_size letters, new ones for each record */
    KC_PAYLOAD_CHOSEN,              /* one of the payloads, at random */
    KC_PAYLOAD_COUNTER,             /* 0, 1, 2, … as text */
};

struct kc_load_partition {
    int32_t index;
    int32_t link;
};

/* Everything is copied but the links, which become the load's and are closed with it. */
struct kc_produce_load_config {
    struct kc_clock clock;
    struct kc_slice topic, client_id, transactional_id;    /* the last one null where there is none */
    struct kc_link *links;
    const struct kc_load_partition *partitions;
    const struct kc_slice *payloads;
    struct kc_codec_loan compress;
    int64_t record_count;
    int64_t warmup_count;           /* the first records, which the steady latency leaves out */
    int64_t producer_id;            /* -1: not idempotent */
    int64_t linger_us;
    double records_per_second;      /* 0 or less: as many as go */
    uint64_t seed;
    size_t batch_size_bytes, buffer_size_bytes, payload_size, payload_count;
    enum kc_payload_kind payload;
    int32_t link_count, partition_count, in_flight_max, request_timeout_ms;
    int16_t acks, producer_epoch;
    int16_t codec;                  /* enum kc_codec */
};

struct kc_produce_load;

/* KC_INVALID: a setting that cannot be; KC_NO_MEMORY.  On failure the links stay the caller's. */
kc_status kc_produce_load_open(const struct kc_produce_load_config *config, struct kc_produce_load **out);
void kc_produce_load_close(struct kc_produce_load *load);

/* Goes on until all is answered (KC_OK) or this monotonic time has come (KC_AGAIN).  KC_CLOSED: a connection is lost, or a
 * request was not answered in time; KC_CORRUPT: an answer that cannot be.  drain: make no new records, end what is begun. */
kc_status kc_produce_load_run(struct kc_produce_load *load, int64_t until_us, bool drain);

/* Since the beginning, since the warm-up, and since it was last zeroed; they live as long as the load. */
const struct kc_latency *kc_produce_load_total(const struct kc_produce_load *load);
const struct kc_latency *kc_produce_load_steady(const struct kc_produce_load *load);
struct kc_latency *kc_produce_load_window(struct kc_produce_load *load);

/* Records that were made; records that were refused for good, and the code of the last refusal. */
int64_t kc_produce_load_made(const struct kc_produce_load *load);
int64_t kc_produce_load_failed(const struct kc_produce_load *load, int16_t *error);

#endif

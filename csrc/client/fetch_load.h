/* fetch_load.h: records read from a topic and counted as fast as a broker gives them.
 *
 *     kc_fetch_load_open(&config, &load);
 *     while (kc_fetch_load_run(load, until_us) == KC_AGAIN) ...look at the counters...
 *     kc_fetch_load_close(load);
 *
 * One fetch is under way on each link.  CRCs are checked
 * where check_crcs says so; control batches are not counted, and with read_committed neither are the records of aborted
 * transactions.  What is counted of a record are the bytes of its key and value.
 *
 * Versions: Fetch 11, the last that names topics by name and is not flexible, or 4 for a broker that knows no other.  Thread:
 * the caller's; the loan of a codec is called from it. */
#ifndef KC_CLIENT_FETCH_LOAD_H
#define KC_CLIENT_FETCH_LOAD_H

#include "base/clock.h"
#include "client/codec.h"
#include "client/link.h"

struct kc_fetch_place {
    struct kc_slice topic;
    int64_t offset;                 /* the next one to read */
    int32_t partition, link;
};

/* Everything is copied but the links, which become the load's and are closed with it. */
struct kc_fetch_load_config {
    struct kc_clock clock;
    struct kc_slice client_id;
    struct kc_link *links;
    const struct kc_fetch_place *places;
    struct kc_codec_loan decompress;
    int64_t record_count;           /* stop at so many */
    int32_t link_count, place_count;
    int32_t wait_ms, size_min_bytes, size_max_bytes, partition_size_max_bytes, request_timeout_ms;
    int16_t version;                /* 4 or 11; 0: 11 */
    bool check_crcs, read_committed;
    /* Told of each answer that brought records: microseconds from when its request was given to the link.  NULL: nobody. */
    void (*answered)(void *state, int64_t took_us);
    void *answered_state;
};

struct kc_fetch_counters {
    int64_t records, bytes, requests;
    int64_t last_records_us;        /* monotonic: when records last came; -1: never */
};

struct kc_fetch_load;

/* KC_INVALID: a setting that cannot be; KC_NO_MEMORY.  On failure the links stay the caller's. */
kc_status kc_fetch_load_open(const struct kc_fetch_load_config *config, struct kc_fetch_load **out);
void kc_fetch_load_close(struct kc_fetch_load *load);

/* Goes on until record_count records were read (KC_OK) or this monotonic time has come (KC_AGAIN).  KC_CLOSED: a connection
 * is lost, or a request was not answered in time; KC_CORRUPT: an answer or a batch that cannot be; KC_INVALID: a partition
 * was refused, see kc_fetch_load_refusal. */
kc_status kc_fetch_load_run(struct kc_fetch_load *load, int64_t until_us);

const struct kc_fetch_counters *kc_fetch_load_counters(const struct kc_fetch_load *load);
/* The next offset to read at one of the places. */
int64_t kc_fetch_load_offset(const struct kc_fetch_load *load, int32_t place);
/* The error code of the last refusal, and the place it was about; -1: the whole request. */
int16_t kc_fetch_load_refusal(const struct kc_fetch_load *load, int32_t *place);
/* Goes on reading a place from here, after a refusal. */
void kc_fetch_load_seek(struct kc_fetch_load *load, int32_t place, int64_t offset);

#endif

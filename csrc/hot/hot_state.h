/* hot_state.h: the fields of struct kc_hot, for the files of this folder only. */
#ifndef KC_HOT_HOT_STATE_H
#define KC_HOT_HOT_STATE_H

#include "hot/gather.h"
#include "hot/hot.h"

struct kc_deferred;
struct kc_fetch;
struct kc_fetch_session;
struct kc_held;

/* What the data path knows of a connection: conn->user. */
struct kc_hot_conn {
    struct kc_hot_conn *next_free;
    struct kc_fetch *parked;              /* the fetch that waits, or NULL */
    struct kc_fetch_session *session;     /* of incremental fetches, or NULL */
    struct kc_list held;                  /* answers that wait for the disk, oldest first */
    struct kc_deferred *deferred;         /* a frame that waits for them */
    uint32_t held_count;
    bool held_full;
    uint32_t gathered;                    /* produce requests of this turn that are not answered yet */
    bool quiet;                           /* closed on purpose: no event */
};

/* Scratch of ListOffsets. */
struct kc_offsets {
    struct kc_offsets_topic *topics;
    struct kc_offsets_entry *entries;
    uint32_t *seen;                       /* hash set of entry numbers + 1, to find partitions named twice */
    uint32_t topic_count, topic_capacity, entry_count, entry_capacity, seen_capacity;
};

struct kc_hot {
    const struct kc_hot_config *config;
    struct kc_topic_view view;
    struct kc_clock clock;
    struct kc_hand_up up;
    struct kc_reactor *reactor;
    struct kc_gather gather;
    struct kc_offsets offsets;
    struct kc_list parked;                /* fetches that wait */
    uint32_t session_count;
    int32_t session_id_last;
    struct kc_fetch *free_fetches;        /* parsed-request structs with their arrays, to be used again */
    struct kc_hot_conn *free_conns;
    struct kc_held *free_helds;
    struct kc_deferred *spent_deferred;   /* until the end of the turn */
    _Atomic uint32_t held_count;          /* answers that wait for the disk */
};

/* A frame, from the reactor or deferred. */
enum kc_frame_verdict kc_hot_frame(struct kc_hot *hot, struct kc_conn *conn, uint8_t *frame, size_t size);

/* One function per API; frame is the whole frame, header already parsed. */
enum kc_frame_verdict kc_hot_produce(struct kc_hot *hot, struct kc_conn *conn, uint8_t *frame, size_t size);
enum kc_frame_verdict kc_hot_fetch(struct kc_hot *hot, struct kc_conn *conn, uint8_t *frame, size_t size);
enum kc_frame_verdict kc_hot_list_offsets(struct kc_hot *hot, struct kc_conn *conn, uint8_t *frame, size_t size);
enum kc_frame_verdict kc_hot_heartbeat(struct kc_hot *hot, struct kc_conn *conn, uint8_t *frame, size_t size);

enum kc_frame_verdict kc_hot_hand_up(struct kc_hot *hot, struct kc_conn *conn, const uint8_t *frame, size_t size);

/* Where the client of this connection is told to find this broker. */
void kc_hot_endpoint(const struct kc_hot_config *config, const struct kc_conn *conn, struct kc_endpoint *out);

/* Appends what is gathered and answers it. */
void kc_hot_flush(struct kc_hot *hot);

void kc_hot_free_offsets(struct kc_hot *hot);

/* The connection of a parked fetch is gone: forget the fetch. */
void kc_hot_abandon_fetch(struct kc_hot *hot, struct kc_fetch *fetch);
void kc_hot_free_fetches(struct kc_hot *hot);

#endif

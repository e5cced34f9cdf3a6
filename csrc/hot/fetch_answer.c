/* fetch_answer.c: the Fetch response, versions 4 to 18, as a chain of memory and file slices.
 *
 * Headers go into pieces of memory of the chain, the records stay in their files.  A piece is begun with room for the largest header,
 * cut to what was used when a file slice or a new piece follows, and the frame's size is written last. */
#include "hot/fetch.h"

#include "base/check.h"
#include "hot/hot_state.h"
#include "hot/forms.h"

enum {
    /* One topic header, one partition header and the endpoint of this node, with the longest name and host, fit here. */
    PIECE_SIZE_MIN = 1024,
    PIECE_SIZE = 4096,
};
_Static_assert(PIECE_SIZE_MIN > 2 * (KC_TOPIC_NAME_SIZE_MAX + KC_HOST_SIZE_MAX), "a header must fit into what is left of a piece");

struct answer {
    struct kc_chain *output;
    struct kc_writer w;              /* the current piece */
    uint64_t size_bytes;             /* of the pieces and slices before it */
    bool failed;
};

static void piece_begin(struct answer *a) {
    uint8_t *buffer = a->failed ? NULL : kc_chain_reserve(a->output, PIECE_SIZE);
    if (!buffer) a->failed = true;
    kc_writer_init(&a->w, buffer, buffer ? PIECE_SIZE : 0);
}

static void piece_end(struct answer *a) {
    if (a->failed) return;
    KC_CHECK(!a->w.overflow);
    a->size_bytes += a->w.used;
    kc_chain_trim(a->output, PIECE_SIZE - a->w.used);
}

static void piece_room(struct answer *a) {
    if (a->failed || a->w.capacity - a->w.used >= PIECE_SIZE_MIN) return;
    piece_end(a);
    piece_begin(a);
}

/* KIP-951: who leads, so that the client need not ask. */
static void write_entry_tags(struct kc_writer *w, const struct kc_fetch *f, const struct kc_fetch_entry *entry) {
    if (f->version < FETCH_NODE_ENDPOINTS || entry->error != KC_ERROR_FENCED_LEADER_EPOCH) {
        kc_write_empty_tags(w);
        return;
    }
    kc_write_uvarint(w, 1);
    kc_write_uvarint(w, 1);                                    /* tag 1: CurrentLeader */
    kc_write_uvarint(w, 4 + 4 + 1);
    kc_write_i32(w, f->hot->config->node_id);
    kc_write_i32(w, kc_partition_leader_epoch(entry->partition));
    kc_write_empty_tags(w);
}

static void write_body_tags(struct kc_writer *w, const struct kc_fetch *f, bool fenced) {
    if (f->version < FETCH_NODE_ENDPOINTS || !fenced) {
        kc_write_empty_tags(w);
        return;
    }
    struct kc_endpoint endpoint;
    kc_hot_endpoint(f->hot->config, f->conn, &endpoint);
    struct kc_slice host = kc_slice_make(endpoint.host, strlen(endpoint.host));
    size_t host_prefix = host.size + 1 < 0x80 ? 1 : 2;
    kc_write_uvarint(w, 1);
    kc_write_uvarint(w, 0);                                    /* tag 0: NodeEndpoints, one element */
    kc_write_uvarint(w, (uint32_t)(1 + 4 + host_prefix + host.size + 4 + 1 + 1));
    kc_write_compact_array_count(w, 1);
    kc_write_i32(w, f->hot->config->node_id);
    kc_write_compact_string(w, host);
    kc_write_i32(w, endpoint.port);
    kc_write_compact_string(w, (struct kc_slice){0});          /* rack */
    kc_write_empty_tags(w);
}

/* Null unless asked for, and where the log was not read; Kafka answers for a partition that it does not have before that, with an empty
 * list. */
static int32_t aborted_count(const struct kc_fetch *f, const struct kc_fetch_entry *entry) {
    if (entry->error == KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION || entry->error == KC_ERROR_UNKNOWN_TOPIC_ID) return 0;
    return f->read_committed && entry->error == KC_ERROR_NONE ? (int32_t)entry->aborted_count : -1;
}

static void write_aborted(struct answer *a, const struct kc_fetch *f, const struct kc_fetch_entry *entry) {
    bool flexible = f->version >= FETCH_FLEXIBLE;
    kc_form_write_count(&a->w, flexible, aborted_count(f, entry));
    for (uint32_t i = 0; i < entry->aborted_count; i++) {
        const struct kc_aborted_txn *txn = &f->aborted.items[entry->aborted_first + i];
        piece_room(a);
        kc_write_i64(&a->w, txn->producer_id);
        kc_write_i64(&a->w, txn->first_offset);
        kc_form_write_tags(&a->w, flexible);
    }
    if (entry->aborted_count) piece_room(a);
}

static void write_entry(struct answer *a, const struct kc_fetch *f, struct kc_fetch_entry *entry) {
    bool flexible = f->version >= FETCH_FLEXIBLE;
    struct kc_writer *w = &a->w;
    piece_room(a);
    kc_write_i32(w, entry->index);
    kc_write_i16(w, entry->error);
    kc_write_i64(w, entry->high_watermark);
    kc_write_i64(w, entry->last_stable_offset);
    if (f->version >= FETCH_LOG_START_OFFSET) kc_write_i64(w, entry->log_start_offset);
    write_aborted(a, f, entry);
    if (f->version >= FETCH_RACK) kc_write_i32(w, -1);         /* preferred read replica */
    int32_t size = entry->slice.size_bytes;
    if (flexible) kc_write_uvarint(w, (uint32_t)size + 1);
    else kc_write_i32(w, size);
    if (size > 0 && !a->failed) {
        piece_end(a);
        kc_status status = kc_chain_add_file(a->output, entry->slice.file, entry->slice.position, size);
        entry->slice = (struct kc_log_slice){0};               /* the chain has the reference */
        if (status != KC_OK) a->failed = true;
        a->size_bytes += (uint64_t)size;
        piece_begin(a);
    }
    if (flexible) write_entry_tags(w, f, entry);
}

kc_status kc_fetch_answer(struct kc_fetch *f) {
    bool flexible = f->version >= FETCH_FLEXIBLE, fenced = false;
    struct answer a = {.output = kc_conn_output(f->conn)};
    struct kc_writer *w = &a.w;
    piece_begin(&a);
    uint8_t *frame_size = w->data;
    kc_write_i32(w, 0);
    kc_write_i32(w, f->correlation_id);
    kc_form_write_tags(w, flexible);
    kc_write_i32(w, 0);                                        /* throttle time */
    if (f->version >= FETCH_SESSION) {
        kc_write_i16(w, f->error);
        kc_write_i32(w, f->session_id);
    }
    uint32_t topic_count = f->error == KC_ERROR_NONE ? f->topic_count : 0;
    kc_form_write_count(w, flexible, (int32_t)topic_count);
    for (uint32_t t = 0; t < topic_count; t++) {
        const struct kc_fetch_topic *topic = &f->topics[t];
        piece_room(&a);
        if (f->version >= FETCH_TOPIC_ID) kc_write_uuid(w, topic->id);
        else kc_form_write_string(w, flexible, kc_slice_make(f->names + topic->name_at, topic->name_size));
        kc_form_write_count(w, flexible, (int32_t)topic->entry_count);
        for (uint32_t e = topic->entry_first; e < topic->entry_first + topic->entry_count; e++) {
            write_entry(&a, f, &f->entries[e]);
            if (f->entries[e].error == KC_ERROR_FENCED_LEADER_EPOCH) fenced = true;
        }
        kc_form_write_tags(w, flexible);
    }
    piece_room(&a);
    if (flexible) write_body_tags(w, f, fenced);
    piece_end(&a);
    if (a.failed) return KC_NO_MEMORY;
    KC_CHECK(a.size_bytes - 4 <= INT32_MAX);
    kc_store_i32(frame_size, (int32_t)(a.size_bytes - 4));
    return KC_OK;
}

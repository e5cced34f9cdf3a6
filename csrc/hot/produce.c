/* produce.c: Produce, versions 3 to 13: parse in place, validate, gather; answers are in produce_answer.c.
 *
 * Two passes over the request.  The first only reads: it finds the partitions and learns whether something in it is for Python
 * (a topic that stores another codec, records of a compressed batch that must have keys, a transaction that begins here and whose
 * coordinator has to be asked); then the request is handed up as it came.  The second validates each batch.  Nothing is written
 * before kc_hot_flush.
 *
 * A transactional batch without a transactional id refuses the whole request, as Kafka's authorization does.
 *
 * Source: kafka.server.KafkaApis.handleProduceRequest, ReplicaManager.appendRecords; answers as recorded from Apache Kafka 4.3.1. */
#include "hot/admit.h"
#include "hot/forms.h"
#include "hot/held.h"
#include "hot/hot_state.h"
#include "hot/produce_answer.h"

enum { PRODUCE_VERSION_MIN = 3, PRODUCE_VERSION_MAX = 13, PRODUCE_FLEXIBLE = 9, PRODUCE_TOPIC_ID = 13 };

struct produce_request {
    struct kc_request_header header;
    bool flexible;
    int16_t acks;
    bool has_transactional_id;
    bool python;                         /* something in it is for Python */
    bool transactional;                  /* a batch in it is: of this producer, and Python says no to more than one */
    int64_t producer_id;
    int16_t producer_epoch;
};

/* The code that a client gets without a look at the records; KC_ERROR_NONE: go on. */
static enum kc_error check_target(const struct kc_topic *topic, const struct kc_partition *partition, int16_t version, int16_t acks,
                                  bool admin_client) {
    if (!topic) return version >= PRODUCE_TOPIC_ID ? KC_ERROR_UNKNOWN_TOPIC_ID : KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (topic->config.internal && !admin_client) return KC_ERROR_INVALID_TOPIC;
    if (!partition) return KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (acks == -1 && topic->config.min_insync_replicas > 1) return KC_ERROR_NOT_ENOUGH_REPLICAS;
    return KC_ERROR_NONE;
}

/* Whether only Python can store this batch: it must be opened. */
static bool needs_python(const struct kc_topic_config *config, struct kc_slice batch) {
    if (batch.size < KC_BATCH_HEADER_SIZE) return false;      /* to be refused */
    enum kc_codec codec = kc_batch_codec(kc_load_i16(batch.data + KC_BATCH_ATTRIBUTES));
    if (config->codec != KC_TOPIC_CODEC_PRODUCER && config->codec != (int8_t)codec) return true;
    return config->compacted && codec != KC_CODEC_NONE;
}

/* A transactional batch, first pass: whether only its coordinator can tell if it may begin its transaction's part in the partition.
 * partition NULL: refused already. */
static void look_at_transaction(struct produce_request *request, const struct kc_partition *partition, struct kc_slice batch) {
    int64_t producer_id = kc_load_i64(batch.data + KC_BATCH_PRODUCER_ID);
    int16_t producer_epoch = kc_load_i16(batch.data + KC_BATCH_PRODUCER_EPOCH);
    if (!request->transactional) {
        request->transactional = true;
        request->producer_id = producer_id;
        request->producer_epoch = producer_epoch;
    }
    if (request->producer_id != producer_id || request->producer_epoch != producer_epoch) request->python = true;
    if (partition && !kc_log_admits_transaction(partition->log, producer_id, producer_epoch)) request->python = true;
}

static bool is_transactional(struct kc_slice batch) {
    return batch.size >= KC_BATCH_HEADER_SIZE && kc_load_i16(batch.data + KC_BATCH_ATTRIBUTES) & KC_ATTRIBUTE_TRANSACTIONAL;
}

/* First pass.  False: malformed, or no memory. */
static bool parse(struct kc_hot *hot, struct kc_reader *r, struct produce_request *request) {
    struct kc_gather *g = &hot->gather;
    int16_t version = request->header.api_version;
    bool flexible = request->flexible;
    bool admin_client = kc_slice_equal(request->header.client_id, kc_slice_make("__admin_client", 14));
    int32_t topic_count = kc_form_read_count(r, flexible, flexible ? 3 : 6);
    for (int32_t t = 0; t < topic_count && kc_reader_ok(r); t++) {
        struct kc_gathered_topic *asked = kc_gather_add_topic(g);
        if (!asked) return false;
        struct kc_topic *topic;
        if (version >= PRODUCE_TOPIC_ID) {
            asked->id = kc_read_uuid(r);
            topic = kc_topic_view_find_id(&hot->view, asked->id);
        } else {
            asked->name = kc_form_read_string(r, flexible);
            topic = kc_topic_view_find_name(&hot->view, asked->name);
        }
        asked->topic = topic;
        asked->entry_first = g->entry_count;
        int32_t partition_count = kc_form_read_count(r, flexible, flexible ? 6 : 8);
        for (int32_t p = 0; p < partition_count && kc_reader_ok(r); p++) {
            struct kc_gathered_entry *entry = kc_gather_add_entry(g);
            if (!entry) return false;
            entry->index = kc_read_i32(r);
            struct kc_slice records = flexible ? kc_read_compact_bytes(r) : kc_read_bytes(r);
            kc_form_read_tags(r, flexible);
            entry->batch = (uint8_t *)(uintptr_t)records.data;     /* the frame may be written to: reactor.h */
            entry->info.header.size_bytes = (int32_t)records.size;
            entry->partition = topic ? kc_topic_partition(topic, entry->index) : NULL;
            entry->error = (int16_t)check_target(topic, entry->partition, version, request->acks, admin_client);
            if (KC_UNLIKELY(is_transactional(records)))
                look_at_transaction(request, entry->error == KC_ERROR_NONE ? entry->partition : NULL, records);
            if (entry->error == KC_ERROR_NONE && needs_python(&topic->config, records)) request->python = true;
        }
        asked->entry_count = g->entry_count - asked->entry_first;
        kc_form_read_tags(r, flexible);
    }
    kc_form_read_tags(r, flexible);
    return kc_reader_ok(r);
}

/* Second pass, one partition. */
static void admit(struct kc_gathered_entry *entry, const struct kc_topic_config *config, int16_t version, int64_t now_ms) {
    struct kc_slice records = kc_slice_make(entry->batch, (size_t)entry->info.header.size_bytes);
    entry->log_append_time = config->log_append_time;
    entry->flush_messages = config->flush_messages;
    entry->error = (int16_t)kc_admit(records, config, version, KC_ORIGIN_CLIENT, now_ms, &entry->info, &entry->refusal);
}

enum kc_frame_verdict kc_hot_produce(struct kc_hot *hot, struct kc_conn *conn, uint8_t *frame, size_t size) {
    struct kc_gather *g = &hot->gather;
    struct kc_slice bytes = kc_slice_make(frame, size);
    struct produce_request request = {0};
    if (kc_request_header_peek(bytes, &request.header) != KC_OK) return KC_FRAME_CLOSE;
    int16_t version = request.header.api_version;
    if (version < PRODUCE_VERSION_MIN || version > PRODUCE_VERSION_MAX) return kc_hot_hand_up(hot, conn, frame, size);
    request.flexible = version >= PRODUCE_FLEXIBLE;
    if (kc_request_header_parse(bytes, request.flexible, &request.header) != KC_OK) return KC_FRAME_CLOSE;

    if (kc_gather_full(g)) kc_hot_flush(hot);
    if (g->request_count == 0) {
        kc_topic_view_refresh(&hot->view);
        g->now_ms = kc_clock_wall_ms(&hot->clock);
    }

    struct kc_reader r;
    kc_reader_init(&r, kc_slice_make(frame + request.header.size_bytes, size - request.header.size_bytes));
    struct kc_slice transactional_id = request.flexible ? kc_read_compact_nullable_string(&r) : kc_read_nullable_string(&r);
    request.has_transactional_id = transactional_id.data != NULL;
    request.acks = kc_read_i16(&r);
    kc_read_i32(&r);                                     /* timeout: nothing here waits for replicas */

    uint32_t entry_first = g->entry_count, topic_first = g->topic_count, request_first = g->request_count;
    if (!parse(hot, &r, &request)) {
        kc_gather_rewind(g, entry_first, topic_first, request_first);
        return KC_FRAME_CLOSE;
    }
    bool acks_valid = request.acks >= -1 && request.acks <= 1;
    bool unauthorized = request.transactional && !request.has_transactional_id;
    if (request.python && acks_valid && !unauthorized) {
        kc_gather_rewind(g, entry_first, topic_first, request_first);
        return kc_hot_hand_up(hot, conn, frame, size);
    }
    struct kc_gathered_request *gathered = kc_gather_add_request(g);
    if (!gathered) {
        kc_gather_rewind(g, entry_first, topic_first, request_first);
        return KC_FRAME_CLOSE;
    }
    gathered->conn = conn;
    gathered->correlation_id = request.header.correlation_id;
    gathered->version = version;
    gathered->acks = request.acks;
    gathered->topic_first = topic_first;
    gathered->topic_count = g->topic_count - topic_first;

    for (uint32_t t = topic_first; t < g->topic_count; t++) {
        const struct kc_gathered_topic *asked = &g->topics[t];
        for (uint32_t e = asked->entry_first; e < asked->entry_first + asked->entry_count; e++) {
            struct kc_gathered_entry *entry = &g->entries[e];
            g->size_bytes += (uint64_t)entry->info.header.size_bytes;
            if (unauthorized) entry->error = KC_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
            else if (!acks_valid) entry->error = KC_ERROR_INVALID_REQUIRED_ACKS;
            else if (entry->error == KC_ERROR_NONE) admit(entry, &asked->topic->config, version, g->now_ms);
        }
    }
    struct kc_hot_conn *state = kc_conn_user(conn);
    state->gathered++;
    return kc_held_full(state) ? KC_FRAME_HOLD : KC_FRAME_NEXT;
}

void kc_hot_flush(struct kc_hot *hot) {
    struct kc_gather *g = &hot->gather;
    if (g->request_count == 0) return;
    kc_gather_append(g, hot->config->worker);
    for (uint32_t i = 0; i < g->request_count; i++) {
        struct kc_gathered_request *request = &g->requests[i];
        if (!request->conn) continue;
        struct kc_hot_conn *state = kc_conn_user(request->conn);
        state->gathered--;
        if (kc_held_needed(hot, request)) kc_held_answer(hot, request);
        else kc_produce_answer(g, request);
        kc_held_check_room(request->conn);
    }
    kc_gather_rewind(g, 0, 0, 0);
}

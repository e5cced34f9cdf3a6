#include "hot/produce_answer.h"

#include "base/check.h"
#include "hot/forms.h"
#include "hot/hot.h"

enum { RESPONSE_LOG_START_OFFSET = 5, RESPONSE_RECORD_ERRORS = 8, RESPONSE_FLEXIBLE = 9, RESPONSE_TOPIC_ID = 13 };

/* An upper bound: fixed fields, and the message at most twice (once for the record, once for the batch). */
size_t kc_produce_answer_size_max(const struct kc_gather *g, const struct kc_gathered_request *request) {
    size_t size = 4 + 4 + 4 + 1 + 5 + 4 + 2;
    for (uint32_t t = request->topic_first; t < request->topic_first + request->topic_count; t++) {
        const struct kc_gathered_topic *topic = &g->topics[t];
        size += 16 + 5 + topic->name.size + 5 + 1;
        for (uint32_t e = topic->entry_first; e < topic->entry_first + topic->entry_count; e++)
            size += 4 + 2 + 8 + 8 + 8 + 5 + 4 + 5 + 1 + 5 + 1 + (g->entries[e].refusal.message ? (size_t)2 * KC_BATCH_REFUSAL_TEXT_MAX : 0);
    }
    return size;
}

static void write_entry(struct kc_writer *w, int16_t version, struct kc_gathered_entry *entry) {
    bool flexible = version >= RESPONSE_FLEXIBLE;
    bool good = entry->error == KC_ERROR_NONE;
    kc_write_i32(w, entry->index);
    entry->answer_at = (uint32_t)w->used;
    kc_write_i16(w, entry->error);
    kc_write_i64(w, good ? entry->append.base_offset : -1);
    kc_write_i64(w, good ? entry->append.log_append_time_ms : -1);
    if (version >= RESPONSE_LOG_START_OFFSET) kc_write_i64(w, good ? kc_log_start_offset(entry->partition->log) : -1);
    if (version >= RESPONSE_RECORD_ERRORS) {
        char text[KC_BATCH_REFUSAL_TEXT_MAX];
        struct kc_slice message = {0};
        if (entry->refusal.message) message = kc_slice_make(text, kc_batch_refusal_format(&entry->refusal, text, sizeof text));
        bool record_error = entry->refusal.fault != KC_FAULT_NONE && entry->refusal.record_index >= 0;
        kc_form_write_count(w, flexible, record_error ? 1 : 0);
        if (record_error) {
            kc_write_i32(w, entry->refusal.record_index);
            kc_form_write_string(w, flexible, message);
            kc_form_write_tags(w, flexible);
        }
        kc_form_write_string(w, flexible, message);
    }
    kc_form_write_tags(w, flexible);
}

static bool any_failed(const struct kc_gather *g, const struct kc_gathered_request *request) {
    for (uint32_t t = request->topic_first; t < request->topic_first + request->topic_count; t++)
        for (uint32_t e = 0; e < g->topics[t].entry_count; e++)
            if (g->entries[g->topics[t].entry_first + e].error != KC_ERROR_NONE) return true;
    return false;
}

void kc_produce_answer_fail(uint8_t *error_code, int16_t version, int16_t error) {
    kc_store_i16(error_code, error);
    kc_store_i64(error_code + 2, -1);                 /* base offset */
    kc_store_i64(error_code + 10, -1);                /* log append time */
    if (version >= RESPONSE_LOG_START_OFFSET) kc_store_i64(error_code + 18, -1);
}

size_t kc_produce_answer_write(const struct kc_gather *g, const struct kc_gathered_request *request, uint8_t *buffer,
                               size_t capacity) {
    struct kc_writer w;
    kc_writer_init(&w, buffer, capacity);
    bool flexible = request->version >= RESPONSE_FLEXIBLE;
    kc_write_i32(&w, 0);                              /* the frame's size, patched below */
    kc_write_i32(&w, request->correlation_id);
    kc_form_write_tags(&w, flexible);
    kc_form_write_count(&w, flexible, (int32_t)request->topic_count);
    for (uint32_t t = request->topic_first; t < request->topic_first + request->topic_count; t++) {
        const struct kc_gathered_topic *topic = &g->topics[t];
        if (request->version >= RESPONSE_TOPIC_ID) kc_write_uuid(&w, topic->id);
        else kc_form_write_string(&w, flexible, topic->name);
        kc_form_write_count(&w, flexible, (int32_t)topic->entry_count);
        for (uint32_t e = topic->entry_first; e < topic->entry_first + topic->entry_count; e++)
            write_entry(&w, request->version, &g->entries[e]);
        kc_form_write_tags(&w, flexible);
    }
    kc_write_i32(&w, 0);                              /* throttle time */
    kc_form_write_tags(&w, flexible);
    KC_CHECK(!w.overflow);
    kc_write_patch_i32(&w, 0, (int32_t)(w.used - 4));
    return w.used;
}

void kc_produce_answer(const struct kc_gather *g, const struct kc_gathered_request *request) {
    if (request->acks == 0) {
        if (any_failed(g, request)) kc_hot_close(request->conn);
        return;
    }
    struct kc_chain *output = kc_conn_output(request->conn);
    size_t capacity = kc_produce_answer_size_max(g, request);
    uint8_t *buffer = kc_chain_reserve(output, capacity);
    if (!buffer) {
        kc_conn_close(request->conn);
        return;
    }
    kc_chain_trim(output, capacity - kc_produce_answer_write(g, request, buffer, capacity));
    kc_conn_output_added(request->conn);
}

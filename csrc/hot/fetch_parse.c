/* fetch_parse.c: the Fetch request, versions 4 to 18.  Schema: FetchRequest.json of Apache Kafka 4.4. */
#include <stdlib.h>

#include "base/array.h"
#include "hot/fetch.h"
#include "hot/forms.h"

static bool read_topic(struct kc_fetch *f, struct kc_reader *r, const struct kc_topic_view *view, struct kc_topic **found) {
    bool flexible = f->version >= FETCH_FLEXIBLE;
    if (!KC_ARRAY_RESERVE(f->topics, f->topic_capacity, f->topic_count + 1)) return false;
    struct kc_fetch_topic *topic = &f->topics[f->topic_count++];
    *topic = (struct kc_fetch_topic){.entry_first = f->entry_count, .name_at = f->names_size};
    if (f->version >= FETCH_TOPIC_ID) {
        memcpy(topic->id, kc_read_uuid(r), KC_TOPIC_ID_SIZE);
        *found = kc_topic_view_find_id(view, topic->id);
        return true;
    }
    struct kc_slice name = kc_form_read_string(r, flexible);
    *found = kc_topic_view_find_name(view, name);
    if (!KC_ARRAY_RESERVE(f->names, f->names_capacity, f->names_size + (uint32_t)name.size + 1)) return false;
    if (name.size) memcpy(f->names + f->names_size, name.data, name.size);
    topic->name_size = (uint32_t)name.size;
    f->names_size += topic->name_size;
    return true;
}

static bool read_entry(struct kc_fetch *f, struct kc_reader *r, const struct kc_topic *topic) {
    if (!KC_ARRAY_RESERVE(f->entries, f->entry_capacity, f->entry_count + 1)) return false;
    struct kc_fetch_entry *entry = &f->entries[f->entry_count++];
    memset(entry, 0, sizeof *entry);
    entry->index = kc_read_i32(r);
    entry->current_leader_epoch = f->version >= FETCH_LEADER_EPOCH ? kc_read_i32(r) : -1;
    entry->offset = kc_read_i64(r);
    if (f->version >= FETCH_FLEXIBLE) kc_read_i32(r);           /* last fetched epoch: followers only */
    if (f->version >= FETCH_LOG_START_OFFSET) kc_read_i64(r);   /* log start offset: followers only */
    entry->size_max_bytes = kc_read_i32(r);
    kc_form_read_tags(r, f->version >= FETCH_FLEXIBLE);
    entry->partition = topic ? kc_topic_partition(topic, entry->index) : NULL;
    return true;
}

static bool read_forgotten(struct kc_fetch *f, struct kc_reader *r) {
    bool flexible = f->version >= FETCH_FLEXIBLE;
    int32_t topic_count = kc_form_read_count(r, flexible, flexible ? 3 : 6);
    for (int32_t t = 0; t < topic_count && kc_reader_ok(r); t++) {
        struct kc_fetch_forgotten gone = {.name_at = f->names_size};
        if (f->version >= FETCH_TOPIC_ID) {
            memcpy(gone.id, kc_read_uuid(r), KC_TOPIC_ID_SIZE);
        } else {
            struct kc_slice name = kc_form_read_string(r, flexible);
            if (!KC_ARRAY_RESERVE(f->names, f->names_capacity, f->names_size + (uint32_t)name.size + 1)) return false;
            if (name.size) memcpy(f->names + f->names_size, name.data, name.size);
            gone.name_size = (uint32_t)name.size;
            f->names_size += gone.name_size;
        }
        int32_t partition_count = kc_form_read_count(r, flexible, 4);
        for (int32_t p = 0; p < partition_count && kc_reader_ok(r); p++) {
            if (!KC_ARRAY_RESERVE(f->forgotten, f->forgotten_capacity, f->forgotten_count + 1)) return false;
            gone.index = kc_read_i32(r);
            f->forgotten[f->forgotten_count++] = gone;
        }
        kc_form_read_tags(r, flexible);
    }
    return true;
}

/* Tag 0: cluster id.  Tag 1 (from version 15): the replica's id and epoch. */
static void read_tags(struct kc_fetch *f, struct kc_reader *r) {
    uint32_t count = kc_read_tag_count(r);
    for (uint32_t i = 0; i < count && kc_reader_ok(r); i++) {
        uint32_t tag = 0;
        struct kc_slice value = kc_read_tag(r, &tag);
        if (tag != 1 || f->version < FETCH_REPLICA_STATE || !kc_reader_ok(r)) continue;
        struct kc_reader state;
        kc_reader_init(&state, value);
        f->from_replica = kc_read_i32(&state) >= 0;
        if (!kc_reader_ok(&state)) kc_reader_fail(r);
    }
}

kc_status kc_fetch_parse(struct kc_fetch *f, const struct kc_topic_view *view, struct kc_slice frame) {
    struct kc_request_header header;
    if (kc_request_header_peek(frame, &header) != KC_OK) return KC_CORRUPT;
    f->version = header.api_version;
    bool flexible = f->version >= FETCH_FLEXIBLE;
    if (kc_request_header_parse(frame, flexible, &header) != KC_OK) return KC_CORRUPT;
    f->correlation_id = header.correlation_id;
    f->error = KC_ERROR_NONE;
    f->entry_count = f->topic_count = f->names_size = f->forgotten_count = 0;
    f->session = NULL;
    f->session_wanted = false;
    f->session_id = 0;

    struct kc_reader r;
    kc_reader_init(&r, kc_slice_make(frame.data + header.size_bytes, frame.size - header.size_bytes));
    f->from_replica = f->version < FETCH_REPLICA_STATE && kc_read_i32(&r) >= 0;
    f->wait_ms_max = kc_read_i32(&r);
    f->size_min_bytes = kc_read_i32(&r);
    f->size_max_bytes = kc_read_i32(&r);
    f->read_committed = kc_read_i8(&r) == 1;
    if (f->version >= FETCH_SESSION) {
        f->session_id = kc_read_i32(&r);
        f->session_epoch = kc_read_i32(&r);
    }
    int32_t topic_count = kc_form_read_count(&r, flexible, flexible ? 3 : 6);
    for (int32_t t = 0; t < topic_count && kc_reader_ok(&r); t++) {
        struct kc_topic *topic = NULL;
        if (!read_topic(f, &r, view, &topic)) return KC_NO_MEMORY;
        int32_t partition_count = kc_form_read_count(&r, flexible, 16);
        for (int32_t p = 0; p < partition_count && kc_reader_ok(&r); p++)
            if (!read_entry(f, &r, topic)) return KC_NO_MEMORY;
        struct kc_fetch_topic *last = &f->topics[f->topic_count - 1];
        last->entry_count = f->entry_count - last->entry_first;
        kc_form_read_tags(&r, flexible);
    }
    if (f->version >= FETCH_SESSION && !read_forgotten(f, &r)) return KC_NO_MEMORY;
    if (f->version >= FETCH_RACK) {                             /* rack id: there is one replica to read from */
        kc_form_read_string(&r, flexible);
    }
    if (flexible) read_tags(f, &r);
    return kc_reader_ok(&r) ? KC_OK : KC_CORRUPT;
}

void kc_fetch_free_arrays(struct kc_fetch *f) {
    free(f->entries);
    free(f->topics);
    free(f->forgotten);
    free(f->names);
    kc_aborted_txns_release(&f->aborted);
}

/* list_offsets.c: ListOffsets, versions 1 to 11: a time or a marker becomes an offset.
 *
 * A time that falls inside a compressed batch is for Python, which can open it; the whole request is handed up then, as nothing
 * has happened yet.  Markers newer than the request's version are UNSUPPORTED_VERSION, a partition named twice is INVALID_REQUEST.
 *
 * Source: kafka.server.{KafkaApis.handleListOffsetRequest,ReplicaManager.fetchOffset}, UnifiedLog.fetchOffsetByTimestamp; KIP-79,
 * KIP-734 (max timestamp), KIP-405 (local, tiered), KIP-1023. */
#include "base/array.h"
#include "base/check.h"
#include "hot/error.h"
#include "hot/forms.h"
#include "hot/hot_state.h"

enum { VERSION_MIN = 1, VERSION_ISOLATION = 2, VERSION_LEADER_EPOCH = 4, VERSION_FLEXIBLE = 6, VERSION_TIMEOUT = 10, VERSION_MAX = 11 };

enum { CONSUMER = -1 };                /* the replica id of one that is none */

enum {
    MARK_LATEST = -1,
    MARK_EARLIEST = -2,
    MARK_MAX_TIMESTAMP = -3,           /* from version 7 */
    MARK_EARLIEST_LOCAL = -4,          /* 8 */
    MARK_LATEST_TIERED = -5,           /* 9 */
    MARK_EARLIEST_PENDING_UPLOAD = -6, /* 11 */
};

struct kc_offsets_topic {
    struct kc_slice name;
    struct kc_topic *topic;
    uint32_t entry_first, entry_count;
};

struct kc_offsets_entry {
    int64_t target;
    int64_t offset, timestamp;         /* answered */
    int32_t index, current_leader_epoch;
    int32_t leader_epoch;              /* answered */
    int16_t error;
    uint32_t topic;
};

static kc_status parse(struct kc_hot *hot, struct kc_reader *r, int16_t version, bool *read_committed) {
    struct kc_offsets *o = &hot->offsets;
    bool flexible = version >= VERSION_FLEXIBLE;
    o->topic_count = o->entry_count = 0;
    int32_t replica_id = kc_read_i32(r);
    int8_t isolation = version >= VERSION_ISOLATION ? kc_read_i8(r) : 0;
    *read_committed = isolation == 1 && replica_id == CONSUMER;        /* replicas and debuggers see all there is */
    int32_t topic_count = kc_form_read_count(r, flexible, flexible ? 3 : 6);
    for (int32_t t = 0; t < topic_count && kc_reader_ok(r); t++) {
        if (!KC_ARRAY_RESERVE(o->topics, o->topic_capacity, o->topic_count + 1)) return KC_NO_MEMORY;
        struct kc_offsets_topic *topic = &o->topics[o->topic_count++];
        topic->name = kc_form_read_string(r, flexible);
        topic->topic = kc_topic_view_find_name(&hot->view, topic->name);
        topic->entry_first = o->entry_count;
        int32_t partition_count = kc_form_read_count(r, flexible, 12);
        for (int32_t p = 0; p < partition_count && kc_reader_ok(r); p++) {
            if (!KC_ARRAY_RESERVE(o->entries, o->entry_capacity, o->entry_count + 1)) return KC_NO_MEMORY;
            struct kc_offsets_entry *entry = &o->entries[o->entry_count++];
            *entry = (struct kc_offsets_entry){.topic = o->topic_count - 1, .offset = -1, .timestamp = -1, .leader_epoch = -1};
            entry->index = kc_read_i32(r);
            entry->current_leader_epoch = version >= VERSION_LEADER_EPOCH ? kc_read_i32(r) : -1;
            entry->target = kc_read_i64(r);
            kc_form_read_tags(r, flexible);
        }
        topic->entry_count = o->entry_count - topic->entry_first;
        kc_form_read_tags(r, flexible);
    }
    if (version >= VERSION_TIMEOUT) kc_read_i32(r);      /* for tiered look-ups */
    kc_form_read_tags(r, flexible);
    return kc_reader_ok(r) ? KC_OK : KC_CORRUPT;
}

static bool same_partition(const struct kc_offsets *o, const struct kc_offsets_entry *a, const struct kc_offsets_entry *b) {
    return a->index == b->index && kc_slice_equal(o->topics[a->topic].name, o->topics[b->topic].name);
}

/* Partitions that are named more than once: an error on each mention. */
static kc_status find_duplicates(struct kc_offsets *o) {
    uint32_t capacity = 16;
    while (capacity < o->entry_count * 2) capacity *= 2;
    if (!KC_ARRAY_RESERVE(o->seen, o->seen_capacity, capacity)) return KC_NO_MEMORY;
    memset(o->seen, 0, capacity * sizeof *o->seen);
    for (uint32_t i = 0; i < o->entry_count; i++) {
        struct kc_offsets_entry *entry = &o->entries[i];
        struct kc_slice name = o->topics[entry->topic].name;
        uint64_t h = (uint64_t)(uint32_t)entry->index * 0x9e3779b97f4a7c15u;
        for (size_t k = 0; k < name.size; k++) h = (h ^ name.data[k]) * 0x100000001b3u;
        uint32_t at = (uint32_t)(h >> 32) & (capacity - 1);
        while (o->seen[at] && !same_partition(o, &o->entries[o->seen[at] - 1], entry)) at = (at + 1) & (capacity - 1);
        if (o->seen[at]) o->entries[o->seen[at] - 1].error = entry->error = KC_ERROR_INVALID_REQUEST;
        else o->seen[at] = i + 1;
    }
    return KC_OK;
}

static bool marker_known(int64_t target, int16_t version) {
    switch (target) {
    case MARK_LATEST:
    case MARK_EARLIEST: return true;
    case MARK_MAX_TIMESTAMP: return version >= 7;
    case MARK_EARLIEST_LOCAL: return version >= 8;
    case MARK_LATEST_TIERED: return version >= 9;
    case MARK_EARLIEST_PENDING_UPLOAD: return version >= 11;
    default: return target >= 0;
    }
}

/* The newest record is none to a client that may not read it yet. */
static kc_status find_max_timestamp(struct kc_log *log, int64_t limit, struct kc_log_position *out) {
    struct kc_log_position found;
    kc_status status = kc_log_find_max_timestamp(log, &found);
    if (status != KC_OK) return status;
    if (found.offset < limit)
        *out = found;
    else if (found.in_batch)
        kc_file_release(found.batch.file);
    return KC_OK;
}

/* KC_AGAIN: the answer lies inside a compressed batch. */
static kc_status look_up(struct kc_offsets_entry *entry, const struct kc_partition *partition, bool read_committed) {
    struct kc_log *log = partition->log;
    int64_t limit = read_committed ? kc_partition_last_stable_offset(partition) : kc_partition_high_watermark(partition);
    struct kc_log_position position = {.offset = -1, .timestamp = -1, .leader_epoch = -1};
    kc_status status = KC_OK;
    if (kc_log_offline(log)) return KC_IO_ERROR;
    switch (entry->target) {
    case MARK_LATEST:
        position.offset = limit;
        position.leader_epoch = kc_log_latest_epoch(log);
        break;
    case MARK_EARLIEST:
    case MARK_EARLIEST_LOCAL:          /* nothing is tiered: local is all there is */
        position.offset = kc_log_start_offset(log);
        position.leader_epoch = kc_log_epoch_for_offset(log, position.offset);
        break;
    case MARK_MAX_TIMESTAMP: status = find_max_timestamp(log, limit, &position); break;
    case MARK_LATEST_TIERED:
    case MARK_EARLIEST_PENDING_UPLOAD: break;
    default: status = kc_log_find_timestamp(log, entry->target, limit, &position); break;
    }
    if (status != KC_OK) return status;
    if (position.in_batch) {
        kc_file_release(position.batch.file);
        return KC_AGAIN;
    }
    entry->offset = position.offset;
    entry->timestamp = position.timestamp;
    entry->leader_epoch = position.leader_epoch;
    return KC_OK;
}

static kc_status look_up_all(struct kc_offsets *o, int16_t version, bool read_committed) {
    for (uint32_t i = 0; i < o->entry_count; i++) {
        struct kc_offsets_entry *entry = &o->entries[i];
        if (entry->error != KC_ERROR_NONE) continue;
        const struct kc_topic *topic = o->topics[entry->topic].topic;
        const struct kc_partition *partition = topic ? kc_topic_partition(topic, entry->index) : NULL;
        int32_t epoch = partition ? kc_partition_leader_epoch(partition) : -1;
        if (!marker_known(entry->target, version)) entry->error = KC_ERROR_UNSUPPORTED_VERSION;
        else if (!partition) entry->error = KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        else if (entry->current_leader_epoch >= 0 && entry->current_leader_epoch < epoch) entry->error = KC_ERROR_FENCED_LEADER_EPOCH;
        else if (entry->current_leader_epoch > epoch) entry->error = KC_ERROR_UNKNOWN_LEADER_EPOCH;
        else {
            kc_status status = look_up(entry, partition, read_committed);
            if (status == KC_AGAIN) return KC_AGAIN;
            if (status != KC_OK) entry->error = (int16_t)kc_error_from_read(status);
        }
    }
    return KC_OK;
}

static kc_status answer(const struct kc_offsets *o, struct kc_conn *conn, int16_t version, int32_t correlation_id) {
    bool flexible = version >= VERSION_FLEXIBLE;
    size_t capacity = 4 + 4 + 1 + 4 + 5 + 1 + (size_t)o->entry_count * (4 + 2 + 8 + 8 + 4 + 1);
    for (uint32_t t = 0; t < o->topic_count; t++) capacity += 3 + o->topics[t].name.size + 5 + 1;
    uint8_t *buffer = kc_chain_reserve(kc_conn_output(conn), capacity);
    if (!buffer) return KC_NO_MEMORY;
    struct kc_writer w;
    kc_writer_init(&w, buffer, capacity);
    kc_write_i32(&w, 0);
    kc_write_i32(&w, correlation_id);
    kc_form_write_tags(&w, flexible);
    if (version >= VERSION_ISOLATION) kc_write_i32(&w, 0);         /* throttle time */
    kc_form_write_count(&w, flexible, (int32_t)o->topic_count);
    for (uint32_t t = 0; t < o->topic_count; t++) {
        const struct kc_offsets_topic *topic = &o->topics[t];
        kc_form_write_string(&w, flexible, topic->name);
        kc_form_write_count(&w, flexible, (int32_t)topic->entry_count);
        for (uint32_t e = topic->entry_first; e < topic->entry_first + topic->entry_count; e++) {
            const struct kc_offsets_entry *entry = &o->entries[e];
            kc_write_i32(&w, entry->index);
            kc_write_i16(&w, entry->error);
            kc_write_i64(&w, entry->timestamp);
            kc_write_i64(&w, entry->offset);
            if (version >= VERSION_LEADER_EPOCH) kc_write_i32(&w, entry->leader_epoch);
            kc_form_write_tags(&w, flexible);
        }
        kc_form_write_tags(&w, flexible);
    }
    kc_form_write_tags(&w, flexible);
    KC_CHECK(!w.overflow);
    kc_write_patch_i32(&w, 0, (int32_t)(w.used - 4));
    kc_chain_trim(kc_conn_output(conn), capacity - w.used);
    kc_conn_output_added(conn);
    return KC_OK;
}

enum kc_frame_verdict kc_hot_list_offsets(struct kc_hot *hot, struct kc_conn *conn, uint8_t *frame, size_t size) {
    struct kc_slice bytes = kc_slice_make(frame, size);
    struct kc_request_header header;
    if (kc_request_header_peek(bytes, &header) != KC_OK) return KC_FRAME_CLOSE;
    int16_t version = header.api_version;
    if (version < VERSION_MIN || version > VERSION_MAX) return kc_hot_hand_up(hot, conn, frame, size);
    if (kc_request_header_parse(bytes, version >= VERSION_FLEXIBLE, &header) != KC_OK) return KC_FRAME_CLOSE;
    if (hot->gather.request_count == 0) kc_topic_view_refresh(&hot->view);

    struct kc_reader r;
    kc_reader_init(&r, kc_slice_make(frame + header.size_bytes, size - header.size_bytes));
    bool read_committed;
    kc_status status = parse(hot, &r, version, &read_committed);
    if (status == KC_OK) status = find_duplicates(&hot->offsets);
    if (status == KC_OK) status = look_up_all(&hot->offsets, version, read_committed);
    if (status == KC_AGAIN) return kc_hot_hand_up(hot, conn, frame, size);
    if (status == KC_OK) status = answer(&hot->offsets, conn, version, header.correlation_id);
    return status == KC_OK ? KC_FRAME_NEXT : KC_FRAME_CLOSE;
}

void kc_hot_free_offsets(struct kc_hot *hot) {
    free(hot->offsets.topics);
    free(hot->offsets.entries);
    free(hot->offsets.seen);
    hot->offsets = (struct kc_offsets){0};
}

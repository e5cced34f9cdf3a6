/* Keyed records, a plain memory of all of them, and a cleaning driven to its end. */
#ifndef KC_TESTS_CLEANING_FIXTURE_H
#define KC_TESTS_CLEANING_FIXTURE_H

#include "fixture.h"
#include "log/cleaner.h"
#include "log/offset_map.h"
#include "record/iterate.h"
#include "record/marker.h"

enum { KEYS = 24, OFFSETS_MAX = 4096, NO_VALUE = -1, FAKE_CODEC = 1 };

/* What was appended at an offset. */
struct original {
    int key, value;                      /* value NO_VALUE: a tombstone; key -1: nothing is there */
    int64_t timestamp;
};

static struct original originals[OFFSETS_MAX];
static int16_t keyed_epoch;              /* of producers with an id */

/* One batch of records with these keys.  A batch of FAKE_CODEC is not really compressed: the cleaner does not look, it asks. */
static struct kc_append append_keyed(struct fixture *f, const int *keys, const int *values, int count, int attributes,
                                     int64_t producer_id, int32_t sequence) {
    struct batch batch;
    struct kc_batch_spec spec = kc_batch_spec_plain();
    spec.producer_id = producer_id;
    if (producer_id >= 0) {
        spec.producer_epoch = keyed_epoch;
        spec.base_sequence = sequence;
    }
    spec.attributes = (int16_t)(attributes & ~KC_ATTRIBUTE_CODEC_MASK);
    struct kc_batch_builder builder;
    struct kc_slice out;
    int64_t first = kc_log_end_offset(f->log);
    EXPECT(first + count <= OFFSETS_MAX);
    kc_batch_builder_init(&builder, batch.bytes, sizeof batch.bytes, &spec);
    for (int i = 0; i < count; i++) {
        char key[16], value[64];
        snprintf(key, sizeof key, "key-%d", keys[i]);
        snprintf(value, sizeof value, "value-%030d", values[i]);
        struct kc_slice no_value = {NULL, 0};
        int64_t timestamp = f->now_ms + first + i;
        EXPECT_EQ(kc_batch_builder_add(&builder, timestamp, keys[i] < 0 ? no_value : kc_slice_make(key, strlen(key)),
                                       values[i] == NO_VALUE ? no_value : kc_slice_make(value, strlen(value)), NULL, 0),
                  KC_OK);
        originals[first + i] = (struct original){keys[i], values[i], timestamp};
    }
    EXPECT_EQ(kc_batch_builder_finish(&builder, &out), KC_OK);
    batch.bytes[KC_BATCH_ATTRIBUTES + 1] |= (uint8_t)(attributes & KC_ATTRIBUTE_CODEC_MASK);
    kc_batch_seal(batch.bytes);
    memset(&batch.info, 0, sizeof batch.info);
    kc_batch_header_load(batch.bytes, &batch.info.header);
    batch.info.max_timestamp = batch.info.header.max_timestamp;
    struct kc_append append = append_batch(f, &batch, 0);
    return append;
}

__attribute__((unused)) static void put(struct fixture *f, int key, int value) {
    EXPECT_EQ(append_keyed(f, &key, &value, 1, 0, -1, -1).fault, KC_APPEND_OK);
}

struct clean {
    int64_t first_dirty, limit, delete_retention_ms;
    size_t map_slots;
};

/* Runs a cleaning; the codec is the identity. */
__attribute__((unused)) static kc_status clean(struct fixture *f, struct clean how, struct kc_cleaning_stats *stats) {
    struct kc_cleaning_options options = {
        .first_dirty_offset = how.first_dirty,
        .limit_offset = how.limit ? how.limit : INT64_MAX,
        .now_ms = f->now_ms,
        .delete_retention_ms = how.delete_retention_ms,
        .map_size_bytes = (how.map_slots ? how.map_slots : 100000) * KC_OFFSET_MAP_SLOT_SIZE,
        .map_load_factor = 0.9,
        .seed = {kc_test_random(), kc_test_random()},
    };
    struct kc_cleaning *cleaning;
    kc_status status = kc_cleaning_start(f->log, &options, &cleaning);
    if (status != KC_OK) return status;
    struct kc_cleaning_request request = {.need = KC_CLEANING_AGAIN};
    static uint8_t section[1 << 16];
    do {
        struct kc_slice answer = {NULL, 0};
        if (request.need == KC_CLEANING_DECOMPRESS || request.need == KC_CLEANING_COMPRESS) {
            EXPECT_EQ(request.codec, FAKE_CODEC);
            EXPECT(request.section.size <= sizeof section);
            memcpy(section, request.section.data, request.section.size);
            answer = kc_slice_make(section, request.section.size);
        }
        status = kc_cleaning_step(cleaning, answer, 1000, &request);
    } while (status == KC_OK && request.need != KC_CLEANING_DONE);
    if (stats) kc_cleaning_stats(cleaning, stats);
    kc_cleaning_end(cleaning);
    return status;
}

struct survey {
    int records, batches, empty_batches, tombstones, markers;
    int64_t last_offset_of[KEYS];        /* -1: the key has no record */
    bool there[OFFSETS_MAX];
};

/* Reads the log from its start to its end; every record must be the one that was appended at its offset. */
__attribute__((unused)) static struct survey survey_log(struct fixture *f) {
    static uint8_t bytes[1 << 16];
    struct survey s;
    memset(&s, 0, sizeof s);
    for (int i = 0; i < KEYS; i++) s.last_offset_of[i] = -1;
    int64_t offset = kc_log_start_offset(f->log), end = kc_log_end_offset(f->log);
    while (offset < end) {
        size_t size = read_bytes(f, offset, INT64_MAX, 3000, true, bytes, sizeof bytes), at = 0;
        EXPECT(size > 0);
        struct kc_batch_header header;
        while (at < size && kc_batch_check_stored(kc_slice_make(bytes + at, size - at), &header) == KC_OK) {
            EXPECT(kc_batch_last_offset(&header) >= offset);
            bool control = header.attributes & KC_ATTRIBUTE_CONTROL;
            s.markers += control && header.record_count > 0;
            struct kc_record_iterator it;
            struct kc_record record;
            kc_record_iterator_init(&it, kc_slice_make(bytes + at + KC_BATCH_HEADER_SIZE, (size_t)header.size_bytes - KC_BATCH_HEADER_SIZE),
                                    control ? 0 : header.record_count);
            while (kc_record_next(&it, &record) == KC_OK) {
                int64_t here = header.base_offset + record.offset_delta;
                EXPECT(here <= kc_batch_last_offset(&header));
                const struct original *was = &originals[here];
                char text[64];
                snprintf(text, sizeof text, "key-%d", was->key);
                if (was->key < 0) EXPECT(record.key_null);
                else EXPECT(kc_slice_equal(record.key, kc_slice_make(text, strlen(text))));
                snprintf(text, sizeof text, "value-%030d", was->value);
                EXPECT_EQ(record.value_null, was->value == NO_VALUE);
                if (!record.value_null) EXPECT(kc_slice_equal(record.value, kc_slice_make(text, strlen(text))));
                EXPECT_EQ(header.base_timestamp + record.timestamp_delta, was->timestamp);
                EXPECT(was->timestamp <= header.max_timestamp);
                s.records++;
                s.tombstones += record.value_null;
                if (was->key >= 0) s.last_offset_of[was->key] = here;
                s.there[here] = true;
            }
            s.batches++;
            s.empty_batches += header.record_count == 0;
            offset = kc_batch_last_offset(&header) + 1;
            at += (size_t)header.size_bytes;
        }
        EXPECT(at > 0);
    }
    EXPECT_EQ(offset, end);
    return s;
}

/* Each key's last record is there, unless it is a tombstone and those may be gone; then nothing older of the key is. */
__attribute__((unused)) static void expect_last_values(struct fixture *f, const struct survey *s, bool tombstones_may_go) {
    int64_t newest[KEYS];
    for (int i = 0; i < KEYS; i++) newest[i] = -1;
    for (int64_t offset = 0; offset < kc_log_end_offset(f->log); offset++)
        if (originals[offset].key >= 0) newest[originals[offset].key] = offset;
    for (int key = 0; key < KEYS; key++) {
        if (newest[key] >= 0 && originals[newest[key]].value == NO_VALUE && tombstones_may_go && s->last_offset_of[key] < 0) continue;
        EXPECT_EQ(s->last_offset_of[key], newest[key]);
    }
}

__attribute__((unused)) static int64_t active_base(struct fixture *f) {
    struct kc_log_segment_info infos[256];
    size_t count;
    kc_log_segments(f->log, infos, 256, &count);
    EXPECT(count > 0 && count <= 256);
    return infos[count - 1].base_offset;
}

__attribute__((unused)) static size_t segment_count(struct fixture *f) {
    size_t count;
    kc_log_segments(f->log, NULL, 0, &count);
    return count;
}

#endif

/* The gate for a producer's batch, and everything that may trust a batch afterwards.
 *
 * A batch that kc_batch_validate accepts iterates to its end with every header, decodes into columns that say the same, gives the
 * maximum timestamp that the gate reported, is accepted by kc_batch_check_stored once it is stamped, and stays so after either of
 * the changes that a leader makes to timestamps.  What the gate refuses has a reason that can be put into words.
 *
 * Byte 0: flags (1 heal the checksum, 2 LogAppendTime, 4 keys required, 8 zstd allowed, 16 timestamp bounds); then the records field. */
#include "record/columns.h"
#include "record/iterate.h"
#include "record/search.h"
#include "record/validate.h"
#include "target.h"

static void walk_headers(const struct kc_record *record) {
    struct kc_slice headers = record->headers;
    struct kc_record_header header;
    for (int32_t i = 0; i < record->header_count; i++) FUZZ_EXPECT(kc_record_header_next(&headers, &header) == KC_OK);
    FUZZ_EXPECT(kc_record_header_next(&headers, &header) == KC_END);
}

/* The iterator and the columns agree about any bytes, good or bad. */
static kc_status walk(struct kc_slice records, const struct kc_batch_header *header) {
    size_t fit = records.size / KC_RECORD_SIZE_MIN;
    if (header->record_count < 0 || (size_t)header->record_count > fit) return KC_CORRUPT;
    int32_t count = header->record_count, seen = 0, bad_index = -1;
    int64_t *cells = malloc(((size_t)count * 9 + 1) * sizeof *cells);
    FUZZ_EXPECT(cells);
    struct kc_record_columns c = {cells,             cells + count,     cells + count * 2, cells + count * 3, cells + count * 4,
                                  cells + count * 5, cells + count * 6, cells + count * 7, cells + count * 8};
    kc_status decoded = kc_record_columns_decode(records, count, c, &bad_index);
    FUZZ_EXPECT(decoded == KC_OK || (decoded == KC_CORRUPT && bad_index >= 0 && bad_index <= count));

    struct kc_record_iterator it;
    struct kc_record record;
    kc_status status;
    kc_record_iterator_init(&it, records, count);
    while ((status = kc_record_next(&it, &record)) == KC_OK) {
        walk_headers(&record);
        FUZZ_EXPECT(decoded == KC_OK || seen < bad_index);
        FUZZ_EXPECT(c.offset_delta[seen] == record.offset_delta && c.timestamp_delta[seen] == record.timestamp_delta);
        FUZZ_EXPECT(c.key_size[seen] == (record.key_null ? -1 : (int64_t)record.key.size));
        FUZZ_EXPECT(c.value_size[seen] == (record.value_null ? -1 : (int64_t)record.value.size));
        FUZZ_EXPECT(record.key_null || records.data + c.key_position[seen] == record.key.data);
        FUZZ_EXPECT(record.value_null || records.data + c.value_position[seen] == record.value.data);
        FUZZ_EXPECT(c.header_count[seen] == record.header_count);
        seen++;
    }
    FUZZ_EXPECT((status == KC_END) == (decoded == KC_OK));
    if (status == KC_CORRUPT) FUZZ_EXPECT(seen == bad_index);
    free(cells);
    return status;
}

static void search(struct kc_slice records, const struct kc_batch_header *header, int64_t target) {
    struct kc_timestamped_offset found;
    kc_status status = kc_record_find_timestamp(records, header, target, header->base_offset, &found);
    FUZZ_EXPECT(status == KC_OK || status == KC_END || status == KC_CORRUPT);
    if (status == KC_OK) FUZZ_EXPECT(found.timestamp >= target);
    status = kc_record_find_max_timestamp(records, header, &found);
    FUZZ_EXPECT(status == KC_OK || status == KC_END || status == KC_CORRUPT);
}

static void accepted(uint8_t *batch, const struct kc_batch_info *info, const struct kc_batch_rules *rules) {
    const struct kc_batch_header *h = &info->header;
    struct kc_slice records = kc_slice_make(batch + KC_BATCH_HEADER_SIZE, (size_t)h->size_bytes - KC_BATCH_HEADER_SIZE);
    struct kc_slice whole = kc_slice_make(batch, (size_t)h->size_bytes);
    if (kc_batch_codec(h->attributes) == KC_CODEC_NONE) {
        FUZZ_EXPECT(walk(records, h) == KC_END);
        struct kc_timestamped_offset found;
        kc_status status = kc_record_find_max_timestamp(records, h, &found);
        FUZZ_EXPECT(status == (info->max_timestamp >= 0 ? KC_OK : KC_END) || status == KC_OK);
        if (status == KC_OK && info->max_timestamp >= 0) {
            FUZZ_EXPECT(found.timestamp == info->max_timestamp);
            FUZZ_EXPECT(found.offset == h->base_offset + info->offset_of_max_timestamp_delta);
        }
    }
    struct kc_batch_header stored;
    kc_batch_stamp(batch, 42, 7);
    FUZZ_EXPECT(kc_batch_check_stored(whole, &stored) == KC_OK);
    FUZZ_EXPECT(stored.base_offset == 42 && stored.leader_epoch == 7 && stored.crc == h->crc);
    if (rules->log_append_time) {
        kc_batch_set_log_append_time(batch, rules->now_ms);
        FUZZ_EXPECT(kc_batch_check_stored(whole, &stored) == KC_OK && stored.max_timestamp == rules->now_ms);
    } else if (info->max_timestamp_differs) {
        kc_batch_set_max_timestamp(batch, info->max_timestamp);
        FUZZ_EXPECT(kc_batch_check_stored(whole, &stored) == KC_OK && stored.max_timestamp == info->max_timestamp);
    }
    if (kc_batch_codec(stored.attributes) == KC_CODEC_NONE) search(records, &stored, rules->now_ms - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    uint8_t flags = input_u8(&in);
    size_t left = input_left(&in);
    uint8_t *bytes = fuzz_copy(input_bytes(&in, left));
    if (flags & 1) fuzz_heal_batches(bytes, left);
    struct kc_batch_rules rules = {.batch_size_max_bytes = 1 << 20,
                                   .log_append_time = flags & 2,
                                   .timestamp_before_max_ms = flags & 16 ? 3600000 : INT64_MAX,
                                   .timestamp_after_max_ms = flags & 16 ? 3600000 : INT64_MAX,
                                   .now_ms = FUZZ_NOW_MS,
                                   .keys_required = flags & 4,
                                   .zstd_allowed = flags & 8};
    struct kc_batch_header header;
    if (kc_batch_check_stored(kc_slice_make(bytes, left), &header) == KC_OK && kc_batch_codec(header.attributes) == KC_CODEC_NONE) {
        struct kc_slice records = kc_slice_make(bytes + KC_BATCH_HEADER_SIZE, (size_t)header.size_bytes - KC_BATCH_HEADER_SIZE);
        walk(records, &header);
        search(records, &header, FUZZ_NOW_MS);
    }
    struct kc_batch_info info;
    struct kc_batch_refusal refusal = {0};
    kc_status status = kc_batch_validate(kc_slice_make(bytes, left), &rules, &info, &refusal);
    if (status == KC_OK) {
        accepted(bytes, &info, &rules);
    } else {
        char text[KC_BATCH_REFUSAL_TEXT_MAX];
        FUZZ_EXPECT(status == KC_INVALID && refusal.fault != KC_FAULT_NONE && refusal.message);
        size_t length = kc_batch_refusal_format(&refusal, text, sizeof text);
        FUZZ_EXPECT(length > 0 && length < sizeof text && text[length] == 0);
    }
    free(bytes);
    return 0;
}

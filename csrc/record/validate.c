#include "record/validate.h"

#include <stdio.h>

#include "base/check.h"
#include "base/varint.h"
#include "crc32c/crc32c.h"
#include "record/framing.h"
#include "record/alike.h"
#include "record/parse.h"

/* Sizes in Kafka's check of a batch's first bytes, which is older than magic 2 and so more lenient. */
enum {
    LENGTH_MIN_OF_ANY_MAGIC = 14,
    SIZE_UP_TO_MAGIC = KC_BATCH_MAGIC + 1,
};

static kc_status refuse(struct kc_batch_refusal *refusal, enum kc_batch_fault fault, int32_t record_index, const char *message,
                        int64_t a, int64_t b) {
    *refusal = (struct kc_batch_refusal){fault, record_index, message, {a, b, 0, 0}};
    return KC_INVALID;
}

size_t kc_batch_refusal_format(const struct kc_batch_refusal *refusal, char *text, size_t capacity) {
    if (capacity == 0) return 0;
    size_t used = 0, number = 0;
    for (const char *from = refusal->message; *from && used + 1 < capacity;) {
        if (strncmp(from, "%lld", 4) != 0) {
            text[used++] = *from++;
            continue;
        }
        char digits[24];
        snprintf(digits, sizeof digits, "%lld", number < 4 ? (long long)refusal->numbers[number++] : 0);
        for (const char *digit = digits; *digit && used + 1 < capacity;) text[used++] = *digit++;
        from += 4;
    }
    text[used] = 0;
    return used;
}

/* ByteBufferLogInputStream.nextBatchSize.  KC_OK: a whole batch of some magic is there; KC_END: there is none, or only a part. */
static kc_status find_batch(struct kc_slice bytes, struct kc_batch_refusal *refusal) {
    if (bytes.size < KC_BATCH_LOG_OVERHEAD) return KC_END;
    int32_t length = kc_load_i32(bytes.data + KC_BATCH_LENGTH);
    if (length < LENGTH_MIN_OF_ANY_MAGIC)
        return refuse(refusal, KC_FAULT_CORRUPT, -1, "Record size %lld is less than the minimum record overhead (%lld)", length,
                      LENGTH_MIN_OF_ANY_MAGIC);
    if (bytes.size < SIZE_UP_TO_MAGIC) return KC_END;
    int8_t magic = (int8_t)bytes.data[KC_BATCH_MAGIC];
    if (magic < 0 || magic > KC_BATCH_MAGIC_VALUE)
        return refuse(refusal, KC_FAULT_CORRUPT, -1, "Invalid magic found in record: %lld", magic, 0);
    return (size_t)length > bytes.size - KC_BATCH_LOG_OVERHEAD ? KC_END : KC_OK;
}

/* ProduceRequest.validateRecords: exactly one batch, of magic 2, in a codec that the request's version knows. */
static kc_status check_single_batch(struct kc_slice records, const struct kc_batch_rules *rules, struct kc_batch_refusal *refusal) {
    kc_status status = find_batch(records, refusal);
    if (status == KC_INVALID) return status;
    if (status == KC_END)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1,
                      "Produce requests must have exactly one record batch per partition, and there is none", 0, 0);
    if (records.data[KC_BATCH_MAGIC] != KC_BATCH_MAGIC_VALUE)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1,
                      "Produce requests are only allowed to contain record batches with magic version 2, not %lld",
                      (int8_t)records.data[KC_BATCH_MAGIC], 0);
    size_t size = (size_t)kc_load_i32(records.data + KC_BATCH_LENGTH) + KC_BATCH_LOG_OVERHEAD;
    if (size < KC_BATCH_HEADER_SIZE)
        return refuse(refusal, KC_FAULT_CORRUPT, -1,
                      "Record batch is corrupted (the size %lld is smaller than the minimum allowed overhead %lld)", (int64_t)size,
                      KC_BATCH_HEADER_SIZE);
    int codec = kc_load_i16(records.data + KC_BATCH_ATTRIBUTES) & KC_ATTRIBUTE_CODEC_MASK;
    if (codec >= KC_CODEC_COUNT)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1, "Unknown compression type id: %lld", codec, 0);
    if (codec == KC_CODEC_ZSTD && !rules->zstd_allowed)
        return refuse(refusal, KC_FAULT_UNSUPPORTED_CODEC, -1,
                      "Produce requests with a version below 7 are not allowed to use ZStandard compression", 0, 0);
    status = find_batch(kc_slice_make(records.data + size, records.size - size), refusal);
    if (status == KC_INVALID) return status;
    if (status == KC_OK)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1,
                      "Produce requests must have exactly one record batch per partition, and there are more", 0, 0);
    return KC_OK;
}

static bool crc_matches(const uint8_t *batch, size_t size) {
    return kc_load_u32(batch + KC_BATCH_CRC) == kc_crc32c(batch + KC_BATCH_ATTRIBUTES, size - KC_BATCH_ATTRIBUTES);
}

/* LogValidator.validateBatch, after UnifiedLog.analyzeAndValidateRecords. */
static kc_status check_header(const uint8_t *batch, const struct kc_batch_header *h, const struct kc_batch_rules *rules,
                              struct kc_batch_refusal *refusal) {
    if (h->base_offset != 0)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1, "The baseOffset of the record batch should be 0, but it is %lld",
                      h->base_offset, 0);
    if (h->size_bytes > rules->batch_size_max_bytes)
        return refuse(refusal, KC_FAULT_TOO_LARGE, -1,
                      "The record batch size is %lld bytes which exceeds the maximum configured value of %lld", h->size_bytes,
                      rules->batch_size_max_bytes);
    if (!crc_matches(batch, (size_t)h->size_bytes))
        return refuse(refusal, KC_FAULT_CORRUPT, -1, "Record is corrupt (stored crc = %lld)", h->crc, 0);
    if (h->last_offset_delta < 0)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1, "Batch has an invalid offset range: [%lld, %lld]", h->base_offset,
                      h->base_offset + h->last_offset_delta);
    if (h->record_count <= 0)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1, "Invalid reported count for record batch: %lld", h->record_count, 0);
    if (h->last_offset_delta != h->record_count - 1)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1, "Inconsistent batch last offset delta %lld and count of records %lld",
                      h->last_offset_delta, h->record_count);
    if (h->attributes & KC_ATTRIBUTE_CONTROL)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1, "Clients are not allowed to write control records", 0, 0);
    if (h->producer_id >= 0 && h->base_sequence < 0 && !rules->sequence_optional)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1, "Invalid sequence number %lld in record batch with producerId %lld",
                      h->base_sequence, h->producer_id);
    return KC_OK;
}

static int64_t subtract_saturating(int64_t a, int64_t b) {
    int64_t out;
    if (__builtin_sub_overflow(a, b, &out)) return b > 0 ? INT64_MIN : INT64_MAX;
    return out;
}

static int64_t add_saturating(int64_t a, int64_t b) {
    int64_t out;
    if (__builtin_add_overflow(a, b, &out)) return b > 0 ? INT64_MAX : INT64_MIN;
    return out;
}

/* The range of a record's timestamp.  -1 stands for "no timestamp" and is always allowed. */
struct bounds {
    int64_t low, high;
};

static struct bounds timestamp_bounds(const struct kc_batch_rules *rules) {
    if (rules->log_append_time) return (struct bounds){INT64_MIN, INT64_MAX};
    return (struct bounds){subtract_saturating(rules->now_ms, rules->timestamp_before_max_ms),
                           add_saturating(rules->now_ms, rules->timestamp_after_max_ms)};
}

static inline bool out_of_bounds(struct bounds bounds, int64_t timestamp) {
    return KC_UNLIKELY(timestamp < bounds.low || timestamp > bounds.high) && timestamp != -1;
}

static kc_status refuse_timestamp(struct kc_batch_refusal *refusal, int32_t index, int64_t timestamp, struct bounds bounds) {
    *refusal = (struct kc_batch_refusal){
        KC_FAULT_INVALID_TIMESTAMP,
        index,
        "Timestamp %lld of message with offset %lld is out of range. The timestamp should be within [%lld, %lld]",
        {timestamp, index, bounds.low, bounds.high}};
    return KC_INVALID;
}

/* Reads every record.  A record that breaks the format ends the walk; one that breaks a rule of the topic is remembered, and
 * a bad timestamp goes before a missing key, as in LogValidator.processRecordErrors. */
static kc_status walk_records(struct kc_slice records, const struct kc_batch_header *h, const struct kc_batch_rules *rules,
                              struct kc_batch_info *info, struct kc_batch_refusal *refusal) {
    if ((size_t)h->record_count > records.size / KC_RECORD_SIZE_MIN)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1, "Found invalid record count %lld, more than fit into %lld bytes",
                      h->record_count, (int64_t)records.size);
    const uint8_t *p = records.data, *end = records.data + records.size;
    const struct bounds bounds = timestamp_bounds(rules);
    const bool log_append_time = h->attributes & KC_ATTRIBUTE_LOG_APPEND_TIME;
    int32_t null_key_index = -1, timestamp_index = -1;
    int64_t bad_timestamp = 0, max_timestamp = -1;
    int32_t max_timestamp_index = 0;
    int64_t last_timestamp_delta = 0;
    struct kc_alike alike = {0};
    for (int32_t i = 0; i < h->record_count; i++) {
        int64_t timestamp_delta;
        int32_t offset_delta;
        const uint8_t *next = kc_alike_next(&alike, p, end, &timestamp_delta, &offset_delta);
        if (!next) {
            struct kc_record record;
            next = kc_record_parse(p, end, &record);
            if (KC_UNLIKELY(!next)) return refuse(refusal, KC_FAULT_INVALID_RECORD, i, "Invalid record: its bytes break the format", 0, 0);
            if (KC_UNLIKELY(record.attributes & KC_ATTRIBUTE_CODEC_MASK) && record.offset_delta == i)
                return refuse(refusal, KC_FAULT_INVALID_RECORD, i, "Record %lld should not have an in-record compression attribute", i, 0);
            if (KC_UNLIKELY(record.key_null) && null_key_index < 0) null_key_index = i;
            kc_alike_learn(&alike, p, end, &record);
            timestamp_delta = record.timestamp_delta;
            offset_delta = record.offset_delta;
        }
        p = next;
        if (KC_UNLIKELY(offset_delta != i))
            return refuse(refusal, KC_FAULT_INVALID_RECORD, i, "Offset delta %lld of record %lld is not its place in the batch",
                          offset_delta, i);
        if (timestamp_delta == last_timestamp_delta && i > 0) {
            int32_t run = kc_alike_run(&alike, p, end, h->record_count - 1 - i);
            p += (size_t)run * alike.size_bytes;
            i += run;
            continue;
        }
        last_timestamp_delta = timestamp_delta;
        int64_t timestamp = (int64_t)((uint64_t)h->base_timestamp + (uint64_t)timestamp_delta);
        if (KC_UNLIKELY(log_append_time)) timestamp = h->max_timestamp;
        if (out_of_bounds(bounds, timestamp) && timestamp_index < 0) {
            timestamp_index = i;
            bad_timestamp = timestamp;
        }
        if (timestamp > max_timestamp) {
            max_timestamp = timestamp;
            max_timestamp_index = i;
        }
    }
    if (p != end)
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1, "Incorrect declared batch size, records still remaining in %lld bytes",
                      (int64_t)(end - p), 0);
    if (timestamp_index >= 0) return refuse_timestamp(refusal, timestamp_index, bad_timestamp, bounds);
    if (rules->keys_required && null_key_index >= 0)
        return refuse(refusal, KC_FAULT_NULL_KEY, null_key_index, "Compacted topic cannot accept message without key", 0, 0);
    info->max_timestamp = max_timestamp;
    info->offset_of_max_timestamp_delta = max_timestamp_index;
    return KC_OK;
}

/* What can be known of compressed records without decompressing them. */
static kc_status check_compressed(struct kc_slice records, const struct kc_batch_header *h, const struct kc_batch_rules *rules,
                                  struct kc_batch_info *info, struct kc_batch_refusal *refusal) {
    if (!kc_framing_plausible(kc_batch_codec(h->attributes), records))
        return refuse(refusal, KC_FAULT_INVALID_RECORD, -1, "The records are not what compression type id %lld writes",
                      kc_batch_codec(h->attributes), 0);
    const struct bounds bounds = timestamp_bounds(rules);
    /* The header's two timestamps are the only ones in sight: those of the first record and of the newest.  A delete horizon
     * takes the place of the former. */
    if (out_of_bounds(bounds, h->max_timestamp)) return refuse_timestamp(refusal, h->last_offset_delta, h->max_timestamp, bounds);
    if (!(h->attributes & (KC_ATTRIBUTE_DELETE_HORIZON | KC_ATTRIBUTE_LOG_APPEND_TIME)) && out_of_bounds(bounds, h->base_timestamp))
        return refuse_timestamp(refusal, 0, h->base_timestamp, bounds);
    info->max_timestamp = h->max_timestamp < -1 ? -1 : h->max_timestamp;
    info->offset_of_max_timestamp_delta = h->max_timestamp < 0 ? 0 : h->last_offset_delta;
    return KC_OK;
}

/* What the leader has to make of the timestamps that were found. */
static kc_status settle_timestamps(const struct kc_batch_header *h, const struct kc_batch_rules *rules, struct kc_batch_info *info,
                                   struct kc_batch_refusal *refusal) {
    const bool log_append_time = h->attributes & KC_ATTRIBUTE_LOG_APPEND_TIME;
    /* Kafka takes a client's LogAppendTime for CreateTime as long as there is a timestamp to take. */
    if (log_append_time && (rules->log_append_time || h->max_timestamp == -1))
        return refuse(refusal, KC_FAULT_INVALID_TIMESTAMP, 0,
                      "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime.", 0, 0);
    info->max_timestamp_differs = info->max_timestamp != h->max_timestamp || (log_append_time && !rules->log_append_time);
    return KC_OK;
}

kc_status kc_batch_validate_records(struct kc_slice records, const struct kc_batch_header *header, const struct kc_batch_rules *rules,
                                    struct kc_batch_info *info, struct kc_batch_refusal *refusal) {
    kc_status status = walk_records(records, header, rules, info, refusal);
    return status == KC_OK ? settle_timestamps(header, rules, info, refusal) : status;
}

kc_status kc_batch_validate(struct kc_slice records, const struct kc_batch_rules *rules, struct kc_batch_info *info,
                            struct kc_batch_refusal *refusal) {
    kc_status status = check_single_batch(records, rules, refusal);
    if (status != KC_OK) return status;
    struct kc_batch_info found;
    kc_batch_header_load(records.data, &found.header);
    const struct kc_batch_header *h = &found.header;
    status = check_header(records.data, h, rules, refusal);
    if (status != KC_OK) return status;
    struct kc_slice body = kc_slice_make(records.data + KC_BATCH_HEADER_SIZE, (size_t)h->size_bytes - KC_BATCH_HEADER_SIZE);
    status = kc_batch_codec(h->attributes) == KC_CODEC_NONE ? walk_records(body, h, rules, &found, refusal)
                                                           : check_compressed(body, h, rules, &found, refusal);
    if (status == KC_OK) status = settle_timestamps(h, rules, &found, refusal);
    if (status == KC_OK) *info = found;
    return status;
}

kc_status kc_batch_check_stored(struct kc_slice bytes, struct kc_batch_header *header) {
    if (bytes.size < KC_BATCH_LOG_OVERHEAD) return KC_END;
    int32_t length = kc_load_i32(bytes.data + KC_BATCH_LENGTH);
    if (length < KC_BATCH_LENGTH_MIN || length > INT32_MAX - KC_BATCH_LOG_OVERHEAD) return KC_CORRUPT;
    if (bytes.size >= SIZE_UP_TO_MAGIC && bytes.data[KC_BATCH_MAGIC] != KC_BATCH_MAGIC_VALUE) return KC_CORRUPT;
    if ((size_t)length > bytes.size - KC_BATCH_LOG_OVERHEAD) return KC_END;
    struct kc_batch_header h;
    kc_batch_header_load(bytes.data, &h);
    if (!crc_matches(bytes.data, (size_t)h.size_bytes)) return KC_CORRUPT;
    /* Compaction leaves gaps, and batches without records that keep a producer's last sequence; never more records than
     * offsets. */
    if (h.base_offset < 0 || h.last_offset_delta < 0 || h.base_offset > INT64_MAX - h.last_offset_delta) return KC_CORRUPT;
    if (h.record_count < 0 || h.record_count - 1 > h.last_offset_delta) return KC_CORRUPT;
    if (kc_batch_codec(h.attributes) >= KC_CODEC_COUNT) return KC_CORRUPT;
    if (kc_batch_codec(h.attributes) == KC_CODEC_NONE &&
        (size_t)h.record_count > ((size_t)h.size_bytes - KC_BATCH_HEADER_SIZE) / KC_RECORD_SIZE_MIN)
        return KC_CORRUPT;
    *header = h;
    return KC_OK;
}

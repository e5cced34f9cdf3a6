/* batch.h: the header of a record batch, magic 2.
 *
 * 61 bytes, big endian; the CRC-32C covers everything from the attributes on, so that a leader may write the base offset
 * and the leader epoch into a client's batch without touching it.  Source: org.apache.kafka.common.record.DefaultRecordBatch.
 *
 * Functions here trust that KC_BATCH_HEADER_SIZE bytes are there and nothing else; validate.h is the gate for foreign bytes.
 * Thread: any.  Nothing is allocated, nothing is kept. */
#ifndef KC_RECORD_BATCH_H
#define KC_RECORD_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    KC_BATCH_BASE_OFFSET = 0,
    KC_BATCH_LENGTH = 8,               /* bytes after this field */
    KC_BATCH_LEADER_EPOCH = 12,
    KC_BATCH_MAGIC = 16,
    KC_BATCH_CRC = 17,
    KC_BATCH_ATTRIBUTES = 21,          /* the CRC covers from here to the end */
    KC_BATCH_LAST_OFFSET_DELTA = 23,
    KC_BATCH_BASE_TIMESTAMP = 27,
    KC_BATCH_MAX_TIMESTAMP = 35,
    KC_BATCH_PRODUCER_ID = 43,
    KC_BATCH_PRODUCER_EPOCH = 51,
    KC_BATCH_BASE_SEQUENCE = 53,
    KC_BATCH_RECORD_COUNT = 57,
    KC_BATCH_HEADER_SIZE = 61,

    KC_BATCH_LOG_OVERHEAD = 12,        /* base offset and length: what a reader needs to find the next batch */
    KC_BATCH_LENGTH_MIN = KC_BATCH_HEADER_SIZE - KC_BATCH_LOG_OVERHEAD,
    KC_BATCH_MAGIC_VALUE = 2,
    KC_RECORD_SIZE_MIN = 7,            /* length, attributes, two deltas, two lengths, header count */
};

_Static_assert(KC_BATCH_RECORD_COUNT + 4 == KC_BATCH_HEADER_SIZE, "the record count is the last field of the header");
_Static_assert(KC_BATCH_LENGTH_MIN == 49, "Kafka's smallest batch length");

enum {
    KC_ATTRIBUTE_CODEC_MASK = 0x07,
    KC_ATTRIBUTE_LOG_APPEND_TIME = 0x08,
    KC_ATTRIBUTE_TRANSACTIONAL = 0x10,
    KC_ATTRIBUTE_CONTROL = 0x20,
    KC_ATTRIBUTE_DELETE_HORIZON = 0x40,
};

enum kc_codec {
    KC_CODEC_NONE = 0,
    KC_CODEC_GZIP = 1,
    KC_CODEC_SNAPPY = 2,
    KC_CODEC_LZ4 = 3,
    KC_CODEC_ZSTD = 4,
    KC_CODEC_COUNT
};

/* The header, decoded.  Kept by nobody longer than one call. */
struct kc_batch_header {
    int64_t base_offset;
    int64_t base_timestamp;            /* or the delete horizon, where that attribute is set */
    int64_t max_timestamp;
    int64_t producer_id;               /* -1: not idempotent */
    int32_t size_bytes;                /* the whole batch, length field + 12 */
    int32_t leader_epoch;
    int32_t last_offset_delta;
    int32_t base_sequence;
    int32_t record_count;
    uint32_t crc;
    int16_t attributes;
    int16_t producer_epoch;
    int8_t magic;
};

/* Decodes KC_BATCH_HEADER_SIZE bytes.  size_bytes saturates at INT32_MAX for a length field near the top; a negative length
 * stays negative. */
void kc_batch_header_load(const uint8_t *batch, struct kc_batch_header *out);

static inline enum kc_codec kc_batch_codec(int16_t attributes) { return (enum kc_codec)(attributes & KC_ATTRIBUTE_CODEC_MASK); }
static inline int64_t kc_batch_last_offset(const struct kc_batch_header *h) { return h->base_offset + h->last_offset_delta; }
/* Sequence numbers wrap from INT32_MAX to 0. */
int32_t kc_sequence_add(int32_t sequence, int32_t increment);

/* The two fields that a leader writes; neither is covered by the CRC. */
static inline void kc_batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch) {
    kc_store_i64(batch + KC_BATCH_BASE_OFFSET, base_offset);
    kc_store_i32(batch + KC_BATCH_LEADER_EPOCH, leader_epoch);
}

/* Makes a checked batch carry LogAppendTime: sets the attribute bit and the maximum timestamp and recomputes the CRC. */
void kc_batch_set_log_append_time(uint8_t *batch, int64_t timestamp_ms);

/* Makes a checked batch carry CreateTime with this maximum timestamp: clears the LogAppendTime bit, as Kafka does for a
 * client that had set it, and recomputes the CRC. */
void kc_batch_set_max_timestamp(uint8_t *batch, int64_t max_timestamp);

/* Encodes the header as it stands, the CRC field included; the length field is size_bytes - 12. */
void kc_batch_header_store(uint8_t *batch, const struct kc_batch_header *header);

/* Recomputes the CRC of a batch whose length field is right and whose bytes are all there. */
void kc_batch_seal(uint8_t *batch);

#endif

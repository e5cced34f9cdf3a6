/* validate.h: the gate between a producer's bytes and the log.
 *
 * A batch is accepted or refused whole, before anything is written, with Kafka's own reason.  The order of the checks and
 * the reasons follow org.apache.kafka.storage.internals.log.LogValidator and UnifiedLog.analyzeAndValidateRecords, as
 * recorded from Apache Kafka 4.3.1; records of an uncompressed batch are walked to the last byte, those of a compressed one
 * are known by their header, their CRC and the first bytes of their codec's framing.
 *
 * Thread: any, no lock held.  The slice is read, never written, and may be freed afterwards. */
#ifndef KC_RECORD_VALIDATE_H
#define KC_RECORD_VALIDATE_H

#include "base/bytes.h"
#include "base/status.h"
#include "record/batch.h"

/* Why a batch was refused.  hot/error.h maps each to a Kafka error code. */
enum kc_batch_fault {
    KC_FAULT_NONE = 0,
    KC_FAULT_CORRUPT,              /* CORRUPT_MESSAGE (2): size, unknown magic, CRC */
    KC_FAULT_INVALID_RECORD,       /* INVALID_RECORD (87) */
    KC_FAULT_TOO_LARGE,            /* MESSAGE_TOO_LARGE (10) */
    KC_FAULT_INVALID_TIMESTAMP,    /* INVALID_TIMESTAMP (32) */
    KC_FAULT_NULL_KEY,             /* INVALID_RECORD (87) with one record error per record without a key */
    KC_FAULT_UNSUPPORTED_CODEC,    /* UNSUPPORTED_COMPRESSION_TYPE (76): zstd in a Produce request below version 7 */
};

/* What the topic and the request ask of a batch. */
struct kc_batch_rules {
    int32_t batch_size_max_bytes;       /* max.message.bytes */
    bool log_append_time;               /* message.timestamp.type: client timestamps are not looked at */
    int64_t timestamp_before_max_ms;    /* message.timestamp.before.max.ms, INT64_MAX: no bound */
    int64_t timestamp_after_max_ms;     /* message.timestamp.after.max.ms */
    int64_t now_ms;                     /* wall clock */
    bool keys_required;                 /* cleanup.policy contains compact (uncompressed batches only) */
    bool zstd_allowed;                  /* Produce version >= 7 */
    bool sequence_optional;             /* made by a coordinator of this broker: a producer id without a sequence */
};

/* A refusal in detail.  message is static text, for the response's error message; where it holds %lld, those are
 * numbers[0], [1], ... in order and kc_batch_refusal_format puts them in. */
struct kc_batch_refusal {
    enum kc_batch_fault fault;
    int32_t record_index;               /* first offending record, -1: the batch as a whole */
    const char *message;
    int64_t numbers[4];
};

#define KC_BATCH_REFUSAL_TEXT_MAX 256

/* Writes the message with its numbers and a final NUL into text, cut if need be; returns its length without the NUL. */
size_t kc_batch_refusal_format(const struct kc_batch_refusal *refusal, char *text, size_t capacity);

/* What a good batch told about itself; the records were read, so that nobody has to read them again. */
struct kc_batch_info {
    struct kc_batch_header header;
    int64_t max_timestamp;              /* highest record timestamp (uncompressed) or the header's (compressed); -1: none */
    bool max_timestamp_differs;         /* the header lies about it, or carries LogAppendTime where the topic has CreateTime:
                                         * the leader calls kc_batch_set_max_timestamp, as Kafka does */
    int32_t offset_of_max_timestamp_delta; /* first record with it; of a compressed batch the last record, 0 where none has one */
};

/* Checks the records field of one partition of a Produce request: exactly one batch, by these rules.
 * KC_OK: *info is filled; the batch is the first header.size_bytes of the slice.  Kafka's producers may leave a partial batch
 * behind it, which is ignored: append header.size_bytes, not the slice.  KC_INVALID: *refusal is filled. */
kc_status kc_batch_validate(struct kc_slice records, const struct kc_batch_rules *rules, struct kc_batch_info *info,
                            struct kc_batch_refusal *refusal);

/* The part of kc_batch_validate that reads records, for a records section that somebody has decompressed; header: of the batch
 * it came from, which kc_batch_validate has accepted.  On KC_OK the members of *info that speak of timestamps are filled, as
 * for an uncompressed batch; the header in it is left alone.  KC_INVALID: *refusal is filled. */
kc_status kc_batch_validate_records(struct kc_slice records, const struct kc_batch_header *header, const struct kc_batch_rules *rules,
                                    struct kc_batch_info *info, struct kc_batch_refusal *refusal);

/* Checks one batch found at the start of bytes on disk or from a replica: size within the slice, magic, CRC, sane counts.  No
 * rules of a topic apply.  KC_OK fills *header; KC_END: fewer bytes than the batch claims; KC_CORRUPT. */
kc_status kc_batch_check_stored(struct kc_slice bytes, struct kc_batch_header *header);

#endif

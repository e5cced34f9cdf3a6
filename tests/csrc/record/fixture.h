/* A golden batch, and batches made wrong on purpose.
 *
 * golden: kafka-python 3.0.12, DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20), append(offset, timestamp, key, value, headers):
 *     0, 1700000000000, b"key-0", b"value-0", [("h1", b"v1"), ("empty", b""), ("null", None)]
 *     1, 1700000000005, None, b"value-1", []
 *     2, 1699999999999, b"", None, [] */
#ifndef KC_TESTS_RECORD_FIXTURE_H
#define KC_TESTS_RECORD_FIXTURE_H

#include "../check.h"
#include "record/build.h"
#include "record/validate.h"

static const uint8_t golden[120] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x6c, 0x00, 0x00, 0x00, 0x00, 0x02, 0x65, 0xb9, 0xf5,
    0x34, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf,
    0xe5, 0x68, 0x05, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00,
    0x03, 0x4a, 0x00, 0x00, 0x00, 0x0a, 0x6b, 0x65, 0x79, 0x2d, 0x30, 0x0e, 0x76, 0x61, 0x6c, 0x75, 0x65, 0x2d, 0x30, 0x06,
    0x04, 0x68, 0x31, 0x04, 0x76, 0x31, 0x0a, 0x65, 0x6d, 0x70, 0x74, 0x79, 0x00, 0x08, 0x6e, 0x75, 0x6c, 0x6c, 0x01, 0x1a,
    0x00, 0x0a, 0x02, 0x01, 0x0e, 0x76, 0x61, 0x6c, 0x75, 0x65, 0x2d, 0x31, 0x00, 0x0c, 0x00, 0x01, 0x04, 0x00, 0x01, 0x00};

#define GOLDEN_TIME 1700000000000

static inline struct kc_slice text(const char *s) { return kc_slice_make(s, s ? strlen(s) : 0); }

/* A topic with defaults, one minute after the golden batch was made. */
static inline struct kc_batch_rules default_rules(void) {
    return (struct kc_batch_rules){.batch_size_max_bytes = 1048588,
                                   .timestamp_before_max_ms = INT64_MAX,
                                   .timestamp_after_max_ms = 3600000,
                                   .now_ms = GOLDEN_TIME + 60000,
                                   .zstd_allowed = true};
}

/* Validates a copy of exactly these bytes, so that a read beyond them meets the sanitizer. */
static inline struct kc_batch_refusal verdict(const void *bytes, size_t size, const struct kc_batch_rules *rules, struct kc_batch_info *info) {
    uint8_t *copy = malloc(size ? size : 1);
    if (size) memcpy(copy, bytes, size);
    struct kc_batch_refusal refusal = {KC_FAULT_NONE, -2, "", {0, 0, 0, 0}};
    struct kc_batch_info unused;
    kc_status status = kc_batch_validate(kc_slice_make(copy, size), rules, info ? info : &unused, &refusal);
    EXPECT(status == (refusal.fault == KC_FAULT_NONE ? KC_OK : KC_INVALID));
    if (status == KC_INVALID) EXPECT(refusal.message && refusal.message[0]);
    free(copy);
    return refusal;
}

static inline enum kc_batch_fault fault_of(const void *bytes, size_t size) {
    struct kc_batch_rules rules = default_rules();
    return verdict(bytes, size, &rules, NULL).fault;
}

/* The golden batch with one field overwritten and the CRC made right again. */
static inline struct kc_batch_refusal verdict_with(size_t at, uint64_t value, size_t width, const struct kc_batch_rules *rules,
                                                   struct kc_batch_info *info) {
    uint8_t batch[sizeof golden];
    memcpy(batch, golden, sizeof batch);
    for (size_t i = 0; i < width; i++) batch[at + i] = (uint8_t)(value >> 8 * (width - 1 - i));
    if (at >= KC_BATCH_ATTRIBUTES) kc_batch_seal(batch);
    return verdict(batch, sizeof batch, rules, info);
}

#endif

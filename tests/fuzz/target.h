/* What the fuzz targets share: an expectation that ends the run, a cursor that takes the input apart, a clock that stands still, and
 * the healing of checksums.
 *
 * A target is one file fuzz_<part>.c with LLVMFuzzerTestOneInput; ci/fuzz builds it with -fsanitize=fuzzer,address,undefined and runs it
 * over the seeds of seeds.py.  A target has no state that outlives an input, or every finding would need its whole history. */
#ifndef KC_TESTS_FUZZ_TARGET_H
#define KC_TESTS_FUZZ_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "crc32c/crc32c.h"
#include "record/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_EXPECT(condition)                                                              \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                        \
        }                                                                                   \
    } while (0)

#define FUZZ_EXPECT_OK(call)                                                                                                 \
    do {                                                                                                                     \
        kc_status fuzz_status = (call);                                                                                      \
        if (fuzz_status != KC_OK) {                                                                                          \
            fprintf(stderr, "%s:%d: %s answered: %s\n", __FILE__, __LINE__, #call, kc_status_name(fuzz_status));             \
            abort();                                                                                                         \
        }                                                                                                                    \
    } while (0)

enum { FUZZ_NOW_S = 1700000000 };
#define FUZZ_NOW_MS ((int64_t)FUZZ_NOW_S * 1000)

/* ---- taking the input apart: beyond its end everything is zero ----------------------------------------------------------------- */

struct input {
    const uint8_t *at, *end;
};

__attribute__((unused)) static size_t input_left(const struct input *in) { return (size_t)(in->end - in->at); }
__attribute__((unused)) static uint8_t input_u8(struct input *in) { return in->at < in->end ? *in->at++ : 0; }
__attribute__((unused)) static uint16_t input_u16(struct input *in) {
    uint16_t high = input_u8(in);
    return (uint16_t)(high << 8 | input_u8(in));
}
/* The next `size` bytes, or as many as there are. */
__attribute__((unused)) static struct kc_slice input_bytes(struct input *in, size_t size) {
    if (size > input_left(in)) size = input_left(in);
    struct kc_slice out = kc_slice_make(in->at, size);
    in->at += size;
    return out;
}

/* A copy of exactly these bytes, so that a read beyond them meets the sanitizer. */
__attribute__((unused)) static uint8_t *fuzz_copy(struct kc_slice bytes) {
    uint8_t *copy = malloc(bytes.size ? bytes.size : 1);
    FUZZ_EXPECT(copy);
    if (bytes.size) memcpy(copy, bytes.data, bytes.size);
    return copy;
}

/* ---- time: `state` points at milliseconds --------------------------------------------------------------------------------------- */

__attribute__((unused)) static int64_t fuzz_wall_ms(void *state) { return *(int64_t *)state; }
__attribute__((unused)) static int64_t fuzz_monotonic_us(void *state) { return *(int64_t *)state * 1000; }
__attribute__((unused)) static struct kc_clock fuzz_clock(int64_t *now_ms) {
    return (struct kc_clock){fuzz_wall_ms, fuzz_monotonic_us, now_ms};
}

/* ---- checksums: no mutation would ever get past them ---------------------------------------------------------------------------- */

/* Makes the CRC right of everything in these bytes that looks like a whole batch; beyond the first few nobody looks. */
__attribute__((unused)) static void fuzz_heal_batches(uint8_t *bytes, size_t size) {
    int healed = 0;
    for (size_t at = 0; healed < 16 && size - at >= KC_BATCH_HEADER_SIZE; at++) {
        if (bytes[at + KC_BATCH_MAGIC] != KC_BATCH_MAGIC_VALUE) continue;
        int32_t length = kc_load_i32(bytes + at + KC_BATCH_LENGTH);
        if (length < KC_BATCH_LENGTH_MIN || (size_t)length > size - at - KC_BATCH_LOG_OVERHEAD) continue;
        kc_batch_seal(bytes + at);
        healed++;
        at += (size_t)length + KC_BATCH_LOG_OVERHEAD - 1;
    }
}

#endif

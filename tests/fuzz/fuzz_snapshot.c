/* Producer snapshots: a file is refused, or what it says survives being written and read again byte for byte.
 * Byte 0: flags (1 heal the checksum); then the file. */
#include "log/producer_snapshot.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    uint8_t flags = input_u8(&in);
    size_t left = input_left(&in);
    uint8_t *bytes = fuzz_copy(input_bytes(&in, left));
    if (flags & 1 && left >= KC_SNAPSHOT_HEADER_SIZE)
        kc_store_u32(bytes + 2, kc_crc32c(bytes + KC_SNAPSHOT_CRC_START, left - KC_SNAPSHOT_CRC_START));

    struct kc_producer_state state, again;
    kc_producer_state_init(&state, 86400000);
    kc_producer_state_init(&again, 86400000);
    kc_status status = kc_producer_snapshot_decode(kc_slice_make(bytes, left), &state, FUZZ_NOW_MS);
    FUZZ_EXPECT(status == KC_OK || status == KC_CORRUPT);
    if (status == KC_CORRUPT) FUZZ_EXPECT(state.count == 0);
    (void)kc_producer_state_first_open_offset(&state);
    uint8_t *first, *second;
    size_t first_size, second_size;
    FUZZ_EXPECT_OK(kc_producer_snapshot_encode(&state, &first, &first_size));
    FUZZ_EXPECT_OK(kc_producer_snapshot_decode(kc_slice_make(first, first_size), &again, FUZZ_NOW_MS));
    FUZZ_EXPECT_OK(kc_producer_snapshot_encode(&again, &second, &second_size));
    FUZZ_EXPECT(first_size == second_size && memcmp(first, second, first_size) == 0);
    free(first);
    free(second);

    /* A batch of each producer is judged and remembered whatever the snapshot claimed. */
    for (size_t at = KC_SNAPSHOT_HEADER_SIZE; at + KC_SNAPSHOT_ENTRY_SIZE <= left && at < 4096; at += KC_SNAPSHOT_ENTRY_SIZE) {
        struct kc_batch_header header = {.producer_id = kc_load_i64(bytes + at) & INT64_MAX,
                                         .producer_epoch = (int16_t)(kc_load_i16(bytes + at + 8) & INT16_MAX),
                                         .base_sequence = kc_sequence_add(kc_load_i32(bytes + at + 10) & INT32_MAX, 1),
                                         .record_count = 1,
                                         .base_offset = 100,
                                         .max_timestamp = FUZZ_NOW_MS};
        const struct kc_producer_batch *duplicate = NULL;
        enum kc_producer_verdict verdict = kc_producer_state_judge(&state, &header, KC_ORIGIN_CLIENT, KC_TXN_GUARD_NONE, FUZZ_NOW_MS, &duplicate);
        if (verdict == KC_PRODUCER_DUPLICATE) FUZZ_EXPECT(duplicate);
        FUZZ_EXPECT_OK(kc_producer_state_update(&state, &header, FUZZ_NOW_MS));
    }
    kc_producer_state_release(&state);
    kc_producer_state_release(&again);
    free(bytes);
    return 0;
}

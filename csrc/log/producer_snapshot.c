#include "log/producer_snapshot.h"

#include <stdlib.h>

#include "crc32c/crc32c.h"
#include "log/names.h"
#include "log/small_file.h"

enum { SNAPSHOT_SIZE_MAX = 1 << 30, FEW_PRODUCERS = 32 };

enum {                                 /* within an entry */
    AT_PRODUCER_ID = 0,
    AT_EPOCH = 8,
    AT_LAST_SEQUENCE = 10,
    AT_LAST_OFFSET = 14,
    AT_OFFSET_DELTA = 22,
    AT_TIMESTAMP = 26,
    AT_COORDINATOR_EPOCH = 34,
    AT_TXN_FIRST_OFFSET = 38,
};
_Static_assert(AT_TXN_FIRST_OFFSET + 8 == KC_SNAPSHOT_ENTRY_SIZE, "the open transaction is an entry's last field");

static int compare_ids(const void *a, const void *b) {
    int64_t left = (*(const struct kc_producer *const *)a)->producer_id;
    int64_t right = (*(const struct kc_producer *const *)b)->producer_id;
    return left < right ? -1 : left > right;
}

static void encode_entry(uint8_t *at, const struct kc_producer *producer) {
    struct kc_producer_batch last = {.last_offset = -1, .timestamp = -1, .last_sequence = -1, .offset_delta = 0};
    if (producer->batch_count) last = producer->batches[producer->batch_count - 1];
    kc_store_i64(at + AT_PRODUCER_ID, producer->producer_id);
    kc_store_i16(at + AT_EPOCH, producer->epoch);
    kc_store_i32(at + AT_LAST_SEQUENCE, last.last_sequence);
    kc_store_i64(at + AT_LAST_OFFSET, last.last_offset);
    kc_store_i32(at + AT_OFFSET_DELTA, last.offset_delta);
    kc_store_i64(at + AT_TIMESTAMP, producer->last_timestamp);
    kc_store_i32(at + AT_COORDINATOR_EPOCH, producer->coordinator_epoch);
    kc_store_i64(at + AT_TXN_FIRST_OFFSET, producer->txn_first_offset);
}

static size_t encoded_size(const struct kc_producer_state *state) {
    return KC_SNAPSHOT_HEADER_SIZE + state->count * KC_SNAPSHOT_ENTRY_SIZE;
}

/* bytes: encoded_size; sorted: a place for each producer. */
static void encode(const struct kc_producer_state *state, uint8_t *bytes, const struct kc_producer **sorted) {
    size_t count = 0;
    for (size_t i = 0; i < state->capacity; i++)
        if (state->table[i].producer_id >= 0) sorted[count++] = &state->table[i];
    if (count) qsort(sorted, count, sizeof *sorted, compare_ids);
    kc_store_i16(bytes, KC_SNAPSHOT_VERSION);
    kc_store_i32(bytes + KC_SNAPSHOT_CRC_START, (int32_t)count);
    for (size_t i = 0; i < count; i++)
        encode_entry(bytes + KC_SNAPSHOT_HEADER_SIZE + i * KC_SNAPSHOT_ENTRY_SIZE, sorted[i]);
    kc_store_u32(bytes + 2, kc_crc32c(bytes + KC_SNAPSHOT_CRC_START, encoded_size(state) - KC_SNAPSHOT_CRC_START));
}

kc_status kc_producer_snapshot_encode(const struct kc_producer_state *state, uint8_t **data, size_t *size) {
    uint8_t *bytes = malloc(encoded_size(state));
    const struct kc_producer **sorted = malloc((state->count + 1) * sizeof(struct kc_producer *));
    if (!bytes || !sorted) {
        free(bytes);
        free(sorted);
        return KC_NO_MEMORY;
    }
    encode(state, bytes, sorted);
    free(sorted);
    *data = bytes;
    *size = encoded_size(state);
    return KC_OK;
}

static kc_status decode_entry(const uint8_t *at, struct kc_producer *producer) {
    *producer = (struct kc_producer){
        .producer_id = kc_load_i64(at + AT_PRODUCER_ID),
        .epoch = kc_load_i16(at + AT_EPOCH),
        .last_timestamp = kc_load_i64(at + AT_TIMESTAMP),
        .touched_ms = kc_load_i64(at + AT_TIMESTAMP),
        .coordinator_epoch = kc_load_i32(at + AT_COORDINATOR_EPOCH),
        .txn_first_offset = kc_load_i64(at + AT_TXN_FIRST_OFFSET),
    };
    struct kc_producer_batch last = {
        .last_offset = kc_load_i64(at + AT_LAST_OFFSET),
        .timestamp = producer->last_timestamp,
        .last_sequence = kc_load_i32(at + AT_LAST_SEQUENCE),
        .offset_delta = kc_load_i32(at + AT_OFFSET_DELTA),
    };
    if (producer->producer_id < 0 || producer->epoch < -1 || last.offset_delta < 0) return KC_CORRUPT;
    if (last.last_offset >= 0) producer->batches[producer->batch_count++] = last;
    return KC_OK;
}

kc_status kc_producer_snapshot_decode(struct kc_slice bytes, struct kc_producer_state *state, int64_t now_ms) {
    kc_producer_state_clear(state);
    if (bytes.size < KC_SNAPSHOT_HEADER_SIZE) return KC_CORRUPT;
    if (kc_load_i16(bytes.data) != KC_SNAPSHOT_VERSION) return KC_CORRUPT;
    uint32_t crc = kc_crc32c(bytes.data + KC_SNAPSHOT_CRC_START, bytes.size - KC_SNAPSHOT_CRC_START);
    if (kc_load_u32(bytes.data + 2) != crc) return KC_CORRUPT;
    int32_t count = kc_load_i32(bytes.data + KC_SNAPSHOT_CRC_START);
    size_t left = bytes.size - KC_SNAPSHOT_HEADER_SIZE;
    if (count < 0 || left / KC_SNAPSHOT_ENTRY_SIZE != (size_t)count || left % KC_SNAPSHOT_ENTRY_SIZE) return KC_CORRUPT;
    kc_status status = KC_OK;
    for (int32_t i = 0; i < count && status == KC_OK; i++) {
        struct kc_producer producer;
        status = decode_entry(bytes.data + KC_SNAPSHOT_HEADER_SIZE + (size_t)i * KC_SNAPSHOT_ENTRY_SIZE, &producer);
        if (status == KC_OK) status = kc_producer_state_restore(state, &producer);
    }
    if (status != KC_OK) {
        kc_producer_state_clear(state);
        return status;
    }
    kc_producer_state_expire(state, now_ms);
    return KC_OK;
}

kc_status kc_producer_snapshot_write(const struct kc_disk *disk, const char *directory, int64_t offset,
                                     const struct kc_producer_state *state, bool durable) {
    /* A few producers need no memory: snapshots are written on the way of appends. */
    uint8_t few[KC_SNAPSHOT_HEADER_SIZE + FEW_PRODUCERS * KC_SNAPSHOT_ENTRY_SIZE], *data = few;
    size_t size = encoded_size(state);
    if (state->count <= FEW_PRODUCERS) {
        const struct kc_producer *sorted[FEW_PRODUCERS];
        encode(state, few, sorted);
    } else {
        kc_status status = kc_producer_snapshot_encode(state, &data, &size);
        if (status != KC_OK) return status;
    }
    char name[KC_LOG_NAME_SIZE];
    kc_log_name_format(name, offset, KC_LOG_FILE_SNAPSHOT, KC_LOG_FILE_PLAIN);
    kc_status status = kc_small_file_replace(disk, directory, name, data, size, durable);
    if (data != few) free(data);
    return status;
}

kc_status kc_producer_snapshot_read(const struct kc_disk *disk, const char *directory, int64_t offset,
                                    struct kc_producer_state *state, int64_t now_ms) {
    char path[KC_PATH_SIZE];
    kc_status status = kc_log_path(path, directory, offset, KC_LOG_FILE_SNAPSHOT, KC_LOG_FILE_PLAIN);
    if (status != KC_OK) return status;
    uint8_t *data;
    size_t size;
    status = kc_small_file_read(disk, path, SNAPSHOT_SIZE_MAX, &data, &size);
    if (status != KC_OK) return status == KC_LIMIT ? KC_CORRUPT : status;
    status = kc_producer_snapshot_decode(kc_slice_make(data, size), state, now_ms);
    free(data);
    return status;
}

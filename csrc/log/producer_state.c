#include "log/producer_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { CAPACITY_MIN = 8, TRANSACTION_VERSION_EPOCH_BUMP = 2 };

void kc_producer_state_init(struct kc_producer_state *state, int64_t expiration_ms) {
    memset(state, 0, sizeof *state);
    state->expiration_ms = expiration_ms;
}

void kc_producer_state_release(struct kc_producer_state *state) {
    free(state->table);
    state->table = NULL;
    state->count = state->capacity = 0;
    kc_open_txns_release(&state->open);
    kc_txn_verifications_release(&state->verifications);
}

void kc_producer_state_clear(struct kc_producer_state *state) {
    for (size_t i = 0; i < state->capacity; i++) state->table[i].producer_id = -1;
    state->count = 0;
    kc_open_txns_clear(&state->open);
}

static size_t place_of(int64_t producer_id, size_t capacity) {
    uint64_t hash = (uint64_t)producer_id * 0x9e3779b97f4a7c15u;
    return (size_t)(hash >> 32) & (capacity - 1);
}

static struct kc_producer *lookup(const struct kc_producer_state *state, int64_t producer_id) {
    if (state->capacity == 0) return NULL;
    for (size_t i = place_of(producer_id, state->capacity);; i = (i + 1) & (state->capacity - 1)) {
        struct kc_producer *producer = &state->table[i];
        if (producer->producer_id == producer_id) return producer;
        if (producer->producer_id < 0) return NULL;
    }
}

/* Closes the gap by moving back whatever probed past it. */
static void forget(struct kc_producer_state *state, struct kc_producer *producer) {
    size_t mask = state->capacity - 1;
    size_t hole = (size_t)(producer - state->table);
    for (size_t i = (hole + 1) & mask; state->table[i].producer_id >= 0; i = (i + 1) & mask) {
        size_t home = place_of(state->table[i].producer_id, state->capacity);
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        state->table[hole] = state->table[i];
        hole = i;
    }
    state->table[hole].producer_id = -1;
    state->count--;
}

static bool is_expired(const struct kc_producer_state *state, const struct kc_producer *producer, int64_t now_ms) {
    if (producer->txn_first_offset >= 0) return false;
    int64_t newest = producer->last_timestamp > producer->touched_ms ? producer->last_timestamp : producer->touched_ms;
    return newest <= now_ms && (uint64_t)now_ms - (uint64_t)newest >= (uint64_t)state->expiration_ms;
}

void kc_producer_state_expire(struct kc_producer_state *state, int64_t now_ms) {
    for (size_t i = 0; i < state->capacity;) {
        struct kc_producer *producer = &state->table[i];
        if (producer->producer_id >= 0 && is_expired(state, producer, now_ms))
            forget(state, producer);           /* another may have moved into this place: look again */
        else
            i++;
    }
    if (state->expiration_ms < now_ms) kc_txn_verifications_expire(&state->verifications, now_ms - state->expiration_ms);
}

static kc_status make_room(struct kc_producer_state *state, int64_t now_ms) {
    if ((state->count + 1) * 4 <= state->capacity * 3) return KC_OK;
    kc_producer_state_expire(state, now_ms);
    if (state->capacity && (state->count + 1) * 2 <= state->capacity) return KC_OK;
    size_t capacity = state->capacity ? state->capacity * 2 : CAPACITY_MIN;
    struct kc_producer *table = malloc(capacity * sizeof *table);
    if (!table) return KC_NO_MEMORY;
    for (size_t i = 0; i < capacity; i++) table[i].producer_id = -1;
    for (size_t i = 0; i < state->capacity; i++) {
        if (state->table[i].producer_id < 0) continue;
        size_t at = place_of(state->table[i].producer_id, capacity);
        while (table[at].producer_id >= 0) at = (at + 1) & (capacity - 1);
        table[at] = state->table[i];
    }
    free(state->table);
    state->table = table;
    state->capacity = capacity;
    return KC_OK;
}

static kc_status find_or_add(struct kc_producer_state *state, int64_t producer_id, int64_t now_ms, struct kc_producer **out) {
    struct kc_producer *producer = lookup(state, producer_id);
    if (!producer) {
        kc_status status = make_room(state, now_ms);
        if (status != KC_OK) return status;
        size_t at = place_of(producer_id, state->capacity);
        while (state->table[at].producer_id >= 0) at = (at + 1) & (state->capacity - 1);
        producer = &state->table[at];
        *producer = (struct kc_producer){.producer_id = producer_id, .last_timestamp = -1, .touched_ms = now_ms,
                                         .txn_first_offset = -1, .coordinator_epoch = -1, .epoch = -1};
        state->count++;
    }
    *out = producer;
    return KC_OK;
}

struct kc_producer *kc_producer_state_find(struct kc_producer_state *state, int64_t producer_id, int64_t now_ms) {
    struct kc_producer *producer = lookup(state, producer_id);
    if (!producer || !is_expired(state, producer, now_ms)) return producer;
    forget(state, producer);
    return NULL;
}

/* One of the last five, by its exact sequences; NULL: none. */
static const struct kc_producer_batch *find_duplicate(const struct kc_producer *producer, const struct kc_batch_header *header) {
    int32_t last_sequence = kc_sequence_add(header->base_sequence, header->last_offset_delta);
    for (int i = 0; i < producer->batch_count; i++) {
        const struct kc_producer_batch *batch = &producer->batches[i];
        if (batch->last_sequence == last_sequence && batch->offset_delta == header->last_offset_delta) return batch;
    }
    return NULL;
}

/* Rule 7. */
static bool is_verified(const struct kc_producer *producer, const struct kc_txn_verification *note,
                        const struct kc_batch_header *header, int64_t guard) {
    if (producer && producer->txn_first_offset >= 0 && producer->epoch == header->producer_epoch) return true;
    if (guard == KC_TXN_GUARD_TRUSTED) return true;
    if (!note) return false;
    return note->guard == guard || (note->expected && note->epoch == header->producer_epoch);
}

/* Rule 8. */
static bool is_too_early(const struct kc_producer *producer, const struct kc_txn_verification *note, int32_t sequence) {
    return (note->supports_epoch_bump && sequence != 0 && !producer) || sequence > note->lowest_sequence;
}

/* Rules 3 and 4. */
static bool is_next(const struct kc_producer *producer, const struct kc_batch_header *header) {
    int32_t last_sequence = -1;
    if (header->producer_epoch == producer->epoch && producer->batch_count)
        last_sequence = producer->batches[producer->batch_count - 1].last_sequence;
    /* After a change of epoch the last sequence is -1, so that 0 follows it. */
    return header->base_sequence == (last_sequence == INT32_MAX ? 0 : last_sequence + 1);
}

enum kc_producer_verdict kc_producer_state_judge(struct kc_producer_state *state, const struct kc_batch_header *header,
                                                 enum kc_append_origin origin, int64_t guard, int64_t now_ms,
                                                 const struct kc_producer_batch **duplicate) {
    struct kc_producer *producer = kc_producer_state_find(state, header->producer_id, now_ms);
    bool sequenced = origin == KC_ORIGIN_CLIENT;
    if (producer && producer->epoch < 0) producer = NULL;
    if (sequenced && producer && header->producer_epoch == producer->epoch) {
        *duplicate = find_duplicate(producer, header);
        if (*duplicate) return KC_PRODUCER_DUPLICATE;
    }
    const struct kc_txn_verification *note = NULL;
    if (KC_UNLIKELY(state->verifications.count)) note = kc_txn_verification_find(&state->verifications, header->producer_id);
    bool transactional = header->attributes & KC_ATTRIBUTE_TRANSACTIONAL;
    if (transactional && !is_verified(producer, note, header, guard)) return KC_PRODUCER_UNVERIFIED;
    if (producer && header->producer_epoch < producer->epoch) return KC_PRODUCER_OLD_EPOCH;
    if (sequenced && note && is_too_early(producer, note, header->base_sequence)) return KC_PRODUCER_OUT_OF_ORDER;
    if (!producer) return KC_PRODUCER_ACCEPT;
    if (sequenced && !is_next(producer, header)) return KC_PRODUCER_OUT_OF_ORDER;
    if (producer->txn_first_offset >= 0 && !transactional) return KC_PRODUCER_TXN_OPEN;
    return KC_PRODUCER_ACCEPT;
}

enum kc_producer_verdict kc_producer_state_judge_marker(struct kc_producer_state *state, int64_t producer_id, int16_t epoch,
                                                        int32_t coordinator_epoch, int16_t transaction_version, int64_t now_ms) {
    const struct kc_producer *producer = kc_producer_state_find(state, producer_id, now_ms);
    if (!producer) return KC_PRODUCER_ACCEPT;
    bool repeated = epoch == producer->epoch && transaction_version >= TRANSACTION_VERSION_EPOCH_BUMP;
    if (epoch < producer->epoch || (repeated && producer->txn_first_offset >= 0)) return KC_PRODUCER_OLD_EPOCH;
    return coordinator_epoch < producer->coordinator_epoch ? KC_PRODUCER_COORDINATOR_FENCED : KC_PRODUCER_ACCEPT;
}

bool kc_producer_state_admits(struct kc_producer_state *state, int64_t producer_id, int16_t epoch) {
    const struct kc_producer *producer = lookup(state, producer_id);
    if (producer && producer->txn_first_offset >= 0 && producer->epoch == epoch) return true;
    const struct kc_txn_verification *note = kc_txn_verification_find(&state->verifications, producer_id);
    return note && note->expected && note->epoch == epoch;
}

static void take_epoch(struct kc_producer *producer, int16_t epoch) {
    if (producer->epoch == epoch) return;
    producer->epoch = epoch;
    producer->batch_count = 0;
}

kc_status kc_producer_state_update(struct kc_producer_state *state, const struct kc_batch_header *header, int64_t now_ms) {
    struct kc_producer *producer;
    bool transactional = header->attributes & KC_ATTRIBUTE_TRANSACTIONAL;
    kc_status status = transactional ? kc_open_txns_reserve(&state->open) : KC_OK;
    if (status == KC_OK) status = find_or_add(state, header->producer_id, now_ms, &producer);
    if (status != KC_OK) return status;
    take_epoch(producer, header->producer_epoch);
    if (producer->batch_count == KC_PRODUCER_BATCH_COUNT) {
        memmove(producer->batches, producer->batches + 1, (KC_PRODUCER_BATCH_COUNT - 1) * sizeof *producer->batches);
        producer->batch_count--;
    }
    producer->batches[producer->batch_count++] = (struct kc_producer_batch){
        .last_offset = kc_batch_last_offset(header),
        .timestamp = header->max_timestamp,
        .last_sequence =                       /* -1: a coordinator's batches have none */
            header->base_sequence < 0 ? -1 : kc_sequence_add(header->base_sequence, header->last_offset_delta),
        .offset_delta = header->last_offset_delta,
    };
    producer->last_timestamp = header->max_timestamp;
    producer->touched_ms = now_ms;
    if (!transactional) return KC_OK;
    kc_txn_verification_forget(&state->verifications, header->producer_id);
    if (producer->txn_first_offset >= 0) return KC_OK;
    producer->txn_first_offset = header->base_offset;
    kc_open_txns_add(&state->open, header->base_offset, header->producer_id);
    return KC_OK;
}

kc_status kc_producer_state_end_txn(struct kc_producer_state *state, int64_t producer_id, int16_t epoch,
                                    int32_t coordinator_epoch, int64_t offset, int64_t timestamp, int64_t now_ms,
                                    struct kc_completed_txn *completed) {
    struct kc_producer *producer;
    kc_status status = find_or_add(state, producer_id, now_ms, &producer);
    if (status != KC_OK) return status;
    *completed = (struct kc_completed_txn){producer->txn_first_offset, offset + 1};
    if (producer->txn_first_offset >= 0) {
        kc_open_txns_remove(&state->open, producer->txn_first_offset, producer_id);
        completed->last_stable_offset = kc_open_txns_first(&state->open, -1, offset + 1);
    }
    kc_txn_verification_forget(&state->verifications, producer_id);
    take_epoch(producer, epoch);
    producer->txn_first_offset = -1;
    producer->coordinator_epoch = coordinator_epoch;
    producer->last_timestamp = timestamp;
    producer->touched_ms = now_ms;
    return KC_OK;
}

kc_status kc_producer_state_restore(struct kc_producer_state *state, const struct kc_producer *entry) {
    struct kc_producer *producer;
    kc_status status = kc_open_txns_reserve(&state->open);
    if (status == KC_OK) status = find_or_add(state, entry->producer_id, entry->touched_ms, &producer);
    if (status != KC_OK) return status;
    if (producer->txn_first_offset >= 0) kc_open_txns_remove(&state->open, producer->txn_first_offset, entry->producer_id);
    *producer = *entry;
    if (entry->txn_first_offset >= 0) kc_open_txns_add(&state->open, entry->txn_first_offset, entry->producer_id);
    return KC_OK;
}

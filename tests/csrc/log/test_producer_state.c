/* The rules for idempotent producers, through a log: each batch once and in order, also after a restart. */
#include "fixture.h"
#include "log/log_internal.h"
#include "log/producer_snapshot.h"
#include "log/producer_state.h"

static struct fixture f;

static struct kc_append put(int64_t producer_id, int16_t epoch, int32_t sequence, int count) {
    struct batch batch;
    make_producer_batch(&batch, count, producer_id, epoch, sequence, false);
    return append_batch(&f, &batch, 0);
}

static void start(void) {
    fixture_start(&f, 1);
    fixture_open(&f);
}

TEST(a_repeat_of_one_of_the_last_five_batches_is_answered_with_the_old_offset) {
    start();
    for (int i = 0; i < 7; i++) EXPECT_EQ(put(9, 0, 3 * i, 3).base_offset, 3 * i);
    for (int i = 2; i < 7; i++) {
        struct kc_append again = put(9, 0, 3 * i, 3);
        EXPECT_EQ(again.fault, KC_APPEND_DUPLICATE);
        EXPECT_EQ(again.base_offset, 3 * i);
        EXPECT_EQ(again.last_offset, 3 * i + 2);
    }
    /* Older than five, or other borders: out of order. */
    EXPECT_EQ(put(9, 0, 3, 3).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    EXPECT_EQ(put(9, 0, 18, 2).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    EXPECT_EQ(put(9, 0, 19, 2).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    EXPECT_EQ(kc_log_end_offset(f.log), 21);
    EXPECT_EQ(put(9, 0, 21, 3).base_offset, 21);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(gaps_old_epochs_and_new_epochs) {
    start();
    EXPECT_EQ(put(9, 3, 17, 2).fault, KC_APPEND_OK);                       /* unknown: any sequence */
    EXPECT_EQ(put(9, 3, 20, 1).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    EXPECT_EQ(put(9, 2, 0, 1).fault, KC_APPEND_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(put(9, 4, 19, 1).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);    /* a new epoch begins at 0 */
    EXPECT_EQ(put(9, 4, 0, 1).fault, KC_APPEND_OK);
    EXPECT_EQ(put(9, 3, 17, 2).fault, KC_APPEND_INVALID_PRODUCER_EPOCH);   /* even an exact repeat */
    EXPECT_EQ(put(9, 4, 1, 1).fault, KC_APPEND_OK);
    EXPECT_EQ(put(10, 0, 0, 1).fault, KC_APPEND_OK);                       /* others are others */
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(sequences_wrap_from_the_largest_to_zero) {
    start();
    EXPECT_EQ(put(9, 0, INT32_MAX - 1, 2).fault, KC_APPEND_OK);
    EXPECT_EQ(put(9, 0, 0, 2).fault, KC_APPEND_OK);
    EXPECT_EQ(put(9, 0, INT32_MAX - 1, 2).fault, KC_APPEND_DUPLICATE);
    EXPECT_EQ(put(9, 0, 2, INT32_MAX > 0).fault, KC_APPEND_OK);
    EXPECT_EQ(put(11, 0, INT32_MAX, 4).fault, KC_APPEND_OK);               /* wraps inside the batch */
    EXPECT_EQ(put(11, 0, 3, 1).fault, KC_APPEND_OK);
    EXPECT_EQ(put(11, 0, INT32_MAX, 4).fault, KC_APPEND_DUPLICATE);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(a_duplicate_within_one_call_is_seen) {
    start();
    struct batch a, b;
    make_producer_batch(&a, 2, 9, 0, 0, false);
    b = a;
    struct kc_append appends[] = {{.batch = a.bytes, .info = &a.info}, {.batch = b.bytes, .info = &b.info}};
    EXPECT_EQ(kc_log_append(f.log, appends, 2), a.size);
    EXPECT_EQ(appends[0].fault, KC_APPEND_OK);
    EXPECT_EQ(appends[1].fault, KC_APPEND_DUPLICATE);
    EXPECT_EQ(appends[1].base_offset, 0);
    EXPECT_EQ(kc_log_end_offset(f.log), 2);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(a_duplicate_of_a_batch_with_log_append_time_gets_the_old_time) {
    start();
    struct batch a, b;
    make_producer_batch(&a, 2, 9, 0, 0, false);
    b = a;
    struct kc_append append = {.batch = a.bytes, .info = &a.info, .log_append_time = true};
    kc_log_append(f.log, &append, 1);
    int64_t then = f.now_ms;
    f.now_ms += 5000;
    append = (struct kc_append){.batch = b.bytes, .info = &b.info, .log_append_time = true};
    kc_log_append(f.log, &append, 1);
    EXPECT_EQ(append.fault, KC_APPEND_DUPLICATE);
    EXPECT_EQ(append.log_append_time_ms, then);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(the_last_batch_is_remembered_over_restarts) {
    for (int clean = 0; clean < 2; clean++) {
        start();
        f.options.config = small_config();
        for (int i = 0; i < 100; i++) EXPECT_EQ(put(9 + i % 3, 0, i / 3, 1).fault, KC_APPEND_OK);
        fixture_reopen(&f, clean);
        EXPECT_EQ(put(9, 0, 33, 1).fault, KC_APPEND_DUPLICATE);
        EXPECT_EQ(put(9, 0, 33, 1).base_offset, 99);
        EXPECT_EQ(put(9, 0, 35, 1).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
        EXPECT_EQ(put(10, 0, 33, 1).fault, KC_APPEND_OK);
        EXPECT_EQ(put(9, 0, 34, 1).fault, KC_APPEND_OK);
        fixture_close(&f);
        fixture_stop(&f);
    }
}

TEST(a_lost_or_damaged_snapshot_is_replaced_by_replay) {
    for (int damage = 0; damage < 4; damage++) {
        start();
        for (int i = 0; i < 10; i++) put(9, 0, i, 1);
        EXPECT_EQ(kc_log_roll(f.log), KC_OK);
        for (int i = 10; i < 20; i++) put(9, 0, i, 1);
        fixture_close(&f);
        uint8_t bytes[256];
        const char *name = "00000000000000000020.snapshot";
        int64_t size = file_bytes(&f, name, bytes, sizeof bytes);
        EXPECT_EQ(size, KC_SNAPSHOT_HEADER_SIZE + KC_SNAPSHOT_ENTRY_SIZE);
        if (damage == 0) remove_file(&f, name);
        if (damage == 1) write_file(&f, name, bytes, (size_t)size - 1);
        if (damage == 2) bytes[20] ^= 1, write_file(&f, name, bytes, (size_t)size);
        if (damage == 3) {
            write_file(&f, name, "", 0);
            remove_file(&f, "00000000000000000010.snapshot");
        }
        f.options.clean = true;
        fixture_open(&f);
        /* A replay knows all five again. */
        for (int i = 15; i < 20; i++) EXPECT_EQ(put(9, 0, i, 1).fault, KC_APPEND_DUPLICATE);
        EXPECT_EQ(put(9, 0, 20, 1).fault, KC_APPEND_OK);
        fixture_stop(&f);
    }
}

TEST(snapshots_beyond_the_end_and_strays_are_removed) {
    start();
    for (int i = 0; i < 10; i++) put(9, 0, i, 1);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    for (int i = 10; i < 20; i++) put(9, 0, i, 1);
    fixture_reopen(&f, true);
    put(9, 0, 20, 1);
    fixture_close(&f);
    uint8_t bytes[256];
    int64_t size = file_bytes(&f, "00000000000000000021.snapshot", bytes, sizeof bytes);
    EXPECT(size > 0);
    write_file(&f, "00000000000000000099.snapshot", bytes, (size_t)size);
    fixture_open(&f);
    EXPECT(file_bytes(&f, "00000000000000000010.snapshot", bytes, sizeof bytes) > 0);      /* a segment begins there */
    EXPECT_EQ(file_bytes(&f, "00000000000000000020.snapshot", bytes, sizeof bytes), -1);   /* an earlier stop */
    EXPECT(file_bytes(&f, "00000000000000000021.snapshot", bytes, sizeof bytes) > 0);
    EXPECT_EQ(file_bytes(&f, "00000000000000000099.snapshot", bytes, sizeof bytes), -1);
    fixture_stop(&f);
}

TEST(a_truncation_takes_producers_back) {
    start();
    for (int i = 0; i < 10; i++) put(9, 0, i, 1);
    put(8, 0, 0, 1);
    EXPECT_EQ(kc_log_truncate(f.log, 5), KC_OK);
    EXPECT_EQ(put(9, 0, 10, 1).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    EXPECT_EQ(put(9, 0, 5, 1).base_offset, 5);
    EXPECT_EQ(put(8, 0, 7, 1).fault, KC_APPEND_OK);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(an_idle_producer_expires_and_then_any_sequence_is_good) {
    start();
    f.options.config.producer_id_expiration_ms = 1000;
    fixture_reopen(&f, true);
    EXPECT_EQ(put(9, 0, 0, 1).fault, KC_APPEND_OK);
    f.now_ms += 999;
    EXPECT_EQ(put(9, 0, 77, 1).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    f.now_ms += 1;
    EXPECT_EQ(put(9, 0, 77, 1).fault, KC_APPEND_OK);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(old_record_timestamps_do_not_make_a_busy_producer_forgotten) {
    start();
    f.now_ms += 10 * (int64_t)86400000;                    /* the records are of ten days ago */
    EXPECT_EQ(put(9, 0, 0, 1).fault, KC_APPEND_OK);
    EXPECT_EQ(put(9, 0, 0, 1).fault, KC_APPEND_DUPLICATE);
    EXPECT_EQ(put(9, 0, 2, 1).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    fixture_close(&f);
    fixture_stop(&f);
}

static size_t make_marker(uint8_t *bytes, size_t capacity, int64_t base_offset, int64_t producer_id, int16_t epoch, int16_t type,
                          int32_t coordinator_epoch) {
    struct kc_batch_spec spec = kc_batch_spec_plain();
    spec.base_offset = base_offset;
    spec.leader_epoch = 0;
    spec.producer_id = producer_id;
    spec.producer_epoch = epoch;
    spec.attributes = KC_ATTRIBUTE_TRANSACTIONAL | KC_ATTRIBUTE_CONTROL;
    uint8_t key[4], value[6];
    kc_store_i16(key, 0);
    kc_store_i16(key + 2, type);
    kc_store_i16(value, 0);
    kc_store_i32(value + 2, coordinator_epoch);
    struct kc_batch_builder builder;
    struct kc_slice out;
    kc_batch_builder_init(&builder, bytes, capacity, &spec);
    EXPECT_EQ(kc_batch_builder_add(&builder, 1700000000000, kc_slice_make(key, 4), kc_slice_make(value, 6), NULL, 0), KC_OK);
    EXPECT_EQ(kc_batch_builder_finish(&builder, &out), KC_OK);
    return out.size;
}

TEST(an_open_transaction_bars_plain_batches_until_its_marker) {
    for (int pass = 0; pass < 3; pass++) {
        start();
        struct batch batch;
        make_producer_batch(&batch, 2, 9, 0, 0, true);
        EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_OK);
        if (pass) fixture_reopen(&f, pass == 1);
        EXPECT_EQ(kc_producer_state_first_open_offset(&f.log->producers), 0);
        EXPECT_EQ(put(9, 0, 2, 1).fault, KC_APPEND_INVALID_TXN_STATE);
        uint8_t marker[256];
        size_t size = make_marker(marker, sizeof marker, 2, 9, 0, 1, 17);
        EXPECT_EQ(kc_log_append_as_follower(f.log, marker, size), KC_OK);
        if (pass) fixture_reopen(&f, pass == 1);
        EXPECT_EQ(kc_producer_state_first_open_offset(&f.log->producers), -1);
        EXPECT_EQ(kc_producer_state_find(&f.log->producers, 9, f.now_ms)->coordinator_epoch, 17);
        EXPECT_EQ(put(9, 0, 2, 1).fault, KC_APPEND_OK);
        /* A marker of a newer epoch forgets the five. */
        size = make_marker(marker, sizeof marker, 4, 9, 1, 0, 18);
        EXPECT_EQ(kc_log_append_as_follower(f.log, marker, size), KC_OK);
        EXPECT_EQ(put(9, 0, 3, 1).fault, KC_APPEND_INVALID_PRODUCER_EPOCH);
        EXPECT_EQ(put(9, 1, 3, 1).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
        EXPECT_EQ(put(9, 1, 0, 1).fault, KC_APPEND_OK);
        fixture_close(&f);
        fixture_stop(&f);
    }
}

TEST(the_table_grows_forgets_and_finds_against_a_naive_model) {
    struct kc_producer_state state;
    kc_producer_state_init(&state, 1000);
    enum { IDS = 300 };
    int64_t last[IDS];
    int32_t sequence[IDS];
    for (int i = 0; i < IDS; i++) last[i] = -1;
    int64_t now = 1000000;
    for (int step = 0; step < 20000; step++) {
        int id = (int)kc_test_random_below(IDS);
        now += (int64_t)kc_test_random_below(20);
        struct kc_producer *found = kc_producer_state_find(&state, id * 7919, now);
        bool expected = last[id] >= 0 && now - last[id] < 1000;
        EXPECT_EQ(found != NULL, expected);
        if (found) EXPECT_EQ(found->batches[found->batch_count - 1].last_sequence, sequence[id]);
        struct kc_batch_header header = {.producer_id = id * 7919, .base_sequence = step, .max_timestamp = now};
        EXPECT_EQ(kc_producer_state_update(&state, &header, now), KC_OK);
        last[id] = now;
        sequence[id] = step;
        if (step % 997 == 0) kc_producer_state_expire(&state, now);
        EXPECT(state.count <= IDS);
    }
    kc_producer_state_release(&state);
}

/* What Apache Kafka writes for one producer; the bytes are spelled out in FORMAT.md. */
static const uint8_t golden[] = {
    0x00, 0x01,                                                             /* version 1 */
    0xa6, 0x9f, 0x86, 0xbd,                                                 /* CRC-32C of all that follows */
    0x00, 0x00, 0x00, 0x01,                                                 /* one producer */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xe8,                         /* producer id 1000 */
    0x00, 0x02,                                                             /* epoch 2 */
    0x00, 0x00, 0x00, 0x29,                                                 /* last sequence 41 */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x63,                         /* last offset 99 */
    0x00, 0x00, 0x00, 0x04,                                                 /* offset delta 4 */
    0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00,                         /* timestamp 1700000000000 */
    0xff, 0xff, 0xff, 0xff,                                                 /* no coordinator epoch */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,                         /* no open transaction */
};

TEST(a_snapshot_has_kafkas_bytes) {
    struct kc_producer_state state, back;
    kc_producer_state_init(&state, 86400000);
    kc_producer_state_init(&back, 86400000);
    struct kc_batch_header header = {.base_offset = 95, .last_offset_delta = 4, .producer_id = 1000, .producer_epoch = 2,
                                     .base_sequence = 37, .max_timestamp = 1700000000000};
    EXPECT_EQ(kc_producer_state_update(&state, &header, 1700000000000), KC_OK);
    uint8_t *data;
    size_t size;
    EXPECT_EQ(kc_producer_snapshot_encode(&state, &data, &size), KC_OK);
    EXPECT_EQ(size, sizeof golden);
    EXPECT_MEM(data, golden, size);
    EXPECT_EQ(kc_producer_snapshot_decode(kc_slice_make(data, size), &back, 1700000000000), KC_OK);
    struct kc_producer *producer = kc_producer_state_find(&back, 1000, 1700000000000);
    EXPECT(producer != NULL);
    EXPECT_EQ(producer->epoch, 2);
    EXPECT_EQ(producer->batch_count, 1);
    EXPECT_EQ(producer->batches[0].last_sequence, 41);
    EXPECT_EQ(producer->batches[0].last_offset, 99);
    /* Any byte changed, any length but the right one: refused whole. */
    for (size_t i = 0; i < size; i++) {
        data[i] ^= 4;
        EXPECT_EQ(kc_producer_snapshot_decode(kc_slice_make(data, size), &back, 1700000000000), KC_CORRUPT);
        EXPECT_EQ(back.count, 0);
        data[i] ^= 4;
        EXPECT_EQ(kc_producer_snapshot_decode(kc_slice_make(data, i), &back, 1700000000000), KC_CORRUPT);
    }
    /* Expired at load. */
    EXPECT_EQ(kc_producer_snapshot_decode(kc_slice_make(data, size), &back, 1700000000000 + 86400000), KC_OK);
    EXPECT_EQ(back.count, 0);
    free(data);
    kc_producer_state_release(&state);
    kc_producer_state_release(&back);
}

RUN_ALL()

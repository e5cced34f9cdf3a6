/* Goal: transactions on the data path, over the wire: which Produce goes up, what read_committed sees, and when it wakes.
 * Method: a whole server over loopback; this program plays Python, which verifies a batch and writes markers. */
#include "hot/admit.h"
#include "harness.h"

enum { READ_UNCOMMITTED = 0, READ_COMMITTED = 1 };

static uint8_t frame[1 << 16], bytes[1 << 16], batch_bytes[4096];

static struct kc_slice producer_batch(int64_t producer_id, int16_t epoch, int32_t sequence, int count, bool transactional) {
    struct kc_batch_spec spec = kc_batch_spec_plain();
    spec.producer_id = producer_id;
    spec.producer_epoch = epoch;
    spec.base_sequence = sequence;
    if (transactional) spec.attributes |= KC_ATTRIBUTE_TRANSACTIONAL;
    struct kc_batch_builder b;
    struct kc_slice out;
    struct kc_clock clock = kc_clock_system();
    kc_batch_builder_init(&b, batch_bytes, sizeof batch_bytes, &spec);
    for (int i = 0; i < count; i++)
        EXPECT_EQ(kc_batch_builder_add(&b, kc_clock_wall_ms(&clock), kc_slice_make("k", 1), kc_slice_make("value", 5), NULL, 0), KC_OK);
    EXPECT_EQ(kc_batch_builder_finish(&b, &out), KC_OK);
    return out;
}

/* One or two partitions, 0 and 1, with a transactional id or without. */
static size_t transactional_frame(const char *transactional_id, struct kc_slice first, struct kc_slice second) {
    struct kc_writer w;
    frame_begin(&w, frame, sizeof frame, 0, 8, 77);
    kc_write_string(&w, (struct kc_slice){0});
    if (transactional_id) {
        w.used -= 2;
        kc_write_string(&w, kc_slice_make(transactional_id, strlen(transactional_id)));
    } else {
        kc_store_i16(w.data + w.used - 2, -1);
    }
    kc_write_i16(&w, 1);
    kc_write_i32(&w, 30000);
    kc_write_array_count(&w, 1);
    kc_write_string(&w, kc_slice_make("t", 1));
    kc_write_array_count(&w, second.size ? 2 : 1);
    kc_write_i32(&w, 0);
    kc_write_bytes(&w, first);
    if (second.size) {
        kc_write_i32(&w, 1);
        kc_write_bytes(&w, second);
    }
    return frame_end(&w);
}

static size_t isolated_fetch_frame(int8_t isolation, int32_t wait_ms, int32_t min_bytes, int64_t offset, int32_t max_bytes) {
    struct kc_writer w;
    frame_begin(&w, frame, sizeof frame, 1, 4, 88);
    kc_write_i32(&w, -1);
    kc_write_i32(&w, wait_ms);
    kc_write_i32(&w, min_bytes);
    kc_write_i32(&w, 50 << 20);
    kc_write_i8(&w, isolation);
    kc_write_array_count(&w, 1);
    kc_write_string(&w, kc_slice_make("t", 1));
    kc_write_array_count(&w, 1);
    kc_write_i32(&w, 0);
    kc_write_i64(&w, offset);
    kc_write_i32(&w, max_bytes);
    return frame_end(&w);
}

struct seen {
    int16_t error;
    int64_t high_watermark, last_stable_offset;
    int32_t aborted_count;                       /* -1: null */
    int64_t aborted_producer[64], aborted_first[64];
    struct kc_slice records;
};

static struct seen receive_fetch(int fd) {
    ssize_t size = client_receive(fd, bytes, sizeof bytes);
    EXPECT(size > 0);
    struct kc_reader r;
    kc_reader_init(&r, kc_slice_make(bytes, (size_t)size));
    struct seen out = {0};
    EXPECT_EQ(kc_read_i32(&r), 88);
    kc_read_i32(&r);                             /* throttle time */
    EXPECT_EQ(kc_read_i32(&r), 1);
    kc_read_string(&r);
    EXPECT_EQ(kc_read_i32(&r), 1);
    EXPECT_EQ(kc_read_i32(&r), 0);
    out.error = kc_read_i16(&r);
    out.high_watermark = kc_read_i64(&r);
    out.last_stable_offset = kc_read_i64(&r);
    out.aborted_count = kc_read_i32(&r);
    for (int i = 0; i < out.aborted_count; i++) {
        int64_t producer_id = kc_read_i64(&r), first_offset = kc_read_i64(&r);
        if (i < 64) out.aborted_producer[i] = producer_id, out.aborted_first[i] = first_offset;
    }
    out.records = kc_read_bytes(&r);
    EXPECT(kc_reader_ok(&r));
    EXPECT_EQ(kc_read_remaining(&r), 0);
    return out;
}

static struct seen fetch(int fd, int8_t isolation, int64_t offset, int32_t max_bytes) {
    client_send(fd, frame, isolated_fetch_frame(isolation, 0, 1, offset, max_bytes));
    return receive_fetch(fd);
}

/* The offset behind the last whole batch of some records. */
static int64_t end_of(struct kc_slice records) {
    int64_t end = -1;
    struct kc_batch_header h;
    for (size_t at = 0; at < records.size; at += (size_t)h.size_bytes) {
        if (kc_batch_check_stored(kc_slice_make(records.data + at, records.size - at), &h) != KC_OK) break;
        end = kc_batch_last_offset(&h) + 1;
    }
    return end;
}

static int64_t append_verified(struct harness *h, struct kc_slice batch) {
    struct kc_topic_config config = harness_topic_config();
    struct kc_append_terms terms = {.produce_version = 8, .guard = KC_TXN_GUARD_TRUSTED};
    struct kc_partition_append out;
    struct kc_clock clock = kc_clock_system();
    kc_partition_append(h->partitions[0], &config, batch_bytes, batch.size, &terms, kc_clock_wall_ms(&clock), &out);
    EXPECT_EQ(out.error, KC_ERROR_NONE);
    return out.base_offset;
}

static int64_t end_txn(struct harness *h, int64_t producer_id, int16_t epoch, bool commit) {
    struct kc_log_marker marker = {.producer_id = producer_id, .producer_epoch = epoch, .commit = commit, .transaction_version = 1};
    struct kc_partition_append out;
    kc_partition_append_marker(h->partitions[0], &marker, &out);
    EXPECT_EQ(out.error, KC_ERROR_NONE);
    return out.base_offset;
}

/* Answers the request that has come up with nothing, as if it had been refused elsewhere, and returns the API key; -1: none came. */
static int taken_up(struct harness *h, int fd) {
    struct kc_up *up = harness_next_up(h);
    if (!up) return -1;
    struct kc_up_view view;
    kc_up_view(up, &view);
    EXPECT_EQ(view.kind, KC_UP_REQUEST);
    int key = kc_load_i16(view.data.data);
    EXPECT_EQ(kc_server_reply(h->server, view.reactor, view.token, "up", 2, true, false), KC_OK);
    kc_up_free(up);
    uint8_t answer[8];
    EXPECT_EQ(client_receive(fd, answer, sizeof answer), 2);
    return key;
}

static const struct kc_slice nothing;

TEST(the_first_batch_of_a_transaction_goes_up_and_the_others_do_not) {
    struct harness h;
    harness_start(&h, 1, 2);
    int fd = harness_connect(&h);
    client_send(fd, frame, transactional_frame("x", producer_batch(5, 0, 0, 1, true), nothing));
    EXPECT_EQ(taken_up(&h, fd), 0);
    EXPECT_EQ(kc_log_end_offset(h.logs[0]), 0);
    append_verified(&h, producer_batch(5, 0, 0, 1, true));
    for (int i = 1; i < 4; i++) {
        client_send(fd, frame, transactional_frame("x", producer_batch(5, 0, i, 1, true), nothing));
        struct produced answer = produce_answer(fd);
        EXPECT_EQ(answer.error, 0);
        EXPECT_EQ(answer.base_offset, i);
    }
    /* Of another epoch, or another producer: another transaction. */
    client_send(fd, frame, transactional_frame("x", producer_batch(5, 1, 0, 1, true), nothing));
    EXPECT_EQ(taken_up(&h, fd), 0);
    client_send(fd, frame, transactional_frame("x", producer_batch(6, 0, 0, 1, true), nothing));
    EXPECT_EQ(taken_up(&h, fd), 0);
    /* One partition of two: up it goes whole. */
    struct kc_slice batch = producer_batch(5, 0, 4, 1, true);
    client_send(fd, frame, transactional_frame("x", batch, batch));
    EXPECT_EQ(taken_up(&h, fd), 0);
    EXPECT_EQ(kc_log_end_offset(h.logs[0]), 4);
    EXPECT_EQ(kc_log_end_offset(h.logs[1]), 0);
    /* Expected: not up, in either partition. */
    EXPECT_EQ(kc_log_expect_transaction(h.logs[1], 5, 0), KC_OK);
    client_send(fd, frame, transactional_frame("x", producer_batch(5, 0, 4, 1, true), nothing));
    EXPECT_EQ(produce_answer(fd).error, 0);
    /* The transaction is over: up. */
    end_txn(&h, 5, 0, true);
    client_send(fd, frame, transactional_frame("x", producer_batch(5, 0, 5, 1, true), nothing));
    EXPECT_EQ(taken_up(&h, fd), 0);
    close(fd);
    harness_stop(&h);
}

TEST(two_producers_in_one_request_go_up) {
    struct harness h;
    harness_start(&h, 1, 2);
    int fd = harness_connect(&h);
    EXPECT_EQ(kc_log_expect_transaction(h.logs[0], 5, 0), KC_OK);
    EXPECT_EQ(kc_log_expect_transaction(h.logs[1], 6, 0), KC_OK);
    uint8_t first[256];
    struct kc_slice batch = producer_batch(5, 0, 0, 1, true);
    memcpy(first, batch.data, batch.size);
    size_t size = batch.size;
    client_send(fd, frame, transactional_frame("x", kc_slice_make(first, size), producer_batch(6, 0, 0, 1, true)));
    EXPECT_EQ(taken_up(&h, fd), 0);
    EXPECT_EQ(kc_log_end_offset(h.logs[0]), 0);
    close(fd);
    harness_stop(&h);
}

TEST(without_a_transactional_id_everything_is_refused) {
    struct harness h;
    harness_start(&h, 1, 2);
    int fd = harness_connect(&h);
    append_verified(&h, producer_batch(5, 0, 0, 1, true));
    client_send(fd, frame, transactional_frame(NULL, producer_batch(5, 0, 1, 1, true), nothing));
    EXPECT_EQ(produce_answer(fd).error, KC_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    client_send(fd, frame, transactional_frame(NULL, producer_batch(-1, -1, -1, 1, false), nothing));
    EXPECT_EQ(produce_answer(fd).error, 0);
    EXPECT_EQ(kc_log_end_offset(h.logs[0]), 2);
    /* A plain batch in the middle of the producer's transaction. */
    client_send(fd, frame, transactional_frame("x", producer_batch(5, 0, 1, 1, false), nothing));
    EXPECT_EQ(produce_answer(fd).error, KC_ERROR_INVALID_TXN_STATE);
    close(fd);
    harness_stop(&h);
}

TEST(read_committed_ends_at_the_last_stable_offset_and_tells_what_was_aborted) {
    struct harness h;
    harness_start(&h, 1, 1);
    int fd = harness_connect(&h);
    append_verified(&h, producer_batch(-1, -1, -1, 2, false));       /* 0, 1 */
    append_verified(&h, producer_batch(5, 0, 0, 2, true));           /* 2, 3 */
    append_verified(&h, producer_batch(6, 0, 0, 1, true));           /* 4 */
    struct seen seen = fetch(fd, READ_COMMITTED, 0, 1 << 20);
    EXPECT_EQ(seen.error, 0);
    EXPECT_EQ(seen.high_watermark, 5);
    EXPECT_EQ(seen.last_stable_offset, 2);
    EXPECT_EQ(seen.aborted_count, 0);
    EXPECT_EQ(end_of(seen.records), 2);
    seen = fetch(fd, READ_UNCOMMITTED, 0, 1 << 20);
    EXPECT_EQ(seen.last_stable_offset, 2);
    EXPECT_EQ(seen.aborted_count, -1);
    EXPECT_EQ(end_of(seen.records), 5);
    seen = fetch(fd, READ_COMMITTED, 3, 1 << 20);                    /* between the two: nothing yet, and no error */
    EXPECT_EQ(seen.error, 0);
    EXPECT_EQ(seen.records.size, 0);
    EXPECT_EQ(end_txn(&h, 5, 0, false), 5);
    seen = fetch(fd, READ_COMMITTED, 0, 1 << 20);
    EXPECT_EQ(seen.last_stable_offset, 4);
    EXPECT_EQ(end_of(seen.records), 4);
    EXPECT_EQ(seen.aborted_count, 1);
    EXPECT_EQ(seen.aborted_producer[0], 5);
    EXPECT_EQ(seen.aborted_first[0], 2);
    EXPECT_EQ(end_txn(&h, 6, 0, true), 6);
    seen = fetch(fd, READ_COMMITTED, 0, 1 << 20);
    EXPECT_EQ(seen.last_stable_offset, 7);
    EXPECT_EQ(end_of(seen.records), 7);
    EXPECT_EQ(seen.aborted_count, 1);
    seen = fetch(fd, READ_COMMITTED, 6, 1 << 20);                    /* behind the abort marker */
    EXPECT_EQ(seen.aborted_count, 0);
    EXPECT_EQ(end_of(seen.records), 7);
    seen = fetch(fd, READ_COMMITTED, 8, 1 << 20);
    EXPECT_EQ(seen.error, KC_ERROR_OFFSET_OUT_OF_RANGE);
    close(fd);
    harness_stop(&h);
}

TEST(a_long_list_is_answered_whole) {
    struct harness h;
    harness_start(&h, 1, 1);
    int fd = harness_connect(&h);
    enum { TXNS = 200 };
    for (int i = 0; i < TXNS; i++) {
        append_verified(&h, producer_batch(i, 0, 0, 1, true));
        end_txn(&h, i, 0, false);
    }
    struct seen seen = fetch(fd, READ_COMMITTED, 0, 1 << 20);
    EXPECT_EQ(seen.aborted_count, TXNS);
    for (int i = 0; i < 64; i++) {
        EXPECT_EQ(seen.aborted_producer[i], i);
        EXPECT_EQ(seen.aborted_first[i], 2 * i);
    }
    EXPECT_EQ(end_of(seen.records), 2 * TXNS);
    /* A small slice comes with what the index cannot tell apart from it, not with everything. */
    seen = fetch(fd, READ_COMMITTED, 0, 500);
    EXPECT(seen.aborted_count >= 2 && seen.aborted_count < 64);
    close(fd);
    harness_stop(&h);
}

TEST(a_waiting_fetch_wakes_when_data_becomes_stable) {
    struct harness h;
    harness_start(&h, 2, 1);
    int fd = harness_connect(&h), other = harness_connect(&h);
    for (int pass = 0; pass < 2; pass++) {
        int64_t from = append_verified(&h, producer_batch(5, 0, 2 * pass, 1, true));
        client_send(fd, frame, isolated_fetch_frame(READ_COMMITTED, 60000, 1, from, 1 << 20));
        /* Data that is not stable does not wake it: the answer must have the marker in it. */
        append_verified(&h, producer_batch(5, 0, 2 * pass + 1, 1, true));
        client_send(other, frame, isolated_fetch_frame(READ_UNCOMMITTED, 0, 1, from, 1 << 20));
        EXPECT_EQ(end_of(receive_fetch(other).records), from + 2);
        EXPECT_EQ(end_txn(&h, 5, 0, pass), from + 2);
        struct seen seen = receive_fetch(fd);
        EXPECT_EQ(seen.last_stable_offset, from + 3);
        EXPECT_EQ(end_of(seen.records), from + 3);
        EXPECT_EQ(seen.aborted_count, pass ? 0 : 1);
    }
    close(fd);
    close(other);
    harness_stop(&h);
}

TEST(a_fetch_at_the_end_waits_on_while_all_that_comes_is_unstable) {
    struct harness h;
    harness_start(&h, 1, 1);
    int fd = harness_connect(&h), other = harness_connect(&h);
    append_verified(&h, producer_batch(5, 0, 0, 1, true));
    client_send(fd, frame, isolated_fetch_frame(READ_COMMITTED, 60000, 100, 0, 1 << 20));
    for (int i = 1; i < 20; i++) {
        append_verified(&h, producer_batch(5, 0, i, 1, true));
        client_send(other, frame, isolated_fetch_frame(READ_UNCOMMITTED, 0, 1, i, 1 << 20));
        EXPECT_EQ(end_of(receive_fetch(other).records), i + 1);
    }
    end_txn(&h, 5, 0, true);
    EXPECT_EQ(end_of(receive_fetch(fd).records), 21);
    close(fd);
    close(other);
    harness_stop(&h);
}

RUN_ALL()

/* Goal: with flush.messages=1 nothing is acknowledged before a sync that covers it has succeeded, many share a sync, order is kept,
 * and a sync that fails is the end of acknowledging, not of reading.
 * Method: a whole server over the real disk, whose sync is replaced by one that a test can hold up, count and fail. */
#include <pthread.h>

#include "harness.h"

static struct {
    atomic_int count;            /* syncs of files that were begun */
    atomic_bool blocked, failing;
} disk_state;

static kc_status gated_sync(void *state, int handle) {
    atomic_fetch_add(&disk_state.count, 1);
    while (atomic_load(&disk_state.blocked)) usleep(100);
    if (atomic_load(&disk_state.failing)) return KC_IO_ERROR;
    return kc_disk_system()->sync(state, handle);
}

static struct kc_disk gated_disk;

static void start(struct harness *h, int32_t partitions, int64_t flush_messages) {
    gated_disk = *kc_disk_system();
    gated_disk.sync = gated_sync;
    atomic_store(&disk_state.blocked, false);
    atomic_store(&disk_state.failing, false);
    harness_start_on(h, &gated_disk, 2, partitions);
    struct kc_topic_config config = harness_topic_config();
    config.flush_messages = flush_messages;
    harness_publish(h, &config);
    atomic_store(&disk_state.count, 0);
}

static bool readable(int fd, int timeout_ms) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, timeout_ms) == 1;
}

static void await_sync(int count) {
    while (atomic_load(&disk_state.count) < count) usleep(100);
}

static uint8_t batch_bytes[4096], frames[1 << 18], answer[1 << 18];

TEST(an_answer_waits_for_its_sync) {
    struct harness h;
    start(&h, 1, 1);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 1, 10);
    atomic_store(&disk_state.blocked, true);
    client_send(fd, frames, produce_frame(frames, sizeof frames, 1, 1, "t", 0, batch));
    await_sync(1);
    EXPECT(!readable(fd, 20));
    EXPECT_EQ(kc_log_end_offset(h.logs[0]), 1);              /* readers need not wait for the disk, as in Kafka */
    atomic_store(&disk_state.blocked, false);
    EXPECT_EQ(produce_answer(fd).error, 0);
    EXPECT_EQ(atomic_load(&h.partitions[0]->synced_offset), 1);
    close(fd);
    harness_stop(&h);
}

TEST(those_that_come_while_a_sync_runs_share_the_next) {
    struct harness h;
    start(&h, 1, 1);
    enum { CLIENTS = 20 };
    int fds[CLIENTS];
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 1, 10);
    atomic_store(&disk_state.blocked, true);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = harness_connect(&h);
        client_send(fds[i], frames, produce_frame(frames, sizeof frames, i, 1, "t", 0, batch));
        if (i == 0) await_sync(1);
    }
    while (kc_log_end_offset(h.logs[0]) < CLIENTS) usleep(100);
    int begun = atomic_load(&disk_state.count);
    atomic_store(&disk_state.blocked, false);
    for (int i = 0; i < CLIENTS; i++) {
        EXPECT_EQ(produce_answer(fds[i]).error, 0);
        close(fds[i]);
    }
    EXPECT(atomic_load(&disk_state.count) <= begun + 4);     /* one more group, of a few files */
    harness_stop(&h);
}

TEST(answers_of_all_kinds_keep_their_order_around_a_sync) {
    struct harness h;
    start(&h, 1, 1);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 1, 10);
    size_t size = produce_frame(frames, sizeof frames, 1, 1, "t", 0, batch);
    size += produce_frame(frames + size, sizeof frames - size, 2, 1, "nowhere", 0, batch);     /* an error needs no sync */
    size += fetch_frame(frames + size, sizeof frames - size, 3, 0, 1, 0, 0, 1 << 20);
    struct kc_writer w;
    frame_begin(&w, frames + size, sizeof frames - size, 18, 0, 4);
    size += frame_end(&w);
    size += produce_frame(frames + size, sizeof frames - size, 5, 1, "t", 0, batch);
    atomic_store(&disk_state.blocked, true);
    client_send(fd, frames, size);
    await_sync(1);
    EXPECT(!readable(fd, 20));
    EXPECT(!harness_next_up(&h));
    atomic_store(&disk_state.blocked, false);
    EXPECT_EQ(produce_answer(fd).correlation, 1);
    struct produced refused = produce_answer(fd);
    EXPECT_EQ(refused.correlation, 2);
    EXPECT_EQ(refused.error, KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    struct fetched f = fetch_answer(fd, answer, sizeof answer);
    EXPECT_EQ(f.correlation, 3);
    EXPECT_EQ(f.records.size, batch.size);
    struct kc_up *up = harness_next_up(&h);
    EXPECT(up);
    struct kc_up_view view;
    kc_up_view(up, &view);
    uint8_t reply[4];
    kc_store_i32(reply, 4);
    EXPECT_EQ(kc_server_reply(h.server, view.reactor, view.token, reply, sizeof reply, true, false), KC_OK);
    kc_up_free(up);
    EXPECT_EQ(client_receive(fd, reply, sizeof reply), 4);
    EXPECT_EQ(produce_answer(fd).correlation, 5);
    close(fd);
    harness_stop(&h);
}

TEST(more_requests_than_may_be_held_are_all_answered) {
    struct harness h;
    start(&h, 1, 1);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 1, 10);
    enum { COUNT = 1000 };
    size_t size = 0;
    for (int i = 0; i < COUNT; i++) size += produce_frame(frames + size, sizeof frames - size, i, 1, "t", 0, batch);
    client_send(fd, frames, size);
    for (int i = 0; i < COUNT; i++) {
        struct produced p = produce_answer(fd);
        EXPECT_EQ(p.correlation, i);
        EXPECT_EQ(p.error, 0);
        EXPECT_EQ(p.base_offset, i);
        EXPECT(atomic_load(&h.partitions[0]->synced_offset) > p.base_offset);
    }
    close(fd);
    harness_stop(&h);
}

TEST(without_a_flush_policy_many_requests_in_one_segment_are_answered_without_a_sync) {
    struct harness h;
    start(&h, 1, INT64_MAX);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 1, 10);
    enum { COUNT = 1000 };
    size_t size = 0;
    for (int i = 0; i < COUNT; i++) size += produce_frame(frames + size, sizeof frames - size, i, 1, "t", 0, batch);
    client_send(fd, frames, size);
    for (int i = 0; i < COUNT; i++) EXPECT_EQ(produce_answer(fd).correlation, i);
    EXPECT_EQ(atomic_load(&disk_state.count), 0);
    close(fd);
    harness_stop(&h);
}

TEST(only_every_nth_record_waits_where_so_many_may_be_unsynced) {
    struct harness h;
    start(&h, 1, 3);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 1, 10);
    for (int i = 0; i < 9; i++) {
        client_send(fd, frames, produce_frame(frames, sizeof frames, i, 1, "t", 0, batch));
        EXPECT_EQ(produce_answer(fd).error, 0);
        EXPECT_EQ(atomic_load(&h.partitions[0]->synced_offset), (i + 1) / 3 * 3);
    }
    close(fd);
    harness_stop(&h);
}

TEST(a_sync_that_fails_acknowledges_nothing_then_or_later_and_reading_goes_on) {
    struct harness h;
    start(&h, 1, 1);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 1, 10);
    client_send(fd, frames, produce_frame(frames, sizeof frames, 1, 1, "t", 0, batch));
    EXPECT_EQ(produce_answer(fd).error, 0);
    atomic_store(&disk_state.failing, true);
    client_send(fd, frames, produce_frame(frames, sizeof frames, 2, 1, "t", 0, batch));
    struct produced failed = produce_answer(fd);
    EXPECT_EQ(failed.error, KC_ERROR_KAFKA_STORAGE_ERROR);
    EXPECT_EQ(failed.base_offset, -1);
    atomic_store(&disk_state.failing, false);
    client_send(fd, frames, produce_frame(frames, sizeof frames, 3, 1, "t", 0, batch));
    EXPECT_EQ(produce_answer(fd).error, KC_ERROR_KAFKA_STORAGE_ERROR);
    client_send(fd, frames, fetch_frame(frames, sizeof frames, 4, 0, 1, 0, 0, 1 << 20));
    EXPECT(fetch_answer(fd, answer, sizeof answer).records.size >= batch.size);
    close(fd);
    h.failed = true;
    harness_stop(&h);
}

TEST(a_connection_that_closes_while_its_answer_waits_leaves_nothing_behind) {
    struct harness h;
    start(&h, 1, 1);
    int fd = harness_connect(&h), other = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 1, 10);
    atomic_store(&disk_state.blocked, true);
    size_t size = produce_frame(frames, sizeof frames, 1, 1, "t", 0, batch);
    size += fetch_frame(frames + size, sizeof frames - size, 2, 0, 1, 0, 0, 1 << 20);
    client_send(fd, frames, size);
    await_sync(1);
    close(fd);
    while (kc_server_connection_count(h.server) > 1) usleep(100);
    atomic_store(&disk_state.blocked, false);
    client_send(other, frames, produce_frame(frames, sizeof frames, 3, 1, "t", 0, batch));
    EXPECT_EQ(produce_answer(other).base_offset, 1);
    close(other);
    harness_stop(&h);
}

RUN_ALL()

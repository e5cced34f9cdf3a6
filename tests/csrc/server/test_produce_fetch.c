/* Goal: what a client sends is what it and others read, in order, and no client's behaviour reaches another.
 * Method: a whole server in this process, raw frames over loopback. */
#include "harness.h"

static uint8_t batch_bytes[1 << 20], frame[(1 << 20) + 4096], answer[(1 << 20) + 8192];

static struct produced produce(int fd, int32_t correlation, int32_t partition, struct kc_slice batch) {
    client_send(fd, frame, produce_frame(frame, sizeof frame, correlation, 1, "t", partition, batch));
    return produce_answer(fd);
}

TEST(a_batch_comes_back_as_it_was_sent_but_for_offset_and_epoch) {
    struct harness h;
    harness_start(&h, 1, 1);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 10, 100);
    for (int i = 0; i < 5; i++) {
        struct produced p = produce(fd, 100 + i, 0, batch);
        EXPECT_EQ(p.correlation, 100 + i);
        EXPECT_EQ(p.error, 0);
        EXPECT_EQ(p.base_offset, 10 * i);
    }
    client_send(fd, frame, fetch_frame(frame, sizeof frame, 7, 0, 1, 0, 20, 1 << 20));
    struct fetched f = fetch_answer(fd, answer, sizeof answer);
    EXPECT_EQ(f.correlation, 7);
    EXPECT_EQ(f.high_watermark, 50);
    EXPECT_EQ(f.records.size, 3 * batch.size);
    EXPECT_EQ(kc_load_i64(f.records.data), 20);
    EXPECT_EQ(kc_load_i32(f.records.data + KC_BATCH_LEADER_EPOCH), 0);
    EXPECT_MEM(f.records.data + KC_BATCH_MAGIC, batch.data + KC_BATCH_MAGIC, batch.size - KC_BATCH_MAGIC);
    close(fd);
    harness_stop(&h);
}

TEST(answers_leave_in_request_order_when_kinds_are_mixed_in_one_segment) {
    struct harness h;
    harness_start(&h, 1, 2);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, 4096, 1, 10);
    size_t size = 0;
    for (int i = 0; i < 30; i++) {
        if (i % 3 == 2) size += fetch_frame(frame + size, sizeof frame - size, i, 0, 1, 0, 0, 1 << 20);
        else size += produce_frame(frame + size, sizeof frame - size, i, 1, "t", i % 3, batch);
    }
    client_send(fd, frame, size);
    for (int i = 0; i < 30; i++) {
        if (i % 3 == 2) {
            struct fetched f = fetch_answer(fd, answer, sizeof answer);
            EXPECT_EQ(f.correlation, i);
            EXPECT_EQ(f.high_watermark, i / 3 + 1);                 /* its own produce, just before it, is visible */
            EXPECT_EQ(f.records.size, (size_t)(i / 3 + 1) * batch.size);
        } else {
            struct produced p = produce_answer(fd);
            EXPECT_EQ(p.correlation, i);
            EXPECT_EQ(p.error, 0);
            EXPECT_EQ(p.base_offset, i / 3);
        }
    }
    close(fd);
    harness_stop(&h);
}

TEST(a_request_handed_up_is_answered_in_its_place) {
    struct harness h;
    harness_start(&h, 1, 1);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, 4096, 1, 10);
    size_t size = produce_frame(frame, sizeof frame, 1, 1, "t", 0, batch);
    struct kc_writer w;
    frame_begin(&w, frame + size, sizeof frame - size, 18, 0, 2);
    size += frame_end(&w);
    size += produce_frame(frame + size, sizeof frame - size, 3, 1, "t", 0, batch);
    client_send(fd, frame, size);
    EXPECT_EQ(produce_answer(fd).correlation, 1);

    struct kc_up *up = harness_next_up(&h);
    EXPECT(up);
    struct kc_up_view view;
    kc_up_view(up, &view);
    EXPECT_EQ(view.kind, KC_UP_REQUEST);
    EXPECT_EQ(kc_load_i16(view.data.data), 18);
    EXPECT_EQ(kc_log_end_offset(h.logs[0]), 1);                      /* the third request waits */
    uint8_t reply[4];
    kc_store_i32(reply, 2);
    EXPECT_EQ(kc_server_reply(h.server, view.reactor, view.token, reply, sizeof reply, true, false), KC_OK);
    kc_up_free(up);
    uint8_t second[16];
    EXPECT_EQ(client_receive(fd, second, sizeof second), 4);
    EXPECT_EQ(kc_load_i32(second), 2);
    EXPECT_EQ(produce_answer(fd).correlation, 3);
    close(fd);
    harness_stop(&h);
}

TEST(a_parked_fetch_is_woken_by_an_append_of_another_connection) {
    struct harness h;
    harness_start(&h, 2, 1);
    int reader = harness_connect(&h), writer = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, 4096, 1, 10);
    for (int i = 0; i < 20; i++) {
        client_send(reader, frame, fetch_frame(frame, sizeof frame, i, 30000, 1, 0, i, 1 << 20));
        EXPECT_EQ(produce(writer, i, 0, batch).base_offset, i);
        struct fetched f = fetch_answer(reader, answer, sizeof answer);
        EXPECT_EQ(f.correlation, i);
        EXPECT_EQ(f.records.size, batch.size);
    }
    close(reader);
    close(writer);
    harness_stop(&h);
}

TEST(min_bytes_is_waited_for_and_the_deadline_ends_the_wait) {
    struct harness h;
    harness_start(&h, 1, 1);
    int reader = harness_connect(&h), writer = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, 4096, 1, 10);
    client_send(reader, frame, fetch_frame(frame, sizeof frame, 1, 30000, (int32_t)batch.size * 3, 0, 0, 1 << 20));
    for (int i = 0; i < 3; i++) {
        struct pollfd wait = {.fd = reader, .events = POLLIN};
        EXPECT_EQ(poll(&wait, 1, 0), 0);
        EXPECT_EQ(produce(writer, i, 0, batch).error, 0);
    }
    EXPECT_EQ(fetch_answer(reader, answer, sizeof answer).records.size, 3 * batch.size);

    client_send(reader, frame, fetch_frame(frame, sizeof frame, 2, 20, 1, 0, 3, 1 << 20));
    struct fetched f = fetch_answer(reader, answer, sizeof answer);
    EXPECT_EQ(f.correlation, 2);
    EXPECT_EQ(f.error, 0);
    EXPECT_EQ(f.records.size, 0);
    close(reader);
    close(writer);
    harness_stop(&h);
}

TEST(a_fetch_that_waits_on_a_removed_topic_is_answered_with_an_error) {
    struct harness h;
    harness_start(&h, 1, 1);
    int fd = harness_connect(&h);
    client_send(fd, frame, fetch_frame(frame, sizeof frame, 1, 30000, 1, 0, 0, 1 << 20));
    while (atomic_load(&h.partitions[0]->waiter_count) == 0) usleep(100);
    EXPECT_EQ(kc_topic_table_publish(kc_server_topics(h.server), NULL, 0), KC_OK);
    EXPECT_EQ(fetch_answer(fd, answer, sizeof answer).error, KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    close(fd);
    harness_stop(&h);
}

TEST(a_connection_that_closes_while_its_fetch_waits_leaves_nothing_behind) {
    struct harness h;
    harness_start(&h, 1, 1);
    int fd = harness_connect(&h);
    client_send(fd, frame, fetch_frame(frame, sizeof frame, 1, 30000, 1, 0, 0, 1 << 20));
    while (atomic_load(&h.partitions[0]->waiter_count) == 0) usleep(100);
    close(fd);
    while (atomic_load(&h.partitions[0]->waiter_count) != 0) usleep(100);
    harness_stop(&h);
}

TEST(errors_are_answered_by_partition_and_nothing_is_written) {
    struct harness h;
    harness_start(&h, 1, 1);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, 4096, 1, 10);
    EXPECT_EQ(produce(fd, 1, 5, batch).error, KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    client_send(fd, frame, produce_frame(frame, sizeof frame, 2, 1, "nowhere", 0, batch));
    EXPECT_EQ(produce_answer(fd).error, KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    client_send(fd, frame, produce_frame(frame, sizeof frame, 3, 5, "t", 0, batch));
    EXPECT_EQ(produce_answer(fd).error, KC_ERROR_INVALID_REQUIRED_ACKS);
    batch_bytes[batch.size - 1] ^= 1;
    EXPECT_EQ(produce(fd, 4, 0, batch).error, KC_ERROR_CORRUPT_MESSAGE);
    batch_bytes[batch.size - 1] ^= 1;
    EXPECT_EQ(produce(fd, 5, 0, (struct kc_slice){0}).error, KC_ERROR_INVALID_RECORD);
    EXPECT_EQ(kc_log_end_offset(h.logs[0]), 0);
    client_send(fd, frame, fetch_frame(frame, sizeof frame, 6, 30000, 1, 0, 1, 1 << 20));
    struct fetched f = fetch_answer(fd, answer, sizeof answer);
    EXPECT_EQ(f.error, KC_ERROR_OFFSET_OUT_OF_RANGE);
    EXPECT_EQ(f.high_watermark, -1);
    struct kc_topic_config config = harness_topic_config();
    config.min_insync_replicas = 2;
    harness_publish(&h, &config);
    client_send(fd, frame, produce_frame(frame, sizeof frame, 7, -1, "t", 0, batch));
    EXPECT_EQ(produce_answer(fd).error, KC_ERROR_NOT_ENOUGH_REPLICAS);
    close(fd);
    harness_stop(&h);
}

TEST(acks_zero_has_no_answer_and_an_error_closes_the_connection) {
    struct harness h;
    harness_start(&h, 1, 1);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, 4096, 1, 10);
    client_send(fd, frame, produce_frame(frame, sizeof frame, 1, 0, "t", 0, batch));
    EXPECT_EQ(produce(fd, 2, 0, batch).correlation, 2);
    EXPECT_EQ(kc_log_end_offset(h.logs[0]), 2);
    client_send(fd, frame, produce_frame(frame, sizeof frame, 3, 0, "nowhere", 0, batch));
    EXPECT(client_closed(fd));
    close(fd);
    harness_stop(&h);
}

TEST(a_batch_that_must_be_opened_is_handed_up_whole_and_nothing_of_its_request_is_written) {
    struct harness h;
    harness_start(&h, 1, 1);
    struct kc_topic_config config = harness_topic_config();
    config.codec = KC_CODEC_ZSTD;
    harness_publish(&h, &config);
    int fd = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, 4096, 1, 10);
    size_t size = produce_frame(frame, sizeof frame, 1, 1, "t", 0, batch);
    client_send(fd, frame, size);
    struct kc_up *up = harness_next_up(&h);
    EXPECT(up);
    struct kc_up_view view;
    kc_up_view(up, &view);
    EXPECT_EQ(view.data.size, size - 4);
    EXPECT_MEM(view.data.data, frame + 4, size - 4);
    EXPECT_EQ(kc_log_end_offset(h.logs[0]), 0);
    kc_up_free(up);
    close(fd);
    harness_stop(&h);
}

TEST(every_truncation_of_a_request_closes_that_connection_and_no_other) {
    struct harness h;
    harness_start(&h, 1, 1);
    int good = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, 4096, 1, 10);
    static uint8_t whole[4096], cut[4096];
    for (int kind = 0; kind < 2; kind++) {
        size_t size = kind == 0 ? produce_frame(whole, sizeof whole, 1, 1, "t", 0, batch)
                                : fetch_frame(whole, sizeof whole, 1, 0, 1, 0, 0, 1000);
        for (size_t keep = 4; keep < size; keep++) {
            memcpy(cut, whole, keep);
            kc_store_u32(cut, (uint32_t)(keep - 4));
            int fd = harness_connect(&h);
            client_send(fd, cut, keep);
            EXPECT(client_closed(fd));
            close(fd);
        }
    }
    EXPECT_EQ(produce(good, 1, 0, batch).base_offset, 0);
    close(good);
    harness_stop(&h);
}

TEST(a_reader_that_stops_reading_does_not_stop_another_and_gets_all_in_the_end) {
    struct harness h;
    harness_start(&h, 1, 1);
    int slow = harness_connect(&h), fast = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 100, 9000);
    for (int i = 0; i < 20; i++) EXPECT_EQ(produce(fast, i, 0, batch).error, 0);
    static uint8_t requests[65536];
    size_t size = 0;
    for (int i = 0; i < 40; i++) size += fetch_frame(requests + size, sizeof requests - size, i, 0, 1, 0, 100 * (i % 20), (int32_t)batch.size);
    client_send(slow, requests, size);
    for (int i = 0; i < 20; i++) {
        client_send(fast, frame, fetch_frame(frame, sizeof frame, i, 0, 1, 0, 100 * i, (int32_t)batch.size));
        EXPECT_EQ(fetch_answer(fast, answer, sizeof answer).records.size, batch.size);
    }
    for (int i = 0; i < 40; i++) {
        struct fetched f = fetch_answer(slow, answer, sizeof answer);
        EXPECT_EQ(f.correlation, i);
        EXPECT_EQ(f.records.size, batch.size);
        EXPECT_EQ(kc_load_i64(f.records.data), 100 * (i % 20));
    }
    close(slow);
    close(fast);
    harness_stop(&h);
}

RUN_ALL()

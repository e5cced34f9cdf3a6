/* Goal: an incremental fetch says what is new, all of it and nothing else, and costs nothing for what is idle (KIP-227).
 * Method: a whole server in this process, raw frames of Fetch 11 (names) and 13 (topic ids); at the end, appenders on other threads. */
#include <pthread.h>

#include "harness.h"

enum { PARTITIONS = 8, FULL = 0, FINAL = -1 };

static uint8_t batch_bytes[4096], frame[65536], answer[1 << 20];

struct part {
    int32_t index;
    int64_t offset;
};

static size_t session_frame(int16_t version, int32_t session, int32_t epoch, int32_t wait_ms, int32_t min_bytes, const struct part *parts,
                            int count, const int32_t *forgotten, int forgotten_count) {
    struct kc_writer w;
    bool flexible = version >= 12;
    frame_begin(&w, frame, sizeof frame, 1, version, 77);
    if (flexible) kc_write_empty_tags(&w);
    kc_write_i32(&w, -1);
    kc_write_i32(&w, wait_ms);
    kc_write_i32(&w, min_bytes);
    kc_write_i32(&w, 50 << 20);
    kc_write_i8(&w, 0);
    kc_write_i32(&w, session);
    kc_write_i32(&w, epoch);
    for (int list = 0; list < 2; list++) {
        int entries = list == 0 ? count : forgotten_count;
        if (flexible) kc_write_compact_array_count(&w, entries ? 1 : 0);
        else kc_write_array_count(&w, entries ? 1 : 0);
        if (!entries) continue;
        if (flexible) kc_write_uuid(&w, harness_topic_id);
        else kc_write_string(&w, kc_slice_make("t", 1));
        if (flexible) kc_write_compact_array_count(&w, entries);
        else kc_write_array_count(&w, entries);
        for (int i = 0; i < entries; i++) {
            kc_write_i32(&w, list == 0 ? parts[i].index : forgotten[i]);
            if (list == 1) continue;
            kc_write_i32(&w, -1);
            kc_write_i64(&w, parts[i].offset);
            if (flexible) kc_write_i32(&w, -1);
            kc_write_i64(&w, -1);
            kc_write_i32(&w, 1 << 20);
            if (flexible) kc_write_empty_tags(&w);
        }
        if (flexible) kc_write_empty_tags(&w);
    }
    if (flexible) kc_write_compact_string(&w, kc_slice_make("", 0));
    else kc_write_string(&w, kc_slice_make("", 0));
    if (flexible) kc_write_empty_tags(&w);
    return frame_end(&w);
}

struct told {
    int16_t error;                        /* of the request */
    int32_t session;
    int count;
    struct {
        int32_t index;
        int16_t error;
        int64_t high_watermark;
        size_t records;
    } parts[PARTITIONS + 2];
};

/* An answer of Fetch 11. */
static struct told receive_told(int fd) {
    struct told told = {0};
    struct kc_reader r;
    ssize_t size = client_receive(fd, answer, sizeof answer);
    EXPECT(size > 0);
    kc_reader_init(&r, kc_slice_make(answer, (size_t)size));
    EXPECT_EQ(kc_read_i32(&r), 77);
    kc_read_i32(&r);
    told.error = kc_read_i16(&r);
    told.session = kc_read_i32(&r);
    int32_t topics = kc_read_array_count(&r, 1);
    for (int32_t t = 0; t < topics; t++) {
        kc_read_string(&r);
        int32_t partitions = kc_read_array_count(&r, 1);
        for (int32_t p = 0; p < partitions; p++) {
            EXPECT(told.count < PARTITIONS + 2);
            told.parts[told.count].index = kc_read_i32(&r);
            told.parts[told.count].error = kc_read_i16(&r);
            told.parts[told.count].high_watermark = kc_read_i64(&r);
            kc_read_i64(&r);
            kc_read_i64(&r);
            /* As Kafka has it: no list of aborted transactions, or an empty one with an error. */
            EXPECT_EQ(kc_read_array_count(&r, 1), told.parts[told.count].error ? 0 : -1);
            kc_read_i32(&r);
            told.parts[told.count++].records = kc_read_bytes(&r).size;
        }
    }
    EXPECT(kc_reader_ok(&r));
    EXPECT_EQ(kc_read_remaining(&r), 0);
    return told;
}

static struct told ask(int fd, int32_t session, int32_t epoch, int32_t wait_ms, const struct part *parts, int count) {
    client_send(fd, frame, session_frame(11, session, epoch, wait_ms, 1, parts, count, NULL, 0));
    return receive_told(fd);
}

static void produce_to(int fd, int32_t partition) {
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 1, 10);
    uint8_t bytes[8192];
    client_send(fd, bytes, produce_frame(bytes, sizeof bytes, 1, 1, "t", partition, batch));
    EXPECT_EQ(produce_answer(fd).error, 0);
}

static struct told begin(int fd) {
    struct part all[PARTITIONS];
    for (int i = 0; i < PARTITIONS; i++) all[i] = (struct part){i, 0};
    struct told told = ask(fd, 0, FULL, 0, all, PARTITIONS);
    EXPECT_EQ(told.error, 0);
    EXPECT_EQ(told.count, PARTITIONS);
    return told;
}

TEST(only_what_is_new_is_told) {
    struct harness h;
    harness_start(&h, 1, PARTITIONS);
    int fd = harness_connect(&h), producer = harness_connect(&h);
    int32_t session = begin(fd).session;
    EXPECT(session > 0);
    EXPECT_EQ(ask(fd, session, 1, 0, NULL, 0).count, 0);
    produce_to(producer, 3);
    produce_to(producer, 5);
    struct told told = ask(fd, session, 2, 0, NULL, 0);
    EXPECT_EQ(told.count, 2);
    EXPECT_EQ(told.session, session);
    for (int i = 0; i < 2; i++) {
        EXPECT(told.parts[i].index == 3 || told.parts[i].index == 5);
        EXPECT_EQ(told.parts[i].high_watermark, 1);
        EXPECT(told.parts[i].records > 0);
    }
    /* The client has read one of them; of the other it is told again. */
    struct part read = {3, 1};
    told = ask(fd, session, 3, 0, &read, 1);
    EXPECT_EQ(told.count, 1);
    EXPECT_EQ(told.parts[0].index, 5);
    read = (struct part){5, 1};
    EXPECT_EQ(ask(fd, session, 4, 0, &read, 1).count, 0);
    produce_to(producer, 5);
    told = ask(fd, session, 5, 0, NULL, 0);
    EXPECT_EQ(told.count, 1);
    EXPECT_EQ(told.parts[0].index, 5);
    EXPECT_EQ(told.parts[0].high_watermark, 2);
    close(fd), close(producer);
    harness_stop(&h);
}

TEST(a_waiting_incremental_fetch_wakes_for_any_of_its_partitions) {
    struct harness h;
    harness_start(&h, 1, PARTITIONS);
    int fd = harness_connect(&h), producer = harness_connect(&h);
    int32_t session = begin(fd).session;
    for (int i = 0; i < PARTITIONS; i++) {
        client_send(fd, frame, session_frame(11, session, 1 + 2 * i, 60000, 1, NULL, 0, NULL, 0));
        produce_to(producer, i);
        struct told told = receive_told(fd);
        EXPECT_EQ(told.count, 1);
        EXPECT_EQ(told.parts[0].index, i);
        struct part read = {i, 1};
        EXPECT_EQ(ask(fd, session, 2 + 2 * i, 0, &read, 1).count, 0);
    }
    /* Nothing: the time runs out, and nothing is told. */
    struct told told = ask(fd, session, 1 + 2 * PARTITIONS, 20, NULL, 0);
    EXPECT_EQ(told.count, 0);
    EXPECT_EQ(told.error, 0);
    close(fd), close(producer);
    harness_stop(&h);
}

TEST(partitions_come_and_go) {
    struct harness h;
    harness_start(&h, 1, PARTITIONS);
    int fd = harness_connect(&h), producer = harness_connect(&h);
    struct part first[] = {{0, 0}, {1, 0}};
    struct told told = ask(fd, 0, FULL, 0, first, 2);
    int32_t session = told.session;
    struct part more = {2, 0};
    told = ask(fd, session, 1, 0, &more, 1);
    EXPECT_EQ(told.count, 1);             /* new to the session: its offsets are told */
    EXPECT_EQ(told.parts[0].index, 2);
    int32_t gone[] = {0, 7};
    client_send(fd, frame, session_frame(11, session, 2, 0, 1, NULL, 0, gone, 2));
    EXPECT_EQ(receive_told(fd).count, 0);
    for (int i = 0; i < 3; i++) produce_to(producer, i);
    told = ask(fd, session, 3, 0, NULL, 0);
    EXPECT_EQ(told.count, 2);
    for (int i = 0; i < told.count; i++) EXPECT(told.parts[i].index != 0);
    /* Nothing is left: the session is over. */
    int32_t rest[] = {1, 2};
    client_send(fd, frame, session_frame(11, session, 4, 0, 1, NULL, 0, rest, 2));
    told = receive_told(fd);
    EXPECT_EQ(told.session, 0);
    EXPECT_EQ(told.error, 0);
    EXPECT_EQ(ask(fd, session, 5, 0, NULL, 0).error, KC_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    close(fd), close(producer);
    harness_stop(&h);
}

TEST(a_wrong_session_or_epoch_is_refused_and_nothing_is_lost) {
    struct harness h;
    harness_start(&h, 1, PARTITIONS);
    int fd = harness_connect(&h), other = harness_connect(&h);
    int32_t session = begin(fd).session;
    EXPECT_EQ(ask(fd, session + 1, 1, 0, NULL, 0).error, KC_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_EQ(ask(fd, session, 2, 0, NULL, 0).error, KC_ERROR_INVALID_FETCH_SESSION_EPOCH);
    EXPECT_EQ(ask(other, session, 1, 0, NULL, 0).error, KC_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    struct told told = ask(fd, session, 1, 0, NULL, 0);
    EXPECT_EQ(told.error, 0);
    EXPECT_EQ(told.session, session);
    /* Ids and names do not mix. */
    client_send(fd, frame, session_frame(13, session, 2, 0, 1, NULL, 0, NULL, 0));
    EXPECT(client_receive(fd, answer, sizeof answer) > 0);
    EXPECT_EQ(kc_load_i16(answer + 9), KC_ERROR_FETCH_SESSION_TOPIC_ID_ERROR);
    /* Ended by the client. */
    struct part one = {0, 0};
    told = ask(fd, session, FINAL, 0, &one, 1);
    EXPECT_EQ(told.count, 1);
    EXPECT_EQ(told.session, 0);
    EXPECT_EQ(ask(fd, session, 2, 0, NULL, 0).error, KC_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    /* A new full fetch takes the place of the old session. */
    int32_t second = begin(fd).session;
    int32_t third = begin(fd).session;
    EXPECT(second != third);
    EXPECT_EQ(ask(fd, second, 1, 0, NULL, 0).error, KC_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_EQ(ask(fd, third, 1, 0, NULL, 0).error, 0);
    close(fd), close(other);
    harness_stop(&h);
}

TEST(sessions_have_a_limit_and_end_with_their_connections) {
    struct harness h;
    harness_start(&h, 1, PARTITIONS);
    for (int round = 0; round < 3; round++) {
        int fds[6];
        for (int i = 0; i < 6; i++) {
            fds[i] = harness_connect(&h);
            EXPECT_EQ(begin(fds[i]).session > 0, i < 4);
        }
        for (int i = 0; i < 6; i++) close(fds[i]);
        while (kc_server_connection_count(h.server) > 0) usleep(1000);
    }
    harness_stop(&h);
}

TEST(an_unknown_partition_is_told_each_time_and_a_deleted_topic_wakes) {
    struct harness h;
    harness_start(&h, 1, PARTITIONS);
    int fd = harness_connect(&h);
    struct part parts[] = {{0, 0}, {99, 0}};
    struct told told = ask(fd, 0, FULL, 0, parts, 2);
    EXPECT_EQ(told.parts[1].error, KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    int32_t session = told.session;
    for (int i = 1; i < 4; i++) {
        told = ask(fd, session, i, 60000, NULL, 0);
        EXPECT_EQ(told.count, 1);
        EXPECT_EQ(told.parts[0].index, 99);
        EXPECT_EQ(told.parts[0].error, KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    }
    int32_t gone[] = {99};
    client_send(fd, frame, session_frame(11, session, 4, 60000, 1, NULL, 0, gone, 1));
    EXPECT_EQ(kc_topic_table_publish(kc_server_topics(h.server), NULL, 0), KC_OK);
    told = receive_told(fd);
    EXPECT_EQ(told.count, 1);
    EXPECT_EQ(told.parts[0].error, KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    close(fd);
    harness_stop(&h);
}

/* ---- appenders on other threads ---------------------------------------------------------------------------------------------- */

enum { APPENDS = 400, APPENDERS = 3 };

static struct harness shared;

static void *append(void *argument) {
    int fd = harness_connect(&shared);
    unsigned state = (unsigned)(uintptr_t)argument;
    for (int i = 0; i < APPENDS; i++) {
        uint8_t bytes[1024], made[512];
        struct kc_slice batch = make_batch(made, sizeof made, 1, 10);
        state = state * 1103515245 + 12345;
        client_send(fd, bytes, produce_frame(bytes, sizeof bytes, 1, 1, "t", (int32_t)(state >> 16) % PARTITIONS, batch));
        EXPECT_EQ(produce_answer(fd).error, 0);
    }
    close(fd);
    return NULL;
}

TEST(a_session_sees_every_record_that_others_append) {
    harness_start(&shared, 2, PARTITIONS);
    int fd = harness_connect(&shared);
    pthread_t threads[APPENDERS];
    for (uintptr_t i = 0; i < APPENDERS; i++) EXPECT_EQ(pthread_create(&threads[i], NULL, append, (void *)(i + 1)), 0);
    struct told told = begin(fd);
    int32_t session = told.session, epoch = 1;
    int64_t next[PARTITIONS] = {0}, seen = 0;
    while (seen < APPENDS * APPENDERS) {
        struct part read[PARTITIONS];
        int count = 0;
        for (int i = 0; i < told.count; i++) {
            EXPECT_EQ(told.parts[i].error, 0);
            int32_t p = told.parts[i].index;
            if (told.parts[i].records == 0) continue;
            /* One record a batch, each of the same size: the answer holds all up to the high watermark. */
            EXPECT(told.parts[i].high_watermark > next[p]);
            seen += told.parts[i].high_watermark - next[p];
            next[p] = told.parts[i].high_watermark;
            read[count++] = (struct part){p, next[p]};
        }
        if (seen < APPENDS * APPENDERS) told = ask(fd, session, epoch++, 60000, read, count);
    }
    EXPECT_EQ(seen, APPENDS * APPENDERS);
    for (int i = 0; i < APPENDERS; i++) pthread_join(threads[i], NULL);
    close(fd);
    harness_stop(&shared);
}

RUN_ALL()

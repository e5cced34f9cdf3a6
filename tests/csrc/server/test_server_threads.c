/* Goal: several reactors and another thread work on the same partitions at once without losing order or a record.
 * Method: producers and long-polling consumers on their own threads and connections, two reactors, one partition shared by all and one
 * more; meanwhile the topic table is published again and again.  Each producer's values carry its number and a sequence. */
#include <pthread.h>

#include "harness.h"
#include "record/iterate.h"

enum { PRODUCERS = 3, CONSUMERS = 2, BATCHES = 150, WINDOW = 3 };

static struct harness h;
static atomic_bool publishing;

static struct kc_slice numbered_batch(uint8_t *buffer, size_t capacity, uint32_t producer, uint32_t sequence) {
    struct kc_batch_spec spec = kc_batch_spec_plain();
    struct kc_batch_builder b;
    kc_batch_builder_init(&b, buffer, capacity, &spec);
    struct kc_clock clock = kc_clock_system();
    uint8_t value[8];
    kc_store_u32(value, producer);
    kc_store_u32(value + 4, sequence);
    EXPECT_EQ(kc_batch_builder_add(&b, kc_clock_wall_ms(&clock), (struct kc_slice){0}, kc_slice_make(value, 8), NULL, 0), KC_OK);
    struct kc_slice batch;
    EXPECT_EQ(kc_batch_builder_finish(&b, &batch), KC_OK);
    return batch;
}

static void *run_producer(void *arg) {
    uint32_t number = (uint32_t)(uintptr_t)arg;
    int fd = harness_connect(&h);
    uint8_t batch[256], frame[WINDOW * 512];
    int64_t last = -1;
    for (uint32_t i = 0; i < BATCHES; i += WINDOW) {
        size_t size = 0;
        for (uint32_t k = 0; k < WINDOW; k++)
            size += produce_frame(frame + size, sizeof frame - size, (int32_t)(i + k), 1, "t", 0, numbered_batch(batch, sizeof batch, number, i + k));
        client_send(fd, frame, size);
        for (uint32_t k = 0; k < WINDOW; k++) {
            struct produced p = produce_answer(fd);
            EXPECT_EQ(p.correlation, i + k);
            EXPECT_EQ(p.error, 0);
            EXPECT(p.base_offset > last);
            last = p.base_offset;
        }
    }
    close(fd);
    return NULL;
}

static void *run_consumer(void *arg) {
    (void)arg;
    int fd = harness_connect(&h);
    uint32_t next[PRODUCERS] = {0};
    static __thread uint8_t answer[1 << 16];
    uint8_t frame[512];
    for (int64_t offset = 0; offset < PRODUCERS * BATCHES;) {
        client_send(fd, frame, fetch_frame(frame, sizeof frame, 1, 500, 1, 0, offset, 16384));
        struct fetched f = fetch_answer(fd, answer, sizeof answer);
        EXPECT_EQ(f.error, 0);
        for (struct kc_slice left = f.records; left.size >= KC_BATCH_HEADER_SIZE;) {
            struct kc_batch_header header;
            if (kc_batch_check_stored(left, &header) != KC_OK) break;          /* the last one may be cut */
            EXPECT_EQ(header.base_offset, offset);
            struct kc_record_iterator it;
            struct kc_record record;
            kc_record_iterator_init(&it, kc_slice_make(left.data + KC_BATCH_HEADER_SIZE, (size_t)header.size_bytes - KC_BATCH_HEADER_SIZE), 1);
            EXPECT_EQ(kc_record_next(&it, &record), KC_OK);
            uint32_t producer = kc_load_u32(record.value.data);
            EXPECT(producer < PRODUCERS);
            EXPECT_EQ(kc_load_u32(record.value.data + 4), next[producer]);
            next[producer]++;
            offset++;
            left.data += header.size_bytes, left.size -= (size_t)header.size_bytes;
        }
    }
    close(fd);
    return NULL;
}

static void *run_publisher(void *arg) {
    (void)arg;
    struct kc_topic_config config = harness_topic_config();
    while (atomic_load(&publishing)) {
        harness_publish(&h, &config);
        usleep(500);
    }
    return NULL;
}

TEST(two_reactors_share_a_partition_without_losing_order) {
    harness_start(&h, 2, 2);
    pthread_t threads[PRODUCERS + CONSUMERS], publisher;
    atomic_store(&publishing, true);
    EXPECT_EQ(pthread_create(&publisher, NULL, run_publisher, NULL), 0);
    for (uintptr_t i = 0; i < CONSUMERS; i++) EXPECT_EQ(pthread_create(&threads[PRODUCERS + i], NULL, run_consumer, NULL), 0);
    for (uintptr_t i = 0; i < PRODUCERS; i++) EXPECT_EQ(pthread_create(&threads[i], NULL, run_producer, (void *)i), 0);
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++) pthread_join(threads[i], NULL);
    atomic_store(&publishing, false);
    pthread_join(publisher, NULL);
    EXPECT_EQ(kc_log_end_offset(h.logs[0]), PRODUCERS * BATCHES);
    harness_stop(&h);
}

TEST(a_server_stops_while_clients_are_busy) {
    harness_start(&h, 2, 1);
    int fds[8];
    uint8_t frame[512];
    for (int i = 0; i < 8; i++) {
        fds[i] = harness_connect(&h);
        client_send(fds[i], frame, fetch_frame(frame, sizeof frame, 1, 60000, 1, 0, 0, 1000));
    }
    while (atomic_load(&h.partitions[0]->waiter_count) < 8) usleep(100);
    harness_stop(&h);
    for (int i = 0; i < 8; i++) {
        EXPECT(client_closed(fds[i]));
        close(fds[i]);
    }
}

RUN_ALL()

/* A whole server in this process, with topics in a temporary directory, and a client that speaks raw frames to it over loopback.
 *
 *     struct harness h;
 *     harness_start(&h, reactors, partitions);      topic "t" with id 1...
 *     int fd = harness_connect(&h);
 *     produce_frame(...); client_send(fd, ...); client_receive(fd, ...);
 *     harness_stop(&h);
 *
 * Frames are those of the non-flexible versions Produce 8 and Fetch 11 unless a test builds its own. */
#ifndef KC_TESTS_SERVER_HARNESS_H
#define KC_TESTS_SERVER_HARNESS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "../check.h"
#include "../temporary.h"
#include "hot/error.h"
#include "record/build.h"
#include "server/server.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { HARNESS_PARTITIONS_MAX = 8 };

struct harness {
    struct kc_server *server;
    struct kc_file_cache *files;
    struct kc_log *logs[HARNESS_PARTITIONS_MAX];
    struct kc_partition *partitions[HARNESS_PARTITIONS_MAX];
    int32_t partition_count;
    struct kc_topic *topic;
    int port;
    bool failed;                  /* a log has failed: closing says so */
};

static const uint8_t harness_topic_id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static int harness_serial;

__attribute__((unused)) static struct kc_topic_config harness_topic_config(void) {
    return (struct kc_topic_config){.timestamp_before_max_ms = INT64_MAX, .timestamp_after_max_ms = 3600000,
                                    .flush_messages = INT64_MAX, .batch_size_max_bytes = 1048588, .min_insync_replicas = 1, .codec = KC_TOPIC_CODEC_PRODUCER};
}

__attribute__((unused)) static void harness_publish(struct harness *h, const struct kc_topic_config *config) {
    struct kc_topic *topic;
    EXPECT_EQ(kc_topic_create(kc_slice_make("t", 1), harness_topic_id, config, h->partitions, h->partition_count, &topic), KC_OK);
    EXPECT_EQ(kc_topic_table_publish(kc_server_topics(h->server), &topic, 1), KC_OK);
    if (h->topic) kc_topic_release(h->topic);
    h->topic = topic;
}

__attribute__((unused)) static void harness_start_on(struct harness *h, const struct kc_disk *disk, uint32_t reactors, int32_t partitions) {
    *h = (struct harness){.partition_count = partitions};
    EXPECT_EQ(kc_file_cache_create(disk, 64, &h->files), KC_OK);
    int run = harness_serial++;
    for (int32_t i = 0; i < partitions; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/t%d-%d", kc_test_directory(), run, i);
        struct kc_log_options options = {.files = h->files, .clock = kc_clock_system(), .config = kc_log_config_default(),
                                         .clean = true, .log_start_offset = -1};
        struct kc_log_recovery recovery;
        EXPECT_EQ(kc_log_open(path, &options, &recovery, &h->logs[i]), KC_OK);
        EXPECT_EQ(kc_partition_create(i, h->logs[i], 0, &h->partitions[i]), KC_OK);
    }
    struct kc_server_config config = {.hot = {.node_id = 1, .fetch_size_max_bytes = 57671680, .fetch_sessions_max = 4},
                                      .reactor = kc_reactor_config_default(), .reactor_count = reactors, .worker_count = 2, .hash_seed = 1};
    EXPECT_EQ(kc_server_create(&config, &h->server), KC_OK);
    struct kc_topic_config topic_config = harness_topic_config();
    harness_publish(h, &topic_config);

    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd, (struct sockaddr *)&address, size), 0);
    EXPECT_EQ(listen(fd, 128), 0);
    EXPECT_EQ(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    h->port = ntohs(address.sin_port);
    struct kc_endpoint endpoint = {.host = ""};
    EXPECT_EQ(kc_server_listen(h->server, fd, 0, &endpoint), KC_OK);
    EXPECT_EQ(kc_server_start(h->server), KC_OK);
}

__attribute__((unused)) static void harness_start(struct harness *h, uint32_t reactors, int32_t partitions) {
    harness_start_on(h, kc_disk_system(), reactors, partitions);
}

__attribute__((unused)) static void harness_stop(struct harness *h) {
    kc_server_stop(h->server);
    kc_server_destroy(h->server);
    kc_topic_release(h->topic);
    for (int32_t i = 0; i < h->partition_count; i++) {
        kc_status status = kc_log_close(h->logs[i]);
        EXPECT(status == KC_OK || h->failed);
        kc_log_release(h->logs[i]);
        kc_partition_release(h->partitions[i]);
    }
    kc_file_cache_destroy(h->files);
}

__attribute__((unused)) static int harness_connect(const struct harness *h) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)h->port)};
    EXPECT_EQ(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Waits for something that came up; NULL after a second. */
__attribute__((unused)) static struct kc_up *harness_next_up(struct harness *h) {
    struct kc_up *up = kc_server_next(h->server);
    if (up) return up;
    struct pollfd wait = {.fd = kc_server_descriptor(h->server), .events = POLLIN};
    return poll(&wait, 1, 1000) == 1 ? kc_server_next(h->server) : NULL;
}

/* ---- frames ------------------------------------------------------------------------------------------------------------------ */

__attribute__((unused)) static void client_send(int fd, const void *bytes, size_t size) {
    for (const char *at = bytes; size;) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        EXPECT(sent > 0);
        at += sent, size -= (size_t)sent;
    }
}

static bool client_read(int fd, void *bytes, size_t size) {
    for (char *at = bytes; size;) {
        ssize_t got = recv(fd, at, size, 0);
        if (got <= 0) return false;
        at += got, size -= (size_t)got;
    }
    return true;
}

/* One frame without its size into buffer; returns its size, or -1 where the server closed the connection. */
__attribute__((unused)) static ssize_t client_receive(int fd, void *buffer, size_t capacity) {
    uint8_t prefix[4];
    if (!client_read(fd, prefix, 4)) return -1;
    size_t size = kc_load_u32(prefix);
    EXPECT(size <= capacity);
    return client_read(fd, buffer, size) ? (ssize_t)size : -1;
}

/* True: the server has closed this connection. */
__attribute__((unused)) static bool client_closed(int fd) {
    char byte;
    return recv(fd, &byte, 1, 0) <= 0;
}

/* A batch of `count` records of `value_size` bytes with the wall clock's time. */
__attribute__((unused)) static struct kc_slice make_batch(uint8_t *buffer, size_t capacity, int count, size_t value_size) {
    struct kc_batch_spec spec = kc_batch_spec_plain();
    struct kc_batch_builder b;
    kc_batch_builder_init(&b, buffer, capacity, &spec);
    uint8_t *value = malloc(value_size + 1);
    memset(value, 'v', value_size + 1);
    struct kc_clock clock = kc_clock_system();
    for (int i = 0; i < count; i++)
        EXPECT_EQ(kc_batch_builder_add(&b, kc_clock_wall_ms(&clock), (struct kc_slice){0}, kc_slice_make(value, value_size), NULL, 0), KC_OK);
    free(value);
    struct kc_slice batch;
    EXPECT_EQ(kc_batch_builder_finish(&b, &batch), KC_OK);
    return batch;
}

static void frame_begin(struct kc_writer *w, void *buffer, size_t capacity, int16_t key, int16_t version, int32_t correlation) {
    kc_writer_init(w, buffer, capacity);
    kc_write_i32(w, 0);
    kc_write_i16(w, key);
    kc_write_i16(w, version);
    kc_write_i32(w, correlation);
    kc_write_string(w, kc_slice_make("test", 4));
}

static size_t frame_end(struct kc_writer *w) {
    EXPECT(!w->overflow);
    kc_write_patch_i32(w, 0, (int32_t)w->used - 4);
    return w->used;
}

/* transactional_id: null where data is NULL. */
__attribute__((unused)) static size_t transactional_produce_frame(uint8_t *buffer, size_t capacity, int32_t correlation, int16_t acks,
                                                                  struct kc_slice transactional_id, const char *topic,
                                                                  int32_t partition, struct kc_slice batch) {
    struct kc_writer w;
    frame_begin(&w, buffer, capacity, 0, 8, correlation);
    kc_write_string(&w, transactional_id);
    kc_write_i16(&w, acks);
    kc_write_i32(&w, 30000);
    kc_write_array_count(&w, 1);
    kc_write_string(&w, kc_slice_make(topic, strlen(topic)));
    kc_write_array_count(&w, 1);
    kc_write_i32(&w, partition);
    kc_write_bytes(&w, batch);
    return frame_end(&w);
}

__attribute__((unused)) static size_t produce_frame(uint8_t *buffer, size_t capacity, int32_t correlation, int16_t acks, const char *topic,
                                                    int32_t partition, struct kc_slice batch) {
    return transactional_produce_frame(buffer, capacity, correlation, acks, (struct kc_slice){0}, topic, partition, batch);
}

struct produced {
    int32_t correlation;
    int16_t error;
    int64_t base_offset;
};

/* The answer to a produce_frame; correlation -1 where the connection was closed. */
__attribute__((unused)) static struct produced produce_answer(int fd) {
    uint8_t answer[2048];
    ssize_t size = client_receive(fd, answer, sizeof answer);
    if (size < 0) return (struct produced){.correlation = -1};
    struct kc_reader r;
    kc_reader_init(&r, kc_slice_make(answer, (size_t)size));
    struct produced out = {.correlation = kc_read_i32(&r)};
    EXPECT_EQ(kc_read_array_count(&r, 1), 1);
    kc_read_string(&r);
    EXPECT_EQ(kc_read_array_count(&r, 1), 1);
    kc_read_i32(&r);
    out.error = kc_read_i16(&r);
    out.base_offset = kc_read_i64(&r);
    EXPECT(kc_reader_ok(&r));
    return out;
}

__attribute__((unused)) static size_t fetch_frame(uint8_t *buffer, size_t capacity, int32_t correlation, int32_t wait_ms, int32_t min_bytes,
                                                  int32_t partition, int64_t offset, int32_t partition_max_bytes) {
    struct kc_writer w;
    frame_begin(&w, buffer, capacity, 1, 11, correlation);
    kc_write_i32(&w, -1);
    kc_write_i32(&w, wait_ms);
    kc_write_i32(&w, min_bytes);
    kc_write_i32(&w, 50 << 20);
    kc_write_i8(&w, 0);
    kc_write_i32(&w, 0);
    kc_write_i32(&w, -1);
    kc_write_array_count(&w, 1);
    kc_write_string(&w, kc_slice_make("t", 1));
    kc_write_array_count(&w, 1);
    kc_write_i32(&w, partition);
    kc_write_i32(&w, -1);
    kc_write_i64(&w, offset);
    kc_write_i64(&w, -1);
    kc_write_i32(&w, partition_max_bytes);
    kc_write_array_count(&w, 0);
    kc_write_string(&w, kc_slice_make("", 0));
    return frame_end(&w);
}

struct fetched {
    int32_t correlation;
    int16_t error;
    int64_t high_watermark;
    struct kc_slice records;      /* in the caller's buffer */
};

__attribute__((unused)) static struct fetched fetch_answer(int fd, uint8_t *buffer, size_t capacity) {
    ssize_t size = client_receive(fd, buffer, capacity);
    if (size < 0) return (struct fetched){.correlation = -1};
    struct kc_reader r;
    kc_reader_init(&r, kc_slice_make(buffer, (size_t)size));
    struct fetched out = {.correlation = kc_read_i32(&r)};
    kc_read_i32(&r);
    EXPECT_EQ(kc_read_i16(&r), 0);
    EXPECT_EQ(kc_read_i32(&r), 0);
    EXPECT_EQ(kc_read_array_count(&r, 1), 1);
    kc_read_string(&r);
    EXPECT_EQ(kc_read_array_count(&r, 1), 1);
    kc_read_i32(&r);
    out.error = kc_read_i16(&r);
    out.high_watermark = kc_read_i64(&r);
    kc_read_i64(&r);
    kc_read_i64(&r);
    EXPECT_EQ(kc_read_array_count(&r, 1), out.error == KC_ERROR_UNKNOWN_TOPIC_OR_PARTITION ? 0 : -1);     /* aborted transactions */
    EXPECT_EQ(kc_read_i32(&r), -1);
    out.records = kc_read_bytes(&r);
    EXPECT(kc_reader_ok(&r));
    EXPECT_EQ(kc_read_remaining(&r), 0);
    return out;
}

#endif

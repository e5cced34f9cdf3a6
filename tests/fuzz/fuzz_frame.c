/* Request frames: whatever a peer sends is answered, handed up or closed, and what is answered is a whole frame.
 *
 * Method: the data path over a log on the in-memory disk, between doubles of the connection and the reactor that stand here.  The
 * input is a row of frames, each with two bytes of size; the first two bytes of each frame are made an API key that is answered in
 * C, most of the time.  After each turn the output must be a row of frames whose sizes add up. */
#include "target.h"

#include "base/check.h"
#include "hot/hot.h"
#include "io/disk_fault.h"
#include "net/chunk.h"
#include "record/build.h"

struct kc_reactor {
    int unused;
};

struct kc_conn {
    void *user;
    struct kc_chain output;
    bool held, closed;
};

static struct kc_reactor the_reactor;
static int handed_up;

kc_conn_token kc_conn_token_of(const struct kc_conn *conn) { return (uintptr_t)conn; }
struct kc_reactor *kc_conn_reactor(const struct kc_conn *conn) { return (void)conn, &the_reactor; }
int32_t kc_conn_listener(const struct kc_conn *conn) { return (void)conn, 0; }
void *kc_conn_user(const struct kc_conn *conn) { return conn->user; }
void kc_conn_set_user(struct kc_conn *conn, void *user) { conn->user = user; }
const char *kc_conn_peer(const struct kc_conn *conn) { return (void)conn, "127.0.0.1:1"; }
const char *kc_conn_local(const struct kc_conn *conn) { return (void)conn, "[::1]:9092"; }
struct kc_chain *kc_conn_output(struct kc_conn *conn) { return &conn->output; }
void kc_conn_output_added(struct kc_conn *conn) { (void)conn; }
void kc_conn_resume(struct kc_conn *conn) { conn->held = false; }
void kc_conn_close(struct kc_conn *conn) { conn->closed = true; }
int64_t kc_reactor_now_us(const struct kc_reactor *reactor) { return (void)reactor, 0; }
void kc_reactor_timer_arm(struct kc_reactor *reactor, struct kc_timer *timer, int64_t deadline_us) {
    (void)reactor;
    timer->deadline_us = deadline_us;
}
void kc_reactor_timer_cancel(struct kc_reactor *reactor, struct kc_timer *timer) { (void)reactor, (void)timer; }
/* Messages wake fetches that wait; here everything happens on one thread, so they run at once. */
void kc_reactor_post(struct kc_reactor *reactor, struct kc_message *message) { message->run(message, reactor); }

static kc_status take_request(void *state, struct kc_conn *conn, const uint8_t *frame, size_t size) {
    (void)state, (void)conn, (void)frame, (void)size;
    handed_up++;
    return KC_OK;
}
static void note_close(void *state, struct kc_conn *conn, enum kc_close_reason reason, struct kc_slice detail) {
    (void)state, (void)conn, (void)reason, (void)detail;
}
static void note_accept(void *state, kc_status status) { (void)state, (void)status; }

static int64_t still_wall(void *state) { return (void)state, FUZZ_NOW_MS; }
static int64_t still_monotonic(void *state) { return (void)state, 1; }

/* Reads the output as a peer would: memory and file slices, frame by frame. */
static void check_output(struct kc_chain *chain) {
    static uint8_t bytes[1 << 20];
    size_t size = 0;
    KC_LIST_FOR_EACH(node, &chain->items) {
        struct kc_chain_item *item = KC_CONTAINER_OF(node, struct kc_chain_item, node);
        FUZZ_EXPECT(size + (size_t)item->size <= sizeof bytes);
        if (item->file) {
            size_t got = 0;
            FUZZ_EXPECT_OK(kc_file_read(item->file, bytes + size, (size_t)item->size, item->position, &got));
            FUZZ_EXPECT(got == (size_t)item->size);
        } else {
            memcpy(bytes + size, item->chunk->data + item->position, (size_t)item->size);
        }
        size += (size_t)item->size;
    }
    for (size_t at = 0; at < size;) {
        FUZZ_EXPECT(size - at >= 8);
        size_t frame = kc_load_u32(bytes + at);
        FUZZ_EXPECT(frame >= 4 && frame <= size - at - 4);
        at += 4 + frame;
    }
    kc_chain_clear(chain);
}

static struct kc_log *make_log(struct kc_file_cache *files, const struct kc_clock *clock) {
    struct kc_log_options options = {.files = files, .clock = *clock, .config = kc_log_config_default(), .clean = true, .log_start_offset = -1};
    struct kc_log_recovery recovery;
    struct kc_log *log;
    FUZZ_EXPECT_OK(kc_log_open("/t-0", &options, &recovery, &log));
    return log;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct kc_clock clock = {still_wall, still_monotonic, NULL};
    struct kc_disk_fault *disk;
    struct kc_file_cache *files;
    struct kc_chunk_pool *chunks;
    struct kc_topic_table *table;
    FUZZ_EXPECT_OK(kc_disk_fault_create(1, &disk));
    FUZZ_EXPECT_OK(kc_file_cache_create(kc_disk_fault_disk(disk), 8, &files));
    FUZZ_EXPECT_OK(kc_chunk_pool_create(&chunks));
    FUZZ_EXPECT_OK(kc_topic_table_create(1, &table));
    struct kc_log *log = make_log(files, &clock);
    struct kc_partition *partition;
    FUZZ_EXPECT_OK(kc_partition_create(0, log, 3, &partition));
    static const uint8_t id[16] = {1};
    struct kc_topic_config rules = {.timestamp_before_max_ms = INT64_MAX, .timestamp_after_max_ms = INT64_MAX, .flush_messages = INT64_MAX,
                                    .batch_size_max_bytes = 1 << 16, .min_insync_replicas = 1, .codec = KC_TOPIC_CODEC_PRODUCER};
    struct kc_topic *topic;
    FUZZ_EXPECT_OK(kc_topic_create(kc_slice_make("t", 1), id, &rules, &partition, 1, &topic));
    FUZZ_EXPECT_OK(kc_topic_table_publish(table, &topic, 1));
    struct kc_group_table *groups;
    FUZZ_EXPECT_OK(kc_group_table_create(1, &groups));
    struct kc_group_member member = {.id = kc_slice_make("m", 1)};
    FUZZ_EXPECT_OK(kc_group_table_open(groups, kc_slice_make("g", 1), 1, &member, 1));
    struct kc_hot_config config = {.node_id = 1, .fetch_size_max_bytes = 1 << 16, .groups = groups};
    struct kc_hand_up up = {.request = take_request, .closed = note_close, .accept_failed = note_accept};
    struct kc_hot *hot;
    FUZZ_EXPECT_OK(kc_hot_create(&config, table, &clock, &up, &hot));
    kc_hot_attach(hot, &the_reactor);
    struct kc_protocol protocol = kc_hot_protocol(hot);
    struct kc_conn conn = {0};
    kc_chain_init(&conn.output, chunks);
    protocol.opened(protocol.state, &conn);

    struct input in = {data, data + size};
    for (int turns = 0; input_left(&in) > 2 && turns < 16 && !conn.held && !conn.closed; turns++) {
        struct kc_slice bytes = input_bytes(&in, input_u16(&in) % 2048);
        uint8_t *frame = malloc(bytes.size + 1);          /* of its own, so that a read beyond it is seen */
        FUZZ_EXPECT(frame);
        memcpy(frame, bytes.data, bytes.size);
        uint8_t *exact = malloc(bytes.size ? bytes.size : 1);
        memcpy(exact, frame, bytes.size);
        free(frame);
        if (bytes.size >= 2 && exact[0] == 0 && exact[1] != KC_API_HEARTBEAT) exact[1] %= 4;
        enum kc_frame_verdict verdict = protocol.frame(protocol.state, &conn, exact, bytes.size);
        if (verdict == KC_FRAME_HOLD) conn.held = true;
        if (verdict == KC_FRAME_CLOSE) conn.closed = true;
        protocol.turn_end(protocol.state);
        free(exact);
        check_output(&conn.output);
    }
    protocol.closed(protocol.state, &conn, KC_CLOSE_PEER, (struct kc_slice){0});
    FUZZ_EXPECT(atomic_load(&partition->waiter_count) == 0);
    kc_chain_clear(&conn.output);

    /* What was accepted reads back as whole batches. */
    int64_t end = kc_log_end_offset(log);
    FUZZ_EXPECT_OK(kc_log_close(log));
    kc_log_release(log);
    kc_hot_destroy(hot);
    kc_topic_release(topic);
    kc_topic_table_destroy(table);
    kc_group_table_destroy(groups);
    kc_partition_release(partition);
    log = make_log(files, &clock);
    FUZZ_EXPECT(kc_log_end_offset(log) == end);
    FUZZ_EXPECT_OK(kc_log_close(log));
    kc_log_release(log);
    kc_chunk_pool_destroy(chunks);
    kc_file_cache_destroy(files);
    kc_disk_fault_destroy(disk);
    return 0;
}

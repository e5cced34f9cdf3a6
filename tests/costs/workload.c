/* One kind of request, COUNT times in lockstep, against a server of one reactor in this process: `workload NAME COUNT`.
 *
 * test_costs.py runs it twice with different counts under strace and callgrind; what the reactor's thread did more the second time, divided
 * by the difference of the counts, is what one request costs, without start, warm-up and stop.  Prints "allocations N": calls of malloc and its
 * kin while the requests ran, by whichever thread (this one makes none then).
 *
 * Nothing here may depend on time: one request is under way at a time, or a fixed number on one connection. */
#include <stdatomic.h>

#include "../csrc/server/harness.h"
#include "record/marker.h"

static atomic_long allocation_count;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size) {
    atomic_fetch_add(&allocation_count, 1);
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    atomic_fetch_add(&allocation_count, 1);
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    atomic_fetch_add(&allocation_count, 1);
    return __real_realloc(old, size);
}

enum { WARM_UP = 64, PIPELINE = 8 };

static uint8_t batch_bytes[1 << 20], frame[(1 << 20) + 4096], poll_frame[4096], answer[(2 << 20)];
static size_t frame_size, poll_frame_size;
static struct harness h;
static int first, second;

static void receive(int fd) { EXPECT(client_receive(fd, answer, sizeof answer) > 0); }

static void one_round_trip(void) {
    client_send(first, frame, frame_size);
    receive(first);
}

/* frame holds PIPELINE requests. */
static void one_pipeline(void) {
    client_send(first, frame, frame_size);
    for (int i = 0; i < PIPELINE; i++) receive(first);
}

/* A fetch waits at the end of the log, a produce on another connection wakes it.  The fetch asks for the offset that comes next. */
static void one_wake(void) {
    static int64_t offset;
    poll_frame_size = fetch_frame(poll_frame, sizeof poll_frame, 1, 60000, 1, 0, offset, 1 << 20);
    client_send(second, poll_frame, poll_frame_size);
    /* An answer on the same connection shows that the fetch before it has been read; here the produce's own does: the reactor takes what has
     * arrived on all connections, and the fetch was sent first. */
    client_send(first, frame, frame_size);
    receive(first);
    receive(second);
    offset++;
}

static struct kc_slice producer_batch(int64_t producer_id, int32_t sequence) {
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, 1, 1024);
    kc_store_i16(batch_bytes + KC_BATCH_ATTRIBUTES, KC_ATTRIBUTE_TRANSACTIONAL);
    kc_store_i64(batch_bytes + KC_BATCH_PRODUCER_ID, producer_id);
    kc_store_i16(batch_bytes + KC_BATCH_PRODUCER_EPOCH, 0);
    kc_store_i32(batch_bytes + KC_BATCH_BASE_SEQUENCE, sequence);
    kc_batch_seal(batch_bytes);
    return batch;
}

/* The transaction goes on for as long as the program.  Making the batch is this thread's work, as are its allocations, which are not counted. */
static void one_batch_of_a_transaction(void) {
    static int32_t sequence;
    long before = atomic_load(&allocation_count);
    if (sequence == 0) EXPECT_EQ(kc_log_expect_transaction(h.logs[0], 7, 0), KC_OK);
    frame_size = transactional_produce_frame(frame, sizeof frame, 1, 1, kc_slice_make("x", 1), "t", 0, producer_batch(7, sequence++));
    atomic_store(&allocation_count, before);
    client_send(first, frame, frame_size);
    receive(first);
    EXPECT_EQ(kc_log_end_offset(h.logs[0]), sequence);
}

static void abort_one_transaction(int64_t producer_id) {
    EXPECT_EQ(kc_log_expect_transaction(h.logs[0], producer_id, 0), KC_OK);
    struct kc_slice batch = producer_batch(producer_id, 0);
    frame_size = transactional_produce_frame(frame, sizeof frame, 1, 1, kc_slice_make("x", 1), "t", 0, batch);
    one_round_trip();
    struct kc_log_marker marker = {.producer_id = producer_id, .producer_epoch = 0, .transaction_version = 1};
    struct kc_append done;
    EXPECT_EQ(kc_log_append_marker(h.logs[0], &marker, &done), KC_MARKER_SIZE);
    EXPECT(kc_log_has_aborts_from(h.logs[0], 0));
}

/* Of each fetch_frame in the frame. */
static void make_committed(void) {
    enum { ISOLATION_AT = 4 + 2 + 2 + 4 + 2 + 4 + 4 + 4 + 4 + 4 };
    for (size_t at = 0; at < frame_size; at += 4 + kc_load_u32(frame + at)) frame[at + ISOLATION_AT] = 1;
}

static struct {
    const char *name;
    void (*run)(void);
    int per_run;                          /* requests */
    int records;
    size_t value_size;
    bool fetch;
    int aborts;                           /* transactions that were aborted behind what is fetched, and the fetch is read_committed */
} workloads[] = {
    {"produce_1k", one_round_trip, 1, 1, 1024, false, -1},
    {"produce_16k", one_round_trip, 1, 16, 1024, false, -1},
    {"produce_100b", one_round_trip, 1, 100, 100, false, -1},
    {"produce_1k_pipelined", one_pipeline, PIPELINE, 1, 1024, false, -1},
    {"fetch_1k", one_round_trip, 1, 1, 1024, true, -1},
    {"fetch_256k", one_round_trip, 1, 256, 1024, true, -1},
    {"fetch_1k_pipelined", one_pipeline, PIPELINE, 1, 1024, true, -1},
    {"wake", one_wake, 2, 1, 100, false, -1},
    {"produce_1k_in_transaction", one_batch_of_a_transaction, 1, 1, 1024, false, -1},
    {"fetch_1k_committed", one_round_trip, 1, 1, 1024, true, 0},
    {"fetch_1k_aborted", one_round_trip, 1, 1, 1024, true, 3},
};

int main(int argc, char **argv) {
    EXPECT(argc == 3);
    size_t which = 0;
    while (which < sizeof workloads / sizeof workloads[0] && strcmp(workloads[which].name, argv[1]) != 0) which++;
    EXPECT(which < sizeof workloads / sizeof workloads[0]);
    int rounds = atoi(argv[2]) / workloads[which].per_run;
    EXPECT(rounds > 0);

    harness_start(&h, 1, 1);
    first = harness_connect(&h);
    second = harness_connect(&h);
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, workloads[which].records, workloads[which].value_size);
    if (workloads[which].fetch) {
        frame_size = produce_frame(frame, sizeof frame, 1, 1, "t", 0, batch);
        one_round_trip();
        for (int i = 0; i < workloads[which].aborts; i++) abort_one_transaction(100 + i);
        frame_size = 0;
    }
    int repeats = workloads[which].run == one_pipeline ? PIPELINE : 1;
    for (int i = 0; i < repeats; i++)
        frame_size += workloads[which].fetch ? fetch_frame(frame + frame_size, sizeof frame - frame_size, i, 0, 1, 0, 0, 1 << 20)
                                             : produce_frame(frame + frame_size, sizeof frame - frame_size, i, 1, "t", 0, batch);
    if (workloads[which].aborts >= 0) make_committed();
    for (int i = 0; i < WARM_UP; i++) workloads[which].run();
    long before = atomic_load(&allocation_count);
    for (int i = 0; i < rounds; i++) workloads[which].run();
    printf("allocations %ld\n", atomic_load(&allocation_count) - before);
    close(first);
    close(second);
    harness_stop(&h);
    return 0;
}

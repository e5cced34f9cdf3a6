/* One kind of request, COUNT times in lockstep, against a server of one reactor in this process: `workload NAME COUNT`.
 *
 * test_costs.py runs it twice with different counts under strace and callgrind; what the reactor's thread did more the second time, divided
 * by the difference of the counts, is what one request costs, without start, warm-up and stop.  Prints "allocations N": calls of malloc and its
 * kin while the requests ran, by whichever thread (this one makes none then).
 *
 * Nothing here may depend on time: one request is under way at a time, or a fixed number on one connection. */
#include <stdatomic.h>

#include "../csrc/server/harness.h"

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

static struct {
    const char *name;
    void (*run)(void);
    int per_run;                          /* requests */
    int records;
    size_t value_size;
    bool fetch;
} workloads[] = {
    {"produce_1k", one_round_trip, 1, 1, 1024, false},
    {"produce_16k", one_round_trip, 1, 16, 1024, false},
    {"produce_1k_pipelined", one_pipeline, PIPELINE, 1, 1024, false},
    {"fetch_1k", one_round_trip, 1, 1, 1024, true},
    {"fetch_256k", one_round_trip, 1, 256, 1024, true},
    {"fetch_1k_pipelined", one_pipeline, PIPELINE, 1, 1024, true},
    {"wake", one_wake, 2, 1, 100, false},
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
        frame_size = 0;
    }
    int repeats = workloads[which].run == one_pipeline ? PIPELINE : 1;
    for (int i = 0; i < repeats; i++)
        frame_size += workloads[which].fetch ? fetch_frame(frame + frame_size, sizeof frame - frame_size, i, 0, 1, 0, 0, 1 << 20)
                                             : produce_frame(frame + frame_size, sizeof frame - frame_size, i, 1, "t", 0, batch);
    for (int i = 0; i < WARM_UP; i++) workloads[which].run();
    long before = atomic_load(&allocation_count);
    for (int i = 0; i < rounds; i++) workloads[which].run();
    printf("allocations %ld\n", atomic_load(&allocation_count) - before);
    close(first);
    close(second);
    harness_stop(&h);
    return 0;
}

/* One kind of request, COUNT times in lockstep, against a server of one reactor in this process: `workload NAME COUNT`.
 *
 * test_costs.py runs it twice with different counts under strace and callgrind; what the reactor's thread did more the second time, divided
 * by the difference of the counts, is what one request costs, without start, warm-up and stop.  Prints "allocations N": calls of malloc and its
 * kin while the requests ran, by whichever thread (this one makes none then).
 *
 * Nothing here may depend on time: one request is under way at a time, or a fixed number on one connection. */
#include <stdatomic.h>

#include "../csrc/server/harness.h"
#include "record/iterate.h"
#include "record/marker.h"
#include "record/validate.h"

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

static struct kc_slice transactional_batch(struct kc_slice batch, int64_t producer_id, int32_t sequence) {
    kc_store_i16(batch_bytes + KC_BATCH_ATTRIBUTES, KC_ATTRIBUTE_TRANSACTIONAL);
    kc_store_i64(batch_bytes + KC_BATCH_PRODUCER_ID, producer_id);
    kc_store_i16(batch_bytes + KC_BATCH_PRODUCER_EPOCH, 0);
    kc_store_i32(batch_bytes + KC_BATCH_BASE_SEQUENCE, sequence);
    kc_batch_seal(batch_bytes);
    return batch;
}

static struct kc_slice producer_batch(int64_t producer_id, int32_t sequence) {
    return transactional_batch(make_batch(batch_bytes, sizeof batch_bytes, 1, 1024), producer_id, sequence);
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

/* ---- a consumer that reads a log from its start to its end, again and again --------------------------------------------------------- */

enum {
    SWEEP_TRANSACTIONS = 800,
    SWEEP_RECORDS = 100,
    SWEEP_RECORD_SIZE = 100,
    SWEEP_PRODUCERS = 20,
    SWEEP_FETCH_SIZE = 256 << 10,          /* fits into a socket's buffer, so that the number of calls does not depend on who is faster */
};

static struct {
    int64_t offset, records;
    bool committed;
} consumer;

/* Transactions of a hundred records, every tenth of them aborted where `aborts`; plain batches where not `transactional`.  In two segments, so
 * that one of them is sealed. */
static void fill_for_sweep(bool transactional, bool aborts) {
    struct kc_log *log = h.logs[0];
    for (int i = 0; i < SWEEP_TRANSACTIONS; i++) {
        struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, SWEEP_RECORDS, SWEEP_RECORD_SIZE);
        if (!transactional) {
            frame_size = produce_frame(frame, sizeof frame, 1, 1, "t", 0, batch);
            one_round_trip();
        } else {
            int64_t producer_id = i % SWEEP_PRODUCERS;
            struct kc_log_marker marker = {.producer_id = producer_id, .transaction_version = 1, .commit = !(aborts && i / SWEEP_PRODUCERS % 10 == 9)};
            struct kc_append done;
            batch = transactional_batch(batch, producer_id, i / SWEEP_PRODUCERS * SWEEP_RECORDS);
            EXPECT_EQ(kc_log_expect_transaction(log, producer_id, 0), KC_OK);
            frame_size = transactional_produce_frame(frame, sizeof frame, 1, 1, kc_slice_make("x", 1), "t", 0, batch);
            one_round_trip();
            EXPECT_EQ(kc_log_append_marker(log, &marker, &done), KC_MARKER_SIZE);
        }
        if (i == SWEEP_TRANSACTIONS / 2) EXPECT_EQ(kc_log_roll(log), KC_OK);
    }
    EXPECT_EQ(kc_log_end_offset(log), SWEEP_TRANSACTIONS * (SWEEP_RECORDS + transactional));
    EXPECT_EQ(kc_log_last_stable_offset(log), kc_log_end_offset(log));
    EXPECT_EQ(kc_log_has_aborts_from(log, 0), aborts);
}

/* Of each producer the aborted transactions of one answer, one after the other: its first offsets, and which is next. */
struct aborted_of {
    int64_t first_offsets[16];
    int count, next;
};

/* What any consumer does: checks the batch and goes through its records, unless they are a marker or were aborted. */
static void consume(struct aborted_of *aborted, struct kc_slice bytes, struct kc_batch_header *header) {
    EXPECT_EQ(kc_batch_check_stored(bytes, header), KC_OK);
    if (header->attributes & KC_ATTRIBUTE_TRANSACTIONAL) {
        struct aborted_of *mine = &aborted[header->producer_id];
        bool open = mine->next < mine->count && mine->first_offsets[mine->next] <= header->base_offset;
        if (header->attributes & KC_ATTRIBUTE_CONTROL) {
            if (open) mine->next++;
            return;
        }
        if (open) return;
    }
    struct kc_record_iterator it;
    struct kc_record record;
    kc_record_iterator_init(&it, kc_slice_make(bytes.data + KC_BATCH_HEADER_SIZE, bytes.size - KC_BATCH_HEADER_SIZE), header->record_count);
    while (kc_record_next(&it, &record) == KC_OK) consumer.records += record.value.size == SWEEP_RECORD_SIZE;
}

/* Consumes an answer and goes on behind its last whole batch. */
static void consume_answer(struct kc_slice body) {
    static struct aborted_of aborted[SWEEP_PRODUCERS];
    memset(aborted, 0, sizeof aborted);
    struct kc_reader r;
    kc_reader_init(&r, body);
    kc_read_raw(&r, 4 + 4 + 2 + 4 + 4);                        /* correlation, throttle, error, session, one topic */
    kc_read_string(&r);
    kc_read_raw(&r, 4 + 4 + 2 + 8 + 8 + 8);                    /* one partition, its index, no error, its offsets */
    for (int32_t left = kc_read_array_count(&r, 16); left > 0; left--) {
        struct aborted_of *of = &aborted[kc_read_i64(&r)];
        of->first_offsets[of->count++] = kc_read_i64(&r);
    }
    kc_read_i32(&r);
    struct kc_slice records = kc_read_bytes(&r);
    EXPECT(kc_reader_ok(&r));
    int64_t before = consumer.offset;
    while (records.size >= KC_BATCH_HEADER_SIZE) {
        struct kc_batch_header header;
        kc_batch_header_load(records.data, &header);
        size_t size = (size_t)header.size_bytes;
        if (size > records.size) break;
        consume(aborted, kc_slice_make(records.data, size), &header);
        consumer.offset = kc_batch_last_offset(&header) + 1;
        records = kc_slice_make(records.data + size, records.size - size);
    }
    EXPECT(consumer.offset > before);
}

static void one_fetch_of_a_sweep(void) {
    frame_size = fetch_frame(frame, sizeof frame, 1, 0, 1, 0, consumer.offset, SWEEP_FETCH_SIZE);
    if (consumer.committed) make_committed();
    client_send(first, frame, frame_size);
    ssize_t size = client_receive(first, answer, sizeof answer);
    EXPECT(size > 0);
    consume_answer(kc_slice_make(answer, (size_t)size));
    if (consumer.offset == kc_log_end_offset(h.logs[0])) consumer.offset = 0;
}

/* Once through: a reader of committed data sees nine of ten transactions where the tenth was aborted. */
static void check_sweep(bool aborts) {
    consumer.records = 0;
    do one_fetch_of_a_sweep();
    while (consumer.offset != 0);
    EXPECT_EQ(consumer.records, SWEEP_TRANSACTIONS * SWEEP_RECORDS / 10 * (consumer.committed && aborts ? 9 : 10));
}

static struct workload {
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

/* What is fetched is in the log, and the frame holds the request. */
static void prepare(const struct workload *w) {
    struct kc_slice batch = make_batch(batch_bytes, sizeof batch_bytes, w->records, w->value_size);
    if (w->fetch) {
        frame_size = produce_frame(frame, sizeof frame, 1, 1, "t", 0, batch);
        one_round_trip();
        for (int i = 0; i < w->aborts; i++) abort_one_transaction(100 + i);
        frame_size = 0;
    }
    int repeats = w->run == one_pipeline ? PIPELINE : 1;
    for (int i = 0; i < repeats; i++)
        frame_size += w->fetch ? fetch_frame(frame + frame_size, sizeof frame - frame_size, i, 0, 1, 0, 0, 1 << 20)
                               : produce_frame(frame + frame_size, sizeof frame - frame_size, i, 1, "t", 0, batch);
    if (w->aborts >= 0) make_committed();
}

/* "sweep_<log>_<isolation>"; false: that is another workload's name. */
static bool prepare_sweep(const char *name) {
    static const char *const logs[] = {"plain", "transactions", "aborts"}, *const isolations[] = {"uncommitted", "committed"};
    for (int log = 0; log < 3; log++) {
        for (int committed = 0; committed < 2; committed++) {
            char known[64];
            snprintf(known, sizeof known, "sweep_%s_%s", logs[log], isolations[committed]);
            if (strcmp(known, name) != 0) continue;
            consumer.committed = committed;
            fill_for_sweep(log > 0, log == 2);
            check_sweep(log == 2);
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv) {
    EXPECT(argc == 3);
    harness_start(&h, 1, 1);
    first = harness_connect(&h);
    second = harness_connect(&h);
    struct workload w = {.run = one_fetch_of_a_sweep, .per_run = 1};
    if (!prepare_sweep(argv[1])) {
        size_t which = 0;
        while (which < sizeof workloads / sizeof workloads[0] && strcmp(workloads[which].name, argv[1]) != 0) which++;
        EXPECT(which < sizeof workloads / sizeof workloads[0]);
        w = workloads[which];
        prepare(&w);
    }
    int rounds = atoi(argv[2]) / w.per_run;
    EXPECT(rounds > 0);

    for (int i = 0; i < WARM_UP; i++) w.run();
    long before = atomic_load(&allocation_count);
    for (int i = 0; i < rounds; i++) w.run();
    printf("allocations %ld\n", atomic_load(&allocation_count) - before);
    close(first);
    close(second);
    harness_stop(&h);
    return 0;
}

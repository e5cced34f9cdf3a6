/* load.c: the client side of bench/compare: a load that costs little, so that the broker is what takes the time.
 *
 *     load produce PORT TOPIC [-c connections] [-f in flight] [-n records per batch] [-s record size] [-p partitions] [-t seconds] [-b bytes]
 *     load fetch   PORT TOPIC [-c connections] [-n records in the topic] [-v version] [-t seconds] [-b bytes]
 *     load wake    PORT TOPIC [-s record size] [-v version] [-t seconds]
 *
 * produce: one batch, built once with its CRC-32C, is sent again and again with acks=1, to one partition after the other: with
 * as many connections as partitions each has its own.  A round trip is a batch of one record with one request in flight
 * (-n 1 -f 1).  fetch: partition 0 is read from offset 0 to record n as often as there is time, each link for itself, CRCs
 * checked (client/fetch_load.h); of an empty topic this is a long poll.  wake: a consumer waits at the end of partition 0, and
 * a few milliseconds later a record is produced, again and again; what counts is from when the record's bytes were given to
 * the link until the consumer has it.
 *
 * A request's time runs from when its bytes were given to the link until its answer was read.
 *
 * Ends after so many seconds or payload bytes, whichever comes first, and prints one line of JSON.  Any error ends it with
 * status 1.  One thread. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/fetch_load.h"
#include "client/link.h"
#include "record/build.h"
#include "wire/reader.h"

enum {
    API_PRODUCE = 0,
    PRODUCE_VERSION = 7,
    IN_FLIGHT_MAX = 64,
    TIMEOUT_MS = 30 * 1000,
    FETCH_WAIT_MS = 500,                        /* the consumers' defaults */
    FETCH_SIZE_MAX = 50 * 1024 * 1024,
    PARTITION_SIZE_MAX = 1024 * 1024,
    SAMPLES_MAX = 4 * 1000 * 1000,
    WAKE_PAUSE_US = 3000,                       /* for the fetch to be waiting, and the broker asleep */
};

struct options {
    const char *topic;
    double seconds;
    long long bytes_max, records;
    int port, connections, in_flight, record_size, partitions, fetch_version;
};

/* How long requests took. */
struct times {
    uint32_t *us;
    int64_t count;
};

struct lane {
    struct kc_link link;
    int64_t sent_us[IN_FLIGHT_MAX];
    uint32_t head, tail;
};

struct produce {
    const struct options *options;
    struct kc_clock clock;
    struct lane *lanes;
    struct pollfd *polled;
    struct kc_slice batch;
    struct times times;
    int64_t sent, answered, last_us;
};

static _Noreturn void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static void *checked(void *memory) {
    if (!memory) die("no memory");
    return memory;
}

static void connect_or_die(const struct options *o, struct kc_link *link) {
    kc_status status = kc_link_connect(link, "127.0.0.1", o->port, TIMEOUT_MS);
    if (status != KC_OK) die("cannot connect to port %d: status %d", o->port, (int)status);
}

static void times_open(struct times *t) { *t = (struct times){.us = checked(malloc(SAMPLES_MAX * sizeof *t->us))}; }

static void times_add(void *state, int64_t took_us) {
    struct times *t = state;
    if (t->count < SAMPLES_MAX) t->us[t->count++] = (uint32_t)took_us;
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The line of JSON. */
static void report(struct times *t, int64_t bytes, int64_t records, int64_t requests, int64_t took_us) {
    printf("{\"bytes\": %lld, \"records\": %lld, \"requests\": %lld, \"seconds\": %.6f", (long long)bytes, (long long)records,
           (long long)requests, (double)took_us / 1e6);
    qsort(t->us, (size_t)t->count, sizeof *t->us, by_size);
    if (t->count) printf(", \"p50_us\": %u, \"p99_us\": %u", t->us[t->count / 2], t->us[t->count * 99 / 100]);
    printf("}\n");
    free(t->us);
}

/* ---- produce ------------------------------------------------------------------------------------------------------------ */

static struct kc_slice build_batch(const struct options *o, int64_t now_ms) {
    size_t size = (size_t)o->record_size, capacity = KC_BATCH_HEADER_SIZE + (size_t)o->records * (size + 32);
    uint8_t *buffer = checked(malloc(capacity)), *value = checked(malloc(size + 1));
    uint32_t random = 1;
    struct kc_batch_spec spec = kc_batch_spec_plain();
    struct kc_batch_builder builder;
    struct kc_slice batch;
    kc_batch_builder_init(&builder, buffer, capacity, &spec);
    kc_status status = KC_OK;
    for (long long i = 0; status == KC_OK && i < o->records; i++) {
        for (size_t at = 0; at < size; at++) value[at] = (uint8_t)('A' + ((random = random * 1664525u + 1013904223u) >> 24) % 26);
        status = kc_batch_builder_add(&builder, now_ms, kc_slice_make(NULL, 0), kc_slice_make(value, size), NULL, 0);
    }
    if (status != KC_OK || kc_batch_builder_finish(&builder, &batch) != KC_OK) die("a batch that cannot be");
    free(value);
    return batch;
}

static void send_batch(struct produce *p, struct lane *lane, int64_t now_us) {
    struct kc_slice topic = kc_slice_make(p->options->topic, strlen(p->options->topic));
    struct kc_writer w;
    if (kc_link_begin(&lane->link, topic.size + p->batch.size + 64, &w) != KC_OK) die("no memory");
    kc_write_i16(&w, API_PRODUCE);
    kc_write_i16(&w, PRODUCE_VERSION);
    kc_write_i32(&w, (int32_t)lane->head);
    kc_write_string(&w, kc_slice_make("load", 4));
    kc_write_string(&w, kc_slice_make(NULL, 0));
    kc_write_i16(&w, 1);
    kc_write_i32(&w, TIMEOUT_MS);
    kc_write_array_count(&w, 1);
    kc_write_string(&w, topic);
    kc_write_array_count(&w, 1);
    kc_write_i32(&w, (int32_t)((lane - p->lanes + (int64_t)lane->head * p->options->connections) % p->options->partitions));
    kc_write_bytes(&w, p->batch);
    kc_link_end(&lane->link, &w);
    lane->sent_us[lane->head++ % IN_FLIGHT_MAX] = now_us;
    p->sent++;
}

static void take_answers(struct produce *p, struct lane *lane) {
    kc_status status = kc_link_receive(&lane->link);
    if (status != KC_OK && status != KC_AGAIN) die("the connection is lost: status %d", (int)status);
    struct kc_slice frame;
    while ((status = kc_link_next(&lane->link, &frame)) == KC_OK) {
        struct kc_reader r;
        kc_reader_init(&r, frame);
        bool ours = lane->head != lane->tail && kc_read_i32(&r) == (int32_t)lane->tail;
        kc_read_array_count(&r, 2);
        kc_read_string(&r);
        kc_read_array_count(&r, 30);
        kc_read_i32(&r);
        int16_t error = kc_read_i16(&r);
        if (!ours || !kc_reader_ok(&r)) die("an answer that cannot be");
        if (error) die("refused with error %d", error);
        p->last_us = kc_clock_monotonic_us(&p->clock);
        times_add(&p->times, p->last_us - lane->sent_us[lane->tail++ % IN_FLIGHT_MAX]);
        p->answered++;
    }
    if (status != KC_AGAIN) die("a frame that cannot be");
}

static void turn(struct produce *p, bool more) {
    const struct options *o = p->options;
    for (int i = 0; i < o->connections; i++) {
        struct lane *lane = &p->lanes[i];
        /* A frame waits here only while the kernel takes no more: what lies in this process is nobody's latency. */
        while (more && !kc_link_has_output(&lane->link) && lane->head - lane->tail < (uint32_t)o->in_flight) {
            send_batch(p, lane, kc_clock_monotonic_us(&p->clock));
            kc_status status = kc_link_flush(&lane->link);
            if (status != KC_OK && status != KC_AGAIN) die("the connection is lost: status %d", (int)status);
        }
        if (kc_link_flush(&lane->link) == KC_CLOSED) die("the connection is lost");
        short out = kc_link_has_output(&lane->link) ? POLLOUT : 0;
        p->polled[i] = (struct pollfd){.fd = lane->link.fd, .events = (short)(POLLIN | out)};
    }
    int ready = poll(p->polled, (nfds_t)o->connections, TIMEOUT_MS);
    if (ready == 0) die("no answer in time");
    if (ready < 0 && errno != EINTR) die("poll: errno %d", errno);
    for (int i = 0; ready > 0 && i < o->connections; i++)
        if (p->polled[i].revents & (POLLIN | POLLHUP | POLLERR)) take_answers(p, &p->lanes[i]);
}

static void open_produce(struct produce *p, const struct options *o) {
    *p = (struct produce){.options = o, .clock = kc_clock_system()};
    p->lanes = checked(calloc((size_t)o->connections, sizeof *p->lanes));
    p->polled = checked(calloc((size_t)o->connections, sizeof *p->polled));
    times_open(&p->times);
    p->batch = build_batch(o, kc_clock_wall_ms(&p->clock));
    for (int i = 0; i < o->connections; i++) connect_or_die(o, &p->lanes[i].link);
    p->last_us = kc_clock_monotonic_us(&p->clock);
}

static void close_produce(struct produce *p) {
    for (int i = 0; i < p->options->connections; i++) kc_link_close(&p->lanes[i].link);
    free((void *)(uintptr_t)p->batch.data);
    free(p->polled);
    free(p->lanes);
}

static void produce(const struct options *o) {
    struct produce p;
    open_produce(&p, o);
    int64_t payload = (int64_t)o->records * o->record_size;
    int64_t begun_us = p.last_us, until_us = begun_us + (int64_t)(o->seconds * 1e6);
    while (kc_clock_monotonic_us(&p.clock) < until_us && p.sent * payload < o->bytes_max) turn(&p, true);
    while (p.answered < p.sent) turn(&p, false);
    if (p.answered == 0) die("nothing was produced");
    report(&p.times, p.answered * payload, p.answered * o->records, p.answered, p.last_us - begun_us);
    close_produce(&p);
}

/* ---- fetch -------------------------------------------------------------------------------------------------------------- */

static struct kc_fetch_load *open_fetch(const struct options *o, int64_t offset, struct times *times) {
    size_t count = (size_t)o->connections;
    struct kc_link *links = checked(calloc(count, sizeof *links));
    struct kc_fetch_place *places = checked(calloc(count, sizeof *places));
    for (int i = 0; i < o->connections; i++) {
        connect_or_die(o, &links[i]);
        places[i] = (struct kc_fetch_place){.topic = kc_slice_make(o->topic, strlen(o->topic)), .offset = offset, .link = i};
    }
    struct kc_fetch_load_config config = {
        .clock = kc_clock_system(), .client_id = kc_slice_make("load", 4), .links = links, .places = places,
        .record_count = o->records, .link_count = o->connections, .place_count = o->connections, .wait_ms = FETCH_WAIT_MS,
        .size_min_bytes = 1, .size_max_bytes = FETCH_SIZE_MAX, .partition_size_max_bytes = PARTITION_SIZE_MAX,
        .request_timeout_ms = TIMEOUT_MS, .version = (int16_t)o->fetch_version, .check_crcs = true, .answered = times_add,
        .answered_state = times,
    };
    struct kc_fetch_load *load;
    if (kc_fetch_load_open(&config, &load) != KC_OK) die("a load that cannot be");
    free(links);
    free(places);
    return load;
}

static void run_fetch(struct kc_fetch_load *load, int64_t until_us, kc_status *status) {
    int32_t place;
    *status = kc_fetch_load_run(load, until_us);
    if (*status != KC_OK && *status != KC_AGAIN)
        die("fetch failed: status %d, error %d", (int)*status, kc_fetch_load_refusal(load, &place));
}

static void fetch(const struct options *o) {
    struct kc_clock clock = kc_clock_system();
    struct kc_fetch_counters sum = {.last_records_us = -1};
    struct times times;
    times_open(&times);
    int64_t begun_us = kc_clock_monotonic_us(&clock), until_us = begun_us + (int64_t)(o->seconds * 1e6);
    kc_status status = KC_OK;
    while (status == KC_OK && sum.bytes < o->bytes_max) {
        struct kc_fetch_load *load = open_fetch(o, 0, &times);
        run_fetch(load, until_us, &status);
        const struct kc_fetch_counters *now = kc_fetch_load_counters(load);
        sum.records += now->records;
        sum.bytes += now->bytes;
        sum.requests += now->requests;
        kc_fetch_load_close(load);
    }
    report(&times, sum.bytes, sum.records, sum.requests, kc_clock_monotonic_us(&clock) - begun_us);
}

/* ---- wake --------------------------------------------------------------------------------------------------------------- */

/* The topic is empty at first, and one record is read for each that is produced. */
static void wake(const struct options *o) {
    struct options all = *o;
    struct times fetched, woken;
    struct produce p;
    kc_status status;
    all.records = INT64_MAX;
    times_open(&fetched);
    times_open(&woken);
    open_produce(&p, o);
    struct kc_fetch_load *load = open_fetch(&all, 0, &fetched);
    int64_t begun_us = p.last_us, until_us = begun_us + (int64_t)(o->seconds * 1e6), now_us;
    while ((now_us = kc_clock_monotonic_us(&p.clock)) < until_us) {
        run_fetch(load, now_us + WAKE_PAUSE_US, &status);
        int64_t before = fetched.count;
        now_us = kc_clock_monotonic_us(&p.clock);
        send_batch(&p, p.lanes, now_us);
        if (kc_link_flush(&p.lanes->link) != KC_OK) die("the connection is lost");
        /* One turn at a time: an answer that came before the deadline would have it wait for the next, a millisecond. */
        while (fetched.count == before) run_fetch(load, kc_clock_monotonic_us(&p.clock) + 1, &status);
        times_add(&woken, kc_clock_monotonic_us(&p.clock) - now_us);
        while (p.answered < p.sent) turn(&p, false);
    }
    report(&woken, p.answered * o->record_size, p.answered, 2 * p.answered, p.last_us - begun_us);
    free(fetched.us);
    free(p.times.us);
    kc_fetch_load_close(load);
    close_produce(&p);
}

/* A thousand connections are more descriptors than a shell allows by itself. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int count, char **arguments) {
    struct options o = {.seconds = 1, .bytes_max = INT64_MAX, .records = 1, .connections = 1, .in_flight = 1, .record_size = 1024,
                        .partitions = 1};
    if (count < 4) die("usage: load produce|fetch|wake PORT TOPIC [-c n] [-f n] [-n n] [-s bytes] [-p n] [-v n] [-t seconds] [-b bytes]");
    o.port = atoi(arguments[2]);
    o.topic = arguments[3];
    optind = 4;
    for (int option; (option = getopt(count, arguments, "c:f:n:s:p:v:t:b:")) != -1;) {
        switch (option) {
        case 'c': o.connections = atoi(optarg); break;
        case 'f': o.in_flight = atoi(optarg); break;
        case 'n': o.records = atoll(optarg); break;
        case 's': o.record_size = atoi(optarg); break;
        case 'p': o.partitions = atoi(optarg); break;
        case 'v': o.fetch_version = atoi(optarg); break;
        case 't': o.seconds = atof(optarg); break;
        case 'b': o.bytes_max = atoll(optarg); break;
        default: return 1;
        }
    }
    if (o.connections < 1 || o.in_flight < 1 || o.in_flight > IN_FLIGHT_MAX || o.records < 1 || o.record_size < 0 || o.partitions < 1)
        die("a setting that cannot be");
    raise_descriptor_limit();
    if (strcmp(arguments[1], "produce") == 0) produce(&o);
    else if (strcmp(arguments[1], "fetch") == 0) fetch(&o);
    else if (strcmp(arguments[1], "wake") == 0) wake(&o);
    else die("no such mode: %s", arguments[1]);
    return 0;
}

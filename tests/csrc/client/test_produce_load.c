/* Every record of a load arrives once, in order, in batches that a broker accepts; refusals are counted or sent again. */
#include "broker.h"
#include "client/produce_load.h"

struct seen {
    int64_t records, batches, payload_bytes;
    int32_t next_sequence;
    bool transactional;
};

static struct kc_slice text(const char *s) { return kc_slice_make(s, strlen(s)); }

static struct kc_produce_load_config plain(struct kc_link *link, const struct kc_load_partition *partition) {
    struct kc_produce_load_config c = {
        .clock = kc_clock_system(), .topic = text("t"), .client_id = text("c"), .links = link, .partitions = partition,
        .record_count = 1000, .producer_id = -1, .seed = 1, .batch_size_bytes = 2000, .buffer_size_bytes = 20000,
        .payload_size = 100, .payload = KC_PAYLOAD_RANDOM, .link_count = 1, .partition_count = 1, .in_flight_max = 5,
        .request_timeout_ms = 5000, .acks = -1, .producer_epoch = -1,
    };
    return c;
}

/* Reads one produce request; returns its correlation id. */
static int32_t take(struct kc_slice request, struct seen *seen, bool check_sequence) {
    struct kc_reader r;
    kc_reader_init(&r, request);
    EXPECT_EQ(kc_read_i16(&r), 0);
    EXPECT_EQ(kc_read_i16(&r), 7);
    int32_t id = kc_read_i32(&r);
    EXPECT_EQ(kc_read_string(&r).size, 1);
    seen->transactional = kc_read_nullable_string(&r).data != NULL;
    kc_read_i16(&r);
    kc_read_i32(&r);
    EXPECT_EQ(kc_read_array_count(&r, 1), 1);
    EXPECT_EQ(kc_read_string(&r).size, 1);
    EXPECT_EQ(kc_read_array_count(&r, 1), 1);
    EXPECT_EQ(kc_read_i32(&r), 3);
    struct kc_slice batch = kc_read_bytes(&r);
    EXPECT_EQ(kc_reader_ok(&r), 1);
    EXPECT_EQ(kc_read_remaining(&r), 0);
    struct kc_batch_header h;
    EXPECT_EQ(kc_batch_check_stored(batch, &h), KC_OK);
    EXPECT_EQ(!!(h.attributes & KC_ATTRIBUTE_TRANSACTIONAL), seen->transactional);
    if (check_sequence) {
        EXPECT_EQ(h.base_sequence, seen->next_sequence);
        seen->next_sequence += h.record_count;
    }
    seen->batches++;
    seen->records += h.record_count;
    if (kc_batch_codec(h.attributes) != KC_CODEC_NONE) return id;
    struct kc_record_iterator it;
    struct kc_record record;
    kc_record_iterator_init(&it, kc_slice_make(batch.data + 61, batch.size - 61), h.record_count);
    while (kc_record_next(&it, &record) == KC_OK) seen->payload_bytes += (int64_t)record.value.size;
    return id;
}

static void answer(struct broker *b, int32_t id, int16_t error) {
    struct kc_writer w;
    kc_writer_init(&w, b->out, sizeof b->out);
    kc_write_i32(&w, 0);
    kc_write_i32(&w, id);
    kc_write_array_count(&w, 1);
    kc_write_string(&w, text("t"));
    kc_write_array_count(&w, 1);
    kc_write_i32(&w, 3);
    kc_write_i16(&w, error);
    kc_write_i64(&w, 0);
    kc_write_i64(&w, -1);
    kc_write_i64(&w, 0);
    kc_write_i32(&w, 0);
    broker_answer(b, &w);
}

static kc_status serve(struct kc_produce_load *load, struct broker *b, struct seen *seen, bool sequences) {
    kc_status status;
    struct kc_slice request;
    while ((status = kc_produce_load_run(load, soon(1000), false)) == KC_AGAIN)
        while (broker_request(b, &request)) {
            int32_t id = take(request, seen, sequences);
            broker_done(b, request);
            answer(b, id, 0);
        }
    return status;
}

static struct kc_produce_load *start(struct broker *b, struct kc_produce_load_config *c, struct kc_link *link) {
    struct kc_produce_load *load;
    broker_open(b);
    EXPECT_EQ(kc_link_connect(link, "127.0.0.1", b->port, 1000), KC_OK);
    broker_accept(b);
    EXPECT_EQ(kc_produce_load_open(c, &load), KC_OK);
    return load;
}

static const struct kc_load_partition partition_three = {3, 0};

TEST(all_records_arrive_with_their_sequences) {
    struct broker *b = malloc(sizeof *b);
    struct kc_link link;
    struct seen seen = {0};
    struct kc_produce_load_config c = plain(&link, &partition_three);
    c.producer_id = 9;
    c.producer_epoch = 2;
    c.warmup_count = 400;
    c.transactional_id = text("tx");
    struct kc_produce_load *load = start(b, &c, &link);
    EXPECT_EQ(serve(load, b, &seen, true), KC_OK);
    EXPECT_EQ(seen.records, 1000);
    EXPECT_EQ(seen.payload_bytes, 100000);
    EXPECT_EQ(seen.transactional, 1);
    EXPECT_EQ(seen.batches > 50, 1);
    EXPECT_EQ(kc_produce_load_total(load)->count, 1000);
    EXPECT_EQ(kc_produce_load_total(load)->bytes, 100000);
    EXPECT_EQ(kc_produce_load_steady(load)->count, 600);
    EXPECT_EQ(kc_produce_load_window(load)->count, 1000);
    EXPECT_EQ(kc_produce_load_made(load), 1000);
    kc_produce_load_close(load);
    broker_close(b);
    free(b);
}

TEST(payloads_are_chosen_or_counted) {
    struct kc_slice payloads[] = {text("a"), text("bbbbbbbbbb"), text("")};
    for (int kind = 0; kind < 2; kind++) {
        struct broker *b = malloc(sizeof *b);
        struct kc_link link;
        struct seen seen = {0};
        struct kc_produce_load_config c = plain(&link, &partition_three);
        c.payload = kind ? KC_PAYLOAD_COUNTER : KC_PAYLOAD_CHOSEN;
        c.payloads = payloads;
        c.payload_count = 3;
        struct kc_produce_load *load = start(b, &c, &link);
        EXPECT_EQ(serve(load, b, &seen, false), KC_OK);
        EXPECT_EQ(seen.records, 1000);
        if (kind) EXPECT_EQ(seen.payload_bytes, 10 + 180 + 2700);
        else EXPECT_EQ(seen.payload_bytes > 1000 && seen.payload_bytes < 9000, 1);
        kc_produce_load_close(load);
        broker_close(b);
        free(b);
    }
}

TEST(a_record_larger_than_a_batch_has_one_of_its_own) {
    struct broker *b = malloc(sizeof *b);
    struct kc_link link;
    struct seen seen = {0};
    struct kc_produce_load_config c = plain(&link, &partition_three);
    c.record_count = 7;
    c.payload_size = 30000;
    struct kc_produce_load *load = start(b, &c, &link);
    EXPECT_EQ(serve(load, b, &seen, false), KC_OK);
    EXPECT_EQ(seen.batches, 7);
    EXPECT_EQ(seen.payload_bytes, 210000);
    kc_produce_load_close(load);
    broker_close(b);
    free(b);
}

TEST(a_refusal_that_passes_is_sent_again_in_order_and_one_that_does_not_is_counted) {
    struct broker *b = malloc(sizeof *b);
    struct kc_link link;
    struct seen seen = {0};
    struct kc_produce_load_config c = plain(&link, &partition_three);
    c.record_count = 200;
    c.producer_id = 1;
    c.producer_epoch = 0;
    struct kc_produce_load *load = start(b, &c, &link);
    struct kc_slice request;
    kc_status status;
    int refused = 0, answered = 0;
    while ((status = kc_produce_load_run(load, soon(1000), false)) == KC_AGAIN)
        while (broker_request(b, &request)) {
            /* The second batch is refused once; those that were sent behind it are out of order. */
            struct seen peek = {0};
            int32_t id = take(request, &peek, false);
            struct kc_batch_header h;
            const uint8_t *batch = request.data + 2 + 2 + 4 + 3 + 2 + 2 + 4 + 4 + 3 + 4 + 4 + 4;
            kc_batch_header_load(batch, &h);
            broker_done(b, request);
            if (answered == 1 && refused == 0) {
                answer(b, id, 19);
                refused++;
            } else if (h.base_sequence != seen.next_sequence) {
                answer(b, id, 45);
                refused++;
            } else {
                seen.next_sequence += h.record_count;
                bool last = seen.next_sequence == 200;
                answer(b, id, last ? 10 : 0);
                answered++;
            }
        }
    EXPECT_EQ(status, KC_OK);
    EXPECT_EQ(seen.next_sequence, 200);
    EXPECT_EQ(refused > 0, 1);
    int16_t error;
    int64_t failed = kc_produce_load_failed(load, &error);
    EXPECT_EQ(error, 10);
    EXPECT_EQ(failed > 0 && failed < 30, 1);
    EXPECT_EQ(kc_produce_load_total(load)->count + failed, 200);
    kc_produce_load_close(load);
    broker_close(b);
    free(b);
}

static kc_status halve(void *state, int codec, struct kc_slice in, struct kc_slice *out) {
    EXPECT_EQ(codec, KC_CODEC_ZSTD);
    (*(int *)state)++;
    *out = kc_slice_make(in.data, in.size / 2);
    return KC_OK;
}

TEST(a_codec_is_asked_once_for_a_batch) {
    struct broker *b = malloc(sizeof *b);
    struct kc_link link;
    struct seen seen = {0};
    int asked = 0;
    struct kc_produce_load_config c = plain(&link, &partition_three);
    c.codec = KC_CODEC_ZSTD;
    c.compress = (struct kc_codec_loan){halve, &asked};
    struct kc_produce_load *load = start(b, &c, &link);
    EXPECT_EQ(serve(load, b, &seen, false), KC_OK);
    EXPECT_EQ(seen.records, 1000);
    EXPECT_EQ(seen.batches, asked);
    kc_produce_load_close(load);
    broker_close(b);
    free(b);
}

TEST(a_rate_is_kept_and_a_drain_makes_nothing_new) {
    struct broker *b = malloc(sizeof *b);
    struct kc_link link;
    struct seen seen = {0};
    struct kc_produce_load_config c = plain(&link, &partition_three);
    c.records_per_second = 2000;
    c.record_count = 200;
    struct kc_produce_load *load = start(b, &c, &link);
    int64_t begun = soon(0);
    EXPECT_EQ(kc_produce_load_run(load, soon(10000), false), KC_AGAIN);
    int64_t made = kc_produce_load_made(load);
    EXPECT_EQ(made < 150, 1);
    struct kc_slice request;
    kc_status status;
    while ((status = kc_produce_load_run(load, soon(1000), true)) == KC_AGAIN)
        while (broker_request(b, &request)) {
            int32_t id = take(request, &seen, false);
            broker_done(b, request);
            answer(b, id, 0);
        }
    EXPECT_EQ(status, KC_OK);
    EXPECT_EQ(kc_produce_load_made(load), made);
    EXPECT_EQ(seen.records, made);
    EXPECT_EQ(serve(load, b, &seen, false), KC_OK);
    EXPECT_EQ(seen.records, 200);
    EXPECT_EQ(soon(0) - begun >= 95000, 1);
    kc_produce_load_close(load);
    broker_close(b);
    free(b);
}

TEST(a_peer_that_reads_nothing_stops_the_load_even_without_acknowledgements) {
    struct broker *b = malloc(sizeof *b);
    struct kc_link link;
    struct kc_produce_load_config c = plain(&link, &partition_three);
    c.record_count = 100000000;
    c.acks = 0;
    struct kc_produce_load *load = start(b, &c, &link);
    int64_t made = -1;
    for (int turn = 0; turn < 1000 && made != kc_produce_load_made(load); turn++) {
        made = kc_produce_load_made(load);
        EXPECT_EQ(kc_produce_load_run(load, soon(20000), false), KC_AGAIN);
    }
    EXPECT_EQ(kc_produce_load_made(load), made);
    EXPECT_EQ(made > 0 && made < 10000000, 1);
    kc_produce_load_close(load);
    broker_close(b);
    free(b);
}

TEST(a_peer_that_goes_or_answers_nonsense_ends_the_load) {
    for (int way = 0; way < 2; way++) {
        struct broker *b = malloc(sizeof *b);
        struct kc_link link;
        struct seen seen = {0};
        struct kc_produce_load_config c = plain(&link, &partition_three);
        struct kc_produce_load *load = start(b, &c, &link);
        struct kc_slice request;
        EXPECT_EQ(kc_produce_load_run(load, soon(20000), false), KC_AGAIN);
        EXPECT_EQ(broker_request(b, &request), 1);
        int32_t id = take(request, &seen, false);
        broker_done(b, request);
        if (way == 0) answer(b, id + 1, 0);
        else {
            close(b->fd);
            b->fd = -1;
        }
        EXPECT_EQ(kc_produce_load_run(load, soon(1000000), false), way == 0 ? KC_CORRUPT : KC_CLOSED);
        kc_produce_load_close(load);
        broker_close(b);
        free(b);
    }
}

TEST(settings_that_cannot_be_are_refused) {
    struct kc_link link = {.fd = -1};
    struct kc_produce_load *load;
    struct kc_produce_load_config c = plain(&link, &partition_three);
    c.in_flight_max = 0;
    EXPECT_EQ(kc_produce_load_open(&c, &load), KC_INVALID);
    c = plain(&link, &partition_three);
    c.payload = KC_PAYLOAD_CHOSEN;
    EXPECT_EQ(kc_produce_load_open(&c, &load), KC_INVALID);
    c = plain(&link, &partition_three);
    c.codec = KC_CODEC_GZIP;
    EXPECT_EQ(kc_produce_load_open(&c, &load), KC_INVALID);
}

RUN_ALL()

/* Records are counted once, from the wanted offset on; markers, aborted transactions and refusals are seen. */
#include "broker.h"
#include "client/fetch_load.h"

static struct kc_slice text(const char *s) { return kc_slice_make(s, strlen(s)); }

/* A batch of records of 10 bytes each. */
static size_t make_batch(uint8_t *out, size_t capacity, int64_t base, int32_t count, int16_t attributes, int64_t producer_id) {
    struct kc_batch_spec spec = kc_batch_spec_plain();
    struct kc_batch_builder b;
    struct kc_slice batch;
    spec.base_offset = base;
    spec.attributes = attributes;
    spec.producer_id = producer_id;
    kc_batch_builder_init(&b, out, capacity, &spec);
    for (int32_t i = 0; i < count; i++)
        EXPECT_EQ(kc_batch_builder_add(&b, 1000, text("key"), text("7 bytes"), NULL, 0), KC_OK);
    EXPECT_EQ(kc_batch_builder_finish(&b, &batch), KC_OK);
    return batch.size;
}

static int16_t version = 11;

struct answer {
    int64_t wanted;                 /* the offset that was asked for */
    int16_t error;
    int64_t aborted_producer;       /* -1: none */
    const uint8_t *records;
    size_t size;
};

static void serve_one(struct broker *b, struct answer *a) {
    struct kc_slice request;
    EXPECT_EQ(broker_request(b, &request), 1);
    struct kc_reader r;
    kc_reader_init(&r, request);
    EXPECT_EQ(kc_read_i16(&r), 1);
    EXPECT_EQ(kc_read_i16(&r), version);
    int32_t id = kc_read_i32(&r);
    kc_read_string(&r);
    kc_read_raw(&r, 4 * 4 + 1);
    if (version == 11) kc_read_raw(&r, 8);
    EXPECT_EQ(kc_read_array_count(&r, 1), 1);
    kc_read_string(&r);
    EXPECT_EQ(kc_read_array_count(&r, 1), 1);
    EXPECT_EQ(kc_read_i32(&r), 3);
    if (version == 11) kc_read_i32(&r);
    a->wanted = kc_read_i64(&r);
    kc_read_raw(&r, version == 11 ? 12 : 4);
    if (version == 11) {
        EXPECT_EQ(kc_read_array_count(&r, 1), 0);
        kc_read_string(&r);
    }
    EXPECT_EQ(kc_reader_ok(&r), 1);
    EXPECT_EQ(kc_read_remaining(&r), 0);
    broker_done(b, request);
    struct kc_writer w;
    kc_writer_init(&w, b->out, sizeof b->out);
    kc_write_i32(&w, 0);
    kc_write_i32(&w, id);
    kc_write_i32(&w, 0);
    if (version == 11) {
        kc_write_i16(&w, 0);
        kc_write_i32(&w, 0);
    }
    kc_write_array_count(&w, 1);
    kc_write_string(&w, text("t"));
    kc_write_array_count(&w, 1);
    kc_write_i32(&w, 3);
    kc_write_i16(&w, a->error);
    kc_write_i64(&w, 100);
    kc_write_i64(&w, 100);
    if (version == 11) kc_write_i64(&w, 0);
    kc_write_array_count(&w, a->aborted_producer < 0 ? -1 : 1);
    if (a->aborted_producer >= 0) {
        kc_write_i64(&w, a->aborted_producer);
        kc_write_i64(&w, 0);
    }
    if (version == 11) kc_write_i32(&w, -1);
    kc_write_bytes(&w, kc_slice_make(a->records, a->size));
    broker_answer(b, &w);
}

static int64_t answers, took_us_max;

static void answered(void *state, int64_t took_us) {
    EXPECT(state == &answers);
    EXPECT(took_us >= 0);
    if (took_us > took_us_max) took_us_max = took_us;
    answers++;
}

static struct kc_fetch_load *start(struct broker *b, int64_t record_count, int64_t offset, bool read_committed) {
    struct kc_link link;
    struct kc_fetch_load *load;
    broker_open(b);
    EXPECT_EQ(kc_link_connect(&link, "127.0.0.1", b->port, 1000), KC_OK);
    broker_accept(b);
    struct kc_fetch_place place = {text("t"), offset, 3, 0};
    struct kc_fetch_load_config c = {
        .clock = kc_clock_system(), .client_id = text("c"), .links = &link, .places = &place, .record_count = record_count,
        .link_count = 1, .place_count = 1, .wait_ms = 10, .size_min_bytes = 1, .size_max_bytes = 1 << 20,
        .partition_size_max_bytes = 1 << 20, .request_timeout_ms = 5000, .version = version, .check_crcs = true,
        .read_committed = read_committed, .answered = answered, .answered_state = &answers,
    };
    EXPECT_EQ(kc_fetch_load_open(&c, &load), KC_OK);
    EXPECT_EQ(kc_fetch_load_run(load, soon(1000)), KC_AGAIN);
    return load;
}

static void stop(struct kc_fetch_load *load, struct broker *b) {
    kc_fetch_load_close(load);
    broker_close(b);
    free(b);
}

TEST(records_are_counted_from_the_wanted_offset_to_the_wanted_number) {
    struct broker *b = malloc(sizeof *b);
    uint8_t bytes[4096];
    size_t size = make_batch(bytes, sizeof bytes, 0, 10, 0, -1);
    size += make_batch(bytes + size, sizeof bytes - size, 10, 10, 0, -1);
    struct kc_fetch_load *load = start(b, 12, 4, false);
    /* The second batch is cut at first. */
    struct answer a = {.aborted_producer = -1, .records = bytes, .size = size - 5};
    serve_one(b, &a);
    EXPECT_EQ(a.wanted, 4);
    EXPECT_EQ(kc_fetch_load_run(load, soon(20000)), KC_AGAIN);
    EXPECT_EQ(kc_fetch_load_counters(load)->records, 6);
    a.size = size;
    serve_one(b, &a);
    EXPECT_EQ(a.wanted, 10);
    EXPECT_EQ(kc_fetch_load_run(load, soon(1000000)), KC_OK);
    EXPECT_EQ(kc_fetch_load_counters(load)->records, 12);
    EXPECT_EQ(kc_fetch_load_counters(load)->bytes, 120);
    EXPECT_EQ(kc_fetch_load_counters(load)->requests, 2);
    EXPECT_EQ(kc_fetch_load_offset(load, 0), 16);
    stop(load, b);
}

TEST(a_broker_of_the_oldest_form_is_read_as_well) {
    version = 4;
    struct broker *b = malloc(sizeof *b);
    uint8_t bytes[4096];
    size_t size = make_batch(bytes, sizeof bytes, 0, 10, 0, -1);
    struct kc_fetch_load *load = start(b, 10, 4, false);
    struct answer a = {.aborted_producer = -1, .records = bytes, .size = size};
    answers = 0;
    serve_one(b, &a);
    EXPECT_EQ(a.wanted, 4);
    EXPECT_EQ(kc_fetch_load_run(load, soon(20000)), KC_AGAIN);
    EXPECT_EQ(kc_fetch_load_counters(load)->records, 6);
    EXPECT_EQ(kc_fetch_load_offset(load, 0), 10);
    EXPECT_EQ(answers, 1);
    stop(load, b);
    version = 11;
}

TEST(markers_and_aborted_transactions_are_left_out) {
    for (int committed = 0; committed < 2; committed++) {
        struct broker *b = malloc(sizeof *b);
        uint8_t bytes[4096];
        size_t size = make_batch(bytes, sizeof bytes, 0, 5, KC_ATTRIBUTE_TRANSACTIONAL, 7);
        size += make_batch(bytes + size, sizeof bytes - size, 5, 3, KC_ATTRIBUTE_TRANSACTIONAL, 8);
        size += make_batch(bytes + size, sizeof bytes - size, 8, 1, KC_ATTRIBUTE_TRANSACTIONAL | KC_ATTRIBUTE_CONTROL, 7);
        size += make_batch(bytes + size, sizeof bytes - size, 9, 2, KC_ATTRIBUTE_TRANSACTIONAL, 7);
        struct kc_fetch_load *load = start(b, 100, 0, committed);
        struct answer a = {.aborted_producer = 7, .records = bytes, .size = size};
        serve_one(b, &a);
        EXPECT_EQ(kc_fetch_load_run(load, soon(20000)), KC_AGAIN);
        EXPECT_EQ(kc_fetch_load_counters(load)->records, committed ? 5 : 10);
        EXPECT_EQ(kc_fetch_load_offset(load, 0), 11);
        stop(load, b);
    }
}

TEST(a_refusal_is_told_and_reading_goes_on_from_elsewhere) {
    struct broker *b = malloc(sizeof *b);
    uint8_t bytes[4096];
    size_t size = make_batch(bytes, sizeof bytes, 20, 4, 0, -1);
    struct kc_fetch_load *load = start(b, 4, 5, false);
    struct answer a = {.aborted_producer = -1, .error = 1};
    serve_one(b, &a);
    EXPECT_EQ(kc_fetch_load_run(load, soon(1000000)), KC_INVALID);
    int32_t place;
    EXPECT_EQ(kc_fetch_load_refusal(load, &place), 1);
    EXPECT_EQ(place, 0);
    kc_fetch_load_seek(load, 0, 20);
    EXPECT_EQ(kc_fetch_load_run(load, soon(1000)), KC_AGAIN);
    a = (struct answer){.aborted_producer = -1, .records = bytes, .size = size};
    serve_one(b, &a);
    EXPECT_EQ(a.wanted, 20);
    EXPECT_EQ(kc_fetch_load_run(load, soon(1000000)), KC_OK);
    stop(load, b);
}

TEST(a_batch_with_a_wrong_checksum_ends_the_load) {
    struct broker *b = malloc(sizeof *b);
    uint8_t bytes[4096];
    size_t size = make_batch(bytes, sizeof bytes, 0, 4, 0, -1);
    bytes[size - 1] ^= 1;
    struct kc_fetch_load *load = start(b, 4, 0, false);
    struct answer a = {.aborted_producer = -1, .records = bytes, .size = size};
    serve_one(b, &a);
    EXPECT_EQ(kc_fetch_load_run(load, soon(1000000)), KC_CORRUPT);
    stop(load, b);
}

RUN_ALL()

#include "client/produce_load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "record/build.h"
#include "wire/reader.h"

enum {
    API_PRODUCE = 0,
    PRODUCE_VERSION = 7,
    RECORD_OVERHEAD = 32,           /* lengths, deltas and attributes of a record without key and headers, at most */
    TURN_RECORDS_MAX = 1024,        /* made before the sockets are looked at again */
    RETRY_BACKOFF_US = 100 * 1000,
    COUNTER_SIZE_MAX = 24,
};

/* One batch, from its first record to its answer. */
struct parcel {
    struct parcel *next;
    uint8_t *buffer;
    uint32_t *made_after_us;        /* of each record, since begun_us */
    struct kc_slice batch;          /* once it is sealed */
    uint8_t *compressed;            /* its own memory, where it was compressed */
    struct kc_batch_builder builder;
    int64_t begun_us;
    int64_t number;                 /* of all parcels, in order */
    int64_t first_record;           /* of all records, in order */
    int64_t payload_bytes;
    int32_t partition, attempts;
};

struct queue {
    struct parcel *first, **end;
};

struct lane {                       /* one link and what is on its way through it */
    struct kc_link link;
    struct queue ready;
    struct parcel *in_flight[KC_LOAD_IN_FLIGHT_MAX];
    int64_t sent_us[KC_LOAD_IN_FLIGHT_MAX];
    uint32_t head, tail;            /* of in_flight, counted on */
    int32_t correlation_id;
    int64_t quiet_until_us;         /* a batch was refused: wait, and send no other before it */
    bool settling;
};

struct kc_produce_load {
    struct kc_produce_load_config config;
    struct lane *lanes;
    struct kc_load_partition *partitions;
    int32_t *sequences;
    struct kc_slice *payloads;
    uint8_t *payload_bytes, *random_payload;
    struct parcel *parcels, *spare, *current;
    struct pollfd *polled;
    size_t parcel_count, parcel_capacity, records_per_parcel;
    int64_t begun_us, made, answered, parcel_number, failed;
    int32_t next_partition;
    int16_t error;
    uint64_t random_state;
    struct kc_latency total, steady, window;
};

static uint64_t random_next(struct kc_produce_load *load) {
    uint64_t z = (load->random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void queue_add(struct queue *q, struct parcel *p) {
    p->next = NULL;
    *q->end = p;
    q->end = &p->next;
}

static struct parcel *queue_take(struct queue *q) {
    struct parcel *p = q->first;
    q->first = p->next;
    if (!q->first) q->end = &q->first;
    return p;
}

/* Into its place by number: one that comes back goes before all that were made after it. */
static void queue_return(struct queue *q, struct parcel *p) {
    struct parcel **at = &q->first;
    while (*at && (*at)->number < p->number) at = &(*at)->next;
    p->next = *at;
    *at = p;
    if (!p->next) q->end = &p->next;
}

/* ---- open and close ---------------------------------------------------------------------------------------------------- */

static bool config_is_sound(const struct kc_produce_load_config *c) {
    return c->record_count >= 0 && c->link_count > 0 && c->partition_count > 0 && c->in_flight_max > 0 &&
           c->in_flight_max <= KC_LOAD_IN_FLIGHT_MAX && c->batch_size_bytes < (1u << 30) && c->payload_size < (1u << 30) &&
           (c->payload != KC_PAYLOAD_CHOSEN || c->payload_count > 0) && (c->codec == KC_CODEC_NONE || c->compress.run) &&
           c->codec >= 0 && c->codec < KC_CODEC_COUNT && c->topic.size < 32768;
}

static void payload_bounds(const struct kc_produce_load_config *c, size_t *smallest, size_t *largest) {
    *smallest = *largest = c->payload == KC_PAYLOAD_RANDOM ? c->payload_size : 1;
    if (c->payload == KC_PAYLOAD_COUNTER) *largest = COUNTER_SIZE_MAX;
    if (c->payload != KC_PAYLOAD_CHOSEN) return;
    *smallest = *largest = c->payloads[0].size;
    for (size_t i = 1; i < c->payload_count; i++) {
        size_t size = c->payloads[i].size;
        if (size < *smallest) *smallest = size;
        if (size > *largest) *largest = size;
    }
}

static bool copy_payloads(struct kc_produce_load *load) {
    const struct kc_produce_load_config *c = &load->config;
    size_t total = 0, at = 0;
    for (size_t i = 0; i < c->payload_count; i++) total += c->payloads[i].size;
    load->payloads = calloc(c->payload_count + 1, sizeof *load->payloads);
    load->payload_bytes = malloc(total + 1);
    if (!load->payloads || !load->payload_bytes) return false;
    for (size_t i = 0; i < c->payload_count; i++) {
        struct kc_slice from = c->payloads[i];
        if (from.size) memcpy(load->payload_bytes + at, from.data, from.size);
        load->payloads[i] = kc_slice_make(load->payload_bytes + at, from.size);
        at += from.size;
    }
    return true;
}

/* A copy that lives as long as the load. */
static bool keep(struct kc_slice *s) {
    if (!s->data) return true;
    uint8_t *copy = malloc(s->size + 1);
    if (!copy) return false;
    if (s->size) memcpy(copy, s->data, s->size);
    s->data = copy;
    return true;
}

static bool make_parcels(struct kc_produce_load *load) {
    const struct kc_produce_load_config *c = &load->config;
    size_t smallest, largest;
    payload_bounds(c, &smallest, &largest);
    size_t one = KC_BATCH_HEADER_SIZE + largest + RECORD_OVERHEAD;
    load->parcel_capacity = c->batch_size_bytes > one ? c->batch_size_bytes : one;
    load->records_per_parcel = (load->parcel_capacity - KC_BATCH_HEADER_SIZE) / (smallest + KC_RECORD_SIZE_MIN) + 1;
    load->parcel_count = c->buffer_size_bytes / load->parcel_capacity;
    if (load->parcel_count < 2) load->parcel_count = 2;
    load->parcels = calloc(load->parcel_count, sizeof *load->parcels);
    if (!load->parcels) return false;
    for (size_t i = 0; i < load->parcel_count; i++) {
        struct parcel *p = &load->parcels[i];
        p->buffer = malloc(load->parcel_capacity);
        p->made_after_us = malloc(load->records_per_parcel * sizeof *p->made_after_us);
        if (!p->buffer || !p->made_after_us) return false;
        p->next = load->spare;
        load->spare = p;
    }
    return true;
}

kc_status kc_produce_load_open(const struct kc_produce_load_config *config, struct kc_produce_load **out) {
    if (!config_is_sound(config)) return KC_INVALID;
    struct kc_produce_load *load = calloc(1, sizeof *load);
    if (!load) return KC_NO_MEMORY;
    struct kc_produce_load_config *c = &load->config;
    *c = *config;
    c->links = NULL;
    c->topic.data = c->client_id.data = c->transactional_id.data = NULL;
    struct kc_slice topic = config->topic, client_id = config->client_id, transactional_id = config->transactional_id;
    bool kept = keep(&topic);
    if (kept) c->topic = topic;
    if ((kept = kept && keep(&client_id))) c->client_id = client_id;
    if ((kept = kept && keep(&transactional_id))) c->transactional_id = transactional_id;
    size_t partitions = (size_t)c->partition_count, links = (size_t)c->link_count;
    load->partitions = malloc(partitions * sizeof *load->partitions);
    load->sequences = calloc(partitions, sizeof *load->sequences);
    load->random_payload = malloc(c->payload_size + COUNTER_SIZE_MAX + 8);
    load->polled = calloc(links, sizeof *load->polled);
    load->lanes = calloc(links, sizeof *load->lanes);
    if (!kept || !load->partitions || !load->sequences || !load->random_payload || !load->polled || !load->lanes ||
        !copy_payloads(load) || !make_parcels(load)) {
        c->link_count = 0;
        kc_produce_load_close(load);
        return KC_NO_MEMORY;
    }
    memcpy(load->partitions, config->partitions, partitions * sizeof *load->partitions);
    for (size_t i = 0; i < links; i++) {
        load->lanes[i].link = config->links[i];
        load->lanes[i].ready.end = &load->lanes[i].ready.first;
    }
    load->random_state = c->seed;
    load->begun_us = -1;
    *out = load;
    return KC_OK;
}

void kc_produce_load_close(struct kc_produce_load *load) {
    for (int32_t i = 0; i < load->config.link_count; i++) kc_link_close(&load->lanes[i].link);
    for (size_t i = 0; load->parcels && i < load->parcel_count; i++) {
        free(load->parcels[i].buffer);
        free(load->parcels[i].made_after_us);
        free(load->parcels[i].compressed);
    }
    free(load->parcels);
    free(load->lanes);
    free(load->partitions);
    free(load->sequences);
    free(load->payloads);
    free(load->payload_bytes);
    free(load->random_payload);
    free(load->polled);
    free((void *)(uintptr_t)load->config.topic.data);
    free((void *)(uintptr_t)load->config.client_id.data);
    free((void *)(uintptr_t)load->config.transactional_id.data);
    free(load);
}

/* ---- making records ---------------------------------------------------------------------------------------------------- */

static struct kc_slice next_payload(struct kc_produce_load *load) {
    const struct kc_produce_load_config *c = &load->config;
    if (c->payload == KC_PAYLOAD_CHOSEN) return load->payloads[random_next(load) % c->payload_count];
    uint8_t *bytes = load->random_payload;
    if (c->payload == KC_PAYLOAD_COUNTER) {
        int size = snprintf((char *)bytes, COUNTER_SIZE_MAX, "%lld", (long long)load->made);
        return kc_slice_make(bytes, (size_t)size);
    }
    for (size_t at = 0; at < c->payload_size; at += 8) {
        uint64_t bits = random_next(load);
        for (size_t i = 0; i < 8; i++, bits >>= 8) bytes[at + i] = (uint8_t)('A' + ((bits & 0xff) * 26 >> 8));
    }
    return kc_slice_make(bytes, c->payload_size);
}

static bool begin_parcel(struct kc_produce_load *load, int64_t now_us) {
    struct parcel *p = load->spare;
    if (!p) return false;
    load->spare = p->next;
    struct kc_batch_spec spec = kc_batch_spec_plain();
    p->partition = load->next_partition;
    if (load->config.producer_id >= 0) {
        spec.producer_id = load->config.producer_id;
        spec.producer_epoch = load->config.producer_epoch;
        spec.base_sequence = load->sequences[p->partition];
        if (load->config.transactional_id.data) spec.attributes = KC_ATTRIBUTE_TRANSACTIONAL;
    }
    kc_batch_builder_init(&p->builder, p->buffer, load->parcel_capacity, &spec);
    p->begun_us = now_us;
    p->number = load->parcel_number++;
    p->first_record = load->made;
    p->payload_bytes = 0;
    p->attempts = 0;
    load->next_partition = (load->next_partition + 1) % load->config.partition_count;
    load->current = p;
    return true;
}

/* Writes the batch's header, compresses it where that is wanted, and gives it to its link. */
static kc_status seal(struct kc_produce_load *load) {
    struct parcel *p = load->current;
    load->current = NULL;
    kc_status status = kc_batch_builder_finish(&p->builder, &p->batch);
    if (status != KC_OK) return status;
    if (load->config.producer_id >= 0)
        load->sequences[p->partition] = kc_sequence_add(load->sequences[p->partition], p->builder.record_count);
    if (load->config.codec != KC_CODEC_NONE) {
        struct kc_slice section = {p->batch.data + KC_BATCH_HEADER_SIZE, p->batch.size - KC_BATCH_HEADER_SIZE}, packed;
        status = load->config.compress.run(load->config.compress.state, load->config.codec, section, &packed);
        if (status != KC_OK) return status;
        struct kc_batch_header header;
        kc_batch_header_load(p->batch.data, &header);
        header.attributes = (int16_t)(header.attributes | load->config.codec);
        uint8_t *whole = realloc(p->compressed, KC_BATCH_HEADER_SIZE + packed.size);
        if (!whole) return KC_NO_MEMORY;
        p->compressed = whole;
        status = kc_batch_wrap(&header, packed, whole);
        if (status != KC_OK) return status;
        p->batch = kc_slice_make(whole, KC_BATCH_HEADER_SIZE + packed.size);
    }
    queue_add(&load->lanes[load->partitions[p->partition].link].ready, p);
    return KC_OK;
}

/* How many records may have been made by now. */
static int64_t allowed(const struct kc_produce_load *load, int64_t now_us) {
    const struct kc_produce_load_config *c = &load->config;
    if (c->records_per_second <= 0) return c->record_count;
    double records = (double)(now_us - load->begun_us) * c->records_per_second / 1e6 + 1;
    return records < (double)c->record_count ? (int64_t)records : c->record_count;
}

static kc_status make_records(struct kc_produce_load *load, int64_t now_us, int64_t wall_ms) {
    int64_t limit = allowed(load, now_us);
    for (int turn = 0; turn < TURN_RECORDS_MAX && load->made < limit; turn++) {
        if (!load->current && !begin_parcel(load, now_us)) return KC_OK;
        struct parcel *p = load->current;
        struct kc_slice payload = next_payload(load);
        size_t room = load->config.batch_size_bytes > p->builder.used ? load->config.batch_size_bytes - p->builder.used : 0;
        bool fits = p->builder.record_count == 0 || room >= payload.size + RECORD_OVERHEAD;
        if (fits && (size_t)p->builder.record_count < load->records_per_parcel) {
            int32_t at = p->builder.record_count;
            kc_status status = kc_batch_builder_add(&p->builder, wall_ms, kc_slice_make(NULL, 0), payload, NULL, 0);
            if (status == KC_OK) {
                p->made_after_us[at] = (uint32_t)(now_us - p->begun_us);
                p->payload_bytes += (int64_t)payload.size;
                load->made++;
                continue;
            }
            if (status != KC_LIMIT || at == 0) return status;
        }
        kc_status status = seal(load);
        if (status != KC_OK) return status;
    }
    return KC_OK;
}

/* ---- sending ------------------------------------------------------------------------------------------------------------ */

static kc_status write_request(struct kc_produce_load *load, struct lane *lane, const struct parcel *p) {
    const struct kc_produce_load_config *c = &load->config;
    struct kc_writer w;
    size_t names = c->topic.size + c->client_id.size + c->transactional_id.size;
    kc_status status = kc_link_begin(&lane->link, names + p->batch.size + 64, &w);
    if (status != KC_OK) return status;
    kc_write_i16(&w, API_PRODUCE);
    kc_write_i16(&w, PRODUCE_VERSION);
    kc_write_i32(&w, ++lane->correlation_id);
    kc_write_string(&w, c->client_id);
    kc_write_string(&w, c->transactional_id);
    kc_write_i16(&w, c->acks);
    kc_write_i32(&w, c->request_timeout_ms);
    kc_write_array_count(&w, 1);
    kc_write_string(&w, c->topic);
    kc_write_array_count(&w, 1);
    kc_write_i32(&w, load->partitions[p->partition].index);
    kc_write_bytes(&w, p->batch);
    kc_link_end(&lane->link, &w);
    return KC_OK;
}

static void settle(struct kc_produce_load *load, struct parcel *p, int64_t now_us, int16_t error) {
    int32_t count = p->builder.record_count;
    load->answered += count;
    if (error) {
        load->failed += count;
        load->error = error;
    } else {
        int64_t bytes = p->payload_bytes / count, rest = p->payload_bytes - bytes * count;
        for (int32_t i = 0; i < count; i++) {
            int64_t ms = (now_us - p->begun_us - p->made_after_us[i]) / 1000;
            int64_t own = bytes + (i == 0 ? rest : 0);
            kc_latency_add(&load->total, ms, own);
            kc_latency_add(&load->window, ms, own);
            if (p->first_record + i >= load->config.warmup_count) kc_latency_add(&load->steady, ms, own);
        }
    }
    p->next = load->spare;
    load->spare = p;
}

static kc_status send_ready(struct kc_produce_load *load, struct lane *lane, int64_t now_us) {
    /* Without acknowledgements the socket alone says how much is too much. */
    while (lane->ready.first && lane->head - lane->tail < (uint32_t)load->config.in_flight_max &&
           lane->link.out_end - lane->link.out_begin <= KC_LINK_RECEIVE_SIZE) {
        if (lane->settling && (lane->head != lane->tail || now_us < lane->quiet_until_us)) break;
        lane->settling = false;
        struct parcel *p = queue_take(&lane->ready);
        kc_status status = write_request(load, lane, p);
        if (status != KC_OK) return status;
        if (load->config.acks == 0) {
            settle(load, p, now_us, 0);
        } else {
            lane->in_flight[lane->head % KC_LOAD_IN_FLIGHT_MAX] = p;
            lane->sent_us[lane->head++ % KC_LOAD_IN_FLIGHT_MAX] = now_us;
        }
    }
    kc_status status = kc_link_flush(&lane->link);
    return status == KC_AGAIN ? KC_OK : status;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------ */

/* Codes that say "not now", and that of a batch which came before one that was sent again. */
static bool may_pass(int16_t error) {
    switch (error) {
    case 3:     /* UNKNOWN_TOPIC_OR_PARTITION, while a topic comes into being */
    case 5:     /* LEADER_NOT_AVAILABLE */
    case 7:     /* REQUEST_TIMED_OUT */
    case 19:    /* NOT_ENOUGH_REPLICAS */
    case 20:    /* NOT_ENOUGH_REPLICAS_AFTER_APPEND */
    case 45:    /* OUT_OF_ORDER_SEQUENCE_NUMBER */
    case 51:    /* CONCURRENT_TRANSACTIONS */
    case 56:    /* KAFKA_STORAGE_ERROR */
    case 89:    /* THROTTLING_QUOTA_EXCEEDED */
        return true;
    default: return false;
    }
}

static kc_status take_answer(struct kc_produce_load *load, struct lane *lane, struct kc_slice frame, int64_t now_us) {
    if (lane->head == lane->tail) return KC_CORRUPT;
    struct kc_reader r;
    kc_reader_init(&r, frame);
    uint32_t waiting = lane->head - lane->tail;
    if (kc_read_i32(&r) != (int32_t)((uint32_t)lane->correlation_id - waiting + 1)) return KC_CORRUPT;
    int32_t topics = kc_read_array_count(&r, 2);
    kc_read_string(&r);
    int32_t partitions = kc_read_array_count(&r, 30);
    kc_read_i32(&r);
    int16_t error = kc_read_i16(&r);
    kc_read_raw(&r, 24);
    if (!kc_reader_ok(&r) || topics != 1 || partitions != 1) return KC_CORRUPT;
    struct parcel *p = lane->in_flight[lane->tail++ % KC_LOAD_IN_FLIGHT_MAX];
    if (error == 46) error = 0;     /* DUPLICATE_SEQUENCE_NUMBER: it is there already */
    if (error && may_pass(error) && ++p->attempts < KC_LOAD_ATTEMPTS_MAX) {
        queue_return(&lane->ready, p);
        lane->settling = true;
        lane->quiet_until_us = now_us + RETRY_BACKOFF_US;
        return KC_OK;
    }
    settle(load, p, now_us, error);
    return KC_OK;
}

static kc_status read_answers(struct kc_produce_load *load, struct lane *lane, int64_t now_us) {
    kc_status status = kc_link_receive(&lane->link);
    if (status != KC_OK) return status == KC_AGAIN ? KC_OK : status;
    struct kc_slice frame;
    while ((status = kc_link_next(&lane->link, &frame)) == KC_OK)
        if ((status = take_answer(load, lane, frame, now_us)) != KC_OK) return status;
    return status == KC_AGAIN ? KC_OK : status;
}

/* ---- the loop ----------------------------------------------------------------------------------------------------------- */

static bool can_make(const struct kc_produce_load *load, int64_t now_us, bool drain) {
    return !drain && load->made < allowed(load, now_us) && (load->current || load->spare);
}

static int wait_ms(const struct kc_produce_load *load, int64_t now_us, int64_t until_us, bool drain) {
    if (can_make(load, now_us, drain)) return 0;
    int64_t next_us = until_us;
    if (load->current) {
        int64_t due_us = load->current->begun_us + load->config.linger_us;
        if (due_us < next_us) next_us = due_us;
    }
    for (int32_t i = 0; i < load->config.link_count; i++) {
        const struct lane *lane = &load->lanes[i];
        if (lane->settling && lane->head == lane->tail && lane->quiet_until_us < next_us) next_us = lane->quiet_until_us;
    }
    /* A rate is kept by looking every millisecond. */
    if (!drain && load->config.records_per_second > 0 && load->made < load->config.record_count && next_us > now_us + 1000)
        next_us = now_us + 1000;
    if (next_us <= now_us) return 0;
    int64_t ms = (next_us - now_us + 999) / 1000;
    return ms > 1000 ? 1000 : (int)ms;
}

static kc_status wait_for_links(struct kc_produce_load *load, int timeout_ms) {
    for (int32_t i = 0; i < load->config.link_count; i++) {
        const struct kc_link *link = &load->lanes[i].link;
        short out = kc_link_has_output(link) ? POLLOUT : 0;
        load->polled[i] = (struct pollfd){.fd = link->fd, .events = (short)(POLLIN | out)};
    }
    int ready = poll(load->polled, (nfds_t)load->config.link_count, timeout_ms);
    return ready < 0 && errno != EINTR ? kc_status_from_errno(errno) : KC_OK;
}

kc_status kc_produce_load_run(struct kc_produce_load *load, int64_t until_us, bool drain) {
    const struct kc_produce_load_config *c = &load->config;
    int64_t timeout_us = (int64_t)c->request_timeout_ms * 1000;
    for (;;) {
        int64_t now_us = kc_clock_monotonic_us(&c->clock);
        if (load->begun_us < 0) load->begun_us = now_us;
        bool all_made = drain || load->made == c->record_count;
        kc_status status;
        if (!all_made && (status = make_records(load, now_us, kc_clock_wall_ms(&c->clock))) != KC_OK) return status;
        all_made = drain || load->made == c->record_count;
        if (load->current && (all_made || now_us - load->current->begun_us >= c->linger_us))
            if ((status = seal(load)) != KC_OK) return status;
        bool unsent = false;
        for (int32_t i = 0; i < c->link_count; i++) {
            struct lane *lane = &load->lanes[i];
            if ((status = send_ready(load, lane, now_us)) != KC_OK) return status;
            unsent = unsent || kc_link_has_output(&lane->link);
            if (lane->head != lane->tail && now_us - lane->sent_us[lane->tail % KC_LOAD_IN_FLIGHT_MAX] > timeout_us)
                return KC_CLOSED;
        }
        if (all_made && load->answered == load->made && !unsent) return KC_OK;
        if (now_us >= until_us) return KC_AGAIN;
        if ((status = wait_for_links(load, wait_ms(load, now_us, until_us, drain))) != KC_OK) return status;
        now_us = kc_clock_monotonic_us(&c->clock);
        for (int32_t i = 0; i < c->link_count; i++) {
            if (!(load->polled[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
            if ((status = read_answers(load, &load->lanes[i], now_us)) != KC_OK) return status;
        }
    }
}

const struct kc_latency *kc_produce_load_total(const struct kc_produce_load *load) { return &load->total; }
const struct kc_latency *kc_produce_load_steady(const struct kc_produce_load *load) { return &load->steady; }
struct kc_latency *kc_produce_load_window(struct kc_produce_load *load) { return &load->window; }
int64_t kc_produce_load_made(const struct kc_produce_load *load) { return load->made; }
int64_t kc_produce_load_failed(const struct kc_produce_load *load, int16_t *error) {
    *error = load->error;
    return load->failed;
}

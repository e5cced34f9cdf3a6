#include "client/fetch_load.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/check.h"
#include "record/iterate.h"
#include "record/validate.h"
#include "wire/reader.h"

enum {
    API_FETCH = 1,
    FETCH_VERSION_OLD = 4,          /* the first with this form of records: no sessions, no log start offset, no epochs */
    FETCH_VERSION = 11,
    ABORTED_MAX = 1024,             /* transactions of one partition in one answer that are kept in mind */
};

struct lane {
    struct kc_link link;
    int64_t sent_us;
    int32_t correlation_id;
    bool waits;                     /* for an answer */
};

struct aborted {
    int64_t producer_id, first_offset;
    bool open;                      /* its first offset has passed, its marker has not */
};

struct kc_fetch_load {
    struct kc_fetch_load_config config;
    struct kc_fetch_place *places;
    struct lane *lanes;
    struct pollfd *polled;
    struct aborted *aborted;
    struct kc_fetch_counters counters;
    int32_t aborted_count, refused_place;
    int16_t refusal;
};

/* ---- open and close ---------------------------------------------------------------------------------------------------- */

static bool keep(struct kc_slice *s) {
    uint8_t *copy = malloc(s->size + 1);
    if (copy && s->size) memcpy(copy, s->data, s->size);
    s->data = copy;
    return copy != NULL;
}

kc_status kc_fetch_load_open(const struct kc_fetch_load_config *config, struct kc_fetch_load **out) {
    if (config->link_count < 1 || config->place_count < 1 || config->record_count < 0) return KC_INVALID;
    if (config->version != 0 && config->version != FETCH_VERSION_OLD && config->version != FETCH_VERSION) return KC_INVALID;
    for (int32_t i = 0; i < config->place_count; i++)
        if (config->places[i].topic.size >= 32768 || config->places[i].link >= config->link_count) return KC_INVALID;
    struct kc_fetch_load *load = calloc(1, sizeof *load);
    if (!load) return KC_NO_MEMORY;
    load->config = *config;
    if (config->version == 0) load->config.version = FETCH_VERSION;
    load->config.links = NULL;
    load->config.link_count = load->config.place_count = 0;
    size_t places = (size_t)config->place_count, links = (size_t)config->link_count;
    load->places = calloc(places, sizeof *load->places);
    load->lanes = calloc(links, sizeof *load->lanes);
    load->polled = calloc(links, sizeof *load->polled);
    load->aborted = calloc(ABORTED_MAX, sizeof *load->aborted);
    bool kept = keep(&load->config.client_id) && load->places && load->lanes && load->polled && load->aborted;
    for (size_t i = 0; kept && i < places; i++) {
        load->places[i] = config->places[i];
        kept = keep(&load->places[i].topic);
        load->config.place_count++;
    }
    if (!kept) {
        kc_fetch_load_close(load);
        return KC_NO_MEMORY;
    }
    for (size_t i = 0; i < links; i++) load->lanes[i].link = config->links[i];
    load->config.link_count = config->link_count;
    load->counters.last_records_us = -1;
    *out = load;
    return KC_OK;
}

void kc_fetch_load_close(struct kc_fetch_load *load) {
    for (int32_t i = 0; i < load->config.link_count; i++) kc_link_close(&load->lanes[i].link);
    for (int32_t i = 0; i < load->config.place_count; i++) free((void *)(uintptr_t)load->places[i].topic.data);
    free((void *)(uintptr_t)load->config.client_id.data);
    free(load->places);
    free(load->lanes);
    free(load->polled);
    free(load->aborted);
    free(load);
}

static bool is_old(const struct kc_fetch_load *load) { return load->config.version == FETCH_VERSION_OLD; }

/* ---- asking ------------------------------------------------------------------------------------------------------------- */

static kc_status send_fetch(struct kc_fetch_load *load, int32_t number, int64_t now_us) {
    const struct kc_fetch_load_config *c = &load->config;
    struct lane *lane = &load->lanes[number];
    size_t size = 128 + c->client_id.size;
    int32_t count = 0;
    for (int32_t i = 0; i < c->place_count; i++) {
        if (load->places[i].link != number) continue;
        size += load->places[i].topic.size + 64;
        count++;
    }
    struct kc_writer w;
    kc_status status = kc_link_begin(&lane->link, size, &w);
    if (status != KC_OK) return status;
    kc_write_i16(&w, API_FETCH);
    kc_write_i16(&w, c->version);
    kc_write_i32(&w, ++lane->correlation_id);
    kc_write_string(&w, c->client_id);
    kc_write_i32(&w, -1);           /* a client, no replica */
    kc_write_i32(&w, c->wait_ms);
    kc_write_i32(&w, c->size_min_bytes);
    kc_write_i32(&w, c->size_max_bytes);
    kc_write_i8(&w, c->read_committed);
    if (!is_old(load)) {
        kc_write_i32(&w, 0);
        kc_write_i32(&w, -1);       /* no session */
    }
    kc_write_array_count(&w, count);
    for (int32_t i = 0; i < c->place_count; i++) {
        const struct kc_fetch_place *place = &load->places[i];
        if (place->link != number) continue;
        kc_write_string(&w, place->topic);
        kc_write_array_count(&w, 1);
        kc_write_i32(&w, place->partition);
        if (!is_old(load)) kc_write_i32(&w, -1);       /* whatever the leader's epoch is */
        kc_write_i64(&w, place->offset);
        if (!is_old(load)) kc_write_i64(&w, -1);
        kc_write_i32(&w, c->partition_size_max_bytes);
    }
    if (!is_old(load)) {
        kc_write_array_count(&w, 0);
        kc_write_string(&w, kc_slice_make("", 0));
    }
    kc_link_end(&lane->link, &w);
    lane->waits = true;
    lane->sent_us = now_us;
    status = kc_link_flush(&lane->link);
    return status == KC_AGAIN ? KC_OK : status;
}

/* ---- counting ----------------------------------------------------------------------------------------------------------- */

/* Whether the records of this batch count. */
static bool is_visible(struct kc_fetch_load *load, const struct kc_batch_header *h) {
    if (h->attributes & KC_ATTRIBUTE_CONTROL) return false;
    if (!load->config.read_committed || !(h->attributes & KC_ATTRIBUTE_TRANSACTIONAL)) return true;
    for (int32_t i = 0; i < load->aborted_count; i++)
        if (load->aborted[i].open && load->aborted[i].producer_id == h->producer_id) return false;
    return true;
}

/* Aborted transactions that begin up to here are open; a marker ends that of its producer. */
static void follow_transactions(struct kc_fetch_load *load, const struct kc_batch_header *h) {
    int64_t last = kc_batch_last_offset(h);
    for (int32_t i = 0; i < load->aborted_count; i++) {
        struct aborted *a = &load->aborted[i];
        if (!a->open && a->first_offset <= last && a->first_offset >= 0) a->open = true;
        if (a->open && (h->attributes & KC_ATTRIBUTE_CONTROL) && a->producer_id == h->producer_id) {
            a->open = false;
            a->first_offset = -1;
        }
    }
}

static kc_status count_records(struct kc_fetch_load *load, struct kc_fetch_place *place, struct kc_slice batch,
                               const struct kc_batch_header *h) {
    struct kc_slice section = {batch.data + KC_BATCH_HEADER_SIZE, batch.size - KC_BATCH_HEADER_SIZE};
    enum kc_codec codec = kc_batch_codec(h->attributes);
    if (codec >= KC_CODEC_COUNT || (codec != KC_CODEC_NONE && !load->config.decompress.run)) return KC_CORRUPT;
    if (codec != KC_CODEC_NONE) {
        kc_status status = load->config.decompress.run(load->config.decompress.state, codec, section, &section);
        if (status != KC_OK) return status;
    }
    struct kc_record_iterator it;
    struct kc_record record;
    kc_record_iterator_init(&it, section, h->record_count);
    kc_status status = KC_OK;
    while (load->counters.records < load->config.record_count && (status = kc_record_next(&it, &record)) == KC_OK) {
        int64_t offset = h->base_offset + record.offset_delta;
        if (offset < place->offset) continue;
        load->counters.records++;
        load->counters.bytes += (int64_t)(record.key.size + record.value.size);
        place->offset = offset + 1;
    }
    return status == KC_END ? KC_OK : status;
}

static kc_status take_records(struct kc_fetch_load *load, struct kc_fetch_place *place, struct kc_slice records) {
    while (records.size >= KC_BATCH_HEADER_SIZE && load->counters.records < load->config.record_count) {
        struct kc_batch_header h;
        kc_batch_header_load(records.data, &h);
        if (h.magic != KC_BATCH_MAGIC_VALUE || h.size_bytes < KC_BATCH_HEADER_SIZE || h.record_count < 0) return KC_CORRUPT;
        if ((size_t)h.size_bytes > records.size) return KC_OK;   /* the last one may be cut */
        struct kc_slice batch = {records.data, (size_t)h.size_bytes};
        records = kc_slice_make(records.data + batch.size, records.size - batch.size);
        if (kc_batch_last_offset(&h) < place->offset) continue;
        if (load->config.check_crcs) {
            kc_status checked = kc_batch_check_stored(batch, &h);
            if (checked != KC_OK) return KC_CORRUPT;
        }
        follow_transactions(load, &h);
        if (is_visible(load, &h)) {
            kc_status status = count_records(load, place, batch, &h);
            if (status != KC_OK) return status;
        }
        if (load->counters.records < load->config.record_count)
            place->offset = kc_batch_last_offset(&h) + 1;
    }
    return KC_OK;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------ */

static int32_t place_of(const struct kc_fetch_load *load, int32_t link, struct kc_slice topic, int32_t partition) {
    for (int32_t i = 0; i < load->config.place_count; i++) {
        const struct kc_fetch_place *place = &load->places[i];
        if (place->link == link && place->partition == partition && kc_slice_equal(place->topic, topic)) return i;
    }
    return -1;
}

static void read_aborted(struct kc_fetch_load *load, struct kc_reader *r) {
    load->aborted_count = 0;
    int32_t count = kc_read_array_count(r, 16);
    for (int32_t i = 0; i < count; i++) {
        struct aborted a = {.producer_id = kc_read_i64(r)};
        a.first_offset = kc_read_i64(r);
        if (load->aborted_count < ABORTED_MAX) load->aborted[load->aborted_count++] = a;
        else kc_reader_fail(r);
    }
}

static kc_status take_partition(struct kc_fetch_load *load, int32_t link, struct kc_reader *r, struct kc_slice topic) {
    int32_t number = place_of(load, link, topic, kc_read_i32(r));
    int16_t error = kc_read_i16(r);
    kc_read_raw(r, is_old(load) ? 16 : 24);
    read_aborted(load, r);
    if (!is_old(load)) kc_read_i32(r);
    struct kc_slice records = kc_read_bytes(r);
    if (!kc_reader_ok(r) || number < 0) return KC_CORRUPT;
    if (error) {
        load->refusal = error;
        load->refused_place = number;
        return KC_INVALID;
    }
    return records.data ? take_records(load, &load->places[number], records) : KC_OK;
}

/* The last refusal of an answer is told when all of it was read. */
static kc_status take_answer(struct kc_fetch_load *load, int32_t link, struct kc_reader *r) {
    kc_read_i32(r);
    int16_t error = is_old(load) ? 0 : kc_read_i16(r);
    if (!is_old(load)) kc_read_i32(r);
    if (kc_reader_ok(r) && error) {
        load->refusal = error;
        load->refused_place = -1;
        return KC_INVALID;
    }
    kc_status outcome = KC_OK;
    int32_t topics = kc_read_array_count(r, 6);
    for (int32_t i = 0; i < topics; i++) {
        struct kc_slice topic = kc_read_string(r);
        int32_t partitions = kc_read_array_count(r, is_old(load) ? 30 : 40);
        for (int32_t j = 0; j < partitions; j++) {
            kc_status status = take_partition(load, link, r, topic);
            if (status == KC_INVALID) outcome = status;
            else if (status != KC_OK) return status;
        }
    }
    return kc_reader_ok(r) ? outcome : KC_CORRUPT;
}

static kc_status read_answer(struct kc_fetch_load *load, struct lane *lane, int64_t now_us) {
    kc_status status = kc_link_receive(&lane->link);
    if (status != KC_OK) return status == KC_AGAIN ? KC_OK : status;
    struct kc_slice frame;
    status = kc_link_next(&lane->link, &frame);
    if (status != KC_OK) return status == KC_AGAIN ? KC_OK : status;
    struct kc_reader r;
    kc_reader_init(&r, frame);
    if (!lane->waits || kc_read_i32(&r) != lane->correlation_id) return KC_CORRUPT;
    lane->waits = false;
    load->counters.requests++;
    int64_t before = load->counters.records;
    status = take_answer(load, (int32_t)(lane - load->lanes), &r);
    if (load->counters.records == before) return status;
    load->counters.last_records_us = now_us;
    if (load->config.answered) load->config.answered(load->config.answered_state, now_us - lane->sent_us);
    return status;
}

/* ---- the loop ----------------------------------------------------------------------------------------------------------- */

kc_status kc_fetch_load_run(struct kc_fetch_load *load, int64_t until_us) {
    const struct kc_fetch_load_config *c = &load->config;
    int64_t timeout_us = ((int64_t)c->request_timeout_ms + c->wait_ms) * 1000;
    while (load->counters.records < c->record_count) {
        int64_t now_us = kc_clock_monotonic_us(&c->clock);
        if (now_us >= until_us) return KC_AGAIN;
        for (int32_t i = 0; i < c->link_count; i++) {
            struct lane *lane = &load->lanes[i];
            kc_status status = lane->waits ? kc_link_flush(&lane->link) : send_fetch(load, i, now_us);
            if (status != KC_OK && status != KC_AGAIN) return status;
            if (lane->waits && now_us - lane->sent_us > timeout_us) return KC_CLOSED;
            short out = kc_link_has_output(&lane->link) ? POLLOUT : 0;
            load->polled[i] = (struct pollfd){.fd = lane->link.fd, .events = (short)(POLLIN | out)};
        }
        int64_t ms = (until_us - now_us + 999) / 1000;
        int ready = poll(load->polled, (nfds_t)c->link_count, ms > 1000 ? 1000 : (int)ms);
        if (ready < 0 && errno != EINTR) return kc_status_from_errno(errno);
        now_us = kc_clock_monotonic_us(&c->clock);
        for (int32_t i = 0; ready > 0 && i < c->link_count; i++) {
            if (!(load->polled[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
            kc_status status = read_answer(load, &load->lanes[i], now_us);
            if (status != KC_OK) return status;
        }
    }
    return KC_OK;
}

const struct kc_fetch_counters *kc_fetch_load_counters(const struct kc_fetch_load *load) { return &load->counters; }
int64_t kc_fetch_load_offset(const struct kc_fetch_load *load, int32_t place) { return load->places[place].offset; }
int16_t kc_fetch_load_refusal(const struct kc_fetch_load *load, int32_t *place) {
    *place = load->refused_place;
    return load->refusal;
}
void kc_fetch_load_seek(struct kc_fetch_load *load, int32_t place, int64_t offset) { load->places[place].offset = offset; }

/* cleaner.c: a cleaning from its start to its end: the map of keys, and what becomes of each batch. */
#include "log/cleaner.h"

#include <stdlib.h>

#include "base/check.h"
#include "log/cleaning.h"
#include "record/build.h"
#include "record/iterate.h"
#include "record/validate.h"

enum { WINDOW_SIZE = 1 << 20 };

/* ---- start and end ------------------------------------------------------------------------------------------------------ */

/* Under the lock. */
static kc_status take_sources(struct kc_cleaning *c) {
    struct kc_log *log = c->log;
    c->sources = calloc(log->segment_count, sizeof *c->sources);
    c->directory = strdup(log->directory);
    if (!c->sources || !c->directory) return KC_NO_MEMORY;
    /* A transaction that is open is in none of them. */
    int64_t limit_offset = kc_open_txns_first(&log->producers.open, -1, c->options.limit_offset);
    if (limit_offset > c->options.limit_offset) limit_offset = c->options.limit_offset;
    for (size_t i = 0; i + 1 < log->segment_count; i++) {
        int64_t end_offset = log->segments[i + 1]->base_offset;
        if (end_offset > limit_offset) break;
        struct kc_segment *segment = kc_segment_retain(log->segments[i]);
        c->sources[c->source_count++] = (struct kc_cleaning_source){segment, segment->size_bytes, end_offset};
    }
    c->config = log->config;
    c->truncations = log->truncations;
    return KC_OK;
}

static kc_status collect_aborted(struct kc_cleaning *c) {
    if (c->source_count == 0) return KC_OK;
    kc_status status = kc_log_collect_aborted(c->log, c->sources[0].segment->base_offset, c->sources[c->source_count - 1].end_offset,
                                              &c->txns.aborted);
    kc_cleaned_txns_sort(&c->txns);
    return status;
}

static void seek(struct kc_cleaning *c, size_t slot) {
    c->slot = slot;
    c->position = 0;
    if (slot < c->source_count) kc_file_window_open(&c->window, c->sources[slot].segment->file, c->sources[slot].size_bytes);
}

/* No more memory than the dirty part can need: a record takes at least KC_RECORD_SIZE_MIN bytes while it is not compressed, and an offset
 * however well it is. */
static size_t map_size(const struct kc_cleaning *c) {
    size_t size = c->options.map_size_bytes;
    if (c->source_count == 0) return 0;
    int64_t offsets = c->sources[c->source_count - 1].end_offset - c->options.first_dirty_offset;
    double wanted = ((double)(offsets > 0 ? offsets : 0) + 2) / c->options.map_load_factor * KC_OFFSET_MAP_SLOT_SIZE;
    return wanted < (double)size ? (size_t)wanted + KC_OFFSET_MAP_SLOT_SIZE : size;
}

kc_status kc_cleaning_start(struct kc_log *log, const struct kc_cleaning_options *options, struct kc_cleaning **out) {
    if (!(options->map_load_factor > 0) || options->map_load_factor > 1) return KC_INVALID;
    struct kc_cleaning *c = calloc(1, sizeof *c);
    if (!c) return KC_NO_MEMORY;
    c->log = kc_log_retain(log);
    c->options = *options;
    pthread_mutex_lock(&log->lock);
    kc_status status = kc_log_check_writable(log);
    if (status == KC_OK) status = take_sources(c);
    pthread_mutex_unlock(&log->lock);
    if (status == KC_OK) status = collect_aborted(c);
    if (status == KC_OK) status = kc_offset_map_init(&c->map, map_size(c), options->map_load_factor, options->seed);
    c->window.capacity = WINDOW_SIZE;
    c->window.bytes = status == KC_OK ? malloc(WINDOW_SIZE) : NULL;
    if (status == KC_OK && !c->window.bytes) status = KC_NO_MEMORY;
    if (status != KC_OK) {
        kc_cleaning_end(c);
        return status;
    }
    c->filter = (struct kc_batch_filter){.map = &c->map, .now_ms = options->now_ms, .delete_retention_ms = options->delete_retention_ms};
    c->end_offset = options->first_dirty_offset;
    size_t first = 0;
    while (first < c->source_count && c->sources[first].end_offset <= options->first_dirty_offset) first++;
    seek(c, first);
    *out = c;
    return KC_OK;
}

void kc_cleaning_end(struct kc_cleaning *c) {
    if (!c) return;
    kc_cleaning_discard_copy(c);
    for (size_t i = 0; i < c->source_count; i++) kc_segment_release(c->sources[i].segment);
    free(c->sources);
    free(c->directory);
    free(c->window.bytes);
    free(c->out.bytes);
    free(c->wrapped.bytes);
    kc_batch_filter_release(&c->filter);
    kc_cleaned_txns_release(&c->txns);
    kc_offset_map_release(&c->map);
    kc_log_release(c->log);
    free(c);
}

void kc_cleaning_stats(const struct kc_cleaning *c, struct kc_cleaning_stats *out) {
    *out = c->stats;
    out->end_offset = c->end_offset;
    out->key_count = (int64_t)c->map.count;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

/* The batch at the position, whole and with a good checksum; the position goes on behind it. */
static kc_status read_batch(struct kc_cleaning *c) {
    kc_status status = kc_file_window_move(&c->window, c->position, KC_BATCH_HEADER_SIZE, &c->batch);
    if (status != KC_OK) return status;
    if (c->batch.size < KC_BATCH_HEADER_SIZE) return KC_CORRUPT;
    kc_batch_header_load(c->batch.data, &c->header);
    int64_t left = c->window.file_size - c->position;
    if (c->header.size_bytes < KC_BATCH_HEADER_SIZE || c->header.size_bytes > left) return KC_CORRUPT;
    status = kc_file_window_move(&c->window, c->position, (size_t)c->header.size_bytes, &c->batch);
    if (status == KC_OK && kc_batch_check_stored(c->batch, &c->header) != KC_OK) status = KC_CORRUPT;
    if (status != KC_OK) return status;
    const struct kc_cleaning_source *source = &c->sources[c->slot];
    if (c->header.last_offset_delta < 0 || c->header.base_offset < source->segment->base_offset ||
        c->header.base_offset > source->end_offset - 1 - c->header.last_offset_delta)
        return KC_CORRUPT;
    c->batch.size = (size_t)c->header.size_bytes;
    c->position += c->header.size_bytes;
    c->budget_bytes -= c->header.size_bytes;
    return KC_OK;
}

static struct kc_slice section_of(const struct kc_cleaning *c) {
    return kc_slice_make(c->batch.data + KC_BATCH_HEADER_SIZE, c->batch.size - KC_BATCH_HEADER_SIZE);
}

/* The batch's records if they are to be had; otherwise they are asked for, and `waiting` says so. */
static bool has_records(struct kc_cleaning *c, struct kc_cleaning_request *request) {
    enum kc_codec codec = kc_batch_codec(c->header.attributes);
    if (codec == KC_CODEC_NONE) return true;
    *request = (struct kc_cleaning_request){KC_CLEANING_DECOMPRESS, (int8_t)codec, section_of(c)};
    c->waiting = KC_CLEANING_DECOMPRESS;
    return false;
}

/* ---- the map ------------------------------------------------------------------------------------------------------------ */

static kc_status begin_copy(struct kc_cleaning *c) {
    c->phase = KC_CLEANING_COPY;
    while (c->copy_count < c->source_count && c->sources[c->copy_count].segment->base_offset < c->end_offset) c->copy_count++;
    kc_status status = kc_cleaning_begin_group(c);
    if (status == KC_OK) seek(c, c->group_first);
    return status;
}

static kc_status map_records(struct kc_cleaning *c, struct kc_slice records) {
    struct kc_record_iterator it;
    struct kc_record record;
    kc_status status;
    kc_record_iterator_init(&it, records, c->header.record_count);
    while ((status = kc_record_next(&it, &record)) == KC_OK) {
        if (record.offset_delta < 0 || record.offset_delta > c->header.last_offset_delta) return KC_CORRUPT;
        c->stats.map_records++;
        int64_t offset = c->header.base_offset + record.offset_delta;
        if (record.key_null || offset < c->options.first_dirty_offset) continue;
        status = kc_offset_map_put(&c->map, record.key, offset);
        if (status != KC_LIMIT) continue;
        /* Full: this batch is for the next cleaning.  Those of its keys that went in point at records that stay. */
        if (c->end_offset <= c->options.first_dirty_offset) return KC_LIMIT;
        return begin_copy(c);
    }
    if (status != KC_END) return status;
    c->end_offset = kc_batch_last_offset(&c->header) + 1;
    return KC_OK;
}

static kc_status map_next(struct kc_cleaning *c, struct kc_cleaning_request *request) {
    if (c->slot >= c->source_count) {
        if (c->source_count && c->sources[c->source_count - 1].end_offset > c->end_offset)
            c->end_offset = c->sources[c->source_count - 1].end_offset;
        return begin_copy(c);
    }
    if (c->position >= c->sources[c->slot].size_bytes) {
        seek(c, c->slot + 1);
        return KC_OK;
    }
    kc_status status = read_batch(c);
    if (status != KC_OK) return status;
    c->stats.map_bytes_read += c->header.size_bytes;
    if (kc_batch_last_offset(&c->header) < c->options.first_dirty_offset) return KC_OK;
    if ((c->header.attributes & KC_ATTRIBUTE_CONTROL) || kc_cleaned_txns_aborted(&c->txns, &c->header)) {
        c->end_offset = kc_batch_last_offset(&c->header) + 1;
        return KC_OK;
    }
    return has_records(c, request) ? map_records(c, section_of(c)) : KC_OK;
}

/* ---- the copy ----------------------------------------------------------------------------------------------------------- */

static bool is_last_of_group(const struct kc_cleaning *c) {
    return c->slot + 1 == c->group_end && c->position >= c->sources[c->slot].size_bytes;
}

static bool is_last_of_producer(struct kc_cleaning *c) {
    if (c->header.producer_id < 0) return false;
    struct kc_log *log = c->log;
    pthread_mutex_lock(&log->lock);
    const struct kc_producer *producer = kc_producer_state_find(&log->producers, c->header.producer_id, kc_log_now(log));
    bool is_last = producer && producer->batch_count > 0 &&
                   producer->batches[producer->batch_count - 1].last_offset == kc_batch_last_offset(&c->header);
    pthread_mutex_unlock(&log->lock);
    return is_last;
}

static kc_status emit_empty(struct kc_cleaning *c) {
    uint8_t bytes[KC_BATCH_HEADER_SIZE];
    struct kc_batch_header header = kc_batch_emptied(&c->header);
    kc_batch_header_store(bytes, &header);
    kc_batch_seal(bytes);
    return kc_cleaning_emit(c, &header, kc_slice_make(bytes, sizeof bytes));
}

static kc_status emit_remnant(struct kc_cleaning *c, struct kc_cleaning_request *request) {
    struct kc_batch_remnant *remnant = &c->remnant;
    enum kc_codec codec = kc_batch_codec(c->header.attributes);
    if (codec != KC_CODEC_NONE) {
        *request = (struct kc_cleaning_request){KC_CLEANING_COMPRESS, (int8_t)codec,
                                                kc_slice_make(remnant->section, remnant->section_size)};
        c->waiting = KC_CLEANING_COMPRESS;
        return KC_OK;
    }
    if (remnant->section_size > (size_t)INT32_MAX - KC_BATCH_HEADER_SIZE) return KC_LIMIT;
    uint8_t *bytes = remnant->section - KC_BATCH_HEADER_SIZE;
    remnant->header.size_bytes = KC_BATCH_HEADER_SIZE + (int32_t)remnant->section_size;
    kc_batch_header_store(bytes, &remnant->header);
    kc_batch_seal(bytes);
    return kc_cleaning_emit(c, &remnant->header, kc_slice_make(bytes, (size_t)remnant->header.size_bytes));
}

static kc_status emit_compressed(struct kc_cleaning *c, struct kc_slice section) {
    struct kc_batch_header header = c->remnant.header;
    header.attributes = (int16_t)(header.attributes | (c->header.attributes & KC_ATTRIBUTE_CODEC_MASK));
    kc_status status = kc_byte_buffer_reserve(&c->wrapped, KC_BATCH_HEADER_SIZE + section.size);
    if (status == KC_OK && kc_batch_wrap(&header, section, c->wrapped.bytes) != KC_OK) status = KC_LIMIT;
    if (status != KC_OK) return status;
    return kc_cleaning_emit(c, &header, kc_slice_make(c->wrapped.bytes, KC_BATCH_HEADER_SIZE + section.size));
}

static kc_status copy_records(struct kc_cleaning *c, struct kc_slice records, struct kc_cleaning_request *request) {
    enum kc_batch_rest rest;
    kc_status status = kc_batch_filter_run(&c->filter, &c->header, records, &rest, &c->remnant);
    if (status != KC_OK) return status;
    switch (rest) {
    case KC_BATCH_REST_ALL: c->stats.records_kept += c->header.record_count; return kc_cleaning_emit(c, &c->header, c->batch);
    case KC_BATCH_REST_SOME: c->stats.records_kept += c->remnant.header.record_count; return emit_remnant(c, request);
    case KC_BATCH_REST_NONE: break;
    }
    return is_last_of_group(c) || is_last_of_producer(c) ? emit_empty(c) : KC_OK;
}

/* A marker that the log cannot do without though its transaction is gone: it alone tells its producer's epoch, or the newest snapshot of
 * the producers may know the transaction as an open one. */
static bool tells_of_producer(struct kc_cleaning *c) {
    struct kc_log *log = c->log;
    pthread_mutex_lock(&log->lock);
    const struct kc_producer *producer = kc_producer_state_find(&log->producers, c->header.producer_id, kc_log_now(log));
    bool tells = log->snapshot_offset <= c->header.base_offset ||
                 (producer && producer->batch_count == 0 && producer->epoch == c->header.producer_epoch);
    pthread_mutex_unlock(&log->lock);
    return tells;
}

static kc_status keep_batch(struct kc_cleaning *c) {
    c->stats.records_kept += c->header.record_count;
    return kc_cleaning_emit(c, &c->header, c->batch);
}

static kc_status copy_control(struct kc_cleaning *c, struct kc_cleaning_request *request) {
    bool clean = kc_batch_last_offset(&c->header) < c->end_offset;
    if (c->header.record_count == 0) return clean && !is_last_of_group(c) ? KC_OK : keep_batch(c);
    struct kc_marker marker;
    if (kc_batch_codec(c->header.attributes) != KC_CODEC_NONE || !kc_marker_read(section_of(c), &c->header, &marker)) return keep_batch(c);
    const struct kc_aborted_txn *aborted;
    bool needed = kc_cleaned_txns_see_marker(&c->txns, &marker, c->header.base_offset, &aborted);
    if (needed && aborted) {
        kc_status status = kc_txn_index_append(&c->copy->txn_index, aborted);
        if (status != KC_OK) return status == KC_INVALID ? KC_CORRUPT : status;
    }
    if (needed || !clean) return keep_batch(c);
    if (!(c->header.attributes & KC_ATTRIBUTE_DELETE_HORIZON)) {
        kc_status status = kc_batch_filter_time(&c->filter, &c->header, section_of(c), &c->remnant);
        if (status != KC_OK) return status;
        c->remnant.header.record_count = c->header.record_count;
        c->stats.records_kept += c->header.record_count;
        return emit_remnant(c, request);
    }
    if (c->options.now_ms < c->header.base_timestamp || tells_of_producer(c)) return keep_batch(c);
    c->last_lost_marker = c->header.base_offset;
    return is_last_of_group(c) ? emit_empty(c) : KC_OK;
}

static kc_status copy_data(struct kc_cleaning *c, struct kc_cleaning_request *request) {
    kc_status status = kc_cleaned_txns_see_batch(&c->txns, &c->header);
    if (status != KC_OK) return status;
    if (kc_batch_last_offset(&c->header) >= c->end_offset) return keep_batch(c);
    if (kc_cleaned_txns_aborted(&c->txns, &c->header)) return is_last_of_group(c) || is_last_of_producer(c) ? emit_empty(c) : KC_OK;
    return has_records(c, request) ? copy_records(c, section_of(c), request) : KC_OK;
}

static kc_status copy_next(struct kc_cleaning *c, struct kc_cleaning_request *request) {
    if (c->slot == c->group_end) {
        kc_status status = kc_cleaning_end_group(c);
        if (status == KC_OK) status = kc_cleaning_begin_group(c);
        if (status == KC_OK) seek(c, c->group_first);
        return status;
    }
    if (c->position >= c->sources[c->slot].size_bytes) {
        seek(c, c->slot + 1);
        return KC_OK;
    }
    kc_status status = read_batch(c);
    if (status != KC_OK) return status;
    c->stats.copy_bytes_read += c->header.size_bytes;
    c->stats.copy_records += c->header.record_count;
    return c->header.attributes & KC_ATTRIBUTE_CONTROL ? copy_control(c, request) : copy_data(c, request);
}

/* ---- steps -------------------------------------------------------------------------------------------------------------- */

static kc_status take_section(struct kc_cleaning *c, struct kc_slice section, struct kc_cleaning_request *request) {
    enum kc_cleaning_need waiting = c->waiting;
    c->waiting = KC_CLEANING_AGAIN;
    if (waiting == KC_CLEANING_COMPRESS) return emit_compressed(c, section);
    return c->phase == KC_CLEANING_MAP ? map_records(c, section) : copy_records(c, section, request);
}

/* What is read of a log that was cut or closed meanwhile can be anything. */
static kc_status reason_of(struct kc_cleaning *c, kc_status status) {
    pthread_mutex_lock(&c->log->lock);
    if (c->log->closed)
        status = KC_CLOSED;
    else if (c->log->truncations != c->truncations)
        status = KC_STALE;
    pthread_mutex_unlock(&c->log->lock);
    return status;
}

kc_status kc_cleaning_step(struct kc_cleaning *c, struct kc_slice section, int64_t bytes, struct kc_cleaning_request *out) {
    KC_CHECK((c->waiting != KC_CLEANING_AGAIN) == (section.data != NULL));
    struct kc_cleaning_request request = {.need = KC_CLEANING_AGAIN};
    kc_status status = KC_OK;
    c->budget_bytes = bytes;
    if (section.data) status = take_section(c, section, &request);
    while (status == KC_OK && request.need == KC_CLEANING_AGAIN && c->phase != KC_CLEANING_OVER && c->budget_bytes > 0)
        status = c->phase == KC_CLEANING_MAP ? map_next(c, &request) : copy_next(c, &request);
    if (status != KC_OK) return reason_of(c, status);
    if (c->phase == KC_CLEANING_OVER) request.need = KC_CLEANING_DONE;
    *out = request;
    return KC_OK;
}

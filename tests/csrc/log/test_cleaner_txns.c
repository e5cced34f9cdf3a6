/* Compaction of logs with transactions, against a plain memory of what was appended and decided: what a read_committed consumer (Kafka's
 * algorithm, over slices from random offsets) sees, what remains, and when markers go; random logs with restarts, lost snapshots and damaged
 * indexes; a crash and an error at every call of a cleaning. */
#include "cleaning_fixture.h"
#include "log/log_internal.h"

enum { PRODUCERS = 4, RETENTION_MS = 50 };
enum fate { NOTHING, PLAIN, OPEN, COMMITTED, ABORTED, MARKER };

static struct fixture f;
static enum fate fates[OFFSETS_MAX];
static int64_t open_first[PRODUCERS];    /* -1: no transaction */
static int64_t writers[OFFSETS_MAX];
static int32_t sequences[PRODUCERS];
static int16_t epochs[PRODUCERS];

static void start(uint64_t seed) {
    fixture_start(&f, seed);
    f.options.config = small_config();
    f.options.config.segment_size_bytes = 1500;
    memset(fates, 0, sizeof fates);
    memset(sequences, 0, sizeof sequences);
    memset(epochs, 0, sizeof epochs);
    for (int i = 0; i < PRODUCERS; i++) open_first[i] = -1;
    fixture_open(&f);
    EXPECT_EQ(f.disk->sync_directory(f.disk->state, "/"), KC_OK);
}

static void stop(void) {
    fixture_close(&f);
    fixture_stop(&f);
}

static void write_keys(int producer, const int *keys, const int *values, int count, int attributes) {
    int64_t first = kc_log_end_offset(f.log);
    bool transactional = attributes & KC_ATTRIBUTE_TRANSACTIONAL;
    if (producer >= 0) keyed_epoch = epochs[producer];
    EXPECT_EQ(append_keyed(&f, keys, values, count, attributes, producer, producer < 0 ? -1 : sequences[producer]).fault, KC_APPEND_OK);
    if (producer >= 0) sequences[producer] += count;
    if (transactional && open_first[producer] < 0) open_first[producer] = first;
    for (int i = 0; i < count; i++) {
        fates[first + i] = transactional ? OPEN : PLAIN;
        writers[first + i] = producer;
    }
}

static void txn_put(int producer, int key, int value) {
    write_keys(producer, &key, &value, 1, KC_ATTRIBUTE_TRANSACTIONAL);
}

static void plain_put(int key, int value) {
    write_keys(-1, &key, &value, 1, 0);
}

/* version 2 raises the epoch. */
static int64_t end_txn(int producer, bool commit, int16_t version) {
    struct kc_log_marker marker = {.producer_id = producer, .coordinator_epoch = 1, .transaction_version = version, .commit = commit};
    if (version >= 2) {
        epochs[producer]++;
        sequences[producer] = 0;
    }
    marker.producer_epoch = epochs[producer];
    struct kc_append done;
    kc_log_append_marker(f.log, &marker, &done);
    EXPECT_EQ(done.fault, KC_APPEND_OK);
    for (int64_t at = open_first[producer]; at >= 0 && at < done.base_offset; at++)
        if (fates[at] == OPEN && writers[at] == producer) fates[at] = commit ? COMMITTED : ABORTED;
    open_first[producer] = -1;
    fates[done.base_offset] = MARKER;
    originals[done.base_offset] = (struct original){-1, 0, 0};
    return done.base_offset;
}

static int64_t stable_end(void) {
    int64_t end = kc_log_end_offset(f.log);
    for (int i = 0; i < PRODUCERS; i++)
        if (open_first[i] >= 0 && open_first[i] < end) end = open_first[i];
    return end;
}

/* ---- a consumer ------------------------------------------------------------------------------------------------------------------- */

struct consumer {
    bool aborting[PRODUCERS];
    struct kc_aborted_txns list;
    uint32_t next;
};

static int by_first(const void *left, const void *right) {
    const struct kc_aborted_txn *a = left, *b = right;
    return (a->first_offset > b->first_offset) - (a->first_offset < b->first_offset);
}

/* org.apache.kafka.clients.consumer.internals.CompletedFetch. */
static bool is_hidden(struct consumer *c, const struct kc_batch_header *header, struct kc_slice section) {
    while (c->next < c->list.count && c->list.items[c->next].first_offset <= kc_batch_last_offset(header))
        c->aborting[c->list.items[c->next++].producer_id] = true;
    struct kc_marker marker;
    if (header->attributes & KC_ATTRIBUTE_CONTROL) {
        if (kc_marker_read(section, header, &marker) && !marker.commit) c->aborting[header->producer_id] = false;
        return true;
    }
    return (header->attributes & KC_ATTRIBUTE_TRANSACTIONAL) && c->aborting[header->producer_id];
}

/* One fetch, as a consumer that has just begun: seen[] gets the offsets of what it is shown.  Returns where it goes on. */
static int64_t fetch(int64_t offset, int32_t size_max, bool *seen) {
    static uint8_t bytes[1 << 16];
    size_t size = read_bytes(&f, offset, kc_log_last_stable_offset(f.log), size_max, true, bytes, sizeof bytes), at = 0;
    struct kc_batch_header header;
    int64_t end = offset;
    for (size_t i = 0; i < size && kc_batch_check_stored(kc_slice_make(bytes + i, size - i), &header) == KC_OK; i += (size_t)header.size_bytes)
        end = kc_batch_last_offset(&header) + 1;
    struct consumer consumer = {0};
    EXPECT_EQ(kc_log_collect_aborted(f.log, offset, end, &consumer.list), KC_OK);
    if (consumer.list.count) qsort(consumer.list.items, consumer.list.count, sizeof *consumer.list.items, by_first);
    while (at < size && kc_batch_check_stored(kc_slice_make(bytes + at, size - at), &header) == KC_OK) {
        struct kc_slice section = kc_slice_make(bytes + at + KC_BATCH_HEADER_SIZE, (size_t)header.size_bytes - KC_BATCH_HEADER_SIZE);
        at += (size_t)header.size_bytes;
        if (is_hidden(&consumer, &header, section)) continue;
        struct kc_record_iterator it;
        struct kc_record record;
        kc_record_iterator_init(&it, section, header.record_count);
        while (kc_record_next(&it, &record) == KC_OK)
            if (header.base_offset + record.offset_delta >= offset) seen[header.base_offset + record.offset_delta] = true;
    }
    kc_aborted_txns_release(&consumer.list);
    return end;
}

/* Everything that holds at any time: what is shown is exactly what is there and not aborted, from wherever one reads; each key's last
 * shown value is there. */
static struct survey check(bool tombstones_may_go) {
    struct survey s = survey_log(&f);
    int64_t stable = stable_end(), newest[KEYS], shown[KEYS];
    EXPECT_EQ(kc_log_last_stable_offset(f.log), stable);
    for (int round = 0; round < 4; round++) {
        static bool seen[OFFSETS_MAX];
        memset(seen, 0, sizeof seen);
        int64_t from = round ? (int64_t)kc_test_random_below((uint64_t)stable + 1) : 0, at = from;
        while (at < stable) {
            int64_t next = fetch(at, round ? 100 + (int32_t)kc_test_random_below(3000) : 1 << 15, seen);
            EXPECT(next > at);
            at = next;
        }
        for (int64_t offset = from; offset < stable; offset++)
            EXPECT_EQ(seen[offset], s.there[offset] && fates[offset] != ABORTED && fates[offset] != MARKER);
    }
    for (int key = 0; key < KEYS; key++) newest[key] = shown[key] = -1;
    for (int64_t offset = 0; offset < stable; offset++) {
        if (fates[offset] != PLAIN && fates[offset] != COMMITTED) continue;
        newest[originals[offset].key] = offset;
        if (s.there[offset]) shown[originals[offset].key] = offset;
    }
    for (int key = 0; key < KEYS; key++) {
        if (tombstones_may_go && newest[key] >= 0 && originals[newest[key]].value == NO_VALUE && shown[key] < 0) continue;
        EXPECT_EQ(shown[key], newest[key]);
    }
    for (int64_t offset = stable; offset < kc_log_end_offset(f.log); offset++)
        EXPECT_EQ(s.there[offset], fates[offset] != MARKER);
    return s;
}

/* What a cleaning up to end_offset leaves: below it nothing aborted and each key once, above it everything. */
static void check_cleaned(const struct survey *s, int64_t end_offset) {
    int64_t newest[KEYS];
    for (int key = 0; key < KEYS; key++) newest[key] = -1;
    for (int64_t offset = 0; offset < end_offset; offset++)
        if (fates[offset] == PLAIN || fates[offset] == COMMITTED) newest[originals[offset].key] = offset;
    for (int64_t offset = 0; offset < kc_log_end_offset(f.log); offset++) {
        if (fates[offset] == MARKER) continue;
        if (offset >= end_offset) EXPECT(s->there[offset]);
        else if (fates[offset] == ABORTED) EXPECT(!s->there[offset]);
        else if (s->there[offset]) EXPECT_EQ(newest[originals[offset].key], offset);
    }
}

static kc_status clean_from(int64_t first_dirty, struct kc_cleaning_stats *stats) {
    return clean(&f, (struct clean){.first_dirty = first_dirty, .delete_retention_ms = RETENTION_MS}, stats);
}

/* ---- cases ------------------------------------------------------------------------------------------------------------------------- */

TEST(aborted_records_go_and_committed_ones_take_part) {
    start(1);
    plain_put(1, 10);
    plain_put(2, 20);
    txn_put(0, 1, 11);                   /* 2, aborted */
    txn_put(1, 2, 21);                   /* 3, committed */
    txn_put(0, 3, 30);                   /* 4, aborted: the key has no other record */
    end_txn(0, false, 1);
    end_txn(1, true, 1);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    EXPECT_EQ(clean_from(0, NULL), KC_OK);
    struct survey s = check(false);
    EXPECT(s.there[0] && !s.there[1] && !s.there[2] && s.there[3] && !s.there[4]);
    EXPECT_EQ(s.markers, 2);
    EXPECT_EQ(s.empty_batches, 1);       /* producer 0's last: its sequences */
    stop();
}

TEST(a_marker_stays_while_records_do_and_then_until_its_horizon) {
    start(1);
    txn_put(0, 1, 1);
    end_txn(0, false, 1);                /* 1 */
    txn_put(0, 1, 2);
    end_txn(0, true, 1);                 /* 3 */
    txn_put(0, 2, 3);
    end_txn(0, true, 1);                 /* 5: its record stays */
    plain_put(1, 4);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    plain_put(9, 9);
    EXPECT_EQ(clean_from(0, NULL), KC_OK);       /* takes the records */
    struct survey s = check(false);
    EXPECT_EQ(s.markers, 3);
    EXPECT(!s.there[0] && !s.there[2] && s.there[4]);
    struct kc_aborted_txns list = {0};
    EXPECT_EQ(kc_log_collect_aborted(f.log, 0, 9, &list), KC_OK);
    EXPECT_EQ(list.count, 1);
    EXPECT_EQ(clean_from(0, NULL), KC_OK);       /* sets the horizon */
    EXPECT_EQ(check(false).markers, 3);
    list.count = 0;
    EXPECT_EQ(kc_log_collect_aborted(f.log, 0, 9, &list), KC_OK);
    EXPECT_EQ(list.count, 0);
    kc_aborted_txns_release(&list);
    f.now_ms += RETENTION_MS - 1;
    EXPECT_EQ(clean_from(0, NULL), KC_OK);
    EXPECT_EQ(check(false).markers, 3);
    f.now_ms += 1;
    EXPECT_EQ(clean_from(0, NULL), KC_OK);
    EXPECT_EQ(check(false).markers, 1);
    f.now_ms += 10 * RETENTION_MS;
    EXPECT_EQ(clean_from(0, NULL), KC_OK);
    EXPECT_EQ(check(false).markers, 1);
    stop();
}

TEST(nothing_of_an_open_transaction_is_cleaned) {
    start(1);
    plain_put(1, 1);
    plain_put(1, 2);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);        /* 2 */
    plain_put(1, 3);
    txn_put(0, 1, 4);
    plain_put(1, 5);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    plain_put(1, 6);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    struct kc_cleaning_stats stats;
    EXPECT_EQ(clean_from(0, &stats), KC_OK);
    EXPECT_EQ(stats.end_offset, 2);
    struct survey s = survey_log(&f);
    EXPECT(!s.there[0] && s.there[1] && s.there[2] && s.there[3] && s.there[4] && s.there[5]);
    stop();
}

TEST(a_producer_that_only_a_marker_tells_of_keeps_its_epoch) {
    start(1);
    txn_put(0, 1, 1);
    end_txn(0, false, 2);
    plain_put(1, 2);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    plain_put(1, 3);
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(clean_from(0, NULL), KC_OK);
        f.now_ms += 2 * RETENTION_MS;
    }
    EXPECT_EQ(check(false).markers, 1);
    EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
    fixture_kill(&f, KC_RESTART_KEEP);
    EXPECT_EQ(remove_file(&f, "00000000000000000003.snapshot"), KC_OK);
    fixture_open(&f);
    keyed_epoch = 0;
    EXPECT_EQ(append_keyed(&f, (int[]){1}, (int[]){1}, 1, KC_ATTRIBUTE_TRANSACTIONAL, 0, 1).fault, KC_APPEND_INVALID_PRODUCER_EPOCH);
    stop();
}

/* A snapshot within a transaction outlives its records: with the marker gone, nothing would close what it knows as open. */
TEST(no_snapshot_opens_a_transaction_again_whose_marker_is_gone) {
    const char *later[] = {"00000000000000000003.snapshot", "00000000000000000006.snapshot", "00000000000000000007.snapshot"};
    uint8_t byte;
    for (int commit = 0; commit < 2; commit++) {
        start(1);
        txn_put(0, 1, 1);
        plain_put(3, 1);
        EXPECT_EQ(kc_log_roll(f.log), KC_OK);              /* the snapshot of offset 2 */
        EXPECT_EQ(end_txn(0, commit, 1), 2);
        EXPECT_EQ(kc_log_roll(f.log), KC_OK);
        txn_put(0, 1, 2);
        EXPECT_EQ(end_txn(0, true, 1), 4);
        plain_put(1, 3);
        EXPECT_EQ(kc_log_roll(f.log), KC_OK);
        plain_put(2, 4);
        f.options.config.segment_size_bytes = 100;
        kc_log_set_config(f.log, &f.options.config);       /* groups of one */
        for (int i = 0; i < 2; i++) EXPECT_EQ(clean_from(0, NULL), KC_OK);
        f.now_ms += 2 * RETENTION_MS;
        EXPECT_EQ(check(false).markers, 2);
        EXPECT(file_bytes(&f, "00000000000000000002.snapshot", &byte, 1) > 0);
        /* Were it the newest one, because the disk was full later, the marker would stay. */
        EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
        for (int i = 0; i < 3; i++) remove_file(&f, later[i]);
        f.log->snapshot_offset = 2;
        EXPECT_EQ(clean_from(0, NULL), KC_OK);
        EXPECT_EQ(check(false).markers, 2);
        fixture_kill(&f, KC_RESTART_KEEP);
        f.options.recovery_point = 6;
        fixture_open(&f);
        check(false);
        /* There is another one: both go. */
        EXPECT_EQ(clean_from(0, NULL), KC_OK);
        EXPECT_EQ(check(false).markers, 1);
        EXPECT_EQ(file_bytes(&f, "00000000000000000002.snapshot", &byte, 1), -1);
        EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
        fixture_kill(&f, KC_RESTART_KEEP);
        for (int i = 0; i < 3; i++) remove_file(&f, later[i]);
        fixture_open(&f);
        check(false);
        stop();
    }
}

/* ---- random ------------------------------------------------------------------------------------------------------------------------- */

static void random_step(void) {
    int keys[5], values[5], count = 1 + (int)kc_test_random_below(4), producer = (int)kc_test_random_below(PRODUCERS);
    for (int i = 0; i < count; i++) {
        keys[i] = (int)kc_test_random_below(KEYS);
        values[i] = kc_test_random_below(6) == 0 ? NO_VALUE : (int)kc_test_random_below(1000000);
    }
    int codec = kc_test_random_below(3) == 0 ? FAKE_CODEC : 0;
    uint64_t die = kc_test_random_below(10);
    if (die < 2) write_keys(-1, keys, values, count, codec);
    else if (die < 3 && open_first[producer] < 0) write_keys(producer, keys, values, count, codec);
    else if (die < 7) write_keys(producer, keys, values, count, codec | KC_ATTRIBUTE_TRANSACTIONAL);
    else if (producer < 2 || open_first[producer] >= 0) end_txn(producer, kc_test_random() & 1, producer < 2 ? 1 : 2);
}

/* Of a log that is not open: files that can be made again.  The log's own batches tell all that is in them. */
static void damage(void) {
    const struct file_names *files = list_files(&f);
    for (int i = 0; i < files->count; i++) {
        const char *name = files->names[i];
        bool index = strstr(name, ".txnindex") && !strstr(name, ".deleted");
        bool snapshot = strstr(name, ".snapshot") != NULL;
        if ((!index && !snapshot) || kc_test_random_below(3)) continue;
        if (index) write_file(&f, name, "damaged", 7);
        else EXPECT_EQ(remove_file(&f, name), KC_OK);
    }
}

static void restart(void) {
    EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
    f.options.recovery_point = kc_test_random_below(2) ? active_base(&f) : 0;
    bool clean_stop = kc_test_random_below(2);
    if (clean_stop) fixture_close(&f);
    else fixture_kill(&f, kc_test_random_below(2) ? KC_RESTART_KEEP : KC_RESTART_LOSE);
    if (kc_test_random_below(2)) damage();
    f.options.clean = clean_stop;
    fixture_open(&f);
    EXPECT_EQ(f.recovery.truncated_bytes, 0);
    EXPECT_EQ(f.recovery.dropped_segments, 0);
}

TEST(random_logs_hide_what_was_aborted_and_keep_what_was_committed) {
    int64_t markers_gone = 0, records_gone = 0;
    for (int run = 0; run < 100; run++) {
        start((uint64_t)run);
        int64_t first_dirty = 0;
        for (int round = 0; round < 8; round++) {
            for (int i = (int)kc_test_random_below(60); i > 0; i--) random_step();
            if (kc_test_random_below(3) == 0)
                for (int i = 0; i < PRODUCERS; i++)
                    if (open_first[i] >= 0) end_txn(i, kc_test_random() & 1, i < 2 ? 1 : 2);
            if (kc_test_random_below(3) == 0) EXPECT_EQ(kc_log_roll(f.log), KC_OK);
            struct survey before = check(true);
            struct kc_cleaning_stats stats;
            struct clean how = {.first_dirty = first_dirty, .delete_retention_ms = RETENTION_MS,
                                .map_slots = kc_test_random_below(2) ? 0 : 8 + kc_test_random_below(60)};
            EXPECT_EQ(clean(&f, how, &stats), KC_OK);
            EXPECT(stats.end_offset >= first_dirty && stats.end_offset <= stable_end());
            first_dirty = stats.end_offset;
            struct survey after = check(true);
            check_cleaned(&after, first_dirty);
            markers_gone += before.markers - after.markers;
            records_gone += before.records - after.records;
            f.now_ms += (int64_t)kc_test_random_below(2 * RETENTION_MS);
            if (kc_test_random_below(2)) {
                restart();
                EXPECT_EQ(check(true).records, after.records);
            }
        }
        stop();
    }
    EXPECT(markers_gone > 800);
    EXPECT(records_gone > 8000);
}

/* ---- crashes and errors --------------------------------------------------------------------------------------------------------------- */

static void write_much(uint64_t seed) {
    for (int i = 0; i < 40; i++) {
        int producer = i % 3, keys[] = {i % 6, i % 7}, values[] = {i, i % 9 ? i : NO_VALUE};
        write_keys(producer, keys, values, 2, KC_ATTRIBUTE_TRANSACTIONAL | (i % 4 ? 0 : FAKE_CODEC));
        if (i % 5 == 4) end_txn(producer, (i + (int)seed) % 3 == 0, producer == 2 ? 2 : 1);
    }
    for (int i = 0; i < 3; i++)
        if (open_first[i] >= 0) end_txn(i, i == 0, i == 2 ? 2 : 1);
}

/* A log that has been cleaned, so that the next cleaning takes records, sets horizons and drops markers. */
static int64_t prepare(uint64_t seed) {
    start(seed);
    write_much(seed);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    for (int i = 0; i < 2; i++) EXPECT_EQ(clean_from(0, NULL), KC_OK);
    f.now_ms += 2 * RETENTION_MS;
    write_much(seed + 1);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    txn_put(0, 1, 1);                    /* open */
    EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
    return active_base(&f);
}

static void check_to_the_end(void) {
    check(true);
    struct kc_cleaning_stats stats;
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(clean_from(0, &stats), KC_OK);
        struct survey s = check(true);
        check_cleaned(&s, stats.end_offset);
        f.now_ms += 2 * RETENTION_MS;
    }
    end_txn(0, false, 1);
    check(true);
}

TEST(a_crash_at_any_call_of_a_cleaning_shows_nothing_aborted_and_loses_nothing_committed) {
    const enum kc_restart modes[] = {KC_RESTART_KEEP, KC_RESTART_LOSE, KC_RESTART_SEEDED};
    for (int m = 0; m < 3; m++) {
        bool over = false;
        for (uint64_t point = 1; !over; point++) {
            f.options.recovery_point = prepare(point * 10 + (uint64_t)m);
            int64_t recovery_point = active_base(&f), end = kc_log_end_offset(f.log);
            int markers = survey_log(&f).markers;
            kc_disk_fault_crash_at(f.fault, kc_disk_fault_points(f.fault) + point);
            kc_status status = clean_from(0, NULL);
            over = !kc_disk_fault_crashed(f.fault);
            EXPECT(status == KC_OK || !over);
            fixture_kill(&f, modes[m]);
            f.options.recovery_point = recovery_point;
            f.options.clean = false;
            fixture_open(&f);
            EXPECT_EQ(kc_log_end_offset(f.log), end);
            EXPECT_EQ(f.recovery.truncated_bytes, 0);
            if (over) EXPECT(survey_log(&f).markers < markers);
            check_to_the_end();
            stop();
            EXPECT(!over || point > 30);
        }
    }
}

TEST(an_error_at_any_call_of_a_cleaning_shows_nothing_aborted_and_loses_nothing_committed) {
    const kc_status errors[] = {KC_IO_ERROR, KC_NO_FILES};
    for (int e = 0; e < 2; e++) {
        bool over = false;
        for (uint64_t point = 1; !over; point++) {
            int64_t recovery_point = prepare(point), end = kc_log_end_offset(f.log);
            uint64_t before = kc_disk_fault_points(f.fault);
            kc_disk_fault_fail_at(f.fault, before + point, errors[e], false);
            kc_status status = clean_from(0, NULL);
            over = kc_disk_fault_points(f.fault) < before + point;
            EXPECT(status == KC_OK || !over);
            check(true);
            fixture_kill(&f, KC_RESTART_KEEP);
            f.options.recovery_point = recovery_point;
            f.options.clean = false;
            fixture_open(&f);
            EXPECT_EQ(kc_log_end_offset(f.log), end);
            check_to_the_end();
            stop();
        }
    }
}

RUN_ALL()

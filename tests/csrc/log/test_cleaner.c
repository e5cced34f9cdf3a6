/* Compaction: what stays of each key, offsets, tombstones and their horizon, producers, small maps; random logs against a plain memory
 * of what was appended; a crash and an error at every call of a cleaning. */
#include "cleaning_fixture.h"

static struct fixture f;

static void start(uint64_t seed) {
    fixture_start(&f, seed);
    f.options.config = small_config();
    f.options.config.segment_size_bytes = 1500;
    fixture_open(&f);
    EXPECT_EQ(f.disk->sync_directory(f.disk->state, "/"), KC_OK);
}

static void stop(void) {
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(the_last_record_of_each_key_stays_where_it_was) {
    start(1);
    for (int i = 0; i < 200; i++) put(&f, i % 5, i);
    int64_t before = kc_log_size_bytes(f.log);
    struct kc_cleaning_stats stats;
    EXPECT_EQ(clean(&f, (struct clean){.delete_retention_ms = 1000}, &stats), KC_OK);
    EXPECT_EQ(stats.end_offset, active_base(&f));
    EXPECT_EQ(stats.key_count, 5);
    EXPECT(kc_log_size_bytes(f.log) < before / 2);
    EXPECT_EQ(stats.records_kept, 5);
    struct survey s = survey_log(&f);
    expect_last_values(&f, &s, false);
    /* Five keys below the active segment, and the active one whole. */
    EXPECT_EQ(s.records, 200 - active_base(&f) + 5);
    int64_t size = kc_log_size_bytes(f.log);
    struct kc_append append = append_keyed(&f, (int[]){3}, (int[]){7}, 1, 0, -1, -1);
    EXPECT_EQ(append.base_offset, 200);
    EXPECT(kc_log_size_bytes(f.log) > size);
    stop();
}

TEST(a_second_cleaning_joins_small_segments_and_segments_go_on_touching) {
    start(1);
    int64_t first_dirty = 0;
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 100; i++) put(&f, i % KEYS, i);
        struct kc_cleaning_stats stats;
        EXPECT_EQ(clean(&f, (struct clean){.first_dirty = first_dirty, .delete_retention_ms = 1000}, &stats), KC_OK);
        EXPECT(stats.end_offset > first_dirty);
        first_dirty = stats.end_offset;
        struct survey s = survey_log(&f);
        expect_last_values(&f, &s, false);
        /* Recovery from the first segment on cuts nothing: no compacted end looks like a lost one. */
        EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
        fixture_kill(&f, KC_RESTART_LOSE);
        f.options.recovery_point = 0;
        fixture_open(&f);
        EXPECT_EQ(f.recovery.truncated_bytes, 0);
        EXPECT_EQ(f.recovery.dropped_segments, 0);
        EXPECT_EQ(survey_log(&f).records, s.records);
    }
    EXPECT_EQ(clean(&f, (struct clean){.first_dirty = first_dirty, .delete_retention_ms = 1000}, NULL), KC_OK);
    EXPECT_EQ(segment_count(&f), 4);
    stop();
}

TEST(tombstones_stay_until_their_horizon_and_not_longer) {
    start(1);
    for (int i = 0; i < 40; i++) put(&f, i % 4, i);
    put(&f, 0, NO_VALUE);
    for (int i = 0; i < 60; i++) put(&f, 1 + i % 3, i);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    struct clean how = {.delete_retention_ms = 1000};
    for (int pass = 0; pass < 3; pass++) {
        EXPECT_EQ(clean(&f, how, NULL), KC_OK);
        struct survey s = survey_log(&f);
        EXPECT_EQ(s.tombstones, 1);
        EXPECT_EQ(s.last_offset_of[0], 40);
        EXPECT_EQ(s.records, 4);
        how.first_dirty = kc_log_end_offset(f.log);
        f.now_ms += 499;
    }
    f.now_ms += 3;
    /* 499 ms passed before the second pass, and so on: 1500 since the first. */
    EXPECT_EQ(clean(&f, how, NULL), KC_OK);
    struct survey s = survey_log(&f);
    EXPECT_EQ(s.tombstones, 0);
    EXPECT_EQ(s.last_offset_of[0], -1);
    EXPECT_EQ(s.records, 3);
    stop();
}

TEST(records_without_a_key_go) {
    start(1);
    int keys[] = {-1, 2}, values[] = {1, 2};
    append_keyed(&f, keys, values, 2, 0, -1, -1);
    put(&f, 1, 10);
    put(&f, 2, 20);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    EXPECT_EQ(clean(&f, (struct clean){.delete_retention_ms = 0}, NULL), KC_OK);
    struct survey s = survey_log(&f);
    EXPECT(!s.there[0] && !s.there[1] && s.there[2] && s.there[3]);
    stop();
}

TEST(the_last_batch_of_a_producer_and_of_a_group_stay_without_their_records) {
    start(1);
    append_keyed(&f, (int[]){1, 2}, (int[]){1, 2}, 2, 0, 5, 0);
    append_keyed(&f, (int[]){1}, (int[]){1}, 1, 0, 5, 2);
    put(&f, 1, 3);
    put(&f, 2, 3);
    put(&f, 3, 3);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    put(&f, 3, 4);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    f.options.config.segment_size_bytes = 100;
    kc_log_set_config(f.log, &f.options.config);           /* groups of one */
    EXPECT_EQ(clean(&f, (struct clean){.delete_retention_ms = 0}, NULL), KC_OK);
    struct survey s = survey_log(&f);
    EXPECT_EQ(s.records, 3);
    EXPECT_EQ(s.empty_batches, 2);       /* the producer's second, and offset 5's in the first segment */
    f.options.config.segment_size_bytes = 1500;
    kc_log_set_config(f.log, &f.options.config);
    /* The producer is known after a replay of what is left, and its repeat is one. */
    EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
    fixture_kill(&f, KC_RESTART_KEEP);
    EXPECT_EQ(remove_file(&f, "00000000000000000006.snapshot"), KC_OK);
    EXPECT_EQ(remove_file(&f, "00000000000000000007.snapshot"), KC_OK);
    fixture_open(&f);
    EXPECT_EQ(append_keyed(&f, (int[]){1}, (int[]){1}, 1, 0, 5, 2).fault, KC_APPEND_DUPLICATE);
    EXPECT_EQ(append_keyed(&f, (int[]){1}, (int[]){1}, 1, 0, 5, 3).fault, KC_APPEND_OK);
    stop();
}

TEST(a_map_that_is_too_small_cleans_as_far_as_it_reaches) {
    start(1);
    for (int i = 0; i < 200; i++) put(&f, i % KEYS, i);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    int64_t first_dirty = 0;
    int passes = 0;
    while (first_dirty < kc_log_end_offset(f.log)) {
        struct kc_cleaning_stats stats;
        EXPECT_EQ(clean(&f, (struct clean){.first_dirty = first_dirty, .map_slots = 8}, &stats), KC_OK);
        EXPECT(stats.end_offset > first_dirty);
        first_dirty = stats.end_offset;
        struct survey s = survey_log(&f);
        expect_last_values(&f, &s, false);
        passes++;
    }
    EXPECT(passes > 10);
    /* A batch with more keys than it can hold at all. */
    int keys[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, values[10] = {0};
    append_keyed(&f, keys, values, 10, 0, -1, -1);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    int64_t size = kc_log_size_bytes(f.log);
    EXPECT_EQ(clean(&f, (struct clean){.first_dirty = first_dirty, .map_slots = 8}, NULL), KC_LIMIT);
    EXPECT_EQ(kc_log_size_bytes(f.log), size);
    stop();
}

TEST(what_is_truncated_or_dropped_meanwhile_wins) {
    for (int truncate = 0; truncate < 2; truncate++) {
        start(1);
        for (int i = 0; i < 100; i++) put(&f, i % 5, i);
        struct kc_cleaning_options options = {.limit_offset = INT64_MAX, .now_ms = f.now_ms, .map_size_bytes = 10000,
                                              .map_load_factor = 0.9};
        struct kc_cleaning *cleaning;
        EXPECT_EQ(kc_cleaning_start(f.log, &options, &cleaning), KC_OK);
        struct kc_cleaning_request request;
        struct kc_slice none = {NULL, 0};
        EXPECT_EQ(kc_cleaning_step(cleaning, none, 100, &request), KC_OK);
        if (truncate) {
            EXPECT_EQ(kc_log_truncate(f.log, 30), KC_OK);
        } else {
            EXPECT_EQ(kc_log_raise_start_offset(f.log, 50), KC_OK);
            EXPECT_EQ(kc_log_drop_segments(f.log, NULL), KC_OK);
        }
        kc_status status;
        do status = kc_cleaning_step(cleaning, none, 1 << 20, &request);
        while (status == KC_OK && request.need != KC_CLEANING_DONE);
        EXPECT_EQ(status, KC_STALE);
        kc_cleaning_end(cleaning);
        uint8_t byte;
        EXPECT_EQ(file_bytes(&f, "00000000000000000000.log.cleaned", &byte, 1), -1);
        EXPECT_EQ(survey_log(&f).records, truncate ? 30 : 100 - 50 + 50 - kc_log_start_offset(f.log));
        EXPECT(kc_log_writable(f.log));
        stop();
    }
}

TEST(a_corrupt_batch_ends_the_cleaning_and_nothing_else) {
    start(1);
    for (int i = 0; i < 100; i++) put(&f, i % 5, i);
    EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
    static uint8_t bytes[4096];
    int64_t size = file_bytes(&f, "00000000000000000000.log", bytes, sizeof bytes);
    bytes[size - 3] ^= 1;
    write_file(&f, "00000000000000000000.log", bytes, (size_t)size);
    EXPECT_EQ(clean(&f, (struct clean){0}, NULL), KC_CORRUPT);
    EXPECT(kc_log_writable(f.log));
    put(&f, 1, 1);
    stop();
}

/* A reader that has a slice of a segment goes on reading it, though the segment is replaced twice. */
TEST(whoever_reads_a_replaced_segment_finishes) {
    start(1);
    for (int i = 0; i < 100; i++) put(&f, i % 5, i);
    struct kc_log_slice slice;
    static uint8_t before[4096], after[4096];
    size_t size, again;
    EXPECT_EQ(kc_log_read(f.log, 0, INT64_MAX, 1000, true, &slice), KC_OK);
    EXPECT_EQ(kc_file_read(slice.file, before, (size_t)slice.size_bytes, slice.position, &size), KC_OK);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(clean(&f, (struct clean){0}, NULL), KC_OK);
        kc_file_close_idle(slice.file);
        EXPECT_EQ(kc_file_read(slice.file, after, (size_t)slice.size_bytes, slice.position, &again), KC_OK);
        EXPECT_EQ(again, size);
        EXPECT_MEM(before, after, size);
    }
    kc_file_release(slice.file);
    /* What waits to be removed goes when the log is opened. */
    uint8_t byte;
    EXPECT(file_bytes(&f, "00000000000000000000.log.0.deleted", &byte, 1) > 0);
    fixture_reopen(&f, true);
    EXPECT_EQ(file_bytes(&f, "00000000000000000000.log.0.deleted", &byte, 1), -1);
    stop();
}

/* Random batches: codecs, tombstones, producers, sizes. */
static void append_random(int32_t *sequences) {
    int keys[5], values[5], count = 1 + (int)kc_test_random_below(5);
    for (int i = 0; i < count; i++) {
        keys[i] = (int)kc_test_random_below(KEYS);
        values[i] = kc_test_random_below(6) == 0 ? NO_VALUE : (int)kc_test_random_below(1000000);
    }
    int64_t producer = (int64_t)kc_test_random_below(4) - 1;
    int32_t sequence = producer < 0 ? -1 : sequences[producer];
    int attributes = kc_test_random_below(3) == 0 ? FAKE_CODEC : 0;
    EXPECT_EQ(append_keyed(&f, keys, values, count, attributes, producer, sequence).fault, KC_APPEND_OK);
    if (producer >= 0) sequences[producer] += count;
}

TEST(random_logs_keep_every_keys_last_value_through_cleanings_and_restarts) {
    for (int run = 0; run < 30; run++) {
        start((uint64_t)run);
        int64_t first_dirty = 0;
        int32_t sequences[3] = {0};
        struct survey before = {0};
        for (int round = 0; round < 8; round++) {
            for (int i = (int)kc_test_random_below(50); i > 0; i--) append_random(sequences);
            struct clean how = {.first_dirty = first_dirty, .delete_retention_ms = 50, .map_slots = 4 + kc_test_random_below(60)};
            struct kc_cleaning_stats stats;
            kc_status status = clean(&f, how, &stats);
            if (status == KC_LIMIT) continue;
            EXPECT_EQ(status, KC_OK);
            EXPECT(stats.end_offset >= first_dirty);
            first_dirty = stats.end_offset;
            struct survey s = survey_log(&f);
            expect_last_values(&f, &s, true);
            /* What has gone stays gone. */
            for (int64_t offset = 0; offset < OFFSETS_MAX; offset++)
                if (offset < first_dirty && round > 0 && s.there[offset]) EXPECT(before.there[offset] || originals[offset].key >= 0);
            before = s;
            /* By timestamp: the first record at or after its own time is there. */
            for (int64_t offset = 0; offset < kc_log_end_offset(f.log); offset += 7) {
                if (!s.there[offset]) continue;
                struct kc_log_position found;
                EXPECT_EQ(kc_log_find_timestamp(f.log, originals[offset].timestamp, INT64_MAX, &found), KC_OK);
                EXPECT(found.offset >= 0 && found.offset <= offset);
                kc_file_release(found.batch.file);
            }
            f.now_ms += (int64_t)kc_test_random_below(100);
            if (kc_test_random_below(2)) {
                EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
                f.options.recovery_point = kc_test_random_below(2) ? active_base(&f) : 0;
                fixture_reopen(&f, kc_test_random_below(2));
                EXPECT_EQ(f.recovery.truncated_bytes, 0);
                EXPECT_EQ(survey_log(&f).records, s.records);
            }
        }
        stop();
    }
}

/* The workload of the two tests below; returns the recovery point. */
static int64_t prepare(uint64_t seed) {
    start(seed);
    for (int i = 0; i < 70; i++) append_keyed(&f, (int[]){i % 6, i % 7}, (int[]){i, i % 9 ? i : NO_VALUE}, 2, i % 4 ? 0 : FAKE_CODEC, -1, -1);
    EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
    return active_base(&f);
}

TEST(a_crash_at_any_call_of_a_cleaning_loses_no_last_value) {
    const enum kc_restart modes[] = {KC_RESTART_KEEP, KC_RESTART_LOSE, KC_RESTART_SEEDED, KC_RESTART_SEEDED, KC_RESTART_SEEDED};
    for (int m = 0; m < 5; m++) {
        bool over = false;
        for (uint64_t point = 1; !over; point++) {
            f.options.recovery_point = prepare(point * 10 + (uint64_t)m);
            int64_t recovery_point = f.options.recovery_point, end = kc_log_end_offset(f.log);
            kc_disk_fault_crash_at(f.fault, kc_disk_fault_points(f.fault) + point);
            kc_status status = clean(&f, (struct clean){.delete_retention_ms = 10}, NULL);
            over = !kc_disk_fault_crashed(f.fault);
            EXPECT(status == KC_OK || !over);
            fixture_kill(&f, modes[m]);
            f.options.recovery_point = recovery_point;
            fixture_open(&f);
            EXPECT_EQ(kc_log_end_offset(f.log), end);
            EXPECT_EQ(f.recovery.truncated_bytes, 0);
            struct survey s = survey_log(&f);
            expect_last_values(&f, &s, false);
            EXPECT_EQ(clean(&f, (struct clean){.delete_retention_ms = 10}, NULL), KC_OK);
            s = survey_log(&f);
            expect_last_values(&f, &s, false);
            put(&f, 1, 1);
            stop();
            EXPECT(!over || point > 30);
        }
    }
}

TEST(an_error_at_any_call_of_a_cleaning_loses_no_last_value) {
    const kc_status errors[] = {KC_IO_ERROR, KC_NO_SPACE, KC_NO_FILES};
    for (int e = 0; e < 3; e++) {
        bool over = false;
        for (uint64_t point = 1; !over; point++) {
            int64_t recovery_point = prepare(point);
            int64_t end = kc_log_end_offset(f.log);
            uint64_t before = kc_disk_fault_points(f.fault);
            kc_disk_fault_fail_at(f.fault, before + point, errors[e], false);
            kc_status status = clean(&f, (struct clean){.delete_retention_ms = 10}, NULL);
            over = kc_disk_fault_points(f.fault) < before + point;
            EXPECT(status == KC_OK || !over);
            /* What is there can be read, whether or not the log takes more. */
            struct survey s = survey_log(&f);
            expect_last_values(&f, &s, false);
            fixture_kill(&f, KC_RESTART_KEEP);
            f.options.recovery_point = recovery_point;
            fixture_open(&f);
            EXPECT_EQ(kc_log_end_offset(f.log), end);
            s = survey_log(&f);
            expect_last_values(&f, &s, false);
            put(&f, 1, 1);
            stop();
        }
    }
}

RUN_ALL()

/* Cleanings of a log that goes on living: between any two steps of one, records are appended, segments rolled, the end is truncated,
 * records are deleted and segments dropped, or the process dies.  Whatever happens, a cleaning ends or is told that the log has
 * changed, and the newest record of each key that was not taken away otherwise is there. */
#include "cleaning_fixture.h"

enum { CLEANINGS = 60 };

static struct fixture f;
static int64_t first_dirty;
static int64_t base_of[OFFSETS_MAX];      /* of the batch in which an offset was appended */
static int next_value, done_count, stale_count, disturbed_count;

static void add(void) {
    int keys[4], values[4], count = 1 + (int)kc_test_random_below(4);
    int64_t base = kc_log_end_offset(f.log);
    if (base + count > OFFSETS_MAX) return;
    for (int i = 0; i < count; i++) base_of[base + i] = base;
    for (int i = 0; i < count; i++) {
        keys[i] = (int)kc_test_random_below(KEYS);
        values[i] = kc_test_random_below(5) ? next_value++ : NO_VALUE;
    }
    EXPECT_EQ(append_keyed(&f, keys, values, count, kc_test_random_below(3) ? 0 : FAKE_CODEC, -1, -1).fault, KC_APPEND_OK);
}

static int64_t somewhere(void) {
    int64_t start = kc_log_start_offset(f.log);
    return start + (int64_t)kc_test_random_below((uint64_t)(kc_log_end_offset(f.log) - start) + 1);
}

/* And notes what compaction has taken: once the end is truncated, it is nobody's newest again. */
static void expect_newest(void) {
    struct survey s = survey_log(&f);
    for (int key = 0; key < KEYS; key++) {
        int64_t newest = -1;
        for (int64_t offset = kc_log_start_offset(f.log); offset < kc_log_end_offset(f.log); offset++)
            if (originals[offset].key == key) newest = offset;
        /* What lies below the start may be there still, in the batch that bears it. */
        if (newest >= 0) EXPECT_EQ(s.last_offset_of[key], newest);
    }
    for (int64_t offset = kc_log_start_offset(f.log); offset < kc_log_end_offset(f.log); offset++)
        if (!s.there[offset]) originals[offset].key = -1;
}


static void truncate_end(void) {
    /* A little, or as much as there is. */
    expect_newest();
    int64_t end = kc_log_end_offset(f.log), to = somewhere();
    if (end + 4 > OFFSETS_MAX) return;
    if (kc_test_random_below(4) && end - to > 20) to = end - (int64_t)kc_test_random_below(20);
    EXPECT_EQ(kc_log_truncate(f.log, to), KC_OK);
    EXPECT_EQ(kc_log_end_offset(f.log), to);
    /* The batch that bears `to` goes as a whole. */
    for (int64_t offset = to < end ? base_of[to] : end; offset < end; offset++) originals[offset].key = -1;
    if (first_dirty > to) first_dirty = to;
    /* A log that ends in offsets without a batch forgets them when it is recovered, as Kafka's does. */
    add();
}

static void delete_records(void) {
    EXPECT_EQ(kc_log_raise_start_offset(f.log, somewhere()), KC_OK);
    if (kc_test_random_below(2)) EXPECT_EQ(kc_log_drop_segments(f.log, NULL), KC_OK);
}

static void live(void) {
    switch (kc_test_random_below(10)) {
        case 0: EXPECT_EQ(kc_log_roll(f.log), KC_OK); break;
        case 1: truncate_end(); disturbed_count++; break;
        case 2: delete_records(); disturbed_count++; break;
        default: add();
    }
}

static void die(void) {
    f.options.log_start_offset = kc_log_start_offset(f.log);
    f.options.recovery_point = 0;
    int64_t end = kc_log_end_offset(f.log);
    fixture_kill(&f, KC_RESTART_KEEP);
    fixture_open(&f);
    EXPECT_EQ(f.recovery.truncated_bytes, 0);
    EXPECT_EQ(kc_log_end_offset(f.log), end);
}

/* One cleaning; the log lives on between its steps with this chance in a hundred, and the process may die before its end. */
static void clean_while_it_lives(uint64_t chance, bool dies) {
    struct kc_cleaning_options options = {
        .first_dirty_offset = first_dirty < kc_log_start_offset(f.log) ? kc_log_start_offset(f.log) : first_dirty,
        .limit_offset = active_base(&f),
        .now_ms = f.now_ms,
        .delete_retention_ms = 1000000,
        .map_size_bytes = (kc_test_random_below(3) ? 1000 : 16) * KC_OFFSET_MAP_SLOT_SIZE,
        .map_load_factor = 0.9,
        .seed = {kc_test_random(), kc_test_random()},
    };
    if (options.first_dirty_offset >= options.limit_offset) return;
    struct kc_cleaning *cleaning;
    EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
    EXPECT_EQ(kc_cleaning_start(f.log, &options, &cleaning), KC_OK);
    struct kc_cleaning_request request = {.need = KC_CLEANING_AGAIN};
    static uint8_t section[1 << 16];
    kc_status status;
    uint64_t left = dies ? kc_test_random_below(60) : UINT64_MAX;
    do {
        struct kc_slice answer = {NULL, 0};
        if (request.need == KC_CLEANING_DECOMPRESS || request.need == KC_CLEANING_COMPRESS) {
            EXPECT(request.section.size <= sizeof section);
            memcpy(section, request.section.data, request.section.size);
            answer = kc_slice_make(section, request.section.size);
        }
        while (kc_test_random_below(100) < chance) live();
        status = kc_cleaning_step(cleaning, answer, 200, &request);
    } while (status == KC_OK && request.need != KC_CLEANING_DONE && left-- > 0);
    struct kc_cleaning_stats stats;
    kc_cleaning_stats(cleaning, &stats);
    if (status == KC_OK && request.need == KC_CLEANING_DONE) {
        done_count++;
        first_dirty = stats.end_offset < kc_log_end_offset(f.log) ? stats.end_offset : kc_log_end_offset(f.log);
    } else if (status != KC_OK) {
        EXPECT_EQ(status, KC_STALE);
        stale_count++;
    }
    kc_cleaning_end(cleaning);
    if (dies) die();
}

TEST(whatever_happens_between_the_steps_of_a_cleaning_no_newest_record_is_lost) {
    fixture_start(&f, kc_test_random());
    f.options.config = small_config();
    f.options.config.segment_size_bytes = 1500;
    f.options.compacted = true;
    fixture_open(&f);
    EXPECT_EQ(f.disk->sync_directory(f.disk->state, "/"), KC_OK);
    done_count = stale_count = disturbed_count = next_value = 0;
    first_dirty = 0;
    for (int i = 0; i < OFFSETS_MAX; i++) originals[i].key = -1;
    for (int i = 0; i < CLEANINGS; i++) {
        for (int fresh = 0; fresh < 15; fresh++) add();
        if (kc_test_random_below(5) == 0) live();
        clean_while_it_lives(i % 4 == 0 ? 0 : 8, i % 6 == 5);
        expect_newest();
    }
    die();
    expect_newest();
    EXPECT(done_count > 5);
    EXPECT(stale_count > 3);
    EXPECT(disturbed_count > 8);
    fixture_stop(&f);
}

RUN_ALL()

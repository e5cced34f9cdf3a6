/* What retention drops, what it leaves, and that a crash at any of its calls leaves a log that begins at a segment or at the new start.
 *
 * Each test fills small segments with records a second apart, lets the clock or the limits ask for some of them, and looks at what is
 * left: offsets, files, bytes. */
#include "fixture.h"
#include "log/retention.h"

static struct fixture f;

enum { SEGMENTS_MAX = 64, SECOND = 1000, RECORDS = 60 };

static const struct kc_retention no_limit = {-1, -1};

/* RECORDS batches, a second apart, the last one at now. */
static void fill(void) {
    struct batch batch;
    int64_t first = f.now_ms - (RECORDS - 1) * SECOND;
    for (int i = 0; i < RECORDS; i++) {
        make_batch(&batch, 1, 300, first + i * SECOND);
        EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_OK);
    }
}

static void start(uint64_t seed) {
    fixture_start(&f, seed);
    f.options.config = small_config();
    fixture_open(&f);
}

static size_t segments_of(struct kc_log_segment_info *infos) {
    size_t count;
    kc_log_segments(f.log, infos, SEGMENTS_MAX, &count);
    EXPECT(count <= SEGMENTS_MAX);
    return count;
}

static struct kc_retention_result expire(struct kc_retention retention, int64_t high_watermark) {
    struct kc_retention_result result;
    EXPECT_EQ(kc_log_expire(f.log, &retention, high_watermark, NULL, 0, &result), KC_OK);
    return result;
}

TEST(without_limits_nothing_goes) {
    start(1);
    fill();
    f.now_ms += 1000 * (int64_t)365 * 24 * 3600 * SECOND;
    struct kc_retention_result result = expire(no_limit, INT64_MAX);
    EXPECT_EQ(result.segment_count, 0);
    EXPECT(!result.raised);
    EXPECT_EQ(walk_log(&f), RECORDS);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(by_time_goes_what_is_older_as_a_whole) {
    for (int64_t limit_s = 0; limit_s <= RECORDS + 1; limit_s++) {
        start(1);
        fill();
        struct kc_log_segment_info infos[SEGMENTS_MAX];
        size_t count = segments_of(infos), gone = 0;
        while (gone < count && f.now_ms - infos[gone].max_timestamp > limit_s * SECOND) gone++;
        int64_t expected = gone == 0 ? 0 : gone == count ? RECORDS : infos[gone].base_offset;
        struct kc_retention retention = {limit_s * SECOND, -1};
        struct kc_retention_segment segments[SEGMENTS_MAX];
        struct kc_retention_result result;
        EXPECT_EQ(kc_log_expire(f.log, &retention, INT64_MAX, segments, SEGMENTS_MAX, &result), KC_OK);
        EXPECT_EQ(result.segment_count, gone);
        EXPECT_EQ(result.log_start_offset, expected);
        EXPECT_EQ(kc_log_start_offset(f.log), expected);
        for (size_t i = 0; i < gone; i++) {
            EXPECT_EQ(segments[i].reason, KC_RETENTION_TIME);
            EXPECT_EQ(segments[i].base_offset, infos[i].base_offset);
            EXPECT_EQ(segments[i].size_bytes, infos[i].size_bytes);
        }
        int32_t dropped;
        EXPECT_EQ(kc_log_drop_segments(f.log, &dropped), KC_OK);
        EXPECT_EQ(dropped, gone);
        EXPECT_EQ(walk_log(&f), RECORDS - expected);
        fixture_close(&f);
        fixture_stop(&f);
    }
}

TEST(a_log_whose_records_are_all_too_old_rolls_and_goes_on_at_its_end_offset) {
    start(1);
    fill();
    f.now_ms += 1000 * SECOND;
    struct kc_retention_result result = expire((struct kc_retention){500 * SECOND, -1}, INT64_MAX);
    EXPECT_EQ(result.log_start_offset, RECORDS);
    EXPECT_EQ(kc_log_drop_segments(f.log, NULL), KC_OK);
    struct kc_log_segment_info infos[SEGMENTS_MAX];
    EXPECT_EQ(segments_of(infos), 1);
    EXPECT_EQ(infos[0].base_offset, RECORDS);
    EXPECT_EQ(kc_log_size_bytes(f.log), 0);
    /* An empty active segment is left alone, however old. */
    EXPECT_EQ(expire((struct kc_retention){0, 0}, INT64_MAX).segment_count, 0);
    struct batch batch;
    make_batch(&batch, 1, 10, f.now_ms);
    EXPECT_EQ(append_batch(&f, &batch, 0).base_offset, RECORDS);
    fixture_reopen(&f, false);
    EXPECT_EQ(kc_log_start_offset(f.log), RECORDS);
    EXPECT_EQ(walk_log(&f), 1);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(by_size_the_oldest_go_until_what_is_left_would_be_less_than_the_limit) {
    for (int64_t limit = 0; limit < 26000; limit += 511) {
        start(1);
        fill();
        struct kc_log_segment_info infos[SEGMENTS_MAX];
        size_t count = segments_of(infos), gone = 0;
        int64_t size = kc_log_size_bytes(f.log);
        while (gone < count && size - infos[gone].size_bytes >= limit) size -= infos[gone++].size_bytes;
        struct kc_retention_result result = expire((struct kc_retention){-1, limit}, INT64_MAX);
        EXPECT_EQ(result.segment_count, gone);
        EXPECT_EQ(kc_log_drop_segments(f.log, NULL), KC_OK);
        EXPECT_EQ(kc_log_size_bytes(f.log), size);
        EXPECT(gone == 0 || size >= limit);
        fixture_close(&f);
        fixture_stop(&f);
    }
}

TEST(nothing_at_or_above_the_high_watermark_goes) {
    start(1);
    fill();
    struct kc_log_segment_info infos[SEGMENTS_MAX];
    segments_of(infos);
    f.now_ms += 1000 * SECOND;
    struct kc_retention old = {0, -1};
    EXPECT_EQ(expire(old, infos[2].base_offset - 1).log_start_offset, infos[1].base_offset);
    EXPECT_EQ(expire(old, infos[2].base_offset).log_start_offset, infos[2].base_offset);
    EXPECT_EQ(expire(old, RECORDS - 1).log_start_offset, infos[segments_of(infos) - 1].base_offset);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(a_pass_that_was_interrupted_is_finished_by_the_next) {
    start(1);
    fill();
    struct kc_log_segment_info infos[SEGMENTS_MAX];
    segments_of(infos);
    EXPECT_EQ(kc_log_raise_start_offset(f.log, infos[3].base_offset + 1), KC_OK);
    struct kc_retention_segment segments[SEGMENTS_MAX];
    struct kc_retention_result result;
    EXPECT_EQ(kc_log_expire(f.log, &no_limit, INT64_MAX, segments, SEGMENTS_MAX, &result), KC_OK);
    EXPECT_EQ(result.segment_count, 3);
    EXPECT(!result.raised);
    EXPECT_EQ(result.log_start_offset, infos[3].base_offset + 1);
    EXPECT_EQ(segments[0].reason, KC_RETENTION_START_OFFSET);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(a_newer_timestamp_keeps_what_lies_behind_it) {
    start(1);
    struct batch batch;
    /* Somebody's clock was ahead. */
    make_batch(&batch, 1, 300, f.now_ms + 3600 * SECOND);
    EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_OK);
    fill();
    f.now_ms += 1000 * SECOND;
    EXPECT_EQ(expire((struct kc_retention){500 * SECOND, -1}, INT64_MAX).segment_count, 0);
    EXPECT_EQ(walk_log(&f), RECORDS + 1);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(whoever_reads_a_dropped_segment_finishes_and_whoever_comes_later_is_out_of_range) {
    start(1);
    fill();
    struct kc_log_slice slice;
    static uint8_t before[8192], after[8192];
    EXPECT_EQ(kc_log_read(f.log, 0, INT64_MAX, 3000, true, &slice), KC_OK);
    size_t size;
    EXPECT_EQ(kc_file_read(slice.file, before, (size_t)slice.size_bytes, slice.position, &size), KC_OK);
    f.now_ms += 1000 * SECOND;
    expire((struct kc_retention){0, -1}, INT64_MAX);
    EXPECT_EQ(kc_log_drop_segments(f.log, NULL), KC_OK);
    size_t again;
    kc_file_close_idle(slice.file);
    EXPECT_EQ(kc_file_read(slice.file, after, (size_t)slice.size_bytes, slice.position, &again), KC_OK);
    EXPECT_EQ(again, size);
    EXPECT_MEM(before, after, size);
    /* Once the file is gone: an error, and no new file in its place. */
    EXPECT_EQ(remove_file(&f, "00000000000000000000.log.deleted"), KC_OK);
    kc_file_close_idle(slice.file);
    EXPECT_EQ(kc_file_read(slice.file, after, (size_t)slice.size_bytes, slice.position, &again), KC_NOT_FOUND);
    kc_file_release(slice.file);
    EXPECT_EQ(kc_log_read(f.log, 0, INT64_MAX, 3000, true, &slice), KC_OUT_OF_RANGE);
    fixture_close(&f);
    fixture_stop(&f);
}

/* The start offset as a caller writes it: a file that is replaced as a whole, synced, as the broker's checkpoints are. */
static kc_status write_start(int64_t offset) {
    int handle;
    kc_status status = f.disk->open(f.disk->state, "/start.tmp", KC_OPEN_WRITE | KC_OPEN_CREATE | KC_OPEN_TRUNCATE, &handle);
    if (status != KC_OK) return status;
    struct iovec iov = {&offset, sizeof offset};
    status = f.disk->write(f.disk->state, handle, &iov, 1, 0);
    if (status == KC_OK) status = f.disk->sync(f.disk->state, handle);
    f.disk->close(f.disk->state, handle);
    if (status == KC_OK) status = f.disk->rename(f.disk->state, "/start.tmp", "/start");
    return status == KC_OK ? f.disk->sync_directory(f.disk->state, "/") : status;
}

static int64_t read_start(void) {
    int handle;
    int64_t offset = -1;
    size_t got = 0;
    if (f.disk->open(f.disk->state, "/start", KC_OPEN_READ, &handle) != KC_OK) return -1;
    EXPECT_EQ(f.disk->read(f.disk->state, handle, &offset, sizeof offset, 0, &got), KC_OK);
    f.disk->close(f.disk->state, handle);
    EXPECT_EQ(got, sizeof offset);
    return offset;
}

TEST(a_crash_at_any_call_of_a_pass_leaves_the_old_log_or_the_new_start) {
    const enum kc_restart modes[] = {KC_RESTART_KEEP, KC_RESTART_LOSE, KC_RESTART_SEEDED, KC_RESTART_SEEDED};
    for (int m = 0; m < 4; m++) {
        /* One in which a part goes, and one in which the log rolls. */
        for (int all = 0; all < 2; all++) {
            bool over = false;
            for (uint64_t point = 1; !over; point++) {
                start(point * 10 + (uint64_t)m);
                fill();
                int64_t synced;
                EXPECT_EQ(kc_log_flush(f.log, &synced), KC_OK);
                EXPECT_EQ(synced, RECORDS);
                EXPECT_EQ(f.disk->sync_directory(f.disk->state, "/"), KC_OK);
                f.now_ms += 1000 * SECOND;
                struct kc_retention retention = {all ? 500 * SECOND : 1030 * SECOND, -1};
                kc_disk_fault_crash_at(f.fault, kc_disk_fault_points(f.fault) + point);
                struct kc_retention_result result = {0};
                kc_status status = kc_log_expire(f.log, &retention, RECORDS, NULL, 0, &result);
                if (status == KC_OK) EXPECT(result.segment_count > 1);
                if (status == KC_OK) status = write_start(result.log_start_offset);
                bool durable = status == KC_OK;
                if (status == KC_OK) status = kc_log_drop_segments(f.log, NULL);
                if (status == KC_OK) status = kc_log_flush(f.log, NULL);
                over = !kc_disk_fault_crashed(f.fault);
                EXPECT_EQ(over, status == KC_OK);
                fixture_kill(&f, modes[m]);
                f.options.recovery_point = synced;
                f.options.log_start_offset = read_start();
                fixture_open(&f);
                int64_t begin = kc_log_start_offset(f.log);
                EXPECT_EQ(kc_log_end_offset(f.log), RECORDS);
                EXPECT(begin == 0 || begin == result.log_start_offset);
                if (durable) EXPECT_EQ(begin, result.log_start_offset);
                EXPECT_EQ(walk_log(&f), RECORDS - begin);
                struct batch batch;
                make_batch(&batch, 1, 10, f.now_ms);
                EXPECT_EQ(append_batch(&f, &batch, 0).base_offset, RECORDS);
                /* The next pass ends where this one would have. */
                EXPECT_EQ(kc_log_expire(f.log, &retention, RECORDS + 1, NULL, 0, &result), KC_OK);
                EXPECT_EQ(kc_log_drop_segments(f.log, NULL), KC_OK);
                EXPECT_EQ(walk_log(&f), RECORDS + 1 - kc_log_start_offset(f.log));
                EXPECT(kc_log_start_offset(f.log) > 0);
                fixture_close(&f);
                fixture_stop(&f);
                EXPECT(!over || point > 10);
            }
        }
    }
}

RUN_ALL()

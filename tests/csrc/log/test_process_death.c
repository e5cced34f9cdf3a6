/* The process dies and the machine goes on: what was written is there, so that opening reads the tail only and still finds the same log
 * as a scan would; and what was never synced is not taken for synced afterwards. */
#include "fixture.h"

static struct fixture f;

static struct batch batch;

/* Batches of three producers, every one of another size, with timestamps that rise, stand still and fall. */
static void append_some(int count) {
    for (int i = 0; i < count; i++) {
        int64_t next = kc_log_end_offset(f.log);
        struct kc_batch_spec spec = kc_batch_spec_plain();
        spec.producer_id = next % 3;
        spec.producer_epoch = 0;
        spec.base_sequence = (int32_t)(next / 3);
        make_batch_spec(&batch, &spec, 1, (size_t)(next * 37 % 300), f.now_ms + (next % 7 == 0 ? next : next / 10));
        EXPECT_EQ(append_batch(&f, &batch, (int32_t)(next / 50)).fault, KC_APPEND_OK);
    }
}

static void open_after_death(void) {
    fixture_kill(&f, KC_RESTART_KEEP);
    f.options.process_died = true;
    fixture_open(&f);
}

struct answers {
    int64_t end, size, by_time[60], max_timestamp;
    int32_t epochs[20];
};

static struct answers ask(void) {
    struct answers a = {.end = kc_log_end_offset(f.log), .size = kc_log_size_bytes(f.log)};
    struct kc_log_position position;
    for (int i = 0; i < 60; i++) {
        EXPECT_EQ(kc_log_find_timestamp(f.log, f.now_ms + i * 4, INT64_MAX, &position), KC_OK);
        a.by_time[i] = position.offset;
    }
    EXPECT_EQ(kc_log_find_max_timestamp(f.log, &position), KC_OK);
    a.max_timestamp = position.timestamp;
    for (int i = 0; i < 20; i++) a.epochs[i] = kc_log_epoch_for_offset(f.log, i * 15);
    EXPECT_EQ(walk_log(&f), a.end);
    return a;
}

static void check_producers(void) {
    int64_t end = kc_log_end_offset(f.log);
    if (end < 3) return;
    for (int64_t id = 0; id < 3; id++) {
        int64_t last = (end - 1 - id) / 3;                /* its last sequence */
        make_producer_batch(&batch, 1, id, 0, (int32_t)last, false);
        EXPECT_EQ(append_batch(&f, &batch, 99).fault, KC_APPEND_DUPLICATE);
        make_producer_batch(&batch, 1, id, 0, (int32_t)last + 2, false);
        EXPECT_EQ(append_batch(&f, &batch, 99).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    }
}

TEST(the_log_is_the_one_that_a_scan_finds) {
    for (int count = 0; count < 300; count += 11) {
        for (int64_t landmark = 500; landmark <= 50000; landmark *= 10) {
            fixture_start(&f, 1);
            f.options.config = small_config();
            f.options.config.segment_size_bytes = 9000;
            f.options.landmark_bytes = landmark;
            fixture_open(&f);
            append_some(count);
            struct answers before = ask();
            open_after_death();
            struct answers after = ask();
            EXPECT_MEM(&before, &after, sizeof before);
            check_producers();
            EXPECT_EQ(f.recovery.truncated_bytes, 0);
            /* And it is one to go on with, twice. */
            append_some(40);
            open_after_death();
            check_producers();
            before = ask();
            fixture_kill(&f, KC_RESTART_KEEP);
            f.options.process_died = false;
            fixture_open(&f);
            after = ask();
            EXPECT_MEM(&before, &after, sizeof before);
            check_producers();
            fixture_close(&f);
            fixture_stop(&f);
        }
    }
}

TEST(what_is_read_does_not_grow_with_the_log) {
    fixture_start(&f, 1);
    f.options.landmark_bytes = 4000;
    f.options.config.index_interval_bytes = 100;
    fixture_open(&f);
    append_some(3000);
    EXPECT(kc_log_size_bytes(f.log) > 300000);
    uint64_t reads = kc_disk_fault_calls(f.fault, KC_CALL_READ);
    open_after_death();
    EXPECT(f.recovery.scanned_bytes < 4000 + 1000);
    EXPECT(kc_disk_fault_calls(f.fault, KC_CALL_READ) - reads < 40);
    EXPECT_EQ(kc_log_end_offset(f.log), 3000);
    check_producers();
    fixture_stop(&f);
}

TEST(a_write_that_was_cut_short_is_cut_off_wherever_that_was) {
    static uint8_t bytes[1 << 16];
    fixture_start(&f, 1);
    f.options.config = small_config();
    f.options.config.segment_size_bytes = 1 << 20;
    f.options.landmark_bytes = 1000;
    fixture_open(&f);
    append_some(60);
    int64_t good = kc_log_size_bytes(f.log);
    append_some(1);
    size_t whole = (size_t)file_bytes(&f, "00000000000000000000.log", bytes, sizeof bytes);
    EXPECT_EQ(whole, kc_log_size_bytes(f.log));
    for (size_t cut = whole; cut-- > (size_t)good;) {
        fixture_kill(&f, KC_RESTART_KEEP);
        write_file(&f, "00000000000000000000.log", bytes, cut);
        f.options.process_died = true;
        fixture_open(&f);
        EXPECT_EQ(kc_log_end_offset(f.log), 60);
        EXPECT_EQ(kc_log_size_bytes(f.log), good);
        EXPECT_EQ(f.recovery.truncated_bytes, (int64_t)cut - good);
        EXPECT_EQ(f.recovery.cut_position, (int64_t)cut == good ? -1 : good);
        EXPECT_EQ(walk_log(&f), 60);
        check_producers();
    }
    append_some(5);
    EXPECT_EQ(walk_log(&f), 65);
    fixture_stop(&f);
}

TEST(anything_else_at_the_end_is_left_to_a_scan) {
    static uint8_t bytes[1 << 16];
    fixture_start(&f, 1);
    f.options.config = small_config();
    f.options.config.segment_size_bytes = 1 << 20;
    f.options.landmark_bytes = 1000;
    fixture_open(&f);
    append_some(61);
    size_t whole = (size_t)file_bytes(&f, "00000000000000000000.log", bytes, sizeof bytes);
    struct kc_log_slice slice;
    EXPECT_EQ(kc_log_read(f.log, 60, INT64_MAX, 1000, true, &slice), KC_OK);
    int64_t last = slice.position;
    kc_file_release(slice.file);
    for (int damage = 0; damage < 3; damage++) {
        static uint8_t damaged[1 << 16];
        size_t size = whole;
        memcpy(damaged, bytes, whole);
        if (damage == 0) memset(damaged + last, 0, whole - (size_t)last);
        if (damage == 1) damaged[whole - 1] ^= 1;
        if (damage == 2) memset(damaged + size, 0, 200), size += 200;
        fixture_kill(&f, KC_RESTART_KEEP);
        write_file(&f, "00000000000000000000.log", damaged, size);
        f.options.process_died = true;
        fixture_open(&f);
        EXPECT_EQ(kc_log_end_offset(f.log), damage == 2 ? 61 : 60);
        EXPECT_EQ(walk_log(&f), kc_log_end_offset(f.log));
        EXPECT(f.recovery.scanned_bytes >= (int64_t)size);
        check_producers();
    }
    fixture_stop(&f);
}

TEST(the_next_flush_syncs_what_the_dead_process_had_not) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        for (int torn = 0; torn < 2; torn++) {
            fixture_start(&f, seed);
            f.options.config = small_config();
            f.options.landmark_bytes = 900;
            fixture_open(&f);
            EXPECT_EQ(f.disk->sync_directory(f.disk->state, "/"), KC_OK);
            append_some(20);
            int64_t synced = 0, written = 0;
            EXPECT_EQ(kc_log_flush(f.log, &synced), KC_OK);
            append_some((int)(seed * 3 % 80));
            written = kc_log_end_offset(f.log);
            f.options.recovery_point = synced;
            open_after_death();
            EXPECT_EQ(kc_log_end_offset(f.log), written);
            if (torn) append_some(10);
            EXPECT_EQ(kc_log_flush(f.log, &synced), KC_OK);
            EXPECT_EQ(synced, kc_log_end_offset(f.log));
            append_some(5);
            fixture_kill(&f, KC_RESTART_SEEDED);
            f.options.recovery_point = synced;
            f.options.process_died = false;
            fixture_open(&f);
            EXPECT(kc_log_end_offset(f.log) >= synced);
            EXPECT_EQ(walk_log(&f), kc_log_end_offset(f.log));
            check_producers();
            fixture_stop(&f);
        }
    }
}

TEST(death_at_any_call_loses_nothing_that_was_acknowledged) {
    for (uint64_t point = 1;; point++) {
        fixture_start(&f, point);
        f.options.config = small_config();
        f.options.config.segment_size_bytes = 1500;
        f.options.landmark_bytes = 400;
        kc_disk_fault_crash_at(f.fault, point);
        int64_t acknowledged = 0;
        if (kc_log_open(f.directory, &f.options, &f.recovery, &f.log) != KC_OK) f.log = NULL;
        for (int i = 0; f.log && i < 90; i++) {
            make_producer_batch(&batch, 1, i % 3, 0, i / 3, false);
            struct kc_append append = append_batch(&f, &batch, i / 20);
            if (append.fault != KC_APPEND_OK) break;
            acknowledged = append.last_offset + 1;
            if (i % 25 == 24) kc_log_flush(f.log, NULL);
            if (i == 50 && kc_log_raise_start_offset(f.log, 30) == KC_OK) kc_log_drop_segments(f.log, NULL);
        }
        bool over = !kc_disk_fault_crashed(f.fault);
        kc_log_release(f.log);
        f.log = NULL;
        EXPECT_EQ(kc_disk_fault_restart(f.fault, KC_RESTART_KEEP), KC_OK);
        f.options.process_died = true;
        fixture_open(&f);
        int64_t end = kc_log_end_offset(f.log);
        EXPECT(end >= acknowledged);
        EXPECT(end <= acknowledged + 1);
        EXPECT_EQ(walk_log(&f), end - kc_log_start_offset(f.log));
        check_producers();
        make_producer_batch(&batch, 1, end % 3, 0, (int32_t)(end / 3), false);
        EXPECT_EQ(append_batch(&f, &batch, 9).base_offset, end);
        fixture_close(&f);
        fixture_stop(&f);
        if (over) {
            EXPECT(point > 150);
            break;
        }
    }
}

RUN_ALL()

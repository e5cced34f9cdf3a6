/* Append, read, roll and reopen: what comes out is what went in, at the offsets that were told. */
#include "fixture.h"

TEST(an_empty_log_begins_at_zero_and_reads_nothing) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    EXPECT_EQ(kc_log_start_offset(f.log), 0);
    EXPECT_EQ(kc_log_end_offset(f.log), 0);
    struct kc_log_slice slice;
    EXPECT_EQ(kc_log_read(f.log, 0, INT64_MAX, 100, true, &slice), KC_OK);
    EXPECT_EQ(slice.size_bytes, 0);
    EXPECT_EQ(kc_log_read(f.log, 1, INT64_MAX, 100, true, &slice), KC_OUT_OF_RANGE);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(appended_batches_get_rising_offsets_and_come_back_unchanged) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    struct batch a, b;
    make_batch(&a, 3, 20, 1000);
    make_batch(&b, 2, 50, 2000);
    struct kc_append done = append_batch(&f, &a, 7);
    EXPECT_EQ(done.fault, KC_APPEND_OK);
    EXPECT_EQ(done.base_offset, 0);
    EXPECT_EQ(done.last_offset, 2);
    EXPECT_EQ(done.log_append_time_ms, -1);
    done = append_batch(&f, &b, 7);
    EXPECT_EQ(done.base_offset, 3);
    EXPECT_EQ(kc_log_end_offset(f.log), 5);
    EXPECT_EQ(kc_load_i64(b.bytes), 3);
    EXPECT_EQ(kc_load_i32(b.bytes + KC_BATCH_LEADER_EPOCH), 7);
    EXPECT_EQ(kc_log_size_bytes(f.log), a.size + b.size);
    uint8_t bytes[8192];
    size_t size = read_bytes(&f, 0, INT64_MAX, 8192, true, bytes, sizeof bytes);
    EXPECT_EQ(size, a.size + b.size);
    EXPECT_MEM(bytes, a.bytes, a.size);
    EXPECT_MEM(bytes + a.size, b.bytes, b.size);
    /* An offset inside a batch gives the whole batch. */
    size = read_bytes(&f, 4, INT64_MAX, 8192, true, bytes, sizeof bytes);
    EXPECT_EQ(size, b.size);
    EXPECT_MEM(bytes, b.bytes, b.size);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(size_and_offset_limits_of_a_read) {
    struct fixture f;
    fixture_start(&f, 1);
    f.options.config.index_interval_bytes = 300;
    fixture_open(&f);
    append_many(&f, 300, 100);                             /* more than the ring of recent batches holds */
    struct batch one;
    make_batch(&one, 1, 100, 0);
    int32_t size = (int32_t)one.size;
    static uint8_t bytes[1 << 16];
    const int64_t offsets[] = {0, 1, 5, 100, 235, 236, 237, 298, 299};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
            int64_t offset = offsets[i];
            EXPECT_EQ(read_bytes(&f, offset, INT64_MAX, 10, true, bytes, sizeof bytes), size);
            EXPECT_EQ(kc_load_i64(bytes), offset);
            EXPECT_EQ(read_bytes(&f, offset, INT64_MAX, 10, false, bytes, sizeof bytes), 0);
            EXPECT_EQ(read_bytes(&f, offset, offset + 1, 100000, false, bytes, sizeof bytes), size);
            EXPECT_EQ(read_bytes(&f, offset, offset, 100000, true, bytes, sizeof bytes), 0);
            EXPECT_EQ(read_bytes(&f, offset, INT64_MAX, size, false, bytes, sizeof bytes), size);
            size_t left = (size_t)((300 - offset) * size);
            size_t cut = left < (size_t)size + 7 ? left : (size_t)size + 7;
            EXPECT_EQ(read_bytes(&f, offset, INT64_MAX, size + 7, false, bytes, sizeof bytes), cut);
            EXPECT_EQ(read_bytes(&f, offset, 300, 1 << 16, false, bytes, sizeof bytes), left < 1 << 16 ? left : 1 << 16);
            if (offset + 3 <= 300)
                EXPECT_EQ(read_bytes(&f, offset, offset + 3, 1 << 16, false, bytes, sizeof bytes), 3 * size);
        }
        fixture_reopen(&f, true);                          /* the second time without anything in memory */
    }
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(an_offset_limit_inside_a_batch_keeps_the_batch_back) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    struct batch a, b;
    make_batch(&a, 4, 20, 1000);
    make_batch(&b, 4, 20, 1000);
    append_batch(&f, &a, 0);
    append_batch(&f, &b, 0);
    uint8_t bytes[8192];
    for (int pass = 0; pass < 2; pass++) {
        EXPECT_EQ(read_bytes(&f, 0, 6, 8192, true, bytes, sizeof bytes), a.size);
        EXPECT_EQ(read_bytes(&f, 0, 2, 8192, true, bytes, sizeof bytes), 0);
        EXPECT_EQ(read_bytes(&f, 5, 6, 8192, true, bytes, sizeof bytes), 0);
        fixture_reopen(&f, true);
    }
    fixture_stop(&f);
}

TEST(several_batches_of_one_call_go_out_in_one_write) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    enum { COUNT = 100 };
    static struct batch batches[COUNT];
    struct kc_append appends[COUNT];
    uint64_t writes = kc_disk_fault_calls(f.fault, KC_CALL_WRITE);
    int64_t bytes = 0;
    for (int i = 0; i < COUNT; i++) {
        make_batch(&batches[i], 2, 10, 1000);
        appends[i] = (struct kc_append){.batch = batches[i].bytes, .info = &batches[i].info, .leader_epoch = 1};
        bytes += (int64_t)batches[i].size;
    }
    EXPECT_EQ(kc_log_append(f.log, appends, COUNT), bytes);
    EXPECT_EQ(kc_disk_fault_calls(f.fault, KC_CALL_WRITE), writes + 1);
    for (int i = 0; i < COUNT; i++) EXPECT_EQ(appends[i].base_offset, 2 * i);
    EXPECT_EQ(walk_log(&f), COUNT);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(a_call_of_many_batches_rolls_in_the_middle) {
    struct fixture f;
    fixture_start(&f, 1);
    f.options.config = small_config();
    fixture_open(&f);
    enum { COUNT = 300 };
    static struct batch batches[COUNT];
    static struct kc_append appends[COUNT];
    for (int i = 0; i < COUNT; i++) {
        make_batch(&batches[i], 1, 100, 1000);
        appends[i] = (struct kc_append){.batch = batches[i].bytes, .info = &batches[i].info, .leader_epoch = 1};
    }
    kc_log_append(f.log, appends, COUNT);
    for (int i = 0; i < COUNT; i++) EXPECT_EQ(appends[i].base_offset, i);
    EXPECT_EQ(walk_log(&f), COUNT);
    struct kc_log_segment_info infos[32];
    size_t count;
    kc_log_segments(f.log, infos, 32, &count);
    EXPECT(count > 5 && count < 32);
    for (size_t i = 0; i < count; i++) EXPECT(infos[i].size_bytes <= 4096);
    fixture_reopen(&f, true);
    EXPECT_EQ(walk_log(&f), COUNT);
    EXPECT_EQ(f.recovery.scanned_bytes, 0);
    fixture_reopen(&f, false);
    EXPECT_EQ(walk_log(&f), COUNT);
    EXPECT(f.recovery.scanned_bytes > 0);
    EXPECT_EQ(f.recovery.truncated_bytes, 0);
    fixture_stop(&f);
}

TEST(a_batch_larger_than_a_segment_is_refused_alone) {
    struct fixture f;
    fixture_start(&f, 1);
    f.options.config.segment_size_bytes = 1000;
    fixture_open(&f);
    struct batch small, large;
    make_batch(&small, 1, 10, 1000);
    make_batch(&large, 1, 2000, 1000);
    struct kc_append appends[] = {{.batch = small.bytes, .info = &small.info}, {.batch = large.bytes, .info = &large.info}};
    EXPECT_EQ(kc_log_append(f.log, appends, 2), small.size);
    EXPECT_EQ(appends[0].fault, KC_APPEND_OK);
    EXPECT_EQ(appends[1].fault, KC_APPEND_TOO_LARGE);
    EXPECT_EQ(appends[1].base_offset, -1);
    EXPECT_EQ(kc_log_end_offset(f.log), 1);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(log_append_time_is_stamped_with_a_good_crc) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    struct batch a;
    make_batch(&a, 3, 20, 1000);
    struct kc_append append = {.batch = a.bytes, .info = &a.info, .leader_epoch = 0, .log_append_time = true};
    kc_log_append(f.log, &append, 1);
    EXPECT_EQ(append.log_append_time_ms, f.now_ms);
    uint8_t bytes[4096];
    size_t size = read_bytes(&f, 0, INT64_MAX, 4096, true, bytes, sizeof bytes);
    struct kc_batch_header header;
    EXPECT_EQ(kc_batch_check_stored(kc_slice_make(bytes, size), &header), KC_OK);
    EXPECT(header.attributes & KC_ATTRIBUTE_LOG_APPEND_TIME);
    EXPECT_EQ(header.max_timestamp, f.now_ms);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(a_lying_maximum_timestamp_is_put_right) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    struct batch a;
    make_batch(&a, 3, 20, 1000);
    a.info.max_timestamp = 5000;
    a.info.max_timestamp_differs = true;
    append_batch(&f, &a, 0);
    uint8_t bytes[4096];
    size_t size = read_bytes(&f, 0, INT64_MAX, 4096, true, bytes, sizeof bytes);
    struct kc_batch_header header;
    EXPECT_EQ(kc_batch_check_stored(kc_slice_make(bytes, size), &header), KC_OK);
    EXPECT_EQ(header.max_timestamp, 5000);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(a_closed_log_answers_closed) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    append_many(&f, 3, 10);
    EXPECT(kc_log_writable(f.log));
    EXPECT_EQ(kc_log_close(f.log), KC_OK);
    EXPECT(!kc_log_writable(f.log));
    struct batch a;
    make_batch(&a, 1, 10, 1000);
    EXPECT_EQ(append_batch(&f, &a, 0).fault, KC_APPEND_CLOSED);
    struct kc_log_slice slice;
    EXPECT_EQ(kc_log_read(f.log, 0, INT64_MAX, 100, true, &slice), KC_CLOSED);
    EXPECT_EQ(kc_log_close(f.log), KC_CLOSED);
    EXPECT_EQ(kc_log_roll(f.log), KC_CLOSED);
    EXPECT_EQ(kc_log_end_offset(f.log), 3);
    struct kc_log_position position;
    EXPECT_EQ(kc_log_find_timestamp(f.log, 0, INT64_MAX, &position), KC_CLOSED);
    EXPECT_EQ(kc_file_cache_open_count(f.files), 0);
    fixture_stop(&f);
}

TEST(a_followers_copy_keeps_its_offsets_and_may_leave_gaps) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    struct batch a;
    make_batch(&a, 2, 20, 1000);
    kc_batch_stamp(a.bytes, 10, 3);
    EXPECT_EQ(kc_log_append_as_follower(f.log, a.bytes, a.size), KC_OK);
    EXPECT_EQ(kc_log_end_offset(f.log), 12);
    EXPECT_EQ(kc_log_append_as_follower(f.log, a.bytes, a.size), KC_INVALID);
    EXPECT_EQ(kc_log_append_as_follower(f.log, a.bytes, a.size - 1), KC_CORRUPT);
    kc_batch_stamp(a.bytes, (int64_t)1 << 40, 4);
    EXPECT_EQ(kc_log_append_as_follower(f.log, a.bytes, a.size), KC_OK);       /* too far for one segment */
    struct kc_log_segment_info infos[4];
    size_t count;
    kc_log_segments(f.log, infos, 4, &count);
    EXPECT_EQ(count, 2);
    EXPECT_EQ(infos[1].base_offset, (int64_t)1 << 40);
    EXPECT_EQ(kc_log_latest_epoch(f.log), 4);
    /* An offset in a gap is answered by the next batch. */
    uint8_t bytes[4096];
    EXPECT_EQ(read_bytes(&f, 5, INT64_MAX, 4096, true, bytes, sizeof bytes), a.size);
    EXPECT_EQ(kc_load_i64(bytes), 10);
    EXPECT_EQ(read_bytes(&f, 12, INT64_MAX, 4096, true, bytes, sizeof bytes), a.size);
    EXPECT_EQ(kc_load_i64(bytes), (int64_t)1 << 40);
    a.bytes[70] ^= 1;
    kc_batch_stamp(a.bytes, (int64_t)1 << 41, 4);
    EXPECT_EQ(kc_log_append_as_follower(f.log, a.bytes, a.size), KC_CORRUPT);
    fixture_reopen(&f, true);
    EXPECT_EQ(kc_log_end_offset(f.log), ((int64_t)1 << 40) + 2);
    fixture_stop(&f);
}

TEST(an_index_that_fills_rolls_the_segment) {
    struct fixture f;
    fixture_start(&f, 1);
    f.options.config.index_interval_bytes = 0;
    f.options.config.segment_index_size_bytes = 120;       /* 15 offset entries, 9 time entries and one for sealing */
    fixture_open(&f);
    append_many(&f, 40, 10);
    struct kc_log_segment_info infos[16];
    size_t count;
    kc_log_segments(f.log, infos, 16, &count);
    EXPECT(count >= 4 && count <= 5);
    EXPECT_EQ(walk_log(&f), 40);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(a_segment_rolls_by_the_time_between_its_first_batch_and_the_next) {
    struct fixture f;
    fixture_start(&f, 1);
    f.options.config.segment_ms = 1000;
    fixture_open(&f);
    struct batch a;
    const int64_t times[] = {5000, 6000, 5500, 6001, 100, 7001, 7002};
    const size_t segments[] = {1, 1, 1, 2, 2, 2, 3};
    for (int i = 0; i < 7; i++) {
        make_batch(&a, 1, 10, times[i]);
        append_batch(&f, &a, 0);
        size_t count;
        kc_log_segments(f.log, NULL, 0, &count);
        EXPECT_EQ(count, segments[i]);
    }
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(an_explicit_roll_starts_a_segment_only_behind_data) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    append_many(&f, 3, 10);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    struct kc_log_segment_info infos[4];
    size_t count;
    kc_log_segments(f.log, infos, 4, &count);
    EXPECT_EQ(count, 2);
    EXPECT_EQ(infos[1].base_offset, 3);
    append_many(&f, 3, 10);
    EXPECT_EQ(walk_log(&f), 6);
    for (int i = 0; i < 3; i++) {
        fixture_reopen(&f, i != 1);
        EXPECT_EQ(kc_log_end_offset(f.log), 6);
        EXPECT_EQ(walk_log(&f), 6);
    }
    fixture_stop(&f);
}

TEST(a_tail_read_makes_no_call_of_the_disk) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    append_many(&f, 1000, 100);
    uint64_t reads = kc_disk_fault_calls(f.fault, KC_CALL_READ), opens = kc_disk_fault_calls(f.fault, KC_CALL_OPEN);
    uint64_t points = kc_disk_fault_points(f.fault);
    for (int64_t offset = 940; offset < 1000; offset++) {
        struct kc_log_slice slice;
        EXPECT_EQ(kc_log_read(f.log, offset, 1000, 100000, true, &slice), KC_OK);
        EXPECT(slice.size_bytes > 0);
        kc_file_release(slice.file);
        EXPECT_EQ(kc_log_read(f.log, offset, offset + 1, 100000, true, &slice), KC_OK);
        kc_file_release(slice.file);
    }
    EXPECT_EQ(kc_disk_fault_calls(f.fault, KC_CALL_READ), reads);
    EXPECT_EQ(kc_disk_fault_calls(f.fault, KC_CALL_OPEN), opens);
    EXPECT_EQ(kc_disk_fault_points(f.fault), points);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(an_old_offset_costs_at_most_two_reads_once_its_index_page_is_known) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    append_many(&f, 3000, 1000);
    fixture_reopen(&f, true);
    struct kc_log_slice slice;
    for (int64_t offset = 100; offset < 2900; offset += 13) {
        EXPECT_EQ(kc_log_read(f.log, offset, 3000, 100000, true, &slice), KC_OK);
        kc_file_release(slice.file);
        uint64_t reads = kc_disk_fault_calls(f.fault, KC_CALL_READ);
        EXPECT_EQ(kc_log_read(f.log, offset + 1, 3000, 100000, true, &slice), KC_OK);
        kc_file_release(slice.file);
        EXPECT(kc_disk_fault_calls(f.fault, KC_CALL_READ) - reads <= 2);
    }
    fixture_stop(&f);
}

RUN_ALL()

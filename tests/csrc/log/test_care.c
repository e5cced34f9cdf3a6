/* Timestamps, truncation, DeleteRecords, dropping and renaming. */
#include "fixture.h"

static struct fixture f;

static void start(void) {
    fixture_start(&f, 1);
    f.options.config = small_config();
    fixture_open(&f);
}

static int64_t find(int64_t timestamp, int64_t limit) {
    struct kc_log_position position;
    EXPECT_EQ(kc_log_find_timestamp(f.log, timestamp, limit, &position), KC_OK);
    EXPECT(!position.in_batch);
    EXPECT(position.batch.file == NULL);
    return position.offset;
}

TEST(the_first_record_at_or_after_a_time) {
    start();
    EXPECT_EQ(find(0, INT64_MAX), -1);
    struct batch batch;
    /* Times that go up and down: 100..102, 300..301, 200..203, 400. */
    const int64_t times[] = {100, 300, 200, 400};
    const int counts[] = {3, 2, 4, 1};
    for (int i = 0; i < 4; i++) {
        make_batch(&batch, counts[i], 20, times[i]);
        append_batch(&f, &batch, 5);
    }
    for (int pass = 0; pass < 3; pass++) {
        EXPECT_EQ(find(0, INT64_MAX), 0);
        EXPECT_EQ(find(INT64_MIN, INT64_MAX), 0);
        EXPECT_EQ(find(101, INT64_MAX), 1);
        EXPECT_EQ(find(103, INT64_MAX), 3);
        EXPECT_EQ(find(200, INT64_MAX), 3);
        EXPECT_EQ(find(301, INT64_MAX), 4);
        EXPECT_EQ(find(302, INT64_MAX), 9);
        EXPECT_EQ(find(400, INT64_MAX), 9);
        EXPECT_EQ(find(401, INT64_MAX), -1);
        EXPECT_EQ(find(302, 9), -1);
        EXPECT_EQ(find(101, 1), -1);
        EXPECT_EQ(find(101, 2), 1);
        struct kc_log_position position;
        EXPECT_EQ(kc_log_find_max_timestamp(f.log, &position), KC_OK);
        EXPECT_EQ(position.offset, 9);
        EXPECT_EQ(position.timestamp, 400);
        EXPECT_EQ(position.leader_epoch, 5);
        fixture_reopen(&f, pass == 0);
    }
    EXPECT_EQ(kc_log_raise_start_offset(f.log, 2), KC_OK);
    EXPECT_EQ(find(0, INT64_MAX), 2);
    EXPECT_EQ(find(101, INT64_MAX), 2);
    fixture_stop(&f);
}

TEST(a_compressed_batch_is_handed_over_whole) {
    start();
    struct batch batch;
    make_batch(&batch, 4, 20, 1000);
    batch.bytes[KC_BATCH_ATTRIBUTES + 1] = KC_CODEC_GZIP;          /* nobody here looks inside */
    kc_batch_seal(batch.bytes);
    kc_batch_header_load(batch.bytes, &batch.info.header);
    append_batch(&f, &batch, 0);
    struct kc_log_position position;
    EXPECT_EQ(kc_log_find_timestamp(f.log, 1002, INT64_MAX, &position), KC_OK);
    EXPECT(position.in_batch);
    EXPECT_EQ(position.offset, 0);
    EXPECT_EQ(position.batch.position, 0);
    EXPECT_EQ(position.batch.size_bytes, batch.size);
    kc_file_release(position.batch.file);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(log_append_time_is_found_without_looking_inside) {
    start();
    struct batch batch;
    for (int i = 0; i < 3; i++) {
        make_batch(&batch, 4, 20, 1000);
        struct kc_append append = {.batch = batch.bytes, .info = &batch.info, .log_append_time = true};
        f.now_ms += 10;
        kc_log_append(f.log, &append, 1);
    }
    EXPECT_EQ(find(f.now_ms - 10, INT64_MAX), 4);
    EXPECT_EQ(find(f.now_ms, INT64_MAX), 8);
    EXPECT_EQ(find(f.now_ms + 1, INT64_MAX), -1);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(truncation_to_every_offset_leaves_a_log_that_goes_on) {
    for (int64_t to = 0; to <= 101; to += 7) {
        start();
        int64_t end = append_many(&f, 100, 100);
        EXPECT_EQ(kc_log_truncate(f.log, to), KC_OK);
        int64_t expected = to < end ? to : end;
        EXPECT_EQ(kc_log_end_offset(f.log), expected);
        EXPECT_EQ(walk_log(&f), expected);
        EXPECT_EQ(find(f.now_ms + 20, INT64_MAX), expected > 20 ? 20 : -1);
        append_many(&f, 40, 100);
        EXPECT_EQ(walk_log(&f), expected + 40);
        fixture_reopen(&f, to % 2);
        EXPECT_EQ(walk_log(&f), expected + 40);
        EXPECT_EQ(find(f.now_ms + expected, INT64_MAX), expected);
        fixture_close(&f);
        fixture_stop(&f);
    }
}

TEST(truncation_into_a_batch_takes_the_batch_and_keeps_the_asked_end) {
    start();
    struct batch batch;
    for (int i = 0; i < 3; i++) {
        make_batch(&batch, 4, 20, 1000);
        append_batch(&f, &batch, 0);
    }
    EXPECT_EQ(kc_log_truncate(f.log, 6), KC_OK);
    EXPECT_EQ(kc_log_end_offset(f.log), 6);
    EXPECT_EQ(kc_log_size_bytes(f.log), batch.size);
    uint8_t bytes[4096];
    EXPECT_EQ(read_bytes(&f, 0, INT64_MAX, 4096, true, bytes, sizeof bytes), batch.size);
    EXPECT_EQ(read_bytes(&f, 5, INT64_MAX, 4096, true, bytes, sizeof bytes), 0);
    make_batch(&batch, 4, 20, 1000);
    EXPECT_EQ(append_batch(&f, &batch, 0).base_offset, 6);
    EXPECT_EQ(read_bytes(&f, 4, INT64_MAX, 4096, true, bytes, sizeof bytes), batch.size);
    EXPECT_EQ(kc_log_truncate(f.log, -1), KC_INVALID);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(a_gap_behind_a_truncation_is_not_taken_for_a_lost_end) {
    start();
    struct batch batch;
    for (int i = 0; i < 3; i++) {
        make_batch(&batch, 4, 20, 1000);
        append_batch(&f, &batch, 0);
    }
    EXPECT_EQ(kc_log_truncate(f.log, 6), KC_OK);           /* offsets 4 and 5 are gone with their batch */
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    append_many(&f, 2, 10);
    fixture_reopen(&f, false);
    EXPECT_EQ(kc_log_end_offset(f.log), 8);
    EXPECT_EQ(f.recovery.truncated_bytes, 0);
    uint8_t bytes[4096];
    read_bytes(&f, 4, INT64_MAX, 10, true, bytes, sizeof bytes);
    EXPECT_EQ(kc_load_i64(bytes), 6);
    fixture_stop(&f);
}

TEST(a_sealed_segment_that_is_active_again_rolls_where_it_ended) {
    start();
    append_many(&f, 60, 100);
    fixture_reopen(&f, true);
    struct kc_log_segment_info infos[8];
    size_t count;
    kc_log_segments(f.log, infos, 8, &count);
    EXPECT_EQ(kc_log_truncate(f.log, infos[1].base_offset), KC_OK);
    EXPECT_EQ(kc_log_roll(f.log), KC_OK);
    append_many(&f, 30, 100);
    kc_log_segments(f.log, infos + 4, 4, &count);
    EXPECT_EQ(infos[5].base_offset, infos[1].base_offset);
    EXPECT_EQ(walk_log(&f), infos[1].base_offset + 30);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(deleted_records_are_out_of_range_and_whole_segments_go) {
    start();
    append_many(&f, 100, 100);
    struct kc_log_segment_info infos[16];
    size_t count, left;
    kc_log_segments(f.log, infos, 16, &count);
    EXPECT_EQ(kc_log_raise_start_offset(f.log, 101), KC_OUT_OF_RANGE);
    EXPECT_EQ(kc_log_raise_start_offset(f.log, infos[2].base_offset + 1), KC_OK);
    EXPECT_EQ(kc_log_raise_start_offset(f.log, 3), KC_OK);
    EXPECT_EQ(kc_log_start_offset(f.log), infos[2].base_offset + 1);
    struct kc_log_slice held, slice;
    EXPECT_EQ(kc_log_read(f.log, infos[2].base_offset + 1, INT64_MAX, 100, true, &held), KC_OK);
    EXPECT_EQ(kc_log_read(f.log, infos[2].base_offset, INT64_MAX, 100, true, &slice), KC_OUT_OF_RANGE);
    int32_t dropped;
    EXPECT_EQ(kc_log_drop_segments(f.log, &dropped), KC_OK);
    EXPECT_EQ(dropped, 2);
    kc_log_segments(f.log, NULL, 0, &left);
    EXPECT_EQ(left, count - 2);
    uint8_t bytes[64];
    EXPECT_EQ(file_bytes(&f, "00000000000000000000.log", bytes, sizeof bytes), -1);
    EXPECT_EQ(file_bytes(&f, "00000000000000000000.log.deleted", bytes, sizeof bytes), 64);
    EXPECT_EQ(file_bytes(&f, "00000000000000000000.index.deleted", bytes, sizeof bytes), 64);
    EXPECT_EQ(walk_log(&f), 100 - infos[2].base_offset - 1 + 0);
    /* Everything may go but the active segment. */
    EXPECT_EQ(kc_log_raise_start_offset(f.log, 100), KC_OK);
    EXPECT_EQ(kc_log_drop_segments(f.log, &dropped), KC_OK);
    EXPECT_EQ(dropped, (int32_t)count - 3);
    /* A slice from before can still be read. */
    size_t got;
    EXPECT_EQ(kc_file_read(held.file, bytes, sizeof bytes, held.position, &got), KC_OK);
    EXPECT_EQ(got, sizeof bytes);
    EXPECT_EQ(kc_load_i64(bytes), infos[2].base_offset + 1);
    kc_file_release(held.file);
    f.options.log_start_offset = 100;
    fixture_reopen(&f, true);
    EXPECT_EQ(kc_log_start_offset(f.log), 100);
    EXPECT_EQ(kc_log_end_offset(f.log), 100);
    EXPECT_EQ(file_bytes(&f, "00000000000000000000.log.deleted", bytes, sizeof bytes), -1);
    append_many(&f, 5, 100);
    EXPECT_EQ(walk_log(&f), 5);
    fixture_stop(&f);
}

TEST(a_renamed_directory_is_followed) {
    start();
    append_many(&f, 100, 100);
    struct kc_log_slice held;
    EXPECT_EQ(kc_log_read(f.log, 0, INT64_MAX, 100, true, &held), KC_OK);
    EXPECT_EQ(kc_log_rename_directory(f.log, "/t-0.0123-delete"), KC_OK);
    f.directory = "/t-0.0123-delete";
    char path[64];
    EXPECT_EQ(kc_log_directory(f.log, path, sizeof path), KC_OK);
    EXPECT_STR(path, f.directory);
    EXPECT_EQ(kc_log_directory(f.log, path, 5), KC_LIMIT);
    kc_file_close_idle(held.file);
    uint8_t bytes[100];
    size_t got;
    EXPECT_EQ(kc_file_read(held.file, bytes, sizeof bytes, held.position, &got), KC_OK);
    EXPECT_EQ(got, sizeof bytes);
    kc_file_release(held.file);
    append_many(&f, 100, 100);
    EXPECT_EQ(walk_log(&f), 200);
    /* Somebody else renamed it. */
    EXPECT_EQ(f.disk->rename(f.disk->state, f.directory, "/u-0"), KC_OK);
    EXPECT_EQ(kc_log_rename_directory(f.log, "/u-0"), KC_OK);
    f.directory = "/u-0";
    EXPECT_EQ(kc_log_rename_directory(f.log, "/none/x"), KC_NOT_FOUND);
    fixture_reopen(&f, true);
    EXPECT_EQ(walk_log(&f), 200);
    fixture_stop(&f);
}

TEST(a_flush_syncs_what_was_written_and_nothing_twice) {
    start();
    append_many(&f, 100, 100);
    int64_t synced = -1;
    uint64_t before = kc_disk_fault_calls(f.fault, KC_CALL_SYNC);
    EXPECT_EQ(kc_log_flush(f.log, &synced), KC_OK);
    EXPECT_EQ(synced, 100);
    EXPECT(kc_disk_fault_calls(f.fault, KC_CALL_SYNC) > before);
    before = kc_disk_fault_calls(f.fault, KC_CALL_SYNC);
    EXPECT_EQ(kc_log_flush(f.log, &synced), KC_OK);
    EXPECT_EQ(kc_disk_fault_calls(f.fault, KC_CALL_SYNC), before);
    append_many(&f, 1, 10);
    EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
    EXPECT(kc_disk_fault_calls(f.fault, KC_CALL_SYNC) - before <= 3);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(an_acknowledgement_costs_one_sync_and_leaves_the_indexes_to_the_flush) {
    fixture_start(&f, 1);
    f.options.config.index_interval_bytes = 200;
    fixture_open(&f);
    int64_t synced = -1;
    append_many(&f, 1, 100);
    EXPECT_EQ(kc_log_sync_batches(f.log, &synced), KC_OK);
    for (int i = 0; i < 20; i++) {
        append_many(&f, 10, 100);              /* index entries among them */
        uint64_t syncs = kc_disk_fault_calls(f.fault, KC_CALL_SYNC), writes = kc_disk_fault_calls(f.fault, KC_CALL_WRITE);
        EXPECT_EQ(kc_log_sync_batches(f.log, &synced), KC_OK);
        EXPECT_EQ(synced, kc_log_end_offset(f.log));
        EXPECT_EQ(kc_disk_fault_calls(f.fault, KC_CALL_SYNC), syncs + 1);
        EXPECT_EQ(kc_disk_fault_calls(f.fault, KC_CALL_WRITE), writes);
        EXPECT_EQ(kc_log_sync_batches(f.log, &synced), KC_OK);
        EXPECT_EQ(kc_disk_fault_calls(f.fault, KC_CALL_SYNC), syncs + 1);
    }
    uint64_t syncs = kc_disk_fault_calls(f.fault, KC_CALL_SYNC), writes = kc_disk_fault_calls(f.fault, KC_CALL_WRITE);
    EXPECT_EQ(kc_log_flush(f.log, &synced), KC_OK);
    EXPECT(kc_disk_fault_calls(f.fault, KC_CALL_WRITE) > writes);
    EXPECT(kc_disk_fault_calls(f.fault, KC_CALL_SYNC) > syncs);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(what_is_synced_is_known_also_of_an_earlier_run) {
    start();
    append_many(&f, 7, 20);
    EXPECT_EQ(kc_log_synced_offset(f.log), 0);
    int64_t synced;
    EXPECT_EQ(kc_log_sync_batches(f.log, &synced), KC_OK);
    append_many(&f, 3, 20);
    EXPECT_EQ(kc_log_synced_offset(f.log), 7);
    EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
    EXPECT_EQ(kc_log_synced_offset(f.log), 10);
    f.options.recovery_point = 10;
    append_many(&f, 4, 20);
    fixture_reopen(&f, false);
    EXPECT_EQ(kc_log_synced_offset(f.log), 10);
    fixture_reopen(&f, true);
    EXPECT_EQ(kc_log_synced_offset(f.log), 14);
    EXPECT_EQ(kc_log_truncate(f.log, 12), KC_OK);
    EXPECT_EQ(kc_log_synced_offset(f.log), 12);
    f.options.recovery_point = 50;
    fixture_reopen(&f, false);
    EXPECT_EQ(kc_log_synced_offset(f.log), 12);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(settings_can_change_while_the_log_is_open) {
    start();
    append_many(&f, 20, 100);
    struct kc_log_config config = kc_log_get_config(f.log);
    EXPECT_EQ(config.segment_size_bytes, 4096);
    config.segment_size_bytes = 1 << 20;
    kc_log_set_config(f.log, &config);
    append_many(&f, 200, 100);
    size_t count;
    kc_log_segments(f.log, NULL, 0, &count);
    EXPECT_EQ(count, 1);
    fixture_close(&f);
    fixture_stop(&f);
}

RUN_ALL()

/* A disk that fills up, fails or goes away: the log says so, keeps what it had acknowledged, and comes back whole. */
#include "fixture.h"

#include <fcntl.h>
#include <unistd.h>

static struct fixture f;

TEST(a_full_disk_refuses_the_batch_cuts_the_file_back_and_reads_go_on) {
    for (int reserves = 0; reserves < 2; reserves++) {
        for (int64_t room = 3000; room < 9000; room += 97) {
            fixture_start(&f, 1);
            f.options.config = small_config();
            f.options.landmark_bytes = 700;
            EXPECT_EQ(kc_log_dir_create(&f.options.dir), KC_OK);
            fixture_open(&f);
            if (!reserves) kc_disk_fault_fail_call(f.fault, KC_CALL_ALLOCATE, KC_INVALID);
            kc_disk_fault_capacity(f.fault, room);
            struct batch batch;
            struct kc_append append;
            int64_t acknowledged = 0;
            do {
                make_producer_batch(&batch, 1, acknowledged % 3, 0, (int32_t)(acknowledged / 3), false);
                append = append_batch(&f, &batch, 0);
                if (append.fault == KC_APPEND_OK) acknowledged = append.base_offset + 1;
            } while (append.fault == KC_APPEND_OK);
            for (int i = 0; i < 3; i++) {
                EXPECT_EQ(append.fault, KC_APPEND_STORAGE_ERROR);
                EXPECT_EQ(append.base_offset, -1);
                EXPECT(kc_log_writable(f.log));
                EXPECT_EQ(kc_log_end_offset(f.log), acknowledged);
                EXPECT_EQ(walk_log(&f), acknowledged);
                append = append_batch(&f, &batch, 0);
            }
            EXPECT_EQ(kc_log_dir_failure(f.options.dir), KC_OK);
            if (room % 2) {
                fixture_kill(&f, KC_RESTART_KEEP);
                kc_disk_fault_capacity(f.fault, -1);
                fixture_open(&f);
                EXPECT_EQ(kc_log_end_offset(f.log), acknowledged);
            }
            kc_disk_fault_capacity(f.fault, -1);
            /* What was refused has left no trace in the memory of its producer. */
            EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_OK);
            EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_DUPLICATE);
            append_many(&f, 30, 100);
            EXPECT_EQ(walk_log(&f), acknowledged + 31);
            fixture_close(&f);
            kc_log_dir_release(f.options.dir);
            fixture_stop(&f);
        }
    }
}

TEST(batches_behind_one_that_found_the_disk_full_are_refused_with_it) {
    fixture_start(&f, 1);
    f.options.config = small_config();
    fixture_open(&f);
    append_many(&f, 5, 100);
    kc_disk_fault_capacity(f.fault, 1100);
    static struct batch batches[20];
    struct kc_append appends[20];
    for (int i = 0; i < 20; i++) {
        make_producer_batch(&batches[i], 1, 7, 0, i, false);
        appends[i] = (struct kc_append){.batch = batches[i].bytes, .info = &batches[i].info};
    }
    EXPECT_EQ(kc_log_append(f.log, appends, 20), 0);
    for (int i = 0; i < 20; i++) EXPECT_EQ(appends[i].fault, KC_APPEND_STORAGE_ERROR);
    EXPECT_EQ(kc_log_end_offset(f.log), 5);
    kc_disk_fault_capacity(f.fault, -1);
    EXPECT(kc_log_append(f.log, appends, 20) > 0);
    for (int i = 0; i < 20; i++) EXPECT_EQ(appends[i].fault, KC_APPEND_OK);
    EXPECT_EQ(walk_log(&f), 25);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(the_first_failed_write_takes_the_whole_log_directory_offline) {
    for (int syncs = 0; syncs < 2; syncs++) {
        fixture_start(&f, 1);
        EXPECT_EQ(kc_log_dir_create(&f.options.dir), KC_OK);
        fixture_open(&f);
        append_many(&f, 5, 100);
        struct kc_log *neighbour;
        EXPECT_EQ(kc_log_open("/t-1", &f.options, NULL, &neighbour), KC_OK);
        struct batch batch;
        struct kc_append append;
        make_batch(&batch, 1, 10, 1000);
        if (syncs) {
            kc_disk_fault_fail_call(f.fault, KC_CALL_SYNC, KC_IO_ERROR);
            EXPECT_EQ(kc_log_flush(f.log, NULL), KC_IO_ERROR);
            kc_disk_fault_fail_call(f.fault, KC_CALL_SYNC, KC_OK);
        } else {
            kc_disk_fault_fail_call(f.fault, KC_CALL_WRITE, KC_IO_ERROR);
            EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_STORAGE_ERROR);
            kc_disk_fault_fail_call(f.fault, KC_CALL_WRITE, KC_OK);
        }
        EXPECT_EQ(kc_log_dir_failure(f.options.dir), KC_IO_ERROR);
        struct kc_log *logs[] = {f.log, neighbour};
        for (int i = 0; i < 2; i++) {
            struct kc_log_slice slice;
            struct kc_log_position position;
            EXPECT(!kc_log_writable(logs[i]));
            EXPECT(kc_log_offline(logs[i]));
            append = (struct kc_append){.batch = batch.bytes, .info = &batch.info};
            EXPECT_EQ(kc_log_append(logs[i], &append, 1), 0);
            EXPECT_EQ(append.fault, KC_APPEND_STORAGE_ERROR);
            EXPECT_EQ(kc_log_read(logs[i], 0, INT64_MAX, 100, true, &slice), KC_IO_ERROR);
            EXPECT_EQ(kc_log_find_timestamp(logs[i], 0, INT64_MAX, &position), KC_IO_ERROR);
            EXPECT_EQ(kc_log_flush(logs[i], NULL), KC_CLOSED);
            EXPECT_EQ(kc_log_close(logs[i]), KC_IO_ERROR);
        }
        kc_log_release(neighbour);
        kc_log_dir_release(f.options.dir);
        fixture_stop(&f);
    }
}

/* A workload that touches everything; stops at the first refusal.  Returns the acknowledged end offset. */
static int64_t workload(bool *failed) {
    struct batch batch;
    int64_t acknowledged = 0;
    *failed = false;
    if (kc_log_open(f.directory, &f.options, &f.recovery, &f.log) != KC_OK) {
        f.log = NULL;
        *failed = true;
        return 0;
    }
    for (int i = 0; i < 60; i++) {
        make_producer_batch(&batch, 1, i % 3, 0, i / 3, false);
        struct kc_append append = append_batch(&f, &batch, i / 20);
        if (append.fault != KC_APPEND_OK) {
            *failed = true;
            return acknowledged;
        }
        acknowledged = append.last_offset + 1;
        if (i % 25 == 24 && kc_log_flush(f.log, NULL) != KC_OK) *failed = true;
    }
    if (kc_log_close(f.log) != KC_OK) *failed = true;
    return acknowledged;
}

TEST(an_error_at_any_call_loses_nothing_that_was_acknowledged) {
    const kc_status errors[] = {KC_IO_ERROR, KC_NO_SPACE, KC_NO_FILES};
    for (int e = 0; e < 3; e++) {
        for (int for_good = 0; for_good < 2; for_good++) {
            for (uint64_t point = 1;; point++) {
                fixture_start(&f, point);
                f.options.config = small_config();
                f.options.config.segment_size_bytes = 1500;
                kc_disk_fault_fail_at(f.fault, point, errors[e], for_good);
                bool failed;
                int64_t acknowledged = workload(&failed);
                bool over = kc_disk_fault_points(f.fault) < point;
                kc_log_release(f.log);
                f.log = NULL;
                EXPECT_EQ(kc_disk_fault_restart(f.fault, KC_RESTART_KEEP), KC_OK);
                f.options.clean = !failed && acknowledged == 60;
                fixture_open(&f);
                EXPECT(kc_log_end_offset(f.log) >= acknowledged);
                EXPECT_EQ(walk_log(&f), kc_log_end_offset(f.log));
                /* The producers are where the log is. */
                struct batch batch;
                int64_t next = kc_log_end_offset(f.log);
                make_producer_batch(&batch, 1, next % 3, 0, (int32_t)(next / 3), false);
                EXPECT_EQ(append_batch(&f, &batch, 9).fault, KC_APPEND_OK);
                if (next > 3) EXPECT_EQ(append_batch(&f, &batch, 9).fault, KC_APPEND_DUPLICATE);
                fixture_close(&f);
                fixture_stop(&f);
                if (over) {
                    EXPECT(point > 50);
                    break;
                }
            }
        }
    }
}

TEST(a_power_cut_at_any_call_keeps_what_was_flushed_and_no_half_batch) {
    for (uint64_t seed = 0; seed < 6; seed++) {
        for (uint64_t point = 1;; point++) {
            fixture_start(&f, point * 1000 + seed);
            f.options.config = small_config();
            f.options.config.segment_size_bytes = 1500;
            kc_disk_fault_crash_at(f.fault, point);
            struct batch batch;
            int64_t acknowledged = 0, synced = 0, durable = 0;
            if (kc_log_open(f.directory, &f.options, &f.recovery, &f.log) != KC_OK) f.log = NULL;
            /* The directory's own name is the business of whoever makes it (a topic's creation). */
            if (f.log && f.disk->sync_directory(f.disk->state, "/") == KC_OK) {
                for (int i = 0; i < 60; i++) {
                    make_producer_batch(&batch, 1, i % 3, 0, i / 3, false);
                    struct kc_append append = append_batch(&f, &batch, i / 20);
                    if (append.fault != KC_APPEND_OK) break;
                    acknowledged = append.last_offset + 1;
                    /* What the batches alone were synced for is on disk as well, but no recovery point. */
                    if (i % 3 == 1) kc_log_sync_batches(f.log, &durable);
                    if (i % 10 == 9) kc_log_flush(f.log, &synced);
                    if (i == 33 && kc_log_raise_start_offset(f.log, synced) == KC_OK) kc_log_drop_segments(f.log, NULL);
                }
            }
            bool over = !kc_disk_fault_crashed(f.fault);
            kc_log_release(f.log);
            f.log = NULL;
            EXPECT_EQ(kc_disk_fault_restart(f.fault, KC_RESTART_SEEDED), KC_OK);
            f.options.recovery_point = synced;
            fixture_open(&f);
            int64_t end = kc_log_end_offset(f.log);
            EXPECT(end >= synced);
            EXPECT(end >= durable);
            EXPECT(end <= acknowledged + 1);
            EXPECT_EQ(walk_log(&f), end - kc_log_start_offset(f.log));
            make_producer_batch(&batch, 1, end % 3, 0, (int32_t)(end / 3), false);
            EXPECT_EQ(append_batch(&f, &batch, 9).base_offset, end);
            fixture_close(&f);
            fixture_stop(&f);
            if (over) break;
        }
    }
}

TEST(a_log_whose_directory_cannot_be_used_refuses_everything_and_touches_nothing) {
    fixture_start(&f, 1);
    EXPECT_EQ(kc_log_open_offline(f.directory, &f.options, &f.log), KC_INVALID);
    EXPECT_EQ(kc_log_dir_create(&f.options.dir), KC_OK);
    EXPECT_EQ(kc_log_open_offline(f.directory, &f.options, &f.log), KC_OK);
    struct batch batch;
    struct kc_log_slice slice;
    struct kc_log_position position;
    make_batch(&batch, 1, 10, 1000);
    EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_STORAGE_ERROR);
    EXPECT_EQ(kc_log_append_as_follower(f.log, batch.bytes, batch.size), KC_CLOSED);
    EXPECT_EQ(kc_log_read(f.log, 0, INT64_MAX, 100, true, &slice), KC_IO_ERROR);
    EXPECT_EQ(kc_log_find_timestamp(f.log, 0, INT64_MAX, &position), KC_IO_ERROR);
    EXPECT_EQ(kc_log_find_max_timestamp(f.log, &position), KC_IO_ERROR);
    EXPECT_EQ(kc_log_roll(f.log), KC_CLOSED);
    EXPECT_EQ(kc_log_truncate(f.log, 0), KC_CLOSED);
    EXPECT_EQ(kc_log_drop_segments(f.log, NULL), KC_CLOSED);
    EXPECT_EQ(kc_log_assign_epoch(f.log, 3), KC_CLOSED);
    EXPECT_EQ(kc_log_raise_start_offset(f.log, 1), KC_CLOSED);
    kc_log_write_back(f.log);
    EXPECT(kc_log_offline(f.log));
    EXPECT(!kc_log_writable(f.log));
    EXPECT_EQ(kc_log_close(f.log), KC_IO_ERROR);
    EXPECT_EQ(kc_disk_fault_points(f.fault), 0);
    kc_log_dir_release(f.options.dir);
    fixture_stop(&f);
}

TEST(a_directory_that_fails_says_so_once_and_one_that_has_failed_at_once) {
    for (int before = 0; before < 2; before++) {
        struct kc_log_dir *dir;
        int ends[2];
        char told[64];
        EXPECT_EQ(pipe(ends), 0);
        EXPECT_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
        EXPECT_EQ(kc_log_dir_create(&dir), KC_OK);
        EXPECT(kc_log_dir_announce_to(dir, -1) != KC_OK);
        if (before) kc_log_dir_fail(dir, KC_IO_ERROR);
        EXPECT_EQ(kc_log_dir_announce_to(dir, ends[1]), KC_OK);
        EXPECT_EQ(kc_log_dir_announce_to(dir, ends[1]), KC_INVALID);
        close(ends[1]);
        EXPECT_EQ(read(ends[0], told, sizeof told), before ? 8 : -1);
        kc_log_dir_fail(dir, KC_IO_ERROR);
        kc_log_dir_fail(dir, KC_NO_SPACE);
        EXPECT_EQ(read(ends[0], told, sizeof told), before ? -1 : 8);
        EXPECT_EQ(read(ends[0], told, sizeof told), -1);
        kc_log_dir_release(dir);
        EXPECT_EQ(read(ends[0], told, sizeof told), 0);        /* its own descriptor is closed as well */
        close(ends[0]);
    }
}

TEST(a_failed_sync_is_not_tried_again) {
    fixture_start(&f, 1);
    fixture_open(&f);
    append_many(&f, 10, 100);
    kc_disk_fault_fail_call(f.fault, KC_CALL_SYNC, KC_IO_ERROR);
    EXPECT_EQ(kc_log_flush(f.log, NULL), KC_IO_ERROR);
    kc_disk_fault_fail_call(f.fault, KC_CALL_SYNC, KC_OK);
    EXPECT_EQ(kc_log_flush(f.log, NULL), KC_CLOSED);
    struct batch batch;
    make_batch(&batch, 1, 10, 1000);
    EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_STORAGE_ERROR);
    EXPECT_EQ(walk_log(&f), 10);
    EXPECT_EQ(kc_log_close(f.log), KC_IO_ERROR);
    fixture_stop(&f);
}

TEST(running_out_of_descriptors_refuses_a_batch_and_forgets_it) {
    fixture_start(&f, 1);
    f.options.config = small_config();
    fixture_open(&f);
    struct batch batch;
    make_producer_batch(&batch, 1, 9, 0, 0, false);
    kc_disk_fault_fail_call(f.fault, KC_CALL_OPEN, KC_NO_FILES);
    kc_disk_fault_fail_call(f.fault, KC_CALL_CREATE, KC_NO_FILES);
    EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_STORAGE_ERROR);
    kc_disk_fault_fail_call(f.fault, KC_CALL_OPEN, KC_OK);
    EXPECT(kc_log_writable(f.log));
    EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_OK);
    /* The same at a roll. */
    int i = 1;
    struct kc_append append;
    do {
        make_producer_batch(&batch, 1, 9, 0, i, false);
        append = append_batch(&f, &batch, 0);
    } while (append.fault == KC_APPEND_OK && ++i < 100);
    EXPECT_EQ(append.fault, KC_APPEND_STORAGE_ERROR);
    EXPECT(kc_log_writable(f.log));
    kc_disk_fault_fail_call(f.fault, KC_CALL_CREATE, KC_OK);
    EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_OK);
    EXPECT_EQ(walk_log(&f), i + 1);
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(a_read_error_is_an_error_of_that_read) {
    fixture_start(&f, 1);
    f.options.config = small_config();
    fixture_open(&f);
    append_many(&f, 100, 100);
    kc_disk_fault_fail_call(f.fault, KC_CALL_READ, KC_IO_ERROR);
    struct kc_log_slice slice;
    EXPECT_EQ(kc_log_read(f.log, 5, INT64_MAX, 100, true, &slice), KC_IO_ERROR);
    struct kc_log_position position;
    EXPECT_EQ(kc_log_find_timestamp(f.log, f.now_ms + 5, INT64_MAX, &position), KC_IO_ERROR);
    kc_disk_fault_fail_call(f.fault, KC_CALL_READ, KC_OK);
    EXPECT(kc_log_writable(f.log));
    EXPECT_EQ(walk_log(&f), 100);
    fixture_close(&f);
    fixture_stop(&f);
}

RUN_ALL()

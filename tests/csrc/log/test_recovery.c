/* What an unclean stop, or somebody's hand, leaves behind is cut and rebuilt: everything that was whole is read back, nothing
 * else is. */
#include "fixture.h"

/* Three batches of two, one and three records; sizes of the first two. */
static void three_batches(struct fixture *f, size_t sizes[3]) {
    struct batch batch;
    const int counts[] = {2, 1, 3};
    for (int i = 0; i < 3; i++) {
        make_batch(&batch, counts[i], 30, 1000 + i);
        EXPECT_EQ(append_batch(f, &batch, 0).fault, KC_APPEND_OK);
        sizes[i] = batch.size;
    }
}

TEST(a_torn_tail_is_cut_behind_the_last_whole_batch_wherever_it_is_torn) {
    struct fixture f;
    size_t sizes[3], whole;
    fixture_start(&f, 1);
    fixture_open(&f);
    three_batches(&f, sizes);
    static uint8_t bytes[4096];
    whole = (size_t)file_bytes(&f, "00000000000000000000.log", bytes, sizeof bytes);
    EXPECT_EQ(whole, sizes[0] + sizes[1] + sizes[2]);
    fixture_kill(&f, KC_RESTART_KEEP);
    for (size_t cut = 0; cut <= whole; cut++) {
        write_file(&f, "00000000000000000000.log", bytes, cut);
        fixture_open(&f);
        size_t good = cut < sizes[0] ? 0 : cut < sizes[0] + sizes[1] ? sizes[0] : cut < whole ? sizes[0] + sizes[1] : whole;
        int64_t end = good == 0 ? 0 : good == sizes[0] ? 2 : good < whole ? 3 : 6;
        EXPECT_EQ(kc_log_end_offset(f.log), end);
        EXPECT_EQ(kc_log_size_bytes(f.log), good);
        EXPECT_EQ(f.recovery.truncated_bytes, cut - good);
        EXPECT_EQ(f.recovery.cut_position, cut == good ? -1 : (int64_t)good);
        static uint8_t after[4096];
        EXPECT_EQ(file_bytes(&f, "00000000000000000000.log", after, sizeof after), good);
        EXPECT_MEM(after, bytes, good);
        struct batch batch;
        make_batch(&batch, 1, 5, 2000);
        EXPECT_EQ(append_batch(&f, &batch, 1).base_offset, end);
        walk_log(&f);
        fixture_kill(&f, KC_RESTART_KEEP);
    }
    fixture_stop(&f);
}

TEST(every_flipped_byte_is_noticed_and_ends_the_log_there) {
    struct fixture f;
    size_t sizes[3];
    fixture_start(&f, 1);
    fixture_open(&f);
    three_batches(&f, sizes);
    static uint8_t bytes[4096];
    size_t whole = (size_t)file_bytes(&f, "00000000000000000000.log", bytes, sizeof bytes);
    fixture_kill(&f, KC_RESTART_KEEP);
    for (size_t at = 0; at < whole; at++) {
        bytes[at] ^= 0x55;
        write_file(&f, "00000000000000000000.log", bytes, whole);
        bytes[at] ^= 0x55;
        fixture_open(&f);
        size_t batch = at < sizes[0] ? 0 : at < sizes[0] + sizes[1] ? 1 : 2;
        size_t start = batch == 0 ? 0 : batch == 1 ? sizes[0] : sizes[0] + sizes[1];
        size_t field = at - start;
        /* Base offset and leader epoch lie outside the CRC: a jump forward there is only seen at the next batch. */
        bool outside_crc = field < 8 || (field >= 12 && field < 16);
        if (!outside_crc) EXPECT_EQ(kc_log_size_bytes(f.log), start);
        EXPECT(kc_log_size_bytes(f.log) >= (int64_t)start);
        if (!outside_crc) walk_log(&f);
        fixture_kill(&f, KC_RESTART_KEEP);
    }
    fixture_stop(&f);
}

/* A log of several segments, small index interval. */
static void several_segments(struct fixture *f) {
    f->options.config = small_config();
    fixture_open(f);
    append_many(f, 120, 100);
    size_t count;
    kc_log_segments(f->log, NULL, 0, &count);
    EXPECT(count >= 4);
}

struct answers {
    int64_t end, start, size;
    size_t segments;
    int64_t by_time[40];
    int64_t max_timestamp_offset;
};

static struct answers ask(struct fixture *f) {
    struct answers a = {kc_log_end_offset(f->log), kc_log_start_offset(f->log), kc_log_size_bytes(f->log), 0, {0}, 0};
    kc_log_segments(f->log, NULL, 0, &a.segments);
    struct kc_log_position position;
    for (int i = 0; i < 40; i++) {
        EXPECT_EQ(kc_log_find_timestamp(f->log, f->now_ms + i * 3, INT64_MAX, &position), KC_OK);
        a.by_time[i] = position.offset;
        EXPECT_EQ(position.offset, i * 3 < a.end ? i * 3 : -1);
    }
    EXPECT_EQ(kc_log_find_max_timestamp(f->log, &position), KC_OK);
    a.max_timestamp_offset = position.offset;
    EXPECT_EQ(walk_log(f), a.end - a.start);
    return a;
}

TEST(clean_and_unclean_reopening_give_the_same_log_and_the_same_indexes) {
    struct fixture f;
    fixture_start(&f, 1);
    several_segments(&f);
    struct answers before = ask(&f);
    fixture_reopen(&f, true);
    EXPECT_EQ(f.recovery.scanned_bytes, 0);
    struct answers clean = ask(&f);
    EXPECT_MEM(&before, &clean, sizeof before);
    static uint8_t index[8192], again[8192];
    struct kc_log_segment_info infos[16];
    size_t count;
    kc_log_segments(f.log, infos, 16, &count);
    char name[64];
    fixture_reopen(&f, false);
    EXPECT_EQ(f.recovery.scanned_bytes, before.size);
    struct answers unclean = ask(&f);
    EXPECT_MEM(&before, &unclean, sizeof before);
    /* An index that was built anew is the one that was written on the way, also once the log is closed. */
    for (size_t i = 0; i < count; i++) {
        for (int kind = 0; kind < 2; kind++) {
            snprintf(name, sizeof name, "%020lld.%s", (long long)infos[i].base_offset, kind ? "timeindex" : "index");
            fixture_reopen(&f, true);
            int64_t size = file_bytes(&f, name, index, sizeof index);
            EXPECT(size > 0);
            fixture_close(&f);
            EXPECT_EQ(remove_file(&f, name), KC_OK);
            fixture_open(&f);
            EXPECT_EQ(f.recovery.rebuilt_indexes, 1);
            fixture_close(&f);
            EXPECT_EQ(file_bytes(&f, name, again, sizeof again), size);
            EXPECT_MEM(index, again, (size_t)size);
            fixture_open(&f);
        }
    }
    fixture_close(&f);
    fixture_stop(&f);
}

TEST(only_segments_from_the_recovery_point_on_are_scanned) {
    struct fixture f;
    fixture_start(&f, 1);
    several_segments(&f);
    struct kc_log_segment_info infos[16];
    size_t count;
    kc_log_segments(f.log, infos, 16, &count);
    for (size_t i = 0; i < count; i++) {
        f.options.recovery_point = infos[i].base_offset + 1;
        fixture_reopen(&f, false);
        int64_t expected = 0;
        for (size_t j = i; j < count; j++) expected += infos[j].size_bytes;
        EXPECT_EQ(f.recovery.scanned_bytes, expected);
        EXPECT_EQ(walk_log(&f), 120);
    }
    /* A recovery point beyond the end scans the active segment. */
    f.options.recovery_point = 100000;
    fixture_reopen(&f, false);
    EXPECT_EQ(f.recovery.scanned_bytes, infos[count - 1].size_bytes);
    EXPECT_EQ(walk_log(&f), 120);
    fixture_stop(&f);
}

TEST(a_damaged_index_is_rebuilt_or_not_believed) {
    struct fixture f;
    fixture_start(&f, 1);
    several_segments(&f);
    struct answers before = ask(&f);
    fixture_close(&f);
    const char *names[] = {"00000000000000000000.index", "00000000000000000000.timeindex"};
    static uint8_t good[8192], bad[16384];
    for (int n = 0; n < 2; n++) {
        size_t entry = n ? 12 : 8;
        size_t size = (size_t)file_bytes(&f, names[n], good, sizeof good);
        EXPECT(size >= 3 * entry);
        for (int damage = 0; damage < 7; damage++) {
            size_t bad_size = size;
            memcpy(bad, good, size);
            switch (damage) {
            case 0: bad_size = 0; break;                                       /* emptied */
            case 1: bad_size = size - entry; break;                            /* one entry short */
            case 2: bad_size = size - 3; break;                                /* torn */
            case 3: memset(bad, 0, size); break;                               /* zeroed */
            case 4: memset(bad + size, 0, 4096 * entry / 8); bad_size = size + 480; break;     /* followed by zeros */
            case 5: memset(bad, 0x7f, size); break;                            /* nonsense */
            case 6: memset(bad, 0, size - entry); break;                       /* zeroed but for the last entry */
            }
            for (int clean = 0; clean < 2; clean++) {
                /* A time index without its last entry looks like a good one, and a log that stopped cleanly is trusted. */
                if (clean && n == 1 && damage == 1) continue;
                write_file(&f, names[n], bad, bad_size);
                f.options.clean = clean;
                fixture_open(&f);
                struct answers after = ask(&f);
                after.segments = before.segments;
                EXPECT_MEM(&before, &after, sizeof before);
                fixture_close(&f);
            }
        }
        write_file(&f, names[n], good, size);
    }
    fixture_stop(&f);
}

TEST(a_bad_batch_in_the_middle_cuts_there_and_drops_what_follows) {
    struct fixture f;
    fixture_start(&f, 1);
    several_segments(&f);
    struct kc_log_segment_info infos[16];
    size_t count;
    kc_log_segments(f.log, infos, 16, &count);
    char name[64];
    snprintf(name, sizeof name, "%020lld.log", (long long)infos[1].base_offset);
    fixture_close(&f);
    static uint8_t bytes[8192];
    size_t size = (size_t)file_bytes(&f, name, bytes, sizeof bytes);
    bytes[size / 2] ^= 1;
    write_file(&f, name, bytes, size);
    f.options.clean = false;
    fixture_open(&f);
    EXPECT_EQ(f.recovery.cut_base_offset, infos[1].base_offset);
    EXPECT_EQ(f.recovery.dropped_segments, count - 2);
    EXPECT(kc_log_end_offset(f.log) > infos[1].base_offset && kc_log_end_offset(f.log) < infos[2].base_offset);
    EXPECT_EQ(walk_log(&f), kc_log_end_offset(f.log));
    append_many(&f, 50, 100);
    fixture_reopen(&f, false);
    EXPECT_EQ(f.recovery.truncated_bytes, 0);
    EXPECT_EQ(walk_log(&f), kc_log_end_offset(f.log));
    fixture_stop(&f);
}

TEST(a_segment_that_runs_into_the_next_is_cut_before_it) {
    struct fixture f;
    fixture_start(&f, 1);
    fixture_open(&f);
    size_t sizes[3];
    three_batches(&f, sizes);                              /* offsets 0 to 5 */
    fixture_kill(&f, KC_RESTART_KEEP);
    static uint8_t bytes[4096];
    size_t whole = (size_t)file_bytes(&f, "00000000000000000000.log", bytes, sizeof bytes);
    write_file(&f, "00000000000000000003.log", bytes + sizes[0] + sizes[1], whole - sizes[0] - sizes[1]);
    fixture_open(&f);
    /* The first segment holds offset 3, where the second begins: it ends before, and the second is behind a cut. */
    EXPECT_EQ(kc_log_end_offset(f.log), 3);
    EXPECT_EQ(f.recovery.dropped_segments, 1);
    EXPECT_EQ(walk_log(&f), 2);
    fixture_stop(&f);
}

TEST(leftovers_of_interrupted_steps_are_cleared_and_foreign_files_left_alone) {
    struct fixture f;
    fixture_start(&f, 1);
    several_segments(&f);
    struct answers before = ask(&f);
    fixture_close(&f);
    const char *gone[] = {"00000000000000000000.log.deleted", "00000000000000000500.index.deleted",
                          "00000000000000000000.log.cleaned", "00000000000000000000.timeindex.cleaned",
                          "00000000000000000007.log.swap",    "00000000000000009999.index",
                          "00000000000000009999.timeindex",   "00000000000000009999.txnindex",
                          "00000000000000000000.snapshot.tmp", "leader-epoch-checkpoint.tmp",
                          "00000000000000009999.snapshot"};
    const char *kept[] = {"partition.metadata", "README", "1.log", "00000000000000000000.log.bak"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) write_file(&f, gone[i], "junk", 4);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) write_file(&f, kept[i], "keep", 4);
    for (int clean = 0; clean < 2; clean++) {
        f.options.clean = clean;
        fixture_open(&f);
        struct answers after = ask(&f);
        EXPECT_MEM(&before, &after, sizeof before);
        fixture_close(&f);
    }
    uint8_t bytes[16];
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) EXPECT_EQ(file_bytes(&f, gone[i], bytes, sizeof bytes), -1);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) EXPECT_EQ(file_bytes(&f, kept[i], bytes, sizeof bytes), 4);
    fixture_stop(&f);
}

TEST(a_finished_compaction_takes_its_place) {
    struct fixture f;
    fixture_start(&f, 1);
    several_segments(&f);
    struct kc_log_segment_info infos[16];
    size_t count;
    kc_log_segments(f.log, infos, 16, &count);
    fixture_close(&f);
    /* The first two segments, compacted to their last batch each, as one `.swap` segment. */
    struct batch batch;
    static uint8_t swap[8192];
    size_t size = 0;
    const int64_t offsets[] = {infos[1].base_offset - 1, infos[2].base_offset - 1};
    for (int i = 0; i < 2; i++) {
        make_batch(&batch, 1, 100, f.now_ms + offsets[i]);
        kc_batch_stamp(batch.bytes, offsets[i], 0);
        memcpy(swap + size, batch.bytes, batch.size);
        size += batch.size;
    }
    write_file(&f, "00000000000000000000.log.swap", swap, size);
    for (int clean = 0; clean < 2; clean++) {
        f.options.clean = clean;
        fixture_open(&f);
        size_t now;
        kc_log_segments(f.log, NULL, 0, &now);
        EXPECT_EQ(now, count - 1);
        EXPECT_EQ(kc_log_end_offset(f.log), 120);
        uint8_t bytes[4096];
        read_bytes(&f, 0, INT64_MAX, 10, true, bytes, sizeof bytes);
        EXPECT_EQ(kc_load_i64(bytes), offsets[0]);
        read_bytes(&f, offsets[0] + 1, INT64_MAX, 10, true, bytes, sizeof bytes);
        EXPECT_EQ(kc_load_i64(bytes), offsets[1]);
        read_bytes(&f, offsets[1] + 1, INT64_MAX, 10, true, bytes, sizeof bytes);
        EXPECT_EQ(kc_load_i64(bytes), infos[2].base_offset);
        fixture_close(&f);
    }
    fixture_stop(&f);
}

TEST(a_clean_mark_that_lies_does_not_let_a_torn_batch_in) {
    struct fixture f;
    size_t sizes[3];
    fixture_start(&f, 1);
    fixture_open(&f);
    three_batches(&f, sizes);
    fixture_close(&f);
    static uint8_t bytes[4096];
    size_t whole = (size_t)file_bytes(&f, "00000000000000000000.log", bytes, sizeof bytes);
    write_file(&f, "00000000000000000000.log", bytes, whole - 1);
    f.options.clean = true;
    fixture_open(&f);
    EXPECT_EQ(kc_log_end_offset(f.log), 3);
    EXPECT(f.recovery.truncated_bytes > 0);
    fixture_stop(&f);
}

TEST(the_log_start_offset_is_kept_within_the_log) {
    struct fixture f;
    fixture_start(&f, 1);
    f.options.log_start_offset = 50;
    fixture_open(&f);
    EXPECT_EQ(kc_log_start_offset(f.log), 50);
    EXPECT_EQ(kc_log_end_offset(f.log), 50);
    append_many(&f, 5, 10);
    f.options.log_start_offset = 52;
    fixture_reopen(&f, true);
    EXPECT_EQ(kc_log_start_offset(f.log), 52);
    f.options.log_start_offset = 1000;
    fixture_reopen(&f, true);
    EXPECT_EQ(kc_log_start_offset(f.log), 55);
    f.options.log_start_offset = 3;
    fixture_reopen(&f, false);
    EXPECT_EQ(kc_log_start_offset(f.log), 50);
    fixture_stop(&f);
}

TEST(a_segment_that_compaction_emptied_is_no_loss_and_any_other_is) {
    for (int compacted = 0; compacted < 2; compacted++) {
        struct fixture f;
        fixture_start(&f, 1);
        several_segments(&f);
        int64_t end = kc_log_end_offset(f.log);
        fixture_kill(&f, KC_RESTART_KEEP);
        write_file(&f, "00000000000000000000.log", "", 0);
        f.options.compacted = compacted;
        fixture_open(&f);
        EXPECT_EQ(kc_log_end_offset(f.log), compacted ? end : 0);
        struct kc_log_slice slice;
        EXPECT_EQ(kc_log_read(f.log, 0, INT64_MAX, 1000, true, &slice), KC_OK);
        EXPECT_EQ(slice.size_bytes > 0, compacted);
        if (slice.file) kc_file_release(slice.file);
        fixture_close(&f);
        fixture_stop(&f);
    }
}

TEST(what_was_flushed_survives_a_power_cut_and_the_rest_is_cut_cleanly) {
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct fixture f;
        fixture_start(&f, seed);
        EXPECT_EQ(f.disk->sync_directory(f.disk->state, "/"), KC_OK);
        f.options.config = small_config();
        fixture_open(&f);
        EXPECT_EQ(f.disk->sync_directory(f.disk->state, "/"), KC_OK);
        append_many(&f, 1 + (int)(seed % 40), 100);
        int64_t synced = 0;
        EXPECT_EQ(kc_log_flush(f.log, &synced), KC_OK);
        EXPECT_EQ(synced, kc_log_end_offset(f.log));
        int64_t written = append_many(&f, (int)(seed % 60), 100);
        fixture_kill(&f, KC_RESTART_SEEDED);
        f.options.recovery_point = synced;
        fixture_open(&f);
        EXPECT(kc_log_end_offset(f.log) >= synced);
        EXPECT(kc_log_end_offset(f.log) <= written);
        EXPECT_EQ(walk_log(&f), kc_log_end_offset(f.log));
        append_many(&f, 3, 100);
        fixture_reopen(&f, true);
        EXPECT_EQ(walk_log(&f), kc_log_end_offset(f.log));
        fixture_stop(&f);
    }
}

RUN_ALL()

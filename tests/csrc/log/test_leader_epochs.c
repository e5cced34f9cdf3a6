/* Leader epochs: the history, its questions, and the file in Kafka's format. */
#include "fixture.h"
#include "log/leader_epochs.h"

static struct kc_leader_epochs epochs;

static void assign(int32_t epoch, int64_t offset) { EXPECT_EQ(kc_leader_epochs_assign(&epochs, epoch, offset), KC_OK); }

static void expect_end(int32_t asked, int32_t epoch, int64_t end) {
    int32_t found_epoch;
    int64_t found_end;
    kc_leader_epochs_end_offset(&epochs, asked, 1000, &found_epoch, &found_end);
    EXPECT_EQ(found_epoch, epoch);
    EXPECT_EQ(found_end, end);
}

TEST(an_epoch_ends_where_the_next_begins) {
    expect_end(0, -1, -1);
    assign(2, 10);
    assign(2, 15);
    assign(5, 20);
    assign(9, 30);
    EXPECT_EQ(epochs.count, 3);
    expect_end(2, 2, 20);
    expect_end(3, 2, 20);
    expect_end(5, 5, 30);
    expect_end(8, 5, 30);
    expect_end(9, 9, 1000);
    expect_end(10, -1, -1);
    expect_end(-1, -1, -1);
    expect_end(1, 1, 10);              /* older than all: its data is gone, and the first known one begins here */
    EXPECT_EQ(kc_leader_epochs_latest(&epochs), 9);
    EXPECT_EQ(kc_leader_epochs_at(&epochs, 9), -1);
    EXPECT_EQ(kc_leader_epochs_at(&epochs, 10), 2);
    EXPECT_EQ(kc_leader_epochs_at(&epochs, 29), 5);
    EXPECT_EQ(kc_leader_epochs_at(&epochs, 1 << 20), 9);
    kc_leader_epochs_release(&epochs);
}

TEST(an_assignment_drops_what_contradicts_it) {
    assign(1, 0);
    assign(2, 10);
    assign(3, 10);                     /* epoch 2 never wrote */
    EXPECT_EQ(epochs.count, 2);
    assign(4, 5);
    EXPECT_EQ(epochs.count, 2);
    expect_end(1, 1, 5);
    assign(1, 3);
    EXPECT_EQ(epochs.count, 1 + 0);
    assign(-1, 7);
    EXPECT_EQ(epochs.count, 1);
    kc_leader_epochs_release(&epochs);
}

TEST(truncation_at_both_ends) {
    assign(1, 0);
    assign(2, 10);
    assign(3, 20);
    kc_leader_epochs_truncate_end(&epochs, 20);
    EXPECT_EQ(kc_leader_epochs_latest(&epochs), 2);
    assign(3, 20);
    kc_leader_epochs_truncate_start(&epochs, 15);
    EXPECT_EQ(epochs.count, 2);
    EXPECT_EQ(epochs.entries[0].epoch, 2);
    EXPECT_EQ(epochs.entries[0].start_offset, 15);
    kc_leader_epochs_truncate_start(&epochs, 20);
    EXPECT_EQ(epochs.count, 1);
    EXPECT_EQ(epochs.entries[0].epoch, 3);
    kc_leader_epochs_release(&epochs);
}

TEST(the_file_is_kafkas) {
    struct fixture f;
    fixture_start(&f, 1);
    EXPECT_EQ(f.disk->make_directory(f.disk->state, "/t-0"), KC_OK);
    EXPECT_EQ(kc_leader_epochs_load(&epochs, f.disk, "/t-0"), KC_NOT_FOUND);
    assign(0, 0);
    assign(7, 123456789012);
    EXPECT_EQ(kc_leader_epochs_store(&epochs, f.disk, "/t-0", true), KC_OK);
    uint8_t bytes[100] = {0};
    const char *text = "0\n2\n0 0\n7 123456789012\n";
    EXPECT_EQ(file_bytes(&f, KC_LEADER_EPOCH_CHECKPOINT, bytes, sizeof bytes), strlen(text));
    EXPECT_STR((char *)bytes, text);
    kc_leader_epochs_release(&epochs);
    EXPECT_EQ(kc_leader_epochs_load(&epochs, f.disk, "/t-0"), KC_OK);
    EXPECT_EQ(epochs.count, 2);
    EXPECT(!epochs.dirty);
    EXPECT_EQ(epochs.entries[1].start_offset, 123456789012);
    const char *bad[] = {"",          "1\n0\n",         "0\n",           "0\n1\n",        "0\n1\n0 0",     "0\n2\n0 0\n0 5\n",
                         "0\n2\n1 5\n2 5\n", "0\n1\n-1 0\n",   "0\n0\nx",       "0\n1\n0 0\n1 1\n", "0\n1\nx 0\n",   "0\n1\n0 99999999999999999999\n",
                         "0\n1\n4294967296 0\n", "0\n99999999999\n", "\n\n\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(&f, KC_LEADER_EPOCH_CHECKPOINT, bad[i], strlen(bad[i]));
        EXPECT_EQ(kc_leader_epochs_load(&epochs, f.disk, "/t-0"), KC_CORRUPT);
        EXPECT_EQ(epochs.count, 0);
    }
    write_file(&f, KC_LEADER_EPOCH_CHECKPOINT, "0\r\n1\r\n4 9\r\n", 11);
    EXPECT_EQ(kc_leader_epochs_load(&epochs, f.disk, "/t-0"), KC_OK);
    EXPECT_EQ(epochs.entries[0].epoch, 4);
    kc_leader_epochs_release(&epochs);
    fixture_stop(&f);
}

TEST(a_log_keeps_its_epochs_over_restarts_with_or_without_the_file) {
    for (int how = 0; how < 4; how++) {
        struct fixture f;
        fixture_start(&f, 1);
        fixture_open(&f);
        struct batch batch;
        for (int i = 0; i < 9; i++) {
            make_batch(&batch, 2, 10, 1000);
            append_batch(&f, &batch, i / 3);
        }
        if (how < 3) {
            fixture_close(&f);
            if (how == 1) EXPECT_EQ(remove_file(&f, KC_LEADER_EPOCH_CHECKPOINT), KC_OK);
            if (how == 2) write_file(&f, KC_LEADER_EPOCH_CHECKPOINT, "0\n1\nhello", 9);
            f.options.clean = true;
        } else {
            fixture_kill(&f, KC_RESTART_KEEP);
        }
        fixture_open(&f);
        int32_t epoch;
        int64_t end;
        for (int32_t asked = 0; asked < 3; asked++) {
            kc_log_end_offset_for_epoch(f.log, asked, &epoch, &end);
            EXPECT_EQ(epoch, asked);
            EXPECT_EQ(end, 6 * (asked + 1));
            EXPECT_EQ(kc_log_epoch_for_offset(f.log, 6 * asked + 5), asked);
        }
        EXPECT_EQ(kc_log_assign_epoch(f.log, 1), KC_STALE);
        EXPECT_EQ(kc_log_assign_epoch(f.log, 8), KC_OK);
        EXPECT_EQ(kc_log_latest_epoch(f.log), 8);
        EXPECT_EQ(kc_log_truncate(f.log, 7), KC_OK);
        kc_log_end_offset_for_epoch(f.log, 1, &epoch, &end);
        EXPECT_EQ(end, 7);
        EXPECT_EQ(kc_log_raise_start_offset(f.log, 6), KC_OK);
        EXPECT_EQ(kc_log_epoch_for_offset(f.log, 5), -1);
        EXPECT_EQ(kc_log_epoch_for_offset(f.log, 6), 1);
        fixture_close(&f);
        fixture_stop(&f);
    }
}

RUN_ALL()

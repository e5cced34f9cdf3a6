/* The failing disk keeps the contract while nothing fails, fails where it is told to, and forgets exactly what no sync covered. */
#include "io/disk_fault.h"

#include "disk_contract.h"

static struct kc_disk_fault *fault;
static const struct kc_disk *disk;

static void start(uint64_t seed) {
    EXPECT_EQ(kc_disk_fault_create(seed, &fault), KC_OK);
    disk = kc_disk_fault_disk(fault);
}
static void stop(void) { kc_disk_fault_destroy(fault); }

static int open_file(const char *path) {
    int handle;
    EXPECT_EQ(disk->open(disk->state, path, KC_OPEN_WRITE | KC_OPEN_CREATE, &handle), KC_OK);
    return handle;
}

static int64_t size_of(const char *path) {
    int handle;
    if (disk->open(disk->state, path, KC_OPEN_READ, &handle) != KC_OK) return -1;
    int64_t size;
    EXPECT_EQ(disk->size(disk->state, handle, &size), KC_OK);
    disk->close(disk->state, handle);
    return size;
}

TEST(the_fault_disk_keeps_the_contract) {
    start(1);
    EXPECT_EQ(disk->make_directory(disk->state, "/root"), KC_OK);
    check_disk_contract(disk, "/root");
    stop();
}

TEST(a_power_cut_keeps_synced_bytes_and_names_only) {
    start(1);
    int synced = open_file("/synced"), unnamed;
    write_text(disk, synced, "hello", 0);
    EXPECT_EQ(disk->sync(disk->state, synced), KC_OK);
    EXPECT_EQ(disk->sync_directory(disk->state, "/"), KC_OK);
    write_text(disk, synced, "HELLO, world", 0);
    unnamed = open_file("/unnamed");
    write_text(disk, unnamed, "x", 0);
    EXPECT_EQ(disk->sync(disk->state, unnamed), KC_OK);
    EXPECT_EQ(kc_disk_fault_restart(fault, KC_RESTART_LOSE), KC_OK);
    EXPECT_EQ(size_of("/unnamed"), -1);
    EXPECT_EQ(size_of("/synced"), 5);
    char back[5];
    size_t got;
    int handle = open_file("/synced");
    EXPECT_EQ(disk->read(disk->state, handle, back, 5, 0, &got), KC_OK);
    EXPECT_MEM(back, "hello", 5);
    /* A handle from before the cut is gone, and closing it is harmless. */
    EXPECT_EQ(disk->read(disk->state, synced, back, 5, 0, &got), KC_INVALID);
    disk->close(disk->state, synced);
    stop();
}

TEST(a_process_death_keeps_everything) {
    start(1);
    int handle = open_file("/a");
    write_text(disk, handle, "hello", 0);
    EXPECT_EQ(kc_disk_fault_restart(fault, KC_RESTART_KEEP), KC_OK);
    EXPECT_EQ(size_of("/a"), 5);
    stop();
}

TEST(a_rename_is_old_or_new_after_a_power_cut) {
    int old_seen = 0, new_seen = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        start(seed);
        int handle = open_file("/old");
        write_text(disk, handle, "o", 0);
        EXPECT_EQ(disk->sync(disk->state, handle), KC_OK);
        EXPECT_EQ(disk->sync_directory(disk->state, "/"), KC_OK);
        EXPECT_EQ(disk->rename(disk->state, "/old", "/new"), KC_OK);
        EXPECT_EQ(kc_disk_fault_restart(fault, KC_RESTART_SEEDED), KC_OK);
        bool is_old = size_of("/old") == 1, is_new = size_of("/new") == 1;
        EXPECT(is_old != is_new);
        old_seen += is_old;
        new_seen += is_new;
        stop();
    }
    EXPECT(old_seen > 5);
    EXPECT(new_seen > 5);
}

TEST(unsynced_writes_are_kept_lost_or_torn_by_the_sector) {
    int lost = 0, kept = 0, torn = 0;
    static char text[4096 + 1];
    memset(text, 'x', 4096);
    for (uint64_t seed = 0; seed < 60; seed++) {
        start(seed);
        int handle = open_file("/a");
        EXPECT_EQ(disk->sync(disk->state, handle), KC_OK);
        EXPECT_EQ(disk->sync_directory(disk->state, "/"), KC_OK);
        write_text(disk, handle, text, 0);
        EXPECT_EQ(kc_disk_fault_restart(fault, KC_RESTART_SEEDED), KC_OK);
        char back[4096];
        size_t got, marks = 0;
        handle = open_file("/a");
        EXPECT_EQ(disk->read(disk->state, handle, back, sizeof back, 0, &got), KC_OK);
        for (size_t i = 0; i < got; i++) marks += back[i] == 'x';
        EXPECT_EQ(marks % 512, 0);
        if (marks == 0)
            lost++;
        else if (marks == 4096)
            kept++;
        else
            torn++;
        stop();
    }
    EXPECT(lost > 5);
    EXPECT(kept > 5);
    EXPECT(torn > 5);
}

TEST(a_write_fails_where_it_is_told_to_and_leaves_a_first_part) {
    start(3);
    int handle = open_file("/a");
    uint64_t points = kc_disk_fault_points(fault);
    EXPECT_EQ(points, 1);
    kc_disk_fault_fail_at(fault, points + 2, KC_IO_ERROR, false);
    write_text(disk, handle, "first", 0);
    struct iovec iov = {"second", 6};
    EXPECT_EQ(disk->write(disk->state, handle, &iov, 1, 5), KC_IO_ERROR);
    EXPECT(size_of("/a") >= 5 && size_of("/a") <= 11);
    write_text(disk, handle, "third", 11);
    EXPECT_EQ(size_of("/a"), 16);
    EXPECT_EQ(kc_disk_fault_calls(fault, KC_CALL_WRITE), 3);
    stop();
}

TEST(a_full_disk_takes_what_fits_and_recovers_when_space_returns) {
    start(3);
    int handle = open_file("/a");
    kc_disk_fault_capacity(fault, 8);
    write_text(disk, handle, "12345", 0);
    struct iovec iov = {"6789abc", 7};
    EXPECT_EQ(disk->write(disk->state, handle, &iov, 1, 5), KC_NO_SPACE);
    EXPECT_EQ(size_of("/a"), 8);
    EXPECT_EQ(disk->truncate(disk->state, handle, 5), KC_OK);
    write_text(disk, handle, "678", 5);
    EXPECT_EQ(disk->unlink(disk->state, "/a"), KC_OK);
    handle = open_file("/b");
    write_text(disk, handle, "12345678", 0);
    stop();
}

TEST(a_failed_sync_makes_nothing_durable) {
    start(3);
    int handle = open_file("/a");
    EXPECT_EQ(disk->sync_directory(disk->state, "/"), KC_OK);
    write_text(disk, handle, "hello", 0);
    kc_disk_fault_fail_call(fault, KC_CALL_SYNC, KC_IO_ERROR);
    EXPECT_EQ(disk->sync(disk->state, handle), KC_IO_ERROR);
    EXPECT_EQ(disk->sync(disk->state, handle), KC_IO_ERROR);
    EXPECT_EQ(kc_disk_fault_restart(fault, KC_RESTART_LOSE), KC_OK);
    EXPECT_EQ(size_of("/a"), 0);
    stop();
}

TEST(after_a_crash_point_nothing_answers_until_the_restart) {
    start(5);
    int handle = open_file("/a");
    kc_disk_fault_crash_at(fault, 2);
    struct iovec iov = {"hello", 5};
    EXPECT_EQ(disk->write(disk->state, handle, &iov, 1, 0), KC_IO_ERROR);
    EXPECT(kc_disk_fault_crashed(fault));
    int other;
    EXPECT_EQ(disk->open(disk->state, "/a", KC_OPEN_READ, &other), KC_IO_ERROR);
    EXPECT_EQ(disk->sync(disk->state, handle), KC_IO_ERROR);
    EXPECT_EQ(kc_disk_fault_restart(fault, KC_RESTART_KEEP), KC_OK);
    EXPECT(size_of("/a") >= 0 && size_of("/a") <= 5);
    stop();
}

RUN_ALL()

/* Goal: the machine's disk tells what is not in memory, and brings it there.
 * Method: a file that was synced and then dropped from the page cache.  A file system that lives in memory has nothing cold. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#include "../check.h"
#include "../temporary.h"
#include "io/file.h"

enum { FILE_SIZE = 1 << 20, TMPFS = 0x01021994 };

#ifdef __linux__

static int dropped_file(const struct kc_disk *disk, char *path) {
    int handle;
    snprintf(path, 300, "%s/cold", kc_test_directory());
    EXPECT_EQ(disk->open(disk->state, path, KC_OPEN_WRITE | KC_OPEN_CREATE, &handle), KC_OK);
    uint8_t *bytes = calloc(1, FILE_SIZE);
    struct iovec iov = {bytes, FILE_SIZE};
    EXPECT_EQ(disk->write(disk->state, handle, &iov, 1, 0), KC_OK);
    free(bytes);
    EXPECT_EQ(fsync(handle), 0);
    EXPECT_EQ(posix_fadvise(handle, 0, 0, POSIX_FADV_DONTNEED), 0);
    return handle;
}

TEST(what_was_dropped_from_memory_is_cold_until_it_is_loaded) {
    const struct kc_disk *disk = kc_disk_system();
    char path[300];
    int handle = dropped_file(disk, path);
    struct statfs where;
    EXPECT_EQ(fstatfs(handle, &where), 0);
    EXPECT_EQ(disk->is_cold(disk->state, handle, 0, FILE_SIZE), where.f_type != TMPFS);
    disk->load(disk->state, handle, 0, FILE_SIZE);
    EXPECT(!disk->is_cold(disk->state, handle, 0, FILE_SIZE));
    EXPECT(!disk->is_cold(disk->state, handle, 4095, 2));
    EXPECT(!disk->is_cold(disk->state, handle, FILE_SIZE - 1, 1));
    EXPECT(!disk->is_cold(disk->state, handle, 5, 0));
    disk->close(disk->state, handle);
}

TEST(loading_more_than_there_is_ends) {
    const struct kc_disk *disk = kc_disk_system();
    char path[300];
    int handle = dropped_file(disk, path);
    disk->load(disk->state, handle, FILE_SIZE - 10, 1 << 20);
    disk->load(disk->state, handle, 10 * FILE_SIZE, 100);
    disk->close(disk->state, handle);
}

TEST(what_was_written_lately_is_not_asked_about) {
    struct kc_disk asking = *kc_disk_system();
    char path[300];
    asking.close(asking.state, dropped_file(&asking, path));
    struct kc_file_cache *cache;
    struct kc_file *file;
    EXPECT_EQ(kc_file_cache_create(&asking, 4, &cache), KC_OK);
    EXPECT_EQ(kc_file_create(cache, path, KC_OPEN_WRITE, &file), KC_OK);
    kc_file_written(file, FILE_SIZE / 2, FILE_SIZE);
    EXPECT(!kc_file_is_cold(file, FILE_SIZE / 2, 100));
    kc_file_written(file, FILE_SIZE, (int64_t)FILE_SIZE + (80 << 20));
    struct statfs where;
    int handle;
    EXPECT_EQ(kc_file_pin(file, &handle), KC_OK);
    EXPECT_EQ(fstatfs(handle, &where), 0);
    EXPECT_EQ(kc_file_is_cold(file, FILE_SIZE / 2, 100), where.f_type != TMPFS);
    kc_file_unpin(file);
    kc_file_load(file, 0, FILE_SIZE);
    EXPECT(!kc_file_is_cold(file, 0, FILE_SIZE));
    kc_file_release(file);
    kc_file_cache_destroy(cache);
}

#else

TEST(a_disk_that_cannot_tell_has_nothing_cold) {
    const struct kc_disk *disk = kc_disk_system();
    EXPECT(!disk->is_cold && !disk->load);
}

#endif

RUN_ALL()

/* The file cache: opens late, closes the longest idle, never a pinned one, and survives running out of descriptors. */
#include "io/file.h"

#include "../check.h"
#include "io/disk_fault.h"

static struct kc_disk_fault *fault;
static struct kc_file_cache *cache;

static void start(size_t limit) {
    EXPECT_EQ(kc_disk_fault_create(1, &fault), KC_OK);
    EXPECT_EQ(kc_file_cache_create(kc_disk_fault_disk(fault), limit, &cache), KC_OK);
}
static void stop(void) {
    kc_file_cache_destroy(cache);
    kc_disk_fault_destroy(fault);
}
static struct kc_file *make(const char *path) {
    struct kc_file *file;
    EXPECT_EQ(kc_file_create(cache, path, KC_OPEN_WRITE | KC_OPEN_CREATE, &file), KC_OK);
    return file;
}
static void touch(struct kc_file *file) {
    int handle;
    EXPECT_EQ(kc_file_pin(file, &handle), KC_OK);
    kc_file_unpin(file);
}

TEST(a_file_is_opened_when_first_pinned) {
    start(4);
    struct kc_file *file = make("/a");
    EXPECT_EQ(kc_file_cache_open_count(cache), 0);
    touch(file);
    EXPECT_EQ(kc_file_cache_open_count(cache), 1);
    touch(file);
    EXPECT_EQ(kc_disk_fault_calls(fault, KC_CALL_CREATE), 1);
    EXPECT_EQ(kc_disk_fault_calls(fault, KC_CALL_OPEN), 0);
    kc_file_close_idle(file);
    EXPECT_EQ(kc_file_cache_open_count(cache), 0);
    kc_file_release(file);
    stop();
}

TEST(the_longest_idle_is_closed_first_and_a_pinned_file_never) {
    start(2);
    struct kc_file *a = make("/a"), *b = make("/b"), *c = make("/c");
    int pinned, handle;
    touch(a);
    touch(b);
    touch(a);
    touch(c);                                                  /* closes b */
    EXPECT_EQ(kc_file_cache_open_count(cache), 2);
    EXPECT_EQ(kc_file_pin(a, &pinned), KC_OK);                 /* still open */
    EXPECT_EQ(kc_disk_fault_calls(fault, KC_CALL_OPEN), 0);
    touch(b);                                                  /* closes c */
    EXPECT_EQ(kc_disk_fault_calls(fault, KC_CALL_OPEN), 1);
    EXPECT_EQ(kc_file_pin(b, &handle), KC_OK);
    EXPECT_EQ(kc_file_pin(c, &handle), KC_OK);                 /* all pinned: beyond the limit */
    EXPECT_EQ(kc_file_cache_open_count(cache), 3);
    kc_file_unpin(c);
    EXPECT_EQ(kc_file_cache_open_count(cache), 2);
    kc_file_unpin(b);
    kc_file_unpin(a);
    kc_file_release(a);
    kc_file_release(b);
    kc_file_release(c);
    stop();
}

TEST(a_missing_file_is_reported_and_leaves_nothing_open) {
    start(2);
    struct kc_file *file;
    EXPECT_EQ(kc_file_create(cache, "/none", KC_OPEN_READ, &file), KC_OK);
    int handle;
    EXPECT_EQ(kc_file_pin(file, &handle), KC_NOT_FOUND);
    EXPECT_EQ(kc_file_cache_open_count(cache), 0);
    kc_file_release(file);
    stop();
}

TEST(running_out_of_descriptors_closes_idle_files) {
    /* A disk that has one descriptor less than the cache was promised. */
    start(8);
    struct kc_file *a = make("/a"), *b = make("/b");
    touch(a);
    kc_disk_fault_fail_call(fault, KC_CALL_CREATE, KC_NO_FILES);
    int handle;
    EXPECT_EQ(kc_file_pin(b, &handle), KC_NO_FILES);
    EXPECT_EQ(kc_file_cache_open_count(cache), 0);             /* a was given back on the way */
    kc_disk_fault_fail_call(fault, KC_CALL_CREATE, KC_OK);
    touch(b);
    touch(a);
    kc_file_release(a);
    kc_file_release(b);
    stop();
}

TEST(creation_flags_apply_to_the_first_open_only) {
    start(1);
    struct kc_file *a, *b = make("/b");
    EXPECT_EQ(kc_file_create(cache, "/a", KC_OPEN_WRITE | KC_OPEN_CREATE | KC_OPEN_EXCLUSIVE | KC_OPEN_TRUNCATE, &a), KC_OK);
    struct iovec iov = {"hello", 5};
    EXPECT_EQ(kc_file_write(a, &iov, 1, 0), KC_OK);
    touch(b);
    int64_t size;
    EXPECT_EQ(kc_file_size(a, &size), KC_OK);
    EXPECT_EQ(size, 5);
    kc_file_release(a);
    kc_file_release(b);
    stop();
}

TEST(a_renamed_file_is_found_again_after_its_handle_was_closed) {
    start(1);
    struct kc_file *a = make("/a"), *b = make("/b");
    struct iovec iov = {"hello", 5};
    EXPECT_EQ(kc_file_write(a, &iov, 1, 0), KC_OK);
    EXPECT_EQ(kc_file_rename(a, "/a.deleted"), KC_OK);
    EXPECT_STR(kc_file_path(a), "/a.deleted");
    touch(b);
    char back[5];
    size_t got;
    EXPECT_EQ(kc_file_read(a, back, 5, 0, &got), KC_OK);
    EXPECT_MEM(back, "hello", 5);
    EXPECT_EQ(kc_file_rename(a, "/none/a"), KC_NOT_FOUND);
    EXPECT_STR(kc_file_path(a), "/a.deleted");
    const struct kc_disk *disk = kc_disk_fault_disk(fault);
    EXPECT_EQ(disk->rename(disk->state, "/a.deleted", "/moved"), KC_OK);
    EXPECT_EQ(kc_file_moved(a, "/moved"), KC_OK);
    touch(b);
    EXPECT_EQ(kc_file_truncate(a, 2), KC_OK);
    EXPECT_EQ(kc_file_sync(a), KC_OK);
    kc_file_release(a);
    kc_file_release(b);
    stop();
}

TEST(the_last_of_several_references_closes) {
    start(2);
    struct kc_file *file = make("/a");
    touch(file);
    EXPECT(kc_file_retain(file) == file);
    kc_file_release(file);
    EXPECT_EQ(kc_file_cache_open_count(cache), 1);
    kc_file_release(file);
    EXPECT_EQ(kc_file_cache_open_count(cache), 0);
    stop();
}

TEST(a_file_may_outlive_its_cache) {
    start(2);
    struct kc_file *file = make("/a");
    touch(file);
    kc_file_cache_destroy(cache);
    touch(file);
    kc_file_release(file);
    kc_disk_fault_destroy(fault);
}

RUN_ALL()

/* An index of any length, half of it on disk and half in memory, finds what a plain search over all entries finds. */
#include "fixture.h"
#include "log/index_file.h"
#include "log/offset_index.h"
#include "log/time_index.h"

static struct fixture f;
static struct kc_index_file index_;
static struct kc_index_page page;
static int64_t keys[20000];

static void make(uint32_t entry_size, uint64_t id, int64_t count, bool exists) {
    struct kc_file *file;
    EXPECT_EQ(kc_file_create(f.files, "/index", KC_OPEN_WRITE | KC_OPEN_CREATE, &file), KC_OK);
    EXPECT_EQ(kc_index_file_init(&index_, file, id, entry_size, count, exists), KC_OK);
}

static void append(int64_t key, int32_t value) {
    uint8_t entry[12];
    if (index_.entry_size == 8) {
        kc_store_i32(entry, (int32_t)key);
        kc_store_i32(entry + 4, value);
    } else {
        kc_store_i64(entry, key);
        kc_store_i32(entry + 8, value);
    }
    keys[index_.count] = key;
    EXPECT_EQ(kc_index_file_append(&index_, entry), KC_OK);
}

static void check(int64_t target) {
    struct kc_index_hit hit;
    EXPECT_EQ(kc_index_file_search(&index_, &page, target, &hit), KC_OK);
    int64_t expected = -1;
    for (int64_t low = 0, high = index_.count; low < high;) {
        int64_t middle = (low + high) / 2;
        if (keys[middle] <= target)
            expected = middle, low = middle + 1;
        else
            high = middle;
    }
    EXPECT_EQ(hit.slot, expected);
    if (expected >= 0) EXPECT_EQ(kc_index_file_key(&index_, hit.entry), keys[expected]);
    if (hit.has_next) EXPECT_EQ(kc_index_file_key(&index_, hit.next), keys[expected + 1]);
}

/* The same by the value: that of the entry with keys[i] is 3 * i. */
static void check_value(int64_t target) {
    struct kc_index_hit hit;
    EXPECT_EQ(kc_index_file_search_values(&index_, &page, index_.tail_first, target, &hit), KC_OK);
    int64_t expected = target < 0 ? -1 : target / 3 < index_.tail_first ? target / 3 : index_.tail_first - 1;
    EXPECT_EQ(hit.slot, expected);
    if (expected >= 0) EXPECT_EQ(kc_index_file_key(&index_, hit.entry), keys[expected]);
    EXPECT_EQ(hit.has_next, expected + 1 < index_.tail_first);
    if (hit.has_next) EXPECT_EQ(kc_index_file_key(&index_, hit.next), keys[expected + 1]);
    kc_index_file_search_tail_values(&index_, target, &hit);
    expected = target / 3 < index_.count ? target / 3 : index_.count - 1;
    EXPECT_EQ(hit.slot, target >= 0 && expected >= index_.tail_first ? expected : -1);
}

TEST(values_are_found_like_keys) {
    fixture_start(&f, 1);
    memset(&page, 0, sizeof page);
    make(8, 1, 0, false);
    for (int i = 0; i < 3000; i++) append(2 * i + 1, 3 * i);
    for (int pass = 0; pass < 2; pass++) {
        int64_t target = 0;
        for (int i = 0; i < 3000; i++) {
            target = kc_test_random_below(4) ? target + (int64_t)kc_test_random_below(500) : (int64_t)kc_test_random_below(9100);
            if (target > 9100) target = -1;
            check_value(target);
            check((int64_t)kc_test_random_below(6100));
        }
        if (pass) break;
        EXPECT_EQ(kc_index_file_flush(&index_), KC_OK);
        kc_index_file_release(&index_);
        make(8, 2, 3000, true);
    }
    kc_index_file_release(&index_);
    kc_index_page_release(&page);
    fixture_stop(&f);
}

/* Forward through the file: each page is read once, whatever the number of pages. */
TEST(a_reader_that_goes_on_reads_each_page_once) {
    fixture_start(&f, 1);
    memset(&page, 0, sizeof page);
    make(8, 1, 0, false);
    for (int i = 0; i < 512 * 16; i++) append(i, i);
    EXPECT_EQ(kc_index_file_flush(&index_), KC_OK);
    kc_index_file_release(&index_);
    make(8, 2, 512 * 16, true);
    check(0);
    uint64_t before = kc_disk_fault_calls(f.fault, KC_CALL_READ);
    for (int i = 0; i < 512 * 16; i++) check(i);
    EXPECT_EQ(kc_disk_fault_calls(f.fault, KC_CALL_READ) - before, 15);
    kc_index_file_release(&index_);
    kc_index_page_release(&page);
    fixture_stop(&f);
}

TEST(searches_agree_with_a_plain_list_for_both_widths) {
    for (uint32_t entry_size = 8; entry_size <= 12; entry_size += 4) {
        fixture_start(&f, 1);
        memset(&page, 0, sizeof page);
        make(entry_size, 1, 0, false);
        int64_t key = 10;
        check(0);
        for (int i = 0; i < 3000; i++) {
            key += 1 + (int64_t)kc_test_random_below(5);
            append(key, i);
            check((int64_t)kc_test_random_below((uint64_t)key + 10));
            check(key);
            check(key - 1);
            if (kc_test_random_below(300) == 0) EXPECT_EQ(kc_index_file_flush(&index_), KC_OK);
        }
        check(9);
        check(INT64_MAX);
        EXPECT_EQ(kc_index_file_flush(&index_), KC_OK);
        int64_t size;
        EXPECT_EQ(kc_file_size(index_.file, &size), KC_OK);
        EXPECT_EQ(size, 3000 * entry_size);
        int64_t count = index_.count;
        kc_index_file_release(&index_);
        /* Opened again, all of it on disk; then cut and continued. */
        make(entry_size, 2, count, true);
        for (int i = 0; i < 2000; i++) check((int64_t)kc_test_random_below((uint64_t)key + 10));
        kc_index_page_forget(&page, &index_);
        EXPECT_EQ(kc_index_file_truncate(&index_, 1234), KC_OK);
        EXPECT_EQ(kc_index_file_key(&index_, index_.last), keys[1233]);
        key = keys[1233];
        for (int i = 0; i < 700; i++) {
            append(++key, i);
            check((int64_t)kc_test_random_below((uint64_t)key + 10));
        }
        kc_index_page_forget(&page, &index_);
        EXPECT_EQ(kc_index_file_truncate(&index_, 1900), KC_OK);
        check(key);
        EXPECT_EQ(kc_index_file_truncate(&index_, 0), KC_OK);
        check(5);
        kc_index_file_release(&index_);
        kc_index_page_release(&page);
        fixture_stop(&f);
    }
}

TEST(entries_go_to_disk_a_page_at_a_time) {
    fixture_start(&f, 1);
    memset(&page, 0, sizeof page);
    make(8, 1, 0, false);
    for (int i = 0; i < 512 * 3; i++) append(i, i);
    EXPECT_EQ(kc_disk_fault_calls(f.fault, KC_CALL_WRITE), 2);
    EXPECT_EQ(kc_index_file_flush(&index_), KC_OK);
    EXPECT_EQ(kc_index_file_flush(&index_), KC_OK);
    EXPECT_EQ(kc_disk_fault_calls(f.fault, KC_CALL_WRITE), 3);
    EXPECT_EQ(kc_file_cache_open_count(f.files), 0);
    kc_index_file_release(&index_);
    fixture_stop(&f);
}

TEST(a_file_cut_under_the_index_is_an_error_and_no_crash) {
    fixture_start(&f, 1);
    memset(&page, 0, sizeof page);
    make(8, 1, 0, false);
    for (int i = 0; i < 2000; i++) append(i, i);
    EXPECT_EQ(kc_index_file_flush(&index_), KC_OK);
    kc_index_file_release(&index_);
    make(8, 2, 2000, true);
    EXPECT_EQ(kc_file_truncate(index_.file, 100), KC_OK);
    struct kc_index_hit hit;
    EXPECT_EQ(kc_index_file_search(&index_, &page, 1500, &hit), KC_CORRUPT);
    kc_index_file_release(&index_);
    kc_index_page_release(&page);
    fixture_stop(&f);
}

/* The worked example of FORMAT.md. */
TEST(the_files_of_the_worked_example_are_these_bytes) {
    fixture_start(&f, 1);
    f.options.config.index_interval_bytes = 100;
    fixture_open(&f);
    struct batch batch;
    for (int i = 0; i < 3; i++) {
        make_batch(&batch, 2, 11, 1700000000000 + 10 * i);
        EXPECT_EQ(batch.size, 103);
        EXPECT_EQ(append_batch(&f, &batch, 0).fault, KC_APPEND_OK);
    }
    fixture_close(&f);
    static const uint8_t offsets[] = {0, 0, 0, 3, 0, 0, 0, 103, 0, 0, 0, 5, 0, 0, 0, 206};
    static const uint8_t times[] = {0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x0b, 0, 0, 0, 3,
                                    0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x15, 0, 0, 0, 5};
    uint8_t bytes[4096];
    EXPECT_EQ(file_bytes(&f, "00000000000000000000.log", bytes, sizeof bytes), 309);
    EXPECT_EQ(file_bytes(&f, "00000000000000000000.index", bytes, sizeof bytes), sizeof offsets);
    EXPECT_MEM(bytes, offsets, sizeof offsets);
    EXPECT_EQ(file_bytes(&f, "00000000000000000000.timeindex", bytes, sizeof bytes), sizeof times);
    EXPECT_MEM(bytes, times, sizeof times);
    fixture_stop(&f);
}

RUN_ALL()

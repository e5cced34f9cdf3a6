/* An index file of any bytes: a search ends, stays inside, and among rising keys finds what a plain walk finds; entries appended to it are
 * found again.  Byte 0: flags (1 entries of 12 bytes, 2 sort the keys first); bytes 1-2: what to search; then the file. */
#include "io/disk_fault.h"
#include "log/index_file.h"
#include "target.h"

static int64_t key_of(const uint8_t *entry, uint32_t entry_size) { return entry_size == 12 ? kc_load_i64(entry) : kc_load_i32(entry); }

static uint32_t sort_entry_size;
static int compare(const void *a, const void *b) {
    int64_t left = key_of(a, sort_entry_size), right = key_of(b, sort_entry_size);
    return left < right ? -1 : left > right;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    uint8_t flags = input_u8(&in);
    int64_t target = (int16_t)input_u16(&in);
    uint32_t entry_size = flags & 1 ? 12 : 8;
    size_t left = input_left(&in) / entry_size * entry_size;
    uint8_t *entries = fuzz_copy(input_bytes(&in, left));
    size_t count = left / entry_size;
    if (flags & 2) {
        sort_entry_size = entry_size;
        qsort(entries, count, entry_size, compare);
    }

    struct kc_disk_fault *fault;
    struct kc_file_cache *files;
    struct kc_file *file;
    FUZZ_EXPECT_OK(kc_disk_fault_create(1, &fault));
    FUZZ_EXPECT_OK(kc_file_cache_create(kc_disk_fault_disk(fault), 4, &files));
    FUZZ_EXPECT_OK(kc_file_create(files, "/i.index", KC_OPEN_WRITE | KC_OPEN_CREATE, &file));
    struct iovec iov = {entries, left};
    if (left) FUZZ_EXPECT_OK(kc_file_write(file, &iov, 1, 0));

    struct kc_index_file index;
    struct kc_index_page page = {0};
    FUZZ_EXPECT_OK(kc_index_file_init(&index, file, 1, entry_size, (int64_t)count, left > 0));
    FUZZ_EXPECT(index.count == (int64_t)count);
    struct kc_index_hit hit;
    FUZZ_EXPECT_OK(kc_index_file_search(&index, &page, target, &hit));
    FUZZ_EXPECT(hit.slot >= -1 && hit.slot < (int64_t)count);
    if (flags & 2) {
        int64_t expected = -1;
        for (size_t i = 0; i < count; i++)
            if (key_of(entries + i * entry_size, entry_size) <= target) expected = (int64_t)i;
        FUZZ_EXPECT(hit.slot == expected);
        if (hit.slot >= 0) FUZZ_EXPECT(memcmp(hit.entry, entries + (size_t)hit.slot * entry_size, entry_size) == 0);
        FUZZ_EXPECT(hit.has_next == (hit.slot + 1 < (int64_t)count));
        if (hit.has_next) FUZZ_EXPECT(memcmp(hit.next, entries + (size_t)(hit.slot + 1) * entry_size, entry_size) == 0);

        int64_t last = count ? key_of(entries + (count - 1) * entry_size, entry_size) : 0;
        if (last < INT32_MAX - 1000) {
            uint8_t entry[KC_INDEX_ENTRY_SIZE_MAX] = {0};
            for (int i = 1; i <= 600; i++) {       /* more than a page */
                if (entry_size == 12) kc_store_i64(entry, last + i);
                else kc_store_i32(entry, (int32_t)(last + i));
                FUZZ_EXPECT_OK(kc_index_file_append(&index, entry));
            }
            FUZZ_EXPECT_OK(kc_index_file_search(&index, &page, last + 300, &hit));
            FUZZ_EXPECT(hit.slot == (int64_t)count + 299 && key_of(hit.entry, entry_size) == last + 300);
            FUZZ_EXPECT_OK(kc_index_file_flush(&index));
            kc_index_page_forget(&page, &index);
            FUZZ_EXPECT_OK(kc_index_file_truncate(&index, (int64_t)count));
            FUZZ_EXPECT_OK(kc_index_file_search(&index, &page, target, &hit));
            FUZZ_EXPECT(hit.slot == expected);
        }
    }
    kc_index_page_release(&page);
    kc_index_file_release(&index);
    kc_file_cache_destroy(files);
    kc_disk_fault_destroy(fault);
    free(entries);
    return 0;
}

/* An index of aborted transactions of any bytes: loading ends, and either refuses the file or believes entries whose last offsets rise within the
 * segment; a range of it is what a plain walk finds, before and after cutting, and entries can be added.  Byte 0: flags (1 sound entries
 * are made of the bytes); bytes 1-4: a range; then the file. */
#include "io/disk_fault.h"
#include "log/txn_index.h"
#include "target.h"

enum { BASE_OFFSET = 1000 };

/* Entries that can be true, each a little further on. */
static size_t make_sound(uint8_t *bytes, size_t size) {
    int64_t last_offset = BASE_OFFSET, stable = 0;
    size_t count = size / KC_TXN_INDEX_ENTRY_SIZE;
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = bytes + i * KC_TXN_INDEX_ENTRY_SIZE;
        uint8_t id = at[0], length = at[1], open = at[2];
        last_offset += 1 + length % 16;
        int64_t new_stable = last_offset + 1 - open % 32;
        if (new_stable > stable) stable = new_stable;
        kc_store_i16(at, KC_TXN_INDEX_VERSION);
        kc_store_i64(at + 2, id);
        kc_store_i64(at + 10, last_offset - 1 - length % 64);
        kc_store_i64(at + 18, last_offset);
        kc_store_i64(at + 26, stable);
    }
    return count * KC_TXN_INDEX_ENTRY_SIZE;
}

static void expect_range(const struct kc_txn_index *index, struct kc_index_page *page, const uint8_t *bytes, int64_t from, int64_t to) {
    struct kc_aborted_txns list = {0};
    bool complete;
    /* Through one page again and again, as a log does. */
    FUZZ_EXPECT_OK(kc_txn_index_scan_file(index, page, index->count, from, to, &list, &complete));
    uint32_t found = 0;
    for (int64_t i = 0; i < index->count; i++) {
        const uint8_t *at = bytes + i * KC_TXN_INDEX_ENTRY_SIZE;
        int64_t first = kc_load_i64(at + 10), last = kc_load_i64(at + 18), stable = kc_load_i64(at + 26);
        if (last < from) continue;
        if (first < to) {
            FUZZ_EXPECT(found < list.count && list.items[found].last_offset == last && list.items[found].first_offset == first);
            found++;
        }
        if (stable >= to) break;
    }
    FUZZ_EXPECT(found == list.count);
    kc_aborted_txns_release(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    uint8_t flags = input_u8(&in);
    int64_t from = BASE_OFFSET + input_u16(&in) % 4096, to = from + input_u16(&in) % 256;
    size_t left = input_left(&in);
    uint8_t *bytes = fuzz_copy(input_bytes(&in, left));
    if (flags & 1) left = make_sound(bytes, left);

    struct kc_disk_fault *fault;
    struct kc_file_cache *files;
    struct kc_file *file;
    FUZZ_EXPECT_OK(kc_disk_fault_create(1, &fault));
    FUZZ_EXPECT_OK(kc_file_cache_create(kc_disk_fault_disk(fault), 4, &files));
    FUZZ_EXPECT_OK(kc_file_create(files, "/i.txnindex", KC_OPEN_WRITE | KC_OPEN_CREATE, &file));
    struct iovec iov = {bytes, left};
    FUZZ_EXPECT_OK(kc_file_write(file, &iov, 1, 0));

    struct kc_txn_index index;
    kc_txn_index_init(&index, file, 1);
    kc_status status = kc_txn_index_load(&index, BASE_OFFSET, INT64_MAX);
    FUZZ_EXPECT(status == KC_OK || status == KC_CORRUPT);
    FUZZ_EXPECT(status == KC_OK || index.count == 0);
    if (flags & 1) FUZZ_EXPECT(status == KC_OK);
    if (status == KC_OK) {
        FUZZ_EXPECT(index.count == (int64_t)(left / KC_TXN_INDEX_ENTRY_SIZE));
        struct kc_index_page page = {0};
        expect_range(&index, &page, bytes, from, to);
        expect_range(&index, &page, bytes, to, to + 256);
        kc_txn_index_forget(&index, &page);
        FUZZ_EXPECT_OK(kc_txn_index_truncate(&index, to));
        FUZZ_EXPECT(index.count == 0 || index.last_offset < to);
        expect_range(&index, &page, bytes, from, to);
        kc_index_page_release(&page);
        struct kc_aborted_txn txn = {7, to > 0 ? to - 1 : 0, to, to + 1};
        FUZZ_EXPECT_OK(kc_txn_index_append(&index, &txn));
        int64_t count = index.count;
        FUZZ_EXPECT_OK(kc_txn_index_load(&index, BASE_OFFSET, INT64_MAX));
        FUZZ_EXPECT(index.count == count);
    }
    kc_txn_index_release(&index);
    kc_file_cache_destroy(files);
    kc_disk_fault_destroy(fault);
    free(bytes);
    return 0;
}

#include "log/txn_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "log/names.h"
#include "log/small_file.h"

enum {                                     /* within an entry */
    AT_VERSION = 0,
    AT_PRODUCER_ID = 2,
    AT_FIRST_OFFSET = 10,
    AT_LAST_OFFSET = 18,
    AT_LAST_STABLE_OFFSET = 26,
    BLOCK_ENTRIES = 120,                   /* read at a time: one page */
};
_Static_assert(AT_LAST_STABLE_OFFSET + 8 == KC_TXN_INDEX_ENTRY_SIZE, "the last stable offset is an entry's last field");
_Static_assert(BLOCK_ENTRIES * KC_TXN_INDEX_ENTRY_SIZE <= KC_INDEX_PAGE_SIZE, "a block goes into a page");

static void encode(uint8_t *at, const struct kc_aborted_txn *txn) {
    kc_store_i16(at + AT_VERSION, KC_TXN_INDEX_VERSION);
    kc_store_i64(at + AT_PRODUCER_ID, txn->producer_id);
    kc_store_i64(at + AT_FIRST_OFFSET, txn->first_offset);
    kc_store_i64(at + AT_LAST_OFFSET, txn->last_offset);
    kc_store_i64(at + AT_LAST_STABLE_OFFSET, txn->last_stable_offset);
}

static struct kc_aborted_txn decode(const uint8_t *at) {
    return (struct kc_aborted_txn){.producer_id = kc_load_i64(at + AT_PRODUCER_ID),
                                   .first_offset = kc_load_i64(at + AT_FIRST_OFFSET),
                                   .last_offset = kc_load_i64(at + AT_LAST_OFFSET),
                                   .last_stable_offset = kc_load_i64(at + AT_LAST_STABLE_OFFSET)};
}

/* Up to BLOCK_ENTRIES entries from `slot` on, all of them below `count`. */
static kc_status read_block(const struct kc_txn_index *index, int64_t slot, int64_t count, uint8_t *bytes, int64_t *read_count) {
    int64_t entries = count - slot < BLOCK_ENTRIES ? count - slot : BLOCK_ENTRIES;
    size_t size = (size_t)entries * KC_TXN_INDEX_ENTRY_SIZE, got;
    kc_status status = kc_file_read(index->file, bytes, size, slot * KC_TXN_INDEX_ENTRY_SIZE, &got);
    if (status == KC_OK && got < size) status = KC_CORRUPT;
    if (status == KC_OK) *read_count = entries;
    return status;
}

void kc_txn_index_init(struct kc_txn_index *index, struct kc_file *file, uint64_t id) {
    *index = (struct kc_txn_index){.file = file, .id = id, .last_offset = -1};
}

void kc_txn_index_release(struct kc_txn_index *index) {
    if (index->file) kc_file_release(index->file);
    free(index->tail);
    *index = (struct kc_txn_index){.last_offset = -1};
}

static bool is_plausible(const uint8_t *at, int64_t previous_last_offset, int64_t end_offset) {
    struct kc_aborted_txn txn = decode(at);
    return kc_load_i16(at + AT_VERSION) == KC_TXN_INDEX_VERSION && txn.producer_id >= 0 && txn.first_offset >= 0 &&
           txn.first_offset < txn.last_offset && txn.last_offset > previous_last_offset && txn.last_offset < end_offset &&
           txn.last_stable_offset >= 0 && txn.last_stable_offset <= txn.last_offset + 1;
}

kc_status kc_txn_index_load(struct kc_txn_index *index, int64_t base_offset, int64_t end_offset) {
    int64_t size, last_offset = base_offset - 1;
    index->exists = true;
    kc_status status = kc_file_size(index->file, &size);
    if (status != KC_OK) return status;
    if (size % KC_TXN_INDEX_ENTRY_SIZE) return KC_CORRUPT;
    int64_t count = size / KC_TXN_INDEX_ENTRY_SIZE, read_count;
    uint8_t bytes[BLOCK_ENTRIES * KC_TXN_INDEX_ENTRY_SIZE];
    for (int64_t slot = 0; slot < count && status == KC_OK; slot += read_count) {
        status = read_block(index, slot, count, bytes, &read_count);
        for (int64_t i = 0; status == KC_OK && i < read_count; i++) {
            const uint8_t *at = bytes + i * KC_TXN_INDEX_ENTRY_SIZE;
            if (!is_plausible(at, last_offset, end_offset)) status = KC_CORRUPT;
            last_offset = decode(at).last_offset;
        }
    }
    kc_file_close_idle(index->file);
    if (status != KC_OK || count == 0) return status;
    index->count = count;
    index->last_offset = last_offset;
    return KC_OK;
}

/* Where memory is short the copy is given up, which only costs speed. */
static void remember(struct kc_txn_index *index, const struct kc_aborted_txn *txn) {
    if (!index->tail && !(index->tail = malloc(KC_TXN_INDEX_TAIL_COUNT * sizeof *index->tail))) return;
    if (index->tail_count == KC_TXN_INDEX_TAIL_COUNT)
        memmove(index->tail, index->tail + 1, --index->tail_count * sizeof *index->tail);
    index->tail[index->tail_count++] = *txn;
}

kc_status kc_txn_index_append(struct kc_txn_index *index, const struct kc_aborted_txn *txn) {
    if (index->count > 0 && txn->last_offset <= index->last_offset) return KC_INVALID;
    uint8_t bytes[KC_TXN_INDEX_ENTRY_SIZE];
    encode(bytes, txn);
    struct iovec iov = {bytes, sizeof bytes};
    kc_status status = kc_file_write(index->file, &iov, 1, index->count * KC_TXN_INDEX_ENTRY_SIZE);
    if (status != KC_OK) return status;
    index->exists = index->dirty = true;
    index->last_offset = txn->last_offset;
    index->count++;
    remember(index, txn);
    return KC_OK;
}

kc_status kc_txn_index_cut(struct kc_txn_index *index) {
    if (!index->exists) {
        const struct kc_disk *disk = kc_file_disk(index->file);
        kc_file_close_idle(index->file);
        kc_status status = disk->unlink(disk->state, kc_file_path(index->file));
        return status == KC_NOT_FOUND ? KC_OK : status;
    }
    return kc_file_truncate(index->file, index->count * KC_TXN_INDEX_ENTRY_SIZE);
}

static kc_status replace_file(struct kc_txn_index *index, const uint8_t *bytes, size_t size, bool durable) {
    const char *path = kc_file_path(index->file), *slash = strrchr(path, '/');
    size_t directory_size = slash ? (size_t)(slash - path) : 0;
    char directory[KC_PATH_SIZE];
    if (!slash || directory_size >= sizeof directory) return KC_INVALID;
    memcpy(directory, path, directory_size);
    directory[directory_size] = 0;
    kc_file_close_idle(index->file);           /* the next use opens the new one */
    return kc_small_file_replace(kc_file_disk(index->file), directory, slash + 1, bytes, size, durable);
}

kc_status kc_txn_index_replace(struct kc_txn_index *index, const struct kc_aborted_txns *list, bool durable) {
    if (list->count == 0 && !index->exists) return KC_OK;
    size_t size = (size_t)list->count * KC_TXN_INDEX_ENTRY_SIZE;
    uint8_t *bytes = malloc(size + 1);
    if (!bytes) return KC_NO_MEMORY;
    for (uint32_t i = 0; i < list->count; i++) encode(bytes + (size_t)i * KC_TXN_INDEX_ENTRY_SIZE, &list->items[i]);
    kc_status status = replace_file(index, bytes, size, durable);
    free(bytes);
    if (status != KC_OK) return status;
    kc_txn_index_trim(index);
    index->exists = true;
    index->dirty = !durable;
    index->count = list->count;
    index->last_offset = list->count ? list->items[list->count - 1].last_offset : -1;
    return KC_OK;
}

void kc_txn_index_trim(struct kc_txn_index *index) {
    free(index->tail);
    index->tail = NULL;
    index->tail_count = 0;
}

/* Among every `step`th of `count` entries, the first with last offset >= offset: which of those it is; beyond them where there is none. */
static kc_status find(const struct kc_txn_index *index, int64_t count, int64_t step, int64_t offset, int64_t *place) {
    int64_t low = 0, high = (count + step - 1) / step;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        uint8_t bytes[KC_TXN_INDEX_ENTRY_SIZE];
        size_t got;
        kc_status status = kc_file_read(index->file, bytes, sizeof bytes, middle * step * KC_TXN_INDEX_ENTRY_SIZE, &got);
        if (status == KC_OK && got < sizeof bytes) status = KC_CORRUPT;
        if (status != KC_OK) return status;
        if (decode(bytes).last_offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    *place = low;
    return KC_OK;
}

kc_status kc_txn_index_truncate(struct kc_txn_index *index, int64_t offset) {
    if (!index->exists || (index->count > 0 && index->last_offset < offset)) return KC_OK;
    int64_t count, last_offset = -1;
    kc_status status = find(index, index->count, 1, offset, &count);
    if (status == KC_OK && count > 0) {
        uint8_t bytes[KC_TXN_INDEX_ENTRY_SIZE];
        int64_t read_count;
        status = read_block(index, count - 1, count, bytes, &read_count);
        if (status == KC_OK) last_offset = decode(bytes).last_offset;
    }
    if (status == KC_OK) status = kc_file_truncate(index->file, count * KC_TXN_INDEX_ENTRY_SIZE);
    if (status != KC_OK) return status;
    kc_txn_index_trim(index);
    index->count = count;
    index->last_offset = last_offset;
    index->dirty = true;
    return KC_OK;
}

bool kc_txn_index_tail_covers(const struct kc_txn_index *index, int64_t offset) {
    if (index->count == index->tail_count) return true;
    return index->tail_count > 0 && index->tail[0].last_offset < offset;
}

static kc_status consider(const struct kc_aborted_txn *txn, int64_t offset, int64_t end_offset, struct kc_aborted_txns *list,
                          bool *complete) {
    kc_status status = KC_OK;
    if (txn->last_offset >= offset && txn->first_offset < end_offset) status = kc_aborted_txns_add(list, txn);
    *complete = txn->last_stable_offset >= end_offset;
    return status;
}

kc_status kc_txn_index_scan_tail(const struct kc_txn_index *index, int64_t offset, int64_t end_offset,
                                 struct kc_aborted_txns *list, bool *complete) {
    kc_status status = KC_OK;
    *complete = false;
    for (uint32_t i = 0; i < index->tail_count && status == KC_OK && !*complete; i++)
        status = consider(&index->tail[i], offset, end_offset, list, complete);
    return status;
}

/* ---- through a page -------------------------------------------------------------------------------------------------------------
 *
 * A page holds BLOCK_ENTRIES entries from any one on.  Consumers read on: the next one to ask begins where this one ends or a little before, so
 * the page is moved no further than what is asked for, and keeps one entry before that, which tells that nothing earlier is missing. */

static int64_t last_offset_at(const uint8_t *bytes, int64_t i) {
    return kc_load_i64(bytes + i * KC_TXN_INDEX_ENTRY_SIZE + AT_LAST_OFFSET);
}

/* The entries from `first` on, below `count`. */
static kc_status load_block(const struct kc_txn_index *index, struct kc_index_page *page, int64_t first, int64_t count) {
    if (page->owner == index->id && page->first == first && page->count == (count - first < BLOCK_ENTRIES ? count - first : BLOCK_ENTRIES))
        return KC_OK;
    page->owner = 0;
    if (!page->bytes && !(page->bytes = malloc(KC_INDEX_PAGE_SIZE + KC_INDEX_ENTRY_SIZE_MAX))) return KC_NO_MEMORY;
    kc_status status = read_block(index, first, count, page->bytes, &page->count);
    if (status != KC_OK) return status;
    page->owner = index->id;
    page->first = first;
    return KC_OK;
}

/* The first entry of the page with last offset >= offset; page->count: none. */
static int64_t first_in(const struct kc_index_page *page, int64_t offset) {
    int64_t low = 0, high = page->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (last_offset_at(page->bytes, middle) < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Has the page hold the first entry with last offset >= offset, which is among BLOCK_ENTRIES from `first` on, or the one behind them.
 * *slot: within the page; page->count: there is none below `count`. */
static kc_status seek_from(const struct kc_txn_index *index, struct kc_index_page *page, int64_t first, int64_t count, int64_t offset,
                           int64_t *slot) {
    kc_status status = load_block(index, page, first, count);
    if (status == KC_OK) *slot = first_in(page, offset);
    if (status != KC_OK || *slot < page->count || page->first + page->count >= count) return status;
    status = load_block(index, page, page->first + page->count - 1, count);
    if (status == KC_OK) *slot = first_in(page, offset);
    return status;
}

/* The same among all `count`. */
static kc_status seek(const struct kc_txn_index *index, struct kc_index_page *page, int64_t count, int64_t offset, int64_t *slot) {
    if (page->owner == index->id && page->first < count && (page->first == 0 || last_offset_at(page->bytes, 0) < offset)) {
        *slot = first_in(page, offset);
        if (*slot < page->count) return KC_OK;
        /* A consumer that reads on comes to the next one. */
        kc_status status = seek_from(index, page, page->first, count, offset, slot);
        if (status != KC_OK || *slot < page->count) return status;
    }
    int64_t block = 0;
    kc_status status = count > BLOCK_ENTRIES ? find(index, count, BLOCK_ENTRIES, offset, &block) : KC_OK;
    if (status != KC_OK) return status;
    return seek_from(index, page, block > 0 ? (block - 1) * BLOCK_ENTRIES : 0, count, offset, slot);
}

kc_status kc_txn_index_scan_file(const struct kc_txn_index *index, struct kc_index_page *page, int64_t count, int64_t offset,
                                 int64_t end_offset, struct kc_aborted_txns *list, bool *complete) {
    int64_t slot;
    *complete = false;
    kc_status status = seek(index, page, count, offset, &slot);
    if (status != KC_OK) return status;
    int64_t begin = page->first + slot;
    for (int64_t at = begin; status == KC_OK && at < count && !*complete; at++) {
        if (at == page->first + page->count) status = load_block(index, page, begin - 1 > page->first ? begin - 1 : at, count);
        if (status != KC_OK) break;
        struct kc_aborted_txn txn = decode(page->bytes + (at - page->first) * KC_TXN_INDEX_ENTRY_SIZE);
        status = consider(&txn, offset, end_offset, list, complete);
    }
    return status;
}

void kc_txn_index_forget(const struct kc_txn_index *index, struct kc_index_page *page) {
    if (page->owner == index->id) page->owner = 0;
}

#include "log/index_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

static int64_t page_entries(const struct kc_index_file *index) { return KC_INDEX_PAGE_SIZE / (int64_t)index->entry_size; }

static const uint8_t *tail_entry(const struct kc_index_file *index, int64_t slot) {
    return index->tail + (size_t)(slot - index->tail_first) * index->entry_size;
}

/* What is searched for: keys, or the values of entries of two int32.  Both rise. */
enum field { KEY = 0, VALUE = 4 };

static int64_t field_of(const struct kc_index_file *index, const uint8_t *entry, enum field field) {
    return index->entry_size == 8 ? kc_load_i32(entry + field) : kc_load_i64(entry);
}

int64_t kc_index_file_key(const struct kc_index_file *index, const uint8_t *entry) { return field_of(index, entry, KEY); }

static kc_status read_entry(struct kc_index_file *index, int64_t slot, uint8_t *entry) {
    size_t got;
    kc_status status = kc_file_read(index->file, entry, index->entry_size, slot * index->entry_size, &got);
    if (status == KC_OK && got < index->entry_size) status = KC_CORRUPT;
    return status;
}

kc_status kc_index_file_init(struct kc_index_file *index, struct kc_file *file, uint64_t id, uint32_t entry_size, int64_t count,
                             bool exists) {
    KC_CHECK(id != 0);
    KC_CHECK(entry_size == 8 || entry_size == 12);
    memset(index, 0, sizeof *index);
    index->file = file;
    index->id = id;
    index->entry_size = entry_size;
    index->count = index->written = index->tail_first = count;
    index->exists = exists;
    return count > 0 ? read_entry(index, count - 1, index->last) : KC_OK;
}

void kc_index_file_release(struct kc_index_file *index) {
    kc_file_release(index->file);
    free(index->tail);
    memset(index, 0, sizeof *index);
}

kc_status kc_index_file_flush(struct kc_index_file *index) {
    if (index->exists && index->written == index->count) return KC_OK;
    if (index->written < index->count) {
        KC_CHECK(index->written >= index->tail_first);
        struct iovec iov = {(void *)(uintptr_t)tail_entry(index, index->written),
                            (size_t)(index->count - index->written) * index->entry_size};
        kc_status status = kc_file_write(index->file, &iov, 1, index->written * index->entry_size);
        if (status != KC_OK) return status;
        index->dirty = true;
    } else {
        int handle;
        kc_status status = kc_file_pin(index->file, &handle);      /* an empty index is an empty file */
        if (status != KC_OK) return status;
        kc_file_unpin(index->file);
    }
    index->written = index->count;
    index->exists = true;
    kc_file_close_idle(index->file);
    return KC_OK;
}

bool kc_index_file_page_full(const struct kc_index_file *index) {
    int64_t held = index->count - index->tail_first;
    return held > 0 && held % page_entries(index) == 0;
}

kc_status kc_index_file_append(struct kc_index_file *index, const uint8_t *entry) {
    if (kc_index_file_page_full(index)) {
        kc_status status = kc_index_file_flush(index);
        if (status != KC_OK && !kc_status_is_shortage(status)) return status;
        if (status == KC_OK) index->tail_first = index->count;
    }
    int64_t held = index->count - index->tail_first;
    if (held == index->tail_capacity) {
        int64_t capacity = index->tail_capacity ? (int64_t)index->tail_capacity * 4 : 16;
        if (capacity > page_entries(index)) capacity = (held / page_entries(index) + 1) * page_entries(index);
        uint8_t *tail = realloc(index->tail, (size_t)capacity * index->entry_size);
        if (!tail) return KC_NO_MEMORY;
        index->tail = tail;
        index->tail_capacity = (uint32_t)capacity;
    }
    memcpy(index->tail + (size_t)held * index->entry_size, entry, index->entry_size);
    memcpy(index->last, entry, index->entry_size);
    index->count++;
    return KC_OK;
}

kc_status kc_index_file_truncate(struct kc_index_file *index, int64_t count) {
    if (count >= index->count) return KC_OK;
    if (count > 0) {
        uint8_t last[KC_INDEX_ENTRY_SIZE_MAX];
        kc_status status = KC_OK;
        if (count > index->tail_first)
            memcpy(last, tail_entry(index, count - 1), index->entry_size);
        else
            status = read_entry(index, count - 1, last);
        if (status != KC_OK) return status;
        memcpy(index->last, last, index->entry_size);
    }
    if (index->written > count) {
        kc_status status = kc_file_truncate(index->file, count * index->entry_size);
        if (status != KC_OK) return status;
        index->written = count;
        index->dirty = true;
    }
    index->count = count;
    if (index->tail_first > count) index->tail_first = count;
    return KC_OK;
}

/* The last of `count` entries at `bytes` whose field is <= target, or -1. */
static int64_t search_bytes(const struct kc_index_file *index, const uint8_t *bytes, int64_t count, enum field field, int64_t target) {
    int64_t low = -1, high = count;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (field_of(index, bytes + (size_t)middle * index->entry_size, field) <= target)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void fill_hit(const struct kc_index_file *index, const uint8_t *bytes, int64_t first, int64_t count, int64_t found,
                     struct kc_index_hit *hit) {
    hit->slot = found < 0 ? -1 : first + found;
    if (found >= 0) memcpy(hit->entry, bytes + (size_t)found * index->entry_size, index->entry_size);
    hit->has_next = found + 1 < count;
    if (hit->has_next) memcpy(hit->next, bytes + (size_t)(found + 1) * index->entry_size, index->entry_size);
}

static void search_tail(const struct kc_index_file *index, enum field field, int64_t target, struct kc_index_hit *hit) {
    int64_t count = index->count - index->tail_first;
    fill_hit(index, index->tail, index->tail_first, count, count ? search_bytes(index, index->tail, count, field, target) : -1, hit);
}

void kc_index_file_search_tail(const struct kc_index_file *index, int64_t target, struct kc_index_hit *hit) {
    search_tail(index, KEY, target, hit);
}

void kc_index_file_search_tail_values(const struct kc_index_file *index, int64_t target, struct kc_index_hit *hit) {
    KC_CHECK(index->entry_size == 8);
    search_tail(index, VALUE, target, hit);
}

/* And the first entry of the page behind it: between the last two entries nothing else need be looked at. */
static kc_status load_page(struct kc_index_file *index, struct kc_index_page *page, int64_t first, int64_t limit) {
    int64_t count = limit - first <= page_entries(index) ? limit - first : page_entries(index) + 1;
    if (page->owner == index->id && page->first == first && page->count == count) return KC_OK;
    page->owner = 0;
    if (!page->bytes && !(page->bytes = malloc(KC_INDEX_PAGE_SIZE + KC_INDEX_ENTRY_SIZE_MAX))) return KC_NO_MEMORY;
    size_t size = (size_t)count * index->entry_size, got;
    kc_status status = kc_file_read(index->file, page->bytes, size, first * index->entry_size, &got);
    if (status != KC_OK) return status;
    if (got < size) return KC_CORRUPT;
    page->owner = index->id;
    page->first = first;
    page->count = count;
    return KC_OK;
}

/* Looks at the page that is there, and at the one behind it: a consumer that goes on reading comes there next.  *found: that will do. */
static kc_status search_near(struct kc_index_file *index, struct kc_index_page *page, int64_t limit, enum field field, int64_t target,
                             struct kc_index_hit *hit, bool *found) {
    *found = false;
    if (page->owner != index->id || page->first >= limit) return KC_OK;
    int64_t count = page->count < limit - page->first ? page->count : limit - page->first;
    int64_t best = search_bytes(index, page->bytes, count, field, target);
    if (best < 0 && page->first > 0) return KC_OK;
    /* An entry of another page may fit better if the page's last is the best here. */
    if (best + 1 < count || page->first + count == limit) {
        fill_hit(index, page->bytes, page->first, count, best, hit);
        *found = true;
        return KC_OK;
    }
    if (count <= page_entries(index)) return KC_OK;
    kc_status status = load_page(index, page, page->first + page_entries(index), limit);
    if (status != KC_OK) return status;
    best = search_bytes(index, page->bytes, page->count, field, target);
    *found = best >= 0 && (best + 1 < page->count || page->first + page->count == limit);
    if (*found) fill_hit(index, page->bytes, page->first, page->count, best, hit);
    return KC_OK;
}

static kc_status search_written(struct kc_index_file *index, struct kc_index_page *page, int64_t limit, enum field field, int64_t target,
                                struct kc_index_hit *hit) {
    hit->slot = -1;
    hit->has_next = false;
    if (limit == 0) return KC_OK;
    bool found;
    kc_status status = search_near(index, page, limit, field, target, hit, &found);
    if (status != KC_OK || found) return status;
    int64_t low = 0, high = (limit + page_entries(index) - 1) / page_entries(index);
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        uint8_t entry[KC_INDEX_ENTRY_SIZE_MAX];
        status = read_entry(index, middle * page_entries(index), entry);
        if (status != KC_OK) return status;
        if (field_of(index, entry, field) <= target)
            low = middle;
        else
            high = middle;
    }
    status = load_page(index, page, low * page_entries(index), limit);
    if (status != KC_OK) return status;
    fill_hit(index, page->bytes, page->first, page->count, search_bytes(index, page->bytes, page->count, field, target), hit);
    return KC_OK;
}

kc_status kc_index_file_search_written(struct kc_index_file *index, struct kc_index_page *page, int64_t limit, int64_t target,
                                       struct kc_index_hit *hit) {
    return search_written(index, page, limit, KEY, target, hit);
}

kc_status kc_index_file_search_values(struct kc_index_file *index, struct kc_index_page *page, int64_t limit, int64_t target,
                                      struct kc_index_hit *hit) {
    KC_CHECK(index->entry_size == 8);
    return search_written(index, page, limit, VALUE, target, hit);
}

kc_status kc_index_file_search(struct kc_index_file *index, struct kc_index_page *page, int64_t target,
                               struct kc_index_hit *hit) {
    kc_index_file_search_tail(index, target, hit);
    if (hit->slot >= 0 || index->tail_first == 0) return KC_OK;
    bool has_next = hit->has_next;
    uint8_t next[KC_INDEX_ENTRY_SIZE_MAX];
    if (has_next) memcpy(next, hit->next, sizeof next);
    kc_status status = kc_index_file_search_written(index, page, index->tail_first, target, hit);
    if (status == KC_OK && !hit->has_next && has_next && hit->slot == index->tail_first - 1) {
        hit->has_next = true;
        memcpy(hit->next, next, sizeof next);
    }
    return status;
}

void kc_index_page_forget(struct kc_index_page *page, const struct kc_index_file *index) {
    if (page->owner == index->id) page->owner = 0;
}

void kc_index_page_release(struct kc_index_page *page) {
    free(page->bytes);
    page->bytes = NULL;
    page->owner = 0;
}

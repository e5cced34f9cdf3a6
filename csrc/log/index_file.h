/* index_file.h: an append-only array of fixed-size entries whose first field is a rising key.
 *
 * Both indexes of a segment are one of these.  The newest entries (at most one page of 4 KiB) are in memory and go to the file
 * when the page is full, when somebody flushes, and when the segment is sealed; so 2,000 busy partitions cost a write per
 * 512 entries, not one per entry, and the file is always exactly as long as what has been written.  Where there is no room for a page
 * on the disk it stays in memory, and is tried again with the next one.
 *
 * Entry: key (int32 or int64, big endian), then a value.  entry_size 8 means an int32 key, 12 an int64 key.
 *
 * Threads: the owner of the log's lock, except kc_index_file_search_written and _values, which touch only what never changes while the
 * segment lives (entries below a `limit` taken under the lock) and the page cache, and so need only that cache's lock.
 * Invariants: (1) tail holds exactly the entries [tail_first, count); (2) tail_first <= written <= count; (3) the file holds
 * exactly `written` entries, once it exists. */
#ifndef KC_LOG_INDEX_FILE_H
#define KC_LOG_INDEX_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "io/file.h"

enum { KC_INDEX_PAGE_SIZE = 4096, KC_INDEX_ENTRY_SIZE_MAX = 12 };

struct kc_index_file {
    struct kc_file *file;
    uint64_t id;                       /* of its own among the indexes that share a page, also after others are freed */
    uint32_t entry_size;
    uint32_t tail_capacity;            /* entries there is room for */
    int64_t count, written, tail_first;
    uint8_t *tail;
    uint8_t last[KC_INDEX_ENTRY_SIZE_MAX];     /* the newest entry, where count > 0 */
    bool exists;                       /* the file is on disk */
    bool dirty;                        /* written to since the last sync */
};

/* The last page that a search read from a file, and one entry more; one serves many indexes.  Whoever owns it locks it. */
struct kc_index_page {
    uint64_t owner;                    /* the index's id, 0: none */
    int64_t first;
    int64_t count;
    uint8_t *bytes;                    /* allocated by the first search */
};

/* Takes over one reference to `file`, which exists or will be created by the first write.  count: entries in the file now.
 * On failure too the index must be released. */
kc_status kc_index_file_init(struct kc_index_file *index, struct kc_file *file, uint64_t id, uint32_t entry_size, int64_t count,
                             bool exists);
void kc_index_file_release(struct kc_index_file *index);

/* The next append writes a page. */
bool kc_index_file_page_full(const struct kc_index_file *index);
/* The key must not be below the last one; the caller has checked. */
kc_status kc_index_file_append(struct kc_index_file *index, const uint8_t *entry);
/* Brings the file up to date, creating it if need be.  Not a sync. */
kc_status kc_index_file_flush(struct kc_index_file *index);
/* Keeps the first `count` entries.  The caller holds the page's lock and makes it forget this index. */
kc_status kc_index_file_truncate(struct kc_index_file *index, int64_t count);

int64_t kc_index_file_key(const struct kc_index_file *index, const uint8_t *entry);

/* The last entry with key <= target among those in memory: its slot (or -1), the entry, and the one after it if there is one.
 * `next` may be NULL; *has_next says whether it was filled. */
struct kc_index_hit {
    int64_t slot;
    bool has_next;
    uint8_t entry[KC_INDEX_ENTRY_SIZE_MAX];
    uint8_t next[KC_INDEX_ENTRY_SIZE_MAX];
};
void kc_index_file_search_tail(const struct kc_index_file *index, int64_t target, struct kc_index_hit *hit);
/* The same among the entries [0, limit) of the file. */
kc_status kc_index_file_search_written(struct kc_index_file *index, struct kc_index_page *page, int64_t limit, int64_t target,
                                       struct kc_index_hit *hit);
/* The same by the value, where entries are two int32 and their values rise like their keys (positions, in an index of offsets). */
void kc_index_file_search_tail_values(const struct kc_index_file *index, int64_t target, struct kc_index_hit *hit);
kc_status kc_index_file_search_values(struct kc_index_file *index, struct kc_index_page *page, int64_t limit, int64_t target,
                                      struct kc_index_hit *hit);
/* Both, for callers that hold the log's lock and the page's.  */
kc_status kc_index_file_search(struct kc_index_file *index, struct kc_index_page *page, int64_t target,
                               struct kc_index_hit *hit);

void kc_index_page_forget(struct kc_index_page *page, const struct kc_index_file *index);
void kc_index_page_release(struct kc_index_page *page);

#endif

/* segment.h: one `<base>.log` file with its two indexes, and the index of aborted transactions where there are any.
 *
 * A segment's bytes only grow; it is sealed when a successor takes over.  It is shared: the log holds a reference, and so does
 * a look-up that goes on after the lock was given back, so that dropping a segment never pulls it from under a reader.
 *
 * Threads: the owner of the log's lock, except retain, release and kc_segment_find, which works on a view taken under it.
 * Invariants: (1) entries of both indexes are at or below the last offset and size_bytes; (2) the offset index is checked
 * before a batch is counted, so the first batch never has an entry; (3) size_bytes <= INT32_MAX: positions are int32 on disk.
 * Source: org.apache.kafka.storage.internals.log.LogSegment. */
#ifndef KC_LOG_SEGMENT_H
#define KC_LOG_SEGMENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "log/batch_scanner.h"
#include "log/index_file.h"
#include "log/names.h"
#include "log/txn_index.h"

struct kc_segment {
    atomic_int reference_count;
    int32_t batch_size_max;            /* no batch in here is larger; INT32_MAX: not known */
    int64_t base_offset;
    int64_t size_bytes;
    int64_t allocated_bytes;           /* blocks are reserved up to here */
    int64_t next_offset;               /* after the last batch; kept for the active segment only */
    int64_t bytes_since_index;
    int64_t max_timestamp;             /* -1: none */
    int64_t max_timestamp_offset;      /* last offset of the first batch that bears it */
    int64_t first_timestamp;           /* the first batch's maximum timestamp; -1: no batch, or none in it */
    int64_t created_ms;
    int64_t written_back;              /* pages below here are on their way to the disk, or there */
    bool dirty;                        /* written to since the last sync */
    struct kc_file *file;
    struct kc_index_file offset_index, time_index;
    struct kc_txn_index txn_index;
};

/* The files of a segment, at most. */
enum { KC_SEGMENT_FILE_COUNT = 4 };

/* A segment object for files in `directory`; nothing is opened.  index_ids: two ids that no other index of the log has had. */
kc_status kc_segment_create(struct kc_file_cache *files, const char *directory, int64_t base_offset, uint64_t index_ids,
                            int64_t now_ms, struct kc_segment **out);
/* The same with other names: `.cleaned` for one that is still being written.  Files of these names that are there are emptied. */
kc_status kc_segment_create_staged(struct kc_file_cache *files, const char *directory, int64_t base_offset,
                                   enum kc_log_file_stage stage, uint64_t index_ids, int64_t now_ms, struct kc_segment **out);
/* Reads what is on disk: sizes, the newest index entries, and the index of aborted transactions.  Offset and time indexes that are
 * missing, of a broken size or not plausible are reported by indexes_good = false, one of aborted transactions that is there and not
 * plausible by txn_index_good = false; these are left empty.  end_offset: where the next segment begins. */
struct kc_segment_found {
    bool has_offset_index, has_time_index, has_txn_index;
};
struct kc_segment_verdict {
    bool indexes_good, txn_index_good;
};
kc_status kc_segment_load(struct kc_segment *segment, struct kc_segment_found found, int64_t end_offset,
                          struct kc_segment_verdict *verdict);

struct kc_segment *kc_segment_retain(struct kc_segment *segment);
void kc_segment_release(struct kc_segment *segment);

/* Accounts for a batch that has just been written at size_bytes: index entries if due, timestamps, size. */
kc_status kc_segment_add(struct kc_segment *segment, int64_t last_offset, int64_t max_timestamp, int32_t size_bytes,
                         int32_t index_interval_bytes);

/* Whether `pending` more index entries would fill an index of this size. */
bool kc_segment_index_full(const struct kc_segment *segment, int32_t index_size_bytes, int64_t pending);
static inline bool kc_segment_holds(const struct kc_segment *segment, int64_t last_offset) {
    return last_offset >= segment->base_offset && last_offset - segment->base_offset <= INT32_MAX;
}

/* Final time index entry, indexes complete in their files, reserved blocks given back.  Not a sync. */
kc_status kc_segment_seal(struct kc_segment *segment);
/* Nothing in it is known to be on disk: an earlier process wrote it. */
static inline void kc_segment_mark_unsynced(struct kc_segment *segment) {
    segment->dirty = true;
    segment->offset_index.dirty = segment->offset_index.exists;
    segment->time_index.dirty = segment->time_index.exists;
    segment->txn_index.dirty = segment->txn_index.exists;
}
/* Adds up to KC_SEGMENT_FILE_COUNT references to files that have been written to since they were last listed here, and marks them clean: the
 * caller syncs them, and fails the log if that fails.  *count grows. */
void kc_segment_list_dirty(struct kc_segment *segment, struct kc_file **files, size_t *count);
/* The same for the file of the batches alone; the indexes stay on the list. */
void kc_segment_list_dirty_batches(struct kc_segment *segment, struct kc_file **files, size_t *count);

/* Cuts the file to `position`, whose next batch would have had an offset >= next_offset, and the indexes with it.  The page
 * caches of the log are locked by the caller. */
kc_status kc_segment_truncate(struct kc_segment *segment, int64_t position, int64_t next_offset);
/* Reads the headers behind the newest index entry: timestamps, bytes since that entry, and *next_offset, the offset after the last
 * batch.  KC_CORRUPT: these are not whole batches up to the end of the file. */
kc_status kc_segment_walk_tail(struct kc_segment *segment, int64_t *next_offset);
/* Empties both indexes, for a rebuild by kc_segment_add from position 0.  The index of aborted transactions is left alone: what it says
 * depends on the segments before. */
kc_status kc_segment_reset(struct kc_segment *segment);

/* Renames the files that exist to `.deleted`. */
kc_status kc_segment_mark_deleted(struct kc_segment *segment, const char *directory);
/* The same to `.<number in hex>.deleted`.  A segment of this base offset may be replaced again before the names are removed, and a reader
 * that opens the file by its path must not find another one there. */
kc_status kc_segment_mark_replaced(struct kc_segment *segment, const char *directory, uint32_t number);
/* Gives the files that exist the names of another stage. */
kc_status kc_segment_set_stage(struct kc_segment *segment, const char *directory, enum kc_log_file_stage stage);
/* The directory has been renamed. */
kc_status kc_segment_moved(struct kc_segment *segment, const char *directory);

/* ---- look-up ----------------------------------------------------------------------------------------------------------- */

/* What a look-up needs to go on without the log's lock. */
struct kc_segment_view {
    struct kc_segment *segment;        /* retained by whoever took the view */
    int64_t size_bytes;
    int32_t batch_size_max;
    int64_t index_limit;               /* entries of the offset index that are in its file for good */
    struct kc_index_hit hit;           /* the best entry in memory */
};
/* Under the log's lock. */
void kc_segment_view_for(struct kc_segment *segment, int64_t offset, struct kc_segment_view *view);

/* The first batch whose last offset is >= offset.  KC_END: none.  page is locked by page_lock inside.  An index that points
 * anywhere but at the batch it names is not believed: the segment is searched from its start. */
kc_status kc_segment_find(const struct kc_segment_view *view, struct kc_index_page *page, pthread_mutex_t *page_lock,
                          int64_t offset, int64_t *position, struct kc_batch_header *header);

#endif

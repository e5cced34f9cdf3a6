/* log_internal.h: the fields of a log, and what the files that implement it share.
 *
 *     open.c       directory, recovery, open            log.c      life, configuration, offsets
 *     append.c     append, roll                         read.c     read
 *     lookup.c     timestamps                           care.c     flush, close, truncate, drop, rename
 *     producers.c  producer state from stored batches   txns.c     open and aborted transactions
 *     landmark.c   what keeps a restart short           write_back.c   pages on their way to the disk
 *
 * Threads: `lock` guards every field but the atomics; `page_lock` guards the pages and is taken inside `lock` or alone,
 * never the other way round; `flush_lock` is taken before `lock`: a flush that finds nothing left to sync must not end before
 * the one that is syncing it. */
#ifndef KC_LOG_LOG_INTERNAL_H
#define KC_LOG_LOG_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "log/leader_epochs.h"
#include "log/log.h"
#include "log/producer_state.h"
#include "log/recent_batches.h"
#include "log/segment.h"
#include "record/marker.h"

struct kc_log {
    atomic_int reference_count;
    atomic_bool writable;
    _Atomic int64_t log_start_offset, log_end_offset, size_bytes, bytes_to_write_back;
    _Atomic int64_t synced_offset;         /* see kc_log_synced_offset */
    _Atomic int64_t first_open_offset;     /* of the oldest open transaction, INT64_MAX: none; see txns.c */
    _Atomic int64_t last_abort_offset;     /* of the newest abort marker that an index knows of, -1: none */

    pthread_mutex_t flush_lock;        /* held by a flush until the disk is done */
    pthread_mutex_t lock;
    struct kc_log_dir *dir;            /* one reference, or NULL */
    struct kc_file_cache *files;
    const struct kc_disk *disk;
    struct kc_clock clock;
    struct kc_log_config config;
    char *directory;

    struct kc_segment **segments;      /* by base offset; the last one is active */
    size_t segment_count, segment_capacity;
    struct kc_recent_batches recent;   /* of the active segment */
    struct kc_producer_state producers;
    struct kc_leader_epochs epochs;

    int64_t snapshot_offset;           /* of the newest producer snapshot, -1: none */
    int64_t landmark_bytes, bytes_since_landmark;
    bool snapshot_dirty;               /* a snapshot was written and not synced */
    bool epochs_unsynced;              /* the epochs are in their file, which an earlier process may not have synced */
    bool directory_dirty;              /* names were made or changed and the directory not synced */
    bool cannot_allocate;              /* the file system does not reserve blocks */
    bool short_of_space;               /* the last write found the disk full */
    bool closed;
    kc_status failure;                 /* KC_OK, or what ended all writing */
    uint64_t next_index_id;
    _Atomic uint64_t truncations;      /* a look-up outside the lock starts again if this changed under it */

    pthread_mutex_t page_lock;
    struct kc_index_page offset_page, time_page, txn_page;
};

static inline struct kc_segment *kc_log_active(const struct kc_log *log) { return log->segments[log->segment_count - 1]; }
static inline int64_t kc_log_now(const struct kc_log *log) { return kc_clock_wall_ms(&log->clock); }

/* The rest of this header is called with the lock held (or before anybody else has the log). */

/* KC_CLOSED once closed or failed. */
kc_status kc_log_check_writable(const struct kc_log *log);
static inline bool kc_log_failed(const struct kc_log *log) {
    return log->failure != KC_OK || kc_log_dir_failure(log->dir) != KC_OK;
}
/* Ends all writing for good, here and, if it was the disk that failed, in the whole log directory; returns `status`. */
kc_status kc_log_fail(struct kc_log *log, kc_status status);
/* The same unless it is a shortage, after which the log is as it was. */
kc_status kc_log_fail_unless_short(struct kc_log *log, kc_status status);

/* The slot of the segment that holds or would hold the offset: the last with base <= offset, or 0. */
size_t kc_log_segment_slot(const struct kc_log *log, int64_t offset);
/* Adds a segment object behind all others; nothing on disk. */
kc_status kc_log_add_segment(struct kc_log *log, int64_t base_offset, struct kc_segment **out);
/* The same, with its file made. */
kc_status kc_log_create_segment(struct kc_log *log, int64_t base_offset);
/* Takes the last segment out, files to `.deleted`. */
kc_status kc_log_discard_last_segment(struct kc_log *log);
/* Seals the active segment and starts one for offsets base_offset to last_offset, beginning where the old one ended; an empty active one is replaced,
 * or kept if it has that base. */
kc_status kc_log_roll_to(struct kc_log *log, int64_t base_offset, int64_t last_offset);

/* What a stored batch leaves behind: its leader epoch, its producer, and, where it is the marker of an aborted transaction with data, that
 * in the list (NULL: left out). */
kc_status kc_log_remember_batch(struct kc_log *log, const struct kc_batch_header *header, const uint8_t *batch,
                                struct kc_aborted_txns *aborted, int64_t now_ms);
/* What a marker at this offset leaves behind. */
kc_status kc_log_remember_marker(struct kc_log *log, const struct kc_marker *marker, int64_t offset, struct kc_aborted_txns *aborted,
                                 int64_t now_ms);
/* Builds the index of aborted transactions of one trusted segment; the producer state is that of its end afterwards. */
kc_status kc_log_rebuild_txn_index(struct kc_log *log, size_t slot);
/* Enters aborted transactions whose markers are about to be appended to the active segment; taken back by kc_log_unindex_aborted if
 * they are not.  In this order an index lacks nothing when the process dies: opening cuts what lies beyond the log. */
kc_status kc_log_index_aborted(struct kc_log *log, const struct kc_aborted_txns *aborted);
void kc_log_unindex_aborted(struct kc_log *log, int64_t offset);

/* Makes the producers' open transactions visible in the last stable offset.  Before log_end_offset passes the first batch of one, after
 * it has passed the marker of one, and after anything that replaced the producer state. */
void kc_log_publish_open_txns(struct kc_log *log);
/* The same for the segments' indexes of aborted transactions, after loading or cutting them. */
void kc_log_publish_aborts(struct kc_log *log);
/* What was found by a long search shall not be searched for again.  A shortage is no error. */
kc_status kc_log_leave_landmark(struct kc_log *log);
/* Counts bytes that have been appended and leaves a landmark where one is due. */
void kc_log_landmark(struct kc_log *log, int64_t size_bytes);
/* Brings the producer state to `offset` from the newest usable snapshot at or below it, by replay of the segments. */
kc_status kc_log_rebuild_producers(struct kc_log *log, int64_t offset);
/* Removes snapshots above `offset`, and those that no segment starts at except the newest left. */
kc_status kc_log_remove_snapshots(struct kc_log *log, int64_t offset);

#endif

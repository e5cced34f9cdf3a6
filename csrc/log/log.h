/* log.h: one partition's log: segments, indexes, producer state, leader epochs, in Kafka's own directory layout.
 *
 * Threads: any.  A log has one lock, taken inside these functions for one append or one look-up and never held across a
 * wait; the offsets at the bottom are read without it.  Reading hands out a place in a file, not bytes.
 *
 * Invariants:
 *   1. log_start_offset <= any segment's base offset that is served, and <= log_end_offset; both only rise while the log is open
 *      (truncation excepted).
 *   2. A batch is in its segment file, whole, before log_end_offset passes it.
 *   3. Index entries name positions below the segment's size; what is not yet in an index file is in memory.
 *   4. After a failed write or sync the log is failed, and so is its log directory (log_dir.h): appends answer KC_CLOSED until it is
 *      opened anew, and the file has been cut back to log_end_offset if the disk let us.  Reads end with the directory; a log that
 *      stands alone goes on reading.
 *   5. A write for which there is no room now (a full disk, no descriptors, no memory) is refused and nothing else: the file is cut
 *      back to log_end_offset, what was remembered of its batches is forgotten, and the next append tries again.
 *
 * Formats: FORMAT.md.  Source: org.apache.kafka.storage.internals.log.{UnifiedLog,LocalLog,LogSegment}. */
#ifndef KC_LOG_LOG_H
#define KC_LOG_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "io/file.h"
#include "log/aborted_txns.h"
#include "log/log_dir.h"
#include "log/producer_state.h"
#include "record/validate.h"

struct kc_log;

/* Topic configuration as far as the log needs it.  May be replaced at any time. */
struct kc_log_config {
    int64_t segment_size_bytes;          /* segment.bytes */
    int64_t segment_ms;                  /* segment.ms, by the first batch's timestamp as Kafka does */
    int32_t segment_index_size_bytes;    /* segment.index.bytes: a full index rolls the segment */
    int32_t index_interval_bytes;        /* index.interval.bytes */
    int64_t producer_id_expiration_ms;   /* producer.id.expiration.ms */
};

/* Kafka's defaults. */
struct kc_log_config kc_log_config_default(void);

struct kc_log_options {
    struct kc_file_cache *files;         /* not destroyed before the log is closed */
    struct kc_clock clock;
    struct kc_log_config config;
    struct kc_log_dir *dir;              /* retained; NULL: this log's failures are its own */
    bool clean;                          /* stopped cleanly: indexes and snapshots are trusted, nothing is scanned */
    bool process_died;                   /* and no more than that since this engine wrote here: the kernel has kept what was written,
                                          * synced or not, so that only the last write can be a torn one */
    bool compacted;                      /* offsets may be missing anywhere, up to all of a segment: recovery takes no gap for a loss */
    int64_t landmark_bytes;              /* landmark.c; 0: the default */
    int64_t recovery_point;              /* first offset that may not be on disk; segments below it are trusted.  0: none */
    int64_t log_start_offset;            /* from log-start-offset-checkpoint; -1: the first segment's base */
};

/* What opening found and repaired, for one line in the broker's log. */
struct kc_log_recovery {
    int64_t scanned_bytes;
    int64_t truncated_bytes;             /* cut behind the last good batch */
    int32_t rebuilt_indexes;             /* segments whose indexes were built anew */
    int32_t dropped_segments;            /* behind a cut; renamed to `.deleted` */
    int64_t cut_base_offset;             /* the segment that was cut, and where; -1: none */
    int64_t cut_position;
};

/* Opens or creates the log in a directory (made if missing, not its parents).  KC_DENIED, KC_NO_SPACE, KC_IO_ERROR, KC_CORRUPT
 * (a directory that cannot be a log: overlapping segments, unreadable names are not touched). */
kc_status kc_log_open(const char *directory, const struct kc_log_options *options, struct kc_log_recovery *recovery,
                      struct kc_log **out);

/* Stands for a log whose directory cannot be used: offline from the start, without segments, and nothing on disk is touched.
 * options->dir has failed, or fails by this. */
kc_status kc_log_open_offline(const char *directory, const struct kc_log_options *options, struct kc_log **out);

/* Flushes, writes the indexes, the producer snapshot at log_end_offset and the leader epochs, closes the files.  Further calls
 * but retain, release and the offsets answer KC_CLOSED.  The first error is returned, after everything was tried. */
kc_status kc_log_close(struct kc_log *log);

struct kc_log *kc_log_retain(struct kc_log *log);
/* The last reference frees the log; closing is a matter of kc_log_close. */
void kc_log_release(struct kc_log *log);

/* ---- append ------------------------------------------------------------------------------------------------------------ */

enum kc_append_fault {
    KC_APPEND_OK = 0,
    KC_APPEND_DUPLICATE,                 /* one of the producer's last five batches: success with the old offset and timestamp */
    KC_APPEND_OUT_OF_ORDER_SEQUENCE,     /* OUT_OF_ORDER_SEQUENCE_NUMBER (45) */
    KC_APPEND_INVALID_PRODUCER_EPOCH,    /* INVALID_PRODUCER_EPOCH (47) */
    KC_APPEND_INVALID_TXN_STATE,         /* INVALID_TXN_STATE (48): a plain batch while the producer's transaction is open */
    KC_APPEND_UNVERIFIED,                /* INVALID_TXN_STATE (48): a batch of a transaction that nobody has answered for */
    KC_APPEND_COORDINATOR_FENCED,        /* TRANSACTION_COORDINATOR_FENCED (52): a marker of a coordinator that was replaced */
    KC_APPEND_TOO_LARGE,                 /* RECORD_LIST_TOO_LARGE (18): larger than segment.bytes */
    KC_APPEND_STORAGE_ERROR,             /* KAFKA_STORAGE_ERROR (56): the write failed, or had failed before */
    KC_APPEND_CLOSED,                    /* the log is closed or deleted: UNKNOWN_TOPIC_OR_PARTITION (3) */
};

/* One batch on its way in.  The caller owns the bytes, which must stay until the call returns; base offset, leader epoch and,
 * where asked, timestamps are written into them. */
struct kc_append {
    /* in */
    uint8_t *batch;
    const struct kc_batch_info *info;    /* from kc_batch_validate */
    int32_t leader_epoch;
    bool log_append_time;
    enum kc_append_origin origin;
    int64_t guard;                       /* of kc_log_begin_verification, or one of enum KC_TXN_GUARD_* */
    /* out */
    enum kc_append_fault fault;
    int64_t base_offset;                 /* -1 on a fault other than DUPLICATE */
    int64_t last_offset;
    int64_t log_append_time_ms;          /* -1 unless log_append_time (or a duplicate of such) */
};

/* Appends the batches in order, each accepted or refused on its own; neighbours that are accepted go to the file in one
 * write.  Returns the number of bytes accepted. */
int64_t kc_log_append(struct kc_log *log, struct kc_append *appends, size_t count);

struct kc_log_marker {
    int64_t producer_id;
    int32_t coordinator_epoch;
    int16_t producer_epoch;
    int16_t transaction_version;         /* 2: producer_epoch is above that of the transaction's batches (KIP-890) */
    bool commit;
    bool log_append_time;                /* of the topic */
    int32_t leader_epoch;
};

/* Ends a producer's transaction in this partition, whether it has data here or not.  Faults of kc_append: OK,
 * INVALID_PRODUCER_EPOCH, COORDINATOR_FENCED, STORAGE_ERROR, CLOSED.  *out gets the out members only.  Returns the bytes
 * accepted. */
int64_t kc_log_append_marker(struct kc_log *log, const struct kc_log_marker *marker, struct kc_append *out);

/* Appends one batch that already carries its offsets and leader epoch (a follower's copy, or a log being rebuilt).
 * KC_INVALID: its base offset is below log_end_offset.  */
kc_status kc_log_append_as_follower(struct kc_log *log, const uint8_t *batch, size_t size);

/* ---- read -------------------------------------------------------------------------------------------------------------- */

struct kc_log_slice {
    struct kc_file *file;                /* retained for the caller when size_bytes > 0, else NULL */
    int64_t position;
    int32_t size_bytes;
};

/* Where the batches from `offset` on lie: from the start of the batch that holds it (or the next one, if compaction took it)
 * to the end of its segment, but never past `offset_limit` (exclusive: the high watermark or the last stable offset) and no more
 * than size_max_bytes.  The end may cut a batch.  If the first batch alone is larger: whole where min_one_batch, else nothing.
 * KC_OK (size 0: nothing there yet); KC_OUT_OF_RANGE: offset < log_start_offset or > log_end_offset; KC_CLOSED; I/O. */
kc_status kc_log_read(struct kc_log *log, int64_t offset, int64_t offset_limit, int32_t size_max_bytes, bool min_one_batch,
                      struct kc_log_slice *out);

struct kc_log_position {
    int64_t offset;                      /* -1: none */
    int64_t timestamp;                   /* -1: none */
    int32_t leader_epoch;                /* -1: none */
    bool in_batch;                       /* the answer lies inside a compressed batch: whoever can decompress finds the record */
    struct kc_log_slice batch;           /* that batch, retained; empty unless in_batch */
};

/* The first record with timestamp >= target at or after log_start_offset and below offset_limit.  offset -1 if there is none. */
kc_status kc_log_find_timestamp(struct kc_log *log, int64_t target, int64_t offset_limit, struct kc_log_position *out);
/* The first record that bears the highest timestamp.  offset -1 in an empty log. */
kc_status kc_log_find_max_timestamp(struct kc_log *log, struct kc_log_position *out);

/* ---- transactions ------------------------------------------------------------------------------------------------------ */

/* Whether a transactional batch of this producer is taken as it comes: its transaction is open here, or expected. */
bool kc_log_admits_transaction(struct kc_log *log, int64_t producer_id, int16_t producer_epoch);
/* Before the coordinator is asked whether this partition is in the producer's transaction: *guard goes with the batch once it has said
 * yes.  KC_TXN_GUARD_NONE: nobody need be asked.  See txn_verification.h.  KC_CLOSED, KC_NO_MEMORY. */
kc_status kc_log_begin_verification(struct kc_log *log, int64_t producer_id, int16_t producer_epoch, int32_t sequence,
                                    bool supports_epoch_bump, int64_t *guard);
/* The coordinator says so beforehand: the first batch of this epoch is taken without a guard.  A marker takes it back.  KC_STALE: the
 * producer has a newer epoch here. */
kc_status kc_log_expect_transaction(struct kc_log *log, int64_t producer_id, int16_t producer_epoch);

/* The aborted transactions whose data or marker may lie in [offset, end_offset), added to the list.  KC_CLOSED, KC_NO_MEMORY, I/O:
 * the list is as it was. */
kc_status kc_log_collect_aborted(struct kc_log *log, int64_t offset, int64_t end_offset, struct kc_aborted_txns *list);
/* False: there are none from this offset on.  Without the lock. */
bool kc_log_has_aborts_from(const struct kc_log *log, int64_t offset);
/* An offset that nothing in a slice reaches, as near as the indexes know it and at most offset_limit.  The slice was read at `offset`. */
int64_t kc_log_bound_slice(struct kc_log *log, int64_t offset, const struct kc_log_slice *slice, int64_t offset_limit);

/* A producer that the partition remembers, as DescribeProducers tells it. */
struct kc_producer_info {
    int64_t producer_id;
    int64_t last_timestamp;
    int64_t txn_first_offset;            /* -1: no transaction is open */
    int32_t last_sequence;               /* -1: none */
    int32_t coordinator_epoch;           /* -1: no marker seen */
    int16_t producer_epoch;
};
/* Fills up to `capacity` entries; *count is the number of producers there are. */
void kc_log_producers(struct kc_log *log, struct kc_producer_info *infos, size_t capacity, size_t *count);

/* ---- leader epochs ----------------------------------------------------------------------------------------------------- */

/* KIP-101, KIP-279: the largest epoch <= asked and the offset where it ends.  (-1, -1) where asked is unknown. */
void kc_log_end_offset_for_epoch(struct kc_log *log, int32_t epoch, int32_t *epoch_out, int64_t *end_offset);
/* The epoch of the batch at or before an offset; -1: none. */
int32_t kc_log_epoch_for_offset(struct kc_log *log, int64_t offset);
int32_t kc_log_latest_epoch(struct kc_log *log);
/* A leader begins its epoch at log_end_offset, also if it never writes: in the checkpoint, synced, when this returns.
 * KC_STALE: below the latest; KC_CLOSED; what the disk said. */
kc_status kc_log_assign_epoch(struct kc_log *log, int32_t epoch);

/* ---- care -------------------------------------------------------------------------------------------------------------- */

void kc_log_set_config(struct kc_log *log, const struct kc_log_config *config);
struct kc_log_config kc_log_get_config(struct kc_log *log);

/* Starts a new segment unless the active one is empty. */
kc_status kc_log_roll(struct kc_log *log);

/* Everything below log_end_offset as it was at the call is on disk afterwards.  Not under the lock while the disk works.
 * *synced_offset becomes the new recovery point. */
kc_status kc_log_flush(struct kc_log *log, int64_t *synced_offset);
/* The same for the batches alone, which is what an acknowledgement needs: an unclean start reads all segments from the recovery point on and
 * makes their indexes anew.  *synced_offset is no recovery point. */
kc_status kc_log_sync_batches(struct kc_log *log, int64_t *synced_offset);

/* What has been appended goes to the disk in steps; see write_back.c. */
bool kc_log_wants_write_back(const struct kc_log *log);
void kc_log_write_back(struct kc_log *log);

/* DeleteRecords: raises log_start_offset to `offset` (<= log_end_offset, else KC_OUT_OF_RANGE; lower than now: no change).
 * Whole segments below it are dropped by kc_log_drop_segments. */
kc_status kc_log_raise_start_offset(struct kc_log *log, int64_t offset);

/* Renames the files of every segment that lies wholly below log_start_offset to `.deleted` and forgets them; the active one
 * stays.  The caller unlinks `.deleted` files after file.delete.delay.ms. */
kc_status kc_log_drop_segments(struct kc_log *log, int32_t *dropped);

/* Cuts the log so that log_end_offset == offset; indexes, epochs and producer state follow. */
kc_status kc_log_truncate(struct kc_log *log, int64_t offset);

/* The directory was or is to be renamed (delete, move): renames it on disk and in every file handed out. */
kc_status kc_log_rename_directory(struct kc_log *log, const char *directory);

/* Copied into buffer (with its NUL), KC_LIMIT if it does not fit. */
kc_status kc_log_directory(struct kc_log *log, char *buffer, size_t size);

struct kc_log_segment_info {
    int64_t base_offset;
    int64_t size_bytes;
    int64_t max_timestamp;
};
/* Fills up to `capacity` entries, oldest first; *count is the number of segments there are. */
void kc_log_segments(struct kc_log *log, struct kc_log_segment_info *infos, size_t capacity, size_t *count);

/* ---- offsets, without the lock ------------------------------------------------------------------------------------------ */

int64_t kc_log_start_offset(const struct kc_log *log);
int64_t kc_log_end_offset(const struct kc_log *log);
int64_t kc_log_size_bytes(const struct kc_log *log);
/* Every record below it is known to be on disk: at first the recovery point (of a log that was stopped cleanly: its end), then what the last
 * flush or sync of the batches has covered. */
int64_t kc_log_synced_offset(const struct kc_log *log);
/* Below it no transaction is open: the least of log_end_offset and the first offset of an open transaction, but not below
 * log_start_offset. */
int64_t kc_log_last_stable_offset(const struct kc_log *log);
/* False after a failed write or kc_log_close. */
bool kc_log_writable(const struct kc_log *log);
/* The log directory has failed: nothing is read or written any more. */
bool kc_log_offline(const struct kc_log *log);

#endif

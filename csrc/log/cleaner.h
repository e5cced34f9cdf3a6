/* cleaner.h: compaction of one log: of each key the last record stays, and no offset changes.
 *
 *     kc_cleaning_start        what there is to do: the sealed segments below a limit, the memory for the keys
 *     kc_cleaning_step ...     1. reads the dirty part (from first_dirty_offset on) and remembers each key's newest offset
 *                              2. copies the segments below the end of what was read, in groups, to `.cleaned` files, and lets each
 *                                 copy take the place of its originals
 *     kc_cleaning_end          frees everything; a copy that is not finished is removed
 *
 * A step works on some bytes and returns: to be called again, or with a batch's records to be decompressed or compressed by somebody who
 * can.  So whoever drives it may slow it down, stop it, or run in a language that knows codecs.
 *
 * The swap of one group, Kafka's order (LocalLog.replaceSegments): the copy's files are complete and synced; `.cleaned` becomes `.swap`;
 * the originals become `.deleted`; `.swap` becomes the plain name; the directory is synced.  directory.h tells what opening makes of a
 * crash between any two of these.  Renames in one directory are on disk in the order in which they were made, as journals keep them.
 *
 * Invariants:
 *   1. The newest record of each key below the end offset stays, a tombstone at least until its delete horizon; records at or above
 *      the end offset stay as they are.
 *   2. The last batch of a group stays, if need be without records, so that segments go on touching each other: recovery tells a lost
 *      end from a compacted one by that.  So does the last batch of a producer that the log remembers.
 *   3. A swap happens only if the log still has the very segments that were copied: whoever truncates or drops some meanwhile wins, and
 *      the cleaning ends with KC_STALE.
 *   4. Of transactions only decided ones are cleaned: no segment at or above the first open one.  Aborted records go; committed ones are
 *      like others.  A marker stays as long as the cleaning meets a batch of its transaction, be it one without records.  The first
 *      that meets none gives the marker a delete horizon, and one after that horizon takes it.  An aborted transaction's entry in the
 *      index lasts from the marker to the first cleaning that meets none of its batches: never longer than the marker, or a consumer
 *      would go on hiding what its producer writes.
 *   5. A marker that alone tells a producer's epoch stays, and so does one above the newest producer snapshot.  With a marker go the
 *      snapshots below it: they may know its transaction as an open one.
 *   6. Segments that are cleaned must lie below the recovery point on disk: recovery would take a gap for a loss.  The caller flushes,
 *      and writes the checkpoint, before.
 *
 * Threads: one at a time drives a cleaning; the log's lock is held for the start and for each swap.
 * Source: org.apache.kafka.storage.internals.log.{Cleaner,LogCleaner}. */
#ifndef KC_LOG_CLEANER_H
#define KC_LOG_CLEANER_H

#include "log/key_hash.h"
#include "log/log.h"

struct kc_cleaning;

struct kc_cleaning_options {
    int64_t first_dirty_offset;          /* below it each key is there once: cleaner-offset-checkpoint */
    int64_t limit_offset;                /* segments that end above it are left alone */
    int64_t now_ms;
    int64_t delete_retention_ms;
    size_t map_size_bytes;               /* log.cleaner.dedupe.buffer.size */
    double map_load_factor;              /* log.cleaner.io.buffer.load.factor */
    struct kc_hash_seed seed;            /* random */
};

enum kc_cleaning_need {
    KC_CLEANING_AGAIN,                   /* nothing: call again, with no section */
    KC_CLEANING_DECOMPRESS,              /* the section, uncompressed */
    KC_CLEANING_COMPRESS,                /* the section, compressed */
    KC_CLEANING_DONE,
};

struct kc_cleaning_request {
    enum kc_cleaning_need need;
    int8_t codec;
    struct kc_slice section;             /* lives until the next step */
};

struct kc_cleaning_stats {
    int64_t end_offset;                  /* the new first dirty offset, once done */
    int64_t map_bytes_read, copy_bytes_read, bytes_written;
    int64_t map_records, copy_records, records_kept;
    int64_t key_count;
    int32_t segments_before, segments_after;
};

/* KC_INVALID: the load factor; KC_CORRUPT: an index of aborted transactions; KC_CLOSED; KC_NO_MEMORY; what the disk said. */
kc_status kc_cleaning_start(struct kc_log *log, const struct kc_cleaning_options *options, struct kc_cleaning **out);

/* section: what the last request asked for (data NULL: nothing was asked for); need stay only until the step returns.
 * bytes: how much to read and write, about, before coming back.
 * KC_STALE: the log has changed under it; KC_LIMIT: the memory does not hold the keys of a single batch, or a copy would outgrow a
 * segment; KC_CORRUPT: a batch that fails its checksum; KC_CLOSED; what the disk said.  Any of these ends the cleaning. */
kc_status kc_cleaning_step(struct kc_cleaning *cleaning, struct kc_slice section, int64_t bytes, struct kc_cleaning_request *out);

void kc_cleaning_stats(const struct kc_cleaning *cleaning, struct kc_cleaning_stats *out);

void kc_cleaning_end(struct kc_cleaning *cleaning);

#endif

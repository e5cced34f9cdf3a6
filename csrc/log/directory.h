/* directory.h: what lies in a log's directory, and the clearing of what an interrupted step left there.
 *
 * Before a log is opened:
 *   1. `.deleted` files are removed, whatever stands before it: they waited for that.
 *   2. `.cleaned` files are removed: a compaction that did not finish.  So are `.swap` files at or above the lowest of them: the
 *      swap that they belong to had not been complete.
 *   3. A segment whose offsets a remaining `.log.swap` covers is removed, then the `.swap` files take their names.
 *   4. Index files without their `.log`, and `.tmp` files of ours, are removed.
 * Any other name is left alone.  Source: org.apache.kafka.storage.internals.log.LogLoader.
 *
 * Thread: whoever opens the log; nobody else has it yet. */
#ifndef KC_LOG_DIRECTORY_H
#define KC_LOG_DIRECTORY_H

#include "io/file.h"
#include "log/names.h"

struct kc_directory_segment {
    int64_t base_offset;
    bool has_offset_index, has_time_index, has_txn_index;
};

struct kc_directory {
    struct kc_directory_segment *segments;     /* by base offset */
    size_t segment_count;
    int64_t *snapshots;                        /* rising */
    size_t snapshot_count;
    bool changed;                              /* names were removed or renamed: the directory wants a sync */
};

kc_status kc_directory_load(struct kc_file_cache *files, const char *path, struct kc_directory *out);
void kc_directory_release(struct kc_directory *directory);

/* The offsets of the producer snapshots in a directory, rising; the caller frees *offsets. */
kc_status kc_directory_snapshots(const struct kc_disk *disk, const char *path, int64_t **offsets, size_t *count);

#endif

/* small_file.h: files that are read and replaced whole: checkpoints and snapshots.
 *
 * Replacing writes `<name>.tmp`, syncs it, renames it into place and syncs the directory, so that a crash leaves the old
 * content or the new one.  Thread: any; two writers of one name at a time are the caller's mistake. */
#ifndef KC_LOG_SMALL_FILE_H
#define KC_LOG_SMALL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/disk.h"

/* *data is the caller's to free(); one byte behind its end is 0, so that text may be read as a string.  KC_LIMIT: larger than
 * size_max. */
kc_status kc_small_file_read(const struct kc_disk *disk, const char *path, size_t size_max, uint8_t **data, size_t *size);

/* durable false: the renames are done but nothing is synced; a reader after a power cut must be able to tell. */
kc_status kc_small_file_replace(const struct kc_disk *disk, const char *directory, const char *name, const void *data,
                                size_t size, bool durable);

/* Syncs a file that was replaced without `durable`.  The directory is the caller's to sync. */
kc_status kc_small_file_sync(const struct kc_disk *disk, const char *path);

#endif

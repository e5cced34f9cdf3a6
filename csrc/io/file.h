/* file.h: files that are opened when first used and closed again when too many are open.
 *
 * A kc_file stands for a path.  Whoever keeps a pointer holds a reference; whoever is about to read, write or send from it
 * pins it for the length of that one call, which opens it if need be and keeps it open.  Files that nobody pins are closed
 * oldest first when a cache holds more than its limit.  So a reader that stalls for an hour holds a reference and a
 * position, and no file descriptor.
 *
 * Thread: any; the cache has one lock, held for list operations and around open() and close().
 * Invariants: (1) pin_count > 0 implies open; (2) an open unpinned file is in the LRU list, a pinned or closed one is not;
 * (3) open_count <= limit unless all open files are pinned. */
#ifndef KC_IO_FILE_H
#define KC_IO_FILE_H

#include "io/disk.h"

struct kc_file_cache;
struct kc_file;

/* limit: how many unpinned and pinned handles may be open at a time (> 0). */
kc_status kc_file_cache_create(const struct kc_disk *disk, size_t limit, struct kc_file_cache **out);
/* Gives the cache up: nothing may be created in it any more.  Files that others still hold (a slice on its way to a slow
 * consumer) go on working; the cache is freed with the last of them. */
void kc_file_cache_destroy(struct kc_file_cache *cache);
size_t kc_file_cache_open_count(struct kc_file_cache *cache);
const struct kc_disk *kc_file_cache_disk(const struct kc_file_cache *cache);

/* A file of this path, with one reference; nothing is opened yet.  flags are those of each later open, except CREATE and
 * EXCLUSIVE and TRUNCATE, which apply to the first only. */
kc_status kc_file_create(struct kc_file_cache *cache, const char *path, int flags, struct kc_file **out);
struct kc_file *kc_file_retain(struct kc_file *file);
/* The last reference closes the handle and frees the file; the path on disk is left alone. */
void kc_file_release(struct kc_file *file);

/* *handle is open until the matching unpin.  Fails as open() does. */
kc_status kc_file_pin(struct kc_file *file, int *handle);
void kc_file_unpin(struct kc_file *file);

/* Renames the path on disk and in the file; later opens use the new one. */
kc_status kc_file_rename(struct kc_file *file, const char *path);
/* Tells the file that a directory above it has been renamed: only the remembered path changes. */
kc_status kc_file_moved(struct kc_file *file, const char *path);
/* Lives until the next rename; whoever may rename the file (its log, under its lock) is the one who may ask. */
const char *kc_file_path(const struct kc_file *file);
/* The disk it lies on. */
const struct kc_disk *kc_file_disk(const struct kc_file *file);

/* Closes the handle unless somebody pins it: for files that are written once in a while and then left. */
void kc_file_close_idle(struct kc_file *file);

/* Pin, one call of the disk, unpin.  Statuses as in disk.h. */
kc_status kc_file_read(struct kc_file *file, void *buffer, size_t size, int64_t position, size_t *got);
kc_status kc_file_write(struct kc_file *file, struct iovec *iov, int count, int64_t position);
kc_status kc_file_truncate(struct kc_file *file, int64_t size);
kc_status kc_file_sync(struct kc_file *file);
kc_status kc_file_size(struct kc_file *file, int64_t *size);

/* The bytes in [position, end), the last of the file, have just been written.  Writers of one file take turns. */
void kc_file_written(struct kc_file *file, int64_t position, int64_t end);
/* Reading these bytes would wait for the medium.  Costs a system call, but none for the last 64 MiB that kc_file_written told of, which are
 * taken for cached. */
bool kc_file_is_cold(struct kc_file *file, int64_t position, size_t size);
/* Waits until they are in memory. */
void kc_file_load(struct kc_file *file, int64_t position, size_t size);

#endif

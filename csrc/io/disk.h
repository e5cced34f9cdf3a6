/* disk.h: everything the log does to a disk, behind one table of functions.
 *
 * The log never calls the kernel itself, so that a test can hand it a disk that tears writes, fills up, fails a sync or
 * forgets what was not synced.  A handle is an int: on the real disk it is the file descriptor, which is what lets the
 * network layer sendfile() from it.
 *
 * Thread: any; one handle may be used by several threads at a time (all transfers name their position).
 * Statuses: errno mapped by kc_status_from_errno; a short transfer is finished by the caller's side of the table, so that
 * KC_OK means all of it.  EINTR is never seen. */
#ifndef KC_IO_DISK_H
#define KC_IO_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/status.h"

enum kc_open_flags {
    KC_OPEN_READ = 0,
    KC_OPEN_WRITE = 1,          /* read and write */
    KC_OPEN_CREATE = 2,         /* made if it is not there */
    KC_OPEN_EXCLUSIVE = 4,      /* KC_EXISTS if it is there */
    KC_OPEN_TRUNCATE = 8,
};

/* Called for each name in a directory ("." and ".." left out).  Anything but KC_OK ends the listing with that status. */
typedef kc_status kc_disk_visit(void *context, const char *name, bool is_directory);

struct kc_disk {
    void *state;
    /* Its handles are file descriptors, which the kernel can send from.  Said here, because the table's address proves nothing: each
     * module that the archive is linked into has a copy. */
    bool handles_are_descriptors;
    kc_status (*open)(void *state, const char *path, int flags, int *handle);
    void (*close)(void *state, int handle);
    /* Reads up to size bytes at position; *got < size only at the end of the file. */
    kc_status (*read)(void *state, int handle, void *buffer, size_t size, int64_t position, size_t *got);
    /* Writes all of it, or fails; after a failure the bytes from position on are undefined.  iov may be changed. */
    kc_status (*write)(void *state, int handle, struct iovec *iov, int count, int64_t position);
    kc_status (*truncate)(void *state, int handle, int64_t size);
    /* Reserves blocks without changing the size; KC_INVALID where the file system cannot. */
    kc_status (*allocate)(void *state, int handle, int64_t position, int64_t size);
    /* Starts writing these bytes to the medium and promises nothing; KC_INVALID where the system has no such call. */
    kc_status (*write_back)(void *state, int handle, int64_t position, int64_t size);
    kc_status (*sync)(void *state, int handle);
    kc_status (*size)(void *state, int handle, int64_t *size);
    kc_status (*rename)(void *state, const char *from, const char *to);
    kc_status (*unlink)(void *state, const char *path);
    kc_status (*make_directory)(void *state, const char *path);
    kc_status (*remove_directory)(void *state, const char *path);
    kc_status (*sync_directory)(void *state, const char *path);
    kc_status (*list)(void *state, const char *path, kc_disk_visit *visit, void *context);
    /* Both NULL where it cannot be told.  is_cold: reading these bytes would wait for the medium, as far as one can know; load: waits until
     * they are in memory, and starts on as many behind them.  Neither changes anything, so errors are left to who reads next. */
    bool (*is_cold)(void *state, int handle, int64_t position, size_t size);
    void (*load)(void *state, int handle, int64_t position, size_t size);
};

/* The machine's own disk.  The table is constant and lives for ever. */
const struct kc_disk *kc_disk_system(void);

#endif

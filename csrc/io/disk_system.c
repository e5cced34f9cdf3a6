/* disk_system.c: the machine's own disk, through plain system calls.
 *
 * Thread: any; there is no state.  EINTR and short transfers are finished here, so that callers see all or a status.
 * A sync means "the bytes and the size are on the medium": fdatasync() where it does that, F_FULLFSYNC on macOS, where
 * fsync() stops at the drive's cache. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE                    /* fallocate, pwritev, sync_file_range */
#endif

#include "io/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <sys/uio.h>
#endif
#include <unistd.h>

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

static kc_status last_error(void) { return kc_status_from_errno(errno); }

static kc_status system_open(void *state, const char *path, int flags, int *handle) {
    (void)state;
    int mode = flags & KC_OPEN_WRITE ? O_RDWR : O_RDONLY;
    if (flags & KC_OPEN_CREATE) mode |= O_CREAT;
    if (flags & KC_OPEN_EXCLUSIVE) mode |= O_EXCL;
    if (flags & KC_OPEN_TRUNCATE) mode |= O_TRUNC;
    int fd;
    do fd = open(path, mode | O_CLOEXEC, 0644);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) return last_error();
    *handle = fd;
    return KC_OK;
}

static void system_close(void *state, int handle) {
    (void)state;
    close(handle);                     /* the descriptor is gone whatever it answers; errors were seen by sync */
}

static kc_status system_read(void *state, int handle, void *buffer, size_t size, int64_t position, size_t *got) {
    (void)state;
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(handle, (uint8_t *)buffer + done, size - done, (off_t)(position + (int64_t)done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return last_error();
        if (n == 0) break;
        done += (size_t)n;
    }
    *got = done;
    return KC_OK;
}

static kc_status system_write(void *state, int handle, struct iovec *iov, int count, int64_t position) {
    (void)state;
    while (count > 0) {
        if (iov->iov_len == 0) {
            iov++;
            count--;
            continue;
        }
        ssize_t n = pwritev(handle, iov, count < IOV_MAX ? count : IOV_MAX, (off_t)position);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return last_error();
        if (n == 0) return KC_IO_ERROR;        /* no progress and no reason: looping would hang */
        position += n;
        for (size_t left = (size_t)n; left > 0;) {
            size_t step = left < iov->iov_len ? left : iov->iov_len;
            iov->iov_base = (uint8_t *)iov->iov_base + step;
            iov->iov_len -= step;
            left -= step;
            if (iov->iov_len == 0) {
                iov++;
                count--;
            }
        }
    }
    return KC_OK;
}

static kc_status system_truncate(void *state, int handle, int64_t size) {
    (void)state;
    int rc;
    do rc = ftruncate(handle, (off_t)size);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? last_error() : KC_OK;
}

static kc_status system_allocate(void *state, int handle, int64_t position, int64_t size) {
    (void)state;
#ifdef __linux__
    int rc;
    do rc = fallocate(handle, FALLOC_FL_KEEP_SIZE, (off_t)position, (off_t)size);
    while (rc < 0 && errno == EINTR);
    if (rc == 0) return KC_OK;
    return errno == EOPNOTSUPP || errno == ENOSYS ? KC_INVALID : last_error();
#else
    (void)handle, (void)position, (void)size;
    return KC_INVALID;
#endif
}

static kc_status system_write_back(void *state, int handle, int64_t position, int64_t size) {
    (void)state;
#ifdef __linux__
    return sync_file_range(handle, (off_t)position, (off_t)size, SYNC_FILE_RANGE_WRITE) < 0 ? last_error() : KC_OK;
#else
    (void)handle, (void)position, (void)size;
    return KC_INVALID;
#endif
}

static kc_status system_sync(void *state, int handle) {
    (void)state;
    int rc;
#ifdef __APPLE__
    rc = fcntl(handle, F_FULLFSYNC);
    if (rc < 0 && (errno == ENOTSUP || errno == EINVAL)) rc = fsync(handle);
#else
    do rc = fdatasync(handle);
    while (rc < 0 && errno == EINTR);
#endif
    return rc < 0 ? last_error() : KC_OK;
}

static kc_status system_size(void *state, int handle, int64_t *size) {
    (void)state;
    struct stat info;
    if (fstat(handle, &info) < 0) return last_error();
    *size = (int64_t)info.st_size;
    return KC_OK;
}

static kc_status system_rename(void *state, const char *from, const char *to) {
    (void)state;
    return rename(from, to) < 0 ? last_error() : KC_OK;
}

static kc_status system_unlink(void *state, const char *path) {
    (void)state;
    return unlink(path) < 0 ? last_error() : KC_OK;
}

static kc_status system_make_directory(void *state, const char *path) {
    (void)state;
    return mkdir(path, 0755) < 0 ? last_error() : KC_OK;
}

static kc_status system_remove_directory(void *state, const char *path) {
    (void)state;
    return rmdir(path) < 0 ? last_error() : KC_OK;
}

static kc_status system_sync_directory(void *state, const char *path) {
    (void)state;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0) return last_error();
    int rc;
    do rc = fsync(fd);
    while (rc < 0 && errno == EINTR);
    /* Some file systems cannot sync a directory and say EINVAL; there is nothing more to be had from them. */
    kc_status status = rc < 0 && errno != EINVAL ? last_error() : KC_OK;
    close(fd);
    return status;
}

static bool entry_is_directory(int directory, const struct dirent *entry) {
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK) return entry->d_type == DT_DIR;
    struct stat info;
    return fstatat(directory, entry->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode);
}

static kc_status system_list(void *state, const char *path, kc_disk_visit *visit, void *context) {
    (void)state;
    DIR *directory = opendir(path);
    if (!directory) return last_error();
    kc_status status = KC_OK;
    while (status == KC_OK) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (!entry) {
            if (errno != 0) status = last_error();
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        status = visit(context, entry->d_name, entry_is_directory(dirfd(directory), entry));
    }
    closedir(directory);
    return status;
}

#ifdef __linux__

#ifndef SYS_cachestat
#define SYS_cachestat 451              /* Linux 6.5, the same number everywhere but on alpha */
#endif

/* As the kernel has them; older headers do not. */
struct cache_range {
    uint64_t position, size;
};
struct cache_state {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

/* Would a read of one byte wait?  RWF_NOWAIT says so without waiting. */
static bool byte_is_cold(int handle, int64_t position) {
    uint8_t byte;
    struct iovec iov = {&byte, 1};
    return preadv2(handle, &iov, 1, (off_t)position, RWF_NOWAIT) < 0 && errno == EAGAIN;
}

static bool system_is_cold(void *state, int handle, int64_t position, size_t size) {
    (void)state;
    if (size == 0) return false;
    int64_t page = sysconf(_SC_PAGESIZE);
    struct cache_range range = {(uint64_t)position, size};
    struct cache_state found = {0};
    if (syscall(SYS_cachestat, handle, &range, &found, 0) == 0) {
        uint64_t pages = (uint64_t)((position + (int64_t)size - 1) / page - position / page + 1);
        return found.cached < pages;
    }
    return byte_is_cold(handle, position) || byte_is_cold(handle, position + (int64_t)size - 1);
}

static void system_load(void *state, int handle, int64_t position, size_t size) {
    uint8_t piece[64 << 10];
    (void)posix_fadvise(handle, (off_t)position, (off_t)(2 * size), POSIX_FADV_WILLNEED);
    for (size_t done = 0, got = 0; done < size; done += got) {
        size_t want = size - done < sizeof piece ? size - done : sizeof piece;
        if (system_read(state, handle, piece, want, position + (int64_t)done, &got) != KC_OK || got == 0) return;
    }
}

#else
#define system_is_cold NULL
#define system_load NULL
#endif

static const struct kc_disk system_disk = {
    .state = NULL,
    .handles_are_descriptors = true,
    .open = system_open,
    .close = system_close,
    .read = system_read,
    .write = system_write,
    .truncate = system_truncate,
    .allocate = system_allocate,
    .write_back = system_write_back,
    .sync = system_sync,
    .size = system_size,
    .rename = system_rename,
    .unlink = system_unlink,
    .make_directory = system_make_directory,
    .remove_directory = system_remove_directory,
    .sync_directory = system_sync_directory,
    .list = system_list,
    .is_cold = system_is_cold,
    .load = system_load,
};

const struct kc_disk *kc_disk_system(void) { return &system_disk; }

/* A disk that fails on demand, for a broker as it is: LD_PRELOAD puts this between the process and the C library.
 *
 * FAULT_TRIGGER names a file, which is read at each call; while it is there it says what fails and how:
 *     <calls> <errno> <directory>        calls: "write" (also creating a file), "sync", or "any"
 * Only descriptors of files below that directory are concerned. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int trigger(const char *call, const char *path) {
    const char *file = getenv("FAULT_TRIGGER");
    if (!file || !path) return 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY);
    if (fd < 0) return 0;
    char text[PATH_MAX + 64], calls[16], directory[PATH_MAX];
    long n = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    int error = 0;
    if (n <= 0) return 0;
    text[n] = 0;
    if (sscanf(text, "%15s %d %4095s", calls, &error, directory) != 3) return 0;
    if (strcmp(calls, "any") != 0 && strcmp(calls, call) != 0) return 0;
    return strncmp(path, directory, strlen(directory)) == 0 ? error : 0;
}

static int fails(const char *call, int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    int error = trigger(call, path);
    if (error) errno = error;
    return error;
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t at) { return fails("write", fd) ? -1 : REAL(pwritev)(fd, iov, count, at); }
ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t at) { return fails("write", fd) ? -1 : REAL(pwritev64)(fd, iov, count, at); }
ssize_t write(int fd, const void *data, size_t size) { return fails("write", fd) ? -1 : REAL(write)(fd, data, size); }
int fallocate(int fd, int mode, off_t at, off_t size) { return fails("write", fd) ? -1 : REAL(fallocate)(fd, mode, at, size); }
int fallocate64(int fd, int mode, off64_t at, off64_t size) { return fails("write", fd) ? -1 : REAL(fallocate64)(fd, mode, at, size); }
int fdatasync(int fd) { return fails("sync", fd) ? -1 : REAL(fdatasync)(fd); }
int fsync(int fd) { return fails("sync", fd) ? -1 : REAL(fsync)(fd); }

static int open_fails(const char *path, int flags) {
    if (!(flags & O_CREAT) || access(path, F_OK) == 0) return 0;
    int error = trigger("write", path);
    if (error) errno = error;
    return error;
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open_fails(path, flags) ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open_fails(path, flags) ? -1 : REAL(open64)(path, flags, mode);
}

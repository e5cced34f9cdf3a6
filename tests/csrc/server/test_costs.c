/* Goal: what a request costs in system calls and allocations stays what it is, whatever the machine's noise.
 * Method: the linker puts counters in front of the calls; only the reactor's thread is counted; steady state after a warm-up.
 *
 * link: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=epoll_wait,--wrap=epoll_ctl,--wrap=recv,--wrap=send,--wrap=sendmsg
 * link: -Wl,--wrap=sendfile,--wrap=pwrite,--wrap=pwritev,--wrap=pread,--wrap=preadv,--wrap=close
 * link: -Wl,--wrap=write,--wrap=read,--wrap=writev,--wrap=fallocate,--wrap=recvmsg,--wrap=epoll_pwait2,--wrap=epoll_pwait */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "harness.h"

/* The limits.  A rise needs a reason here. */
enum {
    PRODUCE_PIPELINED_CALLS = 300,      /* per 100 requests: recv, pwritev and sendmsg shared by what arrived together */
    PRODUCE_SINGLE_CALLS = 400,         /* one request at a time adds the epoll_wait between two of them */
    FETCH_PIPELINED_CALLS = 300,
    FETCH_SINGLE_CALLS = 400,           /* epoll_wait, recv, sendmsg, sendfile */
};

static __thread bool is_client;
static atomic_int allocations, calls;

static void count_allocation(void) { if (!is_client) atomic_fetch_add(&allocations, 1); }
static void count_call(void) { if (!is_client) atomic_fetch_add(&calls, 1); }

#define WRAP(counter, type, name, parameters, arguments) \
    type __real_##name parameters;                       \
    type __wrap_##name parameters;                       \
    type __wrap_##name parameters {                      \
        counter();                                       \
        return __real_##name arguments;                  \
    }
WRAP(count_allocation, void *, malloc, (size_t size), (size))
WRAP(count_allocation, void *, calloc, (size_t count, size_t size), (count, size))
WRAP(count_allocation, void *, realloc, (void *p, size_t size), (p, size))
WRAP(count_call, int, epoll_wait, (int fd, struct epoll_event *events, int max, int timeout), (fd, events, max, timeout))
WRAP(count_call, int, epoll_pwait, (int fd, struct epoll_event *events, int max, int timeout, const sigset_t *set), (fd, events, max, timeout, set))
WRAP(count_call, int, epoll_pwait2, (int fd, struct epoll_event *events, int max, const struct timespec *timeout, const sigset_t *set), (fd, events, max, timeout, set))
WRAP(count_call, int, epoll_ctl, (int fd, int op, int target, struct epoll_event *event), (fd, op, target, event))
WRAP(count_call, ssize_t, recv, (int fd, void *buffer, size_t size, int flags), (fd, buffer, size, flags))
WRAP(count_call, ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
WRAP(count_call, ssize_t, send, (int fd, const void *buffer, size_t size, int flags), (fd, buffer, size, flags))
WRAP(count_call, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WRAP(count_call, ssize_t, sendfile, (int out, int in, off_t *offset, size_t size), (out, in, offset, size))
WRAP(count_call, ssize_t, pwrite, (int fd, const void *buffer, size_t size, off_t at), (fd, buffer, size, at))
WRAP(count_call, ssize_t, pwritev, (int fd, const struct iovec *iov, int count, off_t at), (fd, iov, count, at))
WRAP(count_call, ssize_t, pread, (int fd, void *buffer, size_t size, off_t at), (fd, buffer, size, at))
WRAP(count_call, ssize_t, preadv, (int fd, const struct iovec *iov, int count, off_t at), (fd, iov, count, at))
WRAP(count_call, ssize_t, write, (int fd, const void *buffer, size_t size), (fd, buffer, size))
WRAP(count_call, ssize_t, read, (int fd, void *buffer, size_t size), (fd, buffer, size))
WRAP(count_call, ssize_t, writev, (int fd, const struct iovec *iov, int count), (fd, iov, count))
WRAP(count_call, int, fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
WRAP(count_call, int, close, (int fd), (fd))

enum { ROUNDS = 100, WINDOW = 4 };
static uint8_t batch_bytes[1 << 17], frames[1 << 19], answer[1 << 20];

static void expect_cost(const char *what, int requests, int limit_per_100) {
    int allocated = atomic_load(&allocations), called = atomic_load(&calls);
    printf("%s: %.2f system calls and %.2f allocations per request\n", what, (double)called / requests, (double)allocated / requests);
    EXPECT_EQ(allocated, 0);
    EXPECT(called * 100 <= limit_per_100 * requests);
    EXPECT(called >= requests / 2);                  /* the counters do count */
}

static void reset(void) {
    atomic_store(&allocations, 0);
    atomic_store(&calls, 0);
}

/* Waits until the reactor has gone back to sleep, so that its last epoll_wait belongs to the right measurement. */
static void settle(void) {
    for (int last = -1; last != atomic_load(&calls); usleep(2000)) last = atomic_load(&calls);
}

static void produce_rounds(int fd, struct kc_slice batch, int window, int rounds) {
    size_t size = 0;
    for (int i = 0; i < window; i++) size += produce_frame(frames + size, sizeof frames - size, i, 1, "t", 0, batch);
    for (int round = 0; round < rounds; round++) {
        client_send(fd, frames, size);
        for (int i = 0; i < window; i++) EXPECT_EQ(produce_answer(fd).error, 0);
    }
}

static void fetch_rounds(int fd, int64_t offset, int32_t max_bytes, int window, int rounds) {
    size_t size = 0;
    for (int i = 0; i < window; i++) size += fetch_frame(frames + size, sizeof frames - size, i, 0, 1, 0, offset, max_bytes);
    for (int round = 0; round < rounds; round++) {
        client_send(fd, frames, size);
        for (int i = 0; i < window; i++) EXPECT(fetch_answer(fd, answer, sizeof answer).records.size > 0);
    }
}

static void measure(int fd, const struct harness *h, struct kc_slice batch, const char *size) {
    char what[64];
    produce_rounds(fd, batch, WINDOW, 20);
    settle();
    reset();
    produce_rounds(fd, batch, WINDOW, ROUNDS);
    snprintf(what, sizeof what, "produce %s, %d in flight", size, WINDOW);
    expect_cost(what, ROUNDS * WINDOW, PRODUCE_PIPELINED_CALLS);
    settle();
    reset();
    produce_rounds(fd, batch, 1, ROUNDS);
    snprintf(what, sizeof what, "produce %s, one at a time", size);
    expect_cost(what, ROUNDS, PRODUCE_SINGLE_CALLS);

    int64_t tail = kc_log_end_offset(h->logs[0]) - 1;
    fetch_rounds(fd, tail, (int32_t)batch.size, WINDOW, 20);
    settle();
    reset();
    fetch_rounds(fd, tail, (int32_t)batch.size, WINDOW, ROUNDS);
    snprintf(what, sizeof what, "fetch %s, %d in flight", size, WINDOW);
    expect_cost(what, ROUNDS * WINDOW, FETCH_PIPELINED_CALLS);
    settle();
    reset();
    fetch_rounds(fd, tail, (int32_t)batch.size, 1, ROUNDS);
    snprintf(what, sizeof what, "fetch %s, one at a time", size);
    expect_cost(what, ROUNDS, FETCH_SINGLE_CALLS);
}

TEST(requests_cost_few_system_calls_and_no_allocation) {
    is_client = true;
    struct harness h;
    harness_start(&h, 1, 1);
    int fd = harness_connect(&h);
    /* The tails of the active indexes grow to a page of 512 entries, and one batch of this size has one. */
    produce_rounds(fd, make_batch(batch_bytes, sizeof batch_bytes, 16, 1024), WINDOW, 1100 / WINDOW);
    measure(fd, &h, make_batch(batch_bytes, sizeof batch_bytes, 1, 100), "100 B");
    measure(fd, &h, make_batch(batch_bytes, sizeof batch_bytes, 16, 1024), "16 KiB");
    close(fd);
    harness_stop(&h);
}

RUN_ALL()

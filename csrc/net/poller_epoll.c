#ifdef __linux__

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "net/poller.h"

enum { BATCH = 256 };

struct kc_poller {
    int fd;
    struct epoll_event events[BATCH];
};

kc_status kc_poller_create(struct kc_poller **out) {
    struct kc_poller *poller = malloc(sizeof *poller);
    if (!poller) return KC_NO_MEMORY;
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->fd < 0) {
        kc_status status = kc_status_from_errno(errno);
        free(poller);
        return status;
    }
    *out = poller;
    return KC_OK;
}

void kc_poller_destroy(struct kc_poller *poller) {
    close(poller->fd);
    free(poller);
}

static struct epoll_event to_epoll(uint64_t token, uint32_t interest) {
    struct epoll_event event = {.data.u64 = token};
    if (interest & KC_POLL_IN) event.events |= EPOLLIN;
    if (interest & KC_POLL_OUT) event.events |= EPOLLOUT;
    if (interest & KC_POLL_EDGE) event.events |= EPOLLET;
    return event;
}

kc_status kc_poller_add(struct kc_poller *poller, int fd, uint64_t token, uint32_t interest) {
    struct epoll_event event = to_epoll(token, interest);
    return epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) ? kc_status_from_errno(errno) : KC_OK;
}

kc_status kc_poller_change(struct kc_poller *poller, int fd, uint64_t token, uint32_t before, uint32_t interest) {
    (void)before;
    struct epoll_event event = to_epoll(token, interest);
    return epoll_ctl(poller->fd, EPOLL_CTL_MOD, fd, &event) ? kc_status_from_errno(errno) : KC_OK;
}

void kc_poller_remove(struct kc_poller *poller, int fd) { (void)epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd, &(struct epoll_event){0}); }

int kc_poller_wait(struct kc_poller *poller, struct kc_poll_event *events, int event_max, int64_t timeout_us) {
    int64_t timeout_ms = timeout_us < 0 ? -1 : timeout_us / 1000 + (timeout_us % 1000 != 0);
    if (timeout_ms > INT_MAX) timeout_ms = INT_MAX;
    int count = epoll_wait(poller->fd, poller->events, event_max < BATCH ? event_max : BATCH, (int)timeout_ms);
    KC_CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) {
        uint32_t got = poller->events[i].events;
        events[i].token = poller->events[i].data.u64;
        events[i].ready = (got & EPOLLIN ? KC_POLL_IN : 0u) | (got & EPOLLOUT ? KC_POLL_OUT : 0u) |
                          (got & (EPOLLERR | EPOLLHUP) ? KC_POLL_HUP : 0u);
    }
    return count < 0 ? 0 : count;
}

#else
typedef int kc_poller_epoll_is_not_here;
#endif

#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)

#include <sys/types.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/event.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/check.h"
#include "net/poller.h"

/* kqueue has one filter per direction, each reported by itself, and no report at all when neither is watched.  So a connection that
 * asks for nothing is not told of a reset; its next write is. */

enum { BATCH = 256 };

struct kc_poller {
    int fd;
    struct kevent events[BATCH];
};

kc_status kc_poller_create(struct kc_poller **out) {
    struct kc_poller *poller = malloc(sizeof *poller);
    if (!poller) return KC_NO_MEMORY;
    poller->fd = kqueue();
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

static kc_status apply(struct kc_poller *poller, int fd, uint64_t token, uint32_t before, uint32_t interest) {
    struct kevent changes[2];
    int count = 0;
    uint32_t changed = before ^ interest;
    for (int i = 0; i < 2; i++) {
        uint32_t direction = i == 0 ? KC_POLL_IN : KC_POLL_OUT;
        if (!(changed & direction)) continue;
        uint32_t action = interest & direction ? EV_ADD : EV_DELETE;
        if (interest & KC_POLL_EDGE) action |= EV_CLEAR;
        EV_SET(&changes[count], (uintptr_t)fd, i == 0 ? EVFILT_READ : EVFILT_WRITE, (uint16_t)action, 0, 0, (void *)(uintptr_t)token);
        count++;
    }
    if (count && kevent(poller->fd, changes, count, NULL, 0, NULL)) return kc_status_from_errno(errno);
    return KC_OK;
}

kc_status kc_poller_add(struct kc_poller *poller, int fd, uint64_t token, uint32_t interest) {
    return apply(poller, fd, token, 0, interest);
}

kc_status kc_poller_change(struct kc_poller *poller, int fd, uint64_t token, uint32_t before, uint32_t interest) {
    return apply(poller, fd, token, before, interest);
}

void kc_poller_remove(struct kc_poller *poller, int fd) {
    /* Closing the descriptor would do; one by one, because a filter that is not there ends the list of changes. */
    struct kevent change;
    EV_SET(&change, (uintptr_t)fd, EVFILT_READ, EV_DELETE, 0, 0, NULL);
    (void)kevent(poller->fd, &change, 1, NULL, 0, NULL);
    EV_SET(&change, (uintptr_t)fd, EVFILT_WRITE, EV_DELETE, 0, 0, NULL);
    (void)kevent(poller->fd, &change, 1, NULL, 0, NULL);
}

int kc_poller_wait(struct kc_poller *poller, struct kc_poll_event *events, int event_max, int64_t timeout_us) {
    struct timespec timeout = {.tv_sec = (time_t)(timeout_us / 1000000), .tv_nsec = (long)(timeout_us % 1000000) * 1000};
    int count = kevent(poller->fd, NULL, 0, poller->events, event_max < BATCH ? event_max : BATCH, timeout_us < 0 ? NULL : &timeout);
    KC_CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) {
        const struct kevent *got = &poller->events[i];
        events[i].token = (uint64_t)(uintptr_t)got->udata;
        events[i].ready = got->filter == EVFILT_READ ? KC_POLL_IN : KC_POLL_OUT;
        /* The end of input is read as such, after the bytes before it; the end of output is a hang-up. */
        if ((got->flags & EV_EOF) && got->filter == EVFILT_WRITE) events[i].ready |= KC_POLL_HUP;
    }
    return count < 0 ? 0 : count;
}

#else
typedef int kc_poller_kqueue_is_not_here;
#endif

#ifdef __linux__
#define _GNU_SOURCE     /* accept4 */
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/connection.h"
#include "net/loop.h"

/* Accepts in batches and deals connections out in turn.  When descriptors or memory run out the listener is not watched for a while:
 * the connections wait in the kernel's queue, and nothing spins on a readiness that cannot be used. */

enum { BATCH = 64, PAUSE_US = 100000, REPORT_EVERY_US = 1000000 };

struct kc_listener {
    struct kc_reactor *reactor;
    int fd;
    int32_t id;
    uint64_t token;
    struct kc_timer resume;     /* armed while paused */
    struct kc_reactor **targets;
    uint32_t target_count, next;
};

static int accept_one(int listen_fd) {
#ifdef __linux__
    return accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int fd = accept(listen_fd, NULL, NULL);
    if (fd < 0) return fd;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
#endif
}

static void report(struct kc_reactor *reactor, kc_status status) {
    if (reactor->accept_failed_us != INT64_MIN && reactor->now_us - reactor->accept_failed_us < REPORT_EVERY_US) return;
    reactor->accept_failed_us = reactor->now_us;
    if (reactor->protocol.accept_failed) reactor->protocol.accept_failed(reactor->protocol.state, status);
}

static void resume(struct kc_timer *timer) {
    struct kc_listener *listener = KC_CONTAINER_OF(timer, struct kc_listener, resume);
    (void)kc_poller_change(listener->reactor->poller, listener->fd, listener->token, 0, KC_POLL_IN);
}

static void pause_accepting(struct kc_listener *listener) {
    struct kc_reactor *reactor = listener->reactor;
    (void)kc_poller_change(reactor->poller, listener->fd, listener->token, KC_POLL_IN, 0);
    kc_timers_arm(&reactor->timers, &listener->resume, reactor->now_us + PAUSE_US);
}

/* To the next reactor that takes it. */
static void deal_out(struct kc_listener *listener, int fd) {
    kc_status status = KC_LIMIT;
    for (uint32_t tries = 0; tries < listener->target_count; tries++) {
        struct kc_reactor *target = listener->targets[listener->next];
        listener->next = (listener->next + 1) % listener->target_count;
        status = kc_reactor_adopt(target, fd, listener->id);
        if (status == KC_OK) return;
    }
    close(fd);
    report(listener->reactor, status);
}

static void accept_batch(struct kc_listener *listener) {
    for (int i = 0; i < BATCH; i++) {
        int fd = accept_one(listener->fd);
        if (fd >= 0) {
            deal_out(listener, fd);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            report(listener->reactor, kc_status_from_errno(errno));
            pause_accepting(listener);
            return;
        }
        /* Interrupted, or an error of the connection that was to be accepted (Linux reports those here): on to the next. */
    }
}

void kc_listener_ready(struct kc_reactor *reactor, uint64_t token) {
    uint64_t index = token & ~KC_TOKEN_LISTENER;
    struct kc_listener *listener = index < KC_LISTENERS_MAX ? reactor->listeners[index] : NULL;
    if (listener && listener->resume.heap_index == 0) accept_batch(listener);
}

static kc_status add(struct kc_reactor *reactor, void *argument) {
    struct kc_listener *listener = argument;
    for (uint32_t i = 0; i < KC_LISTENERS_MAX; i++) {
        if (reactor->listeners[i]) continue;
        listener->token = KC_TOKEN_LISTENER | i;
        kc_status status = kc_poller_add(reactor->poller, listener->fd, listener->token, KC_POLL_IN);
        if (status == KC_OK) reactor->listeners[i] = listener;
        return status;
    }
    return KC_LIMIT;
}

kc_status kc_reactor_listen(struct kc_reactor *reactor, int listen_fd, int32_t listener_id, struct kc_reactor **reactors, uint32_t count) {
    if (count == 0) return KC_INVALID;
    int flags = fcntl(listen_fd, F_GETFL);
    if (flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK)) return kc_status_from_errno(errno);
    struct kc_listener *listener = calloc(1, sizeof *listener);
    struct kc_reactor **targets = calloc(count, sizeof(*targets));
    kc_status status = KC_NO_MEMORY;
    if (listener && targets) {
        for (uint32_t i = 0; i < count; i++) targets[i] = reactors[i];
        *listener = (struct kc_listener){.reactor = reactor, .fd = listen_fd, .id = listener_id, .targets = targets,
                                         .target_count = count, .resume.expired = resume};
        status = kc_reactor_call(reactor, add, listener);
    }
    if (status != KC_OK) {
        free(targets);
        free(listener);
    }
    return status;
}

void kc_listeners_close(struct kc_reactor *reactor) {
    for (uint32_t i = 0; i < KC_LISTENERS_MAX; i++) {
        struct kc_listener *listener = reactor->listeners[i];
        if (!listener) continue;
        reactor->listeners[i] = NULL;
        kc_timers_cancel(&reactor->timers, &listener->resume);
        kc_poller_remove(reactor->poller, listener->fd);
        close(listener->fd);
        free(listener->targets);
        free(listener);
    }
}

static kc_status close_all(struct kc_reactor *reactor, void *argument) {
    (void)argument;
    kc_listeners_close(reactor);
    return KC_OK;
}

void kc_reactor_stop_listening(struct kc_reactor *reactor) { (void)kc_reactor_call(reactor, close_all, NULL); }

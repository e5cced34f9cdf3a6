#include "client/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/check.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0      /* SO_NOSIGPIPE is set instead */
#endif

static kc_status wait_connected(int fd, int timeout_ms) {
    struct pollfd waited = {.fd = fd, .events = POLLOUT};
    int ready;
    do ready = poll(&waited, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    if (ready == 0) return KC_AGAIN;
    int error = 0;
    socklen_t size = sizeof error;
    if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return KC_CLOSED;
    return KC_OK;
}

static kc_status connect_to(const struct addrinfo *address, int timeout_ms, int *out) {
    int fd = socket(address->ai_family, SOCK_STREAM, 0);
    if (fd < 0) return kc_status_from_errno(errno);
    int one = 1;
    kc_status status = KC_CLOSED;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) {
        if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) status = KC_OK;
        else if (errno == EINPROGRESS || errno == EINTR) status = wait_connected(fd, timeout_ms);
    }
    if (status != KC_OK) {
        close(fd);
        return status;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
#ifdef SO_NOSIGPIPE
    (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
#endif
    *out = fd;
    return KC_OK;
}

kc_status kc_link_connect(struct kc_link *link, const char *host, int port, int timeout_ms) {
    *link = (struct kc_link){.fd = -1};
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(host, service, &hints, &found) != 0) return KC_NOT_FOUND;
    kc_status status = KC_NOT_FOUND;
    for (const struct addrinfo *each = found; each && status != KC_OK; each = each->ai_next)
        status = connect_to(each, timeout_ms, &link->fd);
    freeaddrinfo(found);
    return status;
}

void kc_link_close(struct kc_link *link) {
    if (link->fd >= 0) close(link->fd);
    free(link->out);
    free(link->in);
    *link = (struct kc_link){.fd = -1};
}

/* Makes room for size bytes behind *end: what was dealt with makes way, then the memory grows. */
static kc_status reserve(uint8_t **data, size_t *begin, size_t *end, size_t *capacity, size_t size) {
    if (*begin == *end) *begin = *end = 0;
    if (*capacity - *end >= size) return KC_OK;
    if (*begin > 0) {
        memmove(*data, *data + *begin, *end - *begin);
        *end -= *begin;
        *begin = 0;
        if (*capacity - *end >= size) return KC_OK;
    }
    size_t larger = *capacity * 2 > *end + size ? *capacity * 2 : *end + size;
    uint8_t *moved = realloc(*data, larger);
    if (!moved) return KC_NO_MEMORY;
    *data = moved;
    *capacity = larger;
    return KC_OK;
}

kc_status kc_link_begin(struct kc_link *link, size_t size_max, struct kc_writer *w) {
    kc_status status = reserve(&link->out, &link->out_begin, &link->out_end, &link->out_capacity, size_max + 4);
    if (status != KC_OK) return status;
    kc_writer_init(w, link->out + link->out_end, size_max + 4);
    kc_write_i32(w, 0);
    return KC_OK;
}

void kc_link_end(struct kc_link *link, const struct kc_writer *w) {
    KC_CHECK(!w->overflow);
    kc_store_i32(w->data, (int32_t)(w->used - 4));
    link->out_end += w->used;
}

kc_status kc_link_flush(struct kc_link *link) {
    while (kc_link_has_output(link)) {
        ssize_t n = send(link->fd, link->out + link->out_begin, link->out_end - link->out_begin, MSG_NOSIGNAL);
        if (n >= 0) link->out_begin += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK) return KC_AGAIN;
        else if (errno != EINTR) return KC_CLOSED;
    }
    return KC_OK;
}

kc_status kc_link_receive(struct kc_link *link) {
    kc_status status = reserve(&link->in, &link->in_begin, &link->in_end, &link->in_capacity, KC_LINK_RECEIVE_SIZE);
    if (status != KC_OK) return status;
    for (;;) {
        ssize_t n = recv(link->fd, link->in + link->in_end, link->in_capacity - link->in_end, 0);
        if (n > 0) {
            link->in_end += (size_t)n;
            return KC_OK;
        }
        if (n == 0) return KC_CLOSED;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return KC_AGAIN;
        if (errno != EINTR) return KC_CLOSED;
    }
}

kc_status kc_link_next(struct kc_link *link, struct kc_slice *frame) {
    size_t there = link->in_end - link->in_begin;
    if (there < 4) return KC_AGAIN;
    int32_t size = kc_load_i32(link->in + link->in_begin);
    if (size < 4 || size > KC_LINK_FRAME_SIZE_MAX) return KC_CORRUPT;
    if (there - 4 < (size_t)size) return KC_AGAIN;
    *frame = kc_slice_make(link->in + link->in_begin + 4, (size_t)size);
    link->in_begin += 4 + (size_t)size;
    return KC_OK;
}

#include "net/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/sendfile.h>
#endif

#include "net/poller.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0      /* SO_NOSIGPIPE is set instead */
#endif
#ifndef MSG_MORE
#define MSG_MORE 0
#endif

static kc_status receive(struct kc_transport *transport, void *buffer, size_t size, size_t *got) {
    ssize_t n;
    do n = recv(transport->fd, buffer, size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        *got = (size_t)n;
        return KC_OK;
    }
    if (n == 0) return KC_END;
    return errno == EAGAIN || errno == EWOULDBLOCK ? KC_AGAIN : KC_CLOSED;
}

static kc_status send_memory(struct kc_transport *transport, struct iovec *iov, int count, bool more, size_t *sent) {
    struct msghdr message = {.msg_iov = iov};
    message.msg_iovlen = (__typeof__(message.msg_iovlen))count;
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    ssize_t n;
    /* One piece, which most answers are, need not be described to the kernel in memory of its own. */
    do n = count == 1 ? send(transport->fd, iov->iov_base, iov->iov_len, flags) : sendmsg(transport->fd, &message, flags);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *sent = (size_t)n;
        return KC_OK;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? KC_AGAIN : KC_CLOSED;
}

/* What a failed sendfile is about: the peer, or the file. */
static kc_status file_failure(int error) {
    switch (error) {
    case EAGAIN: return KC_AGAIN;
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
#ifdef ENOTSOCK
    case ENOTSOCK:
#endif
        return KC_INVALID;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
    case ETIMEDOUT:
    case ECONNABORTED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN: return KC_CLOSED;
    default: return KC_IO_ERROR;
    }
}

#ifdef __linux__
static kc_status send_file(struct kc_transport *transport, int handle, int64_t position, size_t size, size_t *sent) {
    off_t offset = position;
    ssize_t n;
    do n = sendfile(transport->fd, handle, &offset, size);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        *sent = (size_t)n;
        return KC_OK;
    }
    return n == 0 ? KC_OUT_OF_RANGE : file_failure(errno);
}
#elif defined(__APPLE__)
static kc_status send_file(struct kc_transport *transport, int handle, int64_t position, size_t size, size_t *sent) {
    off_t length = (off_t)size;
    int result = sendfile(handle, transport->fd, position, &length, NULL, 0);
    int error = errno;
    /* Interrupted or blocked in the middle: what went out is counted all the same. */
    if (length > 0) {
        *sent = (size_t)length;
        return KC_OK;
    }
    if (result == 0) return KC_OUT_OF_RANGE;
    return error == EINTR ? KC_AGAIN : file_failure(error);
}
#else
#define send_file NULL
#endif

static void close_plain(struct kc_transport *transport) {
    (void)shutdown(transport->fd, SHUT_WR);
    close(transport->fd);
    transport->fd = -1;
}

static const struct kc_transport_ops plain = {
    .receive = receive,
    .send = send_memory,
    .send_file = send_file,
    .pending = NULL,
    .close = close_plain,
};

void kc_transport_plain(struct kc_transport *transport, int fd) {
    *transport = (struct kc_transport){.ops = &plain, .fd = fd, .receive_wants = KC_POLL_IN, .send_wants = KC_POLL_OUT};
#ifdef SO_NOSIGPIPE
    int one = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
#endif
}

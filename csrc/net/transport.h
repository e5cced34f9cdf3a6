/* transport.h: how bytes get into and out of a socket.  The only place that may call recv, send, sendmsg and sendfile.
 *
 * Plain TCP is one table of functions; TLS is another.  A transport may need the socket to become writable before it can receive, or
 * readable before it can send, and may hold bytes that the socket will not announce again; the fields say so.
 *
 * Thread: the connection's reactor.  Statuses: KC_AGAIN the socket has nothing or takes nothing now; KC_END the peer has ended its
 * stream in order; KC_CLOSED the connection is broken.  EINTR is never seen, and SIGPIPE never raised as long as the thread has
 * it blocked (sendfile has no flag against it). */
#ifndef KC_NET_TRANSPORT_H
#define KC_NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/status.h"

struct kc_transport;

struct kc_transport_ops {
    /* One call, up to `size` (> 0) bytes. */
    kc_status (*receive)(struct kc_transport *transport, void *buffer, size_t size, size_t *got);
    /* One call; *sent may be short.  more: further bytes follow at once. */
    kc_status (*send)(struct kc_transport *transport, struct iovec *iov, int count, bool more, size_t *sent);
    /* One call; *sent may be short.  KC_OUT_OF_RANGE: the file ends at `position`.  KC_IO_ERROR: the file could not be read.
     * KC_INVALID: not from this handle; read and send it.  NULL: never. */
    kc_status (*send_file)(struct kc_transport *transport, int handle, int64_t position, size_t size, size_t *sent);
    /* Received bytes wait inside the transport.  NULL: never. */
    bool (*pending)(const struct kc_transport *transport);
    /* Ends our side of the stream, closes the socket and frees what the transport holds. */
    void (*close)(struct kc_transport *transport);
};

struct kc_transport {
    const struct kc_transport_ops *ops;
    void *state;
    int fd;
    uint32_t receive_wants;     /* KC_POLL_IN or KC_POLL_OUT: what to wait for before the next receive */
    uint32_t send_wants;
};

void kc_transport_plain(struct kc_transport *transport, int fd);

#endif

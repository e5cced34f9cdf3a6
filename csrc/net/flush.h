/* flush.h: sends a chain, as far as the socket and the budget allow, and leaves the rest.
 *
 * Memory and small file slices that follow each other leave in one call; small slices are read into scratch memory first, because one
 * call with the header costs less than two.  A large slice goes from the page cache to the socket in steps.  The file is pinned for
 * one call at a time.
 *
 * Thread: the connection's reactor.  Model: nginx's ngx_linux_sendfile_chain, where AGAIN, a short write and a file that has become
 * shorter are three different cases. */
#ifndef KC_NET_FLUSH_H
#define KC_NET_FLUSH_H

#include <stddef.h>
#include <stdint.h>

#include "net/chain.h"
#include "net/transport.h"

enum kc_flush_result {
    KC_FLUSH_DONE,        /* the chain is empty */
    KC_FLUSH_BUDGET,      /* the socket may take more; it is the turn of others */
    KC_FLUSH_BLOCKED,     /* wait until transport->send_wants */
    KC_FLUSH_PEER,        /* the connection is broken */
    KC_FLUSH_FILE,        /* a slice could not be read whole: the answer cannot be finished */
    KC_FLUSH_COLD,        /* the slice at the head is not in memory: somebody who may wait has to load it */
};

struct kc_flush_limits {
    size_t budget;              /* about how many bytes to send at most */
    size_t sendfile_step;
    size_t copy_max;            /* slices up to here are read and sent from memory */
    size_t warm;                /* so many bytes of the chain are not asked whether they are cold; SIZE_MAX: none is */
    uint8_t *scratch;
    size_t scratch_size;        /* at least copy_max */
};

enum kc_flush_result kc_flush(struct kc_chain *chain, struct kc_transport *transport, const struct kc_flush_limits *limits);

#endif

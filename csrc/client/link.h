/* link.h: one connection of a load generator to a broker: frames out, frames in.
 *
 *     kc_link_connect(&link, "localhost", 9092, 10000);
 *     kc_link_begin(&link, size_max, &w);  ...write a request...  kc_link_end(&link, &w);
 *     kc_link_flush(&link);                       as far as the kernel takes it
 *     kc_link_receive(&link);                     as much as the kernel has
 *     while (kc_link_next(&link, &frame) == KC_OK) ...
 *
 * Every call but kc_link_connect returns at once.  What is read stays until the next kc_link_receive.  Memory grows with the
 * bytes that arrive, never with a length that was declared, and up to KC_LINK_FRAME_SIZE_MAX.
 * Thread: the owner's.  Source of the framing: kafka.apache.org/protocol. */
#ifndef KC_CLIENT_LINK_H
#define KC_CLIENT_LINK_H

#include "base/bytes.h"
#include "base/status.h"
#include "wire/writer.h"

enum {
    KC_LINK_FRAME_SIZE_MAX = 128 * 1024 * 1024,
    KC_LINK_RECEIVE_SIZE = 256 * 1024,
};

struct kc_link {
    int fd;                                   /* -1: not connected */
    uint8_t *out;
    size_t out_begin, out_end, out_capacity;  /* bytes not yet sent */
    uint8_t *in;
    size_t in_begin, in_end, in_capacity;     /* bytes not yet taken */
};

/* Resolves and connects, waiting no longer than this for each address.  KC_NOT_FOUND: no such host; KC_CLOSED: nobody there;
 * KC_AGAIN: no answer in time.  On failure the link is as after kc_link_close. */
kc_status kc_link_connect(struct kc_link *link, const char *host, int port, int timeout_ms);

/* Closes and frees; harmless on one that was never connected, if its bytes were zero and fd was -1. */
void kc_link_close(struct kc_link *link);

/* Room for a request of at most size_max bytes behind its length field, through *w, until kc_link_end.  KC_NO_MEMORY. */
kc_status kc_link_begin(struct kc_link *link, size_t size_max, struct kc_writer *w);
void kc_link_end(struct kc_link *link, const struct kc_writer *w);

static inline bool kc_link_has_output(const struct kc_link *link) { return link->out_end > link->out_begin; }

/* KC_OK: all was sent; KC_AGAIN: the kernel takes no more now; KC_CLOSED. */
kc_status kc_link_flush(struct kc_link *link);

/* KC_OK: something was read; KC_AGAIN: there is nothing; KC_CLOSED; KC_NO_MEMORY. */
kc_status kc_link_receive(struct kc_link *link);

/* The next whole frame without its length.  KC_AGAIN: not there yet; KC_CORRUPT: a length that cannot be. */
kc_status kc_link_next(struct kc_link *link, struct kc_slice *frame);

#endif

/* poller.h: which of many descriptors can be read or written.  epoll on Linux, kqueue on macOS and the BSDs.
 *
 * Level-triggered, so that a connection may leave bytes in the socket and be told again.  A token comes back with each event; it
 * should carry a generation, because an event may still be on its way when its descriptor has been closed.
 *
 * Thread: the reactor's; add and remove may be called from others while one thread waits. */
#ifndef KC_NET_POLLER_H
#define KC_NET_POLLER_H

#include <stdint.h>

#include "base/status.h"

struct kc_poller;

enum {
    KC_POLL_IN = 1,
    KC_POLL_OUT = 2,
    KC_POLL_HUP = 4,     /* only reported: reset, or closed in both directions; reported whether asked for or not */
    KC_POLL_EDGE = 8,    /* only asked for, with add: told once per change */
};

struct kc_poll_event {
    uint64_t token;
    uint32_t ready;
};

kc_status kc_poller_create(struct kc_poller **out);
void kc_poller_destroy(struct kc_poller *poller);
kc_status kc_poller_add(struct kc_poller *poller, int fd, uint64_t token, uint32_t interest);
/* `before` is what was asked for last. */
kc_status kc_poller_change(struct kc_poller *poller, int fd, uint64_t token, uint32_t before, uint32_t interest);
void kc_poller_remove(struct kc_poller *poller, int fd);
/* Waits up to timeout_us (< 0: for ever; rounded up to what the kernel can), returns how many events were stored: 0 on a time-out
 * or a signal. */
int kc_poller_wait(struct kc_poller *poller, struct kc_poll_event *events, int event_max, int64_t timeout_us);

#endif

/* timer.h: deadlines in a binary heap of intrusive entries.
 *
 * A timer knows its place in the heap (from 1; 0: not armed), so that moving and cancelling it need no search.
 *
 * Thread: the reactor's.  The heap is grown ahead of need by kc_timers_reserve, so that arming never fails. */
#ifndef KC_NET_TIMER_H
#define KC_NET_TIMER_H

#include <stdint.h>

#include "base/status.h"
#include "net/reactor.h"

struct kc_timers {
    struct kc_timer **heap;     /* heap[1] is due first */
    uint32_t count, capacity;
};

void kc_timers_init(struct kc_timers *timers);
void kc_timers_destroy(struct kc_timers *timers);
/* Room for `count` armed timers. */
kc_status kc_timers_reserve(struct kc_timers *timers, uint32_t count);

/* Arms, or moves an armed one. */
void kc_timers_arm(struct kc_timers *timers, struct kc_timer *timer, int64_t deadline_us);
void kc_timers_cancel(struct kc_timers *timers, struct kc_timer *timer);
/* The earliest, or NULL; it stays armed. */
struct kc_timer *kc_timers_first(const struct kc_timers *timers);

#endif

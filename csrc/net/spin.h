/* spin.h: whether a reactor should look for events a little longer before it sleeps.
 *
 * A thread that sleeps and is woken by another processor comes back some 25 microseconds later, and that is most of a round trip on
 * one machine.  Where the last waits were short the next one probably is, and asking the poller again and again for as long as a
 * wake-up takes costs no more than the sleep would.  Where they were long, or a spin has found nothing, there is none: an idle broker,
 * or one whose clients are far away, never spins.
 *
 * Pure: no clock, no thread.  One of these belongs to one reactor. */
#ifndef KC_NET_SPIN_H
#define KC_NET_SPIN_H

#include <stdbool.h>
#include <stdint.h>

struct kc_spin {
    int64_t limit_us;       /* of one spin; 0: none ever */
    int32_t short_waits;    /* how many came one after the other, up to what is asked for */
};

enum { KC_SPIN_SHORT_WAITS = 8 };       /* so many before the first spin: what spins find nothing cost a ninth of what they save */

static inline void kc_spin_init(struct kc_spin *spin, int64_t limit_us) { *spin = (struct kc_spin){.limit_us = limit_us}; }

static inline bool kc_spin_wanted(const struct kc_spin *spin) { return spin->limit_us > 0 && spin->short_waits >= KC_SPIN_SHORT_WAITS; }

/* A spin has come to its limit. */
static inline void kc_spin_failed(struct kc_spin *spin) { spin->short_waits = 0; }

/* The thread slept so long, wake-up included, until something came. */
static inline void kc_spin_slept(struct kc_spin *spin, int64_t slept_us) {
    if (slept_us > 2 * spin->limit_us) spin->short_waits = 0;
    else if (spin->short_waits < KC_SPIN_SHORT_WAITS) spin->short_waits++;
}

#endif

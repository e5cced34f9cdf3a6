/* clock.h: time as an argument.
 *
 * Nothing in csrc asks the system for the time by itself; it is handed a kc_clock, so that a test can own time and a
 * simulator can run many brokers on one clock.  Time-outs use the monotonic clock only: the wall clock may jump. */
#ifndef KC_BASE_CLOCK_H
#define KC_BASE_CLOCK_H

#include <stdint.h>

struct kc_clock {
    int64_t (*wall_ms)(void *state);        /* milliseconds since the epoch: record timestamps */
    int64_t (*monotonic_us)(void *state);   /* microseconds since some fixed moment: deadlines */
    void *state;
};

static inline int64_t kc_clock_wall_ms(const struct kc_clock *clock) { return clock->wall_ms(clock->state); }
static inline int64_t kc_clock_monotonic_us(const struct kc_clock *clock) { return clock->monotonic_us(clock->state); }

/* The machine's clocks. */
struct kc_clock kc_clock_system(void);

#endif

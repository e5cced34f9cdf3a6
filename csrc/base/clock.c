#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t system_wall_ms(void *state) {
    (void)state;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t system_monotonic_us(void *state) {
    (void)state;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct kc_clock kc_clock_system(void) {
    return (struct kc_clock){system_wall_ms, system_monotonic_us, NULL};
}

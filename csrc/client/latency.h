/* latency.h: how long things took, in whole milliseconds as Kafka's tools count them, with exact percentiles.
 *
 * A histogram with one counter for each millisecond up to KC_LATENCY_MS_MAX; what took longer counts there.
 * Thread: the owner's. */
#ifndef KC_CLIENT_LATENCY_H
#define KC_CLIENT_LATENCY_H

#include <stdint.h>

enum { KC_LATENCY_MS_MAX = 120 * 1000 };

struct kc_latency {
    int64_t count, bytes, total_ms, max_ms;
    uint32_t by_ms[KC_LATENCY_MS_MAX + 1];
};

static inline void kc_latency_add(struct kc_latency *l, int64_t ms, int64_t bytes) {
    if (ms < 0) ms = 0;
    l->count++;
    l->bytes += bytes;
    l->total_ms += ms;
    if (ms > l->max_ms) l->max_ms = ms;
    l->by_ms[ms < KC_LATENCY_MS_MAX ? ms : KC_LATENCY_MS_MAX]++;
}

/* The latency below which this part of all lies: the one at index part * count of the sorted list, as Kafka takes it. */
int64_t kc_latency_percentile(const struct kc_latency *l, double part);

#endif

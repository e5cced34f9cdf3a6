#include "client/latency.h"

int64_t kc_latency_percentile(const struct kc_latency *l, double part) {
    int64_t index = (int64_t)(part * (double)l->count), seen = 0;
    if (index >= l->count) index = l->count - 1;
    for (int64_t ms = 0; ms <= KC_LATENCY_MS_MAX; ms++) {
        seen += l->by_ms[ms];
        if (seen > index) return ms;
    }
    return 0;
}

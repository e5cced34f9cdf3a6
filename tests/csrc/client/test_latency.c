/* Percentiles are those of the sorted list, and what is out of the histogram's range still counts. */
#include "../check.h"
#include "client/latency.h"

TEST(percentiles_are_those_of_the_sorted_list) {
    struct kc_latency *l = calloc(1, sizeof *l);
    for (int i = 0; i < 1000; i++) kc_latency_add(l, (i * 7) % 1000, 10);
    EXPECT_EQ(l->count, 1000);
    EXPECT_EQ(l->bytes, 10000);
    EXPECT_EQ(l->max_ms, 999);
    EXPECT_EQ(l->total_ms, 999 * 500);
    EXPECT_EQ(kc_latency_percentile(l, 0.5), 500);
    EXPECT_EQ(kc_latency_percentile(l, 0.99), 990);
    EXPECT_EQ(kc_latency_percentile(l, 0.999), 999);
    EXPECT_EQ(kc_latency_percentile(l, 1.0), 999);
    free(l);
}

TEST(nothing_and_too_much_are_no_harm) {
    struct kc_latency *l = calloc(1, sizeof *l);
    EXPECT_EQ(kc_latency_percentile(l, 0.5), 0);
    kc_latency_add(l, INT64_MAX / 2, 1);
    kc_latency_add(l, -5, 1);
    EXPECT_EQ(kc_latency_percentile(l, 0.0), 0);
    EXPECT_EQ(kc_latency_percentile(l, 0.9), KC_LATENCY_MS_MAX);
    EXPECT_EQ(l->max_ms, INT64_MAX / 2);
    free(l);
}

RUN_ALL()

/* The timer heap against a plain sorted search, with random arming, moving and cancelling. */
#include "../check.h"
#include "net/timer.h"

enum { COUNT = 300 };

static struct kc_timer *earliest(struct kc_timer *all) {
    struct kc_timer *first = NULL;
    for (int i = 0; i < COUNT; i++)
        if (all[i].heap_index && (!first || all[i].deadline_us < first->deadline_us)) first = &all[i];
    return first;
}

TEST(the_first_timer_is_always_the_earliest) {
    struct kc_timers timers;
    struct kc_timer all[COUNT] = {{0}};
    uint32_t armed = 0;
    kc_timers_init(&timers);
    EXPECT(!kc_timers_first(&timers));
    for (int step = 0; step < 20000; step++) {
        struct kc_timer *timer = &all[kc_test_random_below(COUNT)];
        if (kc_test_random_below(3)) {
            armed += timer->heap_index == 0;
            int64_t deadline = (int64_t)kc_test_random_below(500);
            kc_timers_arm(&timers, timer, deadline);
            EXPECT_EQ(timer->deadline_us, deadline);
        } else {
            armed -= timer->heap_index != 0;
            kc_timers_cancel(&timers, timer);
            EXPECT_EQ(timer->heap_index, 0);
        }
        EXPECT_EQ(timers.count, armed);
        struct kc_timer *first = kc_timers_first(&timers), *expected = earliest(all);
        EXPECT_EQ(!first, !expected);
        if (first) EXPECT_EQ(first->deadline_us, expected->deadline_us);
    }
    int64_t last = -1;
    for (struct kc_timer *timer; (timer = kc_timers_first(&timers));) {
        EXPECT(timer->deadline_us >= last);
        last = timer->deadline_us;
        kc_timers_cancel(&timers, timer);
    }
    kc_timers_destroy(&timers);
}

TEST(cancelling_twice_is_harmless_and_destroy_disarms) {
    struct kc_timers timers;
    struct kc_timer a = {0}, b = {0};
    kc_timers_init(&timers);
    kc_timers_arm(&timers, &a, 5);
    kc_timers_arm(&timers, &b, 3);
    kc_timers_cancel(&timers, &a);
    kc_timers_cancel(&timers, &a);
    EXPECT(kc_timers_first(&timers) == &b);
    kc_timers_destroy(&timers);
    EXPECT_EQ(b.heap_index, 0);
}

RUN_ALL()

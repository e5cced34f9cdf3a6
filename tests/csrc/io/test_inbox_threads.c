/* Many putters, one owner that sleeps on the descriptor: nothing is lost, each putter's order is kept, an awake owner is not woken. */
#include <poll.h>
#include <pthread.h>

#include "../check.h"
#include "base/check.h"
#include "io/inbox.h"

enum { PUTTERS = 4, EACH = 20000 };

struct thing {
    struct kc_inbox_node node;
    int putter, number;
};

static bool readable(const struct kc_inbox *inbox, int timeout_ms) {
    struct pollfd p = {.fd = kc_inbox_descriptor(inbox), .events = POLLIN};
    return poll(&p, 1, timeout_ms) > 0;
}

static struct thing *thing_of(struct kc_inbox_node *node) { return KC_CONTAINER_OF(node, struct thing, node); }

TEST(things_come_out_in_the_order_in_which_they_went_in) {
    struct kc_inbox inbox;
    struct thing things[10];
    EXPECT_EQ(kc_inbox_init(&inbox), KC_OK);
    EXPECT(!kc_inbox_take(&inbox));
    for (int i = 0; i < 10; i++) {
        things[i].number = i;
        EXPECT(kc_inbox_put(&inbox, &things[i].node));
    }
    int expected = 0;
    for (struct kc_inbox_node *node = kc_inbox_take(&inbox); node; node = node->next) EXPECT_EQ(thing_of(node)->number, expected++);
    EXPECT_EQ(expected, 10);
    EXPECT(!kc_inbox_take(&inbox));
    kc_inbox_destroy(&inbox);
}

TEST(those_that_are_put_together_come_out_in_order_for_one_wake_up) {
    struct kc_inbox inbox;
    struct thing first = {.number = 0}, all[3];
    EXPECT_EQ(kc_inbox_init(&inbox), KC_OK);
    EXPECT(kc_inbox_put(&inbox, &first.node));
    for (int i = 0; i < 3; i++) {
        all[i].number = i + 1;
        all[i].node.next = i ? &all[i - 1].node : NULL;
    }
    EXPECT(kc_inbox_put_all(&inbox, &all[2].node, &all[0].node));
    int expected = 0;
    for (struct kc_inbox_node *node = kc_inbox_take(&inbox); node; node = node->next) EXPECT_EQ(thing_of(node)->number, expected++);
    EXPECT_EQ(expected, 4);
    EXPECT(kc_inbox_sleep(&inbox));
    for (int i = 1; i < 3; i++) all[i].node.next = &all[i - 1].node;
    EXPECT(kc_inbox_put_all(&inbox, &all[2].node, &all[0].node));
    EXPECT(readable(&inbox, 1000));
    kc_inbox_clear(&inbox);
    EXPECT(kc_inbox_take(&inbox) == &all[0].node);
    EXPECT(!kc_inbox_close(&inbox));
    EXPECT(!kc_inbox_put_all(&inbox, &all[2].node, &all[0].node));
    kc_inbox_destroy(&inbox);
}

TEST(only_a_sleeping_owner_is_woken) {
    struct kc_inbox inbox;
    struct thing a, b, c;
    EXPECT_EQ(kc_inbox_init(&inbox), KC_OK);
    EXPECT(kc_inbox_put(&inbox, &a.node));
    EXPECT(!readable(&inbox, 0));
    EXPECT(!kc_inbox_sleep(&inbox));        /* there is something to take */
    EXPECT(kc_inbox_take(&inbox) == &a.node);
    EXPECT(kc_inbox_sleep(&inbox));
    EXPECT(kc_inbox_sleep(&inbox));
    EXPECT(!readable(&inbox, 0));
    EXPECT(kc_inbox_put(&inbox, &b.node));
    EXPECT(readable(&inbox, 1000));
    kc_inbox_clear(&inbox);
    EXPECT(kc_inbox_put(&inbox, &c.node));
    EXPECT(!readable(&inbox, 0));           /* one wake-up per sleep */
    EXPECT(kc_inbox_take(&inbox) == &b.node && b.node.next == &c.node && !c.node.next);
    kc_inbox_destroy(&inbox);
}

TEST(a_closed_inbox_returns_what_was_left_and_refuses_the_rest) {
    struct kc_inbox inbox;
    struct thing a, b;
    EXPECT_EQ(kc_inbox_init(&inbox), KC_OK);
    EXPECT(kc_inbox_put(&inbox, &a.node));
    EXPECT(kc_inbox_close(&inbox) == &a.node && !a.node.next);
    EXPECT(!kc_inbox_put(&inbox, &b.node));
    EXPECT(!kc_inbox_take(&inbox));
    EXPECT(!kc_inbox_close(&inbox));
    kc_inbox_destroy(&inbox);
}

static struct kc_inbox shared;

static void *put_all(void *argument) {
    struct thing *things = argument;
    for (int i = 0; i < EACH; i++) {
        EXPECT(kc_inbox_put(&shared, &things[i].node));
        if (i % 1000 == 0) usleep(50);      /* lets the owner fall asleep */
    }
    return NULL;
}

TEST(nothing_is_lost_between_many_putters_and_a_sleeping_owner) {
    pthread_t threads[PUTTERS];
    struct thing *things = calloc((size_t)PUTTERS * EACH, sizeof *things);
    int next[PUTTERS] = {0}, total = 0;
    EXPECT_EQ(kc_inbox_init(&shared), KC_OK);
    for (int i = 0; i < PUTTERS * EACH; i++) {
        things[i].putter = i / EACH;
        things[i].number = i % EACH;
    }
    for (int i = 0; i < PUTTERS; i++) EXPECT(!pthread_create(&threads[i], NULL, put_all, things + i * EACH));
    while (total < PUTTERS * EACH) {
        if (kc_inbox_sleep(&shared)) {
            EXPECT(readable(&shared, 10000));
            kc_inbox_clear(&shared);
        }
        struct kc_inbox_node *node = kc_inbox_take(&shared);
        while (node) {
            struct thing *thing = thing_of(node);
            node = node->next;
            EXPECT_EQ(thing->number, next[thing->putter]++);
            total++;
        }
    }
    for (int i = 0; i < PUTTERS; i++) pthread_join(threads[i], NULL);
    kc_inbox_destroy(&shared);
    free(things);
}

RUN_ALL()

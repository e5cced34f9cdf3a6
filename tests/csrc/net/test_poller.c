/* The contract of the poller, for whichever implementation this platform has. */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "../check.h"
#include "net/poller.h"

static void pair(int ends[2]) {
    EXPECT(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    for (int i = 0; i < 2; i++) EXPECT(!fcntl(ends[i], F_SETFL, O_NONBLOCK));
}

/* What is ready for `token` within the time. */
static uint32_t ready(struct kc_poller *poller, uint64_t token, int64_t timeout_us) {
    struct kc_poll_event events[16];
    uint32_t all = 0;
    int count = kc_poller_wait(poller, events, 16, timeout_us);
    for (int i = 0; i < count; i++)
        if (events[i].token == token) all |= events[i].ready;
    return all;
}

TEST(input_is_reported_until_it_is_read) {
    struct kc_poller *poller;
    int ends[2];
    char byte;
    pair(ends);
    EXPECT_EQ(kc_poller_create(&poller), KC_OK);
    EXPECT_EQ(kc_poller_add(poller, ends[0], 0x123456789abcdef0, KC_POLL_IN), KC_OK);
    EXPECT_EQ(ready(poller, 0x123456789abcdef0, 0), 0);
    EXPECT_EQ(write(ends[1], "x", 1), 1);
    EXPECT_EQ(ready(poller, 0x123456789abcdef0, 1000000), KC_POLL_IN);
    EXPECT_EQ(ready(poller, 0x123456789abcdef0, 1000000), KC_POLL_IN);
    EXPECT_EQ(read(ends[0], &byte, 1), 1);
    EXPECT_EQ(ready(poller, 0x123456789abcdef0, 0), 0);
    kc_poller_destroy(poller);
    close(ends[0]);
    close(ends[1]);
}

TEST(interest_can_be_changed_and_taken_away) {
    struct kc_poller *poller;
    int ends[2];
    pair(ends);
    EXPECT_EQ(kc_poller_create(&poller), KC_OK);
    EXPECT_EQ(kc_poller_add(poller, ends[0], 1, KC_POLL_IN), KC_OK);
    EXPECT_EQ(kc_poller_change(poller, ends[0], 2, KC_POLL_IN, KC_POLL_OUT), KC_OK);
    EXPECT_EQ(write(ends[1], "x", 1), 1);
    EXPECT_EQ(ready(poller, 2, 1000000), KC_POLL_OUT);
    EXPECT_EQ(kc_poller_change(poller, ends[0], 3, KC_POLL_OUT, 0), KC_OK);
    EXPECT_EQ(ready(poller, 3, 10000), 0);
    EXPECT_EQ(kc_poller_change(poller, ends[0], 4, 0, KC_POLL_IN), KC_OK);
    EXPECT_EQ(ready(poller, 4, 1000000), KC_POLL_IN);
    kc_poller_remove(poller, ends[0]);
    EXPECT_EQ(ready(poller, 4, 10000), 0);
    kc_poller_destroy(poller);
    close(ends[0]);
    close(ends[1]);
}

TEST(the_end_of_a_stream_is_reported_as_input) {
    struct kc_poller *poller;
    int ends[2];
    pair(ends);
    EXPECT_EQ(kc_poller_create(&poller), KC_OK);
    EXPECT_EQ(kc_poller_add(poller, ends[0], 1, KC_POLL_IN), KC_OK);
    close(ends[1]);
    EXPECT(ready(poller, 1, 1000000) & KC_POLL_IN);
    kc_poller_destroy(poller);
    close(ends[0]);
}

TEST(an_edge_is_reported_once) {
    struct kc_poller *poller;
    int ends[2];
    pair(ends);
    EXPECT_EQ(kc_poller_create(&poller), KC_OK);
    EXPECT_EQ(kc_poller_add(poller, ends[0], 1, KC_POLL_IN | KC_POLL_EDGE), KC_OK);
    EXPECT_EQ(write(ends[1], "x", 1), 1);
    EXPECT_EQ(ready(poller, 1, 1000000), KC_POLL_IN);
    EXPECT_EQ(ready(poller, 1, 10000), 0);
    EXPECT_EQ(write(ends[1], "x", 1), 1);
    EXPECT_EQ(ready(poller, 1, 1000000), KC_POLL_IN);
    kc_poller_destroy(poller);
    close(ends[0]);
    close(ends[1]);
}

TEST(a_wait_is_never_shorter_than_asked) {
    struct kc_poller *poller;
    struct kc_poll_event event;
    struct timespec before, after;
    EXPECT_EQ(kc_poller_create(&poller), KC_OK);
    clock_gettime(CLOCK_MONOTONIC, &before);
    EXPECT_EQ(kc_poller_wait(poller, &event, 1, 1500), 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    EXPECT((after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000 >= 1500);
    kc_poller_destroy(poller);
}

TEST(what_cannot_be_watched_is_refused) {
    struct kc_poller *poller;
    EXPECT_EQ(kc_poller_create(&poller), KC_OK);
    EXPECT(kc_poller_add(poller, -1, 1, KC_POLL_IN) != KC_OK);
    kc_poller_destroy(poller);
}

RUN_ALL()

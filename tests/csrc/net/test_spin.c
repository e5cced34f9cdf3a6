/* When a reactor looks a little longer for events, and that it hears of everything while it does. */
#include "echo.h"
#include "net/spin.h"

TEST(it_takes_short_waits_in_a_row_to_spin) {
    struct kc_spin spin;
    kc_spin_init(&spin, 50);
    for (int i = 0; i < KC_SPIN_SHORT_WAITS; i++) {
        EXPECT(!kc_spin_wanted(&spin));
        kc_spin_slept(&spin, 100);
    }
    EXPECT(kc_spin_wanted(&spin));
    kc_spin_slept(&spin, 101);
    EXPECT(!kc_spin_wanted(&spin));
}

TEST(a_spin_for_nothing_is_the_last_for_a_while) {
    struct kc_spin spin;
    kc_spin_init(&spin, 50);
    for (int i = 0; i < 2 * KC_SPIN_SHORT_WAITS; i++) kc_spin_slept(&spin, 1);
    EXPECT(kc_spin_wanted(&spin));
    kc_spin_failed(&spin);
    for (int i = 0; i < KC_SPIN_SHORT_WAITS; i++) {
        EXPECT(!kc_spin_wanted(&spin));
        kc_spin_slept(&spin, 1);
    }
    EXPECT(kc_spin_wanted(&spin));
}

TEST(without_a_limit_there_is_no_spin) {
    struct kc_spin spin;
    kc_spin_init(&spin, 0);
    for (int i = 0; i < 2 * KC_SPIN_SHORT_WAITS; i++) kc_spin_slept(&spin, 0);
    EXPECT(!kc_spin_wanted(&spin));
}

static _Atomic int messages_run;

static void count_message(struct kc_message *message, struct kc_reactor *reactor) {
    (void)reactor;
    free(message);
    atomic_fetch_add(&messages_run, 1);
}

/* With a limit that no wait on any machine comes to, so that from the ninth frame on the reactor only ever spins. */
TEST(frames_messages_and_timers_are_served_by_a_reactor_that_spins) {
    struct kc_reactor_config config = kc_reactor_config_default();
    config.spin_us = 10 * 1000 * 1000;
    struct echo *echo = echo_start(&config, NULL);
    int fd = client_connect(echo->port);
    for (unsigned i = 0; i < 100; i++) {
        client_send_frame(fd, 'e', 50, i);
        client_expect_frame(fd, 'e', 50, i);
        struct kc_message *message = calloc(1, sizeof *message);
        message->run = count_message;
        kc_reactor_post(echo->reactor, message);
        CLIENT_UNTIL(messages_run == (int)i + 1);
    }
    uint8_t held[12];
    client_build_frame(held, 'h', 8, 1);
    held[5] = 20;       /* ms */
    client_send(fd, held, sizeof held);
    uint8_t answer[12];
    client_receive(fd, answer, sizeof answer);
    EXPECT_EQ(answer[4], 'h');
    close(fd);
    CLIENT_UNTIL(echo->closed == 1);
    echo_stop(echo);
}

RUN_ALL()

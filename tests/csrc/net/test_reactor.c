/* The reactor over real loopback sockets: framing, holds, turns, closing.  A raw client says which bytes arrive when; an echo protocol
 * stands above (echo.h). */
#include "echo.h"

TEST(a_frame_is_answered) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port);
    client_send_frame(fd, 'e', 100, 1);
    client_expect_frame(fd, 'e', 100, 1);
    EXPECT_EQ(echo->frames, 1);
    EXPECT_EQ(kc_reactor_connection_count(echo->reactor), 1);
    close(fd);
    CLIENT_UNTIL(echo->closed == 1);
    EXPECT_EQ(echo->reasons[KC_CLOSE_PEER], 1);
    echo_stop(echo);
}

TEST(many_frames_in_one_segment_are_answered_in_order) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port);
    uint8_t *bytes = malloc(1000 * 104), *end = bytes;
    for (unsigned i = 0; i < 1000; i++) end = client_build_frame(end, 'e', 1 + i % 60, i);
    client_send(fd, bytes, (size_t)(end - bytes));
    for (unsigned i = 0; i < 1000; i++) client_expect_frame(fd, 'e', 1 + i % 60, i);
    free(bytes);
    close(fd);
    echo_stop(echo);
}

TEST(frames_stay_in_place_until_turn_end) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port);
    uint8_t *bytes = malloc(2000 * 300), *end = bytes;
    for (unsigned i = 0; i < 2000; i++) end = client_build_frame(end, 'g', 1 + i % 290, i);
    client_send(fd, bytes, (size_t)(end - bytes));
    for (unsigned i = 0; i < 2000; i++) client_expect_frame(fd, 'g', 1 + i % 290, i);
    EXPECT(echo->turn_ends < 2000);
    free(bytes);
    close(fd);
    echo_stop(echo);
}

TEST(one_frame_byte_by_byte) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port);
    uint8_t bytes[64];
    client_build_frame(bytes, 'e', 60, 3);
    for (int i = 0; i < 64; i++) {
        EXPECT_EQ(echo->frames, 0);
        client_send(fd, bytes + i, 1);
        client_sleep_ms(1);
    }
    client_expect_frame(fd, 'e', 60, 3);
    close(fd);
    echo_stop(echo);
}

TEST(large_frames_of_many_sizes) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port);
    const size_t sizes[] = {65532, 65533, 131068, 1000000, 17, 3 << 20, 9 << 20, 1, 1 << 20, 1 << 20};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        client_send_frame(fd, 'n', sizes[i], i);
        client_send_frame(fd, 'e', 10, i);
        client_expect_frame(fd, 'e', 10, i);
    }
    client_send_frame(fd, 'e', 50000, 9);
    client_expect_frame(fd, 'e', 50000, 9);
    close(fd);
    echo_stop(echo);
}

TEST(a_held_frame_stops_the_next_until_resumed) {
    struct echo *echo = echo_start(NULL, NULL);
    int parked = client_connect(echo->port), other = client_connect(echo->port);
    client_send_frame(parked, 'p', 20, 1);
    client_send_frame(parked, 'e', 30, 2);
    client_send_frame(parked, 'e', 40, 3);
    CLIENT_UNTIL(echo->frames == 1);
    client_expect_silence(parked, 30);
    EXPECT_EQ(echo->frames, 1);
    client_send_frame(other, 'r', 5, 0);
    client_expect_frame(other, 'r', 5, 0);
    client_expect_frame(parked, 'p', 20, 1);
    client_expect_frame(parked, 'e', 30, 2);
    client_expect_frame(parked, 'e', 40, 3);
    close(parked);
    close(other);
    echo_stop(echo);
}

TEST(input_behind_a_held_frame_is_bounded_and_not_lost) {
    struct echo *echo = echo_start(NULL, NULL);
    int parked = client_connect(echo->port), other = client_connect(echo->port);
    client_send_frame(parked, 'p', 20, 1);
    for (unsigned i = 0; i < 300; i++) client_send_frame(parked, 'e', 1000, i);
    client_sleep_ms(20);
    EXPECT_EQ(echo->frames, 1);
    client_send_frame(other, 'r', 5, 0);
    client_expect_frame(parked, 'p', 20, 1);
    for (unsigned i = 0; i < 300; i++) client_expect_frame(parked, 'e', 1000, i);
    close(parked);
    close(other);
    echo_stop(echo);
}

TEST(resume_inside_the_callback_takes_the_hold_back) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port);
    for (unsigned i = 0; i < 10; i++) client_send_frame(fd, 'i', 8, i);
    for (unsigned i = 0; i < 10; i++) client_expect_frame(fd, 'i', 8, i);
    close(fd);
    echo_stop(echo);
}

/* A message that arms timers with deadlines in another order than that of the arming. */
enum { TIMERS = 64 };

struct alarms {
    struct kc_message message;
    struct kc_reactor *reactor;
    struct kc_timer timers[TIMERS], never;
    int64_t armed_us;
    int expired;
    _Atomic bool done;
};

static void alarm_expired(struct kc_timer *timer) {
    struct alarms *alarms = KC_CONTAINER_OF(timer, struct alarms, timers[TIMERS - 1 - (timer->deadline_us % 100)]);
    KC_CHECK(kc_reactor_now_us(alarms->reactor) >= timer->deadline_us);
    KC_CHECK(timer->deadline_us % 100 == alarms->expired);
    if (++alarms->expired == TIMERS) alarms->done = true;
}

static void run_alarms(struct kc_message *message, struct kc_reactor *reactor) {
    struct alarms *alarms = KC_CONTAINER_OF(message, struct alarms, message);
    alarms->reactor = reactor;
    alarms->armed_us = kc_reactor_now_us(reactor) / 100 * 100;
    for (int i = 0; i < TIMERS; i++) {
        int rank = TIMERS - 1 - i;
        alarms->timers[i].expired = alarm_expired;
        kc_reactor_timer_arm(reactor, &alarms->timers[i], alarms->armed_us + (rank + 1) * 1000 + rank);
    }
    kc_reactor_timer_arm(reactor, &alarms->never, alarms->armed_us + 1);
    kc_reactor_timer_cancel(reactor, &alarms->never);
}

TEST(timers_expire_in_the_order_of_their_deadlines_and_never_early) {
    struct echo *echo = echo_start(NULL, NULL);
    struct alarms alarms = {.message.run = run_alarms};
    kc_reactor_post(echo->reactor, &alarms.message);
    CLIENT_UNTIL(alarms.done);
    echo_stop(echo);
}

/* Timers that are all due at once, and a message that comes when the first of them expires. */
struct crowd {
    struct kc_message arm, meanwhile;
    struct kc_reactor *reactor;
    struct member { struct kc_timer timer; struct crowd *crowd; } members[TIMERS + 8];
    int expired, before_meanwhile;
    _Atomic bool done;
};

static void run_meanwhile(struct kc_message *message, struct kc_reactor *reactor) {
    (void)reactor;
    struct crowd *crowd = KC_CONTAINER_OF(message, struct crowd, meanwhile);
    crowd->before_meanwhile = crowd->expired;
}

static void member_expired(struct kc_timer *timer) {
    struct crowd *crowd = KC_CONTAINER_OF(timer, struct member, timer)->crowd;
    if (++crowd->expired == 1) kc_reactor_post(crowd->reactor, &crowd->meanwhile);
    if (crowd->expired == TIMERS + 8) crowd->done = true;
}

static void run_crowd(struct kc_message *message, struct kc_reactor *reactor) {
    struct crowd *crowd = KC_CONTAINER_OF(message, struct crowd, arm);
    crowd->reactor = reactor;
    for (int i = 0; i < TIMERS + 8; i++) {
        crowd->members[i] = (struct member){.timer.expired = member_expired, .crowd = crowd};
        kc_reactor_timer_arm(reactor, &crowd->members[i].timer, kc_reactor_now_us(reactor));
    }
}

TEST(what_arrives_does_not_wait_for_all_timers_of_one_moment) {
    struct echo *echo = echo_start(NULL, NULL);
    struct crowd crowd = {.arm.run = run_crowd, .meanwhile.run = run_meanwhile};
    kc_reactor_post(echo->reactor, &crowd.arm);
    CLIENT_UNTIL(crowd.done);
    EXPECT(crowd.before_meanwhile >= 1 && crowd.before_meanwhile < TIMERS + 8);
    echo_stop(echo);
}

TEST(a_timer_ends_a_hold) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port);
    uint8_t frames[2 * 6 + 14] = {0, 0, 0, 2, 'h', 20, 0, 0, 0, 2, 'h', 1}, got[12];
    client_build_frame(frames + 12, 'e', 10, 1);
    client_send(fd, frames, sizeof frames);
    client_receive(fd, got, 12);
    EXPECT_MEM(got, frames, 12);
    client_expect_frame(fd, 'e', 10, 1);
    close(fd);
    echo_stop(echo);
}

TEST(a_peer_that_leaves_while_held_is_reported) {
    struct echo *echo = echo_start(NULL, NULL);
    int a = client_connect(echo->port), b = client_connect(echo->port);
    client_send_frame(a, 'p', 20, 1);
    CLIENT_UNTIL(echo->frames == 1);
    close(a);
    CLIENT_UNTIL(echo->closed == 1);
    client_send_frame(b, 'p', 20, 1);
    CLIENT_UNTIL(echo->frames == 2);
    client_reset(b);
    CLIENT_UNTIL(echo->closed == 2);
    EXPECT_EQ(echo->reasons[KC_CLOSE_PEER], 2);
    EXPECT_EQ(kc_reactor_connection_count(echo->reactor), 0);
    echo_stop(echo);
}

TEST(frames_that_came_before_the_end_are_handed_over) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port);
    for (unsigned i = 0; i < 500; i++) client_send_frame(fd, 'n', 1000, i);
    close(fd);
    CLIENT_UNTIL(echo->closed == 1);
    EXPECT_EQ(echo->frames, 500);
    fd = client_connect(echo->port);
    client_send_frame(fd, 'e', 10, 1);
    shutdown(fd, SHUT_WR);
    client_expect_frame(fd, 'e', 10, 1);
    client_expect_closed(fd);
    close(fd);
    echo_stop(echo);
}

TEST(the_answer_leaves_before_the_connection_closes) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port);
    client_send_frame(fd, 'e', 10, 1);
    client_send_frame(fd, 'x', 10, 2);
    client_expect_frame(fd, 'e', 10, 1);
    client_expect_frame(fd, 'x', 10, 2);
    client_expect_closed(fd);
    EXPECT_EQ(echo->reasons[KC_CLOSE_PROTOCOL], 1);
    close(fd);
    fd = client_connect(echo->port);
    client_send_frame(fd, 'c', 10, 1);
    client_expect_closed(fd);
    EXPECT_EQ(echo->reasons[KC_CLOSE_PROTOCOL], 2);
    close(fd);
    echo_stop(echo);
}

TEST(one_connection_may_close_another_from_its_callback) {
    struct echo *echo = echo_start(NULL, NULL);
    int a = client_connect(echo->port), b = client_connect(echo->port);
    client_send_frame(a, 'p', 10, 1);
    CLIENT_UNTIL(echo->frames == 1);
    client_send_frame(b, 'k', 10, 1);
    client_expect_frame(b, 'k', 10, 1);
    client_expect_closed(a);
    close(a);
    close(b);
    echo_stop(echo);
}

TEST(a_reset_is_noticed_even_when_nothing_is_read) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port);
    client_send_frame(fd, 'p', 20, 1);
    /* More than is read behind a held frame, so that the socket is no longer listened to. */
    for (unsigned i = 0; i < 200; i++) client_send_frame(fd, 'e', 1000, i);
    client_sleep_ms(20);
    client_reset(fd);
    CLIENT_UNTIL(echo->closed == 1);
    EXPECT_EQ(echo->reasons[KC_CLOSE_PEER], 1);
    EXPECT_EQ(echo->frames, 1);
    echo_stop(echo);
}

TEST(a_held_connection_whose_peer_has_ended_finishes_what_waits_behind) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port), other = client_connect(echo->port);
    client_send_frame(fd, 'p', 20, 1);
    client_send_frame(fd, 'e', 30, 2);
    shutdown(fd, SHUT_WR);
    CLIENT_UNTIL(echo->frames == 1);
    client_expect_silence(fd, 30);
    client_send_frame(other, 'r', 5, 0);
    client_expect_frame(fd, 'p', 20, 1);
    client_expect_frame(fd, 'e', 30, 2);
    client_expect_closed(fd);
    EXPECT_EQ(echo->reasons[KC_CLOSE_PEER], 1);
    close(fd);
    close(other);
    echo_stop(echo);
}

/* A message that looks a token up on the reactor's thread. */
struct look_up {
    struct kc_message message;
    kc_conn_token token;
    _Atomic int found;      /* -1: not yet */
    char peer[80], local[80];
};

static void run_look_up(struct kc_message *message, struct kc_reactor *reactor) {
    struct look_up *look_up = KC_CONTAINER_OF(message, struct look_up, message);
    struct kc_conn *conn = kc_reactor_find(reactor, look_up->token);
    if (conn) {
        KC_CHECK(kc_conn_token_of(conn) == look_up->token && kc_conn_reactor(conn) == reactor && kc_conn_listener(conn) == 7);
        strcpy(look_up->peer, kc_conn_peer(conn));
        strcpy(look_up->local, kc_conn_local(conn));
    }
    look_up->found = conn != NULL;
}

static bool look_up(struct echo *echo, kc_conn_token token, struct look_up *out) {
    *out = (struct look_up){.message.run = run_look_up, .token = token, .found = -1};
    kc_reactor_post(echo->reactor, &out->message);
    CLIENT_UNTIL(out->found >= 0);
    return out->found;
}

TEST(a_token_names_one_connection_for_ever) {
    struct echo *echo = echo_start(NULL, NULL);
    struct look_up got;
    char text[80];
    int fd = client_connect(echo->port);
    CLIENT_UNTIL(echo->opened == 1);
    kc_conn_token first = echo->last_token;
    EXPECT(look_up(echo, first, &got));
    snprintf(text, sizeof text, "127.0.0.1:%d", echo->port);
    EXPECT_STR(got.local, text);
    EXPECT(!strncmp(got.peer, "127.0.0.1:", 10) && strcmp(got.peer, got.local));
    close(fd);
    CLIENT_UNTIL(echo->closed == 1);
    EXPECT(!look_up(echo, first, &got));
    fd = client_connect(echo->port);
    CLIENT_UNTIL(echo->opened == 2);
    EXPECT(echo->last_token != first);
    EXPECT_EQ((uint32_t)echo->last_token, (uint32_t)first);      /* the same slot */
    EXPECT(!look_up(echo, first, &got));
    EXPECT(look_up(echo, echo->last_token, &got));
    EXPECT(!look_up(echo, 0, &got));
    EXPECT(!look_up(echo, UINT64_MAX, &got));
    close(fd);
    echo_stop(echo);
}

TEST(many_connections_come_and_go) {
    struct echo *echo = echo_start(NULL, NULL);
    enum { OPEN = 100 };
    int fds[OPEN];
    for (int i = 0; i < OPEN; i++) fds[i] = client_connect(echo->port);
    for (unsigned step = 0; step < 1500; step++) {
        int *fd = &fds[kc_test_random_below(OPEN)];
        size_t size = 1 + (size_t)kc_test_random_below(kc_test_random_below(20) ? 300 : 200000);
        switch (kc_test_random_below(6)) {
        case 0: close(*fd), *fd = client_connect(echo->port); break;
        case 1: client_reset(*fd), *fd = client_connect(echo->port); break;
        case 2:     /* gone in the middle of a frame */
            client_send(*fd, "\0\1\0\0abc", 7);
            close(*fd), *fd = client_connect(echo->port);
            break;
        default: client_send_frame(*fd, "eg"[step % 2], size, step), client_expect_frame(*fd, "eg"[step % 2], size, step);
        }
    }
    for (int i = 0; i < OPEN; i++) close(fds[i]);
    CLIENT_UNTIL(kc_reactor_connection_count(echo->reactor) == 0);
    echo_stop(echo);
}

TEST(stop_closes_what_is_open_and_held) {
    struct echo *echo = echo_start(NULL, NULL);
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = client_connect(echo->port);
        client_send_frame(fds[i], "ephn"[i % 4], 9, 200);
    }
    CLIENT_UNTIL(echo->frames == 20);
    kc_reactor_stop(echo->reactor);
    EXPECT_EQ(echo->closed, 20);
    EXPECT_EQ(echo->reasons[KC_CLOSE_STOP], 20);
    for (int i = 0; i < 20; i++) close(fds[i]);
    echo_stop(echo);
}

RUN_ALL()

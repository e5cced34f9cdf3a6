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

TEST(timers_answer_in_the_order_of_their_deadlines) {
    struct echo *echo = echo_start(NULL, NULL);
    enum { COUNT = 8 };
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++) fds[i] = client_connect(echo->port);
    for (int i = 0; i < COUNT; i++) {
        uint8_t frame[4 + 2] = {0, 0, 0, 2, 'h', (uint8_t)(10 * (COUNT - i))};
        client_send(fds[i], frame, sizeof frame);
    }
    uint8_t got[6];
    for (int i = COUNT; i-- > 0;) {
        for (int j = 0; j < i; j++) EXPECT(!client_wait(fds[j], POLLIN, 0) || client_wait(fds[i], POLLIN, 0));
        client_receive(fds[i], got, 6);
    }
    for (int i = 0; i < COUNT; i++) close(fds[i]);
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

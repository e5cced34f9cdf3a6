/* The limits and deadlines of a reactor, each met from both sides, and what happens when the machine runs short. */
#include <fcntl.h>
#include <sys/resource.h>

#include "echo.h"

static struct kc_reactor_config config_small(void) {
    struct kc_reactor_config config = kc_reactor_config_default();
    config.frame_size_max = 1000;
    return config;
}

static void expect_refused(struct echo *echo, const void *bytes, size_t size) {
    int before = echo->reasons[KC_CLOSE_FRAME_TOO_LARGE];
    int fd = client_connect(echo->port);
    client_send(fd, bytes, size);
    client_expect_closed(fd);
    CLIENT_UNTIL(echo->reasons[KC_CLOSE_FRAME_TOO_LARGE] == before + 1);
    EXPECT_EQ(echo->detail_size, size);
    EXPECT_MEM(echo->detail, bytes, size);
    close(fd);
}

TEST(a_frame_at_the_limit_passes_and_one_byte_more_ends_the_connection) {
    struct kc_reactor_config config = config_small();
    struct echo *echo = echo_start(&config, NULL);
    int fd = client_connect(echo->port);
    client_send_frame(fd, 'e', 1000, 1);
    client_expect_frame(fd, 'e', 1000, 1);
    expect_refused(echo, "\0\0\3\xe9", 4);
    expect_refused(echo, "\x80\0\0\0x", 5);
    expect_refused(echo, "\xff\xff\xff\xff", 4);
    expect_refused(echo, "\0\0\0\0", 4);
    expect_refused(echo, "GET / HTTP/1.1\r\n", 16);
    expect_refused(echo, "\x16\3\1\2\0\1\0\1\xfc\3\3", 11);
    client_send_frame(fd, 'e', 10, 2);
    client_expect_frame(fd, 'e', 10, 2);
    EXPECT_EQ(echo->frames, 2);
    close(fd);
    echo_stop(echo);
}

TEST(a_frame_of_100_megabytes_arrives_whole) {
    struct echo *echo = echo_start(NULL, NULL);
    int fd = client_connect(echo->port);
    client_send_frame(fd, 'g', 100u << 20, 3);
    client_expect_frame(fd, 'g', 100u << 20, 3);
    close(fd);
    echo_stop(echo);
}

static size_t resident_kib(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    size_t size, resident = 0;
    if (!file) return 0;
    EXPECT_EQ(fscanf(file, "%zu %zu", &size, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

TEST(a_declared_size_costs_no_memory) {
    struct echo *echo = echo_start(NULL, NULL);
    enum { COUNT = 100 };
    int fds[COUNT];
    int warm = client_connect(echo->port);
    client_send_frame(warm, 'e', 10, 1);
    client_expect_frame(warm, 'e', 10, 1);
    size_t before = resident_kib();
    for (int i = 0; i < COUNT; i++) {
        fds[i] = client_connect(echo->port);
        client_send(fds[i], "\6\x40\0\0e", 5);     /* 100 MiB */
    }
    CLIENT_UNTIL(echo->opened == COUNT + 1);
    echo_await_turns(echo);
    client_send_frame(warm, 'e', 10, 1);
    client_expect_frame(warm, 'e', 10, 1);
    EXPECT(resident_kib() < before + COUNT * 64);
    for (int i = 0; i < COUNT; i++) close(fds[i]);
    close(warm);
    echo_stop(echo);
}

TEST(connections_beyond_the_limit_are_closed_at_once) {
    struct kc_reactor_config config = config_small();
    config.connections_max = 3;
    struct echo *echo = echo_start(&config, NULL);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = client_connect(echo->port);
        client_send_frame(fds[i], 'e', 10, 1);
        client_expect_frame(fds[i], 'e', 10, 1);
    }
    int fourth = client_connect(echo->port);
    client_expect_closed(fourth);
    CLIENT_UNTIL(echo->accept_failures == 1);
    EXPECT_EQ(echo->accept_status, KC_LIMIT);
    close(fourth);
    close(fds[0]);
    CLIENT_UNTIL(echo->closed == 1);
    fourth = client_connect(echo->port);
    client_send_frame(fourth, 'e', 10, 1);
    client_expect_frame(fourth, 'e', 10, 1);
    close(fourth);
    close(fds[1]);
    close(fds[2]);
    echo_stop(echo);
}

TEST(reading_pauses_when_input_memory_is_used_up_and_goes_on_after) {
    struct kc_reactor_config config = kc_reactor_config_default();
    config.input_bytes_max = 256 << 10;
    struct echo *echo = echo_start(&config, NULL);
    int partial[4], other = client_connect(echo->port);
    uint8_t *frame = malloc(4 + 60000);
    client_build_frame(frame, 'e', 60000, 4);
    for (int i = 0; i < 4; i++) {
        partial[i] = client_connect(echo->port);
        client_send(partial[i], frame, 30000);
    }
    CLIENT_UNTIL(echo->opened == 5);
    echo_await_turns(echo);
    client_send_frame(other, 'e', 10, 1);
    client_expect_silence(other, 50);
    client_send(partial[2], frame + 30000, 30004);
    client_expect_frame(partial[2], 'e', 60000, 4);
    client_expect_frame(other, 'e', 10, 1);
    for (int i = 0; i < 4; i++) close(partial[i]);
    close(other);
    free(frame);
    echo_stop(echo);
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST(a_large_frame_waits_for_room_without_spinning_and_small_ones_pass) {
    struct kc_reactor_config config = kc_reactor_config_default();
    config.input_bytes_max = 1 << 20;
    struct echo *echo = echo_start(&config, NULL);
    enum { PARTIAL = 12 };      /* smallest buffers: three quarters of all */
    int partial[PARTIAL], large = client_connect(echo->port), other = client_connect(echo->port);
    uint8_t *frame = malloc(4 + 200000);
    client_build_frame(frame, 'e', 60000, 1);
    for (int i = 0; i < PARTIAL; i++) {
        partial[i] = client_connect(echo->port);
        client_send(partial[i], frame, 30000);
    }
    CLIENT_UNTIL(echo->opened == PARTIAL + 2);
    echo_await_turns(echo);
    client_build_frame(frame, 'e', 200000, 2);
    client_send(large, frame, 4 + 200000);
    echo_await_turns(echo);
    double before = cpu_seconds();
    client_sleep_ms(400);       /* for it to spin, if it does */
    EXPECT(cpu_seconds() - before < 0.1);
    for (unsigned i = 0; i < 20; i++) {
        client_send_frame(other, 'e', 100, i);
        client_expect_frame(other, 'e', 100, i);
    }
    EXPECT_EQ(echo->frames, 20);
    close(partial[3]);
    client_expect_frame(large, 'e', 200000, 2);
    for (int i = 0; i < PARTIAL; i++)
        if (i != 3) close(partial[i]);
    close(large);
    close(other);
    free(frame);
    echo_stop(echo);
}

TEST(a_frame_larger_than_all_input_memory_still_arrives) {
    struct kc_reactor_config config = kc_reactor_config_default();
    config.input_bytes_max = 128 << 10;
    struct echo *echo = echo_start(&config, NULL);
    int fd = client_connect(echo->port);
    client_send_frame(fd, 'e', 3000000, 1);
    client_expect_frame(fd, 'e', 3000000, 1);
    close(fd);
    echo_stop(echo);
}

TEST(a_frame_that_never_ends_and_an_idle_connection_are_closed_in_time) {
    struct kc_reactor_config config = kc_reactor_config_default();
    config.frame_timeout_us = 300000;
    config.idle_us = 1500000;
    struct echo *echo = echo_start(&config, NULL);
    int slow = client_connect(echo->port), idle = client_connect(echo->port), held = client_connect(echo->port);
    client_send(slow, "\0\0\0\x0a" "abc", 7);
    client_send_frame(held, 'p', 10, 1);
    CLIENT_UNTIL(echo->frames == 1);
    client_expect_closed(slow);
    EXPECT_EQ(echo->reasons[KC_CLOSE_FRAME_TIMEOUT], 1);
    client_expect_closed(idle);
    EXPECT_EQ(echo->reasons[KC_CLOSE_IDLE], 1);
    /* Whoever waits for an answer is not idle. */
    client_expect_silence(held, 100);
    close(slow);
    close(idle);
    close(held);
    echo_stop(echo);
}

TEST(a_reader_that_takes_nothing_is_closed_in_time_and_the_others_go_on) {
    struct kc_reactor_config config = kc_reactor_config_default();
    config.frame_timeout_us = 1200000;
    struct echo *echo = echo_start(&config, NULL);
    int stuck = client_connect_small(echo->port, 4096), other = client_connect(echo->port);
    uint8_t ask[4 + 5] = {0, 0, 0, 5, 'b', 0, 0x80, 0, 0};      /* 8 MiB */
    client_send(stuck, ask, sizeof ask);
    CLIENT_UNTIL(echo->frames == 1);
    echo_await_turns(echo);
    client_send_frame(stuck, 'e', 10, 1);
    for (unsigned i = 0; i < 100; i++) {
        client_send_frame(other, 'e', 100, i);
        client_expect_frame(other, 'e', 100, i);
    }
    /* No frame is handed over while the answer before it is stuck. */
    EXPECT_EQ(echo->frames, 101);
    CLIENT_UNTIL(echo->reasons[KC_CLOSE_SLOW_READER] == 1);
    close(stuck);
    close(other);
    echo_stop(echo);
}

TEST(without_descriptors_accepting_pauses_and_goes_on_after) {
    struct echo *echo = echo_start(NULL, NULL);
    struct rlimit before, none;
    EXPECT(!getrlimit(RLIMIT_NOFILE, &before));
    int warm = client_connect(echo->port);
    client_send_frame(warm, 'e', 10, 1);
    client_expect_frame(warm, 'e', 10, 1);
    int late = socket(AF_INET, SOCK_STREAM, 0);
    int lowest = dup(0);
    close(lowest);
    none = before;
    none.rlim_cur = (rlim_t)lowest;
    EXPECT(!setrlimit(RLIMIT_NOFILE, &none));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(echo->port)};
    EXPECT(!connect(late, (struct sockaddr *)&at, sizeof at));
    int turns = echo->turn_ends;
    CLIENT_UNTIL(echo->accept_failures > 0);
    EXPECT_EQ(echo->accept_status, KC_NO_FILES);
    client_sleep_ms(500);                       /* for it to spin or complain, if it does */
    EXPECT(echo->turn_ends - turns < 20);
    EXPECT(echo->accept_failures <= 2);
    client_send_frame(warm, 'e', 10, 2);
    client_expect_frame(warm, 'e', 10, 2);
    EXPECT(!setrlimit(RLIMIT_NOFILE, &before));
    client_send_frame(late, 'e', 10, 3);
    client_expect_frame(late, 'e', 10, 3);
    close(late);
    close(warm);
    echo_stop(echo);
}

TEST(a_config_that_cannot_work_is_refused) {
    struct kc_clock clock = kc_clock_system();
    struct kc_protocol protocol = {0};
    struct kc_reactor *reactor;
    for (int i = 0; i < 6; i++) {
        struct kc_reactor_config config = kc_reactor_config_default();
        if (i == 0) config.frame_size_max = 0;
        if (i == 1) config.frame_size_max = 0x80000000;
        if (i == 2) config.connections_max = 0;
        if (i == 3) config.input_bytes_max = 0;
        if (i == 4) config.read_budget = 0;
        if (i == 5) config.send_budget = 0;
        EXPECT_EQ(kc_reactor_create(&config, &clock, &protocol, &reactor), KC_INVALID);
    }
}

RUN_ALL()

/* What other threads may do to a reactor: post, hand over sockets, drain and stop, all while clients are talking. */
#include <pthread.h>

#include "echo.h"

struct parcel {
    struct kc_message message;
    int sender, number;
};

enum { SENDERS = 3, EACH = 3000 };

static int next_number[SENDERS];
static _Atomic int delivered, returned;

static void run_parcel(struct kc_message *message, struct kc_reactor *reactor) {
    struct parcel *parcel = KC_CONTAINER_OF(message, struct parcel, message);
    if (reactor) {
        KC_CHECK(parcel->number == next_number[parcel->sender]);
        next_number[parcel->sender]++;
        atomic_fetch_add(&delivered, 1);
    } else {
        atomic_fetch_add(&returned, 1);
    }
    free(parcel);
}

struct sender {
    struct kc_reactor *reactor;
    int index;
};

static void *send_parcels(void *argument) {
    struct sender *sender = argument;
    for (int i = 0; i < EACH; i++) {
        struct parcel *parcel = malloc(sizeof *parcel);
        *parcel = (struct parcel){.message.run = run_parcel, .sender = sender->index, .number = i};
        kc_reactor_post(sender->reactor, &parcel->message);
        if (i % 300 == 0) usleep(100);
    }
    return NULL;
}

static void send_from_threads(struct kc_reactor *reactor, void (*meanwhile)(struct kc_reactor *)) {
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    memset(next_number, 0, sizeof next_number);
    delivered = returned = 0;
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){reactor, i};
        EXPECT(!pthread_create(&threads[i], NULL, send_parcels, &senders[i]));
    }
    if (meanwhile) meanwhile(reactor);
    for (int i = 0; i < SENDERS; i++) pthread_join(threads[i], NULL);
}

TEST(messages_of_each_thread_run_once_and_in_order) {
    struct echo *echo = echo_start(NULL, NULL);
    send_from_threads(echo->reactor, NULL);
    CLIENT_UNTIL(delivered == SENDERS * EACH);
    /* Work of a message is answered in turn_end too. */
    EXPECT(echo->turn_ends > 0);
    echo_stop(echo);
}

static void stop_soon(struct kc_reactor *reactor) {
    client_sleep_ms(2);
    kc_reactor_stop(reactor);
}

TEST(messages_to_a_stopped_reactor_come_back) {
    struct echo *echo = echo_start(NULL, NULL);
    send_from_threads(echo->reactor, stop_soon);
    EXPECT_EQ(delivered + returned, SENDERS * EACH);
    int before = returned;
    struct parcel *late = malloc(sizeof *late);
    *late = (struct parcel){.message.run = run_parcel};
    kc_reactor_post(echo->reactor, &late->message);
    EXPECT_EQ(returned, before + 1);
    echo_stop(echo);
}

/* ---- several reactors behind one listener ---- */

static struct echo *echo_behind(void) {
    struct kc_reactor_config config = kc_reactor_config_default();
    struct echo *echo = calloc(1, sizeof *echo);
    echo->clock = kc_clock_system();
    struct kc_protocol protocol = echo_protocol(echo);
    EXPECT_EQ(kc_reactor_create(&config, &echo->clock, &protocol, &echo->reactor), KC_OK);
    EXPECT_EQ(kc_reactor_start(echo->reactor), KC_OK);
    return echo;
}

struct talker {
    uint16_t port;
    unsigned seed;
};

static void *talk(void *argument) {
    const struct talker *talker = argument;
    int fd = client_connect(talker->port);
    for (unsigned i = 0; i < 200; i++) {
        size_t size = 1 + (talker->seed * 131 + i * 977) % 30000;
        client_send_frame(fd, i % 2 ? 'e' : 'g', size, i);
        client_expect_frame(fd, i % 2 ? 'e' : 'g', size, i);
    }
    close(fd);
    return NULL;
}

TEST(connections_are_dealt_out_in_turn) {
    enum { REACTORS = 3, TALKERS = 6 };
    struct echo *echoes[REACTORS];
    struct kc_reactor *reactors[REACTORS];
    pthread_t threads[TALKERS];
    struct talker talkers[TALKERS];
    uint16_t port;
    int listener = client_listen(&port);
    for (int i = 0; i < REACTORS; i++) {
        echoes[i] = echo_behind();
        reactors[i] = echoes[i]->reactor;
    }
    EXPECT_EQ(kc_reactor_listen(reactors[0], listener, 1, reactors, REACTORS), KC_OK);
    for (unsigned i = 0; i < TALKERS; i++) {
        talkers[i] = (struct talker){port, i};
        EXPECT(!pthread_create(&threads[i], NULL, talk, &talkers[i]));
    }
    for (int i = 0; i < TALKERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < REACTORS; i++) EXPECT_EQ(echoes[i]->opened, TALKERS / REACTORS);
    kc_reactor_stop_listening(reactors[0]);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    EXPECT(connect(fd, (struct sockaddr *)&at, sizeof at) != 0);
    close(fd);
    for (int i = 0; i < REACTORS; i++) echo_stop(echoes[i]);
}

/* ---- draining ---- */

struct release {
    struct kc_message message;
    struct echo *echo;
};

static void answer_parked(struct kc_message *message, struct kc_reactor *reactor) {
    struct echo *echo = KC_CONTAINER_OF(message, struct release, message)->echo;
    KC_CHECK(reactor == echo->reactor);
    for (size_t i = 0; i < echo->parked_count; i++) echo_release(echo->parked[i]);
    echo->parked_count = 0;
}

TEST(a_quiesced_reactor_finishes_what_it_has_and_takes_nothing_new) {
    struct echo *echo = echo_start(NULL, NULL);
    int parked = client_connect(echo->port), other = client_connect(echo->port);
    client_send_frame(parked, 'p', 10, 1);
    client_send_frame(other, 'e', 10, 1);
    client_expect_frame(other, 'e', 10, 1);
    CLIENT_UNTIL(echo->frames == 2);
    kc_reactor_quiesce(echo->reactor);
    kc_reactor_quiesce(echo->reactor);
    client_sleep_ms(20);
    EXPECT(!kc_reactor_idle(echo->reactor));
    client_send_frame(parked, 'e', 10, 2);
    client_send_frame(other, 'e', 10, 2);
    client_expect_silence(other, 50);
    EXPECT_EQ(echo->frames, 2);
    struct release release = {.message.run = answer_parked, .echo = echo};
    kc_reactor_post(echo->reactor, &release.message);
    client_expect_frame(parked, 'p', 10, 1);
    CLIENT_UNTIL(kc_reactor_idle(echo->reactor));
    client_expect_silence(parked, 20);
    int refused = dup(parked);
    EXPECT_EQ(kc_reactor_adopt(echo->reactor, refused, 0), KC_CLOSED);
    close(refused);     /* it stayed ours */
    EXPECT_EQ(echo->frames, 2);
    close(parked);
    close(other);
    kc_reactor_stop(echo->reactor);
    EXPECT_EQ(echo->reasons[KC_CLOSE_STOP], 2);
    echo_stop(echo);
}

TEST(stop_in_the_middle_of_traffic) {
    for (int round = 0; round < 5; round++) {
        struct echo *echo = echo_start(NULL, NULL);
        int fds[8];
        uint8_t *bytes = malloc(1000004);
        client_build_frame(bytes, 'g', 1000000, 1);
        for (int i = 0; i < 8; i++) fds[i] = client_connect(echo->port);
        for (int i = 0; i < 8; i++) client_try_send(fds[i], bytes, (size_t)kc_test_random_below(1000004));
        kc_reactor_stop(echo->reactor);
        for (int i = 0; i < 8; i++) close(fds[i]);
        free(bytes);
        echo_stop(echo);
    }
}

TEST(a_reactor_that_was_never_started_gives_everything_back) {
    struct echo *echo = calloc(1, sizeof *echo);
    struct kc_reactor_config config = kc_reactor_config_default();
    echo->clock = kc_clock_system();
    struct kc_protocol protocol = echo_protocol(echo);
    EXPECT_EQ(kc_reactor_create(&config, &echo->clock, &protocol, &echo->reactor), KC_OK);
    EXPECT_EQ(kc_reactor_listen(echo->reactor, client_listen(&echo->port), 1, &echo->reactor, 1), KC_OK);
    EXPECT_EQ(kc_reactor_adopt(echo->reactor, socket(AF_INET, SOCK_STREAM, 0), 0), KC_OK);
    struct parcel *parcel = malloc(sizeof *parcel);
    *parcel = (struct parcel){.message.run = run_parcel};
    returned = 0;
    kc_reactor_post(echo->reactor, &parcel->message);
    kc_reactor_stop(echo->reactor);
    EXPECT_EQ(returned, 1);
    echo_stop(echo);
}

RUN_ALL()

/* Frames go out whole and come in whole, in whatever pieces; lengths that cannot be and peers that go are told. */
#include "broker.h"

static void send_request(struct kc_link *link, int32_t number, size_t size) {
    struct kc_writer w;
    EXPECT_EQ(kc_link_begin(link, size + 4, &w), KC_OK);
    kc_write_i32(&w, number);
    for (size_t i = 0; i < size; i++) kc_write_i8(&w, (int8_t)(i * 31));
    kc_link_end(link, &w);
}

TEST(requests_arrive_whole_and_in_order) {
    struct broker *b = malloc(sizeof *b);
    struct kc_link link;
    broker_open(b);
    EXPECT_EQ(kc_link_connect(&link, "127.0.0.1", b->port, 1000), KC_OK);
    broker_accept(b);
    for (int i = 0; i < 50; i++) send_request(&link, i, (size_t)i * 1000);
    struct kc_slice request;
    for (int i = 0; i < 50; i++) {
        while (!broker_request(b, &request)) EXPECT_EQ(kc_link_flush(&link) <= KC_AGAIN, 1);
        EXPECT_EQ(kc_load_i32(request.data), i);
        EXPECT_EQ(request.size, (size_t)i * 1000 + 4);
        broker_done(b, request);
    }
    EXPECT_EQ(kc_link_has_output(&link), 0);
    kc_link_close(&link);
    broker_close(b);
    free(b);
}

TEST(answers_are_put_together_from_any_pieces) {
    struct broker *b = malloc(sizeof *b);
    struct kc_link link;
    struct kc_slice frame;
    broker_open(b);
    EXPECT_EQ(kc_link_connect(&link, "localhost", b->port, 1000), KC_OK);
    broker_accept(b);
    uint8_t bytes[] = {0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 4, 6, 7, 8, 9};
    EXPECT_EQ(kc_link_next(&link, &frame), KC_AGAIN);
    size_t found = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        EXPECT_EQ(send(b->fd, bytes + i, 1, 0), 1);
        while (kc_link_receive(&link) != KC_OK) {}
        while (kc_link_next(&link, &frame) == KC_OK) {
            EXPECT_EQ(frame.size, found == 0 ? 5u : 4u);
            EXPECT_EQ(frame.data[0], found == 0 ? 1 : 6);
            found++;
        }
    }
    EXPECT_EQ(found, 2);
    kc_link_close(&link);
    broker_close(b);
    free(b);
}

TEST(a_length_that_cannot_be_and_a_peer_that_goes_are_told) {
    struct broker *b = malloc(sizeof *b);
    struct kc_link link;
    struct kc_slice frame;
    broker_open(b);
    EXPECT_EQ(kc_link_connect(&link, "127.0.0.1", b->port, 1000), KC_OK);
    broker_accept(b);
    uint8_t bytes[] = {0x7f, 0xff, 0xff, 0xff};
    EXPECT_EQ(send(b->fd, bytes, 4, 0), 4);
    while (kc_link_receive(&link) != KC_OK) {}
    EXPECT_EQ(kc_link_next(&link, &frame), KC_CORRUPT);
    broker_close(b);
    kc_status status;
    while ((status = kc_link_receive(&link)) == KC_AGAIN) {}
    EXPECT_EQ(status, KC_CLOSED);
    kc_link_close(&link);
    EXPECT_EQ(kc_link_connect(&link, "127.0.0.1", b->port, 1000), KC_CLOSED);
    EXPECT_EQ(link.fd, -1);
    EXPECT_EQ(kc_link_connect(&link, "no.such.host.invalid", 1, 100), KC_NOT_FOUND);
    kc_link_close(&link);
    free(b);
}

RUN_ALL()

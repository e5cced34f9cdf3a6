/* Goal: answers that were put off leave with the next flush, each on its own connection; those of connections that are gone, and
 * those that nobody flushed, are freed.
 * Method: a whole server in this process, the other side of the mailbox played by the test; the sanitizer counts what is left. */
#include "harness.h"

enum { CLIENTS = 5 };

static size_t metadata_frame(uint8_t *buffer, int32_t correlation) {
    struct kc_writer w;
    kc_writer_init(&w, buffer, 64);
    kc_write_i32(&w, 0);
    kc_write_i16(&w, 3);
    kc_write_i16(&w, 0);
    kc_write_i32(&w, correlation);
    kc_write_string(&w, kc_slice_make("c", 1));
    kc_write_i32(&w, 0);
    kc_write_patch_i32(&w, 0, (int32_t)(w.used - 4));
    return w.used;
}

/* Sends a request on each connection and puts its answer off: the correlation id. */
static void ask_and_put_off(struct harness *h, const int *fds, int count) {
    uint8_t frame[64];
    for (int i = 0; i < count; i++) client_send(fds[i], frame, metadata_frame(frame, i));
    for (int taken = 0; taken < count;) {
        struct kc_up *up = harness_next_up(h);
        EXPECT(up);
        struct kc_up_view view;
        kc_up_view(up, &view);
        EXPECT_EQ(view.kind, KC_UP_REQUEST);
        EXPECT_EQ(kc_server_reply_later(h->server, view.reactor, view.token, view.data.data + 4, 4, true, false), KC_OK);
        kc_up_free(up);
        taken++;
    }
}

TEST(a_flush_answers_every_connection) {
    struct harness h;
    harness_start(&h, 2, 1);
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) fds[i] = harness_connect(&h);
    for (int round = 0; round < 3; round++) {
        ask_and_put_off(&h, fds, CLIENTS);
        kc_server_flush_replies(h.server);
        kc_server_flush_replies(h.server);
        for (int i = 0; i < CLIENTS; i++) {
            uint8_t answer[4];
            EXPECT_EQ(client_receive(fds[i], answer, sizeof answer), 4);
            EXPECT_EQ(kc_load_i32(answer), i);
        }
    }
    for (int i = 0; i < CLIENTS; i++) close(fds[i]);
    harness_stop(&h);
}

TEST(what_nobody_waits_for_is_freed) {
    struct harness h;
    harness_start(&h, 1, 1);
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) fds[i] = harness_connect(&h);
    ask_and_put_off(&h, fds, CLIENTS);
    close(fds[0]);
    kc_server_flush_replies(h.server);
    for (int i = 1; i < CLIENTS; i++) {
        uint8_t answer[4];
        EXPECT_EQ(client_receive(fds[i], answer, sizeof answer), 4);
    }
    ask_and_put_off(&h, fds + 1, CLIENTS - 1);     /* and never flushed */
    for (int i = 1; i < CLIENTS; i++) close(fds[i]);
    harness_stop(&h);
}

RUN_ALL()

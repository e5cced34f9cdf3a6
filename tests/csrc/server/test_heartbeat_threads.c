/* Goal: a heartbeat that the group table knows is answered where it was read, in every version; every other one goes up, once and
 * whole; generations may change meanwhile.
 * Method: a whole server in this process, raw frames over loopback, the other side of the mailbox played by the test. */
#include <pthread.h>

#include "harness.h"

static struct kc_slice slice(const char *s) { return kc_slice_make(s, strlen(s)); }

static size_t heartbeat_frame(uint8_t *buffer, int16_t version, int32_t correlation, int32_t generation, const char *member,
                              const char *instance) {
    struct kc_writer w;
    bool flexible = version >= 4;
    struct kc_slice instance_slice = instance ? slice(instance) : (struct kc_slice){0};
    kc_writer_init(&w, buffer, 512);
    kc_write_i32(&w, 0);
    kc_write_i16(&w, 12);
    kc_write_i16(&w, version);
    kc_write_i32(&w, correlation);
    kc_write_string(&w, slice("client"));
    if (flexible) kc_write_empty_tags(&w);
    if (flexible) kc_write_compact_string(&w, slice("g"));
    else kc_write_string(&w, slice("g"));
    kc_write_i32(&w, generation);
    if (flexible) kc_write_compact_string(&w, slice(member));
    else kc_write_string(&w, slice(member));
    if (flexible) kc_write_compact_string(&w, instance_slice);
    else if (version >= 3) kc_write_string(&w, instance_slice);
    if (flexible) kc_write_empty_tags(&w);
    kc_write_patch_i32(&w, 0, (int32_t)(w.used - 4));
    return w.used;
}

static void open_group(struct harness *h, int32_t generation) {
    struct kc_group_member members[] = {{.id = slice("a")}, {.id = slice("s"), .instance = slice("i")}};
    EXPECT_EQ(kc_group_table_open(kc_server_groups(h->server), slice("g"), generation, members, 2), KC_OK);
}

TEST(every_version_is_answered) {
    struct harness h;
    harness_start(&h, 1, 1);
    open_group(&h, 5);
    int fd = harness_connect(&h);
    uint8_t frame[512], answer[64];
    static const uint8_t expected[][12] = {
        {0, 0, 0, 7, 0, 0}, {0, 0, 0, 7, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 7, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 7, 0, 0, 0, 0, 0, 0},
        {0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0},
    };
    static const ssize_t sizes[] = {6, 10, 10, 10, 12};
    for (int16_t version = 0; version <= 4; version++) {
        client_send(fd, frame, heartbeat_frame(frame, version, 7, 5, "s", version >= 3 ? "i" : NULL));
        EXPECT_EQ(client_receive(fd, answer, sizeof answer), sizes[version]);
        EXPECT_MEM(answer, expected[version], (size_t)sizes[version]);
    }
    EXPECT(kc_group_table_heard_us(kc_server_groups(h.server), slice("g"), slice("s")) > 0);
    EXPECT(!kc_server_next(h.server));
    close(fd);
    harness_stop(&h);
}

static void expect_up(struct harness *h, int fd, const uint8_t *frame, size_t size) {
    client_send(fd, frame, size);
    struct kc_up *up = harness_next_up(h);
    EXPECT(up);
    struct kc_up_view view;
    kc_up_view(up, &view);
    EXPECT_EQ(view.kind, KC_UP_REQUEST);
    EXPECT_EQ(view.data.size, size - 4);
    EXPECT_MEM(view.data.data, frame + 4, size - 4);
    uint8_t answer[4];
    EXPECT_EQ(kc_server_reply(h->server, view.reactor, view.token, "up", 2, true, false), KC_OK);
    kc_up_free(up);
    EXPECT_EQ(client_receive(fd, answer, sizeof answer), 2);
}

TEST(what_the_table_does_not_know_goes_up_whole) {
    struct harness h;
    harness_start(&h, 1, 1);
    open_group(&h, 5);
    int fd = harness_connect(&h);
    uint8_t frame[512];
    expect_up(&h, fd, frame, heartbeat_frame(frame, 4, 1, 4, "a", NULL));
    expect_up(&h, fd, frame, heartbeat_frame(frame, 4, 1, 5, "b", NULL));
    expect_up(&h, fd, frame, heartbeat_frame(frame, 3, 1, 5, "a", "i"));
    expect_up(&h, fd, frame, heartbeat_frame(frame, 5, 1, 5, "a", NULL));   /* a version of the future */
    EXPECT_EQ(kc_group_table_heard_us(kc_server_groups(h.server), slice("g"), slice("a")), -1);
    kc_group_table_close(kc_server_groups(h.server), slice("g"));
    expect_up(&h, fd, frame, heartbeat_frame(frame, 4, 1, 5, "a", NULL));
    close(fd);
    harness_stop(&h);
}

TEST(a_malformed_heartbeat_ends_its_connection) {
    struct harness h;
    harness_start(&h, 1, 1);
    uint8_t frame[512];
    size_t size = heartbeat_frame(frame, 4, 1, 5, "a", NULL);
    for (size_t cut = 12; cut < size - 1; cut++) {
        int fd = harness_connect(&h);
        kc_store_u32(frame, (uint32_t)(cut - 4));
        client_send(fd, frame, cut);
        EXPECT(client_closed(fd));
        close(fd);
    }
    harness_stop(&h);
}

enum { BEATS = 3000, CLIENTS = 3 };

static void *beat(void *arg) {
    struct harness *h = arg;
    int fd = harness_connect(h);
    uint8_t frame[512], answer[64];
    for (int i = 0; i < BEATS; i++) {
        client_send(fd, frame, heartbeat_frame(frame, 4, i, 5, "a", NULL));
        ssize_t size = client_receive(fd, answer, sizeof answer);
        EXPECT(size == 12 || size == 2);
    }
    close(fd);
    return NULL;
}

static void *rebalance(void *arg) {
    struct harness *h = arg;
    struct kc_group_table *groups = kc_server_groups(h->server);
    for (int i = 0; i < BEATS; i++) {
        kc_group_table_close(groups, slice("g"));
        kc_group_table_heard_us(groups, slice("g"), slice("a"));
        open_group(h, 4 + i % 2);
        if (i % 16 == 0) kc_group_table_forget(groups, slice("g"));
    }
    return NULL;
}

TEST(generations_change_while_members_beat) {
    struct harness h;
    harness_start(&h, 2, 1);
    pthread_t threads[CLIENTS + 1];
    for (int i = 0; i <= CLIENTS; i++) EXPECT_EQ(pthread_create(&threads[i], NULL, i < CLIENTS ? beat : rebalance, &h), 0);
    /* This thread answers what comes up until all have had their answers. */
    for (int silent = 0; silent < 1;) {
        struct kc_up *up = harness_next_up(&h);
        if (!up) {
            silent += kc_server_connection_count(h.server) == 0;
            continue;
        }
        struct kc_up_view view;
        kc_up_view(up, &view);
        if (view.kind == KC_UP_REQUEST) kc_server_reply(h.server, view.reactor, view.token, "up", 2, true, false);
        kc_up_free(up);
    }
    for (int i = 0; i <= CLIENTS; i++) pthread_join(threads[i], NULL);
    harness_stop(&h);
}

RUN_ALL()

/* Goal: the published body for the version that is asked for, and only where the request asks for nothing else.
 * Method: requests written here, byte by byte, against bodies that tell their version. */
#include "../check.h"

#include "hot/api_versions.h"
#include "wire/writer.h"

enum { NODE_ID = 7 };

static struct kc_slice slice(const char *s) { return kc_slice_make(s, strlen(s)); }
static const struct kc_slice none;

static struct kc_api_versions *make_table(bool published) {
    struct kc_api_versions *table;
    EXPECT_EQ(kc_api_versions_create(NODE_ID, &table), KC_OK);
    struct kc_slice bodies[] = {slice("v0"), slice("v1"), slice("v2"), slice("version 3"), slice("v4"), slice("v5")};
    if (published) EXPECT_EQ(kc_api_versions_publish(table, bodies, slice("own")), KC_OK);
    return table;
}

static struct kc_slice request(uint8_t *buffer, int16_t version, const char *name, struct kc_slice cluster_id, int32_t node_id) {
    struct kc_writer w;
    kc_writer_init(&w, buffer, 256);
    kc_write_i16(&w, 18);
    kc_write_i16(&w, version);
    kc_write_i32(&w, 4711);
    kc_write_string(&w, slice("client"));
    if (version >= 3) {
        kc_write_empty_tags(&w);
        kc_write_compact_string(&w, slice(name));
        kc_write_compact_string(&w, slice("1.0"));
        if (version >= 5) {
            kc_write_compact_string(&w, cluster_id);
            kc_write_i32(&w, node_id);
        }
        kc_write_empty_tags(&w);
    }
    return kc_slice_make(buffer, w.used);
}

static size_t ask(struct kc_api_versions *table, int16_t version, const char *name, struct kc_slice cluster_id, int32_t node_id) {
    uint8_t buffer[256], answer[KC_API_VERSIONS_ANSWER_MAX];
    return kc_api_versions_answer(table, request(buffer, version, name, cluster_id, node_id), answer);
}

TEST(each_version_gets_its_body) {
    struct kc_api_versions *table = make_table(true);
    uint8_t buffer[256], answer[KC_API_VERSIONS_ANSWER_MAX];
    for (int16_t version = 0; version < KC_API_VERSIONS_COUNT; version++) {
        size_t size = kc_api_versions_answer(table, request(buffer, version, "a-b.c", none, -1), answer);
        EXPECT_EQ(size, version == 3 ? 17 : 10);
        EXPECT_EQ(kc_load_i32(answer), (int32_t)size - 4);
        EXPECT_EQ(kc_load_i32(answer + 4), 4711);
        EXPECT(answer[size - 1] == '0' + version);
    }
    kc_api_versions_destroy(table);
}

TEST(before_anything_is_published_all_go_up) {
    struct kc_api_versions *table = make_table(false);
    EXPECT_EQ(ask(table, 0, "a", none, -1), 0);
    EXPECT_EQ(ask(table, 5, "a", none, -1), 0);
    kc_api_versions_destroy(table);
}

TEST(what_is_unusual_goes_up) {
    struct kc_api_versions *table = make_table(true);
    EXPECT_EQ(ask(table, -1, "a", none, -1), 0);
    EXPECT_EQ(ask(table, 6, "a", none, -1), 0);
    const char *unfit[] = {"", "-a", "a-", ".a", "a.", "a!b", "a b", "a\n", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof unfit / sizeof *unfit; i++) EXPECT_EQ(ask(table, 3, unfit[i], none, -1), 0);
    EXPECT(ask(table, 5, "a", slice("own"), NODE_ID) > 0);
    EXPECT_EQ(ask(table, 5, "a", slice("own"), -1), 0);
    EXPECT_EQ(ask(table, 5, "a", slice("own"), NODE_ID + 1), 0);
    EXPECT_EQ(ask(table, 5, "a", none, NODE_ID), 0);
    EXPECT_EQ(ask(table, 5, "a", slice("other"), NODE_ID), 0);
    EXPECT_EQ(ask(table, 5, "a", slice("ow"), NODE_ID), 0);
    EXPECT_EQ(ask(table, 5, "a", slice(""), NODE_ID), 0);
    kc_api_versions_destroy(table);
}

TEST(a_request_that_is_cut_or_goes_on_goes_up) {
    struct kc_api_versions *table = make_table(true);
    uint8_t buffer[256], answer[KC_API_VERSIONS_ANSWER_MAX];
    for (int16_t version = 0; version < KC_API_VERSIONS_COUNT; version++) {
        struct kc_slice frame = request(buffer, version, "a", slice("own"), NODE_ID);
        EXPECT(kc_api_versions_answer(table, frame, answer) > 0);
        buffer[frame.size] = 0;
        EXPECT_EQ(kc_api_versions_answer(table, kc_slice_make(buffer, frame.size + 1), answer), 0);
        for (size_t size = 0; size < frame.size; size++) {
            uint8_t *exact = malloc(size + 1);
            memcpy(exact, buffer, size);
            EXPECT_EQ(kc_api_versions_answer(table, kc_slice_make(exact, size), answer), 0);
            free(exact);
        }
    }
    kc_api_versions_destroy(table);
}

TEST(what_is_published_last_counts_and_an_answer_has_a_limit) {
    struct kc_api_versions *table = make_table(true);
    static uint8_t long_body[KC_API_VERSIONS_ANSWER_MAX];
    struct kc_slice bodies[KC_API_VERSIONS_COUNT] = {slice("new")};
    for (int i = 1; i < KC_API_VERSIONS_COUNT; i++) bodies[i] = slice("");
    bodies[1] = kc_slice_make(long_body, sizeof long_body - 8);
    EXPECT_EQ(kc_api_versions_publish(table, bodies, slice("other")), KC_OK);
    EXPECT_EQ(ask(table, 0, "a", none, -1), 11);
    EXPECT_EQ(ask(table, 1, "a", none, -1), KC_API_VERSIONS_ANSWER_MAX);
    EXPECT_EQ(ask(table, 2, "a", none, -1), 8);
    EXPECT(ask(table, 5, "a", slice("other"), NODE_ID) > 0);
    bodies[0] = kc_slice_make(long_body, sizeof long_body - 7);
    EXPECT_EQ(kc_api_versions_publish(table, bodies, slice("other")), KC_LIMIT);
    EXPECT_EQ(ask(table, 0, "a", none, -1), 11);
    kc_api_versions_destroy(table);
}

RUN_ALL()

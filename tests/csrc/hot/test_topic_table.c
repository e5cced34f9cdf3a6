/* Goal: a snapshot holds what was published, views move on only when asked, removed partitions are marked and their waiters woken.
 * Method: tables of partitions over small logs in a temporary directory, published again and again. */
#include "../check.h"

#include "../temporary.h"
#include "hot/topic_table.h"

static struct kc_file_cache *files;
static struct kc_log *open_log(const char *name) {
    char path[512];
    if (!files) EXPECT_EQ(kc_file_cache_create(kc_disk_system(), 64, &files), KC_OK);
    snprintf(path, sizeof path, "%s/%s", kc_test_directory(), name);
    struct kc_log_options options = {.files = files, .clock = kc_clock_system(), .config = kc_log_config_default(), .clean = true,
                                     .log_start_offset = -1};
    struct kc_log_recovery recovery;
    struct kc_log *log;
    EXPECT_EQ(kc_log_open(path, &options, &recovery, &log), KC_OK);
    return log;
}

static struct kc_topic *make_topic(const char *name, uint8_t id, struct kc_partition **partitions, int32_t count) {
    uint8_t uuid[16] = {id};
    struct kc_topic_config config = {.codec = KC_TOPIC_CODEC_PRODUCER};
    struct kc_topic *topic;
    EXPECT_EQ(kc_topic_create(kc_slice_make(name, strlen(name)), uuid, &config, partitions, count, &topic), KC_OK);
    return topic;
}

static struct kc_slice slice(const char *s) { return kc_slice_make(s, strlen(s)); }

static int wakes;
static void count_wake(struct kc_waiter *waiter, int64_t bytes) {
    (void)waiter;
    if (bytes == INT64_MAX) wakes++;
}

TEST(topics_are_found_by_name_and_by_id_and_by_nothing_else) {
    struct kc_topic_table *table;
    EXPECT_EQ(kc_topic_table_create(kc_test_random(), &table), KC_OK);
    enum { COUNT = 300 };
    struct kc_topic *topics[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        uint8_t uuid[16] = {0};
        snprintf(name, sizeof name, "topic-%d", i);
        memcpy(uuid, &i, sizeof i);
        uuid[15] = 1;
        struct kc_topic_config config = {.codec = KC_TOPIC_CODEC_PRODUCER};
        EXPECT_EQ(kc_topic_create(slice(name), uuid, &config, NULL, 0, &topics[i]), KC_OK);
    }
    EXPECT_EQ(kc_topic_table_publish(table, topics, COUNT), KC_OK);
    struct kc_topic_view view;
    kc_topic_view_open(&view, table);
    for (int i = 0; i < COUNT; i++) {
        EXPECT(kc_topic_view_find_name(&view, topics[i]->name) == topics[i]);
        EXPECT(kc_topic_view_find_id(&view, topics[i]->id) == topics[i]);
        kc_topic_release(topics[i]);
    }
    uint8_t zero[16] = {0};
    EXPECT(!kc_topic_view_find_id(&view, zero));
    EXPECT(!kc_topic_view_find_name(&view, slice("topic-300")));
    EXPECT(!kc_topic_view_find_name(&view, slice("")));
    EXPECT(!kc_topic_view_find_name(&view, (struct kc_slice){0}));
    kc_topic_view_close(&view);
    kc_topic_table_destroy(table);
}

TEST(a_view_keeps_what_it_saw_until_it_is_refreshed) {
    struct kc_topic_table *table;
    EXPECT_EQ(kc_topic_table_create(1, &table), KC_OK);
    struct kc_topic_view view;
    kc_topic_view_open(&view, table);
    struct kc_topic *topic = make_topic("a", 1, NULL, 0);
    EXPECT_EQ(kc_topic_table_publish(table, &topic, 1), KC_OK);
    EXPECT(!kc_topic_view_find_name(&view, slice("a")));
    kc_topic_view_refresh(&view);
    EXPECT(kc_topic_view_find_name(&view, slice("a")) == topic);
    EXPECT_EQ(kc_topic_table_publish(table, NULL, 0), KC_OK);
    kc_topic_release(topic);
    EXPECT(kc_topic_view_find_name(&view, slice("a")) == topic);       /* alive through the old snapshot */
    kc_topic_view_refresh(&view);
    EXPECT(!kc_topic_view_find_name(&view, slice("a")));
    kc_topic_view_close(&view);
    kc_topic_table_destroy(table);
}

TEST(removed_partitions_are_marked_and_wake_who_waits_and_kept_ones_do_not) {
    struct kc_topic_table *table;
    EXPECT_EQ(kc_topic_table_create(1, &table), KC_OK);
    struct kc_log *logs[2] = {open_log("kept-0"), open_log("gone-0")};
    struct kc_partition *kept, *gone;
    EXPECT_EQ(kc_partition_create(0, logs[0], 0, &kept), KC_OK);
    EXPECT_EQ(kc_partition_create(0, logs[1], 0, &gone), KC_OK);
    struct kc_topic *both[2] = {make_topic("kept", 1, &kept, 1), make_topic("gone", 2, &gone, 1)};
    EXPECT_EQ(kc_topic_table_publish(table, both, 2), KC_OK);

    struct kc_waiter waiters[2] = {{.woken = count_wake}, {.woken = count_wake}};
    kc_partition_wait(kept, &waiters[0]);
    kc_partition_wait(gone, &waiters[1]);
    wakes = 0;
    EXPECT_EQ(kc_topic_table_publish(table, both, 1), KC_OK);
    EXPECT_EQ(wakes, 1);
    EXPECT(atomic_load(&gone->removed));
    EXPECT(!atomic_load(&kept->removed));
    kc_partition_unwait(kept, &waiters[0]);
    kc_partition_unwait(gone, &waiters[1]);
    kc_partition_notify(gone, INT64_MAX);
    EXPECT_EQ(wakes, 1);

    for (int i = 0; i < 2; i++) {
        kc_topic_release(both[i]);
        EXPECT_EQ(kc_log_close(logs[i]), KC_OK);
        kc_log_release(logs[i]);
    }
    kc_partition_release(kept);
    kc_partition_release(gone);
    kc_topic_table_destroy(table);
    kc_file_cache_destroy(files);
    files = NULL;
}

TEST(a_name_that_is_empty_or_too_long_makes_no_topic) {
    uint8_t id[16] = {0};
    char name[KC_TOPIC_NAME_SIZE_MAX + 1];
    memset(name, 'x', sizeof name);
    struct kc_topic_config config = {0};
    struct kc_topic *topic;
    EXPECT_EQ(kc_topic_create(kc_slice_make(name, sizeof name), id, &config, NULL, 0, &topic), KC_INVALID);
    EXPECT_EQ(kc_topic_create(kc_slice_make(name, 0), id, &config, NULL, 0, &topic), KC_INVALID);
    EXPECT_EQ(kc_topic_create(kc_slice_make(name, KC_TOPIC_NAME_SIZE_MAX), id, &config, NULL, 0, &topic), KC_OK);
    kc_topic_release(topic);
}

RUN_ALL()

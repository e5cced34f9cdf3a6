/* A log against a plain list in memory, through a random life: appends of any shape, rolls, truncations, DeleteRecords, clean
 * stops, process deaths and lost index files.  The failing run's seed is printed by check.h. */
#include "fixture.h"

enum { BATCHES_MAX = 4000, STEPS = 900 };

struct stored {
    int64_t base_offset, last_offset, timestamp;
    size_t size;
    uint32_t crc;
    int32_t epoch;
};

static struct stored model[BATCHES_MAX];
static int model_count;
static int64_t model_end, model_start;
static struct fixture f;

static void add_batches(int32_t epoch) {
    static struct batch batches[8];
    struct kc_append appends[8];
    size_t count = 1 + kc_test_random_below(8);
    for (size_t i = 0; i < count; i++) {
        make_batch(&batches[i], 1 + (int)kc_test_random_below(5), kc_test_random_below(300), f.now_ms + (int64_t)kc_test_random_below(500));
        appends[i] = (struct kc_append){.batch = batches[i].bytes, .info = &batches[i].info, .leader_epoch = epoch};
    }
    kc_log_append(f.log, appends, count);
    for (size_t i = 0; i < count; i++) {
        EXPECT_EQ(appends[i].fault, KC_APPEND_OK);
        EXPECT_EQ(appends[i].base_offset, model_end);
        model_end = appends[i].last_offset + 1;
        model[model_count++] = (struct stored){appends[i].base_offset, appends[i].last_offset, batches[i].info.max_timestamp,
                                               batches[i].size, kc_load_u32(batches[i].bytes + KC_BATCH_CRC), epoch};
    }
}

static int model_find(int64_t offset) {
    for (int i = 0; i < model_count; i++)
        if (model[i].last_offset >= offset) return i;
    return -1;
}

static void check_read(void) {
    int64_t offset = model_start + (int64_t)kc_test_random_below((uint64_t)(model_end - model_start) + 1);
    int64_t limit = kc_test_random() & 1 ? INT64_MAX : offset + (int64_t)kc_test_random_below(60);
    int32_t max = (int32_t)kc_test_random_below(3000);
    bool min_one = kc_test_random() & 1;
    static uint8_t bytes[1 << 16];
    size_t size = read_bytes(&f, offset, limit, max, min_one, bytes, sizeof bytes);
    int at = model_find(offset);
    if (at < 0 || offset >= limit || model[at].last_offset >= limit) {
        EXPECT_EQ(size, 0);
        return;
    }
    if (model[at].size > (size_t)max) {
        EXPECT_EQ(size, min_one ? model[at].size : 0);
        if (size == 0) return;
    }
    EXPECT(size >= model[at].size);
    size_t used = 0;
    for (; used < size; at++) {
        EXPECT(at < model_count && model[at].last_offset < limit);
        if (size - used < 21) break;
        EXPECT_EQ(kc_load_i64(bytes + used), model[at].base_offset);
        EXPECT_EQ(kc_load_u32(bytes + used + KC_BATCH_CRC), model[at].crc);
        EXPECT_EQ(kc_load_i32(bytes + used + KC_BATCH_LEADER_EPOCH), model[at].epoch);
        used += model[at].size;
    }
}

static void check_timestamp(void) {
    int64_t target = f.now_ms - 20000 + (int64_t)kc_test_random_below(21000);
    struct kc_log_position position;
    EXPECT_EQ(kc_log_find_timestamp(f.log, target, INT64_MAX, &position), KC_OK);
    int64_t expected = -1;
    for (int i = 0; i < model_count && expected < 0; i++) {
        int64_t first = model[i].timestamp - (model[i].last_offset - model[i].base_offset);
        for (int64_t offset = model[i].base_offset; offset <= model[i].last_offset; offset++) {
            if (offset < model_start || first + offset - model[i].base_offset < target) continue;
            expected = offset;
            break;
        }
    }
    EXPECT_EQ(position.offset, expected);
}

static void truncate_log(void) {
    int64_t to = model_start + (int64_t)kc_test_random_below((uint64_t)(model_end - model_start) + 1);
    EXPECT_EQ(kc_log_truncate(f.log, to), KC_OK);
    if (to >= model_end) return;
    while (model_count && model[model_count - 1].last_offset >= to) model_count--;
    model_end = to;
}

static void delete_records(void) {
    int64_t to = model_start + (int64_t)kc_test_random_below((uint64_t)(model_end - model_start) + 1);
    EXPECT_EQ(kc_log_raise_start_offset(f.log, to), KC_OK);
    model_start = to;
    EXPECT_EQ(kc_log_drop_segments(f.log, NULL), KC_OK);
}

static void lose_an_index(void) {
    struct kc_log_segment_info infos[256];
    size_t count;
    kc_log_segments(f.log, infos, 256, &count);
    size_t at = kc_test_random_below(count < 256 ? count : 256);
    char name[64];
    snprintf(name, sizeof name, "%020lld.%s", (long long)infos[at].base_offset, kc_test_random() & 1 ? "index" : "timeindex");
    fixture_close(&f);
    remove_file(&f, name);
    f.options.clean = true;
}

static void reopen(void) {
    switch (kc_test_random_below(3)) {
    case 0:
        fixture_close(&f);
        f.options.clean = true;
        break;
    case 1:
        fixture_kill(&f, KC_RESTART_KEEP);
        f.options.clean = false;
        f.options.recovery_point = 0;
        break;
    case 2: lose_an_index(); break;
    }
    f.options.log_start_offset = model_start;
    fixture_open(&f);
    /* A truncation into a batch leaves an end that only lives in memory. */
    int64_t end = model_count ? model[model_count - 1].last_offset + 1 : 0;
    EXPECT(kc_log_end_offset(f.log) <= model_end);
    EXPECT(kc_log_end_offset(f.log) >= end || model_start == model_end);
    model_end = kc_log_end_offset(f.log);
    if (model_start > model_end) model_start = model_end;
}

TEST(a_random_life_agrees_with_a_plain_list) {
    for (int life = 0; life < 4; life++) {
        model_count = 0;
        model_end = model_start = 0;
        fixture_start(&f, kc_test_random());
        f.options.config = small_config();
        f.options.config.segment_size_bytes = 2000 + (int64_t)kc_test_random_below(8000);
        f.options.config.index_interval_bytes = (int32_t)kc_test_random_below(1000);
        fixture_open(&f);
        int32_t epoch = 0;
        for (int step = 0; step < STEPS && model_count < BATCHES_MAX - 8; step++) {
            f.now_ms += 20;
            uint64_t dice = kc_test_random_below(100);
            if (dice < 45) {
                add_batches(epoch);
            } else if (dice < 75) {
                check_read();
                check_timestamp();
            } else if (dice < 80) {
                EXPECT_EQ(kc_log_roll(f.log), KC_OK);
            } else if (dice < 84) {
                truncate_log();
            } else if (dice < 88) {
                delete_records();
            } else if (dice < 92) {
                EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
            } else if (dice < 95) {
                epoch++;
            } else {
                reopen();
            }
            EXPECT_EQ(kc_log_end_offset(f.log), model_end);
            EXPECT_EQ(kc_log_start_offset(f.log), model_start);
        }
        fixture_close(&f);
        fixture_stop(&f);
    }
}

RUN_ALL()

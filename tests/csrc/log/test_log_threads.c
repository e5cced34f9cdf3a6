/* Two threads append, two read, one rolls, flushes and deletes: every batch lands once, readers see whole batches in order. */
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"

enum { BATCHES = 1500, WRITERS = 2, READERS = 2 };

static struct fixture f;
static atomic_int running;

static void *write_batches(void *argument) {
    int64_t producer_id = (int64_t)(intptr_t)argument;
    struct batch *batch = malloc(sizeof *batch);
    for (int32_t i = 0; i < BATCHES; i++) {
        struct kc_batch_spec spec = kc_batch_spec_plain();
        spec.producer_id = producer_id;
        spec.producer_epoch = 0;
        spec.base_sequence = i;
        make_batch_spec(batch, &spec, 1, 60, 1000 + i);
        EXPECT_EQ(append_batch(&f, batch, 0).fault, KC_APPEND_OK);
    }
    free(batch);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void *read_batches(void *argument) {
    (void)argument;
    uint8_t *bytes = malloc(1 << 16);
    int64_t offset = 0;
    int32_t next_sequence[WRITERS + 1] = {0};
    bool complete = true;                      /* nothing was deleted before it was read */
    for (;;) {
        bool last = atomic_load(&running) == 0;
        struct kc_log_slice slice;
        kc_status status = kc_log_read(f.log, offset, INT64_MAX, 8192, true, &slice);
        if (status == KC_OUT_OF_RANGE) {
            offset = kc_log_start_offset(f.log);
            complete = false;
            continue;
        }
        EXPECT_EQ(status, KC_OK);
        if (slice.size_bytes == 0) {
            if (last && offset == kc_log_end_offset(f.log)) break;
            continue;
        }
        size_t got, at = 0;
        EXPECT_EQ(kc_file_read(slice.file, bytes, (size_t)slice.size_bytes, slice.position, &got), KC_OK);
        EXPECT_EQ(got, slice.size_bytes);
        kc_file_release(slice.file);
        struct kc_batch_header header;
        while (at < got && kc_batch_check_stored(kc_slice_make(bytes + at, got - at), &header) == KC_OK) {
            EXPECT_EQ(header.base_offset, offset);
            int32_t *next = &next_sequence[header.producer_id];
            EXPECT(header.base_sequence == *next || (!complete && header.base_sequence > *next));
            *next = header.base_sequence + 1;
            offset++;
            at += (size_t)header.size_bytes;
        }
        EXPECT(at > 0);
        struct kc_log_position position;
        EXPECT_EQ(kc_log_find_timestamp(f.log, 1500, INT64_MAX, &position), KC_OK);
    }
    free(bytes);
    return NULL;
}

static void *care(void *argument) {
    (void)argument;
    while (atomic_load(&running) > 0) {
        EXPECT_EQ(kc_log_flush(f.log, NULL), KC_OK);
        EXPECT_EQ(kc_log_roll(f.log), KC_OK);
        int64_t end = kc_log_end_offset(f.log);
        if (end > 600) EXPECT_EQ(kc_log_raise_start_offset(f.log, end - 500), KC_OK);
        EXPECT_EQ(kc_log_drop_segments(f.log, NULL), KC_OK);
        struct kc_log_segment_info infos[8];
        size_t count;
        kc_log_segments(f.log, infos, 8, &count);
        struct timespec pause = {0, 2000000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

TEST(writers_readers_and_care_at_the_same_time) {
    fixture_start(&f, 1);
    f.options.config = small_config();
    f.options.config.segment_size_bytes = 20000;
    fixture_open(&f);
    atomic_store(&running, WRITERS);
    pthread_t threads[WRITERS + READERS + 1];
    for (intptr_t i = 0; i < WRITERS; i++) EXPECT_EQ(pthread_create(&threads[i], NULL, write_batches, (void *)(i + 1)), 0);
    for (int i = 0; i < READERS; i++) EXPECT_EQ(pthread_create(&threads[WRITERS + i], NULL, read_batches, NULL), 0);
    EXPECT_EQ(pthread_create(&threads[WRITERS + READERS], NULL, care, NULL), 0);
    for (int i = 0; i < WRITERS + READERS + 1; i++) pthread_join(threads[i], NULL);
    EXPECT_EQ(kc_log_end_offset(f.log), WRITERS * BATCHES);
    walk_log(&f);
    f.options.log_start_offset = kc_log_start_offset(f.log);
    fixture_reopen(&f, true);
    EXPECT_EQ(kc_log_end_offset(f.log), WRITERS * BATCHES);
    fixture_stop(&f);
}

RUN_ALL()

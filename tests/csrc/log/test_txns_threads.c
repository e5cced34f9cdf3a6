/* Readers of committed data beside producers whose transactions begin, commit and abort: whatever lies below the last stable offset is
 * decided, and what was aborted is in the list.  The offset is read without the lock, so that this is about the order in which the log makes
 * things visible (txns.c). */
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"
#include "record/marker.h"

enum { PRODUCERS = 3, TRANSACTIONS = 250, READERS = 2 };

static struct fixture f;
static atomic_int running;
static void *produce(void *argument) {
    int64_t id = (int64_t)(intptr_t)argument;
    struct batch *batch = malloc(sizeof *batch);
    int32_t sequence = 0;
    for (int i = 0; i < TRANSACTIONS; i++) {
        for (int k = 0; k <= i % 3; k++) {
            make_producer_batch(batch, 1, id, 0, sequence++, true);
            struct kc_append done = append_batch(&f, batch, 0);
            EXPECT_EQ(done.fault, KC_APPEND_OK);
        }
        struct kc_log_marker marker = {.producer_id = id, .producer_epoch = 0, .commit = (i + id) % 2, .transaction_version = 1};
        struct kc_append done;
        kc_log_append_marker(f.log, &marker, &done);
        EXPECT_EQ(done.fault, KC_APPEND_OK);
    }
    free(batch);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* Reads from `offset` to the last stable offset and checks each producer's data in it against the list that comes with it; returns where
 * the next read begins. */
static int64_t read_committed(int64_t offset, int64_t stable, uint8_t *bytes, struct kc_aborted_txns *list, int64_t *decided, int64_t *dropped) {
    struct kc_log_slice slice;
    EXPECT_EQ(kc_log_read(f.log, offset, stable, 4096, true, &slice), KC_OK);
    EXPECT(slice.size_bytes > 0);
    int64_t bound = kc_log_bound_slice(f.log, offset, &slice, stable);
    list->count = 0;
    EXPECT_EQ(kc_log_collect_aborted(f.log, offset, bound, list), KC_OK);
    size_t size, at = 0;
    EXPECT_EQ(kc_file_read(slice.file, bytes, (size_t)slice.size_bytes, slice.position, &size), KC_OK);
    kc_file_release(slice.file);
    struct kc_batch_header h;
    for (; kc_batch_check_stored(kc_slice_make(bytes + at, size - at), &h) == KC_OK; at += (size_t)h.size_bytes) {
        offset = kc_batch_last_offset(&h) + 1;
        EXPECT(offset <= stable && offset <= bound);
        if (h.attributes & KC_ATTRIBUTE_CONTROL) continue;
        bool aborted = false;
        for (uint32_t i = 0; i < list->count; i++)
            aborted = aborted || (list->items[i].producer_id == h.producer_id && list->items[i].first_offset <= h.base_offset &&
                                  h.base_offset < list->items[i].last_offset);
        ++*(aborted ? dropped : decided);
        /* Its own marker says the same; it may lie beyond, as far as the end of the log. */
        uint8_t later[8192];
        for (int64_t next = offset, done = 0; !done;) {
            struct kc_log_slice more;
            EXPECT_EQ(kc_log_read(f.log, next, INT64_MAX, sizeof later, true, &more), KC_OK);
            EXPECT(more.size_bytes > 0);
            size_t got, place = 0;
            EXPECT_EQ(kc_file_read(more.file, later, (size_t)more.size_bytes, more.position, &got), KC_OK);
            kc_file_release(more.file);
            struct kc_batch_header m;
            for (; !done && kc_batch_check_stored(kc_slice_make(later + place, got - place), &m) == KC_OK; place += (size_t)m.size_bytes) {
                next = kc_batch_last_offset(&m) + 1;
                if (m.producer_id != h.producer_id || !(m.attributes & KC_ATTRIBUTE_CONTROL) || m.base_offset < offset) continue;
                struct kc_marker marker;
                EXPECT(kc_marker_read(kc_slice_make(later + place + KC_BATCH_HEADER_SIZE, (size_t)m.size_bytes - KC_BATCH_HEADER_SIZE), &m,
                                      &marker));
                EXPECT_EQ(marker.commit, !aborted);
                done = 1;
            }
            EXPECT(done || place > 0);
        }
    }
    EXPECT(at > 0);
    return offset;
}

static void *consume(void *argument) {
    (void)argument;
    uint8_t *bytes = malloc(1 << 16);
    struct kc_aborted_txns list = {0};
    int64_t offset = 0, decided = 0, dropped = 0;
    for (;;) {
        bool last = atomic_load(&running) == 0;
        int64_t stable = kc_log_last_stable_offset(f.log);
        EXPECT(stable <= kc_log_end_offset(f.log));
        if (offset < stable) offset = read_committed(offset, stable, bytes, &list, &decided, &dropped);
        else if (last) break;
    }
    EXPECT_EQ(offset, kc_log_end_offset(f.log));
    int64_t written = 0;
    for (int i = 0; i < TRANSACTIONS; i++) written += PRODUCERS * (1 + i % 3);
    EXPECT_EQ(decided + dropped, written);
    EXPECT(decided > 0 && dropped > 0);
    kc_aborted_txns_release(&list);
    free(bytes);
    return NULL;
}

TEST(committed_data_is_decided_and_aborted_data_is_listed) {
    fixture_start(&f, 1);
    f.options.config.segment_size_bytes = 16384;
    f.options.config.index_interval_bytes = 300;
    fixture_open(&f);
    atomic_store(&running, PRODUCERS);
    pthread_t threads[PRODUCERS + READERS];
    for (int i = 0; i < PRODUCERS; i++) EXPECT_EQ(pthread_create(&threads[i], NULL, produce, (void *)(intptr_t)i), 0);
    for (int i = 0; i < READERS; i++) EXPECT_EQ(pthread_create(&threads[PRODUCERS + i], NULL, consume, NULL), 0);
    for (int i = 0; i < PRODUCERS + READERS; i++) EXPECT_EQ(pthread_join(threads[i], NULL), 0);
    EXPECT_EQ(kc_log_last_stable_offset(f.log), kc_log_end_offset(f.log));
    fixture_close(&f);
    fixture_stop(&f);
}

RUN_ALL()

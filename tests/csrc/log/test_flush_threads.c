/* Goal: a flush says "on disk" only once it is, also when another flush has taken the work away from it.
 * Method: a disk whose first sync waits until the test lets it go. */
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"

static struct {
    const struct kc_disk *below;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool hold, holding;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static kc_status gated_sync(void *state, int handle) {
    pthread_mutex_lock(&gate.lock);
    if (gate.hold) {
        gate.holding = true;
        pthread_cond_broadcast(&gate.changed);
        while (gate.hold) pthread_cond_wait(&gate.changed, &gate.lock);
    }
    pthread_mutex_unlock(&gate.lock);
    return gate.below->sync(state, handle);
}

static struct kc_log *the_log;
static atomic_int ended;

static void *flush(void *argument) {
    EXPECT_EQ(kc_log_flush(the_log, argument), KC_OK);
    atomic_fetch_add(&ended, 1);
    return NULL;
}

TEST(a_flush_does_not_end_before_the_one_that_took_its_work) {
    struct fixture f;
    fixture_start(&f, 1);
    struct kc_disk disk = *f.disk;
    disk.sync = gated_sync;
    gate.below = f.disk;
    kc_file_cache_destroy(f.files);
    EXPECT_EQ(kc_file_cache_create(&disk, 16, &f.files), KC_OK);
    f.options.files = f.files;
    fixture_open(&f);
    append_many(&f, 5, 100);
    the_log = f.log;

    int64_t synced[2] = {-1, -1};
    pthread_t threads[2];
    gate.hold = true;
    EXPECT_EQ(pthread_create(&threads[0], NULL, flush, &synced[0]), 0);
    pthread_mutex_lock(&gate.lock);
    while (!gate.holding) pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    EXPECT_EQ(pthread_create(&threads[1], NULL, flush, &synced[1]), 0);
    /* Time enough for the second one, if it did not wait: this can only fail where the code is wrong. */
    usleep(50000);
    EXPECT_EQ(atomic_load(&ended), 0);
    /* Meanwhile the log is written and read. */
    append_many(&f, 1, 100);
    EXPECT_EQ(walk_log(&f), 6);

    pthread_mutex_lock(&gate.lock);
    gate.hold = false;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    EXPECT_EQ(synced[0], 5);
    EXPECT(synced[1] >= 5);
    fixture_close(&f);
    fixture_stop(&f);
}

RUN_ALL()

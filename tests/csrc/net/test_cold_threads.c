/* Goal: a slice that the disk would have to be waited for holds up its own connection and no other, and arrives whole.
 * Method: the machine's disk with a lid: what lies below a mark is cold, and a load ends when the test lets it. */
#include <pthread.h>
#include <stdatomic.h>

#include "../temporary.h"
#include "echo.h"
#include "io/worker.h"

enum { FILE_SIZE = 12 << 20 };

static uint8_t byte_at(size_t position) { return (uint8_t)(position * 2654435761u >> 13); }

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t cold_below;                   /* loads do not change it: what was loaded is not asked about again */
    int waiting, let_go;
    _Atomic int loads;
    _Atomic int64_t bytes_loaded;
} lid = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool lid_is_cold(void *state, int handle, int64_t position, size_t size) {
    (void)state, (void)handle, (void)size;
    pthread_mutex_lock(&lid.lock);
    bool cold = position < lid.cold_below;
    pthread_mutex_unlock(&lid.lock);
    return cold;
}

static void lid_load(void *state, int handle, int64_t position, size_t size) {
    (void)state, (void)handle, (void)position;
    pthread_mutex_lock(&lid.lock);
    lid.waiting++;
    lid.loads++;
    lid.bytes_loaded += (int64_t)size;
    pthread_cond_broadcast(&lid.changed);
    while (lid.let_go == 0) pthread_cond_wait(&lid.changed, &lid.lock);
    lid.let_go--;
    lid.waiting--;
    pthread_mutex_unlock(&lid.lock);
}

static void wait_for_load(void) {
    pthread_mutex_lock(&lid.lock);
    while (lid.waiting == 0) pthread_cond_wait(&lid.changed, &lid.lock);
    pthread_mutex_unlock(&lid.lock);
}

static void let_go(int loads) {
    pthread_mutex_lock(&lid.lock);
    lid.let_go += loads;
    pthread_cond_broadcast(&lid.changed);
    pthread_mutex_unlock(&lid.lock);
}

struct scene {
    struct kc_disk disk;
    struct kc_file_cache *cache;
    struct kc_file *file;
    struct kc_worker *loader;
    struct echo *echo;
};

static void scene_start(struct scene *s, int64_t cold_below) {
    char path[300];
    snprintf(path, sizeof path, "%s/slices", kc_test_directory());
    s->disk = *kc_disk_system();
    s->disk.is_cold = lid_is_cold;
    s->disk.load = lid_load;
    lid.cold_below = cold_below;
    lid.let_go = lid.loads = 0;
    lid.bytes_loaded = 0;
    struct kc_file *writer;
    EXPECT_EQ(kc_file_cache_create(&s->disk, 4, &s->cache), KC_OK);
    EXPECT_EQ(kc_file_create(s->cache, path, KC_OPEN_WRITE | KC_OPEN_CREATE, &writer), KC_OK);
    uint8_t *bytes = malloc(FILE_SIZE);
    for (size_t i = 0; i < FILE_SIZE; i++) bytes[i] = byte_at(i);
    struct iovec iov = {bytes, FILE_SIZE};
    EXPECT_EQ(kc_file_write(writer, &iov, 1, 0), KC_OK);
    free(bytes);
    kc_file_release(writer);
    EXPECT_EQ(kc_file_create(s->cache, path, KC_OPEN_READ, &s->file), KC_OK);
    EXPECT_EQ(kc_worker_create(1, 16, &s->loader), KC_OK);
    struct kc_reactor_config config = kc_reactor_config_default();
    config.loader = s->loader;
    s->echo = echo_start(&config, s->file);
}

static void scene_stop(struct scene *s) {
    kc_worker_stop(s->loader);
    echo_stop(s->echo);
    kc_worker_destroy(s->loader);
    kc_file_release(s->file);
    kc_file_cache_destroy(s->cache);
}

static void ask(int fd, uint32_t position, uint32_t size) {
    uint8_t frame[13];
    kc_store_u32(frame, 9);
    frame[4] = 'f';
    kc_store_u32(frame + 5, position);
    kc_store_u32(frame + 9, size);
    client_send(fd, frame, sizeof frame);
}

static void expect(int fd, uint32_t position, uint32_t size) {
    uint8_t *got = malloc(5 + (size_t)size);
    client_receive(fd, got, 5 + (size_t)size);
    EXPECT_EQ(kc_load_u32(got), 1 + size);
    for (uint32_t i = 0; i < size; i++) {
        if (got[5 + i] != byte_at(position + i)) EXPECT_EQ(got[5 + i], byte_at(position + i));
    }
    free(got);
}

static void one_waits_others_do_not(uint32_t size) {
    struct scene s;
    scene_start(&s, 8 << 20);
    int slow = client_connect(s.echo->port), quick = client_connect(s.echo->port);
    ask(slow, 1000, size);
    wait_for_load();
    for (uint32_t i = 0; i < 50; i++) {
        ask(quick, (9 << 20) + i, size);
        expect(quick, (9 << 20) + i, size);
    }
    EXPECT_EQ(lid.loads, 1);
    let_go(1);
    expect(slow, 1000, size);
    EXPECT_EQ(lid.loads, 1);
    EXPECT_EQ(lid.bytes_loaded, size);
    close(slow);
    close(quick);
    scene_stop(&s);
}

TEST(a_large_cold_slice_holds_up_only_its_own_connection) { one_waits_others_do_not(200000); }
TEST(a_small_cold_slice_holds_up_only_its_own_connection) { one_waits_others_do_not(300); }

TEST(a_long_cold_slice_is_loaded_part_by_part) {
    struct scene s;
    scene_start(&s, INT64_MAX);
    int fd = client_connect(s.echo->port);
    let_go(100);
    ask(fd, 0, 10 << 20);
    expect(fd, 0, 10 << 20);
    EXPECT_EQ(lid.loads, 3);              /* of 4 MiB at the most */
    EXPECT_EQ(lid.bytes_loaded, 10 << 20);
    close(fd);
    scene_stop(&s);
}

TEST(a_connection_that_ends_while_its_slice_is_loaded_is_let_go) {
    struct scene s;
    scene_start(&s, INT64_MAX);
    int gone = client_connect(s.echo->port);
    ask(gone, 0, 100000);
    wait_for_load();
    struct linger now = {.l_onoff = 1};
    setsockopt(gone, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(gone);
    while (kc_reactor_connection_count(s.echo->reactor) > 0) usleep(1000);
    let_go(100);
    int fd = client_connect(s.echo->port);
    ask(fd, 5, 1000);
    expect(fd, 5, 1000);
    close(fd);
    scene_stop(&s);
}

TEST(a_stop_while_a_slice_is_loaded_ends) {
    struct scene s;
    scene_start(&s, INT64_MAX);
    int fd = client_connect(s.echo->port);
    ask(fd, 0, 100000);
    wait_for_load();
    let_go(100);
    scene_stop(&s);
    close(fd);
}

RUN_ALL()

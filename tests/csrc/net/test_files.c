/* Answers made of memory and file slices: every byte in order, whatever their sizes, and a file that is not what it was said to be. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "echo.h"
#include "io/disk_fault.h"

enum { FILE_SIZE = 6 << 20 };

static uint8_t byte_at(size_t position) { return (uint8_t)(position * 2654435761u >> 13); }

static struct kc_file_cache *cache_with_file(const struct kc_disk *disk, const char *path, struct kc_file **file) {
    struct kc_file_cache *cache;
    EXPECT_EQ(kc_file_cache_create(disk, 4, &cache), KC_OK);
    EXPECT_EQ(kc_file_create(cache, path, KC_OPEN_WRITE | KC_OPEN_CREATE, file), KC_OK);
    uint8_t *bytes = malloc(FILE_SIZE);
    for (size_t i = 0; i < FILE_SIZE; i++) bytes[i] = byte_at(i);
    struct iovec iov = {bytes, FILE_SIZE};
    EXPECT_EQ(kc_file_write(*file, &iov, 1, 0), KC_OK);
    free(bytes);
    return cache;
}

static const char *temporary_path(char *path) {
    strcpy(path, "/tmp/kc-net-XXXXXX");
    int fd = mkstemp(path);
    EXPECT(fd >= 0);
    close(fd);
    return path;
}

struct slice {
    uint32_t position, size;
};

static void ask(int fd, const struct slice *slices, size_t count) {
    uint8_t *frame = malloc(5 + 8 * count);
    kc_store_u32(frame, (uint32_t)(1 + 8 * count));
    frame[4] = 'f';
    for (size_t i = 0; i < count; i++) {
        kc_store_u32(frame + 5 + 8 * i, slices[i].position);
        kc_store_u32(frame + 9 + 8 * i, slices[i].size);
    }
    client_send(fd, frame, 5 + 8 * count);
    free(frame);
}

static void expect_slices(int fd, const struct slice *slices, size_t count) {
    uint8_t head[4];
    size_t total = 0;
    for (size_t i = 0; i < count; i++) total += 1 + slices[i].size;
    client_receive(fd, head, 4);
    EXPECT_EQ(kc_load_u32(head), total);
    uint8_t *got = malloc(total ? total : 1);
    client_receive(fd, got, total);
    const uint8_t *at = got;
    for (size_t i = 0; i < count; i++) {
        EXPECT_EQ(*at++, '#');
        for (size_t j = 0; j < slices[i].size; j++) {
            if (*at++ != byte_at(slices[i].position + j)) EXPECT_EQ(at[-1], byte_at(slices[i].position + j));
        }
    }
    free(got);
}

static void random_slices(struct slice *slices, size_t count) {
    static const uint32_t limits[] = {2, 100, 5000, 16384, 16385, 40000, 300000, 3000000};
    for (size_t i = 0; i < count; i++) {
        uint32_t limit = limits[kc_test_random_below(8)];
        slices[i].size = kc_test_random_below(3) ? (uint32_t)kc_test_random_below(limit) : limit;
        slices[i].position = (uint32_t)kc_test_random_below(FILE_SIZE - slices[i].size + 1);
    }
}

static void slices_of_all_sizes(const struct kc_disk *disk, const char *path, const struct kc_reactor_config *config, int receive_buffer) {
    struct kc_file *file;
    struct kc_file_cache *cache = cache_with_file(disk, path, &file);
    struct echo *echo = echo_start(config, file);
    int fd = client_connect_small(echo->port, receive_buffer);
    for (int round = 0; round < 12; round++) {
        struct slice slices[3][100];
        size_t counts[3];
        for (int i = 0; i < 3; i++) {
            counts[i] = 1 + (size_t)kc_test_random_below(i == 2 ? 100 : 6);
            random_slices(slices[i], counts[i]);
            for (size_t j = 0; i == 2 && j < counts[i]; j++) slices[i][j].size %= 3000;
            ask(fd, slices[i], counts[i]);
        }
        for (int i = 0; i < 3; i++) expect_slices(fd, slices[i], counts[i]);
        /* Nobody keeps it open between answers. */
        kc_file_close_idle(file);
        EXPECT_EQ(kc_file_cache_open_count(cache), 0);
    }
    close(fd);
    echo_stop(echo);
    kc_file_release(file);
    kc_file_cache_destroy(cache);
}

TEST(slices_of_all_sizes_arrive_in_order) {
    char path[32];
    slices_of_all_sizes(kc_disk_system(), temporary_path(path), NULL, 0);
    unlink(path);
}

TEST(the_same_with_small_budgets_and_a_small_window) {
    char path[32];
    struct kc_reactor_config config = kc_reactor_config_default();
    config.send_budget = 30001;
    config.sendfile_step = 7001;
    config.socket_send_buffer = 8192;
    slices_of_all_sizes(kc_disk_system(), temporary_path(path), &config, 8192);
    unlink(path);
}

TEST(a_disk_without_descriptors_is_read_and_sent) {
    struct kc_disk_fault *fault;
    EXPECT_EQ(kc_disk_fault_create(1, &fault), KC_OK);
    slices_of_all_sizes(kc_disk_fault_disk(fault), "file", NULL, 0);
    kc_disk_fault_destroy(fault);
}

TEST(a_file_that_is_shorter_than_its_slice_ends_only_that_connection) {
    char path[32];
    struct kc_file *file;
    struct kc_file_cache *cache = cache_with_file(kc_disk_system(), temporary_path(path), &file);
    struct echo *echo = echo_start(NULL, file);
    const struct slice sizes[] = {{FILE_SIZE - 100, 200}, {FILE_SIZE - 100000, 200000}};
    const struct slice sound = {5, 1000};
    int other = client_connect(echo->port);
    for (int i = 0; i < 2; i++) {
        int fd = client_connect(echo->port);
        uint8_t got[300];
        ask(fd, &sizes[i], 1);
        /* What is there may arrive; never a whole answer. */
        size_t total = 0, n;
        while ((n = client_receive_up_to(fd, got, sizeof got)) > 0) total += n;
        EXPECT(total < 5 + (size_t)sizes[i].size);
        CLIENT_UNTIL(echo->reasons[KC_CLOSE_FILE] == i + 1);
        close(fd);
        ask(other, &sound, 1);
        expect_slices(other, &sound, 1);
    }
    EXPECT_EQ(kc_file_truncate(file, 0), KC_OK);
    uint8_t rest[100];
    ask(other, &sound, 1);
    EXPECT(client_receive_up_to(other, rest, sizeof rest) <= 5);
    EXPECT_EQ(echo->reasons[KC_CLOSE_FILE], 3);
    close(other);
    echo_stop(echo);
    kc_file_release(file);
    kc_file_cache_destroy(cache);
    unlink(path);
}

TEST(a_blocked_reader_keeps_no_file_open_and_goes_on_after_eviction) {
    char path[32];
    struct kc_file *file;
    struct kc_file_cache *cache = cache_with_file(kc_disk_system(), temporary_path(path), &file);
    struct echo *echo = echo_start(NULL, file);
    const struct slice whole = {0, FILE_SIZE};
    int fd = client_connect_small(echo->port, 8192);
    ask(fd, &whole, 1);
    CLIENT_UNTIL(echo->frames == 1);
    client_sleep_ms(30);
    EXPECT(!kc_reactor_idle(echo->reactor));
    kc_file_close_idle(file);
    EXPECT_EQ(kc_file_cache_open_count(cache), 0);
    expect_slices(fd, &whole, 1);
    CLIENT_UNTIL(kc_reactor_idle(echo->reactor));
    close(fd);
    echo_stop(echo);
    kc_file_release(file);
    kc_file_cache_destroy(cache);
    unlink(path);
}

TEST(a_file_that_has_gone_ends_the_connection) {
    char path[32];
    struct kc_file *file;
    struct kc_file_cache *cache;
    EXPECT_EQ(kc_file_cache_create(kc_disk_system(), 4, &cache), KC_OK);
    EXPECT_EQ(kc_file_create(cache, temporary_path(path), KC_OPEN_READ, &file), KC_OK);
    unlink(path);
    struct echo *echo = echo_start(NULL, file);
    const struct slice large = {0, 100000};
    int fd = client_connect(echo->port);
    ask(fd, &large, 1);
    CLIENT_UNTIL(echo->reasons[KC_CLOSE_FILE] == 1);
    close(fd);
    echo_stop(echo);
    kc_file_release(file);
    kc_file_cache_destroy(cache);
}

TEST(a_peer_that_leaves_in_the_middle_of_an_answer_raises_no_signal) {
    char path[32];
    struct kc_file *file;
    struct kc_file_cache *cache = cache_with_file(kc_disk_system(), temporary_path(path), &file);
    struct echo *echo = echo_start(NULL, file);
    const struct slice whole = {0, FILE_SIZE};
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 6; i++) {
        int fd = client_connect_small(echo->port, 8192);
        ask(fd, &whole, 1);
        CLIENT_UNTIL(echo->frames == i + 1);
        if (i % 2) client_reset(fd);
        else close(fd);
    }
    CLIENT_UNTIL(echo->closed == 6);
    EXPECT_EQ(echo->reasons[KC_CLOSE_PEER], 6);
    echo_stop(echo);
    kc_file_release(file);
    kc_file_cache_destroy(cache);
    unlink(path);
}

RUN_ALL()

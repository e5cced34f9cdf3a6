/* Chains and their flushing over a transport that takes as much, or as little, as the test says: short writes, AGAIN at each call, a file
 * that ends early, a broken peer.  Whatever the cuts, the bytes that went out are a prefix of what was added, in order. */
#include <fcntl.h>

#include "../check.h"
#include "base/check.h"
#include "io/disk_fault.h"
#include "net/chunk.h"
#include "net/flush.h"

enum { FILE_SIZE = 1 << 20, OUT_MAX = 8 << 20 };

struct fake {
    struct kc_transport transport;
    uint8_t *out;
    size_t out_size, expected_size;
    uint8_t *expected;
    int send_calls, file_calls;
    int again_in;            /* this many calls are taken, the next is not; < 0: all are */
    size_t most;             /* a call takes up to so many bytes at random; 0: everything */
    bool broken, no_sendfile;
    bool last_more;
};

static size_t taken(struct fake *fake, size_t offered) {
    return fake->most && offered ? 1 + (size_t)kc_test_random_below(offered < fake->most ? offered : fake->most) : offered;
}

static kc_status verdict(struct fake *fake) {
    if (fake->broken) return KC_CLOSED;
    if (fake->again_in == 0) return KC_AGAIN;
    if (fake->again_in > 0) fake->again_in--;
    return KC_OK;
}

static kc_status fake_send(struct kc_transport *transport, struct iovec *iov, int count, bool more, size_t *sent) {
    struct fake *fake = KC_CONTAINER_OF(transport, struct fake, transport);
    size_t total = 0, left;
    fake->send_calls++;
    fake->last_more = more;
    kc_status status = verdict(fake);
    if (status != KC_OK) return status;
    for (int i = 0; i < count; i++) total += iov[i].iov_len;
    *sent = left = taken(fake, total);
    for (int i = 0; i < count && left > 0; i++) {
        size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;
        memcpy(fake->out + fake->out_size, iov[i].iov_base, part);
        fake->out_size += part;
        left -= part;
    }
    return KC_OK;
}

static kc_status fake_send_file(struct kc_transport *transport, int handle, int64_t position, size_t size, size_t *sent) {
    struct fake *fake = KC_CONTAINER_OF(transport, struct fake, transport);
    fake->file_calls++;
    if (fake->no_sendfile) return KC_INVALID;
    kc_status status = verdict(fake);
    if (status != KC_OK) return status;
    ssize_t n = pread(handle, fake->out + fake->out_size, taken(fake, size), position);
    if (n <= 0) return n == 0 ? KC_OUT_OF_RANGE : KC_IO_ERROR;
    fake->out_size += (size_t)n;
    *sent = (size_t)n;
    return KC_OK;
}

static const struct kc_transport_ops fake_ops = {.send = fake_send, .send_file = fake_send_file};

struct bench {
    struct kc_chunk_pool *pool;
    struct kc_chain chain;
    struct kc_file_cache *cache;
    struct kc_file *file;
    uint8_t *content;
    struct fake fake;
    uint8_t scratch[128 << 10];
    struct kc_flush_limits limits;
};

static struct bench *bench_open(const struct kc_disk *disk, const char *path) {
    struct bench *bench = calloc(1, sizeof *bench);
    EXPECT_EQ(kc_chunk_pool_create(&bench->pool), KC_OK);
    kc_chain_init(&bench->chain, bench->pool);
    EXPECT_EQ(kc_file_cache_create(disk, 2, &bench->cache), KC_OK);
    EXPECT_EQ(kc_file_create(bench->cache, path, KC_OPEN_WRITE | KC_OPEN_CREATE, &bench->file), KC_OK);
    bench->content = malloc(FILE_SIZE);
    for (size_t i = 0; i < FILE_SIZE; i++) bench->content[i] = (uint8_t)(i * 2654435761u >> 11);
    struct iovec iov = {bench->content, FILE_SIZE};
    EXPECT_EQ(kc_file_write(bench->file, &iov, 1, 0), KC_OK);
    bench->fake = (struct fake){.transport.ops = &fake_ops, .again_in = -1, .out = malloc(OUT_MAX), .expected = malloc(OUT_MAX)};
    bench->limits = (struct kc_flush_limits){.budget = OUT_MAX, .sendfile_step = OUT_MAX, .copy_max = 16 << 10, .warm = SIZE_MAX,
                                             .scratch = bench->scratch, .scratch_size = sizeof bench->scratch};
    return bench;
}

static void bench_close(struct bench *bench) {
    kc_chain_clear(&bench->chain);
    EXPECT_EQ(kc_chunk_pool_lent(bench->pool), 0);
    kc_chunk_pool_destroy(bench->pool);
    kc_file_release(bench->file);
    kc_file_cache_destroy(bench->cache);
    free(bench->fake.out);
    free(bench->fake.expected);
    free(bench->content);
    free(bench);
}

static void add_memory(struct bench *bench, size_t size) {
    uint8_t *out = kc_chain_reserve(&bench->chain, size);
    EXPECT(out);
    for (size_t i = 0; i < size; i++) bench->fake.expected[bench->fake.expected_size++] = out[i] = (uint8_t)kc_test_random();
}

static void add_file(struct bench *bench, size_t position, size_t size) {
    EXPECT_EQ(kc_chain_add_file(&bench->chain, kc_file_retain(bench->file), (int64_t)position, (int64_t)size), KC_OK);
    memcpy(bench->fake.expected + bench->fake.expected_size, bench->content + position, size);
    bench->fake.expected_size += size;
}

static void expect_all(struct bench *bench) {
    EXPECT_EQ(bench->fake.out_size, bench->fake.expected_size);
    EXPECT_MEM(bench->fake.out, bench->fake.expected, bench->fake.expected_size);
    EXPECT_EQ(bench->chain.size_bytes, 0);
    EXPECT(kc_list_empty(&bench->chain.items));
    EXPECT_EQ(kc_chunk_pool_lent(bench->pool), 0);
    bench->fake.out_size = bench->fake.expected_size = 0;
}

static const char *temporary_path(void) {
    static char path[32];
    strcpy(path, "/tmp/kc-chain-XXXXXX");
    int fd = mkstemp(path);
    EXPECT(fd >= 0);
    close(fd);
    return path;
}

TEST(memory_stays_in_place_and_can_be_patched_and_trimmed) {
    struct bench *bench = bench_open(kc_disk_system(), temporary_path());
    uint8_t *length = kc_chain_reserve(&bench->chain, 4);
    uint8_t *answer = kc_chain_reserve(&bench->chain, 100);
    EXPECT(answer == length + 4);
    kc_chain_trim(&bench->chain, 97);
    uint8_t *more = kc_chain_reserve(&bench->chain, 40000);      /* larger than a chunk: elsewhere */
    memcpy(answer, "abc", 3);
    memset(more, 'x', 40000);
    memcpy(length, "1234", 4);
    EXPECT_EQ(bench->chain.size_bytes, 40007);
    EXPECT_EQ(kc_flush(&bench->chain, &bench->fake.transport, &bench->limits), KC_FLUSH_DONE);
    EXPECT_EQ(bench->fake.out_size, 40007);
    EXPECT_MEM(bench->fake.out, "1234abcxxxx", 11);
    EXPECT_EQ(bench->fake.send_calls, 1);
    EXPECT(!bench->fake.last_more);
    /* Trimming everything leaves nothing behind. */
    EXPECT(kc_chain_reserve(&bench->chain, 10));
    kc_chain_trim(&bench->chain, 10);
    EXPECT_EQ(kc_chunk_pool_lent(bench->pool), 0);
    EXPECT_EQ(kc_flush(&bench->chain, &bench->fake.transport, &bench->limits), KC_FLUSH_DONE);
    EXPECT_EQ(bench->fake.send_calls, 1);
    unlink(kc_file_path(bench->file));
    bench_close(bench);
}

TEST(small_slices_leave_with_their_headers_in_one_call) {
    struct bench *bench = bench_open(kc_disk_system(), temporary_path());
    for (size_t i = 0; i < 5; i++) {
        add_memory(bench, 30);
        add_file(bench, i * 1000, 16 << 10);
    }
    EXPECT_EQ(kc_flush(&bench->chain, &bench->fake.transport, &bench->limits), KC_FLUSH_DONE);
    EXPECT_EQ(bench->fake.send_calls, 1);
    EXPECT_EQ(bench->fake.file_calls, 0);
    expect_all(bench);
    add_memory(bench, 30);
    add_file(bench, 7, (16 << 10) + 1);
    EXPECT_EQ(kc_flush(&bench->chain, &bench->fake.transport, &bench->limits), KC_FLUSH_DONE);
    EXPECT_EQ(bench->fake.send_calls, 2);
    EXPECT(bench->fake.last_more);
    EXPECT_EQ(bench->fake.file_calls, 1);
    expect_all(bench);
    unlink(kc_file_path(bench->file));
    bench_close(bench);
}

static void add_random(struct bench *bench) {
    int count = 1 + (int)kc_test_random_below(90);
    for (int i = 0; i < count; i++) {
        if (kc_test_random_below(2)) add_memory(bench, 1 + (size_t)kc_test_random_below(kc_test_random_below(10) ? 200 : 30000));
        else {
            size_t size = 1 + (size_t)kc_test_random_below(kc_test_random_below(4) ? 3000 : 100000);
            add_file(bench, (size_t)kc_test_random_below(FILE_SIZE - size), size);
        }
    }
}

static void any_cut(struct bench *bench, size_t most, size_t budget, size_t step) {
    bench->fake.most = most;
    bench->limits.budget = budget;
    bench->limits.sendfile_step = step;
    for (int round = 0; round < 15; round++) {
        add_random(bench);
        for (;;) {
            size_t before = bench->fake.out_size;
            bench->fake.again_in = most ? (int)kc_test_random_below(4) : -1;
            enum kc_flush_result result = kc_flush(&bench->chain, &bench->fake.transport, &bench->limits);
            EXPECT_EQ(bench->chain.size_bytes, bench->fake.expected_size - bench->fake.out_size);
            EXPECT_MEM(bench->fake.out + before, bench->fake.expected + before, bench->fake.out_size - before);
            if (result == KC_FLUSH_DONE) break;
            EXPECT(result == KC_FLUSH_BLOCKED || result == KC_FLUSH_BUDGET);
            if (result == KC_FLUSH_BUDGET) EXPECT(bench->fake.out_size - before >= budget);
            if (kc_test_random_below(8) == 0 && bench->fake.expected_size < OUT_MAX / 2) add_memory(bench, 50);
        }
        expect_all(bench);
    }
}

TEST(every_cut_leaves_a_prefix_in_order) {
    struct bench *bench = bench_open(kc_disk_system(), temporary_path());
    any_cut(bench, 0, OUT_MAX, OUT_MAX);
    any_cut(bench, 5000, OUT_MAX, 30000);
    any_cut(bench, 100000, 60000, 20000);
    bench->fake.no_sendfile = true;
    any_cut(bench, 50000, 60000, 20000);
    unlink(kc_file_path(bench->file));
    bench_close(bench);
}

TEST(the_same_on_a_disk_without_descriptors) {
    struct kc_disk_fault *fault;
    EXPECT_EQ(kc_disk_fault_create(1, &fault), KC_OK);
    struct bench *bench = bench_open(kc_disk_fault_disk(fault), "file");
    any_cut(bench, 0, OUT_MAX, OUT_MAX);
    any_cut(bench, 50000, 70000, 10000);
    EXPECT_EQ(bench->fake.file_calls, 0);
    bench_close(bench);
    kc_disk_fault_destroy(fault);
}

TEST(a_broken_peer_and_a_short_file_are_told_apart) {
    struct bench *bench = bench_open(kc_disk_system(), temporary_path());
    add_memory(bench, 10);
    bench->fake.broken = true;
    EXPECT_EQ(kc_flush(&bench->chain, &bench->fake.transport, &bench->limits), KC_FLUSH_PEER);
    bench->fake.broken = false;
    kc_chain_clear(&bench->chain);
    for (size_t size = 1000; size < FILE_SIZE; size *= 100) {
        uint8_t *head = kc_chain_reserve(&bench->chain, 3);
        memcpy(head, "abc", 3);
        EXPECT_EQ(kc_chain_add_file(&bench->chain, kc_file_retain(bench->file), FILE_SIZE - 10, (int64_t)size), KC_OK);
        enum kc_flush_result result;
        do result = kc_flush(&bench->chain, &bench->fake.transport, &bench->limits);
        while (result == KC_FLUSH_BLOCKED);
        EXPECT_EQ(result, KC_FLUSH_FILE);
        kc_chain_clear(&bench->chain);
    }
    unlink(kc_file_path(bench->file));
    bench_close(bench);
}

TEST(a_cleared_chain_gives_everything_back) {
    struct bench *bench = bench_open(kc_disk_system(), temporary_path());
    for (int i = 0; i < 2000; i++) {
        add_memory(bench, 100);
        if (i % 3 == 0) add_file(bench, 0, 10);
    }
    unlink(kc_file_path(bench->file));
    bench_close(bench);     /* checks that nothing is lent; a lost reference of the file is a leak */
}

RUN_ALL()

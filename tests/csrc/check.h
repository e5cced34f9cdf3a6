/* The whole of our C test framework: tests register themselves, a failed expectation ends the program.
 *
 *     #include "../check.h"
 *     #include "record/batch.h"
 *
 *     TEST(a_batch_shorter_than_its_header_is_refused) {
 *         EXPECT_EQ(kc_batch_parse(bytes, 60, &batch), KC_ERR_CORRUPT);
 *     }
 *
 *     RUN_ALL()
 *
 * One file is one program. RUN_ALL() defines main; its arguments pick the tests whose names contain one of them, so that a failure is run
 * alone by `build/csan/asan/tests/csrc/<layer>/test_x part_of_a_name`. Tests run in the order they stand in the file.
 *
 * The first failed expectation prints where, what and both values, and ends the program with status 1, from whichever thread it was met:
 * after a broken expectation nothing later can be trusted, and a sanitizer's report should not be buried under its consequences.
 *
 * Randomness: take it from kc_test_random(), which is seeded from KC_TEST_SEED or else from the clock; a failure prints the seed.
 * Not thread-safe: draw before starting threads, or give each thread a seed of its own.
 */
#ifndef KC_TESTS_CHECK_H
#define KC_TESTS_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct kc_test {
    const char *name;
    void (*run)(void);
    int line;
    struct kc_test *next;
};

static struct kc_test *kc_test_first;
static const char *kc_test_running = "(none)";
static uint64_t kc_test_seed_value;
static uint64_t kc_test_random_state;

/* The seed of this run, for tests that seed generators of their own. */
__attribute__((unused)) static uint64_t kc_test_seed(void) { return kc_test_seed_value; }

/* splitmix64: every seed is a good one, and the sequence is the same on every platform. */
__attribute__((unused)) static uint64_t kc_test_random(void) {
    uint64_t z = (kc_test_random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform enough for tests: 0 <= result < bound, bound > 0. */
__attribute__((unused)) static uint64_t kc_test_random_below(uint64_t bound) { return kc_test_random() % bound; }

__attribute__((unused, noreturn)) static void kc_test_fail(const char *file, int line) {
    fprintf(stderr, "FAILED %s at %s:%d (KC_TEST_SEED=%llu)\n", kc_test_running, file, line,
            (unsigned long long)kc_test_seed_value);
    fflush(NULL);
    _exit(1);
}

__attribute__((unused)) static void kc_test_expect_eq(const char *file, int line, const char *left, const char *right,
                                                      long long left_value, long long right_value) {
    if (left_value == right_value) return;
    fprintf(stderr, "expected %s == %s\n  left:  %lld (0x%llx)\n  right: %lld (0x%llx)\n", left, right, left_value,
            (unsigned long long)left_value, right_value, (unsigned long long)right_value);
    kc_test_fail(file, line);
}

__attribute__((unused)) static void kc_test_print_bytes(const char *label, const unsigned char *bytes, size_t size, size_t around) {
    size_t begin = around > 8 ? around - 8 : 0;
    size_t end = size - begin > 24 ? begin + 24 : size;
    fprintf(stderr, "  %s[%zu..%zu]:", label, begin, end);
    for (size_t i = begin; i < end; i++) fprintf(stderr, i == around ? " >%02x" : " %02x", bytes[i]);
    fprintf(stderr, "\n");
}

__attribute__((unused)) static void kc_test_expect_mem(const char *file, int line, const char *left, const char *right,
                                                       const void *left_bytes, const void *right_bytes, size_t size) {
    const unsigned char *a = left_bytes, *b = right_bytes;
    for (size_t i = 0; i < size; i++) {
        if (a[i] == b[i]) continue;
        fprintf(stderr, "expected the %zu bytes of %s and %s to be equal; they differ at byte %zu\n", size, left, right, i);
        kc_test_print_bytes("left ", a, size, i);
        kc_test_print_bytes("right", b, size, i);
        kc_test_fail(file, line);
    }
}

__attribute__((unused)) static void kc_test_expect_str(const char *file, int line, const char *left, const char *right,
                                                       const char *left_value, const char *right_value) {
    if (left_value && right_value && strcmp(left_value, right_value) == 0) return;
    fprintf(stderr, "expected %s == %s\n  left:  %s\n  right: %s\n", left, right, left_value ? left_value : "NULL",
            right_value ? right_value : "NULL");
    kc_test_fail(file, line);
}

/* The condition holds. */
#define EXPECT(condition)                                          \
    do {                                                           \
        if (!(condition)) {                                        \
            fprintf(stderr, "expected %s\n", #condition);          \
            kc_test_fail(__FILE__, __LINE__);                      \
        }                                                          \
    } while (0)

/* Two integers (or pointers) are equal, compared as long long. */
#define EXPECT_EQ(left, right) \
    kc_test_expect_eq(__FILE__, __LINE__, #left, #right, (long long)(left), (long long)(right))

/* `size` bytes at `left` and `right` are equal. */
#define EXPECT_MEM(left, right, size) kc_test_expect_mem(__FILE__, __LINE__, #left, #right, (left), (right), (size))

/* Two NUL-terminated strings are equal. */
#define EXPECT_STR(left, right) kc_test_expect_str(__FILE__, __LINE__, #left, #right, (left), (right))

#define TEST(test_name)                                                                                  \
    static void kc_test_##test_name(void);                                                               \
    __attribute__((constructor)) static void kc_test_register_##test_name(void) {                        \
        static struct kc_test entry = {#test_name, kc_test_##test_name, __LINE__, NULL};                 \
        kc_test_register(&entry);                                                                        \
    }                                                                                                    \
    static void kc_test_##test_name(void)

/* Keeps the list in source order: the order of constructors is the linker's business. */
__attribute__((unused)) static void kc_test_register(struct kc_test *test) {
    struct kc_test **place = &kc_test_first;
    while (*place && (*place)->line < test->line) place = &(*place)->next;
    test->next = *place;
    *place = test;
}

__attribute__((unused)) static int kc_test_main(int argc, char **argv) {
    const char *seed = getenv("KC_TEST_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    kc_test_seed_value = seed ? strtoull(seed, NULL, 0) : (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    int count = 0;
    for (struct kc_test *test = kc_test_first; test; test = test->next) {
        int wanted = argc < 2;
        for (int i = 1; i < argc; i++) wanted |= strstr(test->name, argv[i]) != NULL;
        if (!wanted) continue;
        kc_test_running = test->name;
        /* Each test starts from the seed, so that one run alone draws what it drew among the others. */
        kc_test_random_state = kc_test_seed_value;
        fprintf(stderr, "%s\n", test->name);
        test->run();
        count++;
    }
    fprintf(stderr, "%d passed\n", count);
    /* A filter that matches nothing, or a file without tests, has shown nothing. */
    return count > 0 ? 0 : 2;
}

#define RUN_ALL() \
    int main(int argc, char **argv) { return kc_test_main(argc, argv); }

#endif

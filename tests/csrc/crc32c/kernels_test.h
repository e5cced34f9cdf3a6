/* The test that every CRC-32C kernel must pass, and the slow reference it is compared with. */
#ifndef KC_TESTS_CRC32C_KERNELS_TEST_H
#define KC_TESTS_CRC32C_KERNELS_TEST_H

#include "../check.h"
#include "crc32c/crc32c.h"

typedef uint32_t (*kc_extend)(uint32_t crc, const void *data, size_t size);

/* Bit by bit, straight from the definition. */
static uint32_t reference_extend(uint32_t crc, const void *data, size_t size) {
    const uint8_t *p = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    return ~crc;
}

/* RFC 3720 B.4, and the check value of the catalogue of CRC algorithms. */
static void expect_published_vectors(kc_extend extend) {
    uint8_t bytes[48];
    memset(bytes, 0, 32);
    EXPECT_EQ(extend(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, 32);
    EXPECT_EQ(extend(0, bytes, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
    EXPECT_EQ(extend(0, bytes, 32), 0x46dd794eu);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
    EXPECT_EQ(extend(0, bytes, 32), 0x113fdb5cu);
    static const uint8_t iscsi_read[48] = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 4, 0,
                                           0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0};
    EXPECT_EQ(extend(0, iscsi_read, 48), 0xd9963a56u);
    EXPECT_EQ(extend(0, "123456789", 9), 0xe3069283u);
    EXPECT_EQ(extend(0, "", 0), 0u);
    EXPECT_EQ(extend(0x12345678u, "", 0), 0x12345678u);
}

/* A kernel that reads beyond size, or before the start, meets the sanitizer: each input is an allocation of its own. */
static void expect_like_reference(kc_extend extend, size_t size, size_t misaligned, uint32_t crc) {
    uint8_t *block = calloc(size + misaligned + 1, 1);
    uint8_t *data = block + misaligned;
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)kc_test_random();
    EXPECT_EQ(extend(crc, data, size), reference_extend(crc, data, size));
    free(block);
}

__attribute__((unused)) static void expect_correct_kernel(kc_extend extend) {
    expect_published_vectors(extend);
    for (size_t size = 0; size <= 700; size++) expect_like_reference(extend, size, size % 64, (uint32_t)kc_test_random());
    for (size_t size = 0; size <= 80; size++)
        for (size_t misaligned = 0; misaligned < 64; misaligned += 3) expect_like_reference(extend, size, misaligned, 0);
    /* Around every size at which a kernel changes its step: powers of two, three times those, and their sums. */
    for (size_t step = 64; step <= 8192; step *= 2) {
        for (size_t around = 0; around < 9; around++) {
            expect_like_reference(extend, step + around - 4, (size_t)kc_test_random_below(64), (uint32_t)kc_test_random());
            expect_like_reference(extend, 3 * step + around - 4, (size_t)kc_test_random_below(64), (uint32_t)kc_test_random());
        }
    }
    for (int i = 0; i < 150; i++)
        expect_like_reference(extend, (size_t)kc_test_random_below(40000), (size_t)kc_test_random_below(64), (uint32_t)kc_test_random());

    /* Any split into pieces gives the same CRC as the whole. */
    enum { SIZE = 50000 };
    uint8_t *data = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) data[i] = (uint8_t)kc_test_random();
    uint32_t whole = reference_extend(0, data, SIZE);
    EXPECT_EQ(extend(0, data, SIZE), whole);
    for (int i = 0; i < 60; i++) {
        uint32_t crc = 0;
        for (size_t at = 0; at < SIZE;) {
            size_t piece = (size_t)kc_test_random_below(i % 2 ? 9000 : 700);
            if (piece > SIZE - at) piece = SIZE - at;
            crc = extend(crc, data + at, piece);
            at += piece;
        }
        EXPECT_EQ(crc, whole);
    }
    free(data);
}

#endif

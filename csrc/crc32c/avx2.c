/* avx2.c: CRC-32C by VPCLMULQDQ on 256-bit registers and by the crc32 instruction, both at the same time.
 *
 * For processors that have VPCLMULQDQ but no 512-bit registers (Zen 3, Alder Lake).  There each of the two ways alone does
 * about 8 bytes per cycle, and they use different execution units: a block is cut into four parts, of which the first is
 * folded in four registers (as in avx512.c, at half the width) while three streams of the crc32 instruction (as in sse42.c)
 * eat the others.  One step takes 128 bytes of the first part and 40 of each stream, which keeps the units equally busy. */
#include "crc32c/kernels.h"

#ifdef KC_CRC32C_X86
#include <immintrin.h>
#include <string.h>

#define KC_TARGET __attribute__((target("avx2,vpclmulqdq,pclmul,sse4.2,crc32")))

enum {
    FOLDED_STEP = 128,
    STREAM_STEP = 40,
    LONG_STEPS = KC_CRC32C_AVX2_LONG / STREAM_STEP,
    SHORT_STEPS = KC_CRC32C_AVX2_SHORT / STREAM_STEP,
};

_Static_assert(LONG_STEPS * STREAM_STEP == KC_CRC32C_AVX2_LONG, "a stream is a whole number of steps");
_Static_assert(SHORT_STEPS * STREAM_STEP == KC_CRC32C_AVX2_SHORT, "a stream is a whole number of steps");
_Static_assert(KC_CRC32C_AVX2_SIZE_MIN == SHORT_STEPS * (FOLDED_STEP + 3 * STREAM_STEP), "the smallest input is a short block");

#define POWERS(first, others) _mm256_set_epi64x(KC_X64(others), KC_X64(first), KC_X64(others), KC_X64(first))

static inline uint64_t load(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

KC_TARGET static inline __m256i load_wide(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }

KC_TARGET static inline __m256i fold(__m256i sum, __m256i powers, __m256i onto) {
    __m256i first = _mm256_clmulepi64_epi128(sum, powers, 0x00);
    __m256i others = _mm256_clmulepi64_epi128(sum, powers, 0x11);
    return _mm256_xor_si256(_mm256_xor_si256(first, onto), others);
}

/* The state that 4 registers stand for, each 32 bytes ahead of the one before. */
KC_TARGET static inline uint32_t reduce(__m256i a, __m256i b, __m256i c, __m256i d) {
    a = fold(a, POWERS(575, 511), c);
    b = fold(b, POWERS(575, 511), d);
    a = fold(a, POWERS(319, 255), b);
    const __m128i powers = _mm_set_epi64x(KC_X64(127), KC_X64(191));
    __m128i first = _mm256_castsi256_si128(a), last = _mm256_extracti128_si256(a, 1);
    first = _mm_xor_si128(_mm_clmulepi64_si128(first, powers, 0x00), _mm_clmulepi64_si128(first, powers, 0x11));
    last = _mm_xor_si128(first, last);
    uint64_t wide = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(last));
    return (uint32_t)_mm_crc32_u64(wide, (uint64_t)_mm_extract_epi64(last, 1));
}

KC_TARGET static inline uint64_t multiply(uint64_t state, uint32_t power) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)state), _mm_cvtsi32_si128((int)power), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

/* steps steps over (FOLDED_STEP + 3 * STREAM_STEP) * steps bytes; one, two, three are the powers for so many streams ahead. */
KC_TARGET static inline __attribute__((always_inline)) uint32_t block(uint32_t state, const uint8_t *data, size_t steps,
                                                                      uint32_t one, uint32_t two, uint32_t three) {
    const size_t stream = STREAM_STEP * steps;
    const uint8_t *at = data + FOLDED_STEP * steps, *end = at + stream;
    uint64_t x = 0, y = 0, z = 0;
    const __m256i powers = POWERS(1087, 1023);
    __m256i a = load_wide(data), b = load_wide(data + 32), c = load_wide(data + 64), d = load_wide(data + 96);
    a = _mm256_xor_si256(a, _mm256_zextsi128_si256(_mm_cvtsi32_si128((int)state)));
    data += FOLDED_STEP;
#define WORD(i)                                             \
    x = _mm_crc32_u64(x, load(at + 8 * (i)));               \
    y = _mm_crc32_u64(y, load(at + stream + 8 * (i)));      \
    z = _mm_crc32_u64(z, load(at + 2 * stream + 8 * (i)));
    for (; at < end - STREAM_STEP; at += STREAM_STEP, data += FOLDED_STEP) {
        a = fold(a, powers, load_wide(data));
        WORD(0)
        b = fold(b, powers, load_wide(data + 32));
        WORD(1)
        c = fold(c, powers, load_wide(data + 64));
        WORD(2)
        d = fold(d, powers, load_wide(data + 96));
        WORD(3)
        WORD(4)
    }
    /* The first load of the folded part stands for its last step: the streams have one left, less the word for the join. */
    WORD(0)
    WORD(1)
    WORD(2)
    WORD(3)
#undef WORD
    x = _mm_crc32_u64(x, load(at + 32));
    y = _mm_crc32_u64(y, load(at + stream + 32));
    uint64_t ahead = multiply(reduce(a, b, c, d), three) ^ multiply(x, two) ^ multiply(y, one);
    return (uint32_t)_mm_crc32_u64(z, load(at + 2 * stream + 32) ^ ahead);
}

KC_TARGET uint32_t kc_crc32c_avx2(uint32_t state, const uint8_t *data, size_t size) {
    const size_t long_block = LONG_STEPS * (FOLDED_STEP + 3 * STREAM_STEP);
    const size_t short_block = SHORT_STEPS * (FOLDED_STEP + 3 * STREAM_STEP);
    for (; size >= long_block; data += long_block, size -= long_block)
        state = block(state, data, LONG_STEPS, KC_X(10207), KC_X(20447), KC_X(30687));
    for (; size >= short_block; data += short_block, size -= short_block)
        state = block(state, data, SHORT_STEPS, KC_X(2527), KC_X(5087), KC_X(7647));
    return kc_crc32c_sse42(state, data, size);
}
#endif

/* avx512.c: CRC-32C by folding 256 bytes at a time with VPCLMULQDQ on 512-bit registers.
 *
 * Four registers hold 16 lanes of 128 bits whose weighted sum is congruent to all bytes so far.  Moving a lane D bits ahead
 * costs two carry-less products: its first 64 bits by x^(D+63), the others by x^(D-1) (kernels.h).  At the end the registers
 * are folded into one, its lanes into one, and that lane goes through the crc32 instruction, which takes it mod P.  The idea
 * is from Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009). */
#include "crc32c/kernels.h"

#ifdef KC_CRC32C_X86
#include <immintrin.h>

#ifndef KC_TARGET /* the test runs this file on processors without these instructions, lane by lane */
/* clang counts the crc32 instruction apart from SSE4.2. */
#define KC_TARGET __attribute__((target("avx512f,avx512vl,vpclmulqdq,pclmul,sse4.2,crc32")))
#endif

enum { STRIDE = 256 };

/* The two powers for one distance, in every lane. */
#define POWERS(first, others) _mm512_set_epi64(KC_X64(others), KC_X64(first), KC_X64(others), KC_X64(first), \
                                               KC_X64(others), KC_X64(first), KC_X64(others), KC_X64(first))

KC_TARGET static inline __m512i fold(__m512i sum, __m512i powers, __m512i onto) {
    __m512i first = _mm512_clmulepi64_epi128(sum, powers, 0x00);
    __m512i others = _mm512_clmulepi64_epi128(sum, powers, 0x11);
    return _mm512_ternarylogic_epi64(first, others, onto, 0x96); /* 0x96: the sum of all three */
}

KC_TARGET uint32_t kc_crc32c_avx512(uint32_t state, const uint8_t *data, size_t size) {
    if (size >= 4 * STRIDE) {
        /* Loads that straddle two cache lines halve the speed; a long input is worth the walk to the next line. */
        size_t ahead = (0u - (uintptr_t)data) & 63;
        state = kc_crc32c_sse42(state, data, ahead);
        data += ahead;
        size -= ahead;
    }
    if (size >= STRIDE) {
        __m512i a = _mm512_loadu_si512(data), b = _mm512_loadu_si512(data + 64);
        __m512i c = _mm512_loadu_si512(data + 128), d = _mm512_loadu_si512(data + 192);
        a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)state)));
        data += STRIDE;
        size -= STRIDE;
        const __m512i stride = POWERS(2111, 2047);
        for (; size >= STRIDE; data += STRIDE, size -= STRIDE) {
            a = fold(a, stride, _mm512_loadu_si512(data));
            b = fold(b, stride, _mm512_loadu_si512(data + 64));
            c = fold(c, stride, _mm512_loadu_si512(data + 128));
            d = fold(d, stride, _mm512_loadu_si512(data + 192));
        }
        const __m512i one_register = POWERS(575, 511);
        a = fold(a, POWERS(1087, 1023), c);
        b = fold(b, POWERS(1087, 1023), d);
        a = fold(a, one_register, b);
        for (; size >= 64; data += 64, size -= 64) a = fold(a, one_register, _mm512_loadu_si512(data));

        /* Lane 0 moves three lanes ahead, lane 1 two, lane 2 one; lane 3 is there. */
        const __m512i lanes = _mm512_set_epi64(0, 0, KC_X64(127), KC_X64(191), KC_X64(255), KC_X64(319), KC_X64(383), KC_X64(447));
        __m512i moved = _mm512_xor_si512(_mm512_clmulepi64_epi128(a, lanes, 0x00), _mm512_clmulepi64_epi128(a, lanes, 0x11));
        __m128i sum = _mm_xor_si128(
            _mm_xor_si128(_mm512_extracti32x4_epi32(moved, 0), _mm512_extracti32x4_epi32(moved, 1)),
            _mm_xor_si128(_mm512_extracti32x4_epi32(moved, 2), _mm512_extracti32x4_epi32(a, 3)));
        uint64_t wide = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(sum));
        state = (uint32_t)_mm_crc32_u64(wide, (uint64_t)_mm_extract_epi64(sum, 1));
    }
    return kc_crc32c_sse42(state, data, size);
}
#endif

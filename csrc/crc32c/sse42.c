/* sse42.c: CRC-32C by the crc32 instruction of SSE4.2, three streams at a time.
 *
 * The instruction takes three cycles but one can start in every cycle, so three independent streams fill the unit: 8 bytes
 * per cycle.  The streams are joined with PCLMULQDQ (kernels.h has the arithmetic).  Three stream lengths keep the joins
 * rare in long inputs and let short ones profit too. */
#include "crc32c/kernels.h"

#ifdef KC_CRC32C_X86
#include <immintrin.h>
#include <string.h>

/* clang counts the crc32 instruction apart from SSE4.2. */
#define KC_TARGET __attribute__((target("sse4.2,crc32,pclmul")))

static inline uint64_t load(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

KC_TARGET static inline uint64_t multiply(uint32_t state, uint32_t power) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)state), _mm_cvtsi32_si128((int)power), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

/* Three streams of stream_size bytes each, a multiple of 8; one and two are the powers for one and two streams ahead. */
KC_TARGET static inline __attribute__((always_inline)) uint32_t three_streams(uint32_t state, const uint8_t *data,
                                                                              size_t stream_size, uint32_t one,
                                                                              uint32_t two) {
    uint64_t a = state, b = 0, c = 0;
    const uint8_t *last = data + stream_size - 8;
    for (; data < last; data += 8) {
        a = _mm_crc32_u64(a, load(data));
        b = _mm_crc32_u64(b, load(data + stream_size));
        c = _mm_crc32_u64(c, load(data + 2 * stream_size));
    }
    a = _mm_crc32_u64(a, load(data));
    b = _mm_crc32_u64(b, load(data + stream_size));
    uint64_t ahead = multiply((uint32_t)a, two) ^ multiply((uint32_t)b, one);
    return (uint32_t)_mm_crc32_u64(c, load(data + 2 * stream_size) ^ ahead);
}

KC_TARGET uint32_t kc_crc32c_sse42(uint32_t state, const uint8_t *data, size_t size) {
    for (; size >= 3 * KC_CRC32C_LONG; data += 3 * KC_CRC32C_LONG, size -= 3 * KC_CRC32C_LONG)
        state = three_streams(state, data, KC_CRC32C_LONG, KC_X(32735), KC_X(65503));
    for (; size >= 3 * KC_CRC32C_MIDDLE; data += 3 * KC_CRC32C_MIDDLE, size -= 3 * KC_CRC32C_MIDDLE)
        state = three_streams(state, data, KC_CRC32C_MIDDLE, KC_X(4063), KC_X(8159));
    for (; size >= 3 * KC_CRC32C_SHORT; data += 3 * KC_CRC32C_SHORT, size -= 3 * KC_CRC32C_SHORT)
        state = three_streams(state, data, KC_CRC32C_SHORT, KC_X(479), KC_X(991));
    uint64_t wide = state;
    for (; size >= 8; data += 8, size -= 8) wide = _mm_crc32_u64(wide, load(data));
    state = (uint32_t)wide;
    if (size & 4) {
        uint32_t half;
        memcpy(&half, data, 4);
        state = _mm_crc32_u32(state, half);
        data += 4;
    }
    if (size & 2) {
        uint16_t quarter;
        memcpy(&quarter, data, 2);
        state = _mm_crc32_u16(state, quarter);
        data += 2;
    }
    if (size & 1) state = _mm_crc32_u8(state, *data);
    return state;
}
#endif

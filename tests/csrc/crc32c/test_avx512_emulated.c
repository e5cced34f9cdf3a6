/* The AVX-512 kernel's arithmetic, on any processor with PCLMULQDQ: its source is compiled once more with each 512-bit
 * operation done lane by lane.  Whether the real instructions do the same is shown by test_crc32c.c where they exist. */
#include "crc32c/kernels.h"
#include "kernels_test.h"

#ifdef KC_CRC32C_X86
#include <immintrin.h>

#define EMULATED __attribute__((target("sse4.2,crc32,pclmul")))

struct lanes {
    __m128i lane[4];
};

EMULATED static struct lanes load_lanes(const void *p) {
    struct lanes out;
    memcpy(&out, p, sizeof out);
    return out;
}
EMULATED static struct lanes xor_lanes(struct lanes a, struct lanes b) {
    for (int i = 0; i < 4; i++) a.lane[i] = _mm_xor_si128(a.lane[i], b.lane[i]);
    return a;
}
EMULATED static struct lanes xor3_lanes(struct lanes a, struct lanes b, struct lanes c, int table) {
    EXPECT_EQ(table, 0x96);
    return xor_lanes(xor_lanes(a, b), c);
}
EMULATED static struct lanes multiply_lanes(struct lanes a, struct lanes b, int halves) {
    for (int i = 0; i < 4; i++)
        a.lane[i] = halves == 0 ? _mm_clmulepi64_si128(a.lane[i], b.lane[i], 0x00) : _mm_clmulepi64_si128(a.lane[i], b.lane[i], 0x11);
    return a;
}
EMULATED static struct lanes extend_lane(__m128i a) {
    return (struct lanes){{a, _mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()}};
}
EMULATED static struct lanes set_lanes(int64_t h, int64_t g, int64_t f, int64_t e, int64_t d, int64_t c, int64_t b, int64_t a) {
    return (struct lanes){{_mm_set_epi64x(b, a), _mm_set_epi64x(d, c), _mm_set_epi64x(f, e), _mm_set_epi64x(h, g)}};
}

#undef _mm512_loadu_si512
#undef _mm512_xor_si512
#undef _mm512_ternarylogic_epi64
#undef _mm512_clmulepi64_epi128
#undef _mm512_zextsi128_si512
#undef _mm512_set_epi64
#undef _mm512_extracti32x4_epi32
#define __m512i struct lanes
#define _mm512_loadu_si512 load_lanes
#define _mm512_xor_si512 xor_lanes
#define _mm512_ternarylogic_epi64 xor3_lanes
#define _mm512_clmulepi64_epi128 multiply_lanes
#define _mm512_zextsi128_si512 extend_lane
#define _mm512_set_epi64 set_lanes
#define _mm512_extracti32x4_epi32(a, i) ((a).lane[i])
#define KC_TARGET EMULATED
#define kc_crc32c_avx512 emulated_avx512
#include "crc32c/avx512.c"

static uint32_t extend_emulated(uint32_t crc, const void *data, size_t size) { return ~emulated_avx512(~crc, data, size); }

TEST(the_folding_agrees_with_the_definition) {
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul")) return;
    expect_correct_kernel(extend_emulated);
}
#else
TEST(there_is_no_such_kernel_on_this_architecture) { EXPECT(1); }
#endif

RUN_ALL()

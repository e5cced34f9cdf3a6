/* kernels.h: what the kernels share; included by this folder alone.
 *
 * A kernel takes and returns the *state*: the CRC with all bits inverted, which is what the polynomial arithmetic works on.
 * crc32c.c inverts on the way in and out.  A kernel may be called only on a processor that has its instructions.
 *
 * Notation.  Bits are reflected: in a register of w bits, bit k stands for x^(w-1-k), so the first byte in memory holds the
 * highest powers.  P is the polynomial.  A carry-less product of two reflected registers comes out one place low: it stands
 * for a * b * x, which is why the exponents of the constants below are one less than the distance they move things.
 * Every constant is KC_X(n) for some n, the reflected value of x^n mod P; the test computes each one again from P. */
#ifndef KC_CRC32C_KERNELS_H
#define KC_CRC32C_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#define KC_CRC32C_X86 1
#elif defined(__aarch64__)
#define KC_CRC32C_ARM 1
#endif

uint32_t kc_crc32c_portable(uint32_t state, const uint8_t *data, size_t size);
#ifdef KC_CRC32C_X86
uint32_t kc_crc32c_sse42(uint32_t state, const uint8_t *data, size_t size);
uint32_t kc_crc32c_avx2(uint32_t state, const uint8_t *data, size_t size);
uint32_t kc_crc32c_avx512(uint32_t state, const uint8_t *data, size_t size);
#endif
#ifdef KC_CRC32C_ARM
uint32_t kc_crc32c_armv8(uint32_t state, const uint8_t *data, size_t size);
#endif

/* From this many bytes on the wide registers repay setting them up and reducing them. */
#define KC_CRC32C_AVX512_SIZE_MIN 512
#define KC_CRC32C_AVX2_SIZE_MIN 1984

/* Three-way kernels run three streams of this many bytes at once and join them: the state of a stream that has L more bytes
 * after it must be multiplied by x^(8 L).  The product is added to the last 8 bytes of the third stream before these go
 * through the CRC instruction, which multiplies by x^32; with the x that the carry-less product adds, that leaves the
 * constant x^(8 L - 33). */
#define KC_CRC32C_LONG 4096
#define KC_CRC32C_MIDDLE 512
#define KC_CRC32C_SHORT 64
/* The same beside the folding of avx2.c, whose part stands before three streams. */
#define KC_CRC32C_AVX2_LONG 1280
#define KC_CRC32C_AVX2_SHORT 320

#define KC_CRC32C_POWERS(X)                                                              \
    /* joining streams: one stream further, two streams further */                       \
    X(32735, 0x82f89c77) X(65503, 0x54a86326) /* 4096 bytes */                           \
    X(4063, 0xdd7e3b0c) X(8159, 0x170076fa)   /* 512 bytes */                            \
    X(479, 0x9e4addf8) X(991, 0x0d3b6092)     /* 64 bytes */                             \
    X(10207, 0xdd66cbbb) X(20447, 0x22c3799f) X(30687, 0x23d5e7e5) /* 1280 bytes */      \
    X(2527, 0xbac2fd7b) X(5087, 0x6b749fb2) X(7647, 0x3771e98f)    /* 320 bytes */       \
    /* folding 128 bits D bits ahead: the first 64 bits by x^(D+63), the others by x^(D-1) */ \
    X(2111, 0xe9a5d8be) X(2047, 0x1426a815) /* D = 2048 */                               \
    X(1599, 0x7ccbbbf2) X(1535, 0x31c94608) /* D = 1536 */                               \
    X(1087, 0x6577b245) X(1023, 0x7417153f) /* D = 1024 */                               \
    X(575, 0x1c19243b) X(511, 0x75bba45b)   /* D = 512 */                                \
    X(447, 0xa46ef4aa) X(383, 0x6051243f)   /* D = 384 */                                \
    X(319, 0x33ccbbbc) X(255, 0xa2158b34)   /* D = 256 */                                \
    X(191, 0x3743f7bd) X(127, 0x3171d430)   /* D = 128 */

enum kc_crc32c_power {
#define KC_CRC32C_POWER(n, value) KC_CRC32C_X_##n,
    KC_CRC32C_POWERS(KC_CRC32C_POWER)
#undef KC_CRC32C_POWER
};

/* x^n mod P as 32 reflected bits; folds to a literal. */
static inline uint32_t kc_crc32c_power_value(enum kc_crc32c_power power) {
    switch (power) {
#define KC_CRC32C_POWER(n, value) \
    case KC_CRC32C_X_##n: return value##u;
        KC_CRC32C_POWERS(KC_CRC32C_POWER)
#undef KC_CRC32C_POWER
    }
    return 0;
}
#define KC_X(n) kc_crc32c_power_value(KC_CRC32C_X_##n)
/* The same as 64 reflected bits, for folding. */
#define KC_X64(n) ((int64_t)((uint64_t)KC_X(n) << 32))

#endif

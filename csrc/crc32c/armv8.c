/* armv8.c: CRC-32C by the crc32c instructions of ARMv8, three streams at a time.
 *
 * As sse42.c: the instruction has a latency of two or three cycles and a throughput of one.  The streams are joined with the
 * 64-bit polynomial multiplication of the crypto extension, which every processor with the CRC instructions that we know
 * has; the dispatcher asks for both. */
#include "crc32c/kernels.h"

#ifdef KC_CRC32C_ARM
#include <string.h>

/* GCC offers the intrinsics of arm_acle.h and arm_neon.h only to a file that is compiled for processors which all have them,
 * so the three instructions are written out; none touches memory. */
static inline uint32_t crc_u64(uint32_t state, uint64_t word) {
    uint32_t out;
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w1, %x2" : "=r"(out) : "r"(state), "r"(word));
    return out;
}
static inline uint32_t crc_u8(uint32_t state, uint8_t byte) {
    uint32_t out;
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w1, %w2" : "=r"(out) : "r"(state), "r"((uint32_t)byte));
    return out;
}
static inline uint64_t multiply(uint32_t state, uint32_t power) {
    uint64_t out;
    __asm__(".arch_extension crypto\n\tfmov d0, %x1\n\tfmov d1, %x2\n\tpmull v0.1q, v0.1d, v1.1d\n\tfmov %x0, d0"
            : "=r"(out)
            : "r"((uint64_t)state), "r"((uint64_t)power)
            : "v0", "v1");
    return out;
}

static inline uint64_t load(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

/* Three streams of stream_size bytes each, a multiple of 8; one and two are the powers for one and two streams ahead. */
static inline __attribute__((always_inline)) uint32_t three_streams(uint32_t state, const uint8_t *data, size_t stream_size,
                                                                    uint32_t one, uint32_t two) {
    uint32_t a = state, b = 0, c = 0;
    const uint8_t *last = data + stream_size - 8;
    for (; data < last; data += 8) {
        a = crc_u64(a, load(data));
        b = crc_u64(b, load(data + stream_size));
        c = crc_u64(c, load(data + 2 * stream_size));
    }
    a = crc_u64(a, load(data));
    b = crc_u64(b, load(data + stream_size));
    uint64_t ahead = multiply(a, two) ^ multiply(b, one);
    return crc_u64(c, load(data + 2 * stream_size) ^ ahead);
}

uint32_t kc_crc32c_armv8(uint32_t state, const uint8_t *data, size_t size) {
    for (; size >= 3 * KC_CRC32C_LONG; data += 3 * KC_CRC32C_LONG, size -= 3 * KC_CRC32C_LONG)
        state = three_streams(state, data, KC_CRC32C_LONG, KC_X(32735), KC_X(65503));
    for (; size >= 3 * KC_CRC32C_MIDDLE; data += 3 * KC_CRC32C_MIDDLE, size -= 3 * KC_CRC32C_MIDDLE)
        state = three_streams(state, data, KC_CRC32C_MIDDLE, KC_X(4063), KC_X(8159));
    for (; size >= 3 * KC_CRC32C_SHORT; data += 3 * KC_CRC32C_SHORT, size -= 3 * KC_CRC32C_SHORT)
        state = three_streams(state, data, KC_CRC32C_SHORT, KC_X(479), KC_X(991));
    for (; size >= 8; data += 8, size -= 8) state = crc_u64(state, load(data));
    for (; size > 0; data++, size--) state = crc_u8(state, *data);
    return state;
}
#endif

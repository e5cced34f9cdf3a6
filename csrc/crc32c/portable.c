/* portable.c: CRC-32C eight bytes at a time, by table ("slicing-by-8": Kounavis and Berry, 2005).
 *
 * tables[k][b] is the state after byte b followed by k zero bytes, so eight look-ups advance a whole word.  A table entry is
 * linear in the bits of b: bit i of b followed by k zero bytes contributes x^(32 + 8 k + 7 - i).  The 64 powers below are
 * thus all there is to know, and the preprocessor spreads them into the tables. */
#include <string.h>

#include "crc32c/kernels.h"

/* BIT(b, i, p): p where bit i of b is set. */
#define BIT(b, i, p) ((0u - (((unsigned)(b) >> (i)) & 1u)) & (p))
/* An entry from the powers of bit 7, bit 6, ... bit 0. */
#define ENTRY(b, p7, p6, p5, p4, p3, p2, p1, p0)                                                                   \
    (BIT(b, 7, p7) ^ BIT(b, 6, p6) ^ BIT(b, 5, p5) ^ BIT(b, 4, p4) ^ BIT(b, 3, p3) ^ BIT(b, 2, p2) ^ BIT(b, 1, p1) ^ \
     BIT(b, 0, p0))
#define ROW4(b, ...) ENTRY(b, __VA_ARGS__), ENTRY((b) + 1, __VA_ARGS__), ENTRY((b) + 2, __VA_ARGS__), ENTRY((b) + 3, __VA_ARGS__)
#define ROW16(b, ...) ROW4(b, __VA_ARGS__), ROW4((b) + 4, __VA_ARGS__), ROW4((b) + 8, __VA_ARGS__), ROW4((b) + 12, __VA_ARGS__)
#define ROW64(b, ...) ROW16(b, __VA_ARGS__), ROW16((b) + 16, __VA_ARGS__), ROW16((b) + 32, __VA_ARGS__), ROW16((b) + 48, __VA_ARGS__)
#define TABLE(...) \
    { ROW64(0, __VA_ARGS__), ROW64(64, __VA_ARGS__), ROW64(128, __VA_ARGS__), ROW64(192, __VA_ARGS__) }

static const uint32_t tables[8][256] = {
    /* x^32 .. x^39, x^40 .. x^47, and so on */
    TABLE(0x82f63b78, 0x417b1dbc, 0x20bd8ede, 0x105ec76f, 0x8ad958cf, 0xc79a971f, 0xe13b70f7, 0xf26b8303),
    TABLE(0xfbc3faf9, 0xff17c604, 0x7f8be302, 0x3fc5f181, 0x9d14c3b8, 0x4e8a61dc, 0x274530ee, 0x13a29877),
    TABLE(0x8b277743, 0xc76580d9, 0xe144fb14, 0x70a27d8a, 0x38513ec5, 0x9edea41a, 0x4f6f520d, 0xa541927e),
    TABLE(0x52a0c93f, 0xaba65fe7, 0xd725148b, 0xe964b13d, 0xf64463e6, 0x7b2231f3, 0xbf672381, 0xdd45aab8),
    TABLE(0x6ea2d55c, 0x37516aae, 0x1ba8b557, 0x8f2261d3, 0xc5670b91, 0xe045beb0, 0x7022df58, 0x38116fac),
    TABLE(0x1c08b7d6, 0x0e045beb, 0x85f4168d, 0xc00c303e, 0x6006181f, 0xb2f53777, 0xdb8ca0c3, 0xef306b19),
    TABLE(0xf56e0ef4, 0x7ab7077a, 0x3d5b83bd, 0x9c5bfaa6, 0x4e2dfd53, 0xa5e0c5d1, 0xd0065990, 0x68032cc8),
    TABLE(0x34019664, 0x1a00cb32, 0x0d006599, 0x847609b4, 0x423b04da, 0x211d826d, 0x9278fa4e, 0x493c7d27),
};

uint32_t kc_crc32c_portable(uint32_t state, const uint8_t *data, size_t size) {
    while (size >= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        word ^= state; /* the first byte of the word is the one followed by seven others */
        state = tables[7][word & 0xff] ^ tables[6][(word >> 8) & 0xff] ^ tables[5][(word >> 16) & 0xff] ^
                tables[4][(word >> 24) & 0xff] ^ tables[3][(word >> 32) & 0xff] ^ tables[2][(word >> 40) & 0xff] ^
                tables[1][(word >> 48) & 0xff] ^ tables[0][word >> 56];
        data += 8;
        size -= 8;
    }
    while (size-- > 0) state = tables[0][(state ^ *data++) & 0xff] ^ (state >> 8);
    return state;
}

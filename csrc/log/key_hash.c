#include "log/key_hash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

static inline void mix(struct state *s, int rounds) {
    for (int i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 = rotate(s->v2, 32);
    }
}

static inline void absorb(struct state *s, uint64_t word) {
    s->v3 ^= word;
    mix(s, 2);
    s->v0 ^= word;
}

/* Little endian, whatever the machine: kc_load_u64 turns big endian into the machine's order. */
static inline uint64_t load_word(const uint8_t *p) { return __builtin_bswap64(kc_load_u64(p)); }

struct kc_key_hash kc_key_hash(struct kc_hash_seed seed, struct kc_slice key) {
    struct state s = {seed.low ^ 0x736f6d6570736575u, seed.high ^ 0x646f72616e646f6du ^ 0xee, seed.low ^ 0x6c7967656e657261u,
                      seed.high ^ 0x7465646279746573u};
    const uint8_t *p = key.data, *end = key.data + (key.size & ~(size_t)7);
    for (; p != end; p += 8) absorb(&s, load_word(p));
    uint64_t last = (uint64_t)key.size << 56;
    for (size_t i = 0; i < (key.size & 7); i++) last |= (uint64_t)p[i] << (8 * i);
    absorb(&s, last);
    s.v2 ^= 0xee;
    mix(&s, 4);
    struct kc_key_hash hash;
    hash.low = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    s.v1 ^= 0xdd;
    mix(&s, 4);
    hash.high = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    return hash;
}

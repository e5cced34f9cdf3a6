/* The first bytes of each codec's output, and of what is not. */
#include "fixture.h"
#include "record/framing.h"

#define PLAUSIBLE(codec, ...) kc_framing_plausible(codec, kc_slice_make(((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})))

/* 'a' * 40 by each library: zlib level 6 (gzip framing), snappy-java and cramjam (raw), lz4.frame, zstandard. */
#define GZIP 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0x24, 0x1b, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0
#define RAW_SNAPPY 40, 0, 'a', 0x9a, 1, 0
#define XERIAL 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 6, RAW_SNAPPY
#define LZ4 0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0, 0, 0, 0
#define ZSTD 0x28, 0xb5, 0x2f, 0xfd, 0x20, 40, 0x45, 0, 0, 0x08, 0x61

TEST(each_codec_knows_its_own_and_none_of_the_others) {
    EXPECT(PLAUSIBLE(KC_CODEC_NONE, 1, 2, 3));
    static const enum kc_codec codecs[] = {KC_CODEC_GZIP, KC_CODEC_SNAPPY, KC_CODEC_LZ4, KC_CODEC_ZSTD};
    for (size_t i = 0; i < 4; i++) {
        EXPECT_EQ(PLAUSIBLE(codecs[i], GZIP), codecs[i] == KC_CODEC_GZIP);
        EXPECT_EQ(PLAUSIBLE(codecs[i], RAW_SNAPPY), codecs[i] == KC_CODEC_SNAPPY);
        EXPECT_EQ(PLAUSIBLE(codecs[i], XERIAL), codecs[i] == KC_CODEC_SNAPPY);
        EXPECT_EQ(PLAUSIBLE(codecs[i], LZ4), codecs[i] == KC_CODEC_LZ4);
        EXPECT_EQ(PLAUSIBLE(codecs[i], ZSTD), codecs[i] == KC_CODEC_ZSTD);
        /* Records as they are, and nothing at all. */
        EXPECT(!kc_framing_plausible(codecs[i], kc_slice_make(golden + 61, sizeof golden - 61)));
        EXPECT(!kc_framing_plausible(codecs[i], kc_slice_make(golden, 0)));
    }
    EXPECT(PLAUSIBLE(KC_CODEC_ZSTD, 0x53, 0x2a, 0x4d, 0x18, 0, 0, 0, 0)); /* a skippable frame in front */
}

TEST(a_raw_snappy_block_cannot_promise_more_than_it_could_hold) {
    EXPECT(!PLAUSIBLE(KC_CODEC_SNAPPY, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 'a', 0xfe, 1, 0));
    EXPECT(!PLAUSIBLE(KC_CODEC_SNAPPY, 40, 1, 'a', 0x9a, 1, 0));  /* starts with a copy */
    EXPECT(!PLAUSIBLE(KC_CODEC_SNAPPY, 40));
    EXPECT(!PLAUSIBLE(KC_CODEC_SNAPPY, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80));
}

TEST(each_truncation_stays_within_its_bytes) {
    static const uint8_t all[][27] = {{GZIP}, {RAW_SNAPPY}, {XERIAL}, {LZ4}, {ZSTD}};
    for (size_t i = 0; i < 5; i++) {
        for (size_t size = 0; size < sizeof all[i]; size++) {
            uint8_t *copy = malloc(size ? size : 1);
            memcpy(copy, all[i], size);
            for (int codec = 0; codec < KC_CODEC_COUNT; codec++) (void)kc_framing_plausible((enum kc_codec)codec, kc_slice_make(copy, size));
            free(copy);
        }
    }
}

RUN_ALL()

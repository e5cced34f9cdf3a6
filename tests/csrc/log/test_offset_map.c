/* The map of keys against a plain array, full and overfull, and its hash against the reference vectors. */
#include "../check.h"
#include "log/offset_map.h"

TEST(the_hash_is_siphash_128) {
    uint8_t input[9], seed[16];
    for (int i = 0; i < 16; i++) seed[i] = (uint8_t)i;
    for (int i = 0; i < 9; i++) input[i] = (uint8_t)i;
    struct kc_hash_seed k = {__builtin_bswap64(kc_load_u64(seed)), __builtin_bswap64(kc_load_u64(seed + 8))};
    static const struct {
        size_t size;
        uint64_t low, high;              /* as the vectors' bytes read big endian */
    } vectors[] = {
        {0, 0xa3817f04ba25a8e6u, 0x6df67214c7550293u},
        {1, 0xda87c1d86b99af44u, 0x347659119b22fc45u},
        {7, 0xa1f1ebbed8dbc153u, 0xc0b84aa61ff08239u},
        {8, 0x3b62a9ba6258f561u, 0x0f83e264f31497b4u},
        {9, 0x264499060ad9baabu, 0xc47f8b02bb6d71edu},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct kc_key_hash hash = kc_key_hash(k, kc_slice_make(input, vectors[i].size));
        EXPECT_EQ(hash.low, __builtin_bswap64(vectors[i].low));
        EXPECT_EQ(hash.high, __builtin_bswap64(vectors[i].high));
    }
}

TEST(each_key_has_its_newest_offset_until_the_map_is_full) {
    enum { KEYS = 5000 };
    static int64_t newest[KEYS];
    struct kc_offset_map map;
    EXPECT_EQ(kc_offset_map_init(&map, KEYS / 2 * KC_OFFSET_MAP_SLOT_SIZE, 0.9, (struct kc_hash_seed){kc_test_random(), 7}), KC_OK);
    EXPECT_EQ(map.count_max, KEYS / 2 * 9 / 10);
    memset(newest, -1, sizeof newest);
    size_t distinct = 0;
    for (int64_t offset = 0; offset < 20000; offset++) {
        uint32_t key = (uint32_t)kc_test_random_below(KEYS);
        kc_status status = kc_offset_map_put(&map, kc_slice_make(&key, sizeof key), offset);
        bool is_new = newest[key] < 0;
        EXPECT_EQ(status, is_new && distinct == map.count_max ? KC_LIMIT : KC_OK);
        if (status != KC_OK) continue;
        distinct += is_new;
        newest[key] = offset;
    }
    EXPECT_EQ(distinct, map.count_max);
    for (uint32_t key = 0; key < KEYS; key++) EXPECT_EQ(kc_offset_map_get(&map, kc_slice_make(&key, sizeof key)), newest[key]);
    kc_offset_map_release(&map);
}

TEST(the_smallest_map_holds_one_key_and_an_empty_key_is_a_key) {
    struct kc_offset_map map;
    EXPECT_EQ(kc_offset_map_init(&map, 0, 0.1, (struct kc_hash_seed){1, 2}), KC_OK);
    EXPECT_EQ(kc_offset_map_get(&map, kc_slice_make("", 0)), -1);
    EXPECT_EQ(kc_offset_map_put(&map, kc_slice_make("", 0), 0), KC_OK);
    EXPECT_EQ(kc_offset_map_get(&map, kc_slice_make("", 0)), 0);
    EXPECT_EQ(kc_offset_map_get(&map, kc_slice_make("a", 1)), -1);
    EXPECT_EQ(kc_offset_map_put(&map, kc_slice_make("a", 1), 1), KC_LIMIT);
    EXPECT_EQ(kc_offset_map_put(&map, kc_slice_make("", 0), 5), KC_OK);
    EXPECT_EQ(kc_offset_map_get(&map, kc_slice_make("", 0)), 5);
    kc_offset_map_release(&map);
}

RUN_ALL()

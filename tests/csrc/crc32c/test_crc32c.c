/* Every CRC-32C kernel of this processor computes what the definition says: published vectors, all small sizes at all
 * alignments, the sizes around each change of step, random sizes, and every way to split an input. */
#include "crc32c/kernels.h"
#include "kernels_test.h"

TEST(every_kernel_agrees_with_the_definition) {
    struct kc_crc32c_kernel kernels[KC_CRC32C_KERNELS_MAX];
    size_t count = kc_crc32c_kernels(kernels);
    EXPECT(count >= 1 && count <= KC_CRC32C_KERNELS_MAX);
    EXPECT_STR(kernels[0].name, "portable");
    for (size_t i = 0; i < count; i++) {
        fprintf(stderr, "  kernel %s\n", kernels[i].name);
        expect_correct_kernel(kernels[i].extend);
    }
}

TEST(the_dispatcher_agrees_with_the_definition) {
    expect_correct_kernel(kc_crc32c_extend);
    EXPECT_EQ(kc_crc32c("123456789", 9), 0xe3069283u);
}

TEST(a_flipped_bit_changes_the_crc) {
    uint8_t bytes[300] = {0};
    uint32_t before = kc_crc32c(bytes, sizeof bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        EXPECT(kc_crc32c(bytes, sizeof bytes) != before);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* x^n mod P by n doublings, in the reflected order of the kernels. */
static uint32_t power_of_x(unsigned n) {
    uint32_t value = 0x80000000u; /* x^0 */
    while (n-- > 0) value = value >> 1 ^ (0x82f63b78u & (0u - (value & 1)));
    return value;
}

TEST(each_folding_constant_is_the_power_it_claims_to_be) {
#define CHECK(n, value) EXPECT_EQ(power_of_x(n), value##u);
    KC_CRC32C_POWERS(CHECK)
#undef CHECK
}

RUN_ALL()

/* crc32c.c: which kernel computes a CRC on this processor. */
#include "crc32c/crc32c.h"

#include <stdbool.h>

#include "base/check.h"
#include "crc32c/kernels.h"

#if defined(KC_CRC32C_ARM) && defined(__linux__)
#include <sys/auxv.h>
#endif

#ifdef KC_CRC32C_X86
static inline bool has_sse42(void) { return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"); }
static inline bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("vpclmulqdq"); }
static inline bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("vpclmulqdq");
}
#endif

#ifdef KC_CRC32C_ARM
static inline bool has_armv8(void) {
#if defined(__APPLE__)
    return true; /* every Apple processor of this architecture */
#elif defined(__linux__)
    unsigned long have = getauxval(AT_HWCAP), want = 1ul << 7 /* HWCAP_CRC32 */ | 1ul << 4 /* HWCAP_PMULL */;
    return (have & want) == want;
#else
    return false;
#endif
}
#endif

uint32_t kc_crc32c_extend(uint32_t crc, const void *data, size_t size) {
#ifdef KC_CRC32C_X86
    if (KC_LIKELY(has_sse42())) {
        if (size >= KC_CRC32C_AVX512_SIZE_MIN && has_avx512()) return ~kc_crc32c_avx512(~crc, data, size);
        if (size >= KC_CRC32C_AVX2_SIZE_MIN && has_avx2()) return ~kc_crc32c_avx2(~crc, data, size);
        return ~kc_crc32c_sse42(~crc, data, size);
    }
#endif
#ifdef KC_CRC32C_ARM
    if (KC_LIKELY(has_armv8())) return ~kc_crc32c_armv8(~crc, data, size);
#endif
    return ~kc_crc32c_portable(~crc, data, size);
}

uint32_t kc_crc32c(const void *data, size_t size) { return kc_crc32c_extend(0, data, size); }

static uint32_t extend_portable(uint32_t crc, const void *data, size_t size) { return ~kc_crc32c_portable(~crc, data, size); }
#ifdef KC_CRC32C_X86
static uint32_t extend_sse42(uint32_t crc, const void *data, size_t size) { return ~kc_crc32c_sse42(~crc, data, size); }
static uint32_t extend_avx2(uint32_t crc, const void *data, size_t size) { return ~kc_crc32c_avx2(~crc, data, size); }
static uint32_t extend_avx512(uint32_t crc, const void *data, size_t size) { return ~kc_crc32c_avx512(~crc, data, size); }
#endif
#ifdef KC_CRC32C_ARM
static uint32_t extend_armv8(uint32_t crc, const void *data, size_t size) { return ~kc_crc32c_armv8(~crc, data, size); }
#endif

size_t kc_crc32c_kernels(struct kc_crc32c_kernel out[KC_CRC32C_KERNELS_MAX]) {
    size_t count = 0;
    out[count++] = (struct kc_crc32c_kernel){"portable", extend_portable};
#ifdef KC_CRC32C_X86
    if (has_sse42()) out[count++] = (struct kc_crc32c_kernel){"sse42", extend_sse42};
    if (has_sse42() && has_avx2()) out[count++] = (struct kc_crc32c_kernel){"avx2", extend_avx2};
    if (has_sse42() && has_avx512()) out[count++] = (struct kc_crc32c_kernel){"avx512", extend_avx512};
#endif
#ifdef KC_CRC32C_ARM
    if (has_armv8()) out[count++] = (struct kc_crc32c_kernel){"armv8", extend_armv8};
#endif
    return count;
}

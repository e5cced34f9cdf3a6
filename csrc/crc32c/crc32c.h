/* crc32c.h: CRC-32C (Castagnoli), the checksum of a record batch.
 *
 * Reflected polynomial 0x82F63B78, state and result inverted, as in RFC 3720 appendix B.4: the CRC of "123456789" is
 * 0xE3069283.  Kafka's choice for batches of magic 2 (KIP-98), because processors compute it in hardware.
 *
 * The best kernel for this processor is chosen on every call, by tests of bits that the compiler's run time read once at
 * start: that costs about a nanosecond and leaves no mutable state in this library.
 * Thread: any.  Nothing is kept. */
#ifndef KC_CRC32C_CRC32C_H
#define KC_CRC32C_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of size bytes. */
uint32_t kc_crc32c(const void *data, size_t size);

/* The CRC of everything that crc covers already, followed by size bytes; kc_crc32c_extend(0, ...) is kc_crc32c. */
uint32_t kc_crc32c_extend(uint32_t crc, const void *data, size_t size);

/* One kernel with its name, for tests and benchmarks; extend has the contract of kc_crc32c_extend. */
struct kc_crc32c_kernel {
    const char *name; /* static */
    uint32_t (*extend)(uint32_t crc, const void *data, size_t size);
};

#define KC_CRC32C_KERNELS_MAX 8

/* Fills out with the kernels that run on this processor, slowest first, and returns how many there are.  The first is
 * always "portable". */
size_t kc_crc32c_kernels(struct kc_crc32c_kernel out[KC_CRC32C_KERNELS_MAX]);

#endif

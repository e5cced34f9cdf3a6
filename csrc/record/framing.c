#include "record/framing.h"

#include "base/varint.h"

static bool starts_with(struct kc_slice s, const void *prefix, size_t size) {
    return s.size >= size && memcmp(s.data, prefix, size) == 0;
}

/* RFC 1952: magic, and 8 for deflate, the only method there is; ten bytes of header and eight of trailer. */
static bool gzip_plausible(struct kc_slice s) { return s.size >= 18 && starts_with(s, "\x1f\x8b\x08", 3); }

/* LZ4 frame format: magic, FLG with version 01 in its top bits.  Kafka writes no dictionary. */
static bool lz4_plausible(struct kc_slice s) { return s.size >= 7 && starts_with(s, "\x04\x22\x4d\x18", 4) && (s.data[4] & 0xc0) == 0x40; }

/* RFC 8878: a Zstandard frame, or a skippable one in front of it. */
static bool zstd_plausible(struct kc_slice s) {
    if (s.size < 6) return false;
    if (starts_with(s, "\x28\xb5\x2f\xfd", 4)) return true;
    return (s.data[0] & 0xf0) == 0x50 && memcmp(s.data + 1, "\x2a\x4d\x18", 3) == 0;
}

/* Follows the first elements of a raw snappy block that promises size bytes: each must lie in the input, copy from what is
 * there already, and not give more than was promised.  A few elements tell bytes that are something else; to follow all of
 * them would cost about as much as decompressing.  Source: format_description.txt of google/snappy. */
static bool snappy_elements_plausible(const uint8_t *p, const uint8_t *end, uint32_t size) {
    uint64_t produced = 0;
    for (int element = 0; element < 32 && p < end; element++) {
        const uint8_t tag = *p++;
        size_t operand_size = (tag & 3) == 0 ? (tag >> 2 < 60 ? 0 : (size_t)(tag >> 2) - 59) : (tag & 3) == 3 ? 4 : tag & 3;
        if (operand_size > (size_t)(end - p)) return false;
        uint64_t operand = 0, length = (tag >> 2) + 1u;
        for (size_t i = 0; i < operand_size; i++) operand |= (uint64_t)p[i] << 8 * i;
        p += operand_size;
        if ((tag & 3) == 0) { /* literal: the length is in the tag or behind it, and that many bytes follow */
            if (operand_size) length = operand + 1;
            if (length > (uint64_t)(end - p)) return false;
            p += length;
        } else {
            if ((tag & 3) == 1) { /* copy: 3 bits of length, 11 of distance */
                length = ((tag >> 2) & 7u) + 4;
                operand |= (uint64_t)(tag >> 5) << 8;
            }
            if (operand == 0 || operand > produced) return false;
        }
        produced += length;
        if (produced > size) return false;
    }
    return p < end || produced == size;
}

/* snappy-java's stream of blocks (magic, version and compatible version), which Java writes; or one raw block, as librdkafka
 * writes it: the decompressed size as uvarint, then elements, none of which gives more than 64 bytes for 3. */
static bool snappy_plausible(struct kc_slice s) {
    static const char xerial[] = "\x82SNAPPY"; /* with its final NUL */
    if (starts_with(s, xerial, sizeof xerial)) return s.size >= 16;
    uint32_t size;
    if (s.size == 0) return false;
    const uint8_t *end = s.data + s.size, *p = kc_uvarint_decode(s.data, end, &size);
    if (!p || size < KC_RECORD_SIZE_MIN || size * (uint64_t)3 > (uint64_t)(end - p) * 64) return false;
    return snappy_elements_plausible(p, end, size);
}

bool kc_framing_plausible(enum kc_codec codec, struct kc_slice records) {
    switch (codec) {
    case KC_CODEC_NONE: return true;
    case KC_CODEC_GZIP: return gzip_plausible(records);
    case KC_CODEC_SNAPPY: return snappy_plausible(records);
    case KC_CODEC_LZ4: return lz4_plausible(records);
    case KC_CODEC_ZSTD: return zstd_plausible(records);
    case KC_CODEC_COUNT: break;
    }
    return false;
}

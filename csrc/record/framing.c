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

/* snappy-java's stream of blocks (magic, version and compatible version), which Java writes; or one raw block, as librdkafka
 * writes it: the decompressed size as uvarint, then elements of which the first must be a literal, because there is nothing
 * yet to copy from, and no element gives more than 64 bytes for 3. */
static bool snappy_plausible(struct kc_slice s) {
    static const char xerial[] = "\x82SNAPPY"; /* with its final NUL */
    if (starts_with(s, xerial, sizeof xerial)) return s.size >= 16;
    uint32_t size;
    if (s.size == 0) return false;
    const uint8_t *end = s.data + s.size, *p = kc_uvarint_decode(s.data, end, &size);
    if (!p || p == end || size < KC_RECORD_SIZE_MIN || (*p & 3) != 0) return false;
    return size * (uint64_t)3 <= (uint64_t)(end - p) * 64;
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

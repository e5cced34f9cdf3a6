/* offset_index.h: from an offset to a place in the segment file, `<base>.index`.
 *
 * Entry, 8 bytes: int32 last offset of a batch - base offset of the segment, int32 position where that batch starts.  So the
 * batch at the entry with the highest key <= target is at or before the wanted one, and the key can be checked against the
 * batch that is really there.  Source: org.apache.kafka.storage.internals.log.OffsetIndex. */
#ifndef KC_LOG_OFFSET_INDEX_H
#define KC_LOG_OFFSET_INDEX_H

#include "base/bytes.h"
#include "log/index_file.h"

enum { KC_OFFSET_INDEX_ENTRY_SIZE = 8 };

static inline int32_t kc_offset_entry_relative(const uint8_t *entry) { return kc_load_i32(entry); }
static inline int32_t kc_offset_entry_position(const uint8_t *entry) { return kc_load_i32(entry + 4); }

static inline kc_status kc_offset_index_append(struct kc_index_file *index, int32_t relative_offset, int32_t position) {
    uint8_t entry[KC_OFFSET_INDEX_ENTRY_SIZE];
    kc_store_i32(entry, relative_offset);
    kc_store_i32(entry + 4, position);
    return kc_index_file_append(index, entry);
}

/* Whether the newest entry can be true of a segment of this size.  The first batch of a segment never has an entry, so
 * zeros, which is what a file cut off from its data shows, cannot. */
static inline bool kc_offset_index_plausible(const struct kc_index_file *index, int64_t segment_size_bytes) {
    if (index->count == 0) return true;
    int32_t position = kc_offset_entry_position(index->last);
    return kc_offset_entry_relative(index->last) > 0 && position > 0 && position < segment_size_bytes;
}

#endif

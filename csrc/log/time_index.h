/* time_index.h: from a timestamp to an offset, `<base>.timeindex`.
 *
 * Entry, 12 bytes: int64 highest timestamp so far, int32 last offset of the batch that bears it - base offset.  Timestamps rise
 * strictly.  An entry is added with each offset index entry (if the timestamp rose) and once more when the segment is sealed,
 * so that the last entry of a sealed segment is its highest timestamp.  Source: org.apache.kafka.storage.internals.log.TimeIndex. */
#ifndef KC_LOG_TIME_INDEX_H
#define KC_LOG_TIME_INDEX_H

#include "base/bytes.h"
#include "log/index_file.h"

enum { KC_TIME_INDEX_ENTRY_SIZE = 12 };

static inline int64_t kc_time_entry_timestamp(const uint8_t *entry) { return kc_load_i64(entry); }
static inline int32_t kc_time_entry_relative(const uint8_t *entry) { return kc_load_i32(entry + 8); }

/* Adds the entry if its timestamp is above the last one's (and is a timestamp at all). */
static inline kc_status kc_time_index_maybe_append(struct kc_index_file *index, int64_t timestamp, int32_t relative_offset) {
    int64_t last = index->count ? kc_time_entry_timestamp(index->last) : -1;
    if (timestamp <= last) return KC_OK;
    if (index->count && relative_offset < kc_time_entry_relative(index->last)) return KC_OK;
    uint8_t entry[KC_TIME_INDEX_ENTRY_SIZE];
    kc_store_i64(entry, timestamp);
    kc_store_i32(entry + 8, relative_offset);
    return kc_index_file_append(index, entry);
}

static inline bool kc_time_index_plausible(const struct kc_index_file *index) {
    if (index->count == 0) return true;
    if (kc_time_entry_timestamp(index->last) < 0 || kc_time_entry_relative(index->last) < 0) return false;
    return index->count == 1 || kc_time_entry_timestamp(index->last) > 0;
}

#endif

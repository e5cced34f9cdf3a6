#include "log/batch_scanner.h"

#include "base/check.h"

void kc_batch_scanner_init(struct kc_batch_scanner *scanner, struct kc_file *file, int64_t position, int64_t limit,
                           int64_t next_offset, void *buffer, size_t capacity) {
    KC_CHECK(capacity >= KC_BATCH_HEADER_SIZE);
    *scanner = (struct kc_batch_scanner){
        .file = file, .position = position, .limit = limit, .next_offset = next_offset, .buffer = buffer, .capacity = capacity};
}

bool kc_batch_header_plausible(const struct kc_batch_header *header, int64_t available, int64_t next_offset) {
    return header->magic == KC_BATCH_MAGIC_VALUE && header->size_bytes >= KC_BATCH_HEADER_SIZE &&
           header->size_bytes <= available && header->base_offset >= next_offset && header->last_offset_delta >= 0 &&
           header->base_offset <= INT64_MAX - 1 - header->last_offset_delta && header->record_count >= 0;
}

static kc_status fill(struct kc_batch_scanner *scanner, size_t size) {
    if ((int64_t)size > scanner->limit - scanner->position) size = (size_t)(scanner->limit - scanner->position);
    if (size > scanner->capacity) size = scanner->capacity;
    scanner->filled = 0;
    scanner->filled_position = scanner->position;
    return kc_file_read(scanner->file, scanner->buffer, size, scanner->position, &scanner->filled);
}

kc_status kc_batch_scanner_prefetch(struct kc_batch_scanner *scanner, int64_t size) {
    return fill(scanner, size > (int64_t)scanner->capacity ? scanner->capacity : (size_t)size);
}

kc_status kc_batch_scanner_next(struct kc_batch_scanner *scanner, struct kc_batch_header *header, int64_t *position) {
    if (scanner->position >= scanner->limit) return KC_END;
    if (scanner->limit - scanner->position < KC_BATCH_HEADER_SIZE) return KC_CORRUPT;
    int64_t skipped = scanner->position - scanner->filled_position;
    if (skipped < 0 || skipped + KC_BATCH_HEADER_SIZE > (int64_t)scanner->filled) {
        bool batches_are_large = scanner->previous_size > (int64_t)scanner->capacity / 2;
        kc_status status = fill(scanner, batches_are_large ? KC_BATCH_HEADER_SIZE : scanner->capacity);
        if (status != KC_OK) return status;
        if (scanner->filled < KC_BATCH_HEADER_SIZE) return KC_CORRUPT;
        skipped = 0;
    }
    struct kc_batch_header found;
    kc_batch_header_load(scanner->buffer + skipped, &found);
    if (!kc_batch_header_plausible(&found, scanner->limit - scanner->position, scanner->next_offset)) return KC_CORRUPT;
    *header = found;
    *position = scanner->position;
    scanner->position += found.size_bytes;
    scanner->previous_size = found.size_bytes;
    scanner->next_offset = kc_batch_last_offset(&found) + 1;
    return KC_OK;
}

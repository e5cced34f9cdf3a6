/* batch_scanner.h: walks the batch headers of a segment file.
 *
 * For look-ups, replays and rebuilding; checks that each batch can be one (magic, length, counts, not past the limit, offsets
 * rising), not its CRC.  Reads a buffer full at a time while batches are small, one header at a time once they are larger
 * than the buffer.
 *
 * Thread: any; the file's bytes below `limit` do not change meanwhile, or the walk ends with KC_CORRUPT. */
#ifndef KC_LOG_BATCH_SCANNER_H
#define KC_LOG_BATCH_SCANNER_H

#include "io/file.h"
#include "record/batch.h"

enum { KC_SCANNER_BUFFER_SIZE = 4096 };

struct kc_batch_scanner {
    struct kc_file *file;
    int64_t position;                  /* of the next batch */
    int64_t limit;
    int64_t next_offset;               /* the least base offset that the next batch may have */
    uint8_t *buffer;
    size_t capacity;
    int64_t filled_position;
    size_t filled;
    int32_t previous_size;
};

/* buffer: at least KC_BATCH_HEADER_SIZE bytes, the caller's, kept until the walk is over. */
void kc_batch_scanner_init(struct kc_batch_scanner *scanner, struct kc_file *file, int64_t position, int64_t limit,
                           int64_t next_offset, void *buffer, size_t capacity);
/* Reads `size` bytes ahead at once, if the buffer holds them: for a caller who knows that it will need them. */
kc_status kc_batch_scanner_prefetch(struct kc_batch_scanner *scanner, int64_t size);

/* KC_OK: *header is the next batch and *position its place.  KC_END at the limit.  KC_CORRUPT: what is there is not a whole
 * batch; scanner->position is where it starts. */
kc_status kc_batch_scanner_next(struct kc_batch_scanner *scanner, struct kc_batch_header *header, int64_t *position);

/* A header that can be true of a batch of at most `available` bytes whose offsets begin at next_offset or later. */
bool kc_batch_header_plausible(const struct kc_batch_header *header, int64_t available, int64_t next_offset);

#endif

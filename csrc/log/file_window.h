/* file_window.h: a file read from front to back through a window that grows to the largest batch, and never beyond what the file really
 * holds.  Thread: the reader's own. */
#ifndef KC_LOG_FILE_WINDOW_H
#define KC_LOG_FILE_WINDOW_H

#include "base/bytes.h"
#include "io/file.h"

struct kc_file_window {
    struct kc_file *file;                /* borrowed */
    int64_t file_size, position;         /* of the window's first byte */
    uint8_t *bytes;                      /* malloc'ed by the owner, who frees it */
    size_t capacity, filled;
};

/* Another file from its start; the window's memory stays. */
static inline void kc_file_window_open(struct kc_file_window *w, struct kc_file *file, int64_t file_size) {
    w->file = file;
    w->file_size = file_size;
    w->position = 0;
    w->filled = 0;
}

/* Makes at least `size` bytes from `position` on available, or all there are.  *out lives until the next call. */
kc_status kc_file_window_move(struct kc_file_window *w, int64_t position, size_t size, struct kc_slice *out);

#endif

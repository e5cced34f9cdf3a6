#include "log/file_window.h"

#include <stdlib.h>

kc_status kc_file_window_move(struct kc_file_window *w, int64_t position, size_t size, struct kc_slice *out) {
    int64_t left = w->file_size - position;
    if ((int64_t)size > left) size = (size_t)left;
    int64_t skipped = position - w->position;
    if (skipped < 0 || skipped + (int64_t)size > (int64_t)w->filled) {
        if (size > w->capacity) {
            uint8_t *bytes = realloc(w->bytes, size);
            if (!bytes) return KC_NO_MEMORY;
            w->bytes = bytes;
            w->capacity = size;
        }
        size_t wanted = (int64_t)w->capacity < left ? w->capacity : (size_t)left;
        w->position = position;
        w->filled = 0;
        kc_status status = kc_file_read(w->file, w->bytes, wanted, position, &w->filled);
        if (status != KC_OK) return status;
        skipped = 0;
    }
    *out = kc_slice_make(w->bytes + skipped, w->filled - (size_t)skipped);
    return KC_OK;
}

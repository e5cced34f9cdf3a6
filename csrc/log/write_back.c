/* write_back.c: dirty pages go to the disk in steps, and not in storms.
 *
 * Left alone, the kernel collects what has been written until there is much of it and then keeps the disk busy for seconds, in
 * which every sync waits.  Here writing begins whenever 8 MiB have come together.  Nothing is promised by it: it starts, nobody waits for
 * its end, and an error of it comes out at the next sync.
 *
 * Thread: any, a worker's by choice: where the disk's queue is full the call waits for it, without the log's lock. */
#include "log/log_internal.h"

enum { WRITE_BACK_STEP_BYTES = 8 << 20 };

bool kc_log_wants_write_back(const struct kc_log *log) {
    return atomic_load_explicit(&log->bytes_to_write_back, memory_order_relaxed) >= WRITE_BACK_STEP_BYTES;
}

static void start_writing(struct kc_log *log, struct kc_file *file, int64_t position, int64_t size) {
    int handle;
    if (kc_file_pin(file, &handle) != KC_OK) return;
    log->disk->write_back(log->disk->state, handle, position, size);
    kc_file_unpin(file);
}

void kc_log_write_back(struct kc_log *log) {
    struct {
        struct kc_file *file;
        int64_t position, size;
    } parts[2];                        /* the active segment, and the end of the one before */
    int count = 0;
    pthread_mutex_lock(&log->lock);
    atomic_store_explicit(&log->bytes_to_write_back, 0, memory_order_relaxed);
    for (size_t i = log->segment_count; i > 0 && i + 2 > log->segment_count; i--) {
        struct kc_segment *segment = log->segments[i - 1];
        if (segment->written_back < segment->size_bytes) {
            parts[count].file = kc_file_retain(segment->file);
            parts[count].position = segment->written_back;
            parts[count++].size = segment->size_bytes - segment->written_back;
        }
        segment->written_back = segment->size_bytes;
    }
    pthread_mutex_unlock(&log->lock);
    while (count-- > 0) {
        start_writing(log, parts[count].file, parts[count].position, parts[count].size);
        kc_file_release(parts[count].file);
    }
}

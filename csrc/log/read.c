/* read.c: from an offset to a slice of a segment file.
 *
 * The tail is answered from memory under the lock, without a system call.  Anything older takes a view of its segment and goes
 * on without the lock: index page, then at most a few headers.  A truncation in between is noticed and the look-up repeated. */
#include <string.h>

#include "log/log_internal.h"

struct read_request {
    int64_t offset, offset_limit;
    int32_t size_max_bytes;
    bool min_one_batch;
};

/* The slice from a batch at `position` of `batch_size` bytes up to `end`. */
static void make_slice(const struct read_request *request, struct kc_segment *segment, int64_t position, int64_t batch_size,
                       int64_t end, struct kc_log_slice *out) {
    *out = (struct kc_log_slice){0};
    int64_t available = end - position;
    if (available < batch_size) return;        /* the limit lies in the first batch */
    int64_t size = available < request->size_max_bytes ? available : request->size_max_bytes;
    if (batch_size > request->size_max_bytes) size = request->min_one_batch ? batch_size : 0;
    if (size <= 0) return;
    *out = (struct kc_log_slice){kc_file_retain(segment->file), position, (int32_t)size};
}

/* From the ring of recent batches; false if it does not reach back far enough. */
static bool read_tail(struct kc_log *log, const struct read_request *request, bool to_end, struct kc_log_slice *out) {
    struct kc_recent_batch batch, limit;
    int64_t next, ignored;
    if (!kc_recent_batches_find(&log->recent, request->offset, &batch, &next)) return false;
    struct kc_segment *active = kc_log_active(log);
    if (next < 0) next = active->size_bytes;
    int64_t end = active->size_bytes;
    if (!to_end) {
        if (!kc_recent_batches_find(&log->recent, request->offset_limit, &limit, &ignored)) return false;
        end = limit.position;
    }
    make_slice(request, active, batch.position, next - batch.position, end, out);
    return true;
}

/* Without the lock.  KC_END: the segment has no batch at or above the offset. */
static kc_status read_segment(struct kc_log *log, const struct read_request *request, const struct kc_segment_view *view,
                              const struct kc_segment_view *limit_view, struct kc_log_slice *out) {
    struct kc_segment *segment = view->segment;
    int64_t position, end = view->size_bytes;
    struct kc_batch_header header;
    if (!limit_view && request->offset <= segment->base_offset && request->size_max_bytes >= view->batch_size_max && end > 0) {
        make_slice(request, segment, 0, 0, end, out);
        return KC_OK;
    }
    kc_status status = kc_segment_find(view, &log->offset_page, &log->page_lock, request->offset, &position, &header);
    if (status != KC_OK) return status;
    int64_t batch_size = header.size_bytes;
    if (limit_view) {
        status = kc_segment_find(limit_view, &log->offset_page, &log->page_lock, request->offset_limit, &end, &header);
        if (status == KC_END) end = view->size_bytes;
        if (status != KC_OK && status != KC_END) return status;
    }
    make_slice(request, segment, position, batch_size, end, out);
    return KC_OK;
}

kc_status kc_log_read(struct kc_log *log, int64_t offset, int64_t offset_limit, int32_t size_max_bytes, bool min_one_batch,
                      struct kc_log_slice *out) {
    struct read_request request = {offset, offset_limit, size_max_bytes, min_one_batch};
    int64_t after_base = -1;                   /* of a segment that turned out to have nothing at or above the offset */
    for (;;) {
        pthread_mutex_lock(&log->lock);
        int64_t end_offset = kc_log_end_offset(log);
        kc_status status = KC_OK;
        if (log->closed)
            status = KC_CLOSED;
        else if (kc_log_offline(log))
            status = KC_IO_ERROR;
        else if (offset < kc_log_start_offset(log) || offset > end_offset)
            status = KC_OUT_OF_RANGE;
        struct kc_log_slice slice = {0};
        bool done = status != KC_OK || offset >= offset_limit || offset == end_offset;
        size_t slot = 0;
        if (!done) {
            slot = kc_log_segment_slot(log, offset > after_base ? offset : after_base);
            while (slot < log->segment_count && log->segments[slot]->base_offset <= after_base) slot++;
            done = slot == log->segment_count;
        }
        bool active = slot + 1 == log->segment_count;
        int64_t segment_end = done ? 0 : active ? end_offset : log->segments[slot + 1]->base_offset;
        bool to_end = offset_limit >= segment_end;
        done = done || (active && read_tail(log, &request, to_end, &slice));
        if (done) {
            pthread_mutex_unlock(&log->lock);
            if (status == KC_OK) *out = slice;
            return status;
        }
        struct kc_segment *segment = kc_segment_retain(log->segments[slot]);
        struct kc_segment_view view, limit_view;
        kc_segment_view_for(segment, offset, &view);
        if (!to_end) kc_segment_view_for(segment, offset_limit, &limit_view);
        uint64_t truncations = log->truncations;
        pthread_mutex_unlock(&log->lock);

        status = read_segment(log, &request, &view, to_end ? NULL : &limit_view, &slice);
        after_base = segment->base_offset;
        kc_segment_release(segment);

        pthread_mutex_lock(&log->lock);
        bool stale = truncations != log->truncations;
        /* Dropped meanwhile, and its files removed before this look-up was through. */
        if (status != KC_OK && status != KC_END && offset < kc_log_start_offset(log)) status = KC_OUT_OF_RANGE;
        pthread_mutex_unlock(&log->lock);
        if (stale) {
            kc_file_release(slice.file);
            after_base = -1;
            continue;
        }
        if (status == KC_END) continue;
        if (status == KC_OK) *out = slice;
        return status;
    }
}

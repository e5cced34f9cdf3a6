/* segment_find.c: from an offset to the batch that holds it, by index and header. */
#include "log/offset_index.h"
#include "log/segment.h"

/* Enough for the headers between two index entries of the default interval. */
enum { FIND_BUFFER_SIZE = 2 * KC_INDEX_PAGE_SIZE + KC_BATCH_HEADER_SIZE };

void kc_segment_view_for(struct kc_segment *segment, int64_t offset, struct kc_segment_view *view) {
    view->segment = segment;
    view->size_bytes = segment->size_bytes;
    view->batch_size_max = segment->batch_size_max;
    view->index_limit = segment->offset_index.tail_first;
    kc_index_file_search_tail(&segment->offset_index, offset - segment->base_offset, &view->hit);
}

static kc_status search_index(const struct kc_segment_view *view, struct kc_index_page *page, pthread_mutex_t *page_lock,
                              int64_t relative, struct kc_index_hit *hit) {
    *hit = view->hit;
    if (hit->slot >= 0 || view->index_limit == 0) return KC_OK;
    struct kc_index_hit written;
    pthread_mutex_lock(page_lock);
    kc_status status =
        kc_index_file_search_written(&view->segment->offset_index, page, view->index_limit, relative, &written);
    pthread_mutex_unlock(page_lock);
    if (status != KC_OK) return status;
    /* The first entry in memory follows the last one in the file. */
    if (written.has_next || written.slot != view->index_limit - 1) {
        *hit = written;
    } else {
        hit->slot = written.slot;
        memcpy(hit->entry, written.entry, sizeof hit->entry);
    }
    return KC_OK;
}

/* KC_CORRUPT also where the first batch is not the one that the index entry names. */
static kc_status walk(const struct kc_segment_view *view, struct kc_batch_scanner *scanner, int64_t named_last_offset,
                      int64_t offset, int64_t *position, struct kc_batch_header *header) {
    (void)view;
    for (bool first = true;; first = false) {
        kc_status status = kc_batch_scanner_next(scanner, header, position);
        if (status != KC_OK) return status;
        int64_t last_offset = kc_batch_last_offset(header);
        if (first && named_last_offset >= 0 && last_offset != named_last_offset) return KC_CORRUPT;
        if (last_offset >= offset) return KC_OK;
    }
}

kc_status kc_segment_find(const struct kc_segment_view *view, struct kc_index_page *page, pthread_mutex_t *page_lock,
                          int64_t offset, int64_t *position, struct kc_batch_header *header) {
    struct kc_segment *segment = view->segment;
    int64_t relative = offset - segment->base_offset;
    if (view->size_bytes == 0) return KC_END;
    uint8_t buffer[FIND_BUFFER_SIZE];
    struct kc_batch_scanner scanner;
    struct kc_index_hit hit;
    kc_status status = search_index(view, page, page_lock, relative, &hit);
    if (status != KC_OK && status != KC_CORRUPT) return status;
    if (status == KC_OK) {
        int64_t low = hit.slot >= 0 ? kc_offset_entry_position(hit.entry) : 0;
        int64_t high = hit.has_next ? kc_offset_entry_position(hit.next) : -1;
        bool range_fits = high > low && high + KC_BATCH_HEADER_SIZE - low <= FIND_BUFFER_SIZE;
        /* Large batches: each has an entry, so the next entry's batch is most likely the one, and one header decides. */
        if (high > low && !range_fits) {
            kc_batch_scanner_init(&scanner, segment->file, high, view->size_bytes, segment->base_offset, buffer,
                                  KC_BATCH_HEADER_SIZE);
            status = walk(view, &scanner, segment->base_offset + kc_offset_entry_relative(hit.next), offset, position, header);
            if (status == KC_OK && header->base_offset <= offset) return KC_OK;
        }
        if (low >= 0 && low < view->size_bytes) {
            int64_t named = hit.slot >= 0 ? segment->base_offset + kc_offset_entry_relative(hit.entry) : -1;
            kc_batch_scanner_init(&scanner, segment->file, low, view->size_bytes, segment->base_offset, buffer, sizeof buffer);
            status = range_fits ? kc_batch_scanner_prefetch(&scanner, high + KC_BATCH_HEADER_SIZE - low) : KC_OK;
            if (status == KC_OK) status = walk(view, &scanner, named, offset, position, header);
            if (status != KC_CORRUPT || low == 0) return status;
        }
    }
    kc_batch_scanner_init(&scanner, segment->file, 0, view->size_bytes, segment->base_offset, buffer, sizeof buffer);
    return walk(view, &scanner, -1, offset, position, header);
}

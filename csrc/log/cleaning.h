/* cleaning.h: the fields of a cleaning, shared by cleaner.c (what to read, what to keep) and cleaner_copy.c (writing a copy, and putting
 * it in place).  See cleaner.h. */
#ifndef KC_LOG_CLEANING_H
#define KC_LOG_CLEANING_H

#include "log/batch_filter.h"
#include "log/cleaned_txns.h"
#include "log/cleaner.h"
#include "log/file_window.h"
#include "log/log_internal.h"
#include "log/offset_map.h"

enum kc_cleaning_phase { KC_CLEANING_MAP, KC_CLEANING_COPY, KC_CLEANING_OVER };

/* A segment as it was at the start; sealed, so that its bytes stay. */
struct kc_cleaning_source {
    struct kc_segment *segment;          /* retained */
    int64_t size_bytes, end_offset;      /* end_offset: the next segment's base */
};

struct kc_cleaning {
    struct kc_log *log;                  /* retained */
    struct kc_cleaning_options options;
    struct kc_log_config config;
    struct kc_offset_map map;
    struct kc_batch_filter filter;
    struct kc_cleaned_txns txns;
    struct kc_cleaning_stats stats;

    struct kc_cleaning_source *sources;
    size_t source_count;
    uint64_t truncations;                /* of the log; another number: it has been cut */

    enum kc_cleaning_phase phase;
    enum kc_cleaning_need waiting;       /* for the section that was asked for; KC_CLEANING_AGAIN: for nothing */
    int64_t budget_bytes;                /* of this step */
    int64_t end_offset;                  /* the map knows all keys below */

    size_t slot;                         /* being read, and where */
    int64_t position;
    struct kc_file_window window;
    struct kc_batch_header header;       /* the batch being looked at, and its bytes in the window */
    struct kc_slice batch;
    struct kc_batch_remnant remnant;

    size_t copy_count;                   /* sources that are to be copied: the first so many */
    size_t group_first, group_end;
    struct kc_segment *copy;             /* `.cleaned`, NULL between groups */
    char *directory;                     /* where it lies */
    struct kc_byte_buffer out, wrapped;
    size_t out_size;
    int64_t written_bytes;               /* of the copy, in its file */
    int64_t last_lost_marker;            /* the offset of the last marker that is not in the copy, -1: none */
};

/* Chooses the next group and begins its copy; phase KC_CLEANING_OVER if there is none. */
kc_status kc_cleaning_begin_group(struct kc_cleaning *c);
/* Appends a batch to the copy. */
kc_status kc_cleaning_emit(struct kc_cleaning *c, const struct kc_batch_header *header, struct kc_slice bytes);
/* Completes the copy and puts it in the place of its originals. */
kc_status kc_cleaning_end_group(struct kc_cleaning *c);
/* Removes a copy that will not be completed. */
void kc_cleaning_discard_copy(struct kc_cleaning *c);

#endif

/* names.h: the names of a log's files, as Kafka gives them.
 *
 * <20 digits>.<kind>, with a suffix while something is under way: `.deleted` (waiting to be removed), `.cleaned` (a compaction
 * that has not finished), `.swap` (one that has, and is taking its place).  Thread: any.
 * Source: org.apache.kafka.storage.internals.log.LogFileUtils. */
#ifndef KC_LOG_NAMES_H
#define KC_LOG_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum kc_log_file_kind {
    KC_LOG_FILE_LOG,
    KC_LOG_FILE_OFFSET_INDEX,
    KC_LOG_FILE_TIME_INDEX,
    KC_LOG_FILE_TXN_INDEX,             /* where transactions were aborted */
    KC_LOG_FILE_SNAPSHOT,
    KC_LOG_FILE_KIND_COUNT
};

enum kc_log_file_stage { KC_LOG_FILE_PLAIN, KC_LOG_FILE_DELETED, KC_LOG_FILE_CLEANED, KC_LOG_FILE_SWAP };

enum { KC_LOG_NAME_SIZE = 48, KC_PATH_SIZE = 4096 };

struct kc_log_name {
    int64_t offset;
    enum kc_log_file_kind kind;
    enum kc_log_file_stage stage;
};

/* False: not a name of ours; such files are left alone. */
bool kc_log_name_parse(const char *name, struct kc_log_name *out);
/* Into a buffer of KC_LOG_NAME_SIZE. */
void kc_log_name_format(char *buffer, int64_t offset, enum kc_log_file_kind kind, enum kc_log_file_stage stage);

/* "" for KC_LOG_FILE_PLAIN. */
const char *kc_log_stage_suffix(enum kc_log_file_stage stage);

/* directory/name into a buffer of KC_PATH_SIZE; KC_LIMIT if it does not fit. */
kc_status kc_path_join(char *buffer, const char *directory, const char *name);
kc_status kc_log_path(char *buffer, const char *directory, int64_t offset, enum kc_log_file_kind kind,
                      enum kc_log_file_stage stage);

#endif

#include "log/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS = 20 };

static const char *const kind_suffix[KC_LOG_FILE_KIND_COUNT] = {".log", ".index", ".timeindex", ".txnindex", ".snapshot"};
static const char *const stage_suffix[] = {"", ".deleted", ".cleaned", ".swap"};

bool kc_log_name_parse(const char *name, struct kc_log_name *out) {
    uint64_t offset = 0;
    for (int i = 0; i < DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') return false;
        uint64_t digit = (uint64_t)(name[i] - '0');
        if (offset > ((uint64_t)INT64_MAX - digit) / 10) return false;
        offset = offset * 10 + digit;
    }
    const char *rest = name + DIGITS;
    for (int kind = 0; kind < KC_LOG_FILE_KIND_COUNT; kind++) {
        size_t length = strlen(kind_suffix[kind]);
        if (strncmp(rest, kind_suffix[kind], length) != 0) continue;
        for (int stage = KC_LOG_FILE_PLAIN; stage <= KC_LOG_FILE_SWAP; stage++) {
            if (strcmp(rest + length, stage_suffix[stage]) != 0) continue;
            *out = (struct kc_log_name){(int64_t)offset, (enum kc_log_file_kind)kind, (enum kc_log_file_stage)stage};
            return true;
        }
    }
    return false;
}

void kc_log_name_format(char *buffer, int64_t offset, enum kc_log_file_kind kind, enum kc_log_file_stage stage) {
    snprintf(buffer, KC_LOG_NAME_SIZE, "%020" PRId64 "%s%s", offset, kind_suffix[kind], stage_suffix[stage]);
}

const char *kc_log_stage_suffix(enum kc_log_file_stage stage) { return stage_suffix[stage]; }

kc_status kc_path_join(char *buffer, const char *directory, const char *name) {
    int length = snprintf(buffer, KC_PATH_SIZE, "%s/%s", directory, name);
    return length < 0 || length >= KC_PATH_SIZE ? KC_LIMIT : KC_OK;
}

kc_status kc_log_path(char *buffer, const char *directory, int64_t offset, enum kc_log_file_kind kind,
                      enum kc_log_file_stage stage) {
    char name[KC_LOG_NAME_SIZE];
    kc_log_name_format(name, offset, kind, stage);
    return kc_path_join(buffer, directory, name);
}

#include "log/leader_epochs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/names.h"
#include "log/small_file.h"

enum { LINE_SIZE_MAX = 34, FILE_SIZE_MAX = 64 << 20 };

void kc_leader_epochs_release(struct kc_leader_epochs *epochs) {
    free(epochs->entries);
    memset(epochs, 0, sizeof *epochs);
}

static struct kc_epoch_entry *last_entry(const struct kc_leader_epochs *epochs) {
    return epochs->count ? &epochs->entries[epochs->count - 1] : NULL;
}

static kc_status add(struct kc_leader_epochs *epochs, int32_t epoch, int64_t start_offset) {
    if (epochs->count == epochs->capacity) {
        size_t capacity = epochs->capacity ? epochs->capacity * 2 : 2;
        struct kc_epoch_entry *entries = realloc(epochs->entries, capacity * sizeof *entries);
        if (!entries) return KC_NO_MEMORY;
        epochs->entries = entries;
        epochs->capacity = capacity;
    }
    epochs->entries[epochs->count++] = (struct kc_epoch_entry){start_offset, epoch};
    epochs->dirty = true;
    return KC_OK;
}

kc_status kc_leader_epochs_assign(struct kc_leader_epochs *epochs, int32_t epoch, int64_t start_offset) {
    if (epoch < 0) return KC_OK;
    struct kc_epoch_entry *last = last_entry(epochs);
    if (last && last->epoch == epoch && last->start_offset <= start_offset) return KC_OK;
    while (last && (last->epoch >= epoch || last->start_offset >= start_offset)) {
        epochs->count--;
        last = last_entry(epochs);
    }
    return add(epochs, epoch, start_offset);
}

void kc_leader_epochs_truncate_end(struct kc_leader_epochs *epochs, int64_t end_offset) {
    while (epochs->count && last_entry(epochs)->start_offset >= end_offset) {
        epochs->count--;
        epochs->dirty = true;
    }
}

void kc_leader_epochs_truncate_start(struct kc_leader_epochs *epochs, int64_t start_offset) {
    size_t passed = 0;
    while (passed < epochs->count && epochs->entries[passed].start_offset <= start_offset) passed++;
    if (passed == 0) return;
    size_t kept = passed - 1;
    if (kept == 0 && epochs->entries[0].start_offset == start_offset) return;
    epochs->entries[kept].start_offset = start_offset;
    epochs->count -= kept;
    memmove(epochs->entries, epochs->entries + kept, epochs->count * sizeof *epochs->entries);
    epochs->dirty = true;
}

void kc_leader_epochs_clear(struct kc_leader_epochs *epochs) {
    epochs->dirty = epochs->dirty || epochs->count > 0;
    epochs->count = 0;
}

int32_t kc_leader_epochs_latest(const struct kc_leader_epochs *epochs) {
    return epochs->count ? last_entry(epochs)->epoch : -1;
}

int32_t kc_leader_epochs_at(const struct kc_leader_epochs *epochs, int64_t offset) {
    int32_t epoch = -1;
    for (size_t i = 0; i < epochs->count && epochs->entries[i].start_offset <= offset; i++) epoch = epochs->entries[i].epoch;
    return epoch;
}

void kc_leader_epochs_end_offset(const struct kc_leader_epochs *epochs, int32_t epoch, int64_t log_end_offset,
                                 int32_t *epoch_out, int64_t *end_offset) {
    *epoch_out = -1;
    *end_offset = -1;
    if (epoch < 0 || epochs->count == 0 || epoch > last_entry(epochs)->epoch) return;
    size_t higher = 0;
    while (higher < epochs->count && epochs->entries[higher].epoch <= epoch) higher++;
    *epoch_out = higher == 0 ? epoch : epochs->entries[higher - 1].epoch;
    *end_offset = higher == epochs->count ? log_end_offset : epochs->entries[higher].start_offset;
}

/* Decimal digits up to `end`; false if there are none or too many. */
static bool read_number(const char **at, char end, int64_t limit, int64_t *out) {
    const char *p = *at;
    int64_t value = 0;
    if (*p < '0' || *p > '9') return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (value > (limit - (*p - '0')) / 10) return false;
        value = value * 10 + (*p - '0');
    }
    if (*p == '\r' && end == '\n') p++;
    if (*p != end) return false;
    *at = p + 1;
    *out = value;
    return true;
}

static kc_status parse(struct kc_leader_epochs *epochs, const char *at, const char *end) {
    int64_t version, count;
    if (!read_number(&at, '\n', INT32_MAX, &version) || version != 0) return KC_CORRUPT;
    if (!read_number(&at, '\n', INT32_MAX, &count)) return KC_CORRUPT;
    for (int64_t i = 0; i < count; i++) {
        int64_t epoch, start_offset;
        if (!read_number(&at, ' ', INT32_MAX, &epoch) || !read_number(&at, '\n', INT64_MAX, &start_offset)) return KC_CORRUPT;
        struct kc_epoch_entry *last = last_entry(epochs);
        if (last && (last->epoch >= epoch || last->start_offset >= start_offset)) return KC_CORRUPT;
        kc_status status = add(epochs, (int32_t)epoch, start_offset);
        if (status != KC_OK) return status;
    }
    return at == end ? KC_OK : KC_CORRUPT;
}

kc_status kc_leader_epochs_load(struct kc_leader_epochs *epochs, const struct kc_disk *disk, const char *directory) {
    epochs->count = 0;
    char path[KC_PATH_SIZE];
    kc_status status = kc_path_join(path, directory, KC_LEADER_EPOCH_CHECKPOINT);
    if (status != KC_OK) return status;
    uint8_t *data;
    size_t size;
    status = kc_small_file_read(disk, path, FILE_SIZE_MAX, &data, &size);
    if (status != KC_OK) return status == KC_LIMIT ? KC_CORRUPT : status;
    status = parse(epochs, (const char *)data, (const char *)data + size);
    free(data);
    epochs->dirty = status != KC_OK;
    if (status != KC_OK) epochs->count = 0;
    return status;
}

kc_status kc_leader_epochs_store(struct kc_leader_epochs *epochs, const struct kc_disk *disk, const char *directory,
                                 bool durable) {
    if (!epochs->dirty) return KC_OK;
    size_t capacity = (epochs->count + 2) * LINE_SIZE_MAX;
    char *text = malloc(capacity);
    if (!text) return KC_NO_MEMORY;
    int size = snprintf(text, capacity, "0\n%zu\n", epochs->count);
    for (size_t i = 0; i < epochs->count; i++)
        size += snprintf(text + size, capacity - (size_t)size, "%" PRId32 " %" PRId64 "\n", epochs->entries[i].epoch,
                         epochs->entries[i].start_offset);
    kc_status status = kc_small_file_replace(disk, directory, KC_LEADER_EPOCH_CHECKPOINT, text, (size_t)size, durable);
    free(text);
    if (status == KC_OK) epochs->dirty = false;
    return status;
}

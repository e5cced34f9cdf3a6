#include "log/directory.h"

#include <stdlib.h>
#include <string.h>

#include "log/batch_scanner.h"

struct names {
    struct kc_log_name *items;
    size_t count, capacity;
    char (*temporary)[KC_LOG_NAME_SIZE];
    size_t temporary_count, temporary_capacity;
};

static bool ends_with(const char *name, const char *suffix) {
    size_t length = strlen(name), suffix_length = strlen(suffix);
    return length >= suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

static void *grow(void *array, size_t count, size_t *capacity, size_t item) {
    if (count < *capacity) return array;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *grown = realloc(array, wanted * item);
    if (grown) *capacity = wanted;
    return grown;
}

static kc_status add_name(struct names *names, struct kc_log_name name) {
    struct kc_log_name *items = grow(names->items, names->count, &names->capacity, sizeof *items);
    if (!items) return KC_NO_MEMORY;
    names->items = items;
    names->items[names->count++] = name;
    return KC_OK;
}

static kc_status visit(void *context, const char *text, bool is_directory) {
    struct names *names = context;
    if (is_directory) return KC_OK;
    struct kc_log_name name;
    if (kc_log_name_parse(text, &name)) return add_name(names, name);
    if (strlen(text) < KC_LOG_NAME_SIZE &&
        (ends_with(text, ".snapshot.tmp") || ends_with(text, ".txnindex.tmp") || ends_with(text, ".deleted") || strcmp(text, "leader-epoch-checkpoint.tmp") == 0)) {
        char(*temporary)[KC_LOG_NAME_SIZE] =
            grow(names->temporary, names->temporary_count, &names->temporary_capacity, sizeof *temporary);
        if (!temporary) return KC_NO_MEMORY;
        names->temporary = temporary;
        strcpy(names->temporary[names->temporary_count++], text);
    }
    return KC_OK;
}

static void names_release(struct names *names) {
    free(names->items);
    free(names->temporary);
}

struct clearing {
    struct kc_file_cache *files;
    const struct kc_disk *disk;
    const char *path;
    struct names names;
    bool changed;
};

static kc_status unlink_name(struct clearing *c, const struct kc_log_name *name) {
    char path[KC_PATH_SIZE];
    kc_status status = kc_log_path(path, c->path, name->offset, name->kind, name->stage);
    if (status == KC_OK) status = c->disk->unlink(c->disk->state, path);
    c->changed = true;
    return status == KC_NOT_FOUND ? KC_OK : status;
}

static void forget_name(struct clearing *c, size_t i) { c->names.items[i] = c->names.items[--c->names.count]; }

static kc_status remove_where(struct clearing *c, bool (*unwanted)(const struct kc_log_name *, int64_t), int64_t argument) {
    for (size_t i = 0; i < c->names.count;) {
        if (!unwanted(&c->names.items[i], argument)) {
            i++;
            continue;
        }
        kc_status status = unlink_name(c, &c->names.items[i]);
        if (status != KC_OK) return status;
        forget_name(c, i);
    }
    return KC_OK;
}

static bool is_leftover(const struct kc_log_name *name, int64_t lowest_cleaned) {
    return name->stage == KC_LOG_FILE_DELETED || name->stage == KC_LOG_FILE_CLEANED ||
           (name->stage == KC_LOG_FILE_SWAP && name->offset >= lowest_cleaned);
}

static bool has(const struct clearing *c, int64_t offset, enum kc_log_file_kind kind, enum kc_log_file_stage stage) {
    for (size_t i = 0; i < c->names.count; i++) {
        const struct kc_log_name *name = &c->names.items[i];
        if (name->offset == offset && name->kind == kind && name->stage == stage) return true;
    }
    return false;
}

/* The offset after the last batch of a `.log.swap`, or its base offset. */
static kc_status swap_end(struct clearing *c, int64_t base_offset, int64_t *end) {
    char path[KC_PATH_SIZE];
    struct kc_file *file;
    kc_status status = kc_log_path(path, c->path, base_offset, KC_LOG_FILE_LOG, KC_LOG_FILE_SWAP);
    if (status == KC_OK) status = kc_file_create(c->files, path, KC_OPEN_READ, &file);
    if (status != KC_OK) return status;
    int64_t size, position;
    struct kc_batch_header header;
    struct kc_batch_scanner scanner;
    uint8_t *buffer = malloc(KC_SCANNER_BUFFER_SIZE);
    status = buffer ? kc_file_size(file, &size) : KC_NO_MEMORY;
    if (status == KC_OK) {
        kc_batch_scanner_init(&scanner, file, 0, size, base_offset, buffer, KC_SCANNER_BUFFER_SIZE);
        while ((status = kc_batch_scanner_next(&scanner, &header, &position)) == KC_OK) {
        }
        *end = scanner.next_offset;
        if (status == KC_END || status == KC_CORRUPT) status = KC_OK;      /* a torn end is for recovery to find */
    }
    free(buffer);
    kc_file_release(file);
    return status;
}

static kc_status finish_swap(struct clearing *c, int64_t base_offset) {
    int64_t end;
    kc_status status = swap_end(c, base_offset, &end);
    for (size_t i = 0; i < c->names.count && status == KC_OK;) {
        struct kc_log_name *name = &c->names.items[i];
        bool covered = name->stage == KC_LOG_FILE_PLAIN && name->kind != KC_LOG_FILE_SNAPSHOT && name->offset >= base_offset &&
                       (name->offset < end || name->offset == base_offset);
        if (!covered) {
            i++;
            continue;
        }
        status = unlink_name(c, name);
        if (status == KC_OK) forget_name(c, i);
    }
    for (size_t i = 0; i < c->names.count && status == KC_OK; i++) {
        struct kc_log_name *name = &c->names.items[i];
        if (name->stage != KC_LOG_FILE_SWAP || name->offset != base_offset) continue;
        char from[KC_PATH_SIZE], to[KC_PATH_SIZE];
        status = kc_log_path(from, c->path, base_offset, name->kind, KC_LOG_FILE_SWAP);
        if (status == KC_OK) status = kc_log_path(to, c->path, base_offset, name->kind, KC_LOG_FILE_PLAIN);
        if (status == KC_OK) status = c->disk->rename(c->disk->state, from, to);
        if (status == KC_OK) name->stage = KC_LOG_FILE_PLAIN;
        c->changed = true;
    }
    return status;
}

static kc_status finish_swaps(struct clearing *c) {
    for (;;) {
        bool found = false;
        int64_t base_offset = 0;
        for (size_t i = 0; i < c->names.count && !found; i++) {
            const struct kc_log_name *name = &c->names.items[i];
            if (name->kind != KC_LOG_FILE_LOG || name->stage != KC_LOG_FILE_SWAP) continue;
            found = true;
            base_offset = name->offset;
        }
        if (!found) return KC_OK;
        kc_status status = finish_swap(c, base_offset);
        if (status != KC_OK) return status;
    }
}

static kc_status clear(struct clearing *c) {
    for (size_t i = 0; i < c->names.temporary_count; i++) {
        char path[KC_PATH_SIZE];
        kc_status status = kc_path_join(path, c->path, c->names.temporary[i]);
        if (status == KC_OK) status = c->disk->unlink(c->disk->state, path);
        if (status != KC_OK && status != KC_NOT_FOUND) return status;
    }
    int64_t lowest_cleaned = INT64_MAX;
    for (size_t i = 0; i < c->names.count; i++) {
        const struct kc_log_name *name = &c->names.items[i];
        if (name->stage == KC_LOG_FILE_CLEANED && name->offset < lowest_cleaned) lowest_cleaned = name->offset;
    }
    kc_status status = remove_where(c, is_leftover, lowest_cleaned);
    if (status == KC_OK) status = finish_swaps(c);
    /* An index whose log was swapped in, and whose own renaming did not come about, or an orphan. */
    for (size_t i = 0; i < c->names.count && status == KC_OK;) {
        struct kc_log_name *name = &c->names.items[i];
        bool is_index = name->kind == KC_LOG_FILE_OFFSET_INDEX || name->kind == KC_LOG_FILE_TIME_INDEX ||
                        name->kind == KC_LOG_FILE_TXN_INDEX;
        bool unwanted = name->stage == KC_LOG_FILE_SWAP ||
                        (is_index && !has(c, name->offset, KC_LOG_FILE_LOG, KC_LOG_FILE_PLAIN));
        if (!unwanted) {
            i++;
            continue;
        }
        status = unlink_name(c, name);
        if (status == KC_OK) forget_name(c, i);
    }
    return status;
}

static int compare_names(const void *a, const void *b) {
    const struct kc_log_name *left = a, *right = b;
    if (left->offset != right->offset) return left->offset < right->offset ? -1 : 1;
    return (int)left->kind - (int)right->kind;             /* a log before its indexes */
}

static kc_status collect(struct clearing *c, struct kc_directory *out) {
    if (c->names.count) qsort(c->names.items, c->names.count, sizeof *c->names.items, compare_names);
    out->segments = malloc((c->names.count + 1) * sizeof *out->segments);
    out->snapshots = malloc((c->names.count + 1) * sizeof *out->snapshots);
    if (!out->segments || !out->snapshots) return KC_NO_MEMORY;
    for (size_t i = 0; i < c->names.count; i++) {
        const struct kc_log_name *name = &c->names.items[i];
        struct kc_directory_segment *last = out->segment_count ? &out->segments[out->segment_count - 1] : NULL;
        switch (name->kind) {
        case KC_LOG_FILE_LOG: out->segments[out->segment_count++] = (struct kc_directory_segment){.base_offset = name->offset}; break;
        case KC_LOG_FILE_OFFSET_INDEX: last->has_offset_index = true; break;
        case KC_LOG_FILE_TIME_INDEX: last->has_time_index = true; break;
        case KC_LOG_FILE_SNAPSHOT: out->snapshots[out->snapshot_count++] = name->offset; break;
        case KC_LOG_FILE_TXN_INDEX: last->has_txn_index = true; break;
        case KC_LOG_FILE_KIND_COUNT: break;
        }
    }
    return KC_OK;
}

kc_status kc_directory_load(struct kc_file_cache *files, const char *path, struct kc_directory *out) {
    memset(out, 0, sizeof *out);
    struct clearing clearing = {.files = files, .disk = kc_file_cache_disk(files), .path = path};
    kc_status status = clearing.disk->list(clearing.disk->state, path, visit, &clearing.names);
    if (status == KC_OK) status = clear(&clearing);
    if (status == KC_OK) status = collect(&clearing, out);
    out->changed = clearing.changed;
    names_release(&clearing.names);
    if (status != KC_OK) kc_directory_release(out);
    return status;
}

void kc_directory_release(struct kc_directory *directory) {
    free(directory->segments);
    free(directory->snapshots);
    memset(directory, 0, sizeof *directory);
}

static int compare_offsets(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

kc_status kc_directory_snapshots(const struct kc_disk *disk, const char *path, int64_t **offsets, size_t *count) {
    struct names names = {0};
    kc_status status = disk->list(disk->state, path, visit, &names);
    int64_t *found = status == KC_OK ? malloc((names.count + 1) * sizeof *found) : NULL;
    if (status == KC_OK && !found) status = KC_NO_MEMORY;
    if (status == KC_OK) {
        size_t n = 0;
        for (size_t i = 0; i < names.count; i++)
            if (names.items[i].kind == KC_LOG_FILE_SNAPSHOT && names.items[i].stage == KC_LOG_FILE_PLAIN)
                found[n++] = names.items[i].offset;
        if (n) qsort(found, n, sizeof *found, compare_offsets);
        *offsets = found;
        *count = n;
    }
    names_release(&names);
    return status;
}

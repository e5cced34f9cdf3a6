#include "io/disk_fault.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { SECTOR_SIZE = 512 };

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

/* A change to a file that no sync has covered.  data NULL: a truncation to `position`. */
struct file_change {
    int64_t position;
    uint8_t *data;
    size_t size;
};

struct entry {
    char *name;
    struct node *node;
};

struct directory {
    struct entry *entries;
    size_t count, capacity;
};

/* A change to a directory that no sync has covered; either half may be absent.  Both halves happen or neither. */
struct name_change {
    char *removed;
    char *added;
    struct node *node;
};

struct node {
    bool is_directory;
    struct node *next_allocated;           /* nodes live as long as the disk */
    struct bytes live, durable;
    struct file_change *changes;
    size_t change_count, change_capacity;
    struct directory live_names, durable_names;
    struct name_change *name_changes;
    size_t name_change_count, name_change_capacity;
};

struct kc_disk_fault {
    struct kc_disk disk;
    pthread_mutex_t lock;
    uint64_t random;
    struct node *allocated;
    struct node *root;
    struct node **handles;                 /* never reused, so that a handle from before a crash names nothing */
    size_t handle_count, handle_capacity;
    uint64_t points;
    uint64_t calls[KC_CALL_COUNT];
    uint64_t fail_point, crash_point;
    kc_status fail_status;
    bool fail_for_good;
    kc_status call_status[KC_CALL_COUNT];
    int64_t capacity, used;
    bool crashed;
};

/* ---- memory and chance ------------------------------------------------------------------------------------------------- */

/* This disk is for tests: running out of memory ends them. */
static void *grow(void *array, size_t *capacity, size_t needed, size_t item) {
    if (needed <= *capacity) return array;
    size_t next = *capacity ? *capacity * 2 : 16;
    if (next < needed) next = needed;
    array = realloc(array, next * item);
    KC_CHECK(array);
    *capacity = next;
    return array;
}

static char *copy_name(const char *name) {
    char *copy = strdup(name);
    KC_CHECK(copy);
    return copy;
}

static uint64_t next_random(struct kc_disk_fault *fault) {
    uint64_t z = (fault->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void bytes_resize(struct bytes *bytes, size_t size) {
    bytes->data = grow(bytes->data, &bytes->capacity, size, 1);
    if (size > bytes->size) memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

static void bytes_write(struct bytes *bytes, size_t position, const uint8_t *data, size_t size) {
    if (size == 0) return;
    if (position + size > bytes->size) bytes_resize(bytes, position + size);
    memcpy(bytes->data + position, data, size);
}

static void bytes_assign(struct bytes *to, const struct bytes *from) {
    bytes_resize(to, from->size);
    if (from->size) memcpy(to->data, from->data, from->size);
}

static struct node *node_create(struct kc_disk_fault *fault, bool is_directory) {
    struct node *node = calloc(1, sizeof *node);
    KC_CHECK(node);
    node->is_directory = is_directory;
    node->next_allocated = fault->allocated;
    fault->allocated = node;
    return node;
}

/* ---- names ------------------------------------------------------------------------------------------------------------- */

static struct entry *directory_find(struct directory *directory, const char *name) {
    for (size_t i = 0; i < directory->count; i++)
        if (strcmp(directory->entries[i].name, name) == 0) return &directory->entries[i];
    return NULL;
}

static void directory_remove(struct directory *directory, const char *name) {
    struct entry *entry = directory_find(directory, name);
    if (!entry) return;
    free(entry->name);
    *entry = directory->entries[--directory->count];
}

static void directory_add(struct directory *directory, const char *name, struct node *node) {
    directory_remove(directory, name);
    directory->entries = grow(directory->entries, &directory->capacity, directory->count + 1, sizeof *directory->entries);
    directory->entries[directory->count++] = (struct entry){copy_name(name), node};
}

static void directory_clear(struct directory *directory) {
    for (size_t i = 0; i < directory->count; i++) free(directory->entries[i].name);
    directory->count = 0;
}

static void directory_assign(struct directory *to, const struct directory *from) {
    directory_clear(to);
    for (size_t i = 0; i < from->count; i++) directory_add(to, from->entries[i].name, from->entries[i].node);
}

static void directory_apply(struct directory *directory, const struct name_change *change) {
    if (change->removed) directory_remove(directory, change->removed);
    if (change->added) directory_add(directory, change->added, change->node);
}

/* Does a change and remembers it as unsynced. */
static void change_names(struct node *parent, const char *removed, const char *added, struct node *node) {
    struct name_change change = {removed ? copy_name(removed) : NULL, added ? copy_name(added) : NULL, node};
    directory_apply(&parent->live_names, &change);
    parent->name_changes = grow(parent->name_changes, &parent->name_change_capacity, parent->name_change_count + 1,
                                sizeof *parent->name_changes);
    parent->name_changes[parent->name_change_count++] = change;
}

static void forget_name_changes(struct node *node) {
    for (size_t i = 0; i < node->name_change_count; i++) {
        free(node->name_changes[i].removed);
        free(node->name_changes[i].added);
    }
    node->name_change_count = 0;
}

static void forget_changes(struct node *node) {
    for (size_t i = 0; i < node->change_count; i++) free(node->changes[i].data);
    node->change_count = 0;
}

/* *parent and leaf of a path; *node NULL if the leaf is not there.  The root's parent is itself. */
static kc_status resolve(struct kc_disk_fault *fault, const char *path, struct node **parent, char *leaf, size_t leaf_size,
                         struct node **node) {
    struct node *at = fault->root, *above = fault->root;
    leaf[0] = 0;
    for (;;) {
        while (*path == '/') path++;
        if (!*path) break;
        size_t length = strcspn(path, "/");
        if (length >= leaf_size) return KC_INVALID;
        if (!at || !at->is_directory) return KC_NOT_FOUND;
        memcpy(leaf, path, length);
        leaf[length] = 0;
        above = at;
        struct entry *entry = directory_find(&at->live_names, leaf);
        at = entry ? entry->node : NULL;
        path += length;
    }
    *parent = above;
    *node = at;
    return KC_OK;
}

/* ---- failing on demand ------------------------------------------------------------------------------------------------- */

/* KC_OK: go on.  Otherwise the call answers this; *partly says that some of it may be done first. */
static kc_status begin(struct kc_disk_fault *fault, enum kc_disk_call call, bool *partly) {
    *partly = false;
    if (fault->crashed) return KC_IO_ERROR;
    fault->calls[call]++;
    bool changes = call != KC_CALL_OPEN && call != KC_CALL_READ && call != KC_CALL_ALLOCATE;
    if (changes) fault->points++;
    if (changes && fault->points == fault->crash_point) {
        fault->crashed = true;
        *partly = true;
        return KC_IO_ERROR;
    }
    if (fault->call_status[call] != KC_OK) return fault->call_status[call];
    if (changes && fault->fail_point &&
        (fault->fail_for_good ? fault->points >= fault->fail_point : fault->points == fault->fail_point)) {
        *partly = call == KC_CALL_WRITE;
        return fault->fail_status;
    }
    return KC_OK;
}

/* For calls that are done or not done: whether a crash in the middle of it still did it. */
static bool done_anyway(struct kc_disk_fault *fault, kc_status status, bool partly) {
    return status == KC_OK || (partly && next_random(fault) & 1);
}

static struct node *handle_node(struct kc_disk_fault *fault, int handle) {
    return handle >= 0 && (size_t)handle < fault->handle_count ? fault->handles[handle] : NULL;
}

/* ---- the table --------------------------------------------------------------------------------------------------------- */

#define LOCKED(fault) struct kc_disk_fault *fault = state; pthread_mutex_lock(&fault->lock)

static kc_status finish(struct kc_disk_fault *fault, kc_status status) {
    pthread_mutex_unlock(&fault->lock);
    return status;
}

static void file_truncate(struct kc_disk_fault *fault, struct node *node, int64_t size) {
    fault->used += size - (int64_t)node->live.size;
    bytes_resize(&node->live, (size_t)size);
    node->changes = grow(node->changes, &node->change_capacity, node->change_count + 1, sizeof *node->changes);
    node->changes[node->change_count++] = (struct file_change){size, NULL, 0};
}

static kc_status fault_open(void *state, const char *path, int flags, int *handle) {
    LOCKED(fault);
    struct node *parent, *node;
    char leaf[256];
    bool partly;
    kc_status status = fault->crashed ? KC_IO_ERROR : resolve(fault, path, &parent, leaf, sizeof leaf, &node);
    if (status != KC_OK) return finish(fault, status);
    if (node && node->is_directory) return finish(fault, KC_INVALID);
    if (node && (flags & KC_OPEN_CREATE) && (flags & KC_OPEN_EXCLUSIVE)) return finish(fault, KC_EXISTS);
    if (!node && !(flags & KC_OPEN_CREATE)) return finish(fault, KC_NOT_FOUND);
    status = begin(fault, node ? KC_CALL_OPEN : KC_CALL_CREATE, &partly);
    if (!node && done_anyway(fault, status, partly)) {
        node = node_create(fault, false);
        change_names(parent, NULL, leaf, node);
    }
    if (status != KC_OK) return finish(fault, status);
    if (flags & KC_OPEN_TRUNCATE && node->live.size > 0) file_truncate(fault, node, 0);
    fault->handles = grow(fault->handles, &fault->handle_capacity, fault->handle_count + 1, sizeof *fault->handles);
    fault->handles[fault->handle_count] = node;
    *handle = (int)fault->handle_count++;
    return finish(fault, KC_OK);
}

static void fault_close(void *state, int handle) {
    LOCKED(fault);
    if (handle_node(fault, handle)) fault->handles[handle] = NULL;
    finish(fault, KC_OK);
}

static kc_status fault_read(void *state, int handle, void *buffer, size_t size, int64_t position, size_t *got) {
    LOCKED(fault);
    bool partly;
    kc_status status = begin(fault, KC_CALL_READ, &partly);
    struct node *node = handle_node(fault, handle);
    if (status == KC_OK && (!node || position < 0)) status = KC_INVALID;
    if (status != KC_OK) return finish(fault, status);
    size_t left = (size_t)position < node->live.size ? node->live.size - (size_t)position : 0;
    *got = size < left ? size : left;
    if (*got) memcpy(buffer, node->live.data + position, *got);
    return finish(fault, KC_OK);
}

static kc_status fault_write(void *state, int handle, struct iovec *iov, int count, int64_t position) {
    LOCKED(fault);
    bool partly;
    kc_status status = begin(fault, KC_CALL_WRITE, &partly);
    struct node *node = handle_node(fault, handle);
    if (status == KC_OK && (!node || position < 0)) status = KC_INVALID;
    if (!node || (status != KC_OK && !partly)) return finish(fault, status);
    size_t size = 0;
    for (int i = 0; i < count; i++) size += iov[i].iov_len;
    uint8_t *data = malloc(size + 1);
    KC_CHECK(data);
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len) memcpy(data + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    if (partly) size = (size_t)(next_random(fault) % (size + 1));
    int64_t growth = position + (int64_t)size - (int64_t)node->live.size;
    if (fault->capacity >= 0 && growth > 0 && fault->used + growth > fault->capacity) {
        int64_t fits = (int64_t)size - (fault->used + growth - fault->capacity);
        size = fits > 0 ? (size_t)fits : 0;
        if (status == KC_OK) status = KC_NO_SPACE;
    }
    if (size > 0) {
        size_t before = node->live.size;
        bytes_write(&node->live, (size_t)position, data, size);
        fault->used += (int64_t)(node->live.size - before);
        node->changes = grow(node->changes, &node->change_capacity, node->change_count + 1, sizeof *node->changes);
        node->changes[node->change_count++] = (struct file_change){position, data, size};
    } else {
        free(data);
    }
    return finish(fault, status);
}

static kc_status fault_truncate(void *state, int handle, int64_t size) {
    LOCKED(fault);
    bool partly;
    kc_status status = begin(fault, KC_CALL_TRUNCATE, &partly);
    struct node *node = handle_node(fault, handle);
    if (status == KC_OK && (!node || size < 0)) status = KC_INVALID;
    if (node && done_anyway(fault, status, partly)) file_truncate(fault, node, size);
    return finish(fault, status);
}

static kc_status fault_allocate(void *state, int handle, int64_t position, int64_t size) {
    LOCKED(fault);
    bool partly;
    kc_status status = begin(fault, KC_CALL_ALLOCATE, &partly);
    const struct node *node = handle_node(fault, handle);
    if (status == KC_OK && !node) status = KC_INVALID;
    if (status == KC_OK && fault->capacity >= 0 && fault->used + position + size - (int64_t)node->live.size > fault->capacity)
        status = KC_NO_SPACE;
    return finish(fault, status);
}

/* Promises nothing, so that there is nothing to remember. */
static kc_status fault_write_back(void *state, int handle, int64_t position, int64_t size) {
    LOCKED(fault);
    bool good = handle_node(fault, handle) && position >= 0 && size >= 0;
    return finish(fault, fault->crashed ? KC_IO_ERROR : good ? KC_OK : KC_INVALID);
}

static kc_status fault_sync(void *state, int handle) {
    LOCKED(fault);
    bool partly;
    kc_status status = begin(fault, KC_CALL_SYNC, &partly);
    struct node *node = handle_node(fault, handle);
    if (status == KC_OK && !node) status = KC_INVALID;
    if (node && done_anyway(fault, status, partly)) {
        bytes_assign(&node->durable, &node->live);
        forget_changes(node);
    }
    return finish(fault, status);
}

static kc_status fault_size(void *state, int handle, int64_t *size) {
    LOCKED(fault);
    struct node *node = handle_node(fault, handle);
    if (fault->crashed || !node) return finish(fault, fault->crashed ? KC_IO_ERROR : KC_INVALID);
    *size = (int64_t)node->live.size;
    return finish(fault, KC_OK);
}

static kc_status fault_rename(void *state, const char *from, const char *to) {
    LOCKED(fault);
    struct node *from_parent, *to_parent, *node, *target;
    char from_leaf[256], to_leaf[256];
    bool partly;
    kc_status status = begin(fault, KC_CALL_RENAME, &partly);
    bool done = done_anyway(fault, status, partly);
    kc_status found = resolve(fault, from, &from_parent, from_leaf, sizeof from_leaf, &node);
    if (found == KC_OK && !node) found = KC_NOT_FOUND;
    if (found == KC_OK) found = resolve(fault, to, &to_parent, to_leaf, sizeof to_leaf, &target);
    if (found == KC_OK && target && target->is_directory && target->live_names.count > 0) found = KC_EXISTS;
    if (found != KC_OK) return finish(fault, status != KC_OK ? status : found);
    if (done && target != node) {
        if (target && !target->is_directory) fault->used -= (int64_t)target->live.size;
        if (from_parent == to_parent) {
            change_names(from_parent, from_leaf, to_leaf, node);
        } else {
            change_names(to_parent, NULL, to_leaf, node);
            change_names(from_parent, from_leaf, NULL, NULL);
        }
    }
    return finish(fault, status);
}

static kc_status remove_name(struct kc_disk_fault *fault, const char *path, enum kc_disk_call call, bool directory) {
    struct node *parent, *node;
    char leaf[256];
    bool partly;
    kc_status status = begin(fault, call, &partly);
    bool done = done_anyway(fault, status, partly);
    kc_status found = resolve(fault, path, &parent, leaf, sizeof leaf, &node);
    if (found == KC_OK && !node) found = KC_NOT_FOUND;
    if (found == KC_OK && node->is_directory != directory) found = KC_DENIED;
    if (found == KC_OK && directory && node->live_names.count > 0) found = KC_EXISTS;
    if (found != KC_OK) return finish(fault, status != KC_OK ? status : found);
    if (done) {
        if (!directory) fault->used -= (int64_t)node->live.size;
        change_names(parent, leaf, NULL, NULL);
    }
    return finish(fault, status);
}

static kc_status fault_unlink(void *state, const char *path) {
    LOCKED(fault);
    return remove_name(fault, path, KC_CALL_UNLINK, false);
}

static kc_status fault_remove_directory(void *state, const char *path) {
    LOCKED(fault);
    return remove_name(fault, path, KC_CALL_REMOVE_DIRECTORY, true);
}

static kc_status fault_make_directory(void *state, const char *path) {
    LOCKED(fault);
    struct node *parent, *node;
    char leaf[256];
    bool partly;
    kc_status status = begin(fault, KC_CALL_MAKE_DIRECTORY, &partly);
    bool done = done_anyway(fault, status, partly);
    kc_status found = resolve(fault, path, &parent, leaf, sizeof leaf, &node);
    if (found == KC_OK && node) found = KC_EXISTS;
    if (found != KC_OK) return finish(fault, status != KC_OK ? status : found);
    if (done) change_names(parent, NULL, leaf, node_create(fault, true));
    return finish(fault, status);
}

static kc_status fault_sync_directory(void *state, const char *path) {
    LOCKED(fault);
    struct node *parent, *node;
    char leaf[256];
    bool partly;
    kc_status status = begin(fault, KC_CALL_SYNC_DIRECTORY, &partly);
    bool done = done_anyway(fault, status, partly);
    kc_status found = resolve(fault, path, &parent, leaf, sizeof leaf, &node);
    if (found == KC_OK && (!node || !node->is_directory)) found = KC_NOT_FOUND;
    if (found != KC_OK) return finish(fault, status != KC_OK ? status : found);
    if (done) {
        directory_assign(&node->durable_names, &node->live_names);
        forget_name_changes(node);
    }
    return finish(fault, status);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static kc_status fault_list(void *state, const char *path, kc_disk_visit *visit, void *context) {
    LOCKED(fault);
    struct node *parent, *node;
    char leaf[256];
    kc_status status = fault->crashed ? KC_IO_ERROR : resolve(fault, path, &parent, leaf, sizeof leaf, &node);
    if (status == KC_OK && (!node || !node->is_directory)) status = KC_NOT_FOUND;
    if (status != KC_OK) return finish(fault, status);
    /* A copy, because the visitor may rename and unlink. */
    struct directory names = {0};
    directory_assign(&names, &node->live_names);
    finish(fault, KC_OK);
    if (names.count) qsort(names.entries, names.count, sizeof *names.entries, compare_names);
    for (size_t i = 0; i < names.count && status == KC_OK; i++)
        status = visit(context, names.entries[i].name, names.entries[i].node->is_directory);
    directory_clear(&names);
    free(names.entries);
    return status;
}

/* ---- life -------------------------------------------------------------------------------------------------------------- */

kc_status kc_disk_fault_create(uint64_t seed, struct kc_disk_fault **out) {
    struct kc_disk_fault *fault = calloc(1, sizeof *fault);
    if (!fault) return KC_NO_MEMORY;
    pthread_mutex_init(&fault->lock, NULL);
    fault->random = seed;
    fault->capacity = -1;
    fault->disk = (struct kc_disk){fault, false, fault_open, fault_close, fault_read, fault_write, fault_truncate, fault_allocate,
                                   fault_write_back, fault_sync, fault_size, fault_rename, fault_unlink, fault_make_directory,
                                   fault_remove_directory, fault_sync_directory, fault_list, NULL, NULL};
    fault->root = node_create(fault, true);
    *out = fault;
    return KC_OK;
}

void kc_disk_fault_destroy(struct kc_disk_fault *fault) {
    if (!fault) return;
    for (struct node *node = fault->allocated, *next; node; node = next) {
        next = node->next_allocated;
        forget_changes(node);
        forget_name_changes(node);
        directory_clear(&node->live_names);
        directory_clear(&node->durable_names);
        free(node->live_names.entries);
        free(node->durable_names.entries);
        free(node->live.data);
        free(node->durable.data);
        free(node->changes);
        free(node->name_changes);
        free(node);
    }
    free(fault->handles);
    pthread_mutex_destroy(&fault->lock);
    free(fault);
}

const struct kc_disk *kc_disk_fault_disk(struct kc_disk_fault *fault) { return &fault->disk; }
uint64_t kc_disk_fault_points(const struct kc_disk_fault *fault) { return fault->points; }
uint64_t kc_disk_fault_calls(const struct kc_disk_fault *fault, enum kc_disk_call call) { return fault->calls[call]; }
bool kc_disk_fault_crashed(const struct kc_disk_fault *fault) { return fault->crashed; }
void kc_disk_fault_crash_at(struct kc_disk_fault *fault, uint64_t point) { fault->crash_point = point; }
void kc_disk_fault_capacity(struct kc_disk_fault *fault, int64_t size_bytes) { fault->capacity = size_bytes; }

void kc_disk_fault_fail_at(struct kc_disk_fault *fault, uint64_t point, kc_status status, bool for_good) {
    fault->fail_point = point;
    fault->fail_status = status;
    fault->fail_for_good = for_good;
}

void kc_disk_fault_fail_call(struct kc_disk_fault *fault, enum kc_disk_call call, kc_status status) {
    fault->call_status[call] = status;
}

/* Lays the unsynced changes over the durable bytes: all, none, or as chance has it for each sector. */
static void settle_file(struct kc_disk_fault *fault, struct node *node, enum kc_restart mode) {
    if (mode == KC_RESTART_KEEP) {
        bytes_assign(&node->durable, &node->live);
    } else if (mode == KC_RESTART_SEEDED) {
        for (size_t i = 0; i < node->change_count; i++) {
            struct file_change *change = &node->changes[i];
            uint64_t fate = next_random(fault) % 3;            /* 0 lost, 1 kept, 2 torn */
            if (fate == 0) continue;
            if (!change->data) {
                bytes_resize(&node->durable, (size_t)change->position);
                continue;
            }
            for (size_t at = 0; at < change->size;) {
                size_t position = (size_t)change->position + at;
                size_t step = SECTOR_SIZE - position % SECTOR_SIZE;
                if (step > change->size - at) step = change->size - at;
                if (fate == 1 || next_random(fault) & 1) bytes_write(&node->durable, position, change->data + at, step);
                at += step;
            }
        }
    }
    bytes_assign(&node->live, &node->durable);
    forget_changes(node);
}

static void settle_directory(struct kc_disk_fault *fault, struct node *node, enum kc_restart mode) {
    size_t kept = mode == KC_RESTART_KEEP ? node->name_change_count : 0;
    if (mode == KC_RESTART_SEEDED) kept = (size_t)(next_random(fault) % (node->name_change_count + 1));
    for (size_t i = 0; i < kept; i++) directory_apply(&node->durable_names, &node->name_changes[i]);
    directory_assign(&node->live_names, &node->durable_names);
    forget_name_changes(node);
}

static int64_t used_below(const struct node *node) {
    if (!node->is_directory) return (int64_t)node->live.size;
    int64_t used = 0;
    for (size_t i = 0; i < node->live_names.count; i++) used += used_below(node->live_names.entries[i].node);
    return used;
}

kc_status kc_disk_fault_restart(struct kc_disk_fault *fault, enum kc_restart mode) {
    pthread_mutex_lock(&fault->lock);
    for (struct node *node = fault->allocated; node; node = node->next_allocated) {
        if (node->is_directory)
            settle_directory(fault, node, mode);
        else
            settle_file(fault, node, mode);
    }
    for (size_t i = 0; i < fault->handle_count; i++) fault->handles[i] = NULL;
    fault->used = used_below(fault->root);
    fault->crashed = false;
    fault->crash_point = 0;
    fault->fail_point = 0;
    memset(fault->call_status, 0, sizeof fault->call_status);
    return finish(fault, KC_OK);
}

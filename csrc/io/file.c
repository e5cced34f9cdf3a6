#include "io/file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/list.h"

struct kc_file_cache {
    const struct kc_disk *disk;
    size_t limit;
    pthread_mutex_t lock;              /* guards everything below and every field of a file but its reference count */
    size_t open_count;
    size_t file_count;
    bool given_up;                     /* by its owner: freed with the last file */
    struct kc_list idle;               /* open and unpinned, the longest idle first */
};

enum { WARM_TAIL = 64 << 20 };

struct kc_file {
    struct kc_file_cache *cache;
    atomic_int reference_count;
    _Atomic int64_t warm_from;         /* what lies behind has been written lately; INT64_MAX: nothing has */
    char *path;
    int flags;                         /* of the next open */
    int handle;                        /* -1: closed */
    int pin_count;
    struct kc_list idle;
};

kc_status kc_file_cache_create(const struct kc_disk *disk, size_t limit, struct kc_file_cache **out) {
    if (limit == 0) return KC_INVALID;
    struct kc_file_cache *cache = calloc(1, sizeof *cache);
    if (!cache) return KC_NO_MEMORY;
    if (pthread_mutex_init(&cache->lock, NULL) != 0) {
        free(cache);
        return KC_NO_MEMORY;
    }
    cache->disk = disk;
    cache->limit = limit;
    kc_list_init(&cache->idle);
    *out = cache;
    return KC_OK;
}

static void free_cache(struct kc_file_cache *cache) {
    KC_CHECK(cache->open_count == 0);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

void kc_file_cache_destroy(struct kc_file_cache *cache) {
    if (!cache) return;
    pthread_mutex_lock(&cache->lock);
    KC_CHECK(!cache->given_up);
    cache->given_up = true;
    bool last = cache->file_count == 0;
    pthread_mutex_unlock(&cache->lock);
    if (last) free_cache(cache);
}

size_t kc_file_cache_open_count(struct kc_file_cache *cache) {
    pthread_mutex_lock(&cache->lock);
    size_t count = cache->open_count;
    pthread_mutex_unlock(&cache->lock);
    return count;
}

const struct kc_disk *kc_file_cache_disk(const struct kc_file_cache *cache) { return cache->disk; }

kc_status kc_file_create(struct kc_file_cache *cache, const char *path, int flags, struct kc_file **out) {
    struct kc_file *file = calloc(1, sizeof *file);
    char *copy = strdup(path);
    if (!file || !copy) {
        free(file);
        free(copy);
        return KC_NO_MEMORY;
    }
    file->cache = cache;
    atomic_init(&file->reference_count, 1);
    atomic_init(&file->warm_from, INT64_MAX);
    file->path = copy;
    file->flags = flags;
    file->handle = -1;
    kc_list_init(&file->idle);
    pthread_mutex_lock(&cache->lock);
    cache->file_count++;
    pthread_mutex_unlock(&cache->lock);
    *out = file;
    return KC_OK;
}

struct kc_file *kc_file_retain(struct kc_file *file) {
    int before = atomic_fetch_add_explicit(&file->reference_count, 1, memory_order_relaxed);
    KC_CHECK(before > 0);
    return file;
}

void kc_file_release(struct kc_file *file) {
    if (!file) return;
    int before = atomic_fetch_sub_explicit(&file->reference_count, 1, memory_order_acq_rel);
    KC_CHECK(before > 0);
    if (before > 1) return;
    struct kc_file_cache *cache = file->cache;
    pthread_mutex_lock(&cache->lock);
    KC_CHECK(file->pin_count == 0);
    int handle = file->handle;
    if (handle >= 0) {
        kc_list_remove(&file->idle);
        cache->open_count--;
    }
    bool last = --cache->file_count == 0 && cache->given_up;
    const struct kc_disk *disk = cache->disk;
    pthread_mutex_unlock(&cache->lock);
    /* Outside the lock: the last close of an unlinked file frees its blocks, which takes milliseconds for a large one. */
    if (handle >= 0) disk->close(disk->state, handle);
    if (last) free_cache(cache);
    free(file->path);
    free(file);
}

static bool close_longest_idle(struct kc_file_cache *cache) {
    struct kc_list *node = kc_list_pop_front(&cache->idle);
    if (!node) return false;
    struct kc_file *file = KC_CONTAINER_OF(node, struct kc_file, idle);
    KC_CHECK(file->pin_count == 0 && file->handle >= 0);
    cache->disk->close(cache->disk->state, file->handle);
    file->handle = -1;
    cache->open_count--;
    return true;
}

static kc_status open_locked(struct kc_file *file) {
    struct kc_file_cache *cache = file->cache;
    while (cache->open_count >= cache->limit && close_longest_idle(cache)) {
    }
    int handle;
    kc_status status = cache->disk->open(cache->disk->state, file->path, file->flags, &handle);
    /* The process has fewer descriptors left than the limit promised: give some of ours back and try again. */
    while (status == KC_NO_FILES && close_longest_idle(cache))
        status = cache->disk->open(cache->disk->state, file->path, file->flags, &handle);
    if (status != KC_OK) return status;
    file->handle = handle;
    file->flags &= ~(KC_OPEN_CREATE | KC_OPEN_EXCLUSIVE | KC_OPEN_TRUNCATE);
    cache->open_count++;
    return KC_OK;
}

kc_status kc_file_pin(struct kc_file *file, int *handle) {
    struct kc_file_cache *cache = file->cache;
    kc_status status = KC_OK;
    pthread_mutex_lock(&cache->lock);
    if (file->handle < 0)
        status = open_locked(file);
    else if (file->pin_count == 0)
        kc_list_remove(&file->idle);
    if (status == KC_OK) {
        file->pin_count++;
        *handle = file->handle;
    }
    pthread_mutex_unlock(&cache->lock);
    return status;
}

void kc_file_unpin(struct kc_file *file) {
    struct kc_file_cache *cache = file->cache;
    pthread_mutex_lock(&cache->lock);
    KC_CHECK(file->pin_count > 0);
    if (--file->pin_count == 0) {
        kc_list_push_back(&cache->idle, &file->idle);
        while (cache->open_count > cache->limit && close_longest_idle(cache)) {
        }
    }
    pthread_mutex_unlock(&cache->lock);
}

void kc_file_close_idle(struct kc_file *file) {
    struct kc_file_cache *cache = file->cache;
    pthread_mutex_lock(&cache->lock);
    if (file->handle >= 0 && file->pin_count == 0) {
        kc_list_remove(&file->idle);
        cache->disk->close(cache->disk->state, file->handle);
        file->handle = -1;
        cache->open_count--;
    }
    pthread_mutex_unlock(&cache->lock);
}

static kc_status set_path(struct kc_file *file, const char *path, bool on_disk) {
    struct kc_file_cache *cache = file->cache;
    char *copy = strdup(path);
    if (!copy) return KC_NO_MEMORY;
    pthread_mutex_lock(&cache->lock);
    kc_status status = on_disk ? cache->disk->rename(cache->disk->state, file->path, path) : KC_OK;
    char *unused = copy;
    if (status == KC_OK) {
        unused = file->path;
        file->path = copy;
    }
    pthread_mutex_unlock(&cache->lock);
    free(unused);
    return status;
}

kc_status kc_file_rename(struct kc_file *file, const char *path) { return set_path(file, path, true); }
kc_status kc_file_moved(struct kc_file *file, const char *path) { return set_path(file, path, false); }
const char *kc_file_path(const struct kc_file *file) { return file->path; }

kc_status kc_file_read(struct kc_file *file, void *buffer, size_t size, int64_t position, size_t *got) {
    int handle;
    kc_status status = kc_file_pin(file, &handle);
    if (status != KC_OK) return status;
    const struct kc_disk *disk = file->cache->disk;
    status = disk->read(disk->state, handle, buffer, size, position, got);
    kc_file_unpin(file);
    return status;
}

kc_status kc_file_write(struct kc_file *file, struct iovec *iov, int count, int64_t position) {
    int handle;
    kc_status status = kc_file_pin(file, &handle);
    if (status != KC_OK) return status;
    const struct kc_disk *disk = file->cache->disk;
    status = disk->write(disk->state, handle, iov, count, position);
    kc_file_unpin(file);
    return status;
}

kc_status kc_file_truncate(struct kc_file *file, int64_t size) {
    int handle;
    kc_status status = kc_file_pin(file, &handle);
    if (status != KC_OK) return status;
    const struct kc_disk *disk = file->cache->disk;
    status = disk->truncate(disk->state, handle, size);
    kc_file_unpin(file);
    return status;
}

kc_status kc_file_sync(struct kc_file *file) {
    int handle;
    kc_status status = kc_file_pin(file, &handle);
    if (status != KC_OK) return status;
    const struct kc_disk *disk = file->cache->disk;
    status = disk->sync(disk->state, handle);
    kc_file_unpin(file);
    return status;
}

kc_status kc_file_size(struct kc_file *file, int64_t *size) {
    int handle;
    kc_status status = kc_file_pin(file, &handle);
    if (status != KC_OK) return status;
    const struct kc_disk *disk = file->cache->disk;
    status = disk->size(disk->state, handle, size);
    kc_file_unpin(file);
    return status;
}

const struct kc_disk *kc_file_disk(const struct kc_file *file) { return file->cache->disk; }

void kc_file_written(struct kc_file *file, int64_t position, int64_t end) {
    int64_t from = atomic_load_explicit(&file->warm_from, memory_order_relaxed);
    if (from > position) from = position;
    if (from < end - WARM_TAIL) from = end - WARM_TAIL;
    atomic_store_explicit(&file->warm_from, from, memory_order_relaxed);
}

bool kc_file_is_cold(struct kc_file *file, int64_t position, size_t size) {
    const struct kc_disk *disk = file->cache->disk;
    int handle;
    if (!disk->is_cold || position >= atomic_load_explicit(&file->warm_from, memory_order_relaxed)) return false;
    if (kc_file_pin(file, &handle) != KC_OK) return false;
    bool cold = disk->is_cold(disk->state, handle, position, size);
    kc_file_unpin(file);
    return cold;
}

void kc_file_load(struct kc_file *file, int64_t position, size_t size) {
    const struct kc_disk *disk = file->cache->disk;
    int handle;
    if (!disk->load || kc_file_pin(file, &handle) != KC_OK) return;
    disk->load(disk->state, handle, position, size);
    kc_file_unpin(file);
}

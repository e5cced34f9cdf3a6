#include "log/small_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "log/names.h"

kc_status kc_small_file_read(const struct kc_disk *disk, const char *path, size_t size_max, uint8_t **data, size_t *size) {
    int handle;
    kc_status status = disk->open(disk->state, path, KC_OPEN_READ, &handle);
    if (status != KC_OK) return status;
    int64_t file_size;
    uint8_t *bytes = NULL;
    size_t got = 0;
    status = disk->size(disk->state, handle, &file_size);
    if (status == KC_OK && file_size > (int64_t)size_max) status = KC_LIMIT;
    if (status == KC_OK && !(bytes = malloc((size_t)file_size + 1))) status = KC_NO_MEMORY;
    if (status == KC_OK) status = disk->read(disk->state, handle, bytes, (size_t)file_size, 0, &got);
    disk->close(disk->state, handle);
    if (status != KC_OK) {
        free(bytes);
        return status;
    }
    bytes[got] = 0;
    *data = bytes;
    *size = got;
    return KC_OK;
}

kc_status kc_small_file_replace(const struct kc_disk *disk, const char *directory, const char *name, const void *data,
                                size_t size, bool durable) {
    char path[KC_PATH_SIZE], temporary[KC_PATH_SIZE], temporary_name[KC_LOG_NAME_SIZE + 16];
    kc_status status = kc_path_join(path, directory, name);
    if (status != KC_OK) return status;
    int length = snprintf(temporary_name, sizeof temporary_name, "%s.tmp", name);
    if (length < 0 || (size_t)length >= sizeof temporary_name) return KC_LIMIT;
    status = kc_path_join(temporary, directory, temporary_name);
    int handle;
    if (status == KC_OK)
        status = disk->open(disk->state, temporary, KC_OPEN_WRITE | KC_OPEN_CREATE | KC_OPEN_TRUNCATE, &handle);
    if (status != KC_OK) return status;
    struct iovec iov = {(void *)(uintptr_t)data, size};
    if (size > 0) status = disk->write(disk->state, handle, &iov, 1, 0);
    if (status == KC_OK && durable) status = disk->sync(disk->state, handle);
    disk->close(disk->state, handle);
    if (status == KC_OK) status = disk->rename(disk->state, temporary, path);
    if (status != KC_OK) {
        disk->unlink(disk->state, temporary);
        return status;
    }
    return durable ? disk->sync_directory(disk->state, directory) : KC_OK;
}

kc_status kc_small_file_sync(const struct kc_disk *disk, const char *path) {
    int handle;
    kc_status status = disk->open(disk->state, path, KC_OPEN_WRITE, &handle);
    if (status != KC_OK) return status;
    status = disk->sync(disk->state, handle);
    disk->close(disk->state, handle);
    return status;
}

#include "log/log_dir.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"

struct kc_log_dir {
    atomic_int reference_count;
    atomic_int failure;                  /* a kc_status */
    _Atomic int64_t scanned_bytes;
};

kc_status kc_log_dir_create(struct kc_log_dir **out) {
    struct kc_log_dir *dir = calloc(1, sizeof *dir);
    if (!dir) return KC_NO_MEMORY;
    atomic_init(&dir->reference_count, 1);
    atomic_init(&dir->failure, KC_OK);
    atomic_init(&dir->scanned_bytes, 0);
    *out = dir;
    return KC_OK;
}

struct kc_log_dir *kc_log_dir_retain(struct kc_log_dir *dir) {
    if (!dir) return NULL;
    int before = atomic_fetch_add_explicit(&dir->reference_count, 1, memory_order_relaxed);
    KC_CHECK(before > 0);
    return dir;
}

void kc_log_dir_release(struct kc_log_dir *dir) {
    if (!dir || atomic_fetch_sub_explicit(&dir->reference_count, 1, memory_order_acq_rel) > 1) return;
    free(dir);
}

void kc_log_dir_fail(struct kc_log_dir *dir, kc_status status) {
    int none = KC_OK;
    if (dir) atomic_compare_exchange_strong(&dir->failure, &none, (int)status);
}

kc_status kc_log_dir_failure(const struct kc_log_dir *dir) {
    return dir ? (kc_status)atomic_load_explicit(&dir->failure, memory_order_acquire) : KC_OK;
}

void kc_log_dir_add_scanned(struct kc_log_dir *dir, int64_t size_bytes) {
    if (dir) atomic_fetch_add_explicit(&dir->scanned_bytes, size_bytes, memory_order_relaxed);
}

int64_t kc_log_dir_scanned(const struct kc_log_dir *dir) {
    return atomic_load_explicit(&dir->scanned_bytes, memory_order_relaxed);
}

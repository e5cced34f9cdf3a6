#include "log/log_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

struct kc_log_dir {
    atomic_int reference_count;
    atomic_int failure;                  /* a kc_status */
    atomic_int announce_to;              /* a descriptor of its own, or -1; never changes once it is one */
    _Atomic int64_t scanned_bytes;
};

kc_status kc_log_dir_create(struct kc_log_dir **out) {
    struct kc_log_dir *dir = calloc(1, sizeof *dir);
    if (!dir) return KC_NO_MEMORY;
    atomic_init(&dir->reference_count, 1);
    atomic_init(&dir->failure, KC_OK);
    atomic_init(&dir->announce_to, -1);
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
    int descriptor = atomic_load(&dir->announce_to);
    if (descriptor >= 0) close(descriptor);
    free(dir);
}

/* Whoever reads there learns nothing but that it is worth a look: that it was written twice, or not at all because it is full, is no harm. */
static void announce(const struct kc_log_dir *dir) {
    static const uint64_t one = 1;
    int descriptor = atomic_load(&dir->announce_to);
    if (descriptor >= 0 && write(descriptor, &one, sizeof one) < 0) return;
}

void kc_log_dir_fail(struct kc_log_dir *dir, kc_status status) {
    int none = KC_OK;
    if (dir && atomic_compare_exchange_strong(&dir->failure, &none, (int)status)) announce(dir);
}

kc_status kc_log_dir_announce_to(struct kc_log_dir *dir, int descriptor) {
    int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0), none = -1;
    if (own < 0) return kc_status_from_errno(errno);
    if (!atomic_compare_exchange_strong(&dir->announce_to, &none, own)) {
        close(own);
        return KC_INVALID;
    }
    /* It may have failed before anybody could be told. */
    if (kc_log_dir_failure(dir) != KC_OK) announce(dir);
    return KC_OK;
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

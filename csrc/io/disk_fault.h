/* disk_fault.h: a disk in memory that fails on demand and forgets what was not synced.
 *
 * Every call that changes something (create, write, truncate, sync, rename, unlink, make and remove a directory, sync a
 * directory) is a numbered point, from 1 on.  A test runs a workload once to count the points, then again with a failure or
 * a crash at each of them.
 *
 * What survives a crash: bytes and sizes as of the last sync of that file, names as of the last sync of that directory.  Of
 * what came later, KC_RESTART_SEEDED keeps, loses or tears each write on its own (sectors of 512 bytes, any subset, so
 * that a later write may survive an earlier one) and keeps some first part of each directory's changes.
 *
 * Thread: any, one lock.  Nothing is read from the machine: the same seed and calls give the same disk.
 * Source of the idea: LevelDB's fault_injection_test.cc and helpers/memenv. */
#ifndef KC_IO_DISK_FAULT_H
#define KC_IO_DISK_FAULT_H

#include "io/disk.h"

struct kc_disk_fault;

enum kc_disk_call {
    KC_CALL_OPEN,
    KC_CALL_CREATE,
    KC_CALL_READ,
    KC_CALL_WRITE,
    KC_CALL_TRUNCATE,
    KC_CALL_ALLOCATE,
    KC_CALL_SYNC,
    KC_CALL_RENAME,
    KC_CALL_UNLINK,
    KC_CALL_MAKE_DIRECTORY,
    KC_CALL_REMOVE_DIRECTORY,
    KC_CALL_SYNC_DIRECTORY,
    KC_CALL_COUNT
};

enum kc_restart {
    KC_RESTART_KEEP,               /* only the process died: nothing is lost */
    KC_RESTART_LOSE,               /* power cut, nothing unsynced made it */
    KC_RESTART_SEEDED,             /* power cut, chance decides */
};

kc_status kc_disk_fault_create(uint64_t seed, struct kc_disk_fault **out);
void kc_disk_fault_destroy(struct kc_disk_fault *fault);
/* Lives as long as the fault disk. */
const struct kc_disk *kc_disk_fault_disk(struct kc_disk_fault *fault);

/* Changing calls so far, and calls of one kind so far. */
uint64_t kc_disk_fault_points(const struct kc_disk_fault *fault);
uint64_t kc_disk_fault_calls(const struct kc_disk_fault *fault, enum kc_disk_call call);

/* The point-th changing call answers `status`; a write leaves a first part of itself behind, anything else does nothing.
 * `for_good`: so does every later changing call, until cleared by point 0. */
void kc_disk_fault_fail_at(struct kc_disk_fault *fault, uint64_t point, kc_status status, bool for_good);
/* Every later call of this kind answers `status`; KC_OK ends it. */
void kc_disk_fault_fail_call(struct kc_disk_fault *fault, enum kc_disk_call call, kc_status status);
/* A write that would take the disk beyond this many bytes in all files writes what fits and
 * answers KC_NO_SPACE.  -1: no limit. */
void kc_disk_fault_capacity(struct kc_disk_fault *fault, int64_t size_bytes);

/* At the point-th changing call the machine stops, with that call done, half done or not done.  From then on every call
 * answers KC_IO_ERROR until the restart.  0: never. */
void kc_disk_fault_crash_at(struct kc_disk_fault *fault, uint64_t point);
bool kc_disk_fault_crashed(const struct kc_disk_fault *fault);
/* Comes up again (crashed or not).  All handles are gone; closing one of them is harmless.  Failures and crash points that
 * were set are cleared. */
kc_status kc_disk_fault_restart(struct kc_disk_fault *fault, enum kc_restart mode);

#endif

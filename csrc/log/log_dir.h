/* log_dir.h: what the logs of one log directory share: whether the directory has failed, and how far its recovery has come.
 *
 * The first write or sync that fails takes the whole directory offline for the life of the process, because the kernel may have
 * thrown away any page that it could not write, of any file in there: every log of it refuses appends and reads from that moment
 * on, without having to be told one by one.  A shortage (a full disk, no descriptors, no memory) is not a failure: the disk is
 * sound, and what is refused now may go well later.
 *
 * Thread: any.  Memory: counted; each open log holds a reference.
 * Source: org.apache.kafka.storage.internals.log.LogDirFailureChannel. */
#ifndef KC_LOG_LOG_DIR_H
#define KC_LOG_LOG_DIR_H

#include <stdint.h>

#include "base/status.h"

struct kc_log_dir;

kc_status kc_log_dir_create(struct kc_log_dir **out);
struct kc_log_dir *kc_log_dir_retain(struct kc_log_dir *dir);
void kc_log_dir_release(struct kc_log_dir *dir);

/* Takes the directory offline, unless it is.  The first status counts. */
void kc_log_dir_fail(struct kc_log_dir *dir, kc_status status);
/* KC_OK, or what took it offline.  NULL: a log that stands alone, whose directory never fails. */
kc_status kc_log_dir_failure(const struct kc_log_dir *dir);

/* Eight bytes are written to this descriptor when the directory fails, or now if it has: an eventfd, or one end of a socket pair that does
 * not block.  It is duplicated, so that the caller may close his at any time.  KC_NO_FILES: it could not be. */
kc_status kc_log_dir_announce_to(struct kc_log_dir *dir, int descriptor);

/* Bytes that recovery has read in here so far. */
void kc_log_dir_add_scanned(struct kc_log_dir *dir, int64_t size_bytes);
int64_t kc_log_dir_scanned(const struct kc_log_dir *dir);

#endif

/* status.h: the result of every call in csrc that can fail.
 *
 * A status is returned, results come back through out-parameters at the end of the argument list and are untouched on
 * failure.  A status says what kind of thing went wrong; the layer that talks to a peer turns it into a Kafka error code
 * (hot/error.h), the bridge to Python turns it into an exception.
 *
 * Thread: any.  Source of the idea: LevelDB's Status, reduced to what a caller can act on. */
#ifndef KC_BASE_STATUS_H
#define KC_BASE_STATUS_H

#include <stdbool.h>

typedef enum kc_status {
    KC_OK = 0,
    KC_AGAIN,          /* nothing could be done now; the caller waits for readiness or time */
    KC_END,            /* the end of a file, a log or a peer's stream */
    KC_NO_MEMORY,
    KC_IO_ERROR,       /* the disk or the kernel said no: EIO and what has no kind of its own */
    KC_NO_SPACE,       /* ENOSPC, EDQUOT, EFBIG */
    KC_NO_FILES,       /* EMFILE, ENFILE */
    KC_NOT_FOUND,
    KC_EXISTS,
    KC_DENIED,         /* EACCES, EPERM, EROFS, or a lock held by somebody else */
    KC_CORRUPT,        /* bytes that fail their checksum or cannot be what they claim */
    KC_INVALID,        /* well-formed bytes or arguments that break a rule */
    KC_OUT_OF_RANGE,   /* an offset outside the log */
    KC_LIMIT,          /* a configured limit is exceeded */
    KC_CLOSED,         /* the thing has been closed, or its storage has failed */
    KC_STALE,          /* a token, epoch or handle that names something that is gone */
} kc_status;

/* A short lower-case description, never NULL, static. */
const char *kc_status_name(kc_status status);

/* There is no room for this now; nothing is broken, and the same may go well later. */
static inline bool kc_status_is_shortage(kc_status status) {
    return status == KC_NO_SPACE || status == KC_NO_FILES || status == KC_NO_MEMORY;
}

/* The kind of an errno value.  The one place where errno is read as meaning. */
kc_status kc_status_from_errno(int error);

#endif

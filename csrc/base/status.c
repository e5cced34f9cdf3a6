#include "base/status.h"

#include <errno.h>

const char *kc_status_name(kc_status status) {
    switch (status) {
    case KC_OK: return "ok";
    case KC_AGAIN: return "try again";
    case KC_END: return "end";
    case KC_NO_MEMORY: return "out of memory";
    case KC_IO_ERROR: return "input/output error";
    case KC_NO_SPACE: return "no space left";
    case KC_NO_FILES: return "too many open files";
    case KC_NOT_FOUND: return "not found";
    case KC_EXISTS: return "already exists";
    case KC_DENIED: return "permission denied";
    case KC_CORRUPT: return "corrupt";
    case KC_INVALID: return "invalid";
    case KC_OUT_OF_RANGE: return "out of range";
    case KC_LIMIT: return "limit exceeded";
    case KC_CLOSED: return "closed";
    case KC_STALE: return "stale";
    }
    return "unknown status";
}

kc_status kc_status_from_errno(int error) {
    switch (error) {
    case 0: return KC_OK;
#if EAGAIN != EWOULDBLOCK
    case EWOULDBLOCK:
#endif
    case EAGAIN: return KC_AGAIN;
    case ENOMEM: return KC_NO_MEMORY;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return KC_NO_SPACE;
    case EMFILE:
    case ENFILE: return KC_NO_FILES;
    case ENOENT: return KC_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY: return KC_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return KC_DENIED;
    case EINVAL: return KC_INVALID;
    default: return KC_IO_ERROR;
    }
}

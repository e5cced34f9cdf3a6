/* check.h: checks for what only a bug of ours can break.
 *
 * KC_CHECK is always on and ends the process: state that cannot be is worse than a restart, because the log on disk is
 * sound and memory is not.  KC_DCHECK is for costly conditions and is compiled in with -DKC_DEBUG=1 (all C tests).
 * Bytes from a peer or from a disk never reach either: they get a kc_status.  assert() is not used, because Python's
 * build flags define NDEBUG. */
#ifndef KC_BASE_CHECK_H
#define KC_BASE_CHECK_H

#include <stddef.h>

_Noreturn void kc_check_failed(const char *condition, const char *file, int line);

#define KC_CHECK(condition) \
    (__builtin_expect(!!(condition), 1) ? (void)0 : kc_check_failed(#condition, __FILE__, __LINE__))

#ifdef KC_DEBUG
#define KC_DCHECK(condition) KC_CHECK(condition)
#else
#define KC_DCHECK(condition) ((void)sizeof(!!(condition)))
#endif

#define KC_CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define KC_LIKELY(x) __builtin_expect(!!(x), 1)
#define KC_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif

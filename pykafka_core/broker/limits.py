"""What the system lets this process have."""

from __future__ import annotations

import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["raise_file_limit", "segment_files_max"]

SEGMENT_FILES_MIN: Final = 32
SEGMENT_FILES_MAX: Final = 16384


def raise_file_limit() -> None:
    """Use all the file descriptors that this process may have. Only a process that is a broker does this, never a
    library."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # macOS says "unlimited" and then refuses it.
            pass


def segment_files_max() -> int:
    """How many segment files may be open at a time: half of the descriptors, so that the other half is there for
    connections."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return SEGMENT_FILES_MAX
    return min(SEGMENT_FILES_MAX, max(SEGMENT_FILES_MIN, soft // 2))

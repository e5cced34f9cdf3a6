"""Small files that must be old or new after a crash, never empty or half.

    write_atomically(path, data)   temporary file, sync, rename, sync of the directory

Source: org.apache.kafka.common.utils.Utils.atomicMoveWithFallback, FAULTS F5.
"""

from __future__ import annotations

import os

from pykafka_core._path import Path

__all__ = ["sync_directory", "write_atomically"]


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomically(path: Path, data: bytes, *, suffix: str = ".tmp", name_durable: bool = True) -> None:
    """Replace a file's content, durably. A file named `path` with `suffix` may be left behind by a crash. Without
    `name_durable` a crash may bring the old content back, or take a new file away, until the directory is synced.
    Raises OSError."""
    temporary = path.with_name(path.name + suffix)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(temporary, path)
    if name_durable:
        sync_directory(path.parent)

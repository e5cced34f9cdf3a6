"""What is to be deleted, and when: directories of deleted topics, files of dropped segments.

Threads: any; the list is only added to and taken from.
"""

from __future__ import annotations

import time

from pykafka_core._later_log import get_logger
from pykafka_core._path import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

__all__ = ["Condemned"]

log = get_logger("kafka.log.LogManager")


class Condemned:
    def __init__(self) -> None:
        self._entries: Final[list[tuple[float, Path]]] = []
        """In the time of time.monotonic()."""

    def add(self, paths: Iterable[Path], *, delay_s: float) -> None:
        due = time.monotonic() + delay_s
        self._entries.extend((due, path) for path in paths)

    def has_due(self) -> bool:
        now = time.monotonic()
        return any(when <= now for when, _ in self._entries)

    def sweep(self) -> None:
        """Delete what is due."""
        now = time.monotonic()
        # Another thread may add to the list meanwhile.
        for entry in list(self._entries):
            when, path = entry
            if when > now:
                continue
            self._entries.remove(entry)
            if path.is_dir():
                import shutil

                shutil.rmtree(path, ignore_errors=True)
                if path.exists():
                    log.warning("Cannot delete all of %s", path)
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.warning("Cannot delete %s: %s", path, error)

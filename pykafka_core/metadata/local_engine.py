"""The metadata log on the broker's own storage engine.

Nothing here decides: each method is one or two calls of the engine's. The log is opened as after an unclean stop,
whatever the last one was, because a few megabytes are scanned faster than they are worth doubting; Kafka does the same.
"""

from __future__ import annotations

from pykafka_core._path import Path
from pykafka_core.native import FileCache, Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["EngineLog"]

# In the order of the engine's configuration: what Kafka sets for this log, and no producer ever.
_SEGMENT_MS: Final = 2**63 - 1
_SEGMENT_INDEX_SIZE_BYTES: Final = 10 * 1024 * 1024
_INDEX_INTERVAL_BYTES: Final = 4096
_PRODUCER_ID_EXPIRATION_MS: Final = 86_400_000


class EngineLog:
    """Implements MetadataLog. Raises the engine's own exceptions."""

    def __init__(self, directory: Path, *, segment_size_bytes: int) -> None:
        self._directory = directory
        self._log = Log(
            directory,
            # Its own, so that it never waits for a file that topics crowd out.
            FileCache(8),
            config=(
                segment_size_bytes,
                _SEGMENT_MS,
                _SEGMENT_INDEX_SIZE_BYTES,
                _INDEX_INTERVAL_BYTES,
                _PRODUCER_ID_EXPIRATION_MS,
            ),
            clean=False,
            recovery_point=0,
        )

    def append_as_follower(self, batch: bytes) -> None:
        self._log.append_as_follower(batch)

    def flush(self) -> None:
        self._log.flush()

    def roll_if_larger(self, size_bytes: int) -> None:
        if self._log.segments()[-1].size_bytes > size_bytes:
            self._log.roll()

    def raise_start_offset(self, offset: int) -> None:
        if offset > self._log.log_start_offset:
            self._log.raise_start_offset(offset)

    def drop_segments(self) -> None:
        if self._log.drop_segments():
            for path in self._directory.iterdir():
                if path.name.endswith(".deleted"):
                    path.unlink(missing_ok=True)

    @property
    def end_offset(self) -> int:
        end_offset: int = self._log.log_end_offset
        return end_offset

    def close(self) -> None:
        self._log.close()

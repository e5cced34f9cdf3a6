"""One cleaning (compaction) of a log, driven step by step.

Threads: one at a time; the GIL is given back while C works.
"""

from typing import Literal, NamedTuple, Self, final

from typing_extensions import Buffer

from ._log import Log

class CleaningRequest(NamedTuple):
    """What the next step needs.  `section`: of a batch in this codec, to be decompressed or compressed; else empty."""

    need: Literal["again", "decompress", "compress", "done"]
    codec: int
    section: bytes

class CleaningStats(NamedTuple):
    """How far a cleaning got.  `end_offset`: below it each key is there once, when it is done."""

    end_offset: int
    map_bytes_read: int
    copy_bytes_read: int
    bytes_written: int
    map_records: int
    copy_records: int
    records_kept: int
    key_count: int
    segments_before: int
    segments_after: int

class StaleCleaningError(Exception):
    """The log was truncated, or segments of it were dropped, while they were being cleaned."""

@final
class Cleaning:
    def __new__(
        cls,
        log: Log,
        *,
        first_dirty_offset: int,
        limit_offset: int,
        now_ms: int,
        delete_retention_ms: int,
        map_size_bytes: int,
        map_load_factor: float,
    ) -> Self:
        """Begin to clean the sealed segments that end at or below `limit_offset`.

        `map_size_bytes`: memory for the keys, 24 bytes each, filled to `map_load_factor`. Raises EngineError.
        """
    def step(self, section: Buffer | None = None, *, size_bytes: int = 1048576) -> CleaningRequest:
        """Read and write about so many bytes. `section`: what the last request asked for.

        Raises StaleCleaningError, or EngineError; either ends the cleaning and leaves the log usable, or closed.
        """
    @property
    def stats(self) -> CleaningStats: ...
    def close(self) -> None:
        """Give everything back; a copy that is not finished is removed."""

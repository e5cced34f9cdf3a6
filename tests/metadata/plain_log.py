"""A log of one directory in a few lines, for tests that are not about the engine: segments without indexes."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from pykafka_core.metadata.local_batches import iterate_batches
from pykafka_core.metadata.local_log import list_segments


class PlainLog:
    """Implements MetadataLog. `fail` makes the next append or flush fail."""

    def __init__(self, directory: Path, *, segment_size_bytes: int) -> None:
        self.directory = directory
        self.fail: str | None = None
        segments = list_segments(directory)
        base, path = segments[-1] if segments else (0, directory / f"{0:020d}.log")
        self.file = path.open("ab+")
        self.file.seek(0)
        data = self.file.read()
        self._end_offset, size = base, 0
        for batch in iterate_batches(data):
            self._end_offset, size = batch.next_offset, size + batch.size
        self.file.truncate(size)
        self.start_offset = segments[0][0] if segments else 0

    def append_as_follower(self, batch: bytes) -> None:
        if self.fail == "append":
            raise OSError("planted")
        (found,) = iterate_batches(batch)
        assert found.base_offset == self._end_offset
        self.file.write(batch)
        self.file.flush()
        self._end_offset = found.next_offset

    def flush(self) -> None:
        if self.fail == "flush":
            raise OSError("planted")
        os.fsync(self.file.fileno())

    def roll_if_larger(self, size_bytes: int) -> None:
        if self.file.tell() > size_bytes:
            self.file.close()
            self.file = (self.directory / f"{self._end_offset:020d}.log").open("ab+")

    def raise_start_offset(self, offset: int) -> None:
        self.start_offset = max(self.start_offset, offset)

    def drop_segments(self) -> None:
        segments = list_segments(self.directory)
        for (_, path), (next_base, _) in itertools.pairwise(segments):
            if next_base <= self.start_offset:
                path.unlink()

    @property
    def end_offset(self) -> int:
        return self._end_offset

    def close(self) -> None:
        self.file.close()

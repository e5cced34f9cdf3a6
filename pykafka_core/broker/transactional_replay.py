"""What a partition of a coordinator's topic says: the last value of each key, and what open transactions have sent.

A transaction's records count from the marker that commits it on, but in the order in which they were written: a record
that came after them, outside the transaction, stays (Kafka compares the offsets of
the records).

Runs on a thread of its own, without the GIL while C reads. Source:
org.apache.kafka.coordinator.common.runtime.CoordinatorLoaderImpl;
org.apache.kafka.coordinator.group.OffsetMetadataManager.replayEndTransactionMarker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pykafka_core.native import collect_plain_batches
from pykafka_core.records import BatchHeader, batches, iterate

if TYPE_CHECKING:
    from pykafka_core.native import Log

__all__ = ["Replay", "replayed"]

READ_SIZE_BYTES: Final = 1024 * 1024
"""Little enough that the thread that serves clients has its turn often."""
COMMIT_MARKER: Final = 1
NO_PRODUCER: Final = -1

Pairs = dict[bytes, bytes | None]


class Replay:
    def __init__(self) -> None:
        self.last: Final[Pairs] = {}
        """None: the key was deleted."""
        self.open: Final[dict[int, Pairs]] = {}
        """By producer id; None: a record outside the transaction came later."""

    def batch(self, header: BatchHeader, batch: memoryview) -> None:
        if header.is_control:
            ended = self.open.pop(header.producer_id, {})
            if ended and any(marker_type(record.key) == COMMIT_MARKER for record in iterate(batch)):
                self.last.update((key, value) for key, value in ended.items() if value is not None)
        elif header.is_transactional and header.producer_id != NO_PRODUCER:
            pairs = self.open.setdefault(header.producer_id, {})
            for record in iterate(batch):
                if record.key is not None:
                    pairs[record.key] = record.value
        else:
            for record in iterate(batch):
                if record.key is not None:
                    self.last[record.key] = record.value
                    if self.open:
                        self._supersede(record.key, deleted=record.value is None)

    def _supersede(self, key: bytes, *, deleted: bool) -> None:
        for pairs in self.open.values():
            if key in pairs:
                if deleted:
                    del pairs[key]
                else:
                    pairs[key] = None


def replayed(log: Log) -> Replay:
    """Read the whole partition. Raises OSError, CorruptRecordError."""
    replay = Replay()
    offset, end = log.log_start_offset, log.log_end_offset
    while offset < end:
        data = log.read(offset, READ_SIZE_BYTES, offset_limit=end)
        if not data:
            break
        plain = 0
        if not replay.open:
            plain, next_offset = collect_plain_batches(data, replay.last)
            offset = max(offset, next_offset)
        for batch in batches(memoryview(data)[plain:]):
            header = BatchHeader.load(batch)
            offset = header.next_offset
            replay.batch(header, batch)
    return replay


def marker_type(key: bytes | None) -> int:
    """0 abort, 1 commit: the second int16 of a control record's key."""
    return -1 if key is None or len(key) < 4 else int.from_bytes(key[2:4], "big", signed=True)

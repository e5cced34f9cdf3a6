"""The storage engine by itself: one partition's log, in Apache Kafka's own directory layout, without a broker.

    >>> from pykafka_core import log, records
    >>> with log.Log("/data/orders-0") as orders:
    ...     batch = records.encode([records.Record(0, 1700000000000, b"key", b"value")])
    ...     appended = orders.append(batch)
    ...     orders.flush()
    ...     for stored in orders.batches(appended.base_offset):
    ...         print([record.value for record in records.iterate(stored)])

A log is a row of record batches; the offset of a batch's first record is given to it when it is appended.  Everything
is addressed by offset, and reading gives whole batches as they lie on disk: a batch is compressed by who made it and
decompressed by who wants its records (`pykafka_core.records`).

Units: offsets count records; sizes are bytes; times are milliseconds since the epoch, -1 for none.

Threads: a `Log` may be used from several threads at a time, and C works without the GIL.  Two processes, or two `Log`
objects, must not open one directory at the same time; nothing here guards against it (a broker holds `.lock`).

Durability: `append` returns when the batch is in the page cache, so it survives the death of the process; `flush`
returns when everything appended so far is on disk.  A full disk refuses an append with KafkaStorageError and no more.
After a write or sync that failed in any other way the log only reads: `append` raises
KafkaStorageError until it is opened anew, which cuts off what is not whole.

Errors: `KafkaStorageError` (OSError), `CorruptRecordError`, `InvalidRecordError`, `OffsetOutOfRangeError`,
`LimitError`, `ProducerStateError`, `ClosedError`; all are `EngineError`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pykafka_core.native import (
    AbortedTxn,
    Appended,
    ClosedError,
    CorruptRecordError,
    EngineError,
    FileCache,
    InvalidRecordError,
    KafkaStorageError,
    LimitError,
    OffsetOutOfRangeError,
    ProducerInfo,
    ProducerStateError,
    Recovery,
    SegmentInfo,
    TimestampedOffset,
)
from pykafka_core.native import Log as _Log

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from pykafka_core.records import BatchRules

__all__ = [
    "AbortedTxn",
    "Appended",
    "ClosedError",
    "CorruptRecordError",
    "EngineError",
    "FileCache",
    "InvalidRecordError",
    "KafkaStorageError",
    "LimitError",
    "Log",
    "LogConfig",
    "OffsetOutOfRangeError",
    "ProducerInfo",
    "ProducerStateError",
    "Recovery",
    "SegmentInfo",
    "TimestampedOffset",
]

_BATCH_LENGTH_END = 12


@dataclass(slots=True, frozen=True, kw_only=True)
class LogConfig:
    """The topic settings that a log obeys, with Kafka's defaults; each names its Kafka setting."""

    segment_size_bytes: int = 1 << 30  # segment.bytes; at most 2**31 - 1 is used
    segment_ms: int = 7 * 24 * 3600 * 1000  # segment.ms
    segment_index_size_bytes: int = 10 << 20  # segment.index.bytes
    index_interval_bytes: int = 4096  # index.interval.bytes
    producer_id_expiration_ms: int = 24 * 3600 * 1000  # producer.id.expiration.ms


_FIELDS = tuple(LogConfig.__dataclass_fields__)


class Log(_Log):
    """A partition's log in one directory, which is made if it is missing (its parents are not).

    `files`: shared by several logs, it bounds how many files they hold open together; by default each log has its own.
    `clean`: the log was closed by `close` (or by Kafka in good order): its indexes are believed and nothing is scanned.
    Without it everything from `recovery_point` (an offset returned by `flush`) on is read and checked, and the first
    batch that is not whole is cut off with all that follows; `recovery` tells what was done.
    `log_start_offset`: lower offsets count as deleted.

    Attributes: `log_start_offset`, `log_end_offset` (the next offset to be given), `size_bytes`, `directory`,
    `latest_epoch`, `recovery`, `writable` (False after a failed write), `closed`.

    Methods besides those below:
    `append_as_follower(batch)` takes a batch that already has its offsets, at or above the log end offset.
    `read(offset, size_max_bytes, *, offset_limit=None, min_one_batch=True)` returns the batches from the one that holds
    `offset` on, as bytes, at most to the end of a segment; the last may be cut.  b"" at the log's end.  Raises
    OffsetOutOfRangeError.
    `flush()` returns the offset below which all is on disk.  `roll()` starts a new segment.  `truncate(offset)` cuts
    the log to that end.  `raise_start_offset(offset)` deletes records as DeleteRecords does, `drop_segments()` then
    renames whole segments below it to `.deleted` and returns their number.  `segments()` lists what there is.
    `end_offset_for_epoch(epoch)`, `epoch_for_offset(offset)`, `assign_epoch(epoch)`: KIP-101, KIP-279.
    `append_marker(...)` ends a producer's transaction; `last_stable_offset` lies below all that are open,
    `aborted_txns(offset, end_offset)` lists the aborted ones of a range, `producers()` whom the log remembers.
    `append` takes transactional batches without asking anybody.
    `rename_directory(path)` moves the log.  `close()` writes all that makes the next opening quick.
    """

    def __new__(
        cls,
        directory: str | os.PathLike[str],
        files: FileCache | None = None,
        *,
        config: LogConfig | None = None,
        clean: bool = False,
        recovery_point: int = 0,
        log_start_offset: int = -1,
    ) -> Self:
        make: Any = _Log.__new__
        made: Self = make(
            cls,
            directory,
            files,
            config=None if config is None else _row(config),
            clean=clean,
            recovery_point=recovery_point,
            log_start_offset=log_start_offset,
        )
        return made

    if TYPE_CHECKING:

        def __init__(
            self,
            directory: str | os.PathLike[str],
            files: FileCache | None = None,
            *,
            config: LogConfig | None = None,
            clean: bool = False,
            recovery_point: int = 0,
            log_start_offset: int = -1,
        ) -> None: ...

    def append_batch(self, batch: Buffer, *, leader_epoch: int = 0, rules: BatchRules | None = None) -> Appended:
        """Check one record batch by the topic's rules and append it; the caller's bytes are not changed.

        Without `rules` the batch has to be well formed, and may have any size and timestamps.  A batch of an idempotent
        producer is appended once: a repeat of one of its last five returns where it went then.  Raises
        InvalidRecordError (its `fault` tells why), ProducerStateError, LimitError (larger than a segment),
        KafkaStorageError, ClosedError.
        """
        if rules is None:
            return self.append(batch, leader_epoch=leader_epoch)
        return self.append(
            batch, leader_epoch=leader_epoch, log_append_time=rules.log_append_time, rules=_rules_row(rules)
        )

    def batches(
        self, offset: int, *, offset_limit: int | None = None, size_max_bytes: int = 1048576
    ) -> Iterator[bytes]:
        """Each batch from the one that holds `offset` to the log's end (or `offset_limit`), read `size_max_bytes` at a
        time.

        Raises OffsetOutOfRangeError, also in the middle where records are deleted meanwhile.
        """
        while True:
            data = self.read(offset, size_max_bytes, offset_limit=offset_limit)
            if not data:
                return
            position = 0
            while len(data) - position >= _BATCH_LENGTH_END:
                size = _BATCH_LENGTH_END + int.from_bytes(data[position + 8 : position + 12], "big")
                if len(data) - position < size:
                    break
                batch = data[position : position + size]
                base_offset = int.from_bytes(batch[:8], "big")
                offset = base_offset + int.from_bytes(batch[23:27], "big") + 1
                position += size
                yield batch

    def find_time(self, timestamp: int, *, offset_limit: int | None = None) -> tuple[int, int] | None:
        """(offset, timestamp) of the first record at or after that time, also inside compressed batches; None: there is
        none.

        Raises CorruptRecordError, LimitError (a batch that inflates beyond all reason).
        """
        from pykafka_core.records import find_timestamp_in_batch

        found = self.find_timestamp(timestamp, offset_limit=offset_limit)
        if found is None:
            return None
        if found.batch is None:
            return found.offset, found.timestamp
        return find_timestamp_in_batch(found.batch, timestamp, offset_min=self.log_start_offset)

    @property
    def settings(self) -> LogConfig:
        """The settings in force."""
        return LogConfig(**dict(zip(_FIELDS, self.config, strict=True)))

    def change_settings(self, settings: LogConfig) -> None:
        """Obey these from now on."""
        self.configure(_row(settings))


def _row(config: LogConfig) -> tuple[int, int, int, int, int]:
    return (
        config.segment_size_bytes,
        config.segment_ms,
        config.segment_index_size_bytes,
        config.index_interval_bytes,
        config.producer_id_expiration_ms,
    )


def _rules_row(rules: BatchRules) -> tuple[int, bool, int, int, int, bool, bool]:
    return (
        rules.max_message_bytes,
        rules.log_append_time,
        rules.timestamp_before_max_ms,
        rules.timestamp_after_max_ms,
        rules.now_ms,
        rules.keys_required,
        rules.zstd_allowed,
    )

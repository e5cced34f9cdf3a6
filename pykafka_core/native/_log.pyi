"""One partition's log; the public face is `pykafka_core.log`.

Threads: every method may be called from any thread; the GIL is given back while C works.
"""

import os
from types import TracebackType
from typing import Final, NamedTuple, Self, final

from typing_extensions import Buffer, disjoint_base

from ._errors import EngineError

class Appended(NamedTuple):
    """Where a batch went.  `duplicate`: it had been appended before, by an idempotent producer, and this is where."""

    base_offset: int
    last_offset: int
    log_append_time_ms: int
    duplicate: bool

class Recovery(NamedTuple):
    """What opening found and repaired; all zero and -1 after a clean stop."""

    scanned_bytes: int
    truncated_bytes: int
    rebuilt_indexes: int
    dropped_segments: int
    cut_base_offset: int
    cut_position: int

class SegmentInfo(NamedTuple):
    """One `.log` file.  `max_timestamp`: milliseconds since the epoch, -1 for none."""

    base_offset: int
    size_bytes: int
    max_timestamp: int

class ExpiredSegment(NamedTuple):
    """A segment that retention asks to drop.  `reason`: "start offset", "time" or "size"."""

    reason: str
    base_offset: int
    size_bytes: int
    max_timestamp: int

class AbortedTxn(NamedTuple):
    """A transaction that was aborted, as one partition knows it.

    `first_offset`: of its first batch here; `last_offset`: of its marker; `last_stable_offset`: the partition's, once
    the marker was there.
    """

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int

class ProducerInfo(NamedTuple):
    """A producer that a partition remembers: the fields of DescribeProducers.  -1 where there is none."""

    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_timestamp: int
    coordinator_epoch: int
    current_txn_start_offset: int

class TimestampedOffset(NamedTuple):
    """A record found by its timestamp.

    Where `batch` is not None, the record lies somewhere in this compressed batch: `offset` is its base offset and
    `timestamp` its highest, and whoever can decompress it finds the record.
    """

    offset: int
    timestamp: int
    leader_epoch: int
    batch: bytes | None

class ProducerStateError(EngineError):
    """An idempotent producer's batch that does not fit what the partition remembers of the producer.

    `fault`: "out of order sequence", "invalid producer epoch", "invalid txn state" or "coordinator fenced".
    """

    fault: str
    def __init__(self, message: str, fault: str) -> None: ...

@final
class FileCache:
    """Keeps at most `limit` files open among all logs that share it, closing the longest idle ones."""

    limit: Final[int]
    def __new__(cls, limit: int = 256) -> Self: ...
    @property
    def open_count(self) -> int: ...

@final
class LogDir:
    """What the logs of one log directory share.

    `failure`: None, or what was wrong with the first write or sync that failed, from which moment on every log in here
    refuses appends and reads. `fail()` says that something else of the directory could not be written.
    `announce_to(descriptor)`: eight bytes are written there when the directory fails, or now if it has; once.
    `scanned_bytes`: what recovery has read so far.
    """

    def __new__(cls) -> Self: ...
    def fail(self) -> None: ...
    def announce_to(self, descriptor: int) -> None: ...
    @property
    def failure(self) -> str | None: ...
    @property
    def scanned_bytes(self) -> int: ...

@disjoint_base
class Log:
    """A partition's log.  See `pykafka_core.log.Log`, which this is."""

    files: Final[FileCache]
    recovery: Final[Recovery]

    def __new__(
        cls,
        directory: str | os.PathLike[str],
        files: FileCache | None = None,
        *,
        config: tuple[int, int, int, int, int] | None = None,
        clean: bool = False,
        recovery_point: int = 0,
        log_start_offset: int = -1,
        log_dir: LogDir | None = None,
        process_died: bool = False,
        offline: bool = False,
        compacted: bool = False,
    ) -> Self: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def writable(self) -> bool: ...
    @property
    def offline(self) -> bool: ...
    @property
    def log_start_offset(self) -> int: ...
    @property
    def log_end_offset(self) -> int: ...
    @property
    def synced_offset(self) -> int:
        """Every record below it is known to be on disk."""
    @property
    def last_stable_offset(self) -> int:
        """Below it every transaction has ended: the end of the log, or the first offset of the oldest open one."""
    @property
    def size_bytes(self) -> int: ...
    @property
    def directory(self) -> str: ...
    def append(
        self,
        batch: Buffer,
        *,
        leader_epoch: int = 0,
        log_append_time: bool = False,
        rules: tuple[int, bool, int, int, int, bool, bool] | None = None,
    ) -> Appended: ...
    def append_marker(
        self,
        *,
        producer_id: int,
        producer_epoch: int,
        coordinator_epoch: int,
        commit: bool,
        transaction_version: int,
        leader_epoch: int = 0,
        log_append_time: bool = False,
    ) -> Appended:
        """End a producer's transaction here.  Raises ProducerStateError.  A broker uses `Partition.append_marker`."""
    def admits_transaction(self, producer_id: int, producer_epoch: int) -> bool:
        """Whether a transactional batch of this producer is taken as it comes: its transaction is open here."""
    def begin_verification(
        self, producer_id: int, producer_epoch: int, base_sequence: int, *, supports_epoch_bump: bool
    ) -> int:
        """Before the coordinator is asked if this partition is in the producer's transaction (KIP-890).

        Returns a guard, to be given to `Partition.append` once the coordinator has said yes; 0 where nobody need be
        asked.  A marker for the producer makes the guard worthless, so that an answer which comes late opens nothing.
        """
    def expect_transaction(self, producer_id: int, producer_epoch: int) -> bool:
        """The coordinator says beforehand that this partition is in the producer's transaction.

        The first batch is then taken by the reactors, without a question.  The next marker for the producer takes it
        back; so every partition that was told so must get one.  False: the producer has a newer epoch here.
        """
    def aborted_txns(self, offset: int, end_offset: int) -> list[AbortedTxn]:
        """The aborted transactions whose data or marker may lie in this range, by `last_offset`."""
    def producers(self) -> list[ProducerInfo]:
        """Every producer that the partition remembers, by producer id."""
    def append_as_follower(self, batch: Buffer) -> None: ...
    def read(
        self, offset: int, size_max_bytes: int = 1048576, *, offset_limit: int | None = None, min_one_batch: bool = True
    ) -> bytes: ...
    def find_timestamp(self, timestamp: int, *, offset_limit: int | None = None) -> TimestampedOffset | None: ...
    def find_max_timestamp(self) -> TimestampedOffset | None: ...
    def end_offset_for_epoch(self, leader_epoch: int) -> tuple[int, int]: ...
    def epoch_for_offset(self, offset: int) -> int: ...
    @property
    def latest_epoch(self) -> int: ...
    def assign_epoch(self, leader_epoch: int) -> None: ...
    @property
    def config(self) -> tuple[int, int, int, int, int]: ...
    def configure(self, config: tuple[int, int, int, int, int]) -> None: ...
    def roll(self) -> None: ...
    def flush(self) -> int: ...
    def truncate(self, offset: int) -> None: ...
    def raise_start_offset(self, offset: int) -> None: ...
    def drop_segments(self) -> int: ...
    def expire(self, retention_ms: int, retention_bytes: int, high_watermark: int) -> list[ExpiredSegment]: ...
    def rename_directory(self, directory: str | os.PathLike[str]) -> None: ...
    def segments(self) -> list[SegmentInfo]: ...

"""One of log.dirs: its markers, its checkpoints, and the logs that lie in it.

    <log dir>/<topic>-<partition>/     a partition; see metadata/partition_directories.py for the names
    <log dir>/.kafka_cleanshutdown     the last stop was clean; removed, durably, before anything else is written
    <log dir>/.pykafka-core.boot       since which boot this engine has written here; see boot.py
    <log dir>/*-checkpoint             see checkpoints.py

The first write or sync that fails, of a log or of a file of the directory itself, takes it offline for the life of the
process. A full disk does not.

Threads: methods that touch the disk may be called from any one thread at a time; two checkpoints never overtake each
other. Source: org.apache.kafka.storage.internals.log.{LogManager,LogDirFailureChannel,CleanShutdownFileHandler}.
"""

from __future__ import annotations

import errno
import os
from _thread import allocate_lock  # threading.Lock, without the rest of that module

from pykafka_core._dataclass import dataclass, field
from pykafka_core._later_log import get_logger
from pykafka_core._path import Path
from pykafka_core.broker.boot import forget_boot, is_same_boot
from pykafka_core.broker.checkpoints import read_checkpoint, write_checkpoint
from pykafka_core.metadata.files import sync_directory, write_atomically
from pykafka_core.native import EngineError, Log, LogDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Mapping
    from typing import Final

__all__ = ["Directory", "TopicPartition", "read_from_disk"]

log = get_logger("kafka.log.LogManager")

CLEAN_SHUTDOWN_FILE: Final = ".kafka_cleanshutdown"
RECOVERY_POINT_CHECKPOINT: Final = "recovery-point-offset-checkpoint"
HIGH_WATERMARK_CHECKPOINT: Final = "replication-offset-checkpoint"
LOG_START_CHECKPOINT: Final = "log-start-offset-checkpoint"
CLEANER_CHECKPOINT: Final = "cleaner-offset-checkpoint"
SHORTAGES: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM})

TopicPartition = tuple[str, int]


@dataclass(slots=True, eq=False, kw_only=True)
class Directory:
    path: Path
    directory_id: bytes
    clean: bool = False
    """Until the broker runs: the last stop was clean, or nothing ever was here. At the end: so is this one."""
    process_died: bool = False
    """No more than the process has died since this engine wrote here."""
    shared: LogDir = field(default_factory=LogDir)
    """What the engine's logs in here have in common: above all whether the directory has failed."""
    reason: str = ""
    """Of the first failure that was met here, for whoever has to be told why."""
    recovery_points: dict[TopicPartition, int] = field(default_factory=dict)
    log_starts: dict[TopicPartition, int] = field(default_factory=dict)
    cleaned: dict[TopicPartition, int] = field(default_factory=dict)
    """Up to where compaction has come."""
    found: set[TopicPartition] = field(default_factory=set)
    """Partitions of the metadata that lay there at the start and have not been opened."""
    logs: dict[TopicPartition, Log] = field(default_factory=dict)
    _writing: LockType = field(default_factory=allocate_lock)
    """Held while a checkpoint is gathered and written, so that an older one never replaces a newer."""

    @property
    def online(self) -> bool:
        return self.shared.failure is None

    def fail(self, error: OSError) -> None:
        """A file of the directory could not be read or written. It goes offline, unless there is just no room."""
        if error.errno not in SHORTAGES:
            self.reason = self.reason or str(error)
            self.shared.fail()

    # ---- start

    def take_marker(self) -> None:
        """Read what the last stop left behind and remove the marker, durably."""
        marker = self.path / CLEAN_SHUTDOWN_FILE
        self.recovery_points = read_checkpoint(self.path / RECOVERY_POINT_CHECKPOINT)
        self.log_starts = read_checkpoint(self.path / LOG_START_CHECKPOINT)
        self.cleaned = read_checkpoint(self.path / CLEANER_CHECKPOINT)
        self.process_died = is_same_boot(self.path)
        try:
            if marker.exists():
                marker.unlink()
                sync_directory(self.path)
                self.clean = True
        except OSError as error:
            log.error("Cannot take the marker of a clean stop from %s: %s", self.path, error)
            self.fail(error)

    # ---- checkpoints

    def checkpoint(self) -> None:
        """Write down how much of each log is on disk for certain, and where each begins. Raises OSError,
        EngineError."""
        for place, opened in list(self.logs.items()):
            # What has been rolled is synced once, so that an unclean start has little more than the last segment to
            # read.
            segments = opened.segments()
            if segments and segments[-1].base_offset > self.recovery_points.get(place, 0):
                self.flush(place, opened)
        self.write_checkpoints()

    def flush(self, place: TopicPartition, opened: Log) -> None:
        """Bring a log to disk. Raises OSError, EngineError."""
        synced = opened.flush()
        # Deleted meanwhile: the next log of this name has a recovery point of its own.
        if self.logs.get(place) is opened:
            self.recovery_points[place] = synced

    def write_checkpoints(self) -> None:
        """Raises OSError."""
        with self._writing:
            logs = dict(self.logs)
            points = {place: self.recovery_points.get(place, 0) for place in logs}
            self._write(RECOVERY_POINT_CHECKPOINT, points)
            # One replica: all that is written is committed. Apache Kafka would read it from here.
            ends = {place: opened.log_end_offset for place, opened in logs.items()}
            self._write(HIGH_WATERMARK_CHECKPOINT, ends)
        self.write_log_starts()

    def write_log_starts(self) -> None:
        """Raises OSError."""
        with self._writing:
            starts = {
                place: opened.log_start_offset
                for place, opened in list(self.logs.items())
                if opened.log_start_offset > 0
            }
            self._write(LOG_START_CHECKPOINT, starts)

    def write_cleaned_offset(self, place: TopicPartition, offset: int) -> None:
        """Raises OSError."""
        self.cleaned[place] = offset
        with self._writing:
            self._write(CLEANER_CHECKPOINT, dict(self.cleaned))

    def _write(self, name: str, offsets: Mapping[TopicPartition, int]) -> None:
        try:
            write_checkpoint(self.path / name, offsets)
        except OSError as error:
            self.fail(error)
            raise

    # ---- stop

    def close(self) -> None:
        """Close every log and write the checkpoints. Where something fails the directory is not clean."""
        self.clean = self.online
        for place, opened in list(self.logs.items()):
            try:
                if not opened.writable:
                    self.clean = False
                opened.close()
                self.recovery_points[place] = opened.log_end_offset
            except (OSError, EngineError) as error:
                self.clean = False
                if self.online:
                    log.error("Cannot close %s-%d in %s: %s", *place, self.path, error)
        if not self.online:
            return
        try:
            self.write_checkpoints()
        except OSError as error:
            self.clean = False
            log.error("Cannot write the checkpoints in %s: %s", self.path, error)

    def mark_clean(self, broker_epoch: int) -> None:
        """Leave the marker, if it was closed without an error."""
        if not self.clean:
            return
        try:
            forget_boot(self.path)
            write_atomically(self.path / CLEAN_SHUTDOWN_FILE, f'{{"version":0,"brokerEpoch":{broker_epoch}}}'.encode())
        except OSError as error:
            log.error("Cannot write the marker of a clean stop in %s: %s", self.path, error)


def read_from_disk(path: Path, recovery_point: int) -> None:
    """Let recovery of a log see what is on the disk: after a write that failed the page cache may say something else.
    Raises OSError."""
    if not hasattr(os, "posix_fadvise"):
        return
    newest_first = sorted([file for file in path.iterdir() if file.name.endswith(".log")], reverse=True)
    doubted = [file for file in newest_first if file.name.removesuffix(".log") > f"{recovery_point:020}"]
    for file in [*doubted, *newest_first[len(doubted) : len(doubted) + 1]]:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)

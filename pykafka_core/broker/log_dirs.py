"""The data directories: which partition lies in which, how partitions come and go, and what waits to be deleted. One
of them by itself is in log_directory.py.

Invariants:
  1. A partition's directory belongs to the topic id in its partition.metadata; one of another id is never opened or
  emptied. 2. Nothing is deleted that the broker did not rename `-delete` before.
  3. Where the marker of a clean stop is missing, each log is opened by recovery from its recovery point; where only
  the process has died since, by a look at its tail.
  4. A directory in which a write or a sync fails is offline for the life of the process (native LogDir): its logs
  refuse reads and writes from that moment on. A full disk is no failure.

Threads: `open` may be called from several threads at a time, other methods that touch the disk from any one; the rest
from the asyncio thread.
Source: org.apache.kafka.storage.internals.log.LogManager, CleanShutdownFileHandler.
"""

from __future__ import annotations

import errno
import os
from _thread import allocate_lock  # threading.Lock, without the rest of that module
from types import MappingProxyType

from pykafka_core._dataclass import dataclass
from pykafka_core._later_log import get_logger
from pykafka_core._path import Path
from pykafka_core.broker.boot import note_boot
from pykafka_core.broker.condemned import Condemned
from pykafka_core.broker.log_directory import Directory, TopicPartition, read_from_disk
from pykafka_core.metadata.errors import CorruptMetadataError
from pykafka_core.metadata.files import sync_directory
from pykafka_core.metadata.partition_directories import (
    DirectoryKind,
    PartitionDirectory,
    deleted_directory_name,
    future_directory_name,
    list_partition_directories,
    partition_directory_name,
    read_topic_id,
    stray_directory_name,
    why_stray,
)
from pykafka_core.native import ClosedError, EngineError, FileCache, KafkaStorageError, Log
from pykafka_core.protocol.uuids import uuid_to_string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Final

    from pykafka_core.broker.topics import LogConfig, RunningTopic
    from pykafka_core.metadata.image import MetadataImage

__all__ = ["FIRST_LEADER_EPOCH", "LogDirs", "NewPartition"]

log = get_logger("kafka.log.LogManager")

FIRST_LEADER_EPOCH: Final = 0
DELETED_FILE_SUFFIX: Final = ".deleted"

@dataclass(slots=True, frozen=True, kw_only=True)
class NewPartition:
    """A partition that was made on disk and that no metadata speaks of yet."""

    index: int
    log: Log
    directory_id: bytes


class LogDirs:
    def __init__(
        self,
        directories: Iterable[tuple[Path, bytes, bool]],
        *,
        files_open_max: int,
        unusable: Mapping[Path, str] = MappingProxyType({}),
    ) -> None:
        """`directories`: path and id of each of log.dirs, and whether it is new; locked by the caller for as long as
        this object is used. `unusable`: those of log.dirs that cannot be used, and why.

        `files_open_max`: how many segment files may be open at a time."""
        self._directories: Final = [
            Directory(path=path, directory_id=directory_id, clean=is_new) for path, directory_id, is_new in directories
        ]
        self._files: Final = FileCache(files_open_max)
        self._places: Final[dict[Log, tuple[Directory, TopicPartition]]] = {}
        self.unusable: Final = dict(unusable)
        self.condemned: Final = Condemned()
        self._nowhere: Final = Directory(path=next(iter(self.unusable), Path()), directory_id=bytes(16))
        """Where partitions lie whose directory cannot be used."""
        self._nowhere.shared.fail()
        self._placing: Final = allocate_lock()
        self._futures: Final[set[Log]] = set()
        """Copies on their way; they are in `_places` and in no directory's `logs`."""
        self._unfinished: Final[list[tuple[TopicPartition, Path]]] = []
        """Moves that an earlier run did not end, and where to."""

    @property
    def paths(self) -> list[Path]:
        """Of log.dirs, also those that cannot be used."""
        return [*(directory.path for directory in self._directories), *self.unusable]

    @property
    def reasons(self) -> list[str]:
        """Why directories cannot be used."""
        failed = [each for each in self._directories if not each.online]
        return [*self.unusable.values(), *(each.reason or "it has failed" for each in failed)]

    def is_online(self, path: Path) -> bool:
        return any(directory.path == path and directory.online for directory in self._directories)

    def path_of(self, opened: Log) -> Path:
        """The log directory in which an open log lies."""
        return self._places[opened][0].path

    def directory_of(self, opened: Log) -> Directory:
        return self._places[opened][0]

    def directory_at(self, path: str) -> Directory | None:
        """The log directory of this absolute path; None if there is none."""
        return next((each for each in self._directories if str(each.path.absolute()) == path), None)

    @property
    def all(self) -> Sequence[Directory]:
        """Those that could be used at the start."""
        return self._directories

    @property
    def online(self) -> list[Directory]:
        return [directory for directory in self._directories if directory.online]

    def health(self) -> tuple[bool, ...]:
        """Which of them work: for as long as it is the same, no log has gone offline."""
        return tuple([directory.online for directory in self._directories])

    @property
    def clean(self) -> bool:
        """Whether the last stop was clean in every directory."""
        return all(directory.clean for directory in self._directories)

    @property
    def intact(self) -> bool:
        """Whether every directory has all that was written to it: the last stop was clean, or only the process died."""
        return all(directory.clean or directory.process_died for directory in self._directories)

    @staticmethod
    def space_of(path: Path) -> tuple[int, int]:
        """Bytes of the file system in all, and those that may still be used; -1 where the system does not tell."""
        try:
            found = os.statvfs(path)
        except OSError:
            return -1, -1
        return found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail

    # ---- start

    def take_markers(self) -> None:
        """Read what the last stop left behind and remove the marker, durably, before anything is written."""
        for directory in self._directories:
            directory.take_marker()

    def note_boot(self) -> None:
        """All logs are open: from here on the death of the process alone needs no recovery."""
        for directory in self.online:
            try:
                note_boot(directory.path)
            except OSError as error:
                log.warning("Cannot write %s: %s", directory.path, error)
                directory.fail(error)

    def scan(self, image: MetadataImage, node_id: int) -> None:
        """Find the partitions that lie here, what does not belong here, and what an earlier run had no time to delete.

        What the metadata does not know is named in the log and left alone. Raises OSError.
        """
        taken: set[TopicPartition] = set()
        for directory in self.online:
            try:
                partitions, _ = list_partition_directories(directory.path)
            except OSError as error:
                log.error("Cannot read log directory %s: %s", directory.path, error)
                directory.fail(error)
                continue
            for found in partitions:
                if found.kind is DirectoryKind.DELETED:
                    self.condemned.add([found.path], delay_s=0)
                place = (found.topic, found.partition_id)
                if found.kind is DirectoryKind.FUTURE and not self._end_move(image, node_id, directory, found):
                    self._give_up_copy(directory, found)
                    continue
                if found.kind in (DirectoryKind.DELETED, DirectoryKind.STRAY):
                    continue
                topic_id = self._topic_id(directory.path / partition_directory_name(*place))
                reason = why_stray(image, node_id, directory.directory_id, *place, topic_id)
                if reason is None and place in taken:
                    reason = "it lies in another log directory too"
                if reason is not None:
                    log.warning("Found %s, which does not belong here: %s. It is left alone.", found.path, reason)
                    continue
                if topic_id is None:
                    write_topic_id(directory.path / partition_directory_name(*place), image.topics[place[0]].topic_id)
                taken.add(place)
                directory.found.add(place)

    def _end_move(self, image: MetadataImage, node_id: int, directory: Directory, found: PartitionDirectory) -> bool:
        """Let a copy take the place of its partition where the metadata says so already: Apache Kafka writes that
        first, when the copy is complete."""
        partition = image.partition(found.topic, found.partition_id)
        path = directory.path / partition_directory_name(found.topic, found.partition_id)
        if partition is None or partition.directory_of(node_id) != directory.directory_id or path.exists():
            return False
        if self._topic_id(found.path) != image.topics[found.topic].topic_id:
            return False
        found.path.rename(path)
        sync_directory(directory.path)
        log.info("Renamed %s to %s, which the metadata calls the partition", found.path, path.name)
        return True

    def _give_up_copy(self, directory: Directory, found: PartitionDirectory) -> None:
        """A copy that was not finished is made anew: what it lacks cannot be told."""
        aside = found.path.with_name(deleted_directory_name(found.topic, found.partition_id))
        found.path.rename(aside)
        self.condemned.add([aside], delay_s=0)
        self._unfinished.append(((found.topic, found.partition_id), directory.path))

    @staticmethod
    def _topic_id(path: Path) -> bytes | None:
        try:
            return read_topic_id(path)
        except CorruptMetadataError as error:
            # A crash may leave the file empty: it is not synced, because the metadata knows better.
            log.warning("%s It is written anew.", error)
            return None

    def open(
        self,
        topic: str,
        topic_id: bytes,
        index: int,
        config: LogConfig,
        *,
        directory_id: bytes | None = None,
        compacted: bool = False,
    ) -> Log:
        """Open the log of a partition that the metadata knows, in `directory_id` if it says where; make it if it is
        nowhere. Where its directory cannot be used the log is offline. `compacted`: recovery takes no gap in the
        offsets for a loss. Raises OSError, EngineError."""
        place = (topic, index)
        with self._placing:
            directory = next((each for each in self._directories if place in each.found), None)
            if directory is not None:
                directory.found.discard(place)
            elif self._is_elsewhere(directory_id):
                return self._open_offline(place, self._nowhere)
            else:
                directory = self._emptiest()
                self._make_directory(directory, place, topic_id)
        try:
            if directory.online:
                return self._open(directory, place, config, compacted=compacted)
        except OSError as error:
            directory.fail(error)
            if directory.online:
                raise
            log.error("Cannot open %s-%d in %s: %s", *place, directory.path, error)
        return self._open_offline(place, directory)

    def _is_elsewhere(self, directory_id: bytes | None) -> bool:
        """Whether a partition that is nowhere to be found may lie in a directory that cannot be used now.

        The ids that mean "unknown" are below 100, as in Kafka (KIP-858).
        """
        online = self.online
        if not self.unusable and len(online) == len(self._directories):
            return False
        return all(each.directory_id != directory_id for each in online)

    def _open_offline(self, place: TopicPartition, directory: Directory) -> Log:
        path = directory.path / partition_directory_name(*place)
        opened = Log(path, self._files, log_dir=directory.shared, offline=True)
        directory.logs[place] = opened
        self._places[opened] = directory, place
        return opened

    def _open(
        self, directory: Directory, place: TopicPartition, config: LogConfig, *, compacted: bool = False
    ) -> Log:
        path = directory.path / partition_directory_name(*place)
        if not directory.clean and not directory.process_died:
            read_from_disk(path, directory.recovery_points.get(place, 0))
        opened = Log(
            path,
            self._files,
            config=config,
            clean=directory.clean,
            process_died=directory.process_died,
            compacted=compacted or place in directory.cleaned,
            recovery_point=max(0, directory.recovery_points.get(place, 0)),
            log_start_offset=directory.log_starts.get(place, -1),
            log_dir=directory.shared,
        )
        recovery = opened.recovery
        if recovery.truncated_bytes or recovery.dropped_segments:
            log.warning(
                "Recovered %s: cut %d bytes behind the last good batch, at position %d of segment %d; set aside %d "
                "segments; it ends at offset %d",
                path,
                recovery.truncated_bytes,
                recovery.cut_position,
                recovery.cut_base_offset,
                recovery.dropped_segments,
                opened.log_end_offset,
            )
        directory.logs[place] = opened
        self._places[opened] = directory, place
        return opened

    # ---- partitions that come and go

    def create(self, topic: str, topic_id: bytes, indexes: Sequence[int], config: LogConfig) -> list[NewPartition]:
        """Make partitions on disk, all or none. Raises OSError."""
        made: list[NewPartition] = []
        try:
            for index in indexes:
                directory = self._emptiest()
                self._make_directory(directory, (topic, index), topic_id)
                opened = self._open(directory, (topic, index), config)
                made.append(NewPartition(index=index, log=opened, directory_id=directory.directory_id))
                opened.assign_epoch(FIRST_LEADER_EPOCH)
            for path in {directory.path for directory, _ in (self._places[new.log] for new in made)}:
                sync_directory(path)
        except BaseException:
            self.discard(made)
            raise
        return made

    def _emptiest(self) -> Directory:
        """Raises KafkaStorageError if no directory is left."""
        online = self.online
        if not online:
            raise KafkaStorageError(errno.EIO, "no log directory is online")
        return min(online, key=lambda directory: len(directory.logs) + len(directory.found))

    def _make_directory(self, directory: Directory, place: TopicPartition, topic_id: bytes) -> None:
        path = directory.path / partition_directory_name(*place)
        if path.exists():
            # Left over by a creation that a crash cut short, or not ours at all: out of the way, and not lost.
            aside = path.with_name(stray_directory_name(*place))
            path.rename(aside)
            log.warning("Moved %s, of which the metadata knows nothing, to %s", path, aside.name)
        # A log's start and recovery point are those of the log that had the name before.
        directory.recovery_points.pop(place, None)
        directory.log_starts.pop(place, None)
        directory.cleaned.pop(place, None)
        path.mkdir()
        write_topic_id(path, topic_id)

    def discard(self, made: Sequence[NewPartition]) -> None:
        """Undo a creation that the metadata never heard of."""
        for new in made:
            self._condemn(new.log, delay_s=0.0)

    def retire(self, topic: RunningTopic) -> None:
        """Take the directories of a deleted topic out of the way. Their files go after file.delete.delay.ms."""
        for partition in topic.partitions:
            self._condemn(partition.log, delay_s=topic.settings.file_delete_delay_ms / 1000)

    def _condemn(self, opened: Log, *, delay_s: float) -> None:
        directory, place = self._places.pop(opened)
        directory.logs.pop(place, None)
        directory.recovery_points.pop(place, None)
        directory.log_starts.pop(place, None)
        directory.cleaned.pop(place, None)
        path = directory.path / deleted_directory_name(*place)
        try:
            opened.rename_directory(path)
            opened.close()
        except (OSError, EngineError) as error:
            log.warning("While %s-%d was deleted: %s", *place, error)
        self.condemned.add([path], delay_s=delay_s)

    # ---- moves from one directory to another, see log_moves.py

    @property
    def has_unfinished(self) -> bool:
        return bool(self._unfinished)

    def take_unfinished(self) -> list[tuple[TopicPartition, Path]]:
        """What moves an earlier run did not end: the partition, and where to. Told once."""
        unfinished = list(self._unfinished)
        self._unfinished.clear()
        return unfinished

    def create_future(
        self, directory: Directory, place: TopicPartition, topic_id: bytes, first_offset: int, config: LogConfig
    ) -> Log:
        """Make an empty copy of a partition that begins at this offset. Raises OSError, EngineError."""
        path = directory.path / future_directory_name(*place)
        path.mkdir()
        write_topic_id(path, topic_id)
        (path / f"{first_offset:020d}.log").touch()
        opened = Log(path, self._files, config=config, clean=True, log_dir=directory.shared)
        self._places[opened] = directory, place
        self._futures.add(opened)
        return opened

    def extend_future(self, future: Log, offset: int, config: LogConfig) -> Log:
        """Let an open copy end at this offset, though nothing lies before it; the copy is opened anew."""
        directory, place = self._places.pop(future)
        self._futures.discard(future)
        path = Path(future.directory)
        future.close()
        (path / f"{offset:020d}.log").touch()
        opened = Log(path, self._files, config=config, clean=True, log_dir=directory.shared)
        self._places[opened] = directory, place
        self._futures.add(opened)
        return opened

    def discard_future(self, future: Log) -> None:
        """Throw a copy away."""
        self._futures.discard(future)
        if future in self._places:
            self._condemn(future, delay_s=0.0)

    def reopen(self, closed: Log, config: LogConfig) -> Log:
        """Open a log that was closed a moment ago, in its place. `forget` the closed one when nobody asks for it any
        more."""
        directory, place = self._places[closed]
        path = directory.path / partition_directory_name(*place)
        opened = Log(
            path,
            self._files,
            config=config,
            clean=True,
            log_start_offset=closed.log_start_offset,
            log_dir=directory.shared,
        )
        directory.logs[place] = opened
        self._places[opened] = directory, place
        return opened

    def forget(self, closed: Log) -> None:
        self._places.pop(closed, None)

    def promote(self, future: Log, directory: Directory, place: TopicPartition, *, cleaned_offset: int) -> None:
        """Give a copy that is complete the name of its partition, durably. Raises OSError, EngineError."""
        synced = future.flush()
        path = directory.path / partition_directory_name(*place)
        if path.exists():
            aside = path.with_name(stray_directory_name(*place))
            path.rename(aside)
            log.warning("Moved %s, of which the metadata knows nothing, to %s", path, aside.name)
        future.rename_directory(path)
        sync_directory(directory.path)
        self._futures.discard(future)
        directory.logs[place] = future
        directory.recovery_points[place] = synced
        directory.cleaned[place] = cleaned_offset
        directory.write_checkpoints()

    def retire_moved(self, opened: Log, *, delay_s: float) -> None:
        """Take the directory that a partition was moved from out of the way."""
        directory = self._places[opened][0]
        self._condemn(opened, delay_s=delay_s)
        directory.write_checkpoints()

    def condemn_dropped(self, opened: Log, *, delay_s: float) -> None:
        """The segments that a log has dropped go after file.delete.delay.ms."""
        if opened not in self._places:
            # Its topic has been deleted meanwhile, and its directory goes as a whole.
            return
        directory, place = self._places[opened]
        path = directory.path / partition_directory_name(*place)
        self.condemned.add(path.glob(f"*{DELETED_FILE_SUFFIX}"), delay_s=delay_s)

    # ---- checkpoints and stop

    def checkpoint(self) -> None:
        """Write down how much of each log is on disk for certain, and where each begins. What fails is logged, and
        does not keep the other directories from their turn."""
        for directory in self.online:
            try:
                directory.checkpoint()
            except ClosedError:
                # The directory has failed, or a topic was deleted, meanwhile.
                continue
            except (OSError, EngineError) as error:
                log.error("Cannot write the checkpoints in %s: %s", directory.path, error)

    def flush(self, opened: Log) -> None:
        """Bring a log to disk. Raises OSError, EngineError."""
        if opened in self._places:
            directory, place = self._places[opened]
            directory.flush(place, opened)

    def write_log_starts(self, opened: Log) -> None:
        """Make the log start offset of one log, and of those beside it, durable. Raises OSError."""
        if opened in self._places:
            self._places[opened][0].write_log_starts()

    def make_recoverable(self, opened: Log, offset: int) -> None:
        """Bring a log to disk and say so in the checkpoint, unless that was done up to this offset. Raises OSError,
        EngineError."""
        if opened not in self._places:
            return
        directory, place = self._places[opened]
        if directory.recovery_points.get(place, 0) < offset:
            directory.flush(place, opened)
            directory.write_checkpoints()

    def cleaned_offset(self, opened: Log) -> int:
        """Up to where a log has been compacted; 0 where nobody knows."""
        directory, place = self._places[opened]
        return directory.cleaned.get(place, 0)

    def write_cleaned_offset(self, opened: Log, offset: int) -> None:
        """Note how far compaction has come in a log. Raises OSError."""
        if opened in self._places:
            directory, place = self._places[opened]
            directory.write_cleaned_offset(place, offset)

    def close(self) -> None:
        """Close every log and write the checkpoints. A directory in which something fails is not clean."""
        for future in self._futures:
            try:
                future.close()
            except (OSError, EngineError) as error:
                log.warning("Cannot close the copy in %s: %s", future.directory, error)
        for directory in self._directories:
            directory.close()

    def mark_clean(self, *, broker_epoch: int) -> None:
        """The last word of a stop: leave the marker in each directory that was closed without an error."""
        for directory in self._directories:
            directory.mark_clean(broker_epoch)

    def abandon(self) -> None:
        """Close the logs after a start that failed, as far as it got. No marker is left: the next start recovers."""
        for directory in self._directories:
            for opened in directory.logs.values():
                try:
                    opened.close()
                except (OSError, EngineError):
                    continue


def write_topic_id(directory: Path, topic_id: bytes) -> None:
    """Write partition.metadata. Not synced, which would cost more than the rest of a creation: see
    `LogDirs._topic_id`."""
    temporary = directory / "partition.metadata.tmp"
    temporary.write_text(f"version: 0\ntopic_id: {uuid_to_string(topic_id)}", "ascii")
    temporary.replace(directory / "partition.metadata")

"""Replicas on their way from one log directory to another.

    start     the copy gets a directory of its own, `<topic>-<partition>.<32 hex>-future`
    copy      batch by batch, as a follower would, while producers write on and consumers read on
    swap      the old log is closed, so that nothing is added to it any more; what came last is copied and synced;
              the copy takes the partition's name; the metadata says where the replica is; reactors get the new log
    after     the old directory is renamed `-delete` and its files go

Between the close and the new table clients are told UNKNOWN_TOPIC_OR_PARTITION, for as long as two syncs take, and try
again. Whatever fails before the metadata has it leaves the partition where it was. A stop or a crash leaves a `-future`
directory; the next start throws the copy away and begins the move anew.

Moves wait in a line: one is copied at a time, with `replica.alter.log.dirs.io.max.bytes.per.second` as its throttle.
Threads: asyncio; copying, closing and renaming run on a worker thread. The swap holds the lock that changes of topics
hold.

Source: KIP-113, KIP-858; kafka.server.ReplicaManager.alterReplicaLogDirs, kafka.server.ReplicaAlterLogDirsThread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pykafka_core._dataclass import dataclass
from pykafka_core.broker.commits import commit_or_refuse
from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.topics import RunningTopic, native_log_config
from pykafka_core.metadata.changes_admin import assign_directory
from pykafka_core.native import ClosedError, EngineError, Partition
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.records import BatchHeader, batches

if TYPE_CHECKING:
    from pykafka_core.broker.configs import Configs
    from pykafka_core.broker.log_directory import Directory
    from pykafka_core.broker.log_dirs import LogDirs
    from pykafka_core.broker.topics import LogConfig, Topics
    from pykafka_core.metadata.store import MetadataStore
    from pykafka_core.native import Log

__all__ = ["LogMoves", "Move"]

log = logging.getLogger("kafka.server.ReplicaAlterLogDirsManager")

STEP_BYTES: Final = 4 << 20
"""What is copied between two looks at the throttle and at whether to stop."""
THROTTLE_LOOK_S: Final = 0.5
THROTTLE: Final = "replica.alter.log.dirs.io.max.bytes.per.second"

T = TypeVar("T")
TopicPartition = tuple[str, int]


@dataclass(slots=True, eq=False, kw_only=True)
class Move:
    """One replica on its way."""

    place: TopicPartition
    topic_id: bytes
    source: Log
    future: Log
    directory: Directory
    """Where to."""
    cleaned_offset: int
    cancelled: bool = False

    @property
    def lag(self) -> int:
        """Offsets that the copy does not have yet."""
        return max(0, self.source.log_end_offset - self.future.log_end_offset)


class LogMoves:
    def __init__(
        self,
        *,
        topics: Topics,
        log_dirs: LogDirs,
        configs: Configs,
        store: MetadataStore,
        node_id: int,
        lock: asyncio.Lock,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._topics: Final = topics
        self._log_dirs: Final = log_dirs
        self._configs: Final = configs
        self._store: Final = store
        self._node_id: Final = node_id
        self._lock: Final = lock
        self._spawn: Final = spawn
        self._moves: Final[dict[TopicPartition, Move]] = {}
        self._running = False

    def all(self) -> list[Move]:
        """What is on its way or waits for its turn."""
        return list(self._moves.values())

    # ---- asking

    async def start(self, name: str, index: int, path: str) -> None:
        """Bring a partition to the log directory of this path. Raises RequestError."""
        directory = self._log_dirs.directory_at(path)
        if directory is None:
            known = path in (str(each.absolute()) for each in self._log_dirs.paths)
            raise RequestError(ErrorCode.KAFKA_STORAGE_ERROR if known else ErrorCode.LOG_DIR_NOT_FOUND)
        if not directory.online:
            raise RequestError(ErrorCode.KAFKA_STORAGE_ERROR)
        async with self._lock:
            await self._start(name, index, directory)

    async def _start(self, name: str, index: int, directory: Directory) -> None:
        topic = self._topics.find(name)
        if topic is None or not 0 <= index < len(topic.partitions):
            raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        place = (name, index)
        known = self._moves.get(place)
        if known is not None:
            if known.directory is directory:
                return
            self._cancel(known)
        source = topic.partitions[index].log
        if self._log_dirs.directory_of(source) is directory:
            return
        values = self._configs.broker_values()
        try:
            future = await asyncio.to_thread(
                self._log_dirs.create_future,
                directory,
                place,
                topic.topic_id,
                first_offset(source),
                native_log_config(topic.settings, values),
            )
        except (OSError, EngineError) as error:
            log.error("Cannot make a copy of %s-%d in %s: %s", *place, directory.path, error)
            raise RequestError(ErrorCode.KAFKA_STORAGE_ERROR) from error
        self._moves[place] = Move(
            place=place,
            topic_id=topic.topic_id,
            source=source,
            future=future,
            directory=directory,
            cleaned_offset=self._log_dirs.cleaned_offset(source),
        )
        log.info("Moving %s-%d to %s", *place, directory.path)
        if not self._running:
            self._running = True
            self._spawn(self._run())

    async def resume(self) -> None:
        """Begin again what an earlier run left unfinished."""
        for (name, index), path in self._log_dirs.take_unfinished():
            try:
                await self.start(name, index, str(path.absolute()))
            except RequestError as error:
                log.warning("The move of %s-%d to %s is given up: %s", name, index, path, error)

    def _cancel(self, move: Move) -> None:
        if self._moves.get(move.place) is move:
            del self._moves[move.place]
        move.cancelled = True
        self._log_dirs.discard_future(move.future)

    # ---- carrying out

    async def _run(self) -> None:
        """Copy until nothing is left to move."""
        try:
            while self._moves:
                move = next(iter(self._moves.values()))
                try:
                    await self._carry_out(move)
                except (OSError, EngineError, RequestError) as error:
                    if not move.cancelled and not isinstance(error, ClosedError):
                        log.error("Cannot move %s-%d to %s: %s", *move.place, move.directory.path, error)
                    self._cancel(move)
                except Exception:
                    log.exception("Cannot move %s-%d to %s", *move.place, move.directory.path)
                    self._cancel(move)
        finally:
            self._running = False

    async def _carry_out(self, move: Move) -> None:
        started, copied = time.monotonic(), 0
        while not move.cancelled:
            step = await see_through(asyncio.to_thread(copy_batches, move.source, move.future))
            copied += step
            if step == 0 or (step < STEP_BYTES // 2 and is_almost_there(move)):
                async with self._lock:
                    if not move.cancelled:
                        await see_through(self._swap(move))
                return
            await self._hold_back(move, copied, started)

    async def _hold_back(self, move: Move, copied: int, started: float) -> None:
        """Wait as long as the throttle asks for, which may change meanwhile."""
        while not move.cancelled:
            per_second = self._configs.broker_values().get(THROTTLE)
            ahead_s = 0.0 if per_second is None else copied / max(1, per_second) - (time.monotonic() - started)
            if ahead_s <= 0:
                return
            await asyncio.sleep(min(THROTTLE_LOOK_S, ahead_s))

    async def _swap(self, move: Move) -> None:
        """Put the copy in the place of the log. Raises OSError, EngineError, RequestError: nothing has changed then."""
        topic = self._topics.find(move.place[0])
        image = self._store.image.topics.get(move.place[0])
        if topic is None or image is None or topic.topic_id != move.topic_id:
            raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "the topic is gone")
        index = move.place[1]
        epoch = topic.partitions[index].leader_epoch
        config = native_log_config(topic.settings, self._configs.broker_values())
        old = await asyncio.to_thread(self._close_and_reopen, move, config)
        try:
            await asyncio.to_thread(self._finish_copy, move, old, config, epoch)
            records = assign_directory(image, image.partitions[index], self._node_id, move.directory.directory_id)
            await commit_or_refuse(self._store, records)
        except BaseException:
            # Clients go on with the log where it was, which nobody has written to in the meantime.
            self._put(topic, index, old, epoch)
            self._log_dirs.forget(move.source)
            raise
        self._put(topic, index, move.future, epoch)
        self._log_dirs.forget(move.source)
        del self._moves[move.place]
        await asyncio.to_thread(self._log_dirs.retire_moved, old, delay_s=topic.settings.file_delete_delay_ms / 1000)
        log.info("Moved %s-%d to %s", *move.place, move.directory.path)

    def _close_and_reopen(self, move: Move, config: LogConfig) -> Log:
        move.source.close()
        return self._log_dirs.reopen(move.source, config)

    def _finish_copy(self, move: Move, old: Log, config: LogConfig, epoch: int) -> None:
        while copy_batches(old, move.future):
            pass
        if move.future.log_end_offset < old.log_end_offset:
            # Nothing is left at the end: compaction, retention or DeleteRecords took it.
            move.future = self._log_dirs.extend_future(move.future, old.log_end_offset, config)
        if move.future.log_end_offset != old.log_end_offset:
            raise EngineError(f"the copy ends at offset {move.future.log_end_offset}, the log at {old.log_end_offset}")
        move.future.configure(config)
        move.future.raise_start_offset(max(move.future.log_start_offset, old.log_start_offset))
        move.future.drop_segments()
        if epoch > move.future.latest_epoch:
            move.future.assign_epoch(epoch)
        self._log_dirs.promote(move.future, move.directory, move.place, cleaned_offset=move.cleaned_offset)

    def _put(self, topic: RunningTopic, index: int, opened: Log, epoch: int) -> None:
        partitions = list(topic.partitions)
        partitions[index] = Partition(index, opened, epoch)
        self._topics.put(
            [RunningTopic(name=topic.name, topic_id=topic.topic_id, settings=topic.settings, partitions=partitions)]
        )


async def see_through(work: Coroutine[Any, Any, T]) -> T:
    """Await something to its end even if this task is cancelled: a thread cannot be stopped half-way."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def first_offset(source: Log) -> int:
    """Where a copy has to begin: with the batch that holds the log start offset, or there, where compaction has taken
    what stood at it. A log does not begin later for having moved: who reads from its start would be out of range."""
    batch = source.read(source.log_start_offset, 1)
    return min(BatchHeader.load(batch).base_offset, source.log_start_offset) if batch else source.log_start_offset


def is_almost_there(move: Move) -> bool:
    """Whether the copy has come to the segment that is being written."""
    segments = move.source.segments()
    return not segments or move.future.log_end_offset >= segments[-1].base_offset


def copy_batches(source: Log, future: Log) -> int:
    """Append the next batches of a log to its copy; return their bytes, 0 at the end."""
    offset = max(future.log_end_offset, source.log_start_offset)
    if offset >= source.log_end_offset:
        return 0
    size_bytes = 0
    for batch in batches(source.read(offset, STEP_BYTES)):
        future.append_as_follower(batch)
        size_bytes += len(batch)
    return size_bytes

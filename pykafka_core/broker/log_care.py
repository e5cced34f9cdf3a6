"""What a running broker does for its logs by the clock.

    checkpoints    every log.flush.offset.checkpoint.interval.ms
    flushes        flush.ms, log.flush.interval.ms: no record waits for longer before it is synced
    deletions      files and directories whose file.delete.delay.ms is over
    retention      retention.py
    compaction     cleaner.py
    failures       a log directory that has failed is announced and leaves the metadata that clients see; the last one,
                   or the one that holds the metadata log, ends the process

That a failed directory is no longer used does not wait for this: the engine sees to it at once (native LogDir).

Thread: asyncio; what touches the disk runs on worker threads.
Source: org.apache.kafka.storage.internals.log.LogManager, kafka.server.ReplicaManager.handleLogDirFailure.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pykafka_core.broker.boot import forget_boot
from pykafka_core.broker.retention import Retention
from pykafka_core.native import ClosedError, EngineError

if TYPE_CHECKING:
    from pykafka_core.broker.config import BrokerConfig
    from pykafka_core.broker.configs import Configs
    from pykafka_core.broker.log_directory import Directory
    from pykafka_core.broker.log_dirs import LogDirs
    from pykafka_core.broker.topics import RunningTopic, Topics
    from pykafka_core.native import Log

__all__ = ["LogCare"]

log = logging.getLogger("kafka.log.LogManager")

SWEEP_INTERVAL_S: Final = 1.0
FLUSH_INTERVAL_MAX_S: Final = 1.0
FLUSH_INTERVAL_MIN_S: Final = 0.005
LONG_MAX: Final = 2**63 - 1


class LogCare:
    def __init__(
        self,
        *,
        topics: Topics,
        log_dirs: LogDirs,
        configs: Configs,
        config: BrokerConfig,
        metadata_path: Path,
        node_id: int,
        halt: Callable[[str], None],
    ) -> None:
        """`halt` ends the process: one sentence says why."""
        self._topics: Final = topics
        self._log_dirs: Final = log_dirs
        self._configs: Final = configs
        self._config: Final = config
        self._metadata_path: Final = metadata_path
        self._node_id: Final = node_id
        self._halt: Final = halt
        self._failed: Final[set[Path]] = set()
        self._flushed: Final[dict[Log, tuple[float, int]]] = {}
        """When a log with flush.ms was last synced, or had nothing to be synced, and up to where."""

    def chores(self) -> list[Coroutine[Any, Any, None]]:
        """All of this, each to be run until it is cancelled."""
        retention = Retention(
            topics=self._topics,
            log_dirs=self._log_dirs,
            initial_delay_ms=self._config.log_initial_task_delay_ms,
            interval_ms=self._config.log_retention_check_interval_ms,
        )
        return [
            self._write_checkpoints(),
            self._flush(),
            self._sweep(),
            self._watch(),
            self._clean(),
            retention.run(),
        ]

    # ---- checkpoints, deletions, compaction

    async def _write_checkpoints(self) -> None:
        interval_ms = min(
            self._config.log_flush_offset_checkpoint_interval_ms,
            self._config.log_flush_start_offset_checkpoint_interval_ms,
        )
        while True:
            await asyncio.sleep(interval_ms / 1000)
            await asyncio.to_thread(self._log_dirs.checkpoint)

    async def _sweep(self) -> None:
        while True:
            if self._log_dirs.condemned.has_due():
                await asyncio.to_thread(self._log_dirs.condemned.sweep)
            await asyncio.sleep(SWEEP_INTERVAL_S)

    async def _clean(self) -> None:
        # What it needs is imported when there is something for it.
        while not any(topic.settings.compacted for topic in self._topics.all()):  # noqa: ASYNC110
            await asyncio.sleep(SWEEP_INTERVAL_S)
        from pykafka_core.broker.cleaner import Cleaner

        await Cleaner(topics=self._topics, log_dirs=self._log_dirs, configs=self._configs).run()

    # ---- flush.ms

    async def _flush(self) -> None:
        """Kafka looks at flush.ms every log.flush.scheduler.interval.ms, which by default is never; here setting it is
        enough."""
        while True:
            timed = [topic for topic in self._topics.all() if topic.settings.flush_ms < LONG_MAX]
            shortest_ms = min((topic.settings.flush_ms for topic in timed), default=LONG_MAX)
            if timed:
                work = asyncio.ensure_future(asyncio.to_thread(self.flush_due, timed))
                try:
                    await asyncio.shield(work)
                except asyncio.CancelledError:
                    await work
                    raise
            interval_s = min(shortest_ms / 2000, FLUSH_INTERVAL_MAX_S)
            await asyncio.sleep(max(interval_s, FLUSH_INTERVAL_MIN_S))

    def flush_due(self, topics: list[RunningTopic]) -> None:
        """Sync those of these topics' logs that have waited for flush.ms."""
        now = time.monotonic()
        for topic in topics:
            for partition in topic.partitions:
                opened = partition.log
                end = opened.log_end_offset
                since, up_to = self._flushed.setdefault(opened, (now, -1))
                if end == up_to:
                    self._flushed[opened] = now, end
                elif (now - since) * 1000 >= topic.settings.flush_ms / 2:
                    with contextlib.suppress(ClosedError, EngineError, OSError):
                        # A failure is the directory's, and is announced there.
                        self._log_dirs.flush(opened)
                        self._flushed[opened] = time.monotonic(), end
        for opened in [opened for opened in self._flushed if opened.closed]:
            del self._flushed[opened]

    # ---- failures

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        news = asyncio.Event()
        receiving, sending = socket.socketpair()
        with receiving, sending:
            for end in (receiving, sending):
                end.setblocking(False)
            for directory in self._log_dirs.all:
                directory.shared.announce_to(sending.fileno())

            def take_in() -> None:
                receiving.recv(4096)
                news.set()

            loop.add_reader(receiving, take_in)
            try:
                while True:
                    news.clear()
                    for directory in self._log_dirs.all:
                        if not directory.online and directory.path not in self._failed:
                            self._failed.add(directory.path)
                            await self._announce(directory)
                    await news.wait()
            finally:
                loop.remove_reader(receiving)

    async def _announce(self, directory: Directory) -> None:
        path = directory.path
        log.error("Error while reading or writing in log directory %s: %s", path, directory.shared.failure)
        # The page cache may hold what the disk does not.
        with contextlib.suppress(OSError):
            await asyncio.to_thread(forget_boot, path)
        manager = logging.getLogger("kafka.server.ReplicaManager")
        manager.warning(
            "[ReplicaManager broker=%d] Stopping serving replicas in dir %s because the log directory has failed.",
            self._node_id,
            path,
        )
        offline = ",".join(f"{topic}-{index}" for topic, index in directory.logs)
        log.warning("Logs for partitions %s are offline due to failure on log directory %s", offline, path)
        for topic in self._topics.all():
            for partition in topic.partitions:
                if partition.log.offline:
                    partition.wake()
        manager.warning("[ReplicaManager broker=%d] Stopped serving replicas in dir %s", self._node_id, path)
        everywhere = ", ".join(map(str, self._log_dirs.paths))
        if not self._log_dirs.online:
            self._halt(f"Shutdown broker because all log dirs in {everywhere} have failed")
        elif path == self._metadata_path:
            self._halt(f"Shutdown broker because the metadata log directory {path} has failed")

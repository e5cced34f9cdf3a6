"""Compaction: of each key of a log whose cleanup.policy contains `compact`, the last record stays.

A thread takes the dirtiest log that is due and that no other one has, cleans it, and looks again; when there is nothing
to do it sleeps for log.cleaner.backoff.ms. There are log.cleaner.threads of them, which share the memory of
log.cleaner.dedupe.buffer.size and the bytes of log.cleaner.io.max.bytes.per.second. Their number may change at any
time: new ones begin, and those above it end with what they have in hand.

A log is due when the share of bytes that were written since its last cleaning is above min.cleanable.dirty.ratio, or
when a record has waited for longer than max.compaction.lag.ms. What is younger than min.compaction.lag.ms, the active
segment, and what lies above the last stable offset is left alone.

    make_recoverable       the segments are below the recovery point: recovery takes gaps above it for a loss
    Cleaning.step ...      C reads, remembers and copies; a compressed batch comes up here to be opened or closed
    write_cleaned_offset   cleaner-offset-checkpoint: where the next cleaning begins

A log in which a cleaning failed is not cleaned again until the broker is started anew, as in Kafka.

Threads: `Cleaner.run` belongs to asyncio; each cleaning runs on a thread of its own, where C works without the GIL.
Source: org.apache.kafka.storage.internals.log.{LogCleaner,LogCleanerManager,LogToClean}.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from pykafka_core._dataclass import dataclass
from pykafka_core.native import Cleaning, ClosedError, EngineError, SegmentInfo, StaleCleaningError
from pykafka_core.records import BatchHeader
from pykafka_core.records.codecs import compress, decompress

if TYPE_CHECKING:
    from pykafka_core.broker.configs import Configs
    from pykafka_core.broker.log_dirs import LogDirs
    from pykafka_core.broker.topics import RunningTopic, Topics
    from pykafka_core.native import CleaningStats, Log, Partition

__all__ = ["Cleaner", "Dirt"]

log = logging.getLogger("kafka.log.LogCleaner")

STEP_BYTES: Final = 4 << 20
"""What is read and written between two looks at the throttle and at whether to stop."""
RECONFIGURE_INTERVAL_S: Final = 1.0
"""How soon a new number of threads takes effect."""
LONG_MAX: Final = 2**63 - 1


@dataclass(slots=True, frozen=True, kw_only=True)
class Dirt:
    """A log that could be cleaned: from where to where, and how urgent that is."""

    topic: RunningTopic
    partition: Partition
    first_dirty_offset: int
    limit_offset: int
    ratio: float
    """Bytes to be cleaned, over these and the bytes that are clean."""
    overdue: bool
    """A record has waited for longer than max.compaction.lag.ms."""

    @property
    def due(self) -> bool:
        return self.overdue or self.ratio > self.topic.settings.min_cleanable_dirty_ratio


class Cleaner:
    def __init__(self, *, topics: Topics, log_dirs: LogDirs, configs: Configs) -> None:
        self._topics: Final = topics
        self._log_dirs: Final = log_dirs
        self._configs: Final = configs
        self._stopping: Final = threading.Event()
        self._uncleanable: Final[set[Log]] = set()
        self._choosing: Final = threading.Lock()
        self._in_hand: Final[set[Log]] = set()
        """Logs that a thread is cleaning; guarded by `_choosing`."""

    async def run(self) -> None:
        """Clean what is due, until cancelled."""
        if not self._configs.broker_values()["log.cleaner.enable"]:
            return
        threads: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                for number in range(self._thread_count()):
                    if number not in threads or threads[number].done():
                        threads[number] = asyncio.create_task(self._run_thread(number))
                done, _ = await asyncio.wait(threads.values(), timeout=RECONFIGURE_INTERVAL_S)
                for each in done:
                    each.result()  # says what is wrong, if anything is
        finally:
            # The threads are told to stop and waited for: they must not go on while the logs are being closed.
            self._stopping.set()
            for each in threads.values():
                each.cancel()
            await asyncio.gather(*threads.values(), return_exceptions=True)

    def _thread_count(self) -> int:
        return max(1, int(self._configs.broker_values()["log.cleaner.threads"]))

    async def _run_thread(self, number: int) -> None:
        """Until there are to be fewer threads than this one's number says."""
        with ThreadPoolExecutor(1, thread_name_prefix=f"kafka-log-cleaner-thread-{number}") as thread:
            loop = asyncio.get_running_loop()
            while number < self._thread_count():
                values = self._configs.broker_values()
                topics = [topic for topic in self._topics.all() if topic.settings.compacted]
                work = loop.run_in_executor(thread, self.clean_dirtiest, topics, values, number)
                try:
                    cleaned = await asyncio.shield(work)
                except asyncio.CancelledError:
                    self._stopping.set()
                    await work
                    raise
                if not cleaned:
                    await asyncio.sleep(values["log.cleaner.backoff.ms"] / 1000)

    def clean_dirtiest(self, topics: Sequence[RunningTopic], values: Mapping[str, Any], number: int = 0) -> bool:
        """Clean the dirtiest of the logs that are due and in nobody's hand; false if there is none."""
        now_ms = int(time.time() * 1000)
        with self._choosing:
            best: Dirt | None = None
            for topic in topics:
                for partition in topic.partitions:
                    dirt = self._dirt_of(topic, partition, now_ms)
                    if dirt is not None and dirt.due and (best is None or dirt.ratio > best.ratio):
                        best = dirt
            if best is None:
                return False
            self._in_hand.add(best.partition.log)
        try:
            self._clean(best, now_ms, values, number)
        finally:
            with self._choosing:
                self._in_hand.discard(best.partition.log)
        return True

    def _dirt_of(self, topic: RunningTopic, partition: Partition, now_ms: int) -> Dirt | None:
        """None: nothing can be cleaned."""
        opened = partition.log
        if opened in self._uncleanable or opened in self._in_hand or not opened.writable:
            return None
        try:
            return measure(topic, partition, self._log_dirs.cleaned_offset(opened), now_ms)
        except (OSError, EngineError, KeyError):
            # Deleted meanwhile.
            return None

    def _clean(self, dirt: Dirt, now_ms: int, values: Mapping[str, Any], number: int) -> None:
        threads = max(1, values["log.cleaner.threads"])
        name = f"{dirt.topic.name}-{dirt.partition.index}"
        opened = dirt.partition.log
        started = time.monotonic()
        try:
            self._log_dirs.make_recoverable(opened, dirt.limit_offset)
            cleaning = Cleaning(
                opened,
                first_dirty_offset=dirt.first_dirty_offset,
                limit_offset=dirt.limit_offset,
                now_ms=now_ms,
                delete_retention_ms=dirt.topic.settings.delete_retention_ms,
                map_size_bytes=values["log.cleaner.dedupe.buffer.size"] // threads,
                map_load_factor=values["log.cleaner.io.buffer.load.factor"],
            )
            try:
                done = self._drive(cleaning, values["log.cleaner.io.max.bytes.per.second"] / threads)
                stats = cleaning.stats
            finally:
                cleaning.close()
                # Also those of a cleaning that was cut short: each group that took its place is there for good.
                self._log_dirs.condemn_dropped(opened, delay_s=dirt.topic.settings.file_delete_delay_ms / 1000)
            if done:
                self._log_dirs.write_cleaned_offset(opened, stats.end_offset)
                announce(name, dirt, stats, time.monotonic() - started, number)
        except StaleCleaningError as stale:
            log.info("Cleaning of %s is put off: %s", name, stale)
        except ClosedError:
            # Deleted meanwhile, or failed: whoever closed it has said so.
            return
        except Exception as error:
            self._uncleanable.add(opened)
            log.error("Cannot clean %s, which is not tried again until the broker is restarted: %s", name, error)

    def _drive(self, cleaning: Cleaning, bytes_per_second_max: float) -> bool:
        """Step until the end; false if a stop was asked for before."""
        started, section = time.monotonic(), None
        while not self._stopping.is_set():
            request = cleaning.step(section, size_bytes=STEP_BYTES)
            section = None
            match request.need:
                case "done":
                    return True
                case "decompress":
                    section = decompress(request.codec, request.section)
                case "compress":
                    section = compress(request.codec, request.section)
                case "again":
                    stats = cleaning.stats
                    moved = stats.map_bytes_read + stats.copy_bytes_read + stats.bytes_written
                    ahead_s = moved / bytes_per_second_max - (time.monotonic() - started)
                    if ahead_s > 0:
                        self._stopping.wait(ahead_s)
        return False


def measure(topic: RunningTopic, partition: Partition, cleaned_offset: int, now_ms: int) -> Dirt | None:
    """How dirty a log is. None: there is nothing that could be cleaned."""
    settings = topic.settings
    opened = partition.log
    segments = opened.segments()
    if len(segments) < 2:
        return None
    start, active_base = opened.log_start_offset, segments[-1].base_offset
    first_dirty = cleaned_offset if start <= cleaned_offset <= active_base else start
    limit = min(partition.last_stable_offset, active_base)
    clean_bytes = dirty_bytes = 0
    oldest_dirty: SegmentInfo | None = None
    for segment, following in pairwise(segments):
        if following.base_offset > limit:
            break
        if following.base_offset <= first_dirty:
            clean_bytes += segment.size_bytes
            continue
        if settings.min_compaction_lag_ms > 0 and segment.max_timestamp > now_ms - settings.min_compaction_lag_ms:
            limit = segment.base_offset
            break
        if segment.base_offset < first_dirty:
            clean_bytes += segment.size_bytes
        dirty_bytes += segment.size_bytes
        oldest_dirty = oldest_dirty or segment
    if oldest_dirty is None or dirty_bytes == 0:
        return None
    return Dirt(
        topic=topic,
        partition=partition,
        first_dirty_offset=first_dirty,
        limit_offset=limit,
        ratio=dirty_bytes / (clean_bytes + dirty_bytes),
        overdue=settings.max_compaction_lag_ms < LONG_MAX
        and now_ms - first_timestamp(opened, oldest_dirty) > settings.max_compaction_lag_ms,
    )


def first_timestamp(opened: Log, segment: SegmentInfo) -> int:
    """That of a segment's first batch, or the segment's newest where it has none."""
    batch = opened.read(segment.base_offset, 1)
    return BatchHeader.load(batch).max_timestamp if batch else segment.max_timestamp


def announce(name: str, dirt: Dirt, stats: CleaningStats, seconds: float, number: int) -> None:
    log.info(
        "Log cleaner thread %d cleaned log %s (dirty section = [%d, %d]): %d bytes read, %d bytes written, %d keys, "
        "%d of %d records kept, %d segments made of %d, in %.3f seconds",
        number,
        name,
        dirt.first_dirty_offset,
        stats.end_offset,
        stats.map_bytes_read + stats.copy_bytes_read,
        stats.bytes_written,
        stats.key_count,
        stats.records_kept,
        stats.copy_records,
        stats.segments_after,
        stats.segments_before,
        seconds,
    )

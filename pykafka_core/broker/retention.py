"""Retention: old segments go, by age and by size.

Every log.retention.check.interval.ms each log whose cleanup.policy contains `delete` is looked at; the first pass comes
30 seconds after the start, as in Kafka. Of the other logs only what lies below their log start offset goes
(DeleteRecords).

    log.expire           decides, in C, and raises the log start offset: clients see it from here on
    write_log_starts     the new start is on disk
    log.drop_segments    the files get the suffix `.deleted`
    condemn_dropped      they are unlinked after file.delete.delay.ms, for the sake of those who still read them

Threads: `Retention.run` belongs to asyncio; a pass over the logs runs on a worker thread.
Source: org.apache.kafka.storage.internals.log.LogManager.cleanupLogs, UnifiedLog.deleteOldSegments.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pykafka_core.native import ClosedError, EngineError

if TYPE_CHECKING:
    from pykafka_core.broker.log_dirs import LogDirs
    from pykafka_core.broker.topic_configs import TopicSettings
    from pykafka_core.broker.topics import RunningTopic, Topics
    from pykafka_core.native import ExpiredSegment, Partition

__all__ = ["Retention"]

log = logging.getLogger("kafka.log.LogManager")
segment_log = logging.getLogger("kafka.log.UnifiedLog")

NO_LIMIT: Final = -1


class Retention:
    def __init__(self, *, topics: Topics, log_dirs: LogDirs, initial_delay_ms: int, interval_ms: int) -> None:
        self._topics: Final = topics
        self._log_dirs: Final = log_dirs
        self._initial_delay_ms: Final = initial_delay_ms
        self._interval_ms: Final = interval_ms

    async def run(self) -> None:
        """Pass over all logs at each interval, until cancelled."""
        await asyncio.sleep(self._initial_delay_ms / 1000)
        while True:
            # A pass that was cancelled half-way would go on in its thread while the logs are being closed.
            work = asyncio.ensure_future(asyncio.to_thread(self.clean, list(self._topics.all())))
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                await work
                raise
            await asyncio.sleep(self._interval_ms / 1000)

    def clean(self, topics: Sequence[RunningTopic]) -> None:
        """One pass over these topics. What fails is logged, and does not keep the other logs from their turn."""
        started = time.monotonic()
        log.debug("Beginning log cleanup...")
        bytes_deleted = 0
        for topic in topics:
            for partition in topic.partitions:
                try:
                    bytes_deleted += self._clean_partition(topic, partition)
                except ClosedError:
                    # Deleted meanwhile, or failed: whoever closed it has said so.
                    continue
                except (OSError, EngineError) as error:
                    log.error("Cannot drop old segments of %s-%d: %s", topic.name, partition.index, error)
        elapsed = time.monotonic() - started
        log.debug("Log cleanup completed. %d bytes deleted in %.3f seconds", bytes_deleted, elapsed)

    def _clean_partition(self, topic: RunningTopic, partition: Partition) -> int:
        settings = topic.settings
        limits = "delete" in settings.cleanup_policy
        expired = partition.log.expire(
            settings.retention_ms if limits else NO_LIMIT,
            settings.retention_bytes if limits else NO_LIMIT,
            partition.high_watermark,
        )
        if not expired:
            return 0
        self._announce(topic, partition, expired)
        partition.wake()
        self._log_dirs.write_log_starts(partition.log)
        if partition.log.drop_segments():
            self._log_dirs.condemn_dropped(partition.log, delay_s=settings.file_delete_delay_ms / 1000)
        return sum(segment.size_bytes for segment in expired)

    def _announce(self, topic: RunningTopic, partition: Partition, expired: Sequence[ExpiredSegment]) -> None:
        """Kafka's lines: what goes and why, and where the log begins from here on."""
        where = f"[UnifiedLog partition={topic.name}-{partition.index}, dir={os.path.dirname(partition.log.directory)}]"
        size_after = partition.log.size_bytes
        for segment in expired:
            size_after -= segment.size_bytes
            segment_log.info(
                "%s Deleting segment LogSegment(baseOffset=%d, size=%d, largestRecordTimestamp=%s) due to %s",
                where,
                segment.base_offset,
                segment.size_bytes,
                segment.max_timestamp if segment.max_timestamp >= 0 else "none",
                reason_of(segment, topic.settings, size_after),
            )
        start = partition.log.log_start_offset
        segment_log.info("%s Incremented log start offset to %d due to segment deletion", where, start)


def reason_of(segment: ExpiredSegment, settings: TopicSettings, size_after: int) -> str:
    if segment.reason == "time":
        basis = "based on the largest record timestamp in the segment"
        return f"log retention time {settings.retention_ms}ms breach {basis}"
    if segment.reason == "size":
        return (
            f"log retention size {settings.retention_bytes} breach. Log size after deletion will be {size_after}."
        )
    return "log start offset breach: all of its records lie below the log start offset"

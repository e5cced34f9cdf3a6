"""The topics that this broker runs: their logs, their partitions, and the table in which the reactors look them up.

The metadata says which topics there are; this is what they are made of here. A topic's entry in the reactors' table
is immutable: whoever changes a topic makes a new entry and publishes the whole table, so that a reactor sees a topic
as it was or as it is.

Thread: asyncio. The logs are safe from any thread.
"""

from __future__ import annotations

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.topic_names import INTERNAL_TOPICS
from pykafka_core.native import Partition, Topic, TopicConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Final

    from pykafka_core.broker.log_dirs import LogDirs
    from pykafka_core.broker.topic_configs import TopicSettings
    from pykafka_core.metadata.image import PartitionImage, TopicImage

__all__ = ["LogConfig", "RunningTopic", "Topics", "native_log_config", "native_topic_config"]

LogConfig = tuple[int, int, int, int, int]
"""What a log obeys: segment.bytes, segment.ms, segment.index.bytes, index.interval.bytes, producer.id.expiration.ms."""

CODECS: Final = {"producer": -1, "uncompressed": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""Attribute value that stored batches have, by compression.type; -1: whatever the producer chose."""

HIGH_WATERMARK: Final = -1
NO_CHECK: Final = -1


class RunningTopic:
    """A topic with its open logs. `partitions[i].index == i`."""

    __slots__ = ("codec", "name", "native", "partitions", "settings", "topic_id")

    def __init__(self, *, name: str, topic_id: bytes, settings: TopicSettings, partitions: Sequence[Partition]) -> None:
        self.name: Final = name
        self.topic_id: Final = topic_id
        self.settings: Final = settings
        self.codec: Final = CODECS[settings.compression_type]
        """The codec that stored batches have; -1: the producer's."""
        self.partitions: Final = tuple(partitions)
        self.native: Final = Topic(name, topic_id, native_topic_config(name, settings), self.partitions)


def native_topic_config(name: str, settings: TopicSettings) -> TopicConfig:
    """The settings of a topic that the data path obeys."""
    return TopicConfig(
        max_message_bytes=settings.max_message_bytes,
        log_append_time=settings.log_append_time,
        timestamp_before_max_ms=settings.message_timestamp_before_max_ms,
        timestamp_after_max_ms=settings.message_timestamp_after_max_ms,
        flush_messages=settings.flush_messages,
        compacted=settings.compacted,
        codec=CODECS[settings.compression_type],
        min_insync_replicas=settings.min_insync_replicas,
        internal=name in INTERNAL_TOPICS,
    )


def native_log_config(settings: TopicSettings, broker_values: Mapping[str, Any]) -> LogConfig:
    """The settings of a topic that its logs obey. `broker_values`: with the dynamic ones."""
    # The active segment is not compacted, so it must be closed before its first record has waited for too long.
    segment_ms = min(settings.segment_ms, settings.max_compaction_lag_ms) if settings.compacted else settings.segment_ms
    return (
        settings.segment_bytes,
        segment_ms,
        settings.segment_index_bytes,
        settings.index_interval_bytes,
        broker_values["producer.id.expiration.ms"],
    )


class Topics:
    def __init__(
        self, *, log_dirs: LogDirs, publish: Callable[[Sequence[Topic]], None], node_id: int
    ) -> None:
        self._log_dirs: Final = log_dirs
        self._node_id: Final = node_id
        self._publish: Final = publish
        self._by_name: Final[dict[str, RunningTopic]] = {}
        self._by_id: Final[dict[bytes, RunningTopic]] = {}

    # ---- looking up

    def find(self, name: str) -> RunningTopic | None:
        return self._by_name.get(name)

    def find_by_id(self, topic_id: bytes) -> RunningTopic | None:
        return self._by_id.get(topic_id)

    def all(self) -> Iterable[RunningTopic]:
        return self._by_name.values()

    def led_partition(self, name: str, index: int, current_leader_epoch: int = NO_CHECK) -> Partition:
        """Return a partition that this broker leads. Raises RequestError if it does not, or in another epoch
        (KIP-320)."""
        topic = self._by_name.get(name)
        if topic is None or not 0 <= index < len(topic.partitions):
            from pykafka_core.protocol.errors import ErrorCode

            raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        partition = topic.partitions[index]
        if current_leader_epoch not in (NO_CHECK, partition.leader_epoch):
            from pykafka_core.protocol.errors import ErrorCode

            fenced = current_leader_epoch < partition.leader_epoch
            raise RequestError(ErrorCode.FENCED_LEADER_EPOCH if fenced else ErrorCode.UNKNOWN_LEADER_EPOCH)
        return partition

    # ---- changing what runs

    def put(self, topics: Iterable[RunningTopic]) -> None:
        """Run these topics, in place of those of the same names."""
        for topic in topics:
            self._by_name[topic.name] = topic
            self._by_id[topic.topic_id] = topic
        self._publish_all()

    def remove(self, topics: Iterable[RunningTopic]) -> None:
        """Let clients no longer reach these topics. Their logs stay open."""
        for topic in topics:
            del self._by_name[topic.name]
            del self._by_id[topic.topic_id]
        self._publish_all()

    def opened(self, image: TopicImage, settings: TopicSettings, broker_values: Mapping[str, Any]) -> RunningTopic:
        """Open the logs of a topic that the metadata knows. Raises OSError or EngineError."""
        log_config = native_log_config(settings, broker_values)
        partitions = [
            self.open_partition(image, partition, log_config, compacted=settings.compacted)
            for partition in image.partitions
        ]
        return self.made(image, settings, partitions)

    def open_partition(
        self, image: TopicImage, partition: PartitionImage, log_config: LogConfig, *, compacted: bool
    ) -> Partition:
        """Open one log of a topic that the metadata knows, on any thread. Raises OSError or EngineError."""
        place = partition.directory_of(self._node_id)
        log = self._log_dirs.open(
            image.name, image.topic_id, partition.partition_id, log_config, directory_id=place, compacted=compacted
        )
        if not log.offline:
            log.assign_epoch(partition.leader_epoch)
        return Partition(partition.partition_id, log, partition.leader_epoch)

    @staticmethod
    def made(image: TopicImage, settings: TopicSettings, partitions: Sequence[Partition]) -> RunningTopic:
        """A topic of these partitions."""
        return RunningTopic(name=image.name, topic_id=image.topic_id, settings=settings, partitions=partitions)

    def is_offline(self, name: str, index: int) -> bool:
        """Whether the log of a partition lies in a directory that has failed."""
        topic = self._by_name.get(name)
        return topic is not None and index < len(topic.partitions) and topic.partitions[index].log.offline

    def _publish_all(self) -> None:
        self._publish([topic.native for topic in self._by_name.values()])

    # ---- care

    async def delete_records(self, name: str, index: int, offset: int) -> int:
        """Raise the log start offset of a partition, durably; return it. Raises RequestError."""
        import asyncio

        from pykafka_core.protocol.errors import ErrorCode

        partition = self.led_partition(name, index)
        if name in INTERNAL_TOPICS:
            raise RequestError(ErrorCode.INVALID_TOPIC_EXCEPTION)
        if self._by_name[name].settings.cleanup_policy == ("compact",):
            raise RequestError(ErrorCode.POLICY_VIOLATION)
        log = partition.log
        high_watermark = partition.high_watermark
        target = high_watermark if offset == HIGH_WATERMARK else offset
        if not 0 <= target <= high_watermark:
            raise RequestError(ErrorCode.OFFSET_OUT_OF_RANGE)
        if target > log.log_start_offset:
            log.raise_start_offset(target)
            if log.drop_segments():
                settings = self._by_name[name].settings
                self._log_dirs.condemn_dropped(log, delay_s=settings.file_delete_delay_ms / 1000)
            partition.wake()
            await asyncio.to_thread(self._log_dirs.write_log_starts, log)
        start: int = log.log_start_offset
        return start

"""The committed offsets of one group.

Invariants:
  1. What can be fetched is in the log: a commit is seen once its record was appended.
  2. An offset expires only while nobody can be using it: the group is empty, or has no members by its nature, or (a
     consumer group) no longer subscribes to the topic.

Offsets that transactions have sent and not yet ended are in `pending` (pending_offsets.py). Source: KIP-211, KIP-447;
org.apache.kafka.coordinator.group.OffsetMetadataManager.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pykafka_core.coordinator.classic import ClassicGroup, GroupState
from pykafka_core.coordinator.consumer_group import ConsumerGroup
from pykafka_core.coordinator.effects import KeyValue
from pykafka_core.coordinator.events import (
    CommitOffsets,
    CommittedOffset,
    FetchOffsets,
    GroupConfig,
    Now,
    OffsetsAnswer,
    TopicPartition,
)
from pykafka_core.coordinator.pending_offsets import PendingOffsets
from pykafka_core.coordinator.records import offset_record, offset_tombstone
from pykafka_core.protocol.errors import ErrorCode

__all__ = ["CommittedOffsets"]

NONE: Final = -1
NO_TOPIC_ID: Final = bytes(16)


def utf16_size(text: str) -> int:
    """The length that Kafka finds: UTF-16 units are what offset.metadata.max.bytes counts, its name notwithstanding."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


class CommittedOffsets:
    def __init__(self, group_id: str, config: GroupConfig) -> None:
        self._group_id: Final = group_id
        self._config: Final = config
        self.committed: Final[dict[TopicPartition, CommittedOffset]] = {}
        self.pending: Final = PendingOffsets()

    def plan_commit(
        self, event: CommitOffsets, now: Now
    ) -> tuple[dict[TopicPartition, ErrorCode], dict[TopicPartition, CommittedOffset]]:
        """What each partition is to be answered if the log takes the offsets, and those offsets."""
        limit = self._config.offset_metadata_max_bytes
        expire_ms = NONE if event.retention_ms == NONE else now.wall_ms + event.retention_ms
        answers: dict[TopicPartition, ErrorCode] = {}
        offsets: dict[TopicPartition, CommittedOffset] = {}
        for partition, offset, leader_epoch, metadata, topic_id in event.offsets:
            if len(metadata) * 2 > limit and utf16_size(metadata) > limit:
                answers[partition] = ErrorCode.OFFSET_METADATA_TOO_LARGE
                continue
            answers[partition] = ErrorCode.NONE
            offsets[partition] = CommittedOffset(offset, leader_epoch, metadata, now.wall_ms, expire_ms, topic_id)
        return answers, offsets

    def put(self, offsets: Mapping[TopicPartition, CommittedOffset]) -> None:
        """The log has taken these offsets."""
        self.committed.update(offsets)
        self.pending.supersede(offsets)

    def records(self, offsets: Mapping[TopicPartition, CommittedOffset]) -> list[KeyValue]:
        return [offset_record(self._group_id, partition, committed) for partition, committed in offsets.items()]

    def fetch(self, event: FetchOffsets) -> OffsetsAnswer:
        wanted: Iterable[TopicPartition] = self.committed if event.partitions is None else event.partitions
        found: dict[TopicPartition, CommittedOffset | ErrorCode | None] = {}
        for partition in wanted:
            if event.require_stable and partition in self.pending:
                found[partition] = ErrorCode.UNSTABLE_OFFSET_COMMIT
            else:
                committed = self.committed.get(partition)
                topic_id = event.topic_ids.get(partition[0])
                if committed and topic_id and committed.topic_id not in (topic_id, NO_TOPIC_ID):
                    committed = None  # of a topic that had this name before
                found[partition] = committed
        return OffsetsAnswer(offsets=found)

    def expired(self, group: ClassicGroup | ConsumerGroup, now: Now) -> list[TopicPartition]:
        """The partitions whose offsets nobody has used for too long."""
        if isinstance(group, ConsumerGroup):
            since = NONE
            subscribed = group.subscribed_topics()
        elif group.protocol_type is None or (group.state is GroupState.EMPTY and group.state_ms == NONE):
            since = NONE
            subscribed = frozenset()
        elif group.state is GroupState.EMPTY:
            since = group.state_ms
            subscribed = frozenset()
        elif group.state is GroupState.STABLE and (topics := group.subscribed_topics()) is not None:
            since = NONE
            subscribed = topics
        else:
            return []
        return [
            partition
            for partition, committed in self.committed.items()
            if partition[0] not in subscribed
            and partition not in self.pending
            and self._is_expired(committed, committed.commit_ms if since == NONE else since, now)
        ]

    def _is_expired(self, committed: CommittedOffset, since_ms: int, now: Now) -> bool:
        if committed.expire_ms != NONE:
            return now.wall_ms >= committed.expire_ms
        return now.wall_ms - since_ms >= self._config.offsets_retention_ms

    def of_topics(self, topics: frozenset[str]) -> list[TopicPartition]:
        return [partition for partition in self.all_partitions() if partition[0] in topics]

    def all_partitions(self) -> list[TopicPartition]:
        """Those with an offset, committed or pending."""
        return [*self.committed, *(each for each in self.pending if each not in self.committed)]

    def __contains__(self, partition: TopicPartition) -> bool:
        return partition in self.committed or partition in self.pending

    def tombstones(self, partitions: Sequence[TopicPartition]) -> list[KeyValue]:
        return [offset_tombstone(self._group_id, partition) for partition in partitions]

    def drop(self, partitions: Sequence[TopicPartition]) -> None:
        for partition in partitions:
            self.committed.pop(partition, None)
        self.pending.drop(partitions)

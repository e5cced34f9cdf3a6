"""Offsets of one group that transactions have sent and not yet ended.

Invariants:
  1. What is pending is in the log, and cannot be fetched. A commit makes it the committed offset, an abort nothing.
  2. The later record counts: an offset that was committed outside the transaction after the transaction had sent its
     own stays, also when the transaction commits; a deletion takes what is pending as well.
  3. A partition is unstable from the first pending offset to the end of the last transaction that sent one, or until
     its offset is deleted.

Source: KIP-98, KIP-447; org.apache.kafka.coordinator.group.OffsetMetadataManager.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pykafka_core.coordinator.events import CommittedOffset, TopicPartition

__all__ = ["PendingOffsets"]


class PendingOffsets:
    def __init__(self) -> None:
        self._by_producer: Final[dict[int, dict[TopicPartition, CommittedOffset | None]]] = {}
        """None: an offset that was committed later takes precedence."""

    def __bool__(self) -> bool:
        return bool(self._by_producer)

    def __contains__(self, partition: TopicPartition) -> bool:
        return any(partition in sent for sent in self._by_producer.values())

    def __iter__(self) -> Iterator[TopicPartition]:
        return iter({partition for sent in self._by_producer.values() for partition in sent})

    def put(self, producer_id: int, offsets: Mapping[TopicPartition, CommittedOffset | None]) -> None:
        self._by_producer.setdefault(producer_id, {}).update(offsets)

    def supersede(self, partitions: Iterable[TopicPartition]) -> None:
        """Offsets of these partitions were committed outside the transactions."""
        if self._by_producer:
            for partition in partitions:
                for sent in self._by_producer.values():
                    if partition in sent:
                        sent[partition] = None

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """Offsets of these partitions were deleted."""
        if self._by_producer:
            for partition in partitions:
                for sent in self._by_producer.values():
                    sent.pop(partition, None)
            for producer_id in [each for each, sent in self._by_producer.items() if not sent]:
                del self._by_producer[producer_id]

    def end(self, producer_id: int) -> dict[TopicPartition, CommittedOffset]:
        """The producer's transaction is over: what it commits, if it commits."""
        sent = self._by_producer.pop(producer_id, {})
        return {partition: offset for partition, offset in sent.items() if offset is not None}

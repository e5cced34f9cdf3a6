"""Markers: how a partition learns that a transaction has ended there.

One broker leads all partitions, so what the coordinator would send to others is done here at once. The errors are
those of WriteTxnMarkers; UNKNOWN_TOPIC_OR_PARTITION means that the partition exists no more. A marker in
__consumer_offsets also ends what the producer has sent to groups.

Thread: asyncio. Source: kafka.server.KafkaApis.handleWriteTxnMarkersRequest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pykafka_core.broker.groups import OFFSETS_TOPIC
from pykafka_core.protocol.errors import ErrorCode

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups
    from pykafka_core.broker.syncs import Synced, Syncs
    from pykafka_core.broker.topics import Topics
    from pykafka_core.coordinator.events import TopicPartition
    from pykafka_core.metadata.store import MetadataStore

__all__ = ["Markers"]

log = logging.getLogger("kafka.coordinator.transaction.TransactionMarkerChannelManager")


class Markers:
    def __init__(self, *, store: MetadataStore, topics: Topics, syncs: Syncs, groups: Callable[[], Groups]) -> None:
        """`groups`: asked for when a marker goes to __consumer_offsets."""
        self._store: Final = store
        self._topics: Final = topics
        self._syncs: Final = syncs
        self._groups: Final = groups

    def write(
        self,
        place: TopicPartition,
        *,
        producer_id: int,
        epoch: int,
        coordinator_epoch: int,
        commit: bool,
        transaction_version: int,
    ) -> ErrorCode:
        """End the producer's transaction in this partition."""
        name, index = place
        topic = self._topics.find(name)
        if topic is None or not 0 <= index < len(topic.partitions):
            return self._why_not_there(place)
        if producer_id < 0 or epoch < 0:
            return ErrorCode.UNKNOWN_SERVER_ERROR
        is_offsets = name == OFFSETS_TOPIC
        if is_offsets and self._groups().is_loading_partition(index):
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        outcome = topic.partitions[index].append_marker(
            topic.native.config,
            producer_id=producer_id,
            producer_epoch=epoch,
            coordinator_epoch=coordinator_epoch,
            commit=commit,
            transaction_version=transaction_version,
        )
        if outcome.error_code:
            error = ErrorCode(outcome.error_code)
            if error == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                error = self._why_not_there(place)
            log.warning(
                "%s-%d does not take the marker of producer %d, epoch %d: %s",
                name,
                index,
                producer_id,
                epoch,
                error.name,
            )
            return error
        self._syncs.appended(topic, index)
        if is_offsets:
            self._groups().end_transaction(index, producer_id, commit=commit)
        return ErrorCode.NONE

    def _why_not_there(self, place: TopicPartition) -> ErrorCode:
        """Only what the metadata do not have is gone. What they have, and is not run or is closed, is on its way up or
        down, or to another log directory: the transaction is not over before its marker is there."""
        name, index = place
        image = self._store.image.topics.get(name)
        exists = image is not None and 0 <= index < len(image.partitions)
        return ErrorCode.NOT_LEADER_OR_FOLLOWER if exists else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    def pending(self, place: TopicPartition) -> Synced | None:
        """What must be waited for before a transaction with a marker there may be said to be complete; see
        syncs.py."""
        topic = self._topics.find(place[0])
        return None if topic is None or place[1] >= len(topic.partitions) else self._syncs.pending(topic, place[1])

"""The cluster's topics as group coordinators see them, one view for each revision of the metadata.

What is known of a topic is kept as long as the topic is the same, so that a view costs nothing until somebody asks.

Thread: asyncio; `names` of a view may be called on any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from pykafka_core.coordinator.topics import Topic
from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord
from pykafka_core.protocol.records.metadata.partition_record import PartitionRecord
from pykafka_core.protocol.records.metadata.remove_topic_record import RemoveTopicRecord
from pykafka_core.protocol.records.metadata.topic_record import TopicRecord

if TYPE_CHECKING:
    from pykafka_core.metadata.image import MetadataImage, TopicImage
    from pykafka_core.metadata.store import MetadataChange

__all__ = ["GroupTopics", "TopicViews", "topics_changed"]

NAMED: Final = TopicRecord.API_KEY
BY_ID: Final = frozenset({PartitionRecord.API_KEY, PartitionChangeRecord.API_KEY, RemoveTopicRecord.API_KEY})


def topics_changed(change: MetadataChange) -> frozenset[str]:
    """The names of topics that were created, changed or deleted by this step of the metadata."""
    topics = change.image.topics
    before = change.previous
    known: Mapping[str, TopicImage] = {} if before is None else before.topics
    if topics is known:
        return frozenset()
    if change.records is None or before is None:
        return frozenset(name for name in topics.keys() | known.keys() if topics.get(name) is not known.get(name))
    names = set()
    for record in change.records:
        if record.API_KEY == NAMED:
            names.add(record.name)  # type: ignore[attr-defined]
        elif record.API_KEY in BY_ID:
            topic_id: bytes = record.topic_id  # type: ignore[attr-defined]
            name = change.image.topic_names.get(topic_id) or before.topic_names.get(topic_id)
            if name is not None:
                names.add(name)
    return frozenset(names)


class TopicViews:
    def __init__(self) -> None:
        self._known: Final[dict[str, tuple[TopicImage, Topic]]] = {}

    def of(self, image: MetadataImage) -> GroupTopics:
        return GroupTopics(image, self._known)

    def forget(self, names: Iterable[str]) -> None:
        for name in names:
            self._known.pop(name, None)


class GroupTopics:
    def __init__(self, image: MetadataImage, known: dict[str, tuple[TopicImage, Topic]]) -> None:
        self._image: Final = image
        self._known: Final = known

    @property
    def version(self) -> int:
        return self._image.revision

    def names(self) -> Iterable[str]:
        return self._image.topics

    def by_name(self, name: str) -> Topic | None:
        image = self._image.topics.get(name)
        return None if image is None else self._topic(image)

    def by_id(self, topic_id: bytes) -> Topic | None:
        image = self._image.topic_by_id(topic_id)
        return None if image is None else self._topic(image)

    def _topic(self, image: TopicImage) -> Topic:
        known = self._known.get(image.name)
        if known is not None and known[0] is image:
            return known[1]
        brokers = self._image.brokers
        racks = tuple(
            tuple(
                broker.rack
                for replica in partition.replicas
                if (broker := brokers.get(replica)) is not None and broker.rack is not None
            )
            for partition in image.partitions
        )
        topic = Topic(image.name, image.topic_id, racks)
        self._known[image.name] = (image, topic)
        return topic

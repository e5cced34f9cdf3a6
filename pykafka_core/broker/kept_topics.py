"""What clients are told about topics, kept in encoded form for as long as what it was made from.

A fleet of clients that comes back asks for the same topics again and again, and to write a partition costs more than to
send it. So the answer to Metadata, and to DescribeTopicPartitions, is joined from an encoded part for each topic:

    health = kept.health()
    part = kept.part(MetadataResponse, version, topic_image, health, make)      made by make(), or as it was made before

A part is as good as new while
  1. the metadata has the same topic image: images are immutable, so leaders, replicas and their epochs are the same;
  2. the topic runs as the same RunningTopic: a move to another log directory or more partitions make another one;
  3. the same log directories work: a failed one takes its partitions offline.
Whatever depends on the one who asks (addresses, authorised operations) is not in it, or is part of the key (`variant`).

Parts are made when they are first asked for; where they would take more than BYTES_MAX, all are forgotten.

Thread: asyncio.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pykafka_core.metadata.image import MetadataImage, TopicImage
from pykafka_core.protocol._codec import Encoded, encode_struct
from pykafka_core.protocol.message import Message, Struct

if TYPE_CHECKING:
    from pykafka_core.metadata.store import MetadataStore

__all__ = ["KeptTopics"]

BYTES_MAX: Final = 16 * 1024 * 1024
PART_OVERHEAD: Final = 200
"""About what a part takes beside its bytes."""

Key = tuple[type[Message], int, object]


class _Topic:
    """The parts of one topic, and what they were made from."""

    __slots__ = ("health", "image", "parts", "running")

    def __init__(self, image: TopicImage, running: object, health: object) -> None:
        self.image = image
        self.running = running
        self.health = health
        self.parts: dict[Key, Encoded] = {}


class KeptTopics:
    def __init__(
        self,
        store: MetadataStore,
        *,
        running: Callable[[str], object],
        health: Callable[[], object],
        bytes_max: int = BYTES_MAX,
    ) -> None:
        """`running`: what a topic of this name runs as, another object whenever it runs in another way. `health`: equal
        for as long as the same log directories work; to be asked for once per answer, and again after waiting."""
        self._store: Final = store
        self._running: Final = running
        self.health: Final = health
        self._bytes_max: Final = bytes_max
        self._image: MetadataImage | None = None
        self._topics: dict[str, _Topic] = {}
        self._size_bytes = 0

    def part(
        self,
        cls: type[Message],
        version: int,
        image: TopicImage,
        health: object,
        make: Callable[[], Struct],
        variant: object = None,
    ) -> Encoded:
        """A topic as part of a message `cls` in this version."""
        if self._store.image is not self._image:
            self._forget_deleted()
        name = image.name
        running = self._running(name)
        topic = self._topics.get(name)
        if topic is None or topic.image is not image or topic.running is not running or topic.health != health:
            if topic is not None:
                self._size_bytes -= size_of(topic)
            topic = self._topics[name] = _Topic(image, running, health)
        key = cls, version, variant
        part = topic.parts.get(key)
        if part is None:
            part = encode_struct(cls, version, make())
            self._size_bytes += len(part.data) + PART_OVERHEAD
            if self._size_bytes > self._bytes_max:
                self._topics.clear()
                self._size_bytes = 0
                return part
            topic.parts[key] = part
        return part

    def _forget_deleted(self) -> None:
        self._image = self._store.image
        there = self._image.topics
        self._topics = {name: topic for name, topic in self._topics.items() if there.get(name) is topic.image}
        self._size_bytes = sum(map(size_of, self._topics.values()))

    @property
    def size_bytes(self) -> int:
        return self._size_bytes


def size_of(topic: _Topic) -> int:
    return sum(len(part.data) + PART_OVERHEAD for part in topic.parts.values())

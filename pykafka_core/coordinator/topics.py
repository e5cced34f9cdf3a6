"""What groups need to know of the cluster's topics, and the hash by which a change of them is noticed.

A `TopicsImage` is an immutable view of one revision of the metadata; the broker makes one whenever topics change and
sends it with `TopicsChanged`. Topic ids are 16 bytes.

Source: KIP-1101; org.apache.kafka.coordinator.group.Utils.computeTopicHash and computeGroupHash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import pack
from typing import Final, NamedTuple, Protocol

from pykafka_core.coordinator.xxh3 import xxh3_64

__all__ = ["NO_TOPICS", "Topic", "TopicHashes", "TopicsImage"]

HASH_VERSION: Final = 0


class Topic(NamedTuple):
    name: str
    topic_id: bytes
    racks: tuple[tuple[str, ...], ...]
    """For each partition the racks of its replicas, as far as brokers say theirs."""

    @property
    def partition_count(self) -> int:
        return len(self.racks)


class TopicsImage(Protocol):
    """The topics that there are at one revision."""

    @property
    def version(self) -> int:
        """Revision of the metadata."""

    def by_name(self, name: str) -> Topic | None: ...

    def by_id(self, topic_id: bytes) -> Topic | None: ...

    def names(self) -> Iterable[str]: ...


class _NoTopics:
    version: Final = -1

    def by_name(self, name: str) -> Topic | None:
        return None

    def by_id(self, topic_id: bytes) -> Topic | None:
        return None

    def names(self) -> Sequence[str]:
        return ()


NO_TOPICS: Final[TopicsImage] = _NoTopics()


class TopicHashes:
    """Hashes of topics, each computed once while the topic stays as it is."""

    def __init__(self) -> None:
        self._known: Final[dict[str, int]] = {}

    def forget(self, names: Iterable[str]) -> None:
        for name in names:
            self._known.pop(name, None)

    def of_group(self, names: Iterable[str], topics: TopicsImage) -> int:
        """The hash of all topics of these names that exist, signed; 0 if there are none."""
        data = b"".join(pack("<Q", value) for _, value in sorted(self._of_topics(names, topics)))
        return _signed(xxh3_64(data)) if data else 0

    def _of_topics(self, names: Iterable[str], topics: TopicsImage) -> Iterable[tuple[bytes, int]]:
        for name in names:
            value = self._known.get(name)
            if value is None:
                topic = topics.by_name(name)
                if topic is None:
                    continue
                value = self._known[name] = topic_hash(topic)
            # Java sorts strings by their UTF-16 units.
            yield name.encode("utf-16-be"), value


def topic_hash(topic: Topic) -> int:
    """Utils.computeTopicHash, unsigned. Numbers are little-endian, strings UTF-16 units and then their count."""
    parts = [
        pack("<B", HASH_VERSION),
        topic.topic_id[7::-1],
        topic.topic_id[:7:-1],
        _string(topic.name),
        pack("<i", topic.partition_count),
    ]
    for partition, racks in enumerate(topic.racks):
        parts.append(pack("<i", partition))
        for rack in sorted(racks):
            parts += [pack("<i", len(rack.encode("utf-16-le")) // 2), _string(rack)]
    return xxh3_64(b"".join(parts))


def _string(text: str) -> bytes:
    units = text.encode("utf-16-le")
    return units + pack("<i", len(units) // 2)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value

"""What classic consumers tell each other through the broker, which a consumer group must understand: the embedded
consumer protocol.

    subscription   int16 version, ConsumerProtocolSubscription; a newer version is read as the newest that is known
    assignment     int16 version, ConsumerProtocolAssignment

Source: org.apache.kafka.clients.consumer.internals.ConsumerProtocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from pykafka_core.protocol._codec import decode, encode
from pykafka_core.protocol.exceptions import ProtocolError
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.consumer_protocol_assignment import ConsumerProtocolAssignment
from pykafka_core.protocol.messages.consumer_protocol_assignment import TopicPartition as AssignedPartitions
from pykafka_core.protocol.messages.consumer_protocol_subscription import ConsumerProtocolSubscription

__all__ = ["Subscription", "read_assignment", "read_subscription", "version_of", "write_assignment"]

M = TypeVar("M", bound=Message)


class Subscription(NamedTuple):
    topics: frozenset[str]
    owned: Mapping[str, frozenset[int]]
    rack_id: str | None


def version_of(data: bytes) -> int:
    """The version that the data begins with. Raises ProtocolError."""
    if len(data) < 2:
        raise ProtocolError("the consumer protocol's version is missing", value=len(data), limit=2)
    version = int.from_bytes(data[:2], "big", signed=True)
    if version < 0:
        raise ProtocolError("the consumer protocol's version is negative", value=version, limit=0)
    return version


def read_subscription(data: bytes) -> Subscription:
    """Raises ProtocolError."""
    found = _read(ConsumerProtocolSubscription, data)
    return Subscription(
        frozenset(found.topics),
        {each.topic: frozenset(each.partitions) for each in found.owned_partitions},
        found.rack_id or None,
    )


def read_assignment(data: bytes) -> tuple[dict[str, frozenset[int]], bytes]:
    """Partitions by topic name, and what an assignor of the members' own added. Raises ProtocolError."""
    if not data:
        return {}, b""
    found = _read(ConsumerProtocolAssignment, data)
    assigned = {each.topic: frozenset(each.partitions) for each in found.assigned_partitions}
    return assigned, bytes(found.user_data or b"")


def write_assignment(version: int, assigned: Iterable[tuple[str, Iterable[int]]]) -> bytes:
    version = min(version, ConsumerProtocolAssignment.VERSION_MAX)
    message = ConsumerProtocolAssignment(
        assigned_partitions=[
            AssignedPartitions(topic=topic, partitions=sorted(partitions)) for topic, partitions in assigned
        ]
    )
    return version.to_bytes(2, "big") + encode(message, version)


def _read(kind: type[M], data: bytes) -> M:
    found, _ = decode(kind, min(version_of(data), kind.VERSION_MAX), data, 2)
    return found

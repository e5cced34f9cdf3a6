"""What the members of a classic group tell their leader, through the broker: what they want and what they have.

    int16 version, ConsumerProtocolSubscription     version 1 adds the partitions a member has, 2 their generation

The user data belongs to the assignor. Both sticky ones put there what older versions of the message had no room for:

    sticky               [topic, [partition]] and, since its version 1, int32 generation
    cooperative-sticky   int32 generation

Kafka's sticky assignor reads its user data alone, as its members have given everything up before they join.

Source: org.apache.kafka.clients.consumer.{StickyAssignor,CooperativeStickyAssignor}, ConsumerProtocol.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from pykafka_core.client.assignors import COOPERATIVE_STICKY, STICKY
from pykafka_core.client.groups import by_topic
from pykafka_core.client.sticky import Claim
from pykafka_core.protocol._codec import decode, encode
from pykafka_core.protocol.exceptions import ProtocolError
from pykafka_core.protocol.messages import consumer_protocol_subscription as m

__all__ = ["read_claim", "write_subscription"]

TopicPartition = tuple[str, int]

UNKNOWN = -1


def write_subscription(
    assignor: str,
    topics: Sequence[str],
    owned: Sequence[TopicPartition],
    generation: int,
    previous: tuple[Sequence[TopicPartition], int],
) -> bytes:
    """`owned`: what the member keeps while it joins; `previous`: what it was assigned last, and in which generation."""
    user_data: bytes | None = None
    if assignor == STICKY and previous[1] >= 0:
        user_data = write_previous(*previous)
    elif assignor == COOPERATIVE_STICKY:
        user_data = struct.pack(">i", generation)
    message = m.ConsumerProtocolSubscription(
        topics=sorted(topics),
        user_data=user_data,
        owned_partitions=[
            m.TopicPartition(topic=topic, partitions=indexes) for topic, indexes in by_topic(owned).items()
        ],
        generation_id=generation,
    )
    version = m.ConsumerProtocolSubscription.VERSION_MAX
    return version.to_bytes(2, "big") + encode(message, version)


def read_claim(assignor: str, data: bytes) -> Claim:
    """Raises ProtocolError. User data that cannot be read makes a member without a past, as with Kafka."""
    if len(data) < 2:
        raise ProtocolError("the consumer protocol's version is missing", value=len(data), limit=2)
    version = min(int.from_bytes(data[:2], "big"), m.ConsumerProtocolSubscription.VERSION_MAX)
    found: Any
    found, _ = decode(m.ConsumerProtocolSubscription, version, data, 2)
    user_data = bytes(found.user_data or b"")
    if assignor == STICKY:
        owned, generation = read_previous(user_data)
        return Claim(found.topics, owned, generation)
    generation = found.generation_id
    if version < 2:
        generation = struct.unpack(">i", user_data)[0] if len(user_data) == 4 else UNKNOWN
    owned = [(each.topic, index) for each in found.owned_partitions for index in each.partitions]
    return Claim(found.topics, owned, generation)


def write_previous(previous: Sequence[TopicPartition], generation: int) -> bytes:
    topics = by_topic(previous)
    data = [struct.pack(">i", len(topics))]
    for topic, indexes in topics.items():
        name = topic.encode()
        data += [struct.pack(">h", len(name)), name, struct.pack(f">{len(indexes) + 1}i", len(indexes), *indexes)]
    return b"".join([*data, struct.pack(">i", generation)])


def read_previous(data: bytes) -> tuple[list[TopicPartition], int]:
    """Partitions and generation; the latter is unknown in version 0."""
    places: list[TopicPartition] = []
    try:
        (count,), at = struct.unpack_from(">i", data), 4
        for _ in range(count):
            (length,) = struct.unpack_from(">h", data, at)
            topic = data[at + 2 : at + 2 + length].decode()
            at += 2 + length
            (number,) = struct.unpack_from(">i", data, at)
            places += [(topic, index) for index in struct.unpack_from(f">{number}i", data, at + 4)]
            at += 4 + 4 * number
        generation = struct.unpack_from(">i", data, at)[0] if len(data) - at >= 4 else UNKNOWN
    except (struct.error, ValueError):
        return [], UNKNOWN
    return places, generation

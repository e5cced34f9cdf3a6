"""A client of few instructions: prepared frames over a socket, so that the broker is what takes the time.

Produce v8 and Fetch v11, the last versions that name topics.
"""

from __future__ import annotations

import socket
import struct
import time

from pykafka_core import records
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.create_topics_request import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from pykafka_core.protocol.messages.delete_topics_request import DeleteTopicsRequest
from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData

PRODUCE_VERSION, FETCH_VERSION = 8, 11
CREATE_TOPICS_VERSION, DELETE_TOPICS_VERSION = 4, 3
PARTITION_BYTES_MAX = 1 << 20


def receive(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise ConnectionError("the broker closed the connection")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def receive_frame(connection: socket.socket) -> bytes:
    return receive(connection, struct.unpack(">i", receive(connection, 4))[0])


def call(connection: socket.socket, key: ApiKey, version: int, body: Message) -> Message:
    connection.sendall(encode_request(key, version, 1, "bench", body, with_length=True))
    return decode_response(key, version, receive_frame(connection))[1]


def create_topic(connection: socket.socket, name: str, partitions: int = 1, **configs: str | int) -> None:
    wanted = [CreatableTopicConfig(name=key.replace("_", "."), value=str(value)) for key, value in configs.items()]
    topic = CreatableTopic(name=name, num_partitions=partitions, replication_factor=1, configs=wanted)
    answer = call(connection, ApiKey.CREATE_TOPICS, CREATE_TOPICS_VERSION, CreateTopicsRequest(topics=[topic]))
    if answer.topics[0].error_code:  # type: ignore[attr-defined]
        raise RuntimeError(f"topic {name}: {answer!r}")


def delete_topic(connection: socket.socket, name: str) -> None:
    body = DeleteTopicsRequest(topic_names=[name], timeout_ms=30_000)
    answer = call(connection, ApiKey.DELETE_TOPICS, DELETE_TOPICS_VERSION, body)
    if answer.responses[0].error_code:  # type: ignore[attr-defined]
        raise RuntimeError(f"topic {name}: {answer!r}")


def batch_of(count: int, size: int) -> bytes:
    now = time.time_ns() // 1_000_000
    return records.encode([records.Record(i, now, None, bytes(size)) for i in range(count)])


def produce_frame(topic: str, batch: bytes, *, acks: int = 1, partition: int = 0) -> bytes:
    data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=partition, records=batch)])
    body = ProduceRequest(acks=acks, timeout_ms=30_000, topic_data=[data])
    return encode_request(ApiKey.PRODUCE, PRODUCE_VERSION, 1, "bench", body, with_length=True)


def fetch_frame(topic: str, offset: int, *, wait_ms: int = 0, bytes_max: int = PARTITION_BYTES_MAX) -> bytes:
    part = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=bytes_max)
    body = FetchRequest(max_wait_ms=wait_ms, min_bytes=1, topics=[FetchTopic(topic=topic, partitions=[part])])
    return encode_request(ApiKey.FETCH, FETCH_VERSION, 1, "bench", body, with_length=True)


def check_produced(frame: bytes) -> None:
    """Raises unless this answers a produce_frame with success."""
    _, answer = decode_response(ApiKey.PRODUCE, PRODUCE_VERSION, frame)
    (part,) = answer.responses[0].partition_responses
    if part.error_code:
        raise RuntimeError(f"produce failed: {answer!r}")


def fetched(frame: bytes) -> bytes:
    """The records in the answer to a fetch_frame."""
    _, answer = decode_response(ApiKey.FETCH, FETCH_VERSION, frame)
    (part,) = answer.responses[0].partitions
    if answer.error_code or part.error_code:
        raise RuntimeError(f"fetch failed: {answer!r}")
    return bytes(part.records or b"")


def batches_in(answer: bytes | memoryview) -> int:
    """How many whole batches the answer to a fetch_frame holds, found by their lengths alone.

    For loads that read much: the codec would copy the records. Raises if the answer names an error.
    """
    name_size = struct.unpack_from(">h", answer, _TOPIC_AT)[0]
    at = _TOPIC_AT + 2 + name_size + 4 + 4
    if struct.unpack_from(">h", answer, 8)[0] or struct.unpack_from(">h", answer, at)[0]:
        raise RuntimeError(f"fetch failed: {bytes(answer[:200])!r}")
    at += 2 + 8 + 8 + 8
    at += 4 + max(0, struct.unpack_from(">i", answer, at)[0]) * 16 + 4
    at, end, batches = at + 4, len(answer), 0
    while end - at >= 12:
        at += 12 + struct.unpack_from(">i", answer, at + 8)[0]
        batches += at <= end
    if batches == 0:
        raise RuntimeError("fetch brought no whole batch")
    return batches


_TOPIC_AT = 4 + 4 + 2 + 4 + 4
"""In a fetch answer, behind correlation id, throttle time, error, session id and the count of topics."""

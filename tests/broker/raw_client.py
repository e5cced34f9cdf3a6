"""A client for tests of the broker: our codec over a blocking socket, one request at a time, nothing retried."""

from __future__ import annotations

import itertools
import socket
import struct
from types import TracebackType
from typing import Any, Self

from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.message import Message
from pykafka_core.records import Codec, encode

TIMEOUT_S = 60.0


class RawClient:
    def __init__(self, bootstrap: str, *, client_id: str = "raw") -> None:
        host, _, port = bootstrap.rpartition(":")
        self.socket = socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S)
        self.client_id = client_id
        self._ids = itertools.count(1)

    def call(self, request: Message, version: int) -> Any:
        """Send a request and return the decoded response."""
        correlation_id = self.send(request, version)
        found, response = decode_response(request.API_KEY, version, self.receive())
        assert found == correlation_id
        return response

    def send(self, request: Message, version: int) -> int:
        correlation_id = next(self._ids)
        self.socket.sendall(
            encode_request(request.API_KEY, version, correlation_id, self.client_id, request, with_length=True)
        )
        return correlation_id

    def receive(self) -> bytes:
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise ConnectionError("the broker closed the connection")
            data += piece
        return bytes(data)

    def is_closed(self) -> bool:
        """Wait until the broker closes; false if it sends something instead."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def batch_of(
    *values: bytes, timestamp: int = 1_700_000_000_000, codec: int = Codec.NONE, key: bytes | None = b"k"
) -> bytes:
    """One record batch with a record for each value, a millisecond apart."""
    return encode(
        [(offset, timestamp + offset, key, value) for offset, value in enumerate(values)], codec=codec, leader_epoch=-1
    )


def create_topic(client: RawClient, name: str, partitions: int = 1, **configs: object) -> bytes:
    """Create a topic and return its id. Config names have `_` for `.`."""
    from pykafka_core.protocol.messages.create_topics_request import (
        CreatableTopic,
        CreatableTopicConfig,
        CreateTopicsRequest,
    )

    topic = CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=1,
        configs=[CreatableTopicConfig(name=key.replace("_", "."), value=str(value)) for key, value in configs.items()],
    )
    (result,) = client.call(CreateTopicsRequest(topics=[topic]), 7).topics
    assert result.error_code == 0, result
    topic_id: bytes = result.topic_id
    return topic_id


def produce(
    client: RawClient, topic: str | bytes, *batches: bytes, acks: int = 1, version: int = 8, first_partition: int = 0
) -> list[Any]:
    """Produce one batch to each of some partitions; return the partitions' answers. `topic`: id from version 13 on."""
    from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData

    data = [PartitionProduceData(index=first_partition + i, records=batch) for i, batch in enumerate(batches)]
    named = {"topic_id": topic} if isinstance(topic, bytes) else {"name": topic}
    request = ProduceRequest(acks=acks, timeout_ms=5000, topic_data=[TopicProduceData(partition_data=data, **named)])
    answer = client.call(request, version)
    partitions: list[Any] = answer.responses[0].partition_responses
    return partitions


def fetch(client: RawClient, topic: str, partition: int = 0, offset: int = 0) -> bytes:
    """Fetch from one partition and return the bytes."""
    from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic

    wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=1 << 20)
    request = FetchRequest(
        max_wait_ms=100, min_bytes=1, max_bytes=1 << 20, topics=[FetchTopic(topic=topic, partitions=[wanted])]
    )
    (found,) = client.call(request, 11).responses[0].partitions
    assert found.error_code == 0, found
    return bytes(found.records or b"")

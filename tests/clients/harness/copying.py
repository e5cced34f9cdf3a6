"""What tests of copying in transactions share: the topics "in" and "out", of the same number of partitions."""

from __future__ import annotations

import socket
import time
from typing import Any

from harness.broker import Broker
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.messages.offset_fetch_request import OffsetFetchRequest, OffsetFetchRequestTopic

PARTITIONS = 3


def call(broker: Broker, key: ApiKey, version: int, body: Any) -> Any:
    with socket.create_connection(broker.address, 60) as connection, connection.makefile("rb") as answers:
        connection.sendall(encode_request(key, version, 1, "test", body, with_length=True))
        size = int.from_bytes(answers.read(4), "big")
        return decode_response(key, version, answers.read(size))[1]


def copied(broker: Broker, group: str = "copier") -> int:
    """How many records of "in" the committed offsets say are done."""
    asked = [OffsetFetchRequestTopic(name="in", partition_indexes=list(range(PARTITIONS)))]
    answer = call(broker, ApiKey.OFFSET_FETCH, 7, OffsetFetchRequest(group_id=group, topics=asked))
    if answer.error_code:
        return 0
    return sum(max(each.committed_offset, 0) for each in answer.topics[0].partitions)


def fill(bootstrap: str, count: int) -> None:
    """Write the numbers below `count` to "in", in turn to its partitions."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "enable.idempotence": True})
    for number in range(count):
        producer.produce("in", str(number).encode(), partition=number % PARTITIONS)
    assert producer.flush(60) == 0


def read_committed(bootstrap: str) -> dict[int, list[str]]:
    """All that a consumer is shown of "out", up to the last stable offset, which must be the end."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed",
        "auto.offset.reset": "earliest", "enable.auto.commit": False, "enable.partition.eof": True,
    })  # fmt: skip
    consumer.assign([TopicPartition("out", index, 0) for index in range(PARTITIONS)])
    seen: dict[int, list[str]] = {index: [] for index in range(PARTITIONS)}
    ended: set[int] = set()
    deadline = time.monotonic() + 60
    while len(ended) < PARTITIONS:
        assert time.monotonic() < deadline, "the last stable offset does not reach the end"
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error():
            ended.add(message.partition())
        else:
            seen[message.partition()].append(message.value().decode())
    consumer.close()
    return seen

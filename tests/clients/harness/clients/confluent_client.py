"""confluent-kafka: librdkafka through its Python binding."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from harness.clients.base import SECONDS, Client, Offsets, Start
from harness.presence import MissingError
from harness.records import Record, librdkafka_partition

ACKS = {"0": 0, "1": 1, "all": -1}


class Confluent(Client):
    name = "confluent-kafka"

    def check(self) -> None:
        try:
            import confluent_kafka  # noqa: F401
        except ImportError as error:
            raise MissingError(f"no confluent-kafka ({error})") from error

    def version(self) -> str:
        import confluent_kafka

        return f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})"

    def partition(self, key: bytes | None, partitions: int) -> int:
        return librdkafka_partition(key, partitions)

    def create_topic(self, bootstrap: str, topic: str, partitions: int) -> None:
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": bootstrap})
        for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
            future.result(SECONDS)

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Record], *, codec: str, acks: str, idempotent: bool
    ) -> list[tuple[int, int]]:
        from confluent_kafka import Producer

        producer = Producer({
            "bootstrap.servers": bootstrap, "compression.type": codec, "acks": ACKS[acks],
            "enable.idempotence": idempotent, "linger.ms": 5, "batch.num.messages": 10,
        })  # fmt: skip
        where: list[tuple[int, int]] = [(-1, -1)] * len(records)
        failures: list[str] = []

        def report(index: int) -> Any:
            def delivered(error: Any, message: Any) -> None:
                if error is not None:
                    failures.append(f"record {index}: {error}")
                else:
                    offset = message.offset()
                    where[index] = (message.partition(), -1 if offset is None else offset)

            return delivered

        for i, r in enumerate(records):
            options: dict[str, Any] = {}
            if r.timestamp >= 0:
                options["timestamp"] = r.timestamp
            if r.partition >= 0:
                options["partition"] = r.partition
            producer.produce(
                topic, value=r.value, key=r.key, headers=list(r.headers) or None, on_delivery=report(i), **options
            )
        left = producer.flush(SECONDS)
        assert (left, failures) == (0, []), f"{left} records not delivered"
        return where

    def consume(self, bootstrap: str, topic: str, start: Mapping[int, Start], until: Offsets) -> list[Record]:
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

        consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False,
            "auto.offset.reset": "error", "fetch.wait.max.ms": 50, "check.crcs": True,
        })  # fmt: skip
        try:
            positions = []
            for partition, begin in start.items():
                number = OFFSET_BEGINNING if begin.number < 0 else begin.number
                if begin.kind == "timestamp":
                    query = [TopicPartition(topic, partition, begin.number)]
                    number = consumer.offsets_for_times(query, timeout=SECONDS)[0].offset
                positions.append(TopicPartition(topic, partition, number))
            consumer.assign(positions)
            found: list[Record] = []
            waiting = {
                p for p, end in until.items() if (end > 0 and start[p].number < end) or start[p].kind != "offset"
            }
            deadline = time.monotonic() + SECONDS
            while waiting:
                assert time.monotonic() < deadline, f"partitions {waiting} did not reach {until}"
                for message in consumer.consume(500, timeout=0.05):
                    assert message.error() is None, str(message.error())
                    headers = tuple((n, v) for n, v in message.headers() or ())
                    found.append(Record(
                        partition=message.partition(), offset=message.offset(), key=message.key(),
                        value=message.value(), headers=headers, timestamp=message.timestamp()[1],
                    ))  # fmt: skip
                    if message.offset() + 1 >= until[message.partition()]:
                        waiting.discard(message.partition())
            return found
        finally:
            consumer.close()

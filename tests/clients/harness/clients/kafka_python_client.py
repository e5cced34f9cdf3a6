"""kafka-python 3: pure Python, newest protocol versions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from harness.clients.base import SECONDS, Client, Offsets, Start, as_record, without_null_headers
from harness.presence import MissingError
from harness.records import Record


class KafkaPython(Client):
    name = "kafka-python"

    def check(self) -> None:
        try:
            import kafka  # noqa: F401
        except ImportError as error:
            raise MissingError(f"no kafka-python ({error})") from error

    def version(self) -> str:
        import kafka

        return str(kafka.__version__)

    def can_write(self, records: Sequence[Record]) -> list[Record]:
        return without_null_headers(records)  # its producer accepts header values of type bytes only

    def create_topic(self, bootstrap: str, topic: str, partitions: int) -> None:
        from kafka.admin import KafkaAdminClient, NewTopic

        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        try:
            admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1)])
        finally:
            admin.close()

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Record], *, codec: str, acks: str, idempotent: bool
    ) -> list[tuple[int, int]]:
        from kafka import KafkaProducer

        producer = KafkaProducer(
            bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec,
            acks=acks if acks == "all" else int(acks), enable_idempotence=idempotent, linger_ms=5, batch_size=2048,
        )  # fmt: skip
        try:
            futures = [
                producer.send(topic, value=r.value, key=r.key, headers=list(r.headers),
                              partition=r.partition if r.partition >= 0 else None,
                              timestamp_ms=r.timestamp if r.timestamp >= 0 else None)
                for r in records
            ]  # fmt: skip
            producer.flush(SECONDS)
            sent: list[Any] = [future.get(SECONDS) for future in futures]
        finally:
            producer.close()
        return [(each.partition, each.offset) for each in sent]

    def consume(self, bootstrap: str, topic: str, start: Mapping[int, Start], until: Offsets) -> list[Record]:
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="none",
            fetch_max_wait_ms=50, check_crcs=True,
        )  # fmt: skip
        try:
            partitions = {p: TopicPartition(topic, p) for p in until}
            consumer.assign(list(partitions.values()))
            for p, begin in start.items():
                if begin.kind == "timestamp":
                    answer = consumer.offsets_for_times({partitions[p]: begin.number})[partitions[p]]
                    consumer.seek(partitions[p], until[p] if answer is None else answer.offset)
                elif begin.number < 0:
                    consumer.seek_to_beginning(partitions[p])
                else:
                    consumer.seek(partitions[p], begin.number)
            found: list[Record] = []
            deadline = time.monotonic() + SECONDS
            while any(consumer.position(partitions[p]) < end for p, end in until.items()):
                assert time.monotonic() < deadline, f"not all records came: {len(found)}, {until}"
                for several in consumer.poll(timeout_ms=100).values():
                    found += map(as_record, several)
            return found
        finally:
            consumer.close()

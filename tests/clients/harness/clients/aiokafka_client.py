"""aiokafka: speaks old, non-flexible versions only, so it keeps those honest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from harness.clients.base import SECONDS, Client, Offsets, Start, as_record
from harness.presence import MissingError
from harness.records import Record


class AioKafka(Client):
    name = "aiokafka"

    def check(self) -> None:
        try:
            import aiokafka  # noqa: F401
        except ImportError as error:
            raise MissingError(f"no aiokafka ({error})") from error

    def version(self) -> str:
        import aiokafka

        return str(aiokafka.__version__)

    def create_topic(self, bootstrap: str, topic: str, partitions: int) -> None:
        from aiokafka.admin import AIOKafkaAdminClient, NewTopic

        async def create() -> None:
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
            await admin.start()
            try:
                await admin.create_topics([NewTopic(topic, partitions, 1)])
            finally:
                await admin.close()

        asyncio.run(asyncio.wait_for(create(), SECONDS))

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Record], *, codec: str, acks: str, idempotent: bool
    ) -> list[tuple[int, int]]:
        from aiokafka import AIOKafkaProducer

        async def send() -> list[tuple[int, int]]:
            producer = AIOKafkaProducer(
                bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec,
                acks=acks if acks == "all" else int(acks), enable_idempotence=idempotent, linger_ms=5,
                max_batch_size=65536,
            )  # fmt: skip
            await producer.start()
            try:
                futures: list[Any] = [
                    await producer.send(topic, value=r.value, key=r.key, headers=list(r.headers),
                                        partition=r.partition if r.partition >= 0 else None,
                                        timestamp_ms=r.timestamp if r.timestamp >= 0 else None)
                    for r in records
                ]  # fmt: skip
                await producer.flush()
                sent = [await future for future in futures]
            finally:
                await producer.stop()
            return [(-1, -1) if each is None else (each.partition, each.offset) for each in sent]

        return asyncio.run(asyncio.wait_for(send(), SECONDS))

    def consume(self, bootstrap: str, topic: str, start: Mapping[int, Start], until: Offsets) -> list[Record]:
        from aiokafka import AIOKafkaConsumer, TopicPartition

        async def read() -> list[Record]:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="none",
                fetch_max_wait_ms=50, check_crcs=True,
            )  # fmt: skip
            await consumer.start()
            try:
                partitions = {p: TopicPartition(topic, p) for p in until}
                consumer.assign(list(partitions.values()))
                for p, begin in start.items():
                    if begin.kind == "timestamp":
                        answer = (await consumer.offsets_for_times({partitions[p]: begin.number}))[partitions[p]]
                        consumer.seek(partitions[p], until[p] if answer is None else answer.offset)
                    elif begin.number < 0:
                        await consumer.seek_to_beginning(partitions[p])
                    else:
                        consumer.seek(partitions[p], begin.number)
                found: list[Record] = []
                while True:
                    behind = [p for p, end in until.items() if await consumer.position(partitions[p]) < end]
                    if not behind:
                        return found
                    for several in (await consumer.getmany(timeout_ms=100)).values():
                        found += map(as_record, several)
            finally:
                await consumer.stop()

        return asyncio.run(asyncio.wait_for(read(), SECONDS))

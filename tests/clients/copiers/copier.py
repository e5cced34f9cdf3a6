"""Copies topic "in" to "out", record by record and partition by partition, in transactions that hold the offsets too.

    copier.py CLIENT BOOTSTRAP SEED

Every fifth transaction or so is aborted after its records were written; such records bear an "x" before their number,
so that a reader who is shown one can tell. Whatever goes wrong ends the process: who started it starts another, which
takes over the transactional id and begins at the committed offsets.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable

TOPIC, OUT, GROUP, ID, PARTITIONS = "in", "out", "copier", "copier", 3
SIZE_MAX = 40
ABORTED_SHARE = 0.2


def with_confluent(bootstrap: str, chance: random.Random) -> None:
    from confluent_kafka import Consumer, Producer, TopicPartition

    common = {
        "bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 50,
        # Else librdkafka 2.16 forgets its only broker and never finds the coordinator of the group again.
        "metadata.recovery.strategy": "none",
    }  # fmt: skip
    consumer = Consumer(
        common
        | {"group.id": GROUP, "enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50,
           "isolation.level": "read_committed"}
    )  # fmt: skip
    producer = Producer(common | {"transactional.id": ID, "transaction.timeout.ms": 20_000, "linger.ms": 1})
    producer.init_transactions(30)
    places = [TopicPartition(TOPIC, index) for index in range(PARTITIONS)]

    def begin_at_committed() -> None:
        for place in consumer.committed(places, timeout=30):
            place.offset = max(place.offset, 0)
            (consumer.seek if consumer.assignment() else started.append)(place)

    started: list[TopicPartition] = []
    begin_at_committed()
    consumer.assign(started)
    while True:
        messages = [each for each in consumer.consume(chance.randint(1, SIZE_MAX), 0.2) if not each.error()]
        if not messages:
            continue
        aborts = chance.random() < ABORTED_SHARE
        producer.begin_transaction()
        for each in messages:
            producer.produce(OUT, value_of(each.value(), aborts), partition=each.partition())
        producer.send_offsets_to_transaction(consumer.position(places), consumer.consumer_group_metadata(), 30)
        if aborts:
            producer.flush(30)
            producer.abort_transaction(30)
            begin_at_committed()
        else:
            producer.commit_transaction(30)


def value_of(value: bytes | None, aborts: bool) -> bytes:
    assert value is not None
    return b"x" + value if aborts else value


def with_aiokafka(bootstrap: str, chance: random.Random) -> None:
    asyncio.run(aiokafka_copier(bootstrap, chance))


async def aiokafka_copier(bootstrap: str, chance: random.Random) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

    places = [TopicPartition(TOPIC, index) for index in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=GROUP, enable_auto_commit=False, auto_offset_reset="earliest",
        isolation_level="read_committed", retry_backoff_ms=50,
    )  # fmt: skip
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=ID, transaction_timeout_ms=20_000, retry_backoff_ms=50
    )
    await producer.start()
    await consumer.start()
    consumer.assign(places)
    while True:
        found = await consumer.getmany(timeout_ms=200, max_records=chance.randint(1, SIZE_MAX))
        if not found:
            continue
        aborts = chance.random() < ABORTED_SHARE
        await producer.begin_transaction()
        sent = [
            await producer.send(OUT, value_of(each.value, aborts), partition=place.partition)
            for place, messages in found.items()
            for each in messages
        ]
        await producer.send_offsets_to_transaction(
            {place: messages[-1].offset + 1 for place, messages in found.items()}, GROUP
        )
        if aborts:
            await asyncio.gather(*sent)
            await producer.abort_transaction()
            for place in found:
                consumer.seek(place, await consumer.committed(place) or 0)
        else:
            await producer.commit_transaction()


def main() -> None:
    client, bootstrap, seed = sys.argv[1:]
    copiers: dict[str, Callable[[str, random.Random], None]] = {
        "confluent-kafka": with_confluent,
        "aiokafka": with_aiokafka,
    }
    copiers[client](bootstrap, random.Random(seed))


if __name__ == "__main__":
    main()

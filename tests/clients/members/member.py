"""One member of a consumer group, by one of the Python clients: a process of its own, so that it can be killed.

    member.py CLIENT BOOTSTRAP TOPIC GROUP OUT SESSION_MS

It writes to OUT, a line each and flushed before it goes on, what it is told and what it has done:

    A 0,1,2       these partitions are mine now (cooperative: in all)
    R 1 7 value   record 7 of partition 1 is processed
    C 1 8         the commit of offset 8 in partition 1 is acknowledged

SIGTERM lets it leave its group and end.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import Any

CLIENT, BOOTSTRAP, TOPIC, GROUP, OUT, SESSION_MS = (*sys.argv[1:6], int(sys.argv[6]))
HEARTBEAT_MS = SESSION_MS // 5
out = open(OUT, "a", buffering=1)  # noqa: SIM115
mine: set[int] = set()
stopping = False


def say(*words: object) -> None:
    print(*words, file=out, flush=True)


def assigned(partitions: set[int]) -> None:
    mine.clear()
    mine.update(partitions)
    say("A", ",".join(map(str, sorted(mine))))


def stop(*_: object) -> None:
    global stopping
    stopping = True


def confluent(protocol: str) -> None:
    """`protocol`: "range" or "cooperative-sticky", or "consumer" for the new one (KIP-848)."""
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    is_new = protocol == "consumer"
    own: dict[str, Any] = (
        {"group.protocol": protocol}
        if is_new
        else {
            "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": HEARTBEAT_MS,
            "partition.assignment.strategy": protocol,
        }
    )
    consumer = Consumer({
        **own, "bootstrap.servers": BOOTSTRAP, "group.id": GROUP, "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 50, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 50,
        "topic.metadata.refresh.interval.ms": 1000,
    })  # fmt: skip

    def gained(_: Any, partitions: list[Any]) -> None:
        assigned((set() if protocol == "range" else mine) | {each.partition for each in partitions})

    def lost(_: Any, partitions: list[Any]) -> None:
        mine.difference_update(each.partition for each in partitions)
        if is_new:  # nothing may be gained afterwards
            assigned(set(mine))

    consumer.subscribe([TOPIC], on_assign=gained, on_revoke=lost, on_lost=lost)
    while not stopping:
        ends: dict[int, int] = {}
        for message in consumer.consume(100, 0.1):
            if message.error() is None:
                say("R", message.partition(), message.offset(), message.value().decode())
                ends[message.partition()] = message.offset() + 1
        if ends:
            try:
                offsets = [TopicPartition(TOPIC, *end) for end in ends.items()]
                done = consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException:
                continue
            for each in done:
                if each.error is None:
                    say("C", each.partition, each.offset)
    consumer.close()


def kafka_python() -> None:
    from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
    from kafka.errors import KafkaError
    from kafka.structs import OffsetAndMetadata

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        def on_partitions_revoked(self, revoked: Any) -> None:
            mine.difference_update(each.partition for each in revoked)

        def on_partitions_assigned(self, gained: Any) -> None:
            assigned({each.partition for each in gained})

    consumer = KafkaConsumer(
        bootstrap_servers=BOOTSTRAP, group_id=GROUP, session_timeout_ms=SESSION_MS, heartbeat_interval_ms=HEARTBEAT_MS,
        enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50, reconnect_backoff_max_ms=200,
        max_poll_records=100,
    )  # fmt: skip
    consumer.subscribe([TOPIC], listener=Listener())
    while not stopping:
        ends: dict[Any, Any] = {}
        for place, records in consumer.poll(timeout_ms=100).items():
            for record in records:
                say("R", record.partition, record.offset, record.value.decode())
            ends[place] = OffsetAndMetadata(records[-1].offset + 1, "", -1)
        if ends:
            try:
                consumer.commit(ends)
            except KafkaError:
                continue
            for place, end in ends.items():
                assert isinstance(place, TopicPartition)
                say("C", place.partition, end.offset)
    consumer.close()


async def aio() -> None:
    from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
    from aiokafka.errors import KafkaError

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        async def on_partitions_revoked(self, revoked: Any) -> None:
            mine.difference_update(each.partition for each in revoked)

        async def on_partitions_assigned(self, gained: Any) -> None:
            assigned({each.partition for each in gained})

    consumer = AIOKafkaConsumer(
        bootstrap_servers=BOOTSTRAP, group_id=GROUP, session_timeout_ms=SESSION_MS, heartbeat_interval_ms=HEARTBEAT_MS,
        enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50, retry_backoff_ms=50,
    )  # fmt: skip
    consumer.subscribe([TOPIC], listener=Listener())
    await consumer.start()
    while not stopping:
        ends: dict[Any, int] = {}
        for place, records in (await consumer.getmany(timeout_ms=100)).items():
            for record in records:
                say("R", record.partition, record.offset, record.value.decode())
            ends[place] = records[-1].offset + 1
        if ends:
            try:
                await consumer.commit(ends)
            except KafkaError:
                continue
            for place, end in ends.items():
                say("C", place.partition, end)
    await consumer.stop()


signal.signal(signal.SIGTERM, stop)
with contextlib.suppress(KeyboardInterrupt):
    if CLIENT == "aiokafka":
        asyncio.run(aio())
    elif CLIENT == "kafka-python":
        kafka_python()
    else:
        protocols = {"confluent-cooperative": "cooperative-sticky", "confluent-consumer": "consumer"}
        confluent(protocols.get(CLIENT, "range"))

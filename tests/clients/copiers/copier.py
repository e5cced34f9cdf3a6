"""Copies topic "in" to "out", record by record and partition by partition, in transactions that hold the offsets too.

    copier.py CLIENT BOOTSTRAP START JOURNAL

Every fifth transaction or so is aborted after its records were written. Whatever goes wrong ends the process: who
started it starts another, which takes over the transactional id and begins at the committed offsets. START counts the
processes. A copy has the value of its original and the key "0:SEQUENCE", unique among all that any process writes; an
original has the key "1:NUMBER". The journal says what this process did, a line for each step, "NANOSECONDS WORD
NUMBERS…" by CLOCK_MONOTONIC; a line is with the system before the step goes on, so that a SIGKILL takes none back:

    init                                        InitProducerId was answered
    asks, fetched PARTITION OFFSET …            the group's offsets
    seek                                        the consumer is set to other positions than it had come to
    begin
    read PARTITION OFFSET NUMBER                a record of "in"
    send SEQUENCE PARTITION TIMESTAMP NUMBER    its copy is about to be sent
    acked SEQUENCE OFFSET
    offsets PARTITION FIRST END                 about to be sent: this transaction goes from FIRST to END
    committing, committed                       before and after
    aborting, aborted

copier.js and java/Copier.java do the same. tests/clients/harness/account.py tells all of it to the history checker.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

TOPIC, OUT, GROUP, ID, PARTITIONS = "in", "out", "copier", "copier", 3
SIZE_MAX = 40
ABORTED_SHARE = 0.2
SEQUENCES = 10_000_000
"""Of one process."""


class Journal:
    def __init__(self, path: str, start: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._sequences = itertools.count(start * SEQUENCES)
        self.at: dict[int, int] = {}
        """How far each partition is committed."""

    def write(self, *lines: str) -> None:
        now = time.monotonic_ns()
        os.write(self._file, "".join(f"{now} {line}\n" for line in lines).encode())

    def fetched(self, offsets: dict[int, int]) -> None:
        self.write(*(f"fetched {partition} {offset}" for partition, offset in offsets.items()), "seek")
        self.at = dict(offsets)

    def begin(self, records: list[tuple[int, int, bytes]]) -> list[tuple[int, int]]:
        """A transaction that copies these: (partition, offset, key). Returns sequence and timestamp of each copy."""
        timestamp = int(time.time() * 1000)
        numbers = [int(key.split(b":")[1]) for _, _, key in records]
        sequences = [next(self._sequences) for _ in records]
        self.write(
            "begin",
            *(f"read {p} {offset} {number}" for (p, offset, _), number in zip(records, numbers, strict=True)),
            *(
                f"send {sequence} {p} {timestamp} {number}"
                for sequence, (p, _, _), number in zip(sequences, records, numbers, strict=True)
            ),
        )
        return [(sequence, timestamp) for sequence in sequences]

    def offsets(self, ends: dict[int, int]) -> None:
        self.write(*(f"offsets {partition} {self.at[partition]} {end}" for partition, end in ends.items()))

    def committed(self, ends: dict[int, int]) -> None:
        self.write("committed")
        self.at |= ends


def with_confluent(bootstrap: str, chance: random.Random, journal: Journal) -> None:
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
    journal.write("init")
    places = [TopicPartition(TOPIC, index) for index in range(PARTITIONS)]

    def begin_at_committed() -> None:
        journal.write("asks")
        found = consumer.committed(places, timeout=30)
        for place in found:
            place.offset = max(place.offset, 0)
            (consumer.seek if consumer.assignment() else started.append)(place)
        journal.fetched({place.partition: place.offset for place in found})

    def report(sequence: int) -> Callable[[Any, Any], None]:
        def delivered(error: Any, message: Any) -> None:
            if error is None:
                journal.write(f"acked {sequence} {message.offset()}")

        return delivered

    started: list[TopicPartition] = []
    begin_at_committed()
    consumer.assign(started)
    while True:
        messages = [each for each in consumer.consume(chance.randint(1, SIZE_MAX), 0.2) if not each.error()]
        if not messages:
            continue
        aborts = chance.random() < ABORTED_SHARE
        copies = journal.begin([(each.partition(), each.offset(), each.key()) for each in messages])
        producer.begin_transaction()
        for each, (sequence, timestamp) in zip(messages, copies, strict=True):
            producer.produce(
                OUT, each.value(), b"0:%d" % sequence, partition=each.partition(), timestamp=timestamp,
                on_delivery=report(sequence),
            )  # fmt: skip
        ends = {each.partition(): each.offset() + 1 for each in messages}
        journal.offsets(ends)
        producer.send_offsets_to_transaction(
            [TopicPartition(TOPIC, *end) for end in ends.items()], consumer.consumer_group_metadata(), 30
        )
        if aborts:
            producer.flush(30)
            journal.write("aborting")
            producer.abort_transaction(30)
            journal.write("aborted")
            begin_at_committed()
        else:
            journal.write("committing")
            producer.commit_transaction(30)
            journal.committed(ends)


def with_aiokafka(bootstrap: str, chance: random.Random, journal: Journal) -> None:
    asyncio.run(aiokafka_copier(bootstrap, chance, journal))


async def aiokafka_copier(bootstrap: str, chance: random.Random, journal: Journal) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    places = [TopicPartition(TOPIC, index) for index in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=GROUP, enable_auto_commit=False, auto_offset_reset="earliest",
        isolation_level="read_committed", retry_backoff_ms=50,
    )  # fmt: skip
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=ID, transaction_timeout_ms=20_000, retry_backoff_ms=50
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await producer.start()
    # It gets its producer id in the background. Offsets are asked for after that: they are stable then, which aiokafka
    # does not ask for.
    await producer.begin_transaction()
    journal.write("init")
    await producer.abort_transaction()
    await consumer.start()
    consumer.assign(places)

    async def committed() -> dict[TopicPartition, int]:
        """Not by consumer.committed(): aiokafka 0.14 ignores the error of an answer as a whole (OffsetFetch 2 on), so
        that a coordinator that still loads seems to have nothing. The answer to its administrator has no partitions
        then; where nothing is committed it has -1."""
        deadline = time.monotonic() + 30
        while True:
            try:
                found = await admin.list_consumer_group_offsets(GROUP, partitions=places)
                if len(found) == len(places):
                    return {place: max(each.offset, 0) for place, each in found.items()}
            except KafkaError as error:
                print(error)
            if time.monotonic() > deadline:
                raise TimeoutError("no offsets of the group")
            await asyncio.sleep(0.05)

    async def begin_at_committed() -> None:
        journal.write("asks")
        found = await committed()
        for place, offset in found.items():
            consumer.seek(place, offset)
        journal.fetched({place.partition: offset for place, offset in found.items()})

    def report(sequence: int) -> Callable[[asyncio.Future[Any]], None]:
        def delivered(future: asyncio.Future[Any]) -> None:
            if not future.cancelled() and future.exception() is None:
                journal.write(f"acked {sequence} {future.result().offset}")

        return delivered

    await begin_at_committed()
    while True:
        found = await consumer.getmany(timeout_ms=200, max_records=chance.randint(1, SIZE_MAX))
        messages = [each for some in found.values() for each in some]
        if not messages:
            continue
        aborts = chance.random() < ABORTED_SHARE
        copies = journal.begin([(each.partition, each.offset, each.key) for each in messages])
        await producer.begin_transaction()
        sent = []
        for each, (sequence, timestamp) in zip(messages, copies, strict=True):
            key = b"0:%d" % sequence
            future = await producer.send(OUT, each.value, key, partition=each.partition, timestamp_ms=timestamp)
            future.add_done_callback(report(sequence))
            sent.append(future)
        ends = {each.partition: each.offset + 1 for each in messages}
        journal.offsets(ends)
        await producer.send_offsets_to_transaction(
            {TopicPartition(TOPIC, partition): end for partition, end in ends.items()}, GROUP
        )
        if aborts:
            await asyncio.gather(*sent)
            journal.write("aborting")
            await producer.abort_transaction()
            journal.write("aborted")
            await begin_at_committed()
        else:
            journal.write("committing")
            await producer.commit_transaction()
            journal.committed(ends)


def main() -> None:
    client, bootstrap, start, journal = sys.argv[1:]
    copiers: dict[str, Callable[[str, random.Random, Journal], None]] = {
        "confluent-kafka": with_confluent,
        "aiokafka": with_aiokafka,
    }
    seed = os.environ.get("KC_TEST_SEED", "")
    copiers[client](bootstrap, random.Random(f"{seed} {start}"), Journal(journal, int(start)))


if __name__ == "__main__":
    main()

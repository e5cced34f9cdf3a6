"""Clients that write a history: producers that go on whatever happens to the broker, and a reader that drains it.

Two kinds of producers. `RawProducer` sends one batch at a time over a socket of its own and never repeats one: what it
was told is all there is to know. `librdkafka_producer` is a user's idempotent producer, which repeats by itself across
a restart.

Threads: each producer is one; the history has a lock.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from pykafka_core import records
from pykafka_core.protocol.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from tests.broker.raw_client import RawClient, fetch, produce
from tests.crash.history import FAILED, OK, UNKNOWN, History, content_of


class Recorder:
    """A history that several threads fill."""

    def __init__(self) -> None:
        self.history = History()
        self._lock = threading.Lock()
        self.acknowledged = 0
        self.refused: dict[int, int] = {}

    def sent(self, partition: int, producer: int, sequence: int, content: int, outcome: int, offset: int = -1) -> None:
        with self._lock:
            self.history.sent(partition, producer, sequence, content, outcome, offset)
            self.acknowledged += outcome == OK

    def refuse(self, error_code: int) -> None:
        with self._lock:
            self.refused[error_code] = self.refused.get(error_code, 0) + 1


class RawProducer(threading.Thread):
    """Sends batches of one to five records with acks=all to random partitions until it is told to stop."""

    def __init__(self, recorder: Recorder, bootstrap: str, topic: str, partitions: int, number: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.recorder, self.bootstrap, self.topic, self.partitions = recorder, bootstrap, topic, partitions
        self.number = number
        self.chance = random.Random(seed)
        self.stopping = threading.Event()
        self.sequence = 0
        self.answers = 0

    def run(self) -> None:
        client: RawClient | None = None
        while not self.stopping.is_set():
            try:
                if client is None:
                    client = RawClient(self.bootstrap)
                self._send(client)
            except OSError:
                client = None
                self.stopping.wait(0.01)
        if client:
            client.close()

    def _send(self, client: RawClient) -> None:
        partition = self.chance.randrange(self.partitions)
        first, timestamp = self.sequence, int(time.time() * 1000)
        count = self.chance.randint(1, 5)
        self.sequence += count
        key = [b"%d:%d" % (self.number, first + i) for i in range(count)]
        value = [self.chance.randbytes(self.chance.randint(1, 900)) for _ in range(count)]
        content = [content_of(key[i], value[i], timestamp + i) for i in range(count)]
        batch = records.encode([(i, timestamp + i, key[i], value[i]) for i in range(count)], leader_epoch=-1)
        outcome, offset = UNKNOWN, -1
        try:
            (answer,) = produce(client, self.topic, batch, acks=-1, first_partition=partition)
            self.answers += 1
            if answer.error_code == 0:
                outcome, offset = OK, answer.base_offset
            else:
                self.recorder.refuse(answer.error_code)
                # A storage error may come after the write: what failed to be synced may be there or not.
                outcome = UNKNOWN if answer.error_code == 56 else FAILED
                self.stopping.wait(0.02)
        finally:
            for i in range(count):
                place = offset + i if outcome == OK else -1
                self.recorder.sent(partition, self.number, first + i, content[i], outcome, place)


def librdkafka_producer(
    recorder: Recorder, bootstrap: str, topic: str, partitions: int, number: int, seed: int, stopping: threading.Event
) -> None:
    """confluent-kafka's idempotent producer, as a user has it; a fatal error ends it and the next one takes over."""
    from confluent_kafka import KafkaException, Message, Producer

    chance, sequence = random.Random(seed), 0
    while not stopping.is_set():
        producer = Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 2, "delivery.timeout.ms": 30000,
             "reconnect.backoff.max.ms": 100, "log_level": 0}
        )  # fmt: skip
        fatal = threading.Event()

        def delivered(
            sequence: int, content: int, partition: int, fatal: threading.Event = fatal
        ) -> Callable[[object, Message], None]:
            def report(error: object, message: Message) -> None:
                outcome = OK if error is None else UNKNOWN
                if error is not None:
                    fatal.set()
                recorder.sent(partition, number, sequence, content, outcome, message.offset() if error is None else -1)

            return report

        while not stopping.is_set() and not fatal.is_set():
            partition, timestamp = chance.randrange(partitions), int(time.time() * 1000)
            key, value = b"%d:%d" % (number, sequence), chance.randbytes(chance.randint(1, 900))
            told = delivered(sequence, content_of(key, value, timestamp), partition)
            try:
                producer.produce(topic, value, key, partition, on_delivery=told, timestamp=timestamp)
                sequence += 1
            except (BufferError, KafkaException):
                pass
            producer.poll(0.001)
        producer.flush(40)


def end_offset(client: RawClient, topic: str, partition: int, timestamp: int = -1) -> int:
    wanted = ListOffsetsPartition(partition_index=partition, timestamp=timestamp)
    request = ListOffsetsRequest(topics=[ListOffsetsTopic(name=topic, partitions=[wanted])])
    (found,) = client.call(request, 5).topics[0].partitions
    assert found.error_code == 0, found
    offset: int = found.offset
    return offset


def drain(recorder: Recorder, bootstrap: str, topic: str, partitions: int, session: int) -> int:
    """Reads every partition from its start to its end. Returns the number of records."""
    count = 0
    with RawClient(bootstrap) as client:
        for partition in range(partitions):
            end, offset = end_offset(client, topic, partition), end_offset(client, topic, partition, -2)
            recorder.history.marks(partition, offset, end, end, end)
            while offset < end:
                for record in whole_batches(fetch(client, topic, partition, offset)):
                    if record.offset < offset:
                        continue
                    number, _, sequence = (record.key or b"").partition(b":")
                    content = content_of(record.key, record.value, record.timestamp)
                    recorder.history.polled(session, partition, record.offset, int(number), int(sequence), content)
                    offset = record.offset + 1
                    count += 1
    return count


def whole_batches(data: bytes) -> list[records.Record]:
    """The records of the batches that came whole: the last one may be cut."""
    found: list[records.Record] = []
    at = 0
    while len(data) - at >= 12:
        size = 12 + int.from_bytes(data[at + 8 : at + 12], "big")
        if len(data) - at < size:
            break
        records.check_stored(data[at : at + size])
        found.extend(records.iterate(data[at : at + size]))
        at += size
    assert at > 0, "an answer without one whole batch"
    return found

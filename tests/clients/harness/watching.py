"""A read_committed consumer that reads a whole topic beside all that happens: confluent-kafka's, in its own thread."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from harness.broker import Broker
from harness.groups import await_that
from harness.requests import end_offsets

POLL_S = 0.1


@dataclass(slots=True, frozen=True)
class Seen:
    at: int
    """When it had come, by the machine's clock (time.monotonic_ns)."""
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes


class Watcher:
    def __init__(self, broker: Broker, topic: str, partitions: int) -> None:
        self.seen: list[Seen] = []
        self._broker, self._topic, self._partitions = broker, topic, partitions
        self._ends: dict[int, int] = {}
        """Where the end was that each partition was read to."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({
            "bootstrap.servers": self._broker.bootstrap, "group.id": "watcher", "isolation.level": "read_committed",
            "enable.auto.commit": False, "reconnect.backoff.max.ms": 200, "enable.partition.eof": True, "log_level": 0,
            # Else librdkafka 2.16 forgets its only broker while that is down.
            "metadata.recovery.strategy": "none",
        })  # fmt: skip
        consumer.assign([TopicPartition(self._topic, index, 0) for index in range(self._partitions)])
        while not self._stopping.is_set():
            message = consumer.poll(POLL_S)
            if message is None:
                continue
            if message.error():
                if message.error().name() == "_PARTITION_EOF":
                    self._ends[message.partition()] = message.offset()
                continue
            self.seen.append(Seen(
                time.monotonic_ns(), message.partition(), message.offset(), message.timestamp()[1],
                message.key() or b"", message.value() or b"",
            ))  # fmt: skip
        consumer.close()

    def read_to_end(self) -> None:
        """Until all that is there has been read. Whoever writes must have nothing left to write: a transaction that is
        open holds it back."""
        ends = end_offsets(self._broker.address, self._topic)
        await_that(
            lambda: all(self._ends.get(partition, 0) >= end for partition, end in ends.items()),
            "what is committed is read to the end of the topic",
        )

    def by_key(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each in list(self.seen):
            found.setdefault(each.key.decode(), []).append(each.value.decode())
        return found

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

"""Goal: a Quix Streams program with exactly-once processing gives the right result although it and the broker die.

Method: streams/quix_counts.py counts the records of each key and keeps the counts in a state store with a changelog
topic. While it works it is killed and started again, and so is the broker. What a read_committed consumer sees in the
end is for each key its numbers with the counts from one on, each once and in order. It has an environment of its own
(build/clients/quix, by ci/clients), because it wants another release of confluent-kafka. KC_CLIENTS_TARGET=kafka gives
the same on Apache Kafka.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import jars
from harness.broker import Broker
from harness.presence import absent
from harness.requests import create_topic

PYTHON = jars.BUILD / "quix" / "bin" / "python"
PROGRAM = Path(__file__).resolve().parent / "streams" / "quix_counts.py"
PARTITIONS, KEYS = 2, 20
COUNT = int(os.environ.get("KC_CLIENTS_TRANSACTIONS", "1500")) * 2
KILLS = int(os.environ.get("KC_CLIENTS_KILLS", "4"))
WAIT_S = 100 + 25 * KILLS
SEED = os.environ.get("KC_TEST_SEED", "")

pytestmark = [pytest.mark.row("quix streams"), pytest.mark.timeout(WAIT_S + 150)]


class Programs:
    """One program at a time; the next one comes when it is gone."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.starts = 0
        self.log = folder / "quix.log"
        self._command = [str(PYTHON), str(PROGRAM), bootstrap, str(folder / "state")]
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.starts += 1
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self._process.wait()
            self._stopping.wait(0.1)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        self._stopping.set()
        self.kill()
        self._thread.join()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Callable[[str], Programs]]:
    made: list[Programs] = []

    def start(bootstrap: str) -> Programs:
        if not PYTHON.exists():
            absent("no environment with Quix Streams (ci/clients makes it)")
        made.append(Programs(bootstrap, tmp_path))
        return made[-1]

    yield start
    for each in made:
        each.stop()


def fill(bootstrap: str) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "enable.idempotence": True})
    for number in range(COUNT):
        key = number % KEYS
        producer.produce("numbers", str(number), f"key-{key}", partition=key % PARTITIONS)
    assert producer.flush(60) == 0


class Reader:
    """Reads what is committed in "counts", in the background, as it comes."""

    def __init__(self, bootstrap: str) -> None:
        self.seen: list[tuple[str, str]] = []
        self._bootstrap = bootstrap
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({
            "bootstrap.servers": self._bootstrap, "group.id": "reader", "isolation.level": "read_committed",
            "enable.auto.commit": False, "reconnect.backoff.max.ms": 200, "metadata.recovery.strategy": "none",
        })  # fmt: skip
        consumer.assign([TopicPartition("counts", index, 0) for index in range(PARTITIONS)])
        while not self._stopping.is_set():
            message = consumer.poll(0.1)
            if message is not None and not message.error():
                self.seen.append((message.key().decode(), message.value().decode()))
        consumer.close()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


def test_exactly_once(own_broker: Callable[..., Broker], programs: Callable[[str], Programs]) -> None:
    chance = random.Random(f"{SEED} quix")
    broker = own_broker(
        group_min_session_timeout_ms=500, group_initial_rebalance_delay_ms=100,
        offsets_topic_num_partitions=5, transaction_state_log_num_partitions=5,
    )  # fmt: skip
    for topic in ("numbers", "counts"):
        create_topic(broker.address, topic, PARTITIONS)
    fill(broker.bootstrap)
    running = programs(broker.bootstrap)
    reader = Reader(broker.bootstrap)
    try:
        deadline = time.monotonic() + WAIT_S

        def await_seen(count: int) -> None:
            while len(reader.seen) < count and time.monotonic() < deadline:
                time.sleep(0.02)

        for number in range(1, KILLS + 1):
            await_seen(COUNT * number // (KILLS + 2))
            time.sleep(chance.random() * 0.2)  # anywhere in a transaction
            if number % 2:
                running.kill()
            else:
                assert broker.process
                broker.process.kill()
                broker.process.wait()
                broker.start()
        await_seen(COUNT)
        time.sleep(1)  # whatever is too much would come now
    finally:
        reader.stop()
        running.stop()
    log = running.log.read_text(errors="replace")[-2500:]
    assert len(reader.seen) == COUNT, f"{len(reader.seen)} of {COUNT} in {WAIT_S} s\n{log}"
    assert running.starts > KILLS // 2
    values: dict[str, list[str]] = {}
    for key, value in reader.seen:
        values.setdefault(key, []).append(value)
    assert values == {
        f"key-{key}": [f"{number}:{index + 1}" for index, number in enumerate(range(key, COUNT, KEYS))]
        for key in range(KEYS)
    }

"""Goal: a Quix Streams program with exactly-once processing gives the right result although it and the broker die.

Method: streams/quix_counts.py counts the records of each key and keeps the counts in a state store with a changelog
topic. While it works it is killed and started again, and so is the broker. What a read_committed consumer sees in the
end is for each key its numbers with the counts from one on, each once and in order. It has an environment of its own
(build/clients/quix, by ci/clients), because it wants another release of confluent-kafka. KC_CLIENTS_TARGET=kafka gives
the same on Apache Kafka.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import jars, sizes
from harness.broker import Broker
from harness.presence import absent
from harness.programs import Program, die_in_turn
from harness.requests import create_topic
from harness.sizes import KILLS, SEED, TIMEOUT_S, WAIT_S
from harness.watching import Watcher

PYTHON = jars.BUILD / "quix" / "bin" / "python"
PROGRAM = Path(__file__).resolve().parent / "streams" / "quix_counts.py"
PARTITIONS, KEYS = 2, 20
COUNT = 2 * sizes.COUNT

pytestmark = [pytest.mark.row("quix streams"), pytest.mark.timeout(TIMEOUT_S)]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    made: list[Program] = []

    def start(bootstrap: str) -> Program:
        if not PYTHON.exists():
            absent("no environment with Quix Streams (ci/clients makes it)")
        command = [str(PYTHON), str(PROGRAM), bootstrap, str(tmp_path / "state")]
        made.append(Program(lambda _: command, tmp_path / "quix.log"))
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


def test_exactly_once(own_broker: Callable[..., Broker], program: Callable[[str], Program]) -> None:
    broker = own_broker(
        group_min_session_timeout_ms=500, group_initial_rebalance_delay_ms=100,
        offsets_topic_num_partitions=5, transaction_state_log_num_partitions=5,
    )  # fmt: skip
    for topic in ("numbers", "counts"):
        create_topic(broker.address, topic, PARTITIONS)
    fill(broker.bootstrap)
    running = program(broker.bootstrap)
    watcher = Watcher(broker, "counts", PARTITIONS)
    try:
        deaths = [broker.crash if number % 2 else running.kill for number in range(KILLS)]
        die_in_turn(lambda: len(watcher.seen), COUNT, deaths, random.Random(f"{SEED} quix"), WAIT_S)
        watcher.read_to_end()  # whatever is too much has come then
    finally:
        watcher.stop()
    assert len(watcher.seen) == COUNT, f"{len(watcher.seen)} of {COUNT} in {WAIT_S} s\n{running.tail()}"
    assert running.starts > KILLS // 2
    assert watcher.by_key() == {
        f"key-{key}": [f"{number}:{index + 1}" for index, number in enumerate(range(key, COUNT, KEYS))]
        for key in range(KEYS)
    }

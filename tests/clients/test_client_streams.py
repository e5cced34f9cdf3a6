"""Goal: a Kafka Streams program with exactly_once_v2 gives the right result, once, although it and the broker die.

Method: streams/Regions.java joins views with a table of users and counts them by region and window, without a cache, so
that every view gives one record: the next number of its region and window. While it works it is killed and started
again, and so is the broker. What a read_committed consumer sees in the end is for each region and window the numbers
from one to what must be counted, each once and in order. KC_CLIENTS_TARGET=kafka gives the same on Apache Kafka.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import jars
from harness.broker import Broker
from harness.presence import MissingError, absent
from harness.programs import Program, die_in_turn
from harness.requests import create_topic
from harness.sizes import SEED
from harness.watching import Watcher

pytestmark = [pytest.mark.row("kafka streams"), pytest.mark.timeout(420)]

JARS = jars.BUILD / f"streams-{jars.VERSION}"
SOURCE = Path(__file__).resolve().parent / "streams" / "Regions.java"
CLASSES = jars.BUILD / "streams-classes"
PARTITIONS, VIEWS, USERS, REGIONS = 3, 3000, 50, 4
START_MS, STEP_MS, WINDOW_MS = 1_700_000_000_000, 10, 10_000
WAIT_S = 240


def compile_program() -> str:
    """Return the class path. Raises MissingError."""
    if not shutil.which("javac"):
        raise MissingError("no javac (JDK 17)")
    if not list(JARS.glob("kafka-streams-*.jar")):
        raise MissingError(f"no jars of Kafka Streams {jars.VERSION} (ci/clients fetches them with mvn)")
    CLASSES.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["javac", "-d", str(CLASSES), "-cp", f"{JARS}/*", str(SOURCE)], check=True, capture_output=True, text=True
    )
    return f"{CLASSES}:{JARS}/*"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    made: list[Program] = []

    def start(bootstrap: str) -> Program:
        try:
            classpath = compile_program()
        except MissingError as missing:
            absent(str(missing))
            raise
        command = [*jars.QUICK, *jars.SMALL, "-cp", classpath, "Regions", bootstrap, str(tmp_path / "state")]
        made.append(Program(lambda _: command, tmp_path / "streams.log"))
        return made[-1]

    yield start
    for each in made:
        each.stop()


def fill(bootstrap: str) -> Counter[str]:
    """Write users and views; return how many views each region and window has."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "enable.idempotence": True})
    for user in range(USERS):
        region = f"region-{user % REGIONS}"
        producer.produce("users", region, f"user-{user}", partition=user % PARTITIONS, timestamp=START_MS - 60_000)
    expected: Counter[str] = Counter()
    for number in range(VIEWS):
        user, at = number * 7 % USERS, START_MS + number * STEP_MS
        producer.produce("views", f"page-{number}", f"user-{user}", partition=user % PARTITIONS, timestamp=at)
        expected[f"region-{user % REGIONS}@{at // WINDOW_MS * WINDOW_MS}"] += 1
    assert producer.flush(60) == 0
    return expected


def test_exactly_once_v2(own_broker: Callable[..., Broker], program: Callable[[str], Program]) -> None:
    broker = own_broker(
        group_min_session_timeout_ms=500, group_initial_rebalance_delay_ms=100,
        offsets_topic_num_partitions=5, transaction_state_log_num_partitions=5,
    )  # fmt: skip
    for topic in ("users", "views", "counts"):
        create_topic(broker.address, topic, PARTITIONS)
    expected = fill(broker.bootstrap)
    running = program(broker.bootstrap)
    watcher = Watcher(broker, "counts", PARTITIONS)
    try:
        deaths = [running.kill, broker.crash, running.kill]
        die_in_turn(lambda: len(watcher.seen), VIEWS, deaths, random.Random(f"{SEED} streams"), WAIT_S)
        watcher.read_to_end()  # whatever is too much has come then
    finally:
        watcher.stop()
    assert len(watcher.seen) == VIEWS, f"{len(watcher.seen)} of {VIEWS} in {WAIT_S} s\n{running.tail()}"
    assert running.starts > deaths.count(running.kill)
    assert watcher.by_key() == {key: [str(each) for each in range(1, count + 1)] for key, count in expected.items()}

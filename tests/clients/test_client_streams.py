"""Goal: a Kafka Streams program with exactly_once_v2 gives the right result, once, although it and the broker die.

Method: streams/Regions.java joins views with a table of users and counts them by region and window, without a cache, so
that every view gives one record: the next number of its region and window. While it works it is killed and started
again, and so is the broker. What a read_committed consumer sees in the end is for each region and window the numbers
from one to what must be counted, each once and in order. KC_CLIENTS_TARGET=kafka gives the same on Apache Kafka.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import jars
from harness.broker import Broker
from harness.presence import MissingError, absent
from harness.requests import create_topic

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


class Program:
    def __init__(self, classpath: str, bootstrap: str, folder: Path) -> None:
        self.log = folder / "streams.log"
        self.starts = 0
        self._command = [*jars.QUICK, *jars.SMALL, "-cp", classpath, "Regions", bootstrap, str(folder / "state")]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    made: list[Program] = []

    def start(bootstrap: str) -> Program:
        try:
            made.append(Program(compile_program(), bootstrap, tmp_path))
        except MissingError as missing:
            absent(str(missing))
            raise
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.kill()


class Reader:
    """Reads what is committed in "counts", in the background, as it comes."""

    def __init__(self, bootstrap: str) -> None:
        self.seen: list[tuple[str, int]] = []
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
                self.seen.append((message.key().decode(), int(message.value())))
        consumer.close()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


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


def test_exactly_once_v2(own_broker: Callable[..., Broker], program: Callable[[str], Program], tmp_path: Path) -> None:
    broker = own_broker(
        group_min_session_timeout_ms=500, group_initial_rebalance_delay_ms=100,
        offsets_topic_num_partitions=5, transaction_state_log_num_partitions=5,
    )  # fmt: skip
    for topic in ("users", "views", "counts"):
        create_topic(broker.address, topic, PARTITIONS)
    expected = fill(broker.bootstrap)
    running = program(broker.bootstrap)
    reader = Reader(broker.bootstrap)
    try:
        deadline = time.monotonic() + WAIT_S

        def await_seen(count: int) -> None:
            while len(reader.seen) < count and time.monotonic() < deadline:
                time.sleep(0.02)

        await_seen(VIEWS // 5)
        running.kill()
        running.start()
        await_seen(VIEWS * 2 // 5)
        assert broker.process
        broker.process.kill()
        broker.process.wait()
        broker.start()
        await_seen(VIEWS * 3 // 5)
        running.kill()
        running.start()
        await_seen(VIEWS)
        time.sleep(1)  # whatever is too much would come now
    finally:
        reader.stop()
    log = running.log.read_text(errors="replace")[-2000:]
    assert len(reader.seen) == VIEWS, f"{len(reader.seen)} of {VIEWS} in {WAIT_S} s\n{log}"
    numbers: dict[str, list[int]] = {}
    for key, count in reader.seen:
        numbers.setdefault(key, []).append(count)
    assert numbers == {key: list(range(1, count + 1)) for key, count in expected.items()}

"""The whole broker: produce, consume and single round trips, through real clients and through prepared frames.

Each round is one load on a topic of its own. The table of pytest-benchmark shows wall time, which through a real client
is mostly the client's; what the broker itself took stands in extra_info, as medians over the rounds:

    bytes, records           payload of one round
    broker_cpu_s_per_gb      all threads of the broker
    client_cpu_s_per_gb      this process
    broker_cpu_us_each       the same per request, for round trips
    touch_s_per_gb, steal    the state of the machine just before each round (see broker_process.py)

Groups name operation and shape, so that clients of one shape stand beside each other.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from bench import broker_process, raw_client
from bench.broker_process import GB, BrokerProcess, pinned_broker

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")
if sys.platform != "linux":
    pytest.skip("the CPU clock of another process needs Linux", allow_module_level=True)

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
IN_FLIGHT = 5
MB, KIB = 1_000_000, 1024
SERIAL = count()


@dataclass(frozen=True, slots=True)
class Shape:
    record_size: int
    batch_size: int
    payload: int
    """Bytes of values in one round: enough for some tenths of a second, little enough to fit the page cache."""

    @property
    def records_per_batch(self) -> int:
        return max(1, self.batch_size // (self.record_size + 10))

    @property
    def records(self) -> int:
        return self.payload // self.record_size

    def __str__(self) -> str:
        batch = "1MB" if self.batch_size == MB else f"{self.batch_size // KIB}KiB"
        return f"{batch} of {self.record_size}B"


SHAPES = [
    Shape(100, 16 * KIB, 50 * MB),
    Shape(100, MB, 100 * MB),
    Shape(KIB, 16 * KIB, 100 * MB),
    Shape(KIB, MB, 250 * MB),
]
ACKS = [pytest.param(1, id="acks1"), pytest.param(-1, id="acksall")]


def by_shape(shapes: list[Shape] = SHAPES) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shape", [pytest.param(shape, id=str(shape).replace(" ", "-")) for shape in shapes])


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with pinned_broker() as started:
        yield started


@dataclass(slots=True)
class Meter:
    """Runs rounds under the benchmark and keeps what each cost."""

    broker: BrokerProcess
    benchmark: Any
    samples: list[dict[str, float]] = field(default_factory=list)
    topic: str = ""

    def prepare(self) -> tuple[()]:
        self.topic = f"bench-{next(SERIAL)}"
        with self.broker.connect() as connection:
            raw_client.create_topic(connection, self.topic)
        return ()

    def forget(self) -> None:
        with self.broker.connect() as connection:
            raw_client.delete_topic(connection, self.topic)

    def run(self, load: Callable[[], None], *, records: int, size: int, requests: int = 0, fresh: bool = True) -> None:
        """Measure `load`, which moves `size` bytes in `records` records; `fresh`: into an empty topic each time."""

        def setup() -> None:
            if fresh:
                self.prepare()
            self.samples.append({"touch_s_per_gb": broker_process.touch_s_per_gb()})

        def measured() -> None:
            total, stolen = broker_process.jiffies()
            ours, theirs = time.process_time(), self.broker.cpu_s()
            load()
            sample = self.samples[-1]
            sample["broker"] = self.broker.cpu_s() - theirs
            sample["client"] = time.process_time() - ours
            passed = broker_process.jiffies()
            sample["steal"] = (passed[1] - stolen) / max(1, passed[0] - total)

        def teardown() -> None:
            if fresh:
                self.forget()

        self.benchmark.pedantic(measured, setup=setup, teardown=teardown, rounds=ROUNDS, warmup_rounds=1)
        kept = self.samples[1:]

        def middle(name: str) -> float:
            return statistics.median(sample[name] for sample in kept)

        told = self.benchmark.extra_info
        told.update(bytes=size, records=records, machine=broker_process.machine())
        told["broker_cpu_s_per_gb"] = round(middle("broker") / (size / GB), 4)
        told["broker_cpu_s_per_gb_range"] = [
            round(pick(sample["broker"] for sample in kept) / (size / GB), 4) for pick in (min, max)
        ]
        told["client_cpu_s_per_gb"] = round(middle("client") / (size / GB), 4)
        told["touch_s_per_gb"], told["steal"] = round(middle("touch_s_per_gb"), 3), round(middle("steal"), 4)
        if requests:
            told["requests"] = requests
            told["broker_cpu_us_each"] = round(middle("broker") / requests * 1e6, 2)


@pytest.fixture
def meter(benchmark: Any, broker: BrokerProcess) -> Meter:
    return Meter(broker, benchmark)


@pytest.fixture(scope="module")
def filled(broker: BrokerProcess) -> Iterator[Callable[[Shape], str]]:
    """A topic with one round of a shape, written once."""
    topics: dict[Shape, str] = {}

    def topic_of(shape: Shape) -> str:
        if shape not in topics:
            name = f"filled-{next(SERIAL)}"
            with broker.connect() as connection:
                raw_client.create_topic(connection, name)
            produce_raw(broker, name, shape, 1)
            topics[shape] = name
        return topics[shape]

    yield topic_of
    with broker.connect() as connection:
        for name in topics.values():
            raw_client.delete_topic(connection, name)


# ---- loads


def produce_raw(broker: BrokerProcess, topic: str, shape: Shape, acks: int) -> None:
    """The same batch again and again. Large ones: the next is sent while others are in flight; small ones in bursts,
    because a system call each would make this client the slower side."""
    frame = raw_client.produce_frame(topic, raw_client.batch_of(shape.records_per_batch, shape.record_size), acks=acks)
    burst = max(1, 64 * KIB // len(frame))
    rest, in_flight = shape.records // shape.records_per_batch, 0
    with broker.connect() as connection:
        while rest or in_flight:
            if rest and in_flight <= burst * (IN_FLIGHT - 1):
                sent = min(burst, rest)
                connection.sendall(frame * sent)
                rest, in_flight = rest - sent, in_flight + sent
                continue
            for _ in range(min(burst, in_flight)):
                raw_client.check_produced(raw_client.receive_frame(connection))
                in_flight -= 1


def fetch_raw(broker: BrokerProcess, topic: str, shape: Shape) -> None:
    """Everything from the beginning, one request of up to 1 MiB after the other."""
    offset, end = 0, shape.records // shape.records_per_batch * shape.records_per_batch
    buffer = bytearray(raw_client.PARTITION_BYTES_MAX + 64 * KIB)
    with broker.connect() as connection:
        while offset < end:
            connection.sendall(raw_client.fetch_frame(topic, offset))
            size = int.from_bytes(raw_client.receive(connection, 4), "big")
            place, at = memoryview(buffer)[:size], 0
            while at < size:
                got = connection.recv_into(place[at:])
                if got == 0:
                    raise ConnectionError("the broker closed the connection")
                at += got
            offset += shape.records_per_batch * raw_client.batches_in(place)


def produce_confluent(broker: BrokerProcess, topic: str, shape: Shape, acks: int) -> None:
    from confluent_kafka import Producer

    failures: list[Any] = []

    def on_delivery(error: Any, _: Any) -> None:
        if error is not None:
            failures.append(error)

    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap,
            "acks": acks,
            "batch.size": shape.batch_size,
            "message.max.bytes": MB,
            "batch.num.messages": MB,
            "linger.ms": 20 if shape.batch_size == MB else 5,
            "queue.buffering.max.messages": 2 * MB,
            "queue.buffering.max.kbytes": 1 << 20,
            "delivery.report.only.error": True,
        }
    )
    value, rest = bytes(shape.record_size), shape.records
    while rest:
        for _ in range(min(rest, 10_000)):
            producer.produce(topic, value, on_delivery=on_delivery)
        rest -= min(rest, 10_000)
        producer.poll(0)
    producer.flush(120)
    if failures or len(producer):
        raise RuntimeError(f"{len(failures)} records failed, {len(producer)} were left: {failures[:1]}")


def consume_confluent(broker: BrokerProcess, topic: str, expected: int) -> None:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "bench",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 1 << 20,
            "queued.min.messages": MB,
        }
    )
    with contextlib.closing(consumer):
        consumer.assign([TopicPartition(topic, 0, 0)])
        got, deadline = 0, time.monotonic() + 120
        while got < expected:
            for message in consumer.consume(10_000, 1.0):
                if message.error():
                    raise RuntimeError(f"consume failed: {message.error()}")
                got += 1
            if time.monotonic() > deadline:
                raise TimeoutError(f"{got} of {expected} records")


def produce_kafka_python(broker: BrokerProcess, topic: str, shape: Shape, acks: int) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(
        bootstrap_servers=broker.bootstrap,
        acks="all" if acks == -1 else acks,
        batch_size=shape.batch_size,
        linger_ms=5,
        max_request_size=2 * MB,
    )
    with contextlib.closing(producer):
        value = bytes(shape.record_size)
        futures = [producer.send(topic, value, partition=0) for _ in range(shape.records)]
        producer.flush(120)
        if not all(future.succeeded() for future in futures):
            raise RuntimeError("not every record was acknowledged")


def consume_kafka_python(broker: BrokerProcess, topic: str, expected: int) -> None:
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, enable_auto_commit=False)
    with contextlib.closing(consumer):
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.seek(place, 0)
        got, deadline = 0, time.monotonic() + 120
        while got < expected:
            got += sum(map(len, consumer.poll(1000, max_records=10_000).values()))
            if time.monotonic() > deadline:
                raise TimeoutError(f"{got} of {expected} records")


PRODUCERS = {"raw": produce_raw, "confluent": produce_confluent, "kafka-python": produce_kafka_python}
SLOW_PAYLOAD = 4 * MB
"""For kafka-python, which encodes and decodes each record in Python."""


def slower(shape: Shape) -> Shape:
    return Shape(shape.record_size, shape.batch_size, min(shape.payload, SLOW_PAYLOAD))


# ---- produce and consume


@by_shape()
@pytest.mark.parametrize("acks", ACKS)
@pytest.mark.parametrize("client", PRODUCERS)
def test_produce(meter: Meter, client: str, acks: int, shape: Shape) -> None:
    shape = slower(shape) if client == "kafka-python" else shape
    meter.benchmark.group = f"produce, {shape}, acks {'all' if acks == -1 else acks}"
    records = shape.records
    if client == "raw":
        records = records // shape.records_per_batch * shape.records_per_batch
    meter.run(
        lambda: PRODUCERS[client](meter.broker, meter.topic, shape, acks),
        records=records,
        size=records * shape.record_size,
    )


@by_shape()
@pytest.mark.parametrize("client", ["raw", "confluent", "kafka-python"])
def test_consume(meter: Meter, filled: Callable[[Shape], str], client: str, shape: Shape) -> None:
    shape = slower(shape) if client == "kafka-python" else shape
    meter.benchmark.group = f"consume, {shape}"
    topic, records = filled(shape), shape.records // shape.records_per_batch * shape.records_per_batch
    loads: dict[str, Callable[[], None]] = {
        "raw": lambda: fetch_raw(meter.broker, topic, shape),
        "confluent": lambda: consume_confluent(meter.broker, topic, records),
        "kafka-python": lambda: consume_kafka_python(meter.broker, topic, records),
    }
    meter.run(loads[client], records=records, size=records * shape.record_size, fresh=False)


# ---- one record at a time

ROUND_TRIPS = 1000
RECORD_SIZES = [pytest.param(100, id="100B"), pytest.param(KIB, id="1KiB")]


def percentiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {f"p{part}_us": round(ordered[len(ordered) * part // 100] * 1e6, 1) for part in (50, 99)}


@pytest.mark.parametrize("size", RECORD_SIZES)
@pytest.mark.parametrize("acks", ACKS)
def test_round_trip_raw(meter: Meter, acks: int, size: int) -> None:
    meter.benchmark.group = f"{ROUND_TRIPS} round trips, one record of {size}B"
    batch, times = raw_client.batch_of(1, size), []

    def load() -> None:
        frame = raw_client.produce_frame(meter.topic, batch, acks=acks)
        with meter.broker.connect() as connection:
            for _ in range(ROUND_TRIPS):
                began = time.perf_counter()
                connection.sendall(frame)
                answer = raw_client.receive_frame(connection)
                times.append(time.perf_counter() - began)
            raw_client.check_produced(answer)

    meter.run(load, records=ROUND_TRIPS, size=ROUND_TRIPS * size, requests=ROUND_TRIPS)
    meter.benchmark.extra_info.update(percentiles(times[ROUND_TRIPS:]))


@pytest.mark.parametrize("size", RECORD_SIZES)
def test_round_trip_confluent(meter: Meter, size: int) -> None:
    from confluent_kafka import Producer

    meter.benchmark.group = f"{ROUND_TRIPS} round trips, one record of {size}B"
    value = bytes(size)
    producer = Producer({"bootstrap.servers": meter.broker.bootstrap, "acks": 1, "linger.ms": 0})

    def load() -> None:
        for _ in range(ROUND_TRIPS):
            producer.produce(meter.topic, value)
            producer.flush(10)
        if len(producer):
            raise RuntimeError("a record was left")

    meter.run(load, records=ROUND_TRIPS, size=ROUND_TRIPS * size, requests=ROUND_TRIPS)


@pytest.mark.parametrize("connections", [10, 50])
def test_round_trips_side_by_side(meter: Meter, connections: int) -> None:
    """One record of 1 KiB in flight on each connection; a round is ROUND_TRIPS requests, twenty times."""
    import select

    requests = 20 * ROUND_TRIPS
    meter.benchmark.group = f"{requests} round trips on {connections} connections, one record of {KIB}B"
    batch, times = raw_client.batch_of(1, KIB), []

    def load() -> None:
        frame = raw_client.produce_frame(meter.topic, batch)
        poller, left, to_send = select.epoll(), requests, requests
        with contextlib.ExitStack() as stack:
            links, began = {}, {}
            for _ in range(connections):
                link = stack.enter_context(meter.broker.connect())
                links[link.fileno()] = link
                poller.register(link.fileno(), select.EPOLLIN)
            for number, link in links.items():
                began[number] = time.perf_counter()
                link.send(frame)
                to_send -= 1
            while left:
                for number, _ in poller.poll():
                    answer = links[number].recv(4096)
                    now = time.perf_counter()
                    times.append(now - began[number])
                    left -= 1
                    if to_send:
                        began[number] = now
                        links[number].send(frame)
                        to_send -= 1
            raw_client.check_produced(answer[4:])
        poller.close()

    meter.run(load, records=requests, size=requests * KIB, requests=requests)
    meter.benchmark.extra_info.update(percentiles(times[requests:]))

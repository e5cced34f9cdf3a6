"""Goal: a broker stopped by SIGTERM in the middle of load has, when it is back, all that it has acknowledged.

Method: a client produces numbered records at a steady rate with acks=all; the broker is stopped while it does and
started again on the same directory and port; the client's own retries carry it over. Then everything is read: each
acknowledged record lies at the offset its report named; with idempotence each number is there just once and in order.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import jars
from harness.broker import TARGET, Broker
from harness.clients.base import BEGINNING
from harness.clients.confluent_client import Confluent
from harness.groups import await_that
from harness.presence import MissingError, absent
from harness.requests import create_topic, end_offsets

pytestmark = [pytest.mark.row("restart under load"), pytest.mark.timeout(240)]
PARTITIONS = 3
FLOWING = 2000
# Apache Kafka closes connections at a stop without answering what it has appended, and its producer snapshots keep only
# the last batch of a producer. A repeat of an older one is then out of sequence, upon which Java takes a new epoch and
# sends everything again: duplicates. One request in flight avoids that. We answer before we close, so five must do.
IN_FLIGHT = 1 if TARGET == "kafka" else 5
Acknowledged = dict[int, tuple[int, int]]  # number -> (partition, offset)


def confluent_load(bootstrap: str, topic: str, *, idempotent: bool, records: int, rate: float) -> Acknowledged:
    from confluent_kafka import Producer

    producer = Producer({
        "bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": idempotent, "linger.ms": 2,
        "message.timeout.ms": 90_000, "reconnect.backoff.max.ms": 500, "retry.backoff.ms": 50,
        "queue.buffering.max.messages": 1_000_000,
        "max.in.flight.requests.per.connection": IN_FLIGHT,
    })  # fmt: skip
    acknowledged: Acknowledged = {}

    def report(number: int) -> Callable[[Any, Any], None]:
        def delivered(error: Any, message: Any) -> None:
            if error is None:
                acknowledged[number] = (message.partition(), message.offset())

        return delivered

    began = time.monotonic()
    for number in range(records):
        producer.produce(topic, str(number).encode(), partition=number % PARTITIONS, on_delivery=report(number))
        producer.poll(0)
        ahead = number / rate - (time.monotonic() - began)
        if ahead > 0.001:
            time.sleep(ahead)
    producer.flush(120)
    return acknowledged


def java_load(bootstrap: str, topic: str, *, idempotent: bool, records: int, rate: float, folder: Path) -> Acknowledged:
    out = folder / "acknowledged"
    settings = {
        "acks": "all", "enable.idempotence": str(idempotent).lower(), "delivery.timeout.ms": "90000", "linger.ms": "2",
        "reconnect.backoff.max.ms": "500", "request.timeout.ms": "10000",
        "max.in.flight.requests.per.connection": str(IN_FLIGHT),
    }  # fmt: skip
    done = jars.java(
        "ClientProgram", "load", "--bootstrap", bootstrap, "--topic", topic, "--partitions", str(PARTITIONS),
        "--records", str(records), "--rate", str(rate), "--out", str(out),
        *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
        timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [map(int, line.split("\t")) for line in out.read_text().splitlines()]
    return {number: (partition, offset) for partition, offset, number in rows}


def await_growth(broker: Broker, topic: str) -> None:
    """Until the load is flowing, which after a start takes as long as the client's back-off."""
    begin = sum(end_offsets(broker.address, topic).values())
    await_that(lambda: sum(end_offsets(broker.address, topic).values()) >= begin + FLOWING, "the load flows")


def await_caller(address: tuple[str, int]) -> None:
    """Until the client has called and found no broker there."""
    with socket.create_server(address) as vacant:
        vacant.settimeout(60)
        vacant.accept()[0].close()


def stop_and_start(broker: Broker, topic: str, times: int) -> None:
    for _ in range(times):
        await_growth(broker, topic)
        status = broker.stop()
        assert status == (143 if broker.target == "kafka" else 0)
        await_caller(broker.address)
        broker.start()


def run(broker: Broker, topic: str, load: Callable[[], Acknowledged], times: int) -> Acknowledged:
    """The load in a thread of its own, the broker stopped and started meanwhile."""
    results: list[Acknowledged | BaseException] = []

    def work() -> None:
        try:
            results.append(load())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        stop_and_start(broker, topic, times)
    finally:
        thread.join()
    (result,) = results
    if isinstance(result, BaseException):
        raise result
    return result


def check(broker: Broker, topic: str, acknowledged: Acknowledged, *, idempotent: bool, records: int) -> None:
    ends = end_offsets(broker.address, topic)
    got = Confluent().consume(broker.bootstrap, topic, dict.fromkeys(ends, BEGINNING), ends)
    at = {(r.partition, r.offset): int(r.value or b"-1") for r in got}
    assert len(at) == sum(ends.values())
    lost = {number: place for number, place in acknowledged.items() if at.get(place) != number}
    assert not lost, f"{len(lost)} acknowledged records are not where their reports said: {list(lost.items())[:5]}"
    assert len(acknowledged) == records, "the client gave up on some records"
    if not idempotent:
        return
    assert not [number for number, times in Counter(at.values()).items() if times > 1], "duplicates"
    for partition in ends:
        numbers = [number for (p, _), number in sorted(at.items()) if p == partition]
        assert numbers == list(range(partition, records, PARTITIONS)), f"order in partition {partition}"


@pytest.mark.parametrize("idempotent", [True, False], ids=["idempotent", "plain"])
def test_librdkafka_load_over_a_restart(own_broker: Callable[..., Broker], idempotent: bool) -> None:
    broker = own_broker(properties=True)
    create_topic(broker.address, "load", PARTITIONS)
    records, rate = 30_000, 5_000.0
    acknowledged = run(
        broker, "load",
        lambda: confluent_load(broker.bootstrap, "load", idempotent=idempotent, records=records, rate=rate), 2,
    )  # fmt: skip
    check(broker, "load", acknowledged, idempotent=idempotent, records=records)


def test_java_load_over_a_restart(own_broker: Callable[..., Broker], tmp_path: Path) -> None:
    try:
        jars.compile_programs()
    except MissingError as missing:
        absent(str(missing))
    broker = own_broker()
    create_topic(broker.address, "load", PARTITIONS)
    records, rate = 20_000, 4_000.0
    acknowledged = run(
        broker, "load",
        lambda: java_load(broker.bootstrap, "load", idempotent=True, records=records, rate=rate, folder=tmp_path), 1,
    )  # fmt: skip
    check(broker, "load", acknowledged, idempotent=True, records=records)

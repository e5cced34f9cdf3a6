"""What safety costs: a start after a kill, answers that wait for the disk, and retention and compaction beside produce.

The goals: after kill -9 on the same boot a broker on 10 GB of log answers in 200 ms; with
flush.messages=1, 50 connections have ten times what one sync for each request allows; with retention and compaction at
work the 99th percentile of produce is at most twice what it is with the same load and neither of them.

Data lies below $BENCH_DATA, or in the system's temporary directory. $BENCH_LOG_GB: size of the log (10).
The scan after a reboot is in bench_recovery.py.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import select
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import raw_client
from bench.broker_process import BrokerProcess
from pykafka_core import records

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")
if sys.platform != "linux":
    pytest.skip("the CPU clock of another process needs Linux", allow_module_level=True)

LOG_GB = float(os.environ.get("BENCH_LOG_GB", "10"))
PARTITIONS = 10
BATCH_BYTES = 1_000_000
IN_FLIGHT = 20
STARTS = 5

CONNECTIONS = 50
REQUESTS = 20_000
SYNCS = 500

ROUND_TRIPS = 5_000
BESIDE_BYTES_PER_S = 20_000_000
KEYS = 1000


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-durability-", dir=os.environ.get("BENCH_DATA")) as path:
        yield Path(path)


# ---- a start after a kill


def fill(broker: BrokerProcess, topic: str, size_bytes: int) -> None:
    batch = raw_client.batch_of(BATCH_BYTES // 1000, 990)
    frames = [raw_client.produce_frame(topic, batch, partition=index) for index in range(PARTITIONS)]
    count = size_bytes // len(batch)
    with broker.connect() as connection:
        for number in range(count + IN_FLIGHT):
            if number < count:
                connection.sendall(frames[number % PARTITIONS])
            if number >= IN_FLIGHT:
                raw_client.check_produced(raw_client.receive_frame(connection))


def kill(broker: BrokerProcess) -> None:
    assert broker.process
    broker.process.kill()
    broker.process.wait()
    broker.process = None


@pytest.mark.benchmark(group="start")
def test_start_after_a_kill(benchmark: Any, folder: Path) -> None:
    size_bytes = int(LOG_GB * 1e9)
    if shutil.disk_usage(folder).free < 1.2 * size_bytes:
        pytest.skip(f"no room for {LOG_GB} GB below {folder}")
    answers: list[float] = []
    acknowledged: list[float] = []
    cpu: list[float] = []
    with BrokerProcess(data=folder / "data") as broker:
        with broker.connect() as connection:
            raw_client.create_topic(connection, "big", PARTITIONS, retention_ms=-1)
        fill(broker, "big", size_bytes)
        frame = raw_client.produce_frame("big", raw_client.batch_of(1, 100))

        def start() -> None:
            began = time.monotonic()
            broker.start()
            answers.append(broker.first_answer_s)
            cpu.append(broker.first_answer_cpu_s)
            with broker.connect() as connection:
                connection.sendall(frame)
                raw_client.check_produced(raw_client.receive_frame(connection))
            acknowledged.append(time.monotonic() - began)

        benchmark.pedantic(start, setup=lambda: kill(broker), rounds=STARTS)
    benchmark.extra_info.update(
        log_bytes=size_bytes,
        first_answer_ms=round(statistics.median(answers) * 1e3, 1),
        first_answer_cpu_ms=round(statistics.median(cpu) * 1e3, 1),
        first_acknowledgement_ms=round(statistics.median(acknowledged) * 1e3, 1),
    )


# ---- answers that wait for the disk


def syncs_per_s(path: Path) -> float:
    """One write and one sync for each request, by a single thread, and nothing else."""
    record = bytes(200)
    with path.open("wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(SYNCS):
            file.write(record)
            os.fdatasync(file.fileno())
        return SYNCS / (time.perf_counter() - began)


def requests_per_s(broker: BrokerProcess, topic: str, connections: int, requests: int) -> float:
    """One record in flight on each connection."""
    frame = raw_client.produce_frame(topic, raw_client.batch_of(1, 100), acks=-1)
    poller, to_send, left = select.epoll(), requests, requests
    with contextlib.ExitStack() as stack:
        links = {}
        for _ in range(connections):
            link = stack.enter_context(broker.connect())
            links[link.fileno()] = link
            poller.register(link.fileno(), select.EPOLLIN)
        answer = b""
        began = time.perf_counter()
        for link in links.values():
            link.send(frame)
            to_send -= 1
        while left:
            for number, _ in poller.poll():
                # An answer is small, and comes whole.
                answer = links[number].recv(4096)
                left -= 1
                if to_send:
                    links[number].send(frame)
                    to_send -= 1
        seconds = time.perf_counter() - began
        raw_client.check_produced(answer[4:])
    return requests / seconds


@pytest.mark.benchmark(group="flush.messages=1")
def test_group_commit(benchmark: Any, folder: Path) -> None:
    rates: list[float] = []
    alone: list[float] = []
    with BrokerProcess(data=folder / "data") as broker:
        with broker.connect() as connection:
            raw_client.create_topic(connection, "synced", flush_messages=1)

        def setup() -> None:
            # In each round, because the speed of a disk that others use as well comes and goes.
            alone.append(syncs_per_s(folder / "alone"))

        def load() -> None:
            rates.append(requests_per_s(broker, "synced", CONNECTIONS, REQUESTS))

        benchmark.pedantic(load, setup=setup, rounds=5)
        one = requests_per_s(broker, "synced", 1, SYNCS)
    benchmark.extra_info.update(
        requests_per_s=round(statistics.median(rates)),
        requests_per_s_of_one_connection=round(one),
        syncs_per_s=round(statistics.median(alone)),
        times_one_sync_each=round(statistics.median(rate / each for rate, each in zip(rates, alone, strict=True)), 1),
    )


# ---- retention and compaction beside produce


def batch_with_keys(chance: random.Random) -> bytes:
    now = time.time_ns() // 1_000_000
    return records.encode([(at, now, b"%d" % chance.randrange(KEYS), bytes(990)) for at in range(100)])


def press(port: int, topics: list[str]) -> None:
    """Another process, which goes on until it is killed."""
    import socket

    chance, step_s = random.Random(1), 0.01
    with socket.create_connection(("127.0.0.1", port)) as connection:
        frames = [raw_client.produce_frame(topic, batch_with_keys(chance)) for _ in range(50) for topic in topics]
        due, number = time.monotonic(), 0
        while True:
            for _ in range(max(1, int(BESIDE_BYTES_PER_S * step_s) // len(frames[0]))):
                connection.sendall(frames[number % len(frames)])
                raw_client.check_produced(raw_client.receive_frame(connection))
                number += 1
            due += step_s
            time.sleep(max(0.0, due - time.monotonic()))


def round_trips(broker: BrokerProcess, topic: str) -> list[float]:
    frame, times = raw_client.produce_frame(topic, raw_client.batch_of(1, 1000)), []
    with broker.connect() as connection:
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter()
            connection.sendall(frame)
            answer = raw_client.receive_frame(connection)
            times.append(time.perf_counter() - began)
            time.sleep(0.0005)
        raw_client.check_produced(answer)
    return times


def p99(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]


@pytest.mark.benchmark(group="retention and compaction")
def test_produce_beside_retention_and_compaction(benchmark: Any, folder: Path) -> None:
    """Both loads are the same; topics alone decide what the broker makes of them."""
    settings = {
        "log_retention_check_interval_ms": 100,
        "log_initial_task_delay_ms": 100,
        "log_cleaner_backoff_ms": 100,
    }
    beside: list[float] = []
    alone: list[float] = []
    with BrokerProcess(data=folder / "data", **settings) as broker:
        common = {"segment_bytes": 8 << 20, "file_delete_delay_ms": 100}
        with broker.connect() as connection:
            for number in (0, 1):
                raw_client.create_topic(connection, f"kept{number}", retention_ms=-1, **common)
            raw_client.create_topic(connection, "short", retention_bytes=16 << 20, **common)
            raw_client.create_topic(
                connection, "compacted", cleanup_policy="compact", min_cleanable_dirty_ratio="0.01", **common
            )
            raw_client.create_topic(connection, "measured")

        def under(topics: list[str]) -> list[float]:
            other = multiprocessing.get_context("fork").Process(target=press, args=(broker.port, topics))
            other.start()
            try:
                time.sleep(1)
                return round_trips(broker, "measured")
            finally:
                other.kill()
                other.join()

        def setup() -> None:
            alone.append(p99(under(["kept0", "kept1"])))

        benchmark.pedantic(lambda: beside.append(p99(under(["short", "compacted"]))), setup=setup, rounds=3)
        sizes = {
            topic: sum(file.stat().st_size for file in (folder / "data" / f"{topic}-0").glob("*.log"))
            for topic in ("kept0", "short", "compacted")
        }
    assert sizes["short"] < sizes["kept0"] / 2
    assert sizes["compacted"] < sizes["kept0"] / 2
    benchmark.extra_info.update(
        p99_alone_us=round(statistics.median(alone) * 1e6, 1),
        p99_beside_us=round(statistics.median(beside) * 1e6, 1),
        times_alone=round(statistics.median(two / one for one, two in zip(alone, beside, strict=True)), 2),
    )

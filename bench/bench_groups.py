"""Consumer groups through prepared frames: what a heartbeat and a commit cost, and what a crowd costs the produce path.

One request is in flight on each connection, as clients of the group protocol have it. Wall time stands in the table;
what the broker itself took is in extra_info:

    broker_cpu_us_each    all threads of the broker, for one request; a core does a million divided by it a second
    p50_ms, p99_ms        of produce requests, one at a time: alone, and beside the groups (test_produce_beside_groups)

Goals: 10,000 commits and 30,000 heartbeats a second on one core; the crowd leaves p99 of produce within twice of alone.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from bench import raw_client
from bench.broker_process import BrokerProcess, pinned_broker
from bench.group_client import (
    COMMIT_ERROR,
    HEARTBEAT_ERROR,
    Member,
    commit_frame,
    create_topic,
    heartbeat_frame,
    join_groups,
    rounds,
)

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")
if sys.platform != "linux":
    pytest.skip("the CPU clock of another process needs Linux", allow_module_level=True)

CONNECTIONS = 50
SERIAL = count()
PARTITIONS = 6


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    """With one reactor."""
    with pinned_broker(group_initial_rebalance_delay_ms=1000, num_network_threads=1) as started:
        with started.connect() as connection:
            create_topic(connection, "topic", PARTITIONS)
        yield started


@pytest.fixture(scope="module")
def members(broker: BrokerProcess) -> list[Member]:
    """So many groups of one member each, over all partitions of __consumer_offsets."""
    return join_groups(broker, CONNECTIONS, 1)


@pytest.fixture(scope="module")
def crowd(broker: BrokerProcess) -> list[Member]:
    """One group of so many members."""
    return join_groups(broker, 1, CONNECTIONS, prefix="crowd")


def measure(
    benchmark: Any,
    broker: BrokerProcess,
    who: list[Member],
    frames: list[bytes],
    requests: int,
    error_at: int = COMMIT_ERROR,
) -> None:
    connections = [member.connection for member in who]
    costs = []

    def load() -> None:
        before = broker.cpu_s()
        rounds(connections, frames, requests, error_at)
        costs.append((broker.cpu_s() - before) / requests * 1e6)

    benchmark.pedantic(load, rounds=5, warmup_rounds=1)
    benchmark.extra_info["requests"] = requests
    benchmark.extra_info["broker_cpu_us_each"] = round(statistics.median(costs[-5:]), 1)


@pytest.mark.benchmark(group="heartbeat")
def test_heartbeat(benchmark: Any, broker: BrokerProcess, members: list[Member]) -> None:
    measure(benchmark, broker, members, [heartbeat_frame(member) for member in members], 30_000, HEARTBEAT_ERROR)


@pytest.mark.benchmark(group="offset commit")
@pytest.mark.parametrize("partitions", [1, PARTITIONS])
def test_commit(benchmark: Any, broker: BrokerProcess, members: list[Member], partitions: int) -> None:
    measure(benchmark, broker, members, [commit_frame(member, "topic", partitions) for member in members], 10_000)


@pytest.mark.benchmark(group="offset commit")
def test_commit_of_one_group(benchmark: Any, broker: BrokerProcess, crowd: list[Member]) -> None:
    measure(benchmark, broker, crowd, [commit_frame(member, "topic", 1) for member in crowd], 10_000)


@pytest.fixture(params=[(1000, 3), (1, 500)], ids=["1000-groups-of-3", "one-group-of-500"])
def beating(request: Any, broker: BrokerProcess) -> Iterator[Callable[[], None]]:
    """Starts members that send a heartbeat every three seconds each, until the test is over."""
    groups, size = request.param
    who = join_groups(broker, groups, size, prefix=f"beating-{next(SERIAL)}")
    stopping = threading.Event()

    def beat() -> None:
        frames = [heartbeat_frame(member) for member in who]
        pause = 3.0 / len(who)
        while not stopping.is_set():
            for member, frame in zip(who, frames, strict=True):
                member.connection.send(frame)
                if stopping.wait(pause):
                    break
                member.connection.recv(4096)

    thread = threading.Thread(target=beat)
    yield thread.start
    stopping.set()
    thread.join()
    for member in who:
        member.connection.close()


def produce_times_ms(broker: BrokerProcess, requests: int) -> list[float]:
    topic = f"produced-{next(SERIAL)}"
    times = []
    with broker.connect() as connection:
        create_topic(connection, topic)
        frame = raw_client.produce_frame(topic, raw_client.batch_of(10, 100))
        for _ in range(requests):
            began = time.perf_counter()
            connection.sendall(frame)
            raw_client.check_produced(raw_client.receive_frame(connection))
            times.append((time.perf_counter() - began) * 1000)
    raw_client.delete_topic(broker.connect(), topic)
    return sorted(times)


@pytest.mark.benchmark(group="produce beside groups")
def test_produce_beside_groups(benchmark: Any, broker: BrokerProcess, beating: Callable[[], None]) -> None:
    requests = 20_000
    produce_times_ms(broker, 1000)
    alone = produce_times_ms(broker, requests)
    beating()
    beside: list[float] = []
    benchmark.pedantic(lambda: beside.extend(produce_times_ms(broker, requests)), rounds=1)
    beside.sort()
    for name, times in (("alone", alone), ("beside", beside)):
        benchmark.extra_info[f"{name}_p50_ms"] = round(times[len(times) // 2], 3)
        benchmark.extra_info[f"{name}_p99_ms"] = round(times[len(times) * 99 // 100], 3)

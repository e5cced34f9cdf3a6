"""The loads behind kafka-producer-perf-test and kafka-consumer-perf-test (csrc/client), against a broker of ours: how
fast the tools themselves are, so that a figure of theirs is known to be the broker's.

    client_cpu_ns_each      of one record, in this process
    broker_cpu_ns_each      of one record, over all threads of the broker
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from bench.broker_process import BrokerProcess, pinned_broker
from pykafka_core.client.admin import create_topic
from pykafka_core.client.cluster import Client
from pykafka_core.client.load import FetchLoad, ProduceLoad, ProduceTask, open_fetch_load, open_produce_load, run
from pykafka_core.client.settings import parse_addresses

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")
if sys.platform != "linux":
    pytest.skip("the CPU clock of another process needs Linux", allow_module_level=True)

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
BYTES = int(os.environ.get("BENCH_LOAD_BYTES", str(50_000_000)))
SIZES = [10, 100, 1000, 10000]
SERIAL = count()


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with pinned_broker() as started:
        yield started


async def drive(load: ProduceLoad | FetchLoad) -> None:
    while not await run(load, 1000):
        pass


async def with_client(broker: BrokerProcess, work: Any) -> Any:
    async with Client(parse_addresses(broker.bootstrap)) as client:
        return await work(client)


def measure(benchmark: Any, broker: BrokerProcess, records: int, size: int, make: Any) -> None:
    own: list[float] = []
    brokers: list[float] = []

    def once(load: ProduceLoad | FetchLoad) -> None:
        before, broker_before = time.process_time(), broker.cpu_s()
        asyncio.run(drive(load))
        own.append(time.process_time() - before)
        brokers.append(broker.cpu_s() - broker_before)

    def setup() -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (asyncio.run(with_client(broker, make)),), {}

    benchmark.pedantic(once, setup=setup, rounds=ROUNDS)
    benchmark.extra_info.update(
        records=records,
        bytes=records * size,
        client_cpu_ns_each=round(1e9 * min(own) / records),
        broker_cpu_ns_each=round(1e9 * min(brokers) / records),
    )


@pytest.mark.benchmark(group="load-produce")
@pytest.mark.parametrize("size", SIZES)
def test_produce(benchmark: Any, broker: BrokerProcess, size: int) -> None:
    records = min(BYTES // size, 1_000_000)

    async def make(client: Client) -> ProduceLoad:
        topic = f"produce-{next(SERIAL)}"
        await create_topic(client, topic, partition_count=1)
        return await open_produce_load(client, topic, {}, ProduceTask(record_count=records, payload=size))

    measure(benchmark, broker, records, size, make)


@pytest.mark.benchmark(group="load-fetch")
@pytest.mark.parametrize("size", SIZES)
def test_fetch(benchmark: Any, broker: BrokerProcess, size: int) -> None:
    records = min(BYTES // size, 1_000_000)
    topic = f"fetch-{next(SERIAL)}"

    async def fill(client: Client) -> None:
        await create_topic(client, topic, partition_count=1)
        await drive(await open_produce_load(client, topic, {}, ProduceTask(record_count=records, payload=size)))

    async def make(client: Client) -> FetchLoad:
        return await open_fetch_load(client, {(topic, 0): 0}, {}, record_count=records)

    asyncio.run(with_client(broker, fill))
    measure(benchmark, broker, records, size, make)

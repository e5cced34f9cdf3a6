"""What `read_committed` costs a consumer: a topic read by the load in C (csrc/client/fetch_load.h) either way, in turn.

    plain       no transactions in it
    committed   written in committed transactions of some ten thousand records
    small       of a few hundred
    aborted     every tenth transaction was aborted: what is read, and thrown away by a read_committed consumer

The demand is that reading committed data is within 5 % of reading it uncommitted. A single pair says little where the
machine has other work, so there are many short ones, every other the other way round (ABBA). Of the quotients within
the pairs, read_committed over read_uncommitted, the median is told, and where the median lies with 95 % (bootstrap), as
[median, from, to]:

    cpu_quotient       broker's CPU over all its threads, per byte of the log; 1.05: 5 % more
    wall_quotient      time, the consumer's with it
    records_per_s      by a read_committed consumer, the median round
    broker_cpu_ns_each of one record in the log, the median round; [uncommitted, committed]

What the same costs in instructions and system calls, without noise: tests/costs.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from bench.broker_process import BrokerProcess, pinned_broker
from pykafka_core.client.admin import create_topic
from pykafka_core.client.cluster import Client
from pykafka_core.client.load import FetchLoad, ProduceTask, open_fetch_load, open_produce_load, run
from pykafka_core.client.settings import parse_addresses
from pykafka_core.client.transactions import Transaction

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")
if sys.platform != "linux":
    pytest.skip("the CPU clock of another process needs Linux", allow_module_level=True)

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "40"))
"""Pairs."""
RECORDS = int(os.environ.get("BENCH_RECORDS", "500000"))
RESAMPLES = 2000
LARGE_READS = {"fetch.max.bytes": str(16 << 20), "max.partition.fetch.bytes": str(8 << 20)}
SIZE = 100
TRANSACTION_MS = 10
TRANSACTIONAL = {"enable.idempotence": "true", "linger.ms": "0", "batch.size": "16384"}
SMALL = TRANSACTIONAL | {"batch.size": "4096", "buffer.memory": "16384"}
SERIAL = count()


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with pinned_broker() as started:
        yield started


async def fill(client: Client, topic: str, kind: str) -> tuple[int, int, int]:
    """Returns how many records there are, how many of them are committed, and the number of transactions."""
    await create_topic(client, topic, partition_count=1)
    if kind == "plain":
        load = await open_produce_load(client, topic, {}, ProduceTask(record_count=RECORDS, payload=SIZE))
        while not await run(load, 1000):
            pass
        return RECORDS, RECORDS, 0
    transaction = Transaction(client, topic)
    await transaction.init()
    task = ProduceTask(
        record_count=RECORDS,
        payload=SIZE,
        transactional_id=topic,
        producer_id=transaction.producer_id,
        producer_epoch=transaction.producer_epoch,
    )
    load = await open_produce_load(client, topic, SMALL if kind == "small" else TRANSACTIONAL, task)
    committed = transactions = 0
    done = False
    while not done:
        before = load.made
        await transaction.add_partitions([(topic, 0)])
        done = await run(load, 0 if kind == "small" else TRANSACTION_MS)
        await run(load, 10_000, drain=True)
        commit = kind != "aborted" or transactions % 10 != 9
        await transaction.end(commit=commit)
        committed += commit * (load.made - before)
        transactions += 1
    assert load.failed[0] == 0, load.failed
    return load.made, committed, transactions


async def read(broker: BrokerProcess, topic: str, records: int, isolation: str) -> tuple[float, float]:
    """Wall seconds and the broker's CPU seconds."""
    async with Client(parse_addresses(broker.bootstrap)) as client:
        load: FetchLoad = await open_fetch_load(
            client, {(topic, 0): 0}, LARGE_READS | {"isolation.level": isolation}, record_count=records
        )
        cpu, began = broker.cpu_s(), time.perf_counter()
        while not await run(load, 10_000):
            pass
        return time.perf_counter() - began, broker.cpu_s() - cpu


def quotient(values: dict[str, list[float]]) -> list[float]:
    """Median of the quotients within the pairs, and its interval."""
    pairs = zip(values["read_committed"], values["read_uncommitted"], strict=True)
    quotients = [committed / uncommitted for committed, uncommitted in pairs]
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(quotients, k=len(quotients))) for _ in range(RESAMPLES))
    ends = medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975) - 1]
    return [round(each, 3) for each in (statistics.median(quotients), *ends)]


@pytest.mark.benchmark(group=f"reading {RECORDS} records of {SIZE} bytes, read_committed")
@pytest.mark.parametrize("kind", ["plain", "committed", "small", "aborted"])
def test_read_committed(benchmark: Any, broker: BrokerProcess, kind: str) -> None:
    topic = f"{kind}-{next(SERIAL)}"

    async def make() -> tuple[int, int, int]:
        async with Client(parse_addresses(broker.bootstrap)) as client:
            return await fill(client, topic, kind)

    stored, committed, transactions = asyncio.run(make())
    counts = {"read_uncommitted": stored, "read_committed": committed}
    found: dict[str, list[tuple[float, float]]] = {isolation: [] for isolation in counts}

    def one(isolation: str) -> None:
        found[isolation].append(asyncio.run(read(broker, topic, counts[isolation], isolation)))

    def pair() -> None:
        order = list(counts) if len(found["read_committed"]) % 2 else list(reversed(counts))
        for isolation in order:
            one(isolation)

    pair()
    for times in found.values():
        times.clear()
    benchmark.pedantic(pair, rounds=ROUNDS)
    walls = {isolation: [wall for wall, _ in times] for isolation, times in found.items()}
    cpus = {isolation: [cpu for _, cpu in times] for isolation, times in found.items()}
    medians = {isolation: statistics.median(values) for isolation, values in cpus.items()}
    benchmark.extra_info.update(
        transactions=transactions,
        cpu_quotient=quotient(cpus),
        wall_quotient=quotient(walls),
        records_per_s=round(committed / statistics.median(walls["read_committed"])),
        broker_cpu_ns_each=[round(1e9 * medians[isolation] / stored) for isolation in counts],
    )
    print(kind, benchmark.extra_info)

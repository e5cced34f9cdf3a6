"""One sample of one workload of bench/compare: a fresh topic, the load (bench/load.c), the broker's CPU clock before
and after."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench import raw_client
from bench.broker_process import GB
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.create_topics_request import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from pykafka_core.protocol.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from pykafka_core.protocol.messages.metadata_request import MetadataRequest, MetadataRequestTopic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.side_by_side_brokers import Measured
    from bench.side_by_side_workloads import Workload

ROOT = Path(__file__).resolve().parents[1]
ARCHIVE = ROOT / "build" / f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}" / "libkc.a"
LOAD = ROOT / "build" / "bench-load"
SAMPLE_BYTES = 450_000_000
COLD_BATCH = 1000
COLD_SECONDS = 2
"""Of the producer beside the reader, in seconds of an ordinary sample."""
SETTLE_S = 1.0
LEADERS_S = 60

Found = dict[str, float]


def compile_load() -> None:
    if not ARCHIVE.exists():
        raise SystemExit(f"compare: no {ARCHIVE.relative_to(ROOT)} (ci/build makes it)")
    compiler = [*shlex.split(os.environ.get("CC", "cc")), "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*compiler, "-Icsrc", "bench/load.c", ARCHIVE, "-pthread", "-o", LOAD], cwd=ROOT, check=True)


def load_command(mode: str, broker: Measured, topic: str, **options: float | int) -> list[str]:
    words = [str(LOAD), mode, str(broker.port), topic]
    for name, value in options.items():
        words += [f"-{name}", str(value)]
    return words


def run_load(command: list[str]) -> Found:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    answer: Found = json.loads(done.stdout)
    return answer


_serial = 0


def serial() -> int:
    global _serial
    _serial += 1
    return _serial


def _create(broker: Measured, name: str, workload: Workload) -> None:
    with socket.create_connection(broker.address, timeout=30) as connection:
        if broker.manages_topics:
            configs = [CreatableTopicConfig(name=key, value=value) for key, value in workload.configs.items()]
            topic = CreatableTopic(name=name, num_partitions=workload.partitions, replication_factor=1, configs=configs)
            body = CreateTopicsRequest(topics=[topic], timeout_ms=30_000)
            answer = raw_client.call(connection, ApiKey.CREATE_TOPICS, raw_client.CREATE_TOPICS_VERSION, body)
        else:
            asked = MetadataRequest(topics=[MetadataRequestTopic(name=name)])
            answer = raw_client.call(connection, ApiKey.METADATA, 1, asked)
        if answer.topics[0].error_code:  # type: ignore[attr-defined]
            raise RuntimeError(f"{broker.label}: topic {name}: {answer!r}")
        if broker.manages_topics:
            _await_leaders(connection, name, workload.partitions)


def _await_leaders(connection: socket.socket, name: str, partitions: int) -> None:
    """Apache Kafka says that a topic is there before its leaders are."""
    places = [ListOffsetsPartition(partition_index=p, timestamp=-1) for p in range(partitions)]
    body = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=places)])
    deadline = time.monotonic() + LEADERS_S
    while time.monotonic() < deadline:
        answer = raw_client.call(connection, ApiKey.LIST_OFFSETS, 4, body)
        (topic,) = answer.topics  # type: ignore[attr-defined]
        if not any(partition.error_code for partition in topic.partitions):
            return
        time.sleep(0.02)
    raise TimeoutError(f"{name}: no leaders after {LEADERS_S} s")


@contextmanager
def topics(broker: Measured, workload: Workload, count: int = 1) -> Iterator[list[str]]:
    """Fresh topics with the workload's partitions and settings."""
    names = [f"compare-{os.getpid()}-{serial()}" for _ in range(count)]
    if not broker.manages_topics:
        broker.partitions, broker.sync = workload.partitions, "group" if workload.configs else "none"
        broker.start_empty()
    for name in names:
        _create(broker, name, workload)
    yield names
    if broker.manages_topics:
        with socket.create_connection(broker.address, timeout=30) as connection:
            for name in names:
                raw_client.delete_topic(connection, name)


def figures(told: Found, cpu_s: float) -> Found:
    """All metrics that the answer of the load can give."""
    found = {
        "cpu_s_per_gb": cpu_s / (told["bytes"] / GB),
        "cpu_us_per_request": cpu_s * 1e6 / told["requests"],
        "mb_per_s": told["bytes"] / 1e6 / told["seconds"],
        "requests_per_s": told["requests"] / told["seconds"],
    }
    if "p50_us" in told:
        found |= {"p50_ms": told["p50_us"] / 1000, "p99_ms": told["p99_us"] / 1000}
    return found


def produced(workload: Workload, broker: Measured, topic: str, seconds: float, size: int = SAMPLE_BYTES) -> Found:
    sizes = {"n": workload.records, "s": workload.size, "c": workload.connections, "f": workload.in_flight}
    return run_load(load_command("produce", broker, topic, **sizes, p=workload.partitions, t=seconds, b=size))


def sample(workload: Workload, broker: Measured, seconds: float) -> Found:
    if workload.mode == "idle":
        with topics(broker, workload, 2) as (waited_for, woken):
            return idle_sample(workload, broker, waited_for, woken, seconds)
    with topics(broker, workload) as (topic,):
        told = None
        if workload.mode == "fetch":  # what is read has to be there first
            told = produced(workload, broker, topic, seconds)
        elif workload.partitions > 1:  # files are made when they are first written to
            produced(workload, broker, topic, 60, workload.partitions * workload.batch_bytes)
        before = broker.cpu_s()
        if told is None:
            told = produced(workload, broker, topic, seconds)
        else:
            options = {"n": int(told["records"]), "t": seconds, "b": 2 * SAMPLE_BYTES, "v": broker.fetch_version}
            told = run_load(load_command("fetch", broker, topic, **options))
        return figures(told, broker.cpu_s() - before)


def idle_sample(workload: Workload, broker: Measured, topic: str, other: str, seconds: float) -> Found:
    """CPU and memory while so many consumers wait, each asking again after its half second; then, beside them, how long
    a record takes to one who waits for another topic."""
    rss = broker.rss_mib()
    options = {"c": workload.connections, "v": broker.fetch_version, "t": 2 * seconds + 2 * SETTLE_S + 60}
    client = subprocess.Popen(load_command("fetch", broker, topic, **options), stdout=subprocess.DEVNULL)
    try:
        time.sleep(SETTLE_S)
        began, before = time.monotonic(), broker.cpu_s()
        time.sleep(seconds)
        spent, passed = broker.cpu_s() - before, time.monotonic() - began
        more = broker.rss_mib() - rss
        told = run_load(load_command("wake", broker, other, t=seconds, v=broker.fetch_version))
        if client.poll() is not None:
            raise RuntimeError(f"{broker.label}: the consumers did not stay")
    finally:
        client.terminate()
        client.wait()
    woken = {"wake_p50_ms": told["p50_us"] / 1000, "wake_p99_ms": told["p99_us"] / 1000}
    return {"core_percent": 100 * spent / passed, "rss_more_mib": more, **woken}


# ---- a cold reader beside a producer


def fill(broker: Measured, topic: str, size: int) -> int:
    """Returns the number of records."""
    command = load_command("produce", broker, topic, n=COLD_BATCH, s=1024, f=5, t=600, b=size)
    return int(run_load(command)["records"])


def forget_pages(broker: Measured, topic: str) -> None:
    """Nothing of the topic's files is in memory any more."""
    for path in broker.data.rglob("*"):
        if topic in str(path) and path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def cold_sample(workload: Workload, broker: Measured, topic: str, filled: tuple[str, int], seconds: float) -> Found:
    """A producer alone, and then beside somebody who reads what only the disk has. The reader has the lower priority on
    the client's processor, so that the producer's clock is its own."""
    seconds *= COLD_SECONDS
    alone = produced(workload, broker, topic, seconds)
    cold, records = filled
    forget_pages(broker, cold)
    options = {"n": records, "b": records * 1024, "v": broker.fetch_version, "t": seconds + 0.5}
    command = ["nice", "-n", "19", *load_command("fetch", broker, cold, **options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        time.sleep(0.1)
        beside = produced(workload, broker, topic, seconds)
        out, _ = reader.communicate(timeout=60)
    read = json.loads(out)
    return {
        "p99_alone_ms": alone["p99_us"] / 1000,
        "p99_ms": beside["p99_us"] / 1000,
        "p99_times": beside["p99_us"] / alone["p99_us"],
        "reader_mb_per_s": read["bytes"] / 1e6 / read["seconds"],
    }


# ---- two reactors and one


def reactors_sample(workload: Workload, one: Measured, two: Measured, seconds: float) -> Found:
    """The two in turn, as the caller has ordered them."""
    cost, p99 = {}, {}
    for broker in (one, two):
        found = sample(workload, broker, seconds)
        cost[broker], p99[broker] = found["cpu_us_per_request"], found["p99_ms"]
    return {
        "cpu_us_per_request": cost[two],
        "cpu_times": cost[two] / cost[one],
        "p99_ms": p99[two],
        "p99_times": p99[two] / p99[one],
    }


def start_sample(broker: Measured) -> Found:
    broker.start()
    try:
        time.sleep(SETTLE_S)
        return {"first_answer_ms": broker.first_answer_s * 1000, "rss_mib": broker.rss_mib()}
    finally:
        broker.stop()

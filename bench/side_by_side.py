"""bench/compare: the same loads against several brokers in alternation, and what each costs them.

All brokers of a run are up at the same time, on one processor, the client on another. For each workload the order is
A B B A, as often as there are rounds, so that what drifts drifts for both. A sample is: a fresh topic, one run of the
load (bench/load.c), the broker's CPU clock before and after, topic deleted. Before and after it the cost of touching
256 MiB of fresh memory is measured: above 1 s/GB the sample says more about the machine than about the broker, and is
taken again, up to three times, and then left out. bench/RESULTS.md explains the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import raw_client
from bench.broker_process import GB, machine, processors, touch_s_per_gb
from bench.side_by_side_brokers import SETTINGS, Measured, Other, make
from bench.side_by_side_report import Metric, Row, as_json, between_markers, chart, row_of, table
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.create_topics_request import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)

ROOT = Path(__file__).resolve().parents[1]
RESULTS, SVG = ROOT / "bench" / "RESULTS.md", ROOT / "bench" / "results.svg"
ARCHIVE = ROOT / "build" / f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}" / "libkc.a"
LOAD = ROOT / "build" / "bench-load"
TOUCH_BYTES = 256 << 20
ATTEMPTS = 3
SAMPLE_BYTES = 450_000_000
IDLE_CONSUMERS = 500
SETTLE_S = 1.0

CPU_PER_GB = Metric("cpu_s_per_gb", "broker CPU s/GB")
CPU_PER_REQUEST = Metric("cpu_us_per_request", "broker CPU µs/request")
MEGABYTES = Metric("mb_per_s", "MB/s", more_is_better=True)
REQUESTS = Metric("requests_per_s", "requests/s", more_is_better=True)
P50, P99 = Metric("p50_ms", "p50 ms"), Metric("p99_ms", "p99 ms")
BULK = (CPU_PER_GB, MEGABYTES, P50, P99)
TRIPS = (CPU_PER_REQUEST, CPU_PER_GB, REQUESTS, P50, P99)
FIRST_ANSWER, RSS = Metric("first_answer_ms", "first answer ms"), Metric("rss_mib", "RSS MiB")
CORE_PERCENT = Metric("core_percent", "% of a core")

Samples = dict[str, dict[str, list[float]]]
"""Metric name, broker, values."""


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    metrics: tuple[Metric, ...]
    mode: str = "produce"
    records: int = 1
    """In a batch."""
    size: int = 1024
    connections: int = 1
    in_flight: int = 1
    configs: dict[str, str] = field(default_factory=dict)


SYNC = {"flush.messages": "1"}
WORKLOADS = [
    Workload("p100", "produce 100 B, 0.97 MB batches", BULK, records=9000, size=100, in_flight=5),
    Workload("p1k", "produce 1 KiB, 1 MB batches", BULK, records=1000, in_flight=5),
    Workload("p1k16", "produce 1 KiB, 16 KiB batches", BULK, records=16, in_flight=5),
    Workload("c100", "consume 100 B, warm", BULK[:2], "fetch", records=9000, size=100, in_flight=5),
    Workload("c1k", "consume 1 KiB, warm", BULK[:2], "fetch", records=1000, in_flight=5),
    Workload("rtt1", "one record of 1 KiB, 1 connection", TRIPS),
    Workload("rtt50", "one record of 1 KiB, 50 connections", TRIPS, connections=50),
    Workload("rtt1_sync", "one record, 1 connection, flush.messages=1", TRIPS, configs=SYNC),
    Workload("rtt50_sync", "one record, 50 connections, flush.messages=1", TRIPS, connections=50, configs=SYNC),
    Workload("idle", f"{IDLE_CONSUMERS} idle consumers", (CORE_PERCENT,), "idle", connections=IDLE_CONSUMERS),
    Workload("start", "start on an empty directory", (FIRST_ANSWER, RSS), "start"),
]


# ---- one sample


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


def run_load(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


class Topic:
    """A topic of one partition, for one sample."""

    number = 0

    def __init__(self, broker: Measured, configs: dict[str, str]) -> None:
        Topic.number += 1
        self.name = f"compare-{os.getpid()}-{Topic.number}"
        self._broker, self._configs = broker, configs

    def __enter__(self) -> str:
        configs = [CreatableTopicConfig(name=name, value=value) for name, value in self._configs.items()]
        topic = CreatableTopic(name=self.name, num_partitions=1, replication_factor=1, configs=configs)
        body = CreateTopicsRequest(topics=[topic])
        with socket.create_connection(self._broker.address, timeout=30) as connection:
            answer = raw_client.call(connection, ApiKey.CREATE_TOPICS, raw_client.CREATE_TOPICS_VERSION, body)
        if answer.topics[0].error_code:  # type: ignore[attr-defined]
            raise RuntimeError(f"{self._broker.label}: topic {self.name}: {answer!r}")
        return self.name

    def __exit__(self, *_: object) -> None:
        with socket.create_connection(self._broker.address, timeout=30) as connection:
            raw_client.delete_topic(connection, self.name)


def figures(told: dict[str, float], cpu_s: float) -> dict[str, float]:
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


def produced(workload: Workload, broker: Measured, topic: str, seconds: float) -> dict[str, float]:
    sizes = {"n": workload.records, "s": workload.size, "c": workload.connections, "f": workload.in_flight}
    return run_load(load_command("produce", broker, topic, **sizes, t=seconds, b=SAMPLE_BYTES))


def sample(workload: Workload, broker: Measured, seconds: float) -> dict[str, float]:
    with Topic(broker, workload.configs) as topic:
        if workload.mode == "idle":
            return idle_sample(workload, broker, topic, seconds)
        told = None
        if workload.mode == "fetch":  # what is read has to be there first
            told = produced(workload, broker, topic, seconds)
        before = broker.cpu_s()
        if told is None:
            told = produced(workload, broker, topic, seconds)
        else:
            there = int(told["records"])
            told = run_load(load_command("fetch", broker, topic, n=there, t=seconds, b=2 * SAMPLE_BYTES))
        return figures(told, broker.cpu_s() - before)


def idle_sample(workload: Workload, broker: Measured, topic: str, seconds: float) -> dict[str, float]:
    """CPU while so many consumers wait, each asking again after its half second."""
    command = load_command("fetch", broker, topic, c=workload.connections, t=seconds + 2 * SETTLE_S)
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        time.sleep(SETTLE_S)
        began, before = time.monotonic(), broker.cpu_s()
        time.sleep(seconds)
        spent, passed = broker.cpu_s() - before, time.monotonic() - began
        if client.poll() is not None:
            raise RuntimeError(f"{broker.label}: the consumers did not stay")
    finally:
        client.terminate()
        client.wait()
    return {"core_percent": 100 * spent / passed}


def start_sample(broker: Measured) -> dict[str, float]:
    broker.start()
    try:
        time.sleep(SETTLE_S)
        return {"first_answer_ms": broker.first_answer_s * 1000, "rss_mib": broker.rss_mib()}
    finally:
        broker.stop()


# ---- a run


class Run:
    def __init__(self, options: argparse.Namespace, brokers: list[Measured], folder: Path) -> None:
        self.options, self.brokers, self.folder = options, brokers, folder
        self.touches: list[float] = []
        self.dropped = 0

    def order(self, workload: Workload) -> list[Measured]:
        # A JVM takes seconds to start, and each start is much like the next.
        rounds = 1 if workload.mode == "start" and self.options.quick else int(self.options.rounds)
        return [*self.brokers, *reversed(self.brokers)] * rounds

    def steady(self, workload: Workload, broker: Measured) -> dict[str, float] | None:
        """A sample of a machine that was itself; None after so many attempts."""
        for _ in range(ATTEMPTS):
            before = touch_s_per_gb(TOUCH_BYTES)
            if workload.mode == "start":
                found = start_sample(self.fresh(broker))
            else:
                found = sample(workload, broker, self.options.seconds)
            touch = max(before, touch_s_per_gb(TOUCH_BYTES))
            self.touches.append(touch)
            good = touch <= self.options.fresh_memory_limit
            told = ", ".join(f"{m.unit} {found[m.name]:.4g}" for m in workload.metrics)
            remark = "" if good else ", DROPPED"
            print(f"{workload.name:11} {broker.label:12} {told}  [touch {touch:.2f} s/GB{remark}]", flush=True)
            if good:
                return found
            self.dropped += 1
        return None

    def fresh(self, broker: Measured) -> Measured:
        """The same kind with a directory of its own, formatted if it has to be."""
        Topic.number += 1
        directory = self.folder / f"start-{Topic.number}"
        if isinstance(broker, Other):
            return Other(directory, broker.label, broker.template)
        return type(broker)(directory, **SETTINGS)

    def workload(self, workload: Workload) -> list[Row]:
        values: Samples = {m.name: {b.label: [] for b in self.brokers} for m in workload.metrics}
        if workload.mode in ("produce", "fetch"):
            for broker in self.brokers:
                sample(workload, broker, self.options.warm_up if broker.is_jvm else min(1.0, self.options.warm_up))
        for broker in self.order(workload):
            found = self.steady(workload, broker)
            for metric in workload.metrics if found else ():
                assert found
                values[metric.name][broker.label].append(found[metric.name])
        rows = [row_of(workload.title, metric, values[metric.name]) for metric in workload.metrics]
        return [row for row in rows if row]

    def all(self, workloads: list[Workload]) -> list[Row]:
        rows: list[Row] = []
        with ExitStack() as running:
            if any(workload.mode != "start" for workload in workloads):
                for broker in self.brokers:
                    running.callback(broker.stop)
                    broker.start()
            for workload in workloads:
                if workload.mode == "start":  # the last one: alone on the machine
                    running.close()
                rows += self.workload(workload)
        return rows


def commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!bench/RESULTS.md", ":!bench/results.svg")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (" with changes" if changed else "")


def parse(arguments: list[str]) -> argparse.Namespace:
    names = ", ".join(workload.name for workload in WORKLOADS)
    parser = argparse.ArgumentParser(prog="bench/compare", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="shorter and fewer samples, a JVM half warm: less than five minutes"
    )
    parser.add_argument("--seconds", type=float, help="of one sample (2; quick: 1)")
    parser.add_argument("--rounds", type=int, help="A B B A so many times (5; quick: 2)")
    parser.add_argument(
        "--warm-up", type=float, help="seconds of each workload before its first sample, JVM only (20; quick: 4)"
    )
    parser.add_argument("--workloads", help=f"some of {names}")
    parser.add_argument("--brokers", help="some of ours, kafka and the names given with --broker")
    parser.add_argument(
        "--broker", action="append", default=[], metavar="NAME=COMMAND", help="{port} {data} {properties}"
    )
    parser.add_argument("--fresh-memory-limit", type=float, default=1.0, help="s/GB; beyond it a sample is dropped (1)")
    parser.add_argument("--json", type=Path, help="write everything here")
    parser.add_argument("--svg", type=Path, help="write the chart here")
    parser.add_argument("--write", action="store_true", help="put the table into bench/RESULTS.md, the chart beside it")
    options = parser.parse_args(arguments)
    for name, quick, full in (("seconds", 1.0, 2.0), ("rounds", 2, 5), ("warm_up", 4.0, 20.0)):
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else full)
        elif getattr(options, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} must be above 0")
    for each in options.broker:
        if "=" not in each:
            parser.error(f"--broker wants NAME=COMMAND, not {each!r}")
    known = {workload.name for workload in WORKLOADS}
    wanted = options.workloads.split(",") if options.workloads else list(known)
    if not set(wanted) <= known:
        parser.error(f"--workloads may name {names}")
    options.chosen = [workload for workload in WORKLOADS if workload.name in wanted]
    return options


def main(arguments: list[str]) -> None:
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the brokers must not stay behind
    compile_load()
    about = {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "commit": commit(), **machine()}
    about["command"] = shlex.join(["bench/compare", *arguments])
    with tempfile.TemporaryDirectory(prefix="compare-", dir=os.environ.get("BENCH_DATA")) as folder:
        others = dict(each.split("=", 1) for each in options.broker)
        brokers = make(Path(folder), others, options.brokers.split(",") if options.brokers else None)
        pins = processors()
        if pins:
            os.sched_setaffinity(0, {pins[1]})
        run = Run(options, brokers, Path(folder))
        rows = run.all(options.chosen)
    labels = [broker.label for broker in brokers]
    touch = f"{min(run.touches):.2f} … {max(run.touches):.2f} s/GB"
    pinned = f"broker on cpu{pins[0]}, client on cpu{pins[1]}" if pins else "not pinned"
    text = "\n".join(
        [
            f"{about['date']}, commit {about['commit']}, `{about['command']}`. {about['processor']}, "
            f"{about['processors']} processors, Linux {about['kernel']}, Python {about['python']}; {pinned}; load at "
            f"the beginning {about['load'][0]:.1f}; fresh memory {touch}; {run.dropped} samples dropped.",
            "",
            table(rows, labels),
        ]
    )
    print("\n" + text)
    main_rows = [
        row for row in rows if row.metric in (CPU_PER_GB, CPU_PER_REQUEST, P99, FIRST_ANSWER, CORE_PERCENT, RSS)
    ]
    # A round trip's bytes are no measure of its work, so the chart shows its requests.
    trips = {row.workload for row in rows if row.metric is CPU_PER_REQUEST}
    main_rows = [row for row in main_rows if not (row.metric is CPU_PER_GB and row.workload in trips)]
    picture = chart(main_rows, labels, f"bench/compare, {about['date']}, commit {about['commit']}")
    if options.json:
        whole = as_json(rows, about=about, touch_s_per_gb=run.touches, dropped=run.dropped)
        options.json.write_text(json.dumps(whole, indent=1) + "\n")
    if options.svg:
        options.svg.write_text(picture)
    if options.write:
        RESULTS.write_text(between_markers(RESULTS.read_text(), f"{text}\n\n![The same as bars]({SVG.name})"))
        SVG.write_text(picture)


if __name__ == "__main__":
    main(sys.argv[1:])

"""What bench/compare runs, and what it tells of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.side_by_side_report import Metric

IDLE_CONSUMERS = 1000

CPU_PER_GB = Metric("cpu_s_per_gb", "broker CPU s/GB")
CPU_PER_REQUEST = Metric("cpu_us_per_request", "broker CPU µs/request")
MEGABYTES = Metric("mb_per_s", "MB/s", more_is_better=True)
REQUESTS = Metric("requests_per_s", "requests/s", more_is_better=True)
P50, P99 = Metric("p50_ms", "p50 ms"), Metric("p99_ms", "p99 ms")
BULK = (CPU_PER_GB, MEGABYTES, P50, P99)
TRIPS = (CPU_PER_REQUEST, CPU_PER_GB, REQUESTS, P50, P99)
FIRST_ANSWER, RSS = Metric("first_answer_ms", "first answer ms"), Metric("rss_mib", "RSS MiB")
CORE_PERCENT, RSS_MORE = Metric("core_percent", "% of a core"), Metric("rss_more_mib", "RSS MiB more")
WAKE_P50, WAKE_P99 = Metric("wake_p50_ms", "wake-up p50 ms"), Metric("wake_p99_ms", "wake-up p99 ms")
IDLE = (CORE_PERCENT, RSS_MORE, WAKE_P50, WAKE_P99)
P99_ALONE, P99_TIMES = Metric("p99_alone_ms", "p99 alone ms"), Metric("p99_times", "p99 ÷ alone")
READER = Metric("reader_mb_per_s", "reader MB/s", more_is_better=True)
COLD = (P99_ALONE, P99, P99_TIMES, READER)
CPU_TIMES, P99_TIMES_ONE = Metric("cpu_times", "CPU ÷ one reactor's"), Metric("p99_times", "p99 ÷ one reactor's")
REACTORS = (CPU_PER_REQUEST, CPU_TIMES, P99, P99_TIMES_ONE)


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
    partitions: int = 1
    rounds_max: int = 100
    configs: dict[str, str] = field(default_factory=dict)

    @property
    def batch_bytes(self) -> int:
        return self.records * self.size


def spread_over(partitions: int) -> Workload:
    title = f"produce 1 KiB, 64 KiB batches, {partitions:,} partition{'s' if partitions > 1 else ''}"
    return Workload(f"part{partitions}", title, BULK, records=64, in_flight=5, partitions=partitions)


SYNC = {"flush.messages": "1"}
WORKLOADS = [
    Workload("p100", "produce 100 B, 0.97 MB batches", BULK, records=9000, size=100, in_flight=5),
    Workload("p1k", "produce 1 KiB, 1 MB batches", BULK, records=1000, in_flight=5),
    Workload("p1k16", "produce 1 KiB, 16 KiB batches", BULK, records=16, in_flight=5),
    spread_over(1),
    spread_over(100),
    spread_over(1000),
    Workload("c100", "consume 100 B, warm", BULK, "fetch", records=9000, size=100, in_flight=5),
    Workload("c1k", "consume 1 KiB, warm", BULK, "fetch", records=1000, in_flight=5),
    Workload("rtt1", "one record of 1 KiB, 1 connection", TRIPS),
    Workload("rtt50", "one record of 1 KiB, 50 connections", TRIPS, connections=50),
    Workload("rtt1_sync", "one record, 1 connection, flush.messages=1", TRIPS, configs=SYNC),
    Workload("rtt50_sync", "one record, 50 connections, flush.messages=1", TRIPS, connections=50, configs=SYNC),
    Workload("idle", f"{IDLE_CONSUMERS:,} idle consumers", IDLE, "idle", connections=IDLE_CONSUMERS, rounds_max=1),
    Workload("cold", "one record, 10 connections, beside a cold reader", COLD, "cold", connections=10, rounds_max=2),
    Workload("reactors1", "two reactors, 50 connections, 1 partition", REACTORS, "reactors", connections=50),
    Workload("reactors50", "two reactors, 50 connections, 50 partitions", REACTORS, "reactors", connections=50,
             partitions=50),
    Workload("start", "start on an empty directory", (FIRST_ANSWER, RSS), "start", rounds_max=2),
]  # fmt: skip

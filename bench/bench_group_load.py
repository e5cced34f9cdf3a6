"""Reading what __consumer_offsets holds at a start: a million records of committed offsets, one commit in a batch.

Shapes: one group that has committed a few partitions over and over, as a log looks before it is compacted, and a
million offsets that are all different, as it can look after. extra_info has the microseconds of CPU for a record.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path

import pytest

from pykafka_core.broker.groups_load import read_partition
from pykafka_core.coordinator.events import CommittedOffset
from pykafka_core.coordinator.records import offset_record
from pykafka_core.log import Log
from pykafka_core.native import BatchBuilder
from pykafka_core.protocol.records.framing import encode_coordinator_key, encode_coordinator_value

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")

RECORDS = 1_000_000
WRITE_SIZE = 1 << 20


def fill(log: Log, groups: int, topics: int, partitions: int) -> None:
    now = time.time_ns() // 1_000_000
    places = [(f"group-{g}", f"topic-{t}", p) for g in range(groups) for t in range(topics) for p in range(partitions)]
    rows = []
    for group, topic, partition in places:
        key, value, version = offset_record(
            group, (topic, partition), CommittedOffset(1000, 3, "", now, topic_id=bytes([7]) * 16)
        )
        assert value is not None
        rows.append((encode_coordinator_key(key), encode_coordinator_value(value, version)))
    for number in range(RECORDS):
        builder = BatchBuilder(capacity=256)
        builder.add(now, *rows[number % len(rows)])
        log.append_batch(builder.finish())


@pytest.mark.parametrize(
    ("groups", "topics", "partitions"), [(1, 1, 6), (1000, 10, 100)], ids=["repeated", "all-different"]
)
def test_load(benchmark: object, tmp_path: Path, groups: int, topics: int, partitions: int) -> None:
    with Log(tmp_path / "offsets-0") as log:
        fill(log, groups, topics, partitions)
        cpu = []

        def load() -> None:
            gc.disable()  # as the broker does
            before = time.thread_time()
            found = read_partition(log)
            cpu.append(time.thread_time() - before)
            gc.enable()
            assert sum(map(len, found.offsets.values())) == groups * topics * partitions

        benchmark.pedantic(load, rounds=3)  # type: ignore[attr-defined]
    benchmark.extra_info["cpu_us_each"] = round(min(cpu) / RECORDS * 1e6, 3)  # type: ignore[attr-defined]

"""The ways of bench/disk.py, one by one: which settings of the disk and the socket the engine uses, and what the others
would cost. Data lies below $BENCH_DATA, or in the system's temporary directory."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import disk


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-disk-", dir=os.environ.get("BENCH_DATA")) as folder:
        yield Path(folder) / "disk"


@pytest.mark.parametrize("way", [pytest.param(way, id=f"{way.group}: {way.title}") for way in disk.ways()])
def test_disk(benchmark: Any, path: Path, way: disk.Way) -> None:
    benchmark.group = f"disk, {way.group}"
    costs = []

    def setup() -> None:
        if way.prepare:
            way.prepare(path)

    def measured() -> int:
        before = time.process_time()
        size = way.run(path)
        costs.append((time.process_time() - before) / (size / disk.GB))
        return size

    size = benchmark.pedantic(measured, setup=setup, rounds=disk.ROUNDS)
    benchmark.extra_info.update(bytes=size, engine=way.engine, cpu_s_per_gb=[round(cost, 4) for cost in costs])

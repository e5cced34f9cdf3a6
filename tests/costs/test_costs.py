"""What one request costs in system calls, allocations and instructions stays below limits.toml.

Goal: a change that makes the data path dearer is seen at once, on any machine, however busy it is.
Method: workload.c runs one kind of request in lockstep against a server in its own process; the difference between two
runs of different length is what the requests cost. Calls are counted by strace, instructions by callgrind.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ARCHIVE = Path("build") / f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}" / "libkc.a"
PROGRAM = Path("build/costs/workload")
ALL_LIMITS = tomllib.loads((HERE / "limits.toml").read_text())
LIMITS = {name: limits for name, limits in ALL_LIMITS.items() if name not in ("start", "read_committed")}
WRAPPED = "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"
SHORT, LONG = 400, 1200
"""Requests of the two runs whose difference is taken."""
SWEEP_SHORT, SWEEP_LONG = 8, 80
"""The same where each brings a quarter of a megabyte: twice through the log more."""


def needs(program: str) -> None:
    if shutil.which(program) is None:
        assert os.environ.get("CI") != "true", f"{program} is not installed"
        pytest.skip(f"no {program}")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def program() -> Path:
    """The workload with the engine as it is shipped: ci/build's archive, -O3."""
    (ROOT / PROGRAM).parent.mkdir(parents=True, exist_ok=True)
    compiler = shlex.split(os.environ.get("CC", "cc"))
    flags = ["-std=gnu11", "-O2", "-pthread", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Icsrc"]
    run(*compiler, *flags, HERE / "workload.c", ARCHIVE, "-lm", WRAPPED, "-o", PROGRAM)
    return ROOT / PROGRAM


def per_request(measure: Callable[[int], float], short: int = SHORT, long: int = LONG) -> float:
    return (measure(long) - measure(short)) / (long - short)


def calls(program: Path, folder: Path, name: str, count: int) -> int:
    """By the reactor: the one thread that polls."""
    folder = folder / f"{name}-calls-{count}"
    folder.mkdir()
    run("strace", "-ff", "-o", folder / "trace", program, name, str(count))
    traces = [path.read_text() for path in folder.iterdir()]
    (reactor,) = [trace for trace in traces if "epoll_wait(" in trace]
    return len(re.findall(r"^(?!epoll_wait\(|\+\+\+|---)\w+\(", reactor, re.MULTILINE))


def instructions(program: Path, folder: Path, name: str, count: int) -> tuple[int, int]:
    """Of the reactor, the thread in which requests are handled, and of all threads, the client's with them."""
    folder = folder / f"{name}-instructions-{count}"
    folder.mkdir()
    run("valgrind", "--tool=callgrind", "--separate-threads=yes", "--fair-sched=yes",
        f"--callgrind-out-file={folder}/out", program, name, str(count))  # fmt: skip
    reactors, total = [], 0
    for path in folder.glob("out-*"):
        text = path.read_text()
        of_thread = int(re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)[1])
        total += of_thread
        if re.search(r"^c?fn=\(\d+\) epoll_wait", text, re.MULTILINE):
            reactors.append(of_thread)
    assert len(reactors) == 1, sorted(folder.iterdir())
    return reactors[0], total


@pytest.mark.parametrize("name", LIMITS)
def test_system_calls(program: Path, tmp_path: Path, name: str) -> None:
    needs("strace")
    cost = per_request(lambda count: calls(program, tmp_path, name, count))
    assert 0 < cost <= LIMITS[name]["calls"]


@pytest.mark.parametrize("name", LIMITS)
def test_allocations(program: Path, name: str) -> None:
    allocations = int(run(program, name, str(LONG)).split()[1])
    assert allocations / LONG <= LIMITS[name]["allocations"]


@pytest.mark.parametrize("name", [name for name, limits in LIMITS.items() if "instructions" in limits])
def test_instructions(program: Path, tmp_path: Path, name: str) -> None:
    needs("valgrind")
    cost = per_request(lambda count: instructions(program, tmp_path, name, count)[0])
    print(f"{name}: {cost:.0f} instructions per request")
    assert 0 < cost <= LIMITS[name]["instructions"]


@pytest.mark.parametrize("log", ["plain", "transactions", "aborts"])
def test_reading_committed_data(program: Path, tmp_path: Path, log: str) -> None:
    """A consumer reads a log of 9 MB through, either way, and checks and counts what it gets."""
    needs("strace")
    needs("valgrind")
    limits = ALL_LIMITS["read_committed"]
    found: dict[str, list[float]] = {}
    for isolation in ("uncommitted", "committed"):
        name = f"sweep_{log}_{isolation}"
        counts = {count: instructions(program, tmp_path, name, count) for count in (SWEEP_SHORT, SWEEP_LONG)}
        found[isolation] = [
            per_request(measure, SWEEP_SHORT, SWEEP_LONG)
            for measure in (
                lambda count, name=name: calls(program, tmp_path, name, count),
                lambda count, counts=counts: counts[count][0],
                lambda count, counts=counts: counts[count][1],
            )
        ]
        allocations = int(run(program, name, str(SWEEP_LONG)).split()[1])
        assert allocations / SWEEP_LONG <= limits["allocations"]
    print(f"{log}: system calls of the broker, its instructions, and those of broker and consumer, per fetch: {found}")
    for uncommitted, committed, quotient in zip(
        found["uncommitted"], found["committed"], (limits["calls"], None, limits["instructions"]), strict=True
    ):
        assert uncommitted > 0
        assert quotient is None or committed <= quotient * uncommitted
    assert found["committed"][1] - found["uncommitted"][1] <= limits["broker_more"][log]

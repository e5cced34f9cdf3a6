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
LIMITS = {name: limits for name, limits in tomllib.loads((HERE / "limits.toml").read_text()).items() if name != "start"}
WRAPPED = "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"
SHORT, LONG = 400, 1200
"""Requests of the two runs whose difference is taken."""


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


def per_request(measure: Callable[[int], float]) -> float:
    return (measure(LONG) - measure(SHORT)) / (LONG - SHORT)


@pytest.mark.parametrize("name", LIMITS)
def test_system_calls(program: Path, tmp_path: Path, name: str) -> None:
    needs("strace")

    def calls(count: int) -> int:
        """By the reactor: the one thread that polls."""
        folder = tmp_path / str(count)
        folder.mkdir()
        run("strace", "-ff", "-o", folder / "trace", program, name, str(count))
        traces = [path.read_text() for path in folder.iterdir()]
        (reactor,) = [trace for trace in traces if "epoll_wait(" in trace]
        return len(re.findall(r"^(?!epoll_wait\(|\+\+\+|---)\w+\(", reactor, re.MULTILINE))

    cost = per_request(calls)
    assert 0 < cost <= LIMITS[name]["calls"]


@pytest.mark.parametrize("name", LIMITS)
def test_allocations(program: Path, name: str) -> None:
    allocations = int(run(program, name, str(LONG)).split()[1])
    assert allocations / LONG <= LIMITS[name]["allocations"]


@pytest.mark.parametrize("name", [name for name, limits in LIMITS.items() if "instructions" in limits])
def test_instructions(program: Path, tmp_path: Path, name: str) -> None:
    needs("valgrind")

    def instructions(count: int) -> int:
        """Of the reactor: the thread in which requests are handled."""
        folder = tmp_path / str(count)
        folder.mkdir()
        run("valgrind", "--tool=callgrind", "--separate-threads=yes", "--fair-sched=yes",
            f"--callgrind-out-file={folder}/out", program, name, str(count))  # fmt: skip
        counts = []
        for path in folder.glob("out-*"):
            text = path.read_text()
            if re.search(r"^c?fn=\(\d+\) epoll_wait", text, re.MULTILINE):
                counts.append(int(re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)[1]))
        assert len(counts) == 1, sorted(folder.iterdir())
        return counts[0]

    cost = per_request(instructions)
    print(f"{name}: {cost:.0f} instructions per request")
    assert 0 < cost <= LIMITS[name]["instructions"]

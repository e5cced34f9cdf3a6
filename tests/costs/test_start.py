"""What a start costs, from the first import to the first answer, stays below limits.toml.

Goal: an import or a piece of work that could wait until clients can connect is seen at once, on any machine, however
busy it is.
Method: start_to_answer.py is a broker that ends with its first answer. Modules are counted by it, instructions by
callgrind, less those of an interpreter that does nothing. A first run has the compiled modules written.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.broker.processes import broker_process
from tests.broker.raw_client import create_topic
from tests.costs.test_costs import needs

HERE = Path(__file__).resolve().parent
LIMITS = tomllib.loads((HERE / "limits.toml").read_text())["start"]
PROGRAM = HERE / "start_to_answer.py"
NEVER = {
    *("asyncio", "collections", "concurrent.futures", "contextlib", "dataclasses", "enum", "functools", "inspect"),
    *("logging", "numpy", "pathlib", "re", "signal", "socket", "ssl", "threading", "typing"),
}
"""Each of these, with what it imports, costs as much as five to twenty modules of ours."""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def modules_of(directory: Path) -> list[str]:
    word, *modules = run(sys.executable, PROGRAM, directory).stdout.splitlines()[-1].split()
    assert word == "modules"
    print(f"{len(modules)} modules")
    return modules


def test_modules(tmp_path: Path) -> None:
    modules = modules_of(tmp_path / "data")
    assert not NEVER & set(modules)
    assert 0 < len(modules) <= LIMITS["modules"], modules


def test_modules_where_there_are_partitions_to_open(tmp_path: Path) -> None:
    from pykafka_core.testing import Broker

    with Broker(directory=tmp_path, topics={"t": 3, "u": 1}):
        pass
    modules = modules_of(tmp_path)
    assert not NEVER & set(modules)
    assert 0 < len(modules) <= LIMITS["modules_restart"], modules


def test_instructions(tmp_path: Path) -> None:
    needs("valgrind")

    def instructions(*words: str | Path) -> int:
        said = run("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, *words).stderr
        return int(re.search(r"Collected : (\d+)", said)[1])

    run(sys.executable, PROGRAM, tmp_path / "warm")
    cost = instructions(PROGRAM, tmp_path / "data") - instructions("-c", "pass")
    print(f"{cost} instructions from the first import to the first answer")
    assert 0 < cost <= LIMITS["instructions"]


def test_memory_of_an_idle_broker(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc")
    with broker_process(tmp_path) as broker:
        broker.await_ready()
        with broker.client() as client:
            create_topic(client, "t")
        status = Path(f"/proc/{broker.process.pid}/status").read_text()
        assert broker.stop() == 0
    size_kb = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])
    print(f"{size_kb} kB")
    assert 0 < size_kb <= LIMITS["memory_kb"]

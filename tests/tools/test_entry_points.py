"""Each command is installed under its name and under the name of Kafka's script, and answers with help and version."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from running import OURS, run_ours

SCRIPTS = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]["scripts"]

# Of those whose command lines are argparse4j's: the status with which their help ends.
ARGPARSE = {
    "kafka-cluster": 1,
    "kafka-features": 0,
    "kafka-metadata-quorum": 0,
    "kafka-producer-perf-test": 1,
    "kafka-storage": 0,
    "kafka-transactions": 1,
    "kafka-verifiable-consumer": 1,
    "kafka-verifiable-producer": 1,
}
# What some of them call themselves, and those that show their help when nothing is said to them.
NAMES = {
    "kafka-transactions": "kafka-transactions.sh",
    "kafka-verifiable-consumer": "verifiable-consumer",
    "kafka-verifiable-producer": "verifiable-producer",
}
HELPFUL = ("kafka-producer-perf-test", "kafka-verifiable-consumer", "kafka-verifiable-producer")


@pytest.mark.parametrize("command", OURS)
def test_both_names_start_the_same_command(command: str) -> None:
    module, _, function = SCRIPTS[command].partition(":")
    assert module == f"pykafka_core.tools.{OURS[command]}"
    assert SCRIPTS[f"{command}.sh"] == SCRIPTS[command]
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("command", sorted(OURS))
def test_help_costs_nothing_that_it_does_not_need(command: str) -> None:
    """It must answer in 150 ms; what keeps it from that is what gets imported."""
    program = (
        f"import sys; from pykafka_core.tools.{OURS[command]} import main; main(['--help']); "
        "print(*sorted({'argparse', 'asyncio', 'logging', 'numpy', 'ssl'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_no_script_lacks_its_twin() -> None:
    named = {name for name in SCRIPTS if name.startswith("kafka-") and not name.endswith(".sh")}
    assert {name for name in SCRIPTS if name.endswith(".sh")} == {f"{name}.sh" for name in named}
    assert set(OURS) <= named


@pytest.mark.parametrize("command", OURS)
def test_version(command: str) -> None:
    ran = run_ours(command, "--version")
    assert (ran.status, ran.out, ran.err) == (0, ["4.3.1"], [])


@pytest.mark.parametrize("command", ARGPARSE)
def test_help_is_on_standard_output_where_kafkas_is(command: str) -> None:
    name = NAMES.get(command, command)
    ran = run_ours(command, "--help")
    assert (ran.status, ran.err) == (ARGPARSE[command], [])
    assert ran.out[0].startswith(f"usage: {name}")
    ran = run_ours(command)
    if command in HELPFUL:
        assert (ran.status, ran.err) == (0, [])
        assert ran.out[0].startswith(f"usage: {name}")
        return
    assert (ran.status, ran.out) == (1, [])
    if command == "kafka-features":
        assert ran.err == ["Command line error: too few arguments. Type --help for help."]
        return
    assert ran.err[0].startswith(f"usage: {name} [-h]")
    assert ran.err[-1].startswith(f"{name}: error: ")


@pytest.mark.parametrize("command", [each for each in OURS if each not in ARGPARSE])
def test_help_and_no_words_at_all_name_the_options(command: str) -> None:
    for words in (["--help"], []):
        ran = run_ours(command, *words)
        assert (ran.status, ran.out) == (1, [])
        assert len(ran.err) > 3
        assert all(len(line) <= 80 for line in ran.err[1:])

"""kafka-dump-log shows what Kafka's shows.

Method: golden/dump-log holds files of every kind, sound and damaged, and golden/dump-log.session what Apache Kafka's
tool says of them. Standard output must be the same line by line; of what ends the command on standard error, the first
line, which is the reason.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import recorded
from running import run_inside


def shown(lines: list[str], directory: Path) -> list[str]:
    return [recorded.normal(line, directory, "HOST:9092").rstrip() for line in lines]


def without_reason(line: str) -> str:
    """Why something was skipped is worded by a library."""
    return line.partition("skipping. ")[0]


def test_output_is_that_of_kafkas_tool(tmp_path: Path) -> None:
    count = 0
    for step, ran in recorded.replay("dump-log", tmp_path, run=run_inside):
        count += 1
        assert [without_reason(line) for line in shown(ran.out, tmp_path)] == [
            without_reason(line) for line in shown(step.out, tmp_path)
        ], step.line
        assert ran.status == step.status, (step.line, ran)
        said, wanted = shown(ran.err, tmp_path), shown(step.err, tmp_path)
        if ran.status == 0:
            # Which of several files is named first depends on the hash of its path.
            assert sorted(said) == sorted(wanted), step.line
        else:
            assert said[0] == wanted[0], (step.line, ran)
    assert count == 34


def test_a_reader_that_stops_is_no_error(tmp_path: Path) -> None:
    log = tmp_path / "00000000000000000000.log"
    kept = recorded.GOLDEN / "dump-log" / "__consumer_offsets-7" / "00000000000000000000.logfile"
    log.write_bytes(kept.read_bytes())
    files = ",".join([str(log)] * 60)
    words = [sys.executable, "-m", "pykafka_core.tools.dump_log", "--offsets-decoder", "--files", files]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"), (1024.0, "1024.0"), (1024.5, "1024.5"), (1e7, "1.0E7"), (123456789.0, "1.23456789E8"),
        (-2.5e-5, "-2.5E-5"),
        (1e100, "1.0E100"), (0.001, "0.001"), (9999999.0, "9999999.0"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_java_does(value: float, text: str) -> None:
    from pykafka_core.tools.record_json import java_double

    assert java_double(value) == text

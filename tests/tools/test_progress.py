"""Long work shows how far it is on a terminal, and nowhere else.

Method: a pseudo-terminal takes what a command says on standard error; its standard output must be what it is without
one. The line itself is tested with a clock that is moved by hand.
"""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator

import pytest

from harness import broker as brokers
from pykafka_core.tools.progress import Progress
from running import OURS, Ran


class Terminal:
    """What was written to one end comes out at the other, with carriage returns and all."""

    def __init__(self) -> None:
        self._there, self.here = pty.openpty()
        self._data = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._there, 4096)
            except OSError:
                return
            if not data:
                return
            self._data += data

    def text(self) -> str:
        """All that was written, once nobody writes any more."""
        os.close(self.here)
        self._reader.join(10)
        os.close(self._there)
        return self._data.decode()


def run_at_terminal(command: str, *words: str, stdin: str = "") -> tuple[Ran, str]:
    terminal = Terminal()
    line = [sys.executable, "-m", f"pykafka_core.tools.{OURS[command]}", *words]
    done = subprocess.run(
        line, input=stdin, stdout=subprocess.PIPE, stderr=terminal.here, text=True, timeout=60, check=False
    )
    return Ran(done.returncode, done.stdout, ""), terminal.text()


def final(text: str) -> list[str]:
    """What is left on the screen: each carriage return begins the line again."""
    lines = []
    for whole in text.replace("\r\n", "\n").split("\n"):
        screen = ""
        for part in whole.split("\r"):
            screen = part + screen[len(part) :]
        lines.append(screen.rstrip())
    return [line for line in lines if line]


def test_the_performance_tests_show_how_far_they_are(ours: brokers.Broker) -> None:
    where = ["--bootstrap-server", ours.bootstrap, "--topic", f"progress-{uuid.uuid4().hex[:8]}"]
    words = [*where, "--num-records", "500", "--record-size", "10", "--throughput", "250"]
    ran, shown = run_at_terminal("kafka-producer-perf-test", *words)
    assert ran.status == 0
    assert [line.split(",")[0] for line in ran.out] == ["500 records sent"]
    assert " of 500 records sent, " in shown
    assert final(shown) == [], "at the end it is gone"
    words = [*where, "--num-records", "501", "--timeout", "1500", "--hide-header"]
    ran, shown = run_at_terminal("kafka-consumer-perf-test", *words)
    assert ran.out[0].startswith("WARNING: Exiting before consuming the expected number of records: timeout (1500 ms)")
    assert "500 of 501 records read, 99 %" in shown
    assert final(shown) == []


def test_the_consumer_tells_where_its_output_goes_elsewhere(ours: brokers.Broker) -> None:
    where = ["--bootstrap-server", ours.bootstrap, "--topic", f"progress-{uuid.uuid4().hex[:8]}"]
    ran, shown = run_at_terminal("kafka-console-producer", *where, stdin="a\nb\n")
    assert (ran.status, ran.out, shown) == (0, [], ""), "it takes no time"
    ran, shown = run_at_terminal("kafka-console-consumer", *where, "--from-beginning", "--timeout-ms", "1500")
    assert ran.out == ["a", "b"]
    assert "\r2 messages" in shown
    assert final(shown)[0].startswith("[main] ERROR")
    assert final(shown)[-1] == "Processed a total of 2 messages"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextlib.contextmanager
def at_terminal(lines: list[str]) -> Iterator[None]:
    """Standard error is a terminal; what was shown is added to `lines` in the end."""
    terminal = Terminal()
    with os.fdopen(terminal.here, "w", closefd=False) as file, contextlib.redirect_stderr(file):
        yield
    lines.append(terminal.text())


def test_the_line_comes_after_a_while_and_goes(clock: Clock) -> None:
    shown: list[str] = []
    with at_terminal(shown), Progress("records", 2_000_000, clock=clock) as progress:
        progress.show(1)
        clock.now = 10.0
        progress.show(500_000)
        progress.show(500_001)
        clock.now = 10.3
        progress.show(1_999_999)
        progress.hide()
    first, second = "500,000 of 2,000,000 records, 25 %, 30 s left", "1,999,999 of 2,000,000 records, 99 %, 0 s left"
    assert shown == [f"\r{first}\r{second}\r{' ' * len(second)}\r"]


def test_a_total_that_is_not_known_is_not_shown(clock: Clock) -> None:
    shown: list[str] = []
    with at_terminal(shown), Progress("messages", clock=clock) as progress:
        clock.now = 7_300.0
        progress.show(1_234)
    assert shown == ["\r1,234 messages\r              \r"]


@pytest.mark.parametrize(("done", "left"), [(1, "27 h 46 min"), (50, "33 min 20 s"), (2000, "50 s")])
def test_the_time_that_is_left(done: int, left: str, clock: Clock) -> None:
    shown: list[str] = []
    with at_terminal(shown):
        progress = Progress("records", 100 + done, clock=clock)
        clock.now = 1000.0
        progress.show(done)
    assert shown[0].endswith(f", {left} left")


def test_nothing_is_shown_without_a_terminal(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress("records", 10, clock=clock) as progress:
        clock.now = 100.0
        progress.show(5)
    assert capsys.readouterr() == ("", "")


def test_where_the_output_shows_the_work_nothing_else_does(clock: Clock) -> None:
    shown: list[str] = []
    with at_terminal(shown), contextlib.redirect_stdout(sys.stderr):
        progress = Progress("messages", beside_output=True, clock=clock)
        clock.now = 100.0
        progress.show(5)
    assert shown == [""]

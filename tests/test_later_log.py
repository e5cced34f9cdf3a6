"""Loggers that import `logging` late say the same as its own, no later than at the first warning.

Method: lines are said, held and let go, and what the standard module was given is looked at.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pykafka_core._later_log import get_logger, hold_lines, logger_names, release_lines

NAME = "kafka.tests.Later"


@pytest.fixture(autouse=True)
def released() -> Iterator[None]:
    yield
    release_lines()


def test_a_line_is_written_at_once_where_none_are_held(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for say in ("debug", "info", "warning", "error"):
        getattr(get_logger(NAME), say)("%d of %s", 1, say)
    assert [(record.levelname, record.name, record.getMessage()) for record in caplog.records] == [
        (say.upper(), NAME, f"1 of {say}") for say in ("debug", "info", "warning", "error")
    ]


def test_held_lines_come_in_order_with_the_time_at_which_they_were_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    said: list[str] = []
    hold_lines(lambda: said.append("before"))
    begun = time.time()
    get_logger(NAME).info("first")
    get_logger(NAME).debug("not wanted")
    get_logger(NAME).info("second")
    between = time.time()
    assert not said
    assert not caplog.records
    while time.time() < between + 0.01:
        pass
    release_lines()
    release_lines()
    assert said == ["before"]
    assert [record.message for record in caplog.records] == ["first", "second"]
    assert all(begun <= record.created <= between for record in caplog.records)
    get_logger(NAME).info("third")
    assert caplog.records[-1].message == "third"


@pytest.mark.parametrize("say", ["warning", "error"])
def test_what_is_wrong_is_not_held(caplog: pytest.LogCaptureFixture, say: str) -> None:
    caplog.set_level(logging.INFO)
    hold_lines(lambda: None)
    get_logger(NAME).info("before")
    getattr(get_logger(NAME), say)("wrong")
    get_logger(NAME).info("after")
    assert [record.message for record in caplog.records] == ["before", "wrong", "after"]


def test_their_names_are_known_before_they_speak() -> None:
    get_logger("kafka.tests.Silent")
    assert "kafka.tests.Silent" in logger_names()
    from pykafka_core.broker.log_levels import log_levels

    assert "kafka.tests.Silent" in log_levels()


def test_a_start_that_fails_writes_what_it_has_said() -> None:
    program = (
        "from pykafka_core._later_log import get_logger\n"
        "import pykafka_core.broker.main as main\n"
        "from pykafka_core.broker.errors import StartError\n"
        "def start(self):\n"
        "    get_logger('kafka.tests').info('said before')\n"
        "    raise StartError('it cannot')\n"
        "main.Broker.start = start\n"
        "from pykafka_core.broker.config import make_config\n"
        "raise SystemExit(main.run_broker(make_config({})))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "pykafka-core: it cannot\n")
    assert done.stdout.endswith("INFO said before (kafka.tests)\n")

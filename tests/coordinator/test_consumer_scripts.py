"""The stories in consumer_scripts/*.txt give, step by step, what is written below each step. consumer_script.py says
how to read them."""

import os
from pathlib import Path

import pytest

from tests.coordinator.consumer_script import perform

SCRIPTS = sorted(Path(__file__).parent.glob("consumer_scripts/*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    told = path.read_text()
    given = perform(told)
    if os.environ.get("KC_SCRIPTS") == "write":
        path.write_text(given)
    assert given == told


def test_a_script_that_is_wrong_is_noticed() -> None:
    assert perform("> group\n  Stable\n") != "> group\n  Stable\n"

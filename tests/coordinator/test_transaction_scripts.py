"""The transaction coordinator by script: each file in transaction_scripts/ says what producers do and what comes of it.

To write down what the scripts give, for reading before it is kept: KC_SCRIPTS=write.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.coordinator.transaction_script import perform

SCRIPTS = sorted((Path(__file__).parent / "transaction_scripts").glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script(script: Path) -> None:
    text = script.read_text()
    if os.environ.get("KC_SCRIPTS") == "write":
        script.write_text(perform(text))
    assert perform(text) == text

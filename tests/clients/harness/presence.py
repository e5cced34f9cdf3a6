"""What to do about a client that this machine lacks: skip and name it, or fail where CI=true says it must be here."""

from __future__ import annotations

import os

import pytest

CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


class MissingError(Exception):
    """Something this machine does not have; the text names it."""


def absent(reason: str) -> None:
    if CI:
        pytest.fail(f"missing under CI: {reason}", pytrace=False)
    pytest.skip(reason)

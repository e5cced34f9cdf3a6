"""Refusals to start that a test cannot bring about as root: what the sentence says.

Method: the step that fails is made to fail.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pykafka_core.broker.errors import StartError
from pykafka_core.metadata.errors import DirectoryError
from pykafka_core.testing import Broker


def test_missing_permission_names_who_is_missing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        cause = PermissionError(errno.EACCES, "Permission denied")
        raise DirectoryError(f"Log directory {tmp_path} cannot be written: Permission denied.") from cause

    monkeypatch.setattr("pykafka_core.broker.start.open_directories", refuse)
    with pytest.raises(StartError) as caught:
        Broker(directory=tmp_path).start()
    assert str(caught.value) == (
        f"Log directory {tmp_path} cannot be written: Permission denied; "
        f"the broker runs as uid {os.getuid()}, gid {os.getgid()}."
    )


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with Broker(directory=tmp_path, topics={"t": 1}):
        pass
    folder = tmp_path / "t-0"
    for file in folder.glob("*.log"):
        file.unlink()
        file.mkdir()
    with pytest.raises(StartError, match="t-0"):
        Broker(directory=tmp_path).start()


def test_a_broker_that_could_not_start_can_be_started_again(tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path / "data")
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StartError, match="data"):
        broker.start()
    (tmp_path / "data").unlink()
    with broker:
        assert broker.bootstrap.startswith("127.0.0.1:")

"""A disk that fails on demand under a real broker: see shim.c."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.processes import BrokerProcess, broker_process

SOURCE = Path(__file__).with_name("shim.c")


class FaultyDisk:
    def __init__(self, scratch: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None or not sys.platform.startswith("linux"):
            pytest.skip("needs a C compiler and LD_PRELOAD")
        self._library = scratch / "shim.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"], check=True
        )
        self._trigger = scratch / "trigger"

    def fail(self, calls: str, error: int, directory: Path) -> None:
        """From now on `calls` ("write", "sync" or "any") in this directory fail with this errno."""
        temporary = self._trigger.with_suffix(".new")
        temporary.write_text(f"{calls} {error} {directory}")
        temporary.replace(self._trigger)

    def heal(self) -> None:
        self._trigger.unlink(missing_ok=True)

    @contextlib.contextmanager
    def broker(self, *directories: Path, port: int, words: tuple[str, ...] = ()) -> Iterator[BrokerProcess]:
        """A broker over these directories, on this disk."""

        words = ("--override", f"log.dirs={','.join(map(str, directories))}", *words)
        started = contextlib.ExitStack()
        with started:
            # Only the broker's own process gets the shim.
            with environment(LD_PRELOAD=str(self._library), FAULT_TRIGGER=str(self._trigger)):
                broker = started.enter_context(broker_process(None, *words, port=port))
            yield broker


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

"""Brokers as processes of their own, started by the commands as a user types them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.broker.raw_client import RawClient
from tests.ports import free_port

SECONDS_MAX = 90.0
COMMANDS = Path(sys.executable).parent


class BrokerProcess:
    """A broker that was started; its output is gathered as it comes."""

    def __init__(self, words: Sequence[str], *, port: int, before_exec: Callable[[], None] | None = None) -> None:
        self.bootstrap = f"127.0.0.1:{port}"
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            preexec_fn=before_exec,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._gather, daemon=True)
        self._reader.start()

    def _gather(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def await_line(self, text: str) -> str:
        """Return the first line that contains this text."""
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if text in line:
                    return line
            if self.process.poll() is not None:
                self._reader.join(5)
                if text not in self.output:
                    break
            time.sleep(0.01)
        raise AssertionError(f"{text!r} did not come; what came:\n{self.output}")

    def await_condition(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS_MAX
        while not holds():
            assert time.monotonic() < deadline, self.output
            assert self.process.poll() is None, self.output
            time.sleep(0.01)

    def await_ready(self) -> None:
        self.await_line("Kafka Server started")

    def client(self) -> RawClient:
        return RawClient(self.bootstrap)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(SECONDS_MAX)
        self._reader.join(5)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextlib.contextmanager
def broker_process(
    directory: Path | None, *words: str, port: int | None = None, before_exec: Callable[[], None] | None = None
) -> Iterator[BrokerProcess]:
    """`pykafka-core start` over this directory (None: none is named), killed at the end if it still runs."""
    port = free_port() if port is None else port
    command = [str(COMMANDS / "pykafka-core"), "start", "--override", f"listeners=PLAINTEXT://127.0.0.1:{port}"]
    if directory is not None:
        command += ["--override", f"log.dirs={directory}"]
    started = BrokerProcess([*command, *words], port=port, before_exec=before_exec)
    try:
        yield started
    finally:
        started.close()


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the commands to its end."""
    return subprocess.run(
        [str(COMMANDS / words[0]), *words[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
        env=os.environ | environment,
    )

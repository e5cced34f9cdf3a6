"""The broker of tests: a thread of its own, with its own event loop, a free port and a directory that goes away.

Threads: whoever starts it also stops it; `bootstrap` may be read by any.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from pykafka_core.broker.config import BrokerConfig, make_config
from pykafka_core.broker.shell import Broker as Shell
from pykafka_core.broker.shell import StartTopic

__all__ = ["Broker"]

START_SECONDS_MAX = 30.0


class Broker:
    """A running broker between `start` and `stop`, or inside a `with`."""

    def __init__(
        self, *, directory: Path | str | None = None, topics: dict[str, int] | None = None, **settings: object
    ) -> None:
        """`directory`: where the data lie; None for one that is removed at the end. `topics`: partitions by topic name,
        to be created at the start. `settings`: as in server.properties, with `_` for `.`."""
        self._directory = None if directory is None else Path(directory)
        self._topics: list[StartTopic] = [(name, count, -1, {}) for name, count in (topics or {}).items()]
        self._settings = {
            name.replace("_", "."): str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in settings.items()
        }
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._thread: threading.Thread | None = None
        self._shell: Shell | None = None
        self._changed = threading.Event()
        self._failure: BaseException | None = None
        self._addresses: list[str] = []

    @property
    def bootstrap(self) -> str:
        """What a client takes as bootstrap.servers."""
        return self._addresses[0]

    @property
    def addresses(self) -> list[str]:
        """One for each listener: what its clients are told."""
        return list(self._addresses)

    @property
    def directory(self) -> Path:
        """Where the data lie."""
        if self._directory is not None:
            return self._directory
        if self._scratch is None:
            raise RuntimeError("the broker is not running")
        return Path(self._scratch.name)

    def start(self) -> Self:
        """Return when clients are being served. Raises StartError, ConfigError."""
        if self._thread is not None:
            raise RuntimeError("the broker is running")
        if self._directory is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="pykafka-core-")
        settings = {"listeners": "PLAINTEXT://127.0.0.1:0", "log.dirs": str(self.directory)} | self._settings
        self._changed.clear()
        self._shell = None
        self._thread = threading.Thread(
            target=self._run, args=(make_config(settings),), name="pykafka-core broker", daemon=True
        )
        self._thread.start()
        if not self._changed.wait(START_SECONDS_MAX):
            raise TimeoutError(f"the broker did not start within {START_SECONDS_MAX:g} seconds")
        failure = self._take_failure()
        if failure is not None:
            self.stop()
            raise failure
        return self

    def stop(self) -> None:
        """Stop cleanly, and return when everything is closed. Raises what the broker failed with while it ran."""
        thread, self._thread = self._thread, None
        if thread is not None:
            if self._shell is not None and thread.is_alive():
                self._shell.stop_soon()
            thread.join()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None
        failure = self._take_failure()
        if failure is not None:
            raise failure

    def _take_failure(self) -> BaseException | None:
        failure, self._failure = self._failure, None
        return failure

    def _run(self, config: BrokerConfig) -> None:
        try:
            self._shell = shell = Shell(config, topics=self._topics, on_started=self._started)
            if shell.start():
                asyncio.run(shell.serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._changed.set()

    def _started(self, shell: Shell) -> None:
        self._addresses = [listener.shown() for listener in shell.listeners]
        self._changed.set()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

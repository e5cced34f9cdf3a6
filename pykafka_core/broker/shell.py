"""A broker from start to stop.

    start   up to listening: start.py, without an event loop
    serve   what the reactors hand up, and the way down: running.py, in one; imported when clients can already connect

Whatever fails on the way up is undone in the opposite order and raised as StartError: one sentence for whoever
started the broker.

Threads: `start` may be called on any, `serve` belongs to asyncio; `stop_soon` may be called on any, and by a signal.
"""

from __future__ import annotations

import os

from pykafka_core._undo import Undo
from pykafka_core.broker.errors import RequestError, StartError, StoppedError
from pykafka_core.broker.listeners import OpenListener
from pykafka_core.broker.start import BrokerParts, open_broker
from pykafka_core.metadata.errors import MetadataError
from pykafka_core.native import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

    from pykafka_core.broker.config import BrokerConfig
    from pykafka_core.broker.running import RunningBroker

__all__ = ["Broker", "StartTopic"]

StartTopic = tuple[str, int, int, dict[str, str]]
"""A topic that shall exist once the broker runs: name, partitions, replication factor (-1: the default), configs."""


class Broker:
    def __init__(
        self,
        config: BrokerConfig,
        *,
        topics: Sequence[StartTopic] = (),
        on_started: Callable[[Broker], None] = lambda _: None,
    ) -> None:
        """`on_started` is called, once, when clients are being served."""
        self.config: Final = config
        self.listeners: Final = [OpenListener.of(configured) for configured in config.listeners]
        self._on_started: Final = on_started
        self._start_topics: Final = topics
        self._undo: Final = Undo()
        self._parts: BrokerParts | None = None
        self._running: RunningBroker | None = None
        self._stops_asked = 0

    def stop_soon(self) -> None:
        """Ask for a stop; asked again, for one that waits for nobody."""
        self._stops_asked += 1
        if self._running is not None:
            self._running.stop_soon(hasten=self._stops_asked > 1)

    async def run(self) -> None:
        """Start, serve until `stop_soon`, stop. Raises StartError; HaltError where the broker cannot go on."""
        import asyncio

        if await asyncio.to_thread(self.start):
            await self.serve()

    def start(self) -> bool:
        """Return when clients can connect; what only Python can answer waits for `serve`. False: a stop was asked for
        meanwhile, and nothing is left to be done. Raises StartError."""
        try:
            self._parts = parts = open_broker(
                self.config, self.listeners, undo=self._undo, is_stopping=lambda: self._stops_asked > 0
            )
            try:
                if self._start_topics:
                    self._create_topics(parts)
                parts.listen()
            except BaseException:
                parts.abandon()
                raise
            # For the next start; this one's clients need not wait for it.
            parts.log_dirs.note_boot()
        except StoppedError:
            import logging

            self._undo.close()
            logging.getLogger("kafka.server.KafkaServer").info("Stopped before it had started")
            return False
        except BaseException as error:
            self._undo.close()
            if isinstance(error, (MetadataError, EngineError, OSError, RequestError)):
                raise StartError(sentence_of(error)) from error
            raise
        return True

    def _create_topics(self, parts: BrokerParts) -> None:
        import asyncio

        from pykafka_core.broker.running import RunningBroker

        async def create() -> None:
            await RunningBroker(parts).create_topics(self._start_topics)

        asyncio.run(create())

    async def serve(self) -> None:
        """Answer requests until `stop_soon`, then stop cleanly; once, after `start`. Raises HaltError."""
        from pykafka_core.broker.running import RunningBroker

        assert self._parts is not None
        with self._undo:
            self._running = running = RunningBroker(self._parts)
            if self._stops_asked:
                running.stop_soon(hasten=self._stops_asked > 1)
            await running.serve(lambda: self._on_started(self))


def sentence_of(error: Exception) -> str:
    """What went wrong at the start, and where permissions are missing, whose they are."""
    sentence = str(error)
    if isinstance(error, PermissionError) or isinstance(error.__cause__, PermissionError):
        sentence = f"{sentence.rstrip('.')}; the broker runs as uid {os.getuid()}, gid {os.getgid()}."
    return sentence

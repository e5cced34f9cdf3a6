"""What the reactors hand up, taken in on the asyncio thread and answered.

A handler that need not wait is answered at once; one that must wait becomes a task, so that it holds up nobody but
its own connection, of which the reactors take no further request before the answer.

A handler that fails is our bug: it is logged with its traceback and the connection ends, because no honest answer is
left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from pykafka_core.broker.console import RateLimit, printable
from pykafka_core.broker.dispatch import Dispatcher
from pykafka_core.broker.errors import CloseConnection
from pykafka_core.broker.events import describe_event
from pykafka_core.native import Event, Request

if TYPE_CHECKING:
    from pykafka_core.native import Server

__all__ = ["Pump"]

log = logging.getLogger("kafka.network.SocketServer")
handler_log = logging.getLogger("kafka.server.KafkaRequestHandler")


ANSWERS_PER_WAKE: Final = 16
"""What has come up together is answered together, so many at a time: to wake a reactor costs more than most answers."""


class Pump:
    def __init__(
        self, *, server: Server, dispatcher: Dispatcher, tasks: asyncio.TaskGroup, frame_size_max: int
    ) -> None:
        self._server: Final = server
        self._dispatcher: Final = dispatcher
        self._tasks: Final = tasks
        self._frame_size_max: Final = frame_size_max
        self._refusals: Final = RateLimit()
        self._failures: Final = RateLimit()
        self._flush_due = False
        self.running: Final[set[asyncio.Task[None]]] = set()
        """Requests whose handlers are waiting for something."""

    def receive(self) -> None:
        """Take in everything that has come up. To be called when the server's descriptor is readable."""
        try:
            for count, item in enumerate(self._server.receive(), 1):
                if isinstance(item, Request):
                    self._begin(item)
                else:
                    self._report(item)
                if count % ANSWERS_PER_WAKE == 0:
                    self._server.flush_replies()
        finally:
            self._server.flush_replies()

    def _report(self, event: Event) -> None:
        log.warning("%s", describe_event(event, frame_size_max=self._frame_size_max))

    def _begin(self, request: Request) -> None:
        try:
            answer = self._dispatcher.begin(
                request.frame, listener=request.listener, peer=request.peer, local=request.local
            )
        except CloseConnection as refusal:
            self._refuse(request, refusal)
        except Exception:
            self._fail(request)
        else:
            if answer is None or isinstance(answer, bytes):
                self._server.reply_later(request.token, answer)
            else:
                task = self._tasks.create_task(self._finish(request, answer))
                self.running.add(task)
                task.add_done_callback(self.running.discard)

    async def _finish(self, request: Request, answer: Awaitable[bytes | None]) -> None:
        try:
            self._reply_soon(request, await answer)
        except CloseConnection as refusal:
            self._refuse(request, refusal)
        except asyncio.CancelledError:
            self._server.reply(request.token, None, close=True)
            raise
        except Exception:
            self._fail(request)

    def _reply_soon(self, request: Request, answer: bytes | None) -> None:
        """With the answers of all other handlers that end in this turn of the loop."""
        self._server.reply_later(request.token, answer)
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        self._server.flush_replies()

    def _refuse(self, request: Request, refusal: CloseConnection) -> None:
        self._server.reply(request.token, None, close=True)
        suppressed = self._refusals.passes()
        if suppressed is not None:
            more = f" ({suppressed} more like this were not logged)" if suppressed else ""
            log.warning("Closed the connection from %s: %s%s", request.peer, printable(str(refusal)), more)

    def _fail(self, request: Request) -> None:
        self._server.reply(request.token, None, close=True)
        if self._failures.passes() is not None:
            handler_log.exception("A request from %s could not be handled", request.peer)

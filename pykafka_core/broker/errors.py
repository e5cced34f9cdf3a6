"""Errors of the broker shell.

BrokerError
  StoppedError    a stop was asked for before the broker had started
  StartError      the broker cannot start; the text is one sentence for whoever started it, without a traceback
  HaltError       the broker cannot go on; one sentence
  RequestError    a request, or one item of it, is refused: an error code and a sentence for the response
  CloseConnection a request cannot be answered in the protocol: the connection ends, the text says why in the log
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pykafka_core.protocol.errors import ErrorCode

__all__ = ["BrokerError", "CloseConnection", "HaltError", "RequestError", "StartError", "StoppedError"]


class BrokerError(Exception):
    """Anything that the broker shell raises on purpose."""


class StoppedError(BrokerError):
    """A stop was asked for before the broker had started."""


class StartError(BrokerError):
    """The broker cannot start."""


class HaltError(BrokerError):
    """The broker cannot go on, and stops without a clean end: no log directory is left."""


class RequestError(BrokerError):
    """A request, or one item of it, is refused."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(message or code.meaning)
        self.code = code
        self.message = message


class CloseConnection(BrokerError):
    """A request cannot be answered in the protocol. The text has the client as its subject: "it sent ..."."""

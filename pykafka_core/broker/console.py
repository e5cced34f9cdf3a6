"""The broker's log on standard output, in the line shape that people and scripts know from Apache Kafka:

    [2026-11-22 10:00:00,123] INFO [KafkaServer id=1] started (kafka.server.KafkaServer)
"""

from __future__ import annotations

import logging
import sys
import time

__all__ = ["LINE_FORMAT", "RateLimit", "log_to_console", "printable"]

LINE_FORMAT = "[%(asctime)s] %(levelname)s %(message)s (%(name)s)"


class KafkaFormatter(logging.Formatter):
    """Kafka's words for the levels differ in one: WARN."""

    def format(self, record: logging.LogRecord) -> str:
        if record.levelno == logging.WARNING:
            record.levelname = "WARN"
        return super().format(record)


def log_to_console(level: int = logging.INFO) -> None:
    """Send what the broker logs to standard output. Only a process that is a broker does this, never a library."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(KafkaFormatter(LINE_FORMAT))
    logging.basicConfig(level=level, handlers=[handler])


class RateLimit:
    """Lets one event through per interval and counts the others."""

    def __init__(self, interval_s: float = 1.0) -> None:
        self._interval_s = interval_s
        self._next = 0.0
        self._suppressed = 0

    def passes(self, now: float | None = None) -> int | None:
        """Return how many were held back since the last one that passed; None if this one is held back too."""
        now = time.monotonic() if now is None else now
        if now < self._next:
            self._suppressed += 1
            return None
        suppressed, self._suppressed = self._suppressed, 0
        self._next = now + self._interval_s
        return suppressed


def printable(text: str) -> str:
    """Escape what could forge a line of the log or drive a terminal, in a text that holds a client's words."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")

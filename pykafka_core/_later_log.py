"""Loggers for what runs before a broker listens.

The standard module takes seven milliseconds to import, with all that it brings; a start shall be over in some tens of
them and has three lines to say. A logger from here imports it with its first line. Where lines are held, as the command
that starts a broker does, that is when they are let go: when clients can connect, or at the first warning, or before
anything that takes long. They are written then as if they had been at once, with the time at which they were said.

Threads: any; but only one may speak while lines are held.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LaterLogger", "get_logger", "hold_lines", "logger_names", "release_lines"]

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40

_NAMES: set[str] = set()


class _Held:
    """The lines that are held, and what is to be done before they are written; None: none are held."""

    before: Callable[[], None] | None = None
    lines: list[tuple[float, str, int, str, tuple[object, ...]]] = []  # noqa: RUF012


class LaterLogger:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def debug(self, text: str, *values: object) -> None:
        self._say(DEBUG, text, values)

    def info(self, text: str, *values: object) -> None:
        self._say(INFO, text, values)

    def warning(self, text: str, *values: object) -> None:
        self._say(WARNING, text, values)

    def error(self, text: str, *values: object) -> None:
        self._say(ERROR, text, values)

    def _say(self, level: int, text: str, values: tuple[object, ...]) -> None:
        if _Held.before is not None:
            _Held.lines.append((time.time(), self.name, level, text, values))
            if level >= WARNING:
                release_lines()
            return
        import logging

        logging.getLogger(self.name).log(level, text, *values)


def get_logger(name: str) -> LaterLogger:
    _NAMES.add(name)
    return LaterLogger(name)


def logger_names() -> set[str]:
    """Of all loggers from here: to the standard module they exist once they have spoken."""
    return _NAMES


def hold_lines(before: Callable[[], None]) -> None:
    """Keep lines until `release_lines`, which calls `before` first."""
    _Held.before = before


def release_lines() -> None:
    """Write what was held; from here on lines are written at once."""
    before, _Held.before = _Held.before, None
    if before is None:
        return
    before()
    import logging

    held, _Held.lines = _Held.lines, []
    for said_at, name, level, text, values in held:
        logger = logging.getLogger(name)
        if logger.isEnabledFor(level):
            record = logger.makeRecord(name, level, "", 0, text, values, None)
            record.created, record.msecs = said_at, said_at % 1 * 1000
            logger.handle(record)

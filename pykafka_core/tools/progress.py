"""How far long work is, in one line on a terminal.

    with Progress("records sent", 1_000_000) as progress:
        ...
        progress.show(count)        as often as one likes
        progress.hide()             before something else is printed
                                    →  421,000 of 1,000,000 records sent, 42 %, 3 s left

The line is on standard error, so that standard output stays what Kafka's command prints, and only if that is a
terminal; it comes when the work has taken a while, and is gone at the end. Where the output itself shows how the work
goes on, `beside_output` keeps the line away unless the output goes to a file or a pipe.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Progress"]

FIRST_SECONDS = 0.5
NEXT_SECONDS = 0.2


class Progress:
    def __init__(
        self,
        what: str,
        total: int | None = None,
        *,
        beside_output: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._total = total
        self._clock = clock
        self._began = clock()
        self._next = self._began + FIRST_SECONDS
        self._width = 0
        """Of the line that is shown."""
        if not sys.stderr.isatty() or (beside_output and sys.stdout.isatty()):
            self._next = float("inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hide()

    def show(self, done: int) -> None:
        if (now := self._clock()) < self._next:
            return
        self._next = now + NEXT_SECONDS
        text = self._text(done, now - self._began)[: columns() - 1]
        self._write(f"\r{text:{self._width}}")
        self._width = len(text)

    def hide(self) -> None:
        if self._width:
            self._write(f"\r{'':{self._width}}\r")
            self._width = 0

    def _text(self, done: int, seconds: float) -> str:
        if not self._total:
            return f"{done:,} {self._what}"
        text = f"{done:,} of {self._total:,} {self._what}, {100 * done // self._total} %"
        if 0 < done < self._total:
            text += f", {duration(seconds * (self._total - done) / done)} left"
        return text

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            # The terminal is gone; the work goes on without it.
            self._next, self._width = float("inf"), 0


def columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

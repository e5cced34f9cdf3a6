"""Failures as Kafka's commands print them: the message of an exception, and the exceptions that it wraps.

Kafka's commands put the broker's exception into others on its way up, and print the outermost one's message, which is
name and message of the next. Scripts look for that text, so ours is made the same way.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pykafka_core.client.errors import KafkaError

__all__ = ["EXECUTION", "RUNTIME", "JavaError", "as_thrown"]

EXECUTION = "java.util.concurrent.ExecutionException"
RUNTIME = "java.lang.RuntimeException"


class JavaError(Exception):
    """One exception and its causes, each as `name: message`."""

    def __init__(self, name: str, message: str, causes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.name = name
        self.causes = causes

    def text(self) -> str:
        return f"{self.name}: {self}"

    def within(self, *names: str) -> JavaError:
        """This as the cause of another, and that of the next."""
        error = self
        for name in names:
            error = JavaError(name, error.text(), (error.text(), *error.causes))
        return error

    def print_causes(self) -> None:
        """What Java prints of it without the places in the code."""
        print("\nCaused by: ".join((self.text(), *self.causes)), file=sys.stderr)


@contextmanager
def as_thrown(*names: str) -> Iterator[None]:
    """Turn a KafkaError into the exception of Java, inside of these."""
    try:
        yield
    except KafkaError as error:
        raise JavaError(error.java_name, str(error)).within(*names) from error

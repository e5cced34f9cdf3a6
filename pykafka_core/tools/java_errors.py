"""Failures as Kafka's commands print them: the message of an exception, and the exceptions that it wraps.

Kafka's commands put the broker's exception into others on its way up, and print the outermost one's message, which is
name and message of the next. Scripts look for that text, so ours is made the same way.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pykafka_core.client.errors import KafkaError
from pykafka_core.tools.command import ToolError

__all__ = ["EXECUTION", "RUNTIME", "JavaError", "as_thrown", "end_with", "thrown"]

EXECUTION = "java.util.concurrent.ExecutionException"
RUNTIME = "java.lang.RuntimeException"
CONFIG_EXCEPTION = "org.apache.kafka.common.config.ConfigException"
NO_CLIENT = "Failed to create new KafkaAdminClient"


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


def thrown(error: Exception) -> JavaError:
    """What Kafka's admin client would have thrown where ours has failed."""
    if isinstance(error, JavaError):
        return error
    if isinstance(error, KafkaError):
        return JavaError(error.java_name, str(error))
    if isinstance(error, ToolError):
        failure = JavaError(error.java_name, str(error))
        if error.java_name != CONFIG_EXCEPTION:
            return failure
        return JavaError("org.apache.kafka.common.KafkaException", NO_CLIENT, (failure.text(),))
    raise error


def end_with(error: Exception) -> int:
    """Message and causes on stderr, as most of Kafka's commands end. Returns the exit status."""
    failure = thrown(error)
    print(failure, file=sys.stderr)
    failure.print_causes()
    return 1

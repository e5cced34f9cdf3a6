"""What can go wrong between a client and a broker, in the words of Kafka's own clients.

Scripts look for these names and sentences in the output of the tools, so `java_name` and the sentence that stands in
for a missing one are Kafka's (org.apache.kafka.common.protocol.Errors).

    KafkaError               a broker's answer, or no answer: `code`, `java_name`
        KafkaTimeoutError    no answer in time
        DisconnectedError    the connection ended while an answer was awaited
        UnsupportedError     the broker lacks the API or all its versions that we know
    ConnectionProtocolError  the bytes that came are no answer of a Kafka broker
"""

from __future__ import annotations

from pykafka_core.protocol.errors import ErrorCode

__all__ = [
    "ConnectionProtocolError",
    "DisconnectedError",
    "KafkaError",
    "KafkaTimeoutError",
    "UnsupportedError",
    "check",
    "java_name",
    "sentence",
]

_PACKAGE = "org.apache.kafka.common.errors."


def java_name(code: int) -> str:
    """The full name of the exception that Kafka's own clients raise for this code."""
    from pykafka_core.client.error_texts import EXCEPTIONS

    name = ErrorCode(code).name
    return _PACKAGE + (EXCEPTIONS.get(name) or "".join(word.capitalize() for word in name.split("_")) + "Exception")


def sentence(code: ErrorCode) -> str:
    """What Kafka says where a broker sent a code alone."""
    from pykafka_core.client.error_texts import SENTENCES

    return SENTENCES.get(code.name) or code.meaning


class KafkaError(Exception):
    """A request failed. `code` is the broker's, or the one that tells best what the client has found itself."""

    def __init__(self, code: int, message: str | None = None) -> None:
        self.code = ErrorCode(code)
        super().__init__(sentence(self.code) if message is None else message)

    @property
    def is_retriable(self) -> bool:
        return self.code.retriable

    @property
    def java_name(self) -> str:
        return java_name(self.code)

    def java_text(self) -> str:
        """Name and message, as Java prints an exception."""
        return f"{self.java_name}: {self}"


class KafkaTimeoutError(KafkaError):
    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.REQUEST_TIMED_OUT, message)


class DisconnectedError(KafkaError):
    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.NETWORK_EXCEPTION, message)

    @property
    def java_name(self) -> str:
        return _PACKAGE + "DisconnectException"


class UnsupportedError(KafkaError):
    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.UNSUPPORTED_VERSION, message)


class ConnectionProtocolError(DisconnectedError):
    """The peer does not speak Kafka's protocol, or breaks it; the connection is closed."""


def check(code: int, message: str | None = None) -> None:
    """Raise KafkaError unless the code is that of success."""
    if code:
        raise KafkaError(code, message)

"""What went wrong on a connection, in one sentence for whoever reads the log.

The reactors report why they closed a connection together with the first bytes they saw. Most strangers on a Kafka
port can be told by four bytes: a TLS client (record type 22, version 3.x) and an HTTP client (a method in letters)
both look like an absurd frame size.

Peers choose these bytes, so nothing of them reaches the log unescaped.
"""

from __future__ import annotations

from typing import Final, Protocol

__all__ = ["ConnectionEvent", "describe_event", "guess_protocol"]

HTTP_STARTS: Final = (b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI ")
TLS_HANDSHAKE: Final = b"\x16\x03"
SSH_START: Final = b"SSH-"
SHOWN_SIZE_MAX: Final = 32


class ConnectionEvent(Protocol):
    """What is needed of `pykafka_core.native.Event`."""

    @property
    def kind(self) -> str: ...
    @property
    def peer(self) -> str: ...
    @property
    def detail(self) -> bytes: ...
    @property
    def suppressed(self) -> int: ...


def describe_event(event: ConnectionEvent, *, frame_size_max: int) -> str:
    """Return the log line for an event of `Server.receive`."""
    guess = guess_protocol(event.detail)
    closed = f"Closed the connection from {event.peer}: "
    match event.kind:
        case "frame too large" if guess is None:
            size = int.from_bytes(event.detail[:4], "big", signed=True)
            text = (
                f"{closed}it announced a request of {size} bytes, "
                f"which is outside 0 to {frame_size_max} (socket.request.max.bytes)"
            )
        case "frame too large" | "malformed request":
            text = closed + (guess or f"it sent bytes that are no Kafka request{shown(event.detail)}")
        case "frame timeout":
            text = closed + (guess or "it began a request and did not send the rest of it in time")
        case "file unreadable":
            text = closed + "a segment file could not be read while it was being sent"
        case "out of memory":
            text = closed + "there is no memory left for its requests"
        case kind if kind.startswith("accept failed"):
            text = (
                f"Cannot accept connections: {kind.partition(': ')[2] or 'unknown reason'}; is ulimit -n large enough?"
            )
        case kind:
            text = f"Connection from {event.peer}: {kind}{shown(event.detail)}"
    if event.suppressed > 0:
        text += f" ({event.suppressed} more like this were not logged)"
    return text


def guess_protocol(start: bytes) -> str | None:
    """Say what a client speaks that begins with these bytes; None if it may well be Kafka."""
    if start[:2] == TLS_HANDSHAKE:
        return "it speaks TLS, and this listener is PLAINTEXT; set security.protocol=PLAINTEXT in the client"
    if start[:4] in HTTP_STARTS:
        return "it speaks HTTP; this port speaks Kafka's protocol"
    if start[:4] == SSH_START:
        return "it speaks SSH; this port speaks Kafka's protocol"
    return None


def shown(detail: bytes) -> str:
    if not detail:
        return ""
    more = "..." if len(detail) > SHOWN_SIZE_MAX else ""
    return f" ({detail[:SHOWN_SIZE_MAX].hex(' ')}{more})"

"""What the reactors report, in words.

Method: events as the reactors send them, one after the other.
"""

from dataclasses import dataclass

import pytest

from pykafka_core.broker.events import describe_event, guess_protocol


@dataclass
class Event:
    kind: str
    detail: bytes = b""
    peer: str = "192.0.2.1:4711"
    suppressed: int = 0


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            Event("frame too large", b"\x7f\xff\xff\xff"),
            "Closed the connection from 192.0.2.1:4711: it announced a request of 2147483647 bytes, "
            "which is outside 0 to 1000 (socket.request.max.bytes)",
        ),
        (
            Event("frame too large", b"\x16\x03\x01\x02\x00\x01"),
            "Closed the connection from 192.0.2.1:4711: it speaks TLS, and this listener is PLAINTEXT; "
            "set security.protocol=PLAINTEXT in the client",
        ),
        (
            Event("frame timeout"),
            "Closed the connection from 192.0.2.1:4711: it began a request and did not send the rest of it in time",
        ),
        (
            Event("malformed request", b"\x00\x03\n\x1b", suppressed=3),
            "Closed the connection from 192.0.2.1:4711: it sent bytes that are no Kafka request (00 03 0a 1b) "
            "(3 more like this were not logged)",
        ),
        (
            Event("accept failed: too many open files"),
            "Cannot accept connections: too many open files; is ulimit -n large enough?",
        ),
        (Event("something new"), "Connection from 192.0.2.1:4711: something new"),
    ],
)
def test_events(event, text):
    assert describe_event(event, frame_size_max=1000) == text


def test_long_details_are_cut():
    text = describe_event(Event("malformed request", bytes(1000)), frame_size_max=1)
    assert len(text) < 300
    assert text.endswith("...)")


@pytest.mark.parametrize("start", [b"", b"\x00", b"\x00\x00\x00\x10\x00\x12", b"\x16\x04"])
def test_what_may_be_kafka_is_not_called_anything_else(start):
    assert guess_protocol(start) is None

"""What a stranger on the port gets: the connection ends, the log says why once, and nobody else notices.

Method: a running broker and raw bytes; the log is read through pytest. What stock clients and Kafka's recorded
answers ask of bad frames is in tests/clients; here it is what the operator reads.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient


def frame(key: int, version: int, body: bytes = b"", client_id: bytes = b"\0\4evil") -> bytes:
    inner = struct.pack(">hhi", key, version, 7) + client_id + body
    return struct.pack(">i", len(inner)) + inner


CASES = {
    "TLS": (bytes.fromhex("16030100c8010000c40303") + bytes(200), "it speaks TLS, and this listener is PLAINTEXT"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "it speaks HTTP"),
    "HTTP POST": (b"POST / HTTP/1.1\r\n\r\n", "it speaks HTTP"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "it speaks SSH"),
    "a huge frame": (struct.pack(">i", 2**31 - 1), "announced a request of 2147483647 bytes"),
    "a negative frame": (struct.pack(">i", -5), "announced a request of -5 bytes"),
    "an unknown API": (frame(999, 0), "API key 999, which this broker does not serve"),
    "an API of controllers": (frame(82, 0, b"\0"), "API key 82, which this broker does not serve"),
    "a version of later days": (frame(3, 40), "METADATA version 40; this broker serves versions 0 to 13"),
    "a version of early days": (frame(0, 2), "PRODUCE version 2; this broker serves versions 3 to 13"),
    "a body cut short": (frame(3, 1, b"\0\0"), "malformed METADATA request"),
    "an array longer than the frame": (frame(3, 1, struct.pack(">i", 2**30)), "malformed METADATA request"),
    "a varint without end": (frame(3, 9, b"\0" + b"\xff" * 20), "malformed METADATA request"),
    "a frame without header": (struct.pack(">i", 3) + b"abc", "no Kafka request"),
}


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


def await_text(caplog: pytest.LogCaptureFixture, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in caplog.text:
        assert time.monotonic() < deadline, f"{text!r} is not in {caplog.text!r}"
        time.sleep(0.01)


@pytest.mark.parametrize("case", CASES)
def test_a_stranger_is_told_by_name_in_the_log(broker: Broker, caplog: pytest.LogCaptureFixture, case: str) -> None:
    sent, words = CASES[case]
    with caplog.at_level(logging.WARNING), RawClient(broker.bootstrap) as neighbour, RawClient(broker.bootstrap) as odd:
        odd.socket.sendall(sent)
        assert odd.is_closed()
        await_text(caplog, words)
        own = odd.socket.getsockname() if odd.socket.fileno() >= 0 else ("", 0)
        assert f"127.0.0.1:{own[1]}" in caplog.text
        assert neighbour.call(ApiVersionsRequest(), 0).error_code == 0
    assert caplog.text.count("\n") == 1


def test_a_flood_of_strangers_is_one_line_a_second(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    def strange() -> None:
        with RawClient(broker.bootstrap) as odd:
            odd.socket.sendall(frame(999, 0))
            assert odd.is_closed()

    with caplog.at_level(logging.WARNING):
        began = time.monotonic()
        for _ in range(50):
            strange()
        assert 1 <= caplog.text.count("API key 999") <= 2 + time.monotonic() - began
        while "more like this were not logged)" not in caplog.text:
            assert time.monotonic() < began + 60
            strange()


def test_a_slow_sender_is_patiently_read(broker: Broker) -> None:
    with RawClient(broker.bootstrap) as client:
        whole = frame(18, 0)
        for position in range(len(whole)):
            client.socket.sendall(whole[position : position + 1])
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert client.receive()[:4] == struct.pack(">i", 7)


def test_clients_words_reach_the_log_escaped() -> None:
    from pykafka_core.broker.console import printable

    assert printable("plain ascii, and é") == "plain ascii, and é"
    assert printable("a\nb\x1b[31m") == "a\\nb\\x1b[31m"


async def test_a_handler_that_fails_ends_its_connection_only() -> None:
    import asyncio

    from pykafka_core.broker.dispatch import Dispatcher
    from pykafka_core.broker.pump import Pump

    class Handed:
        token, listener, peer, local = 1, 0, "peer:1", "local:2"
        frame = frame(60, 0, b"\0" * 3)[4:]

    class FakeServer:
        def __init__(self) -> None:
            self.replies: list[tuple[int, bytes | None, bool]] = []

        def reply(self, token: int, response: bytes | None, *, close: bool = False) -> None:
            self.replies.append((token, response, close))

    server = FakeServer()
    async with asyncio.TaskGroup() as tasks:
        pump = Pump(server=server, dispatcher=Dispatcher({}), tasks=tasks, frame_size_max=100)  # type: ignore[arg-type]
        pump._begin(Handed())  # type: ignore[arg-type]
    assert server.replies == [(1, None, True)]

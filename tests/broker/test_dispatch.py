"""From the bytes of a request to the bytes of its answer, or to the end of the connection.

Method: frames by hand; handlers of the broker, and of the test.
"""

from __future__ import annotations

import struct

import pytest

from pykafka_core.broker.dispatch import Dispatcher
from pykafka_core.broker.errors import CloseConnection
from pykafka_core.broker.handlers import SERVED, WITHOUT_HANDLER, find_handler, serves
from pykafka_core.protocol.api import APIS
from pykafka_core.protocol.api_keys import ApiKey
from tests.broker.fakes import fake_cluster


def frame(key: int, version: int, body: bytes = b"") -> bytes:
    flexible = key in APIS and APIS[key].is_flexible(version)
    return struct.pack(">hhih", key, version, 5, -1) + (b"\0" if flexible else b"") + body


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "no Kafka request"),
        (b"\0\1\0", "no Kafka request"),
        (struct.pack(">hhih", 3, 9, 5, 200) + b"short", "no Kafka request"),
        (frame(999, 0), "API key 999"),
        (frame(-1, 0), "API key -1"),
        (frame(ApiKey.SHARE_FETCH, 1), "API key 78"),
        (frame(ApiKey.METADATA, 14), "METADATA version 14; this broker serves versions 0 to 13"),
        (frame(ApiKey.METADATA, -1), "METADATA version -1"),
        (frame(ApiKey.INIT_PRODUCER_ID, 6), "INIT_PRODUCER_ID version 6; this broker serves versions 0 to 5"),
        (frame(ApiKey.PRODUCE, 2), "PRODUCE version 2"),
        (frame(ApiKey.FETCH, 12, b"\0" * 40), "which only the reactors answer"),
        (frame(ApiKey.DESCRIBE_CLUSTER, 0), "malformed DESCRIBE_CLUSTER request"),
    ],
)
async def test_what_cannot_be_answered_closes_the_connection(sent: bytes, words: str) -> None:
    with pytest.raises(CloseConnection, match=words):
        await Dispatcher({"cluster": fake_cluster()}).answer(sent)


async def test_bytes_behind_the_body_are_ignored() -> None:
    dispatcher = Dispatcher({"cluster": fake_cluster()})
    body = b"\0\0"
    plain, longer = [
        await dispatcher.answer(frame(ApiKey.DESCRIBE_CLUSTER, 0, body + more), local="127.0.0.1:1")
        for more in (b"", b"\xff" * 9)
    ]
    assert plain == longer is not None


@pytest.mark.parametrize("key", sorted(SERVED))
async def test_no_body_is_too_odd_for_any_version(key: int) -> None:
    """Whatever the bytes, the end is an answer or a close, never another exception."""

    class Anything:
        def __getattr__(self, name: str) -> object:
            raise CloseConnection("a port was asked for")

    class Ports(dict[str, object]):
        def __missing__(self, name: str) -> object:
            return Anything()

    dispatcher = Dispatcher(Ports(cluster=fake_cluster()))
    low, high = SERVED[key]
    for version in range(low, high + 1):
        for body in (b"", b"\0", b"\xff" * 30, b"\x01" * 30, b"\x7f" * 30, bytes(200), bytes(range(256))):
            try:
                await dispatcher.answer(frame(key, version, body), local="127.0.0.1:1")
            except CloseConnection:
                pass


def test_a_handler_must_serve_what_is_advertised() -> None:
    with pytest.raises(AssertionError, match="METADATA"):
        serves(ApiKey.METADATA, 0, 12)
    with pytest.raises(AssertionError, match="SHARE_FETCH"):
        serves(ApiKey.SHARE_FETCH, 1, 2)


def test_handlers_name_ports_that_exist() -> None:
    known = {
        "cluster",
        "store",
        "configs",
        "topics",
        "log_dirs",
        "topic_admin",
        "config_admin",
        "producer_ids",
        "opening",
        "groups",
        "kept_topics",
        "quorum",
        "transactions",
        "log_moves",
        "markers",
        "syncs",
    }
    for key in set(SERVED) - WITHOUT_HANDLER:
        handler = find_handler(key)
        assert handler is not None
        assert set(handler.ports) <= known

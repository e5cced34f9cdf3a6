"""Listeners: which sockets there are, and which address each client is told.

Method: sockets are really bound; running brokers with several listeners are asked over each.
"""

import logging
import socket
from contextlib import closing

import pytest

from pykafka_core.broker.advertised_listeners import check_advertised
from pykafka_core.broker.errors import StartError
from pykafka_core.broker.listeners import OpenListener, bind_listener, split_address, start_listening
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient, batch_of, create_topic, produce


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9092", ("127.0.0.1", 9092)),
        ("::1:9092", ("::1", 9092)),
        ("[::1]:9092", ("::1", 9092)),
        ("::ffff:10.0.0.1:1", ("10.0.0.1", 1)),
    ],
)
def test_addresses(text, address):
    assert split_address(text) == address


def test_any_free_port():
    listener = OpenListener(name="PLAINTEXT", host="127.0.0.1", port=0)
    with closing(bind_listener(listener)) as bound:
        assert listener.port == bound.getsockname()[1] != 0
        assert listener.shown() == f"127.0.0.1:{listener.port}"


def test_all_interfaces_take_both_kinds_of_address():
    listener = OpenListener(name="PLAINTEXT", host="", port=0)
    with closing(bind_listener(listener)) as bound:
        start_listening(listener, bound, backlog=5)
        assert listener.shown() == f"localhost:{listener.port}"
        hosts = ["127.0.0.1"] + (["::1"] if bound.family == socket.AF_INET6 else [])
        for host in hosts:
            socket.create_connection((host, listener.port), 5).close()


def test_a_quicker_program_on_the_same_port():
    first = OpenListener(name="A", host="127.0.0.1", port=0)
    with closing(bind_listener(first)) as one:
        second = OpenListener(name="B", host="127.0.0.1", port=first.port)
        with closing(bind_listener(second)) as two:  # neither listens yet
            start_listening(first, one, backlog=5)
            with pytest.raises(StartError, match=f"B://127.0.0.1:{first.port}: port {first.port} is in use"):
                start_listening(second, two, backlog=5)


def told(bootstrap):
    with RawClient(bootstrap) as client:
        (broker,) = client.call(MetadataRequest(topics=[]), 9).brokers
        return broker.host, broker.port


def test_each_listener_tells_its_own_address():
    listeners = "INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0"
    with Broker(
        listeners=listeners,
        listener_security_protocol_map="INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT",
        advertised_listeners="OUTSIDE://kafka.example:19092",
        inter_broker_listener_name="INSIDE",
    ) as broker:
        inside, outside = (shown for shown in broker.addresses)
        port = int(inside.rpartition(":")[2])
        assert told(f"127.0.0.1:{port}") == ("127.0.0.1", port)
        assert outside == "kafka.example:19092"


async def test_advertised_addresses_are_tried(caplog):
    with caplog.at_level(logging.INFO), socket.socket() as good, socket.socket() as bad:
        good.bind(("127.0.0.1", 0))
        good.listen()
        bad.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in (good, bad)]
        await check_advertised(
            [OpenListener(name="NONE", host="", port=1)]
            + [
                OpenListener(name=name, host="", port=1, advertised_host="127.0.0.1", advertised_port=port)
                for name, port in zip(("GOOD", "BAD"), ports, strict=True)
            ]
        )
    assert [(record.levelname, record.getMessage().partition(" (")[0]) for record in caplog.records] == [
        ("INFO", f"Clients of listener GOOD are told to connect to 127.0.0.1:{ports[0]}, which can be reached"),
        (
            "WARNING",
            f"Clients of listener BAD are told to connect to 127.0.0.1:{ports[1]}, which cannot be reached from here",
        ),
    ]


def test_a_client_is_told_the_address_it_came_to():
    with Broker(listeners="PLAINTEXT://:0") as broker:
        port = int(broker.bootstrap.rpartition(":")[2])
        for host in ("127.0.0.1", "127.0.0.2"):
            assert told(f"{host}:{port}") == (host, port)


def test_a_broker_on_all_interfaces_serves(name):
    with Broker(listeners="PLAINTEXT://:0") as broker, RawClient(broker.bootstrap) as client:
        create_topic(client, name)
        assert produce(client, name, batch_of(b"v"))[0].error_code == 0

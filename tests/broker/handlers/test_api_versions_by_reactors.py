"""The reactors answer ApiVersions by themselves: what Python would have said, from the moment the broker listens.

Method: a broker is started and not yet served, so that only reactors can have answered; every answer is compared with
the dispatcher's to the same frame. Then it is served, and what had to wait is answered too.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pykafka_core.broker.config import make_config
from pykafka_core.broker.dispatch import Dispatcher
from pykafka_core.broker.shell import Broker as Shell
from pykafka_core.broker.start import BrokerParts
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.framing import encode_request
from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient, create_topic

SOFTWARE = {"client_software_name": "some-client", "client_software_version": "1.2.3"}


def parts_of(shell: Shell) -> BrokerParts:
    assert shell._parts is not None
    return shell._parts


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[Shell, RawClient]]:
    """A broker that listens and has no event loop yet, and a client of it."""
    shell = Shell(make_config({"log.dirs": str(tmp_path), "listeners": "PLAINTEXT://127.0.0.1:0"}))
    assert shell.start()
    with RawClient(shell.listeners[0].shown()) as client:
        yield shell, client


def asked(version: int, parts: BrokerParts, **fields: object) -> bytes:
    known = (SOFTWARE if version >= 3 else {}) | fields
    return encode_request(ApiKey.API_VERSIONS, version, 4711, "raw", ApiVersionsRequest(**known))


def serve_and_stop(shell: Shell, while_it_runs: threading.Event) -> None:
    async def serve() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(shell.serve())
            await asyncio.to_thread(while_it_runs.wait, 30)
            shell.stop_soon()

    asyncio.run(serve())


def test_every_version_is_answered_as_python_would_before_there_is_an_event_loop(
    listening: tuple[Shell, RawClient],
) -> None:
    shell, client = listening
    parts = parts_of(shell)
    ours: dict[str, object] = {"cluster_id": parts.cluster.cluster_id, "node_id": parts.node_id}
    for version, fields in [*((version, {}) for version in range(6)), (5, ours)]:
        frame = asked(version, parts, **fields)
        client.socket.sendall(len(frame).to_bytes(4, "big") + frame)
        answer = client.receive()
        assert answer == asyncio.run(Dispatcher({"cluster": parts.cluster}).answer(frame)), version
    stop = threading.Event()
    stop.set()
    serve_and_stop(shell, stop)


def test_what_only_python_can_answer_waits_for_it(listening: tuple[Shell, RawClient]) -> None:
    shell, client = listening
    parts = parts_of(shell)
    with RawClient(shell.listeners[0].shown()) as second:
        client.send(MetadataRequest(topics=None), 12)
        frame = asked(5, parts, cluster_id="another", node_id=parts.node_id)
        second.socket.sendall(len(frame).to_bytes(4, "big") + frame)
        served = threading.Event()
        thread = threading.Thread(target=serve_and_stop, args=(shell, served))
        thread.start()
        try:
            assert len(client.receive()) > 20
            assert second.receive() == asyncio.run(Dispatcher({"cluster": parts.cluster}).answer(frame))
        finally:
            served.set()
            thread.join()


def test_the_answer_follows_the_metadata() -> None:
    with Broker() as broker, RawClient(broker.bootstrap) as client:
        epochs = []
        for name in ("a", "b"):
            create_topic(client, name)
            epochs.append(client.call(ApiVersionsRequest(**SOFTWARE), 4).finalized_features_epoch)
        assert 0 < epochs[0] < epochs[1]

"""A broker that is killed before or after any write of a transaction leaves the transaction whole.

Method: a transaction in two partitions and a group is ended by a broker that kills itself before the so-manyth write
(dying_broker.py); then a broker is started on the same directory. Once the decision is in the log, the transaction ends
that way without anybody's doing; before, it is open, and its producer may ask again, or another one take over. In
either case all of it is seen or nothing, the producer's question is answered as it would have been, and the next
transaction works.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pykafka_core.testing import Broker
from tests.broker.processes import BrokerProcess
from tests.broker.raw_client import RawClient, create_topic
from tests.broker.transactional_client import AGAIN, E, Producer, committed, coordinated, group_offset
from tests.crash import dying_broker
from tests.ports import free_port

WRITES = 6
"""The decision, three markers, the completion, and the moment after it."""


def end_and_die(directory: Path, write: int, *, commit: bool, version: int) -> Producer:
    """Let a transaction be ended by a broker that dies of it; return its producer."""
    port = free_port()
    words = [sys.executable, "-m", "tests.broker.dying_broker", str(directory), str(port), str(write)]
    process = BrokerProcess(words, port=port)
    process.await_ready()
    with process.client() as client:
        coordinated(client, "tx")
        create_topic(client, "t", partitions=2)
        producer = Producer(client, "tx", version)
        assert producer.init() == 0
        if version == 1:
            assert producer.add("t", 0, 1) == [0, 0]
            assert producer.add_group("g") == 0
        for partition in (0, 1):
            assert producer.produce("t", b"first", partition) == 0
        assert producer.send_offset("g", "t", 5) == 0
        with pytest.raises(OSError):
            producer.end(commit=commit)
    assert process.wait() != 0
    return producer


def seen(client: RawClient) -> tuple[list[bytes], list[bytes], tuple[int, int]]:
    return committed(client, "t", 0), committed(client, "t", 1), group_offset(client, "g", "t")


def await_seen(client: RawClient, values: list[bytes], offset: int) -> None:
    deadline = time.monotonic() + 60
    while seen(client) != (values, values, (0, offset)):
        assert time.monotonic() < deadline, f"{seen(client)}, not {values} and {offset}"
        time.sleep(0.01)


@pytest.mark.parametrize(("version", "commit"), [(2, True), (2, False), (1, True)])
@pytest.mark.parametrize("write", range(WRITES))
def test_all_or_nothing(tmp_path: Path, write: int, version: int, commit: bool) -> None:
    producer = end_and_die(tmp_path, write, commit=commit, version=version)
    values, offset = ([b"first"], 5) if commit else ([], -1)
    with Broker(directory=tmp_path) as broker, RawClient(broker.bootstrap) as client:
        producer.client = client
        coordinated(client, "tx")
        if write > 0:
            await_seen(client, values, offset)
        assert producer.end(commit=commit) == 0
        await_seen(client, values, offset)
        if version == 1:
            assert producer.add("t", 0, 1) == [0, 0]
        for partition in (0, 1):
            assert producer.produce("t", b"next", partition) == 0
        assert producer.end(commit=True) == 0
        await_seen(client, [*values, b"next"], offset)


@pytest.mark.parametrize("write", [0, 1, 3])
def test_another_producer_takes_over(tmp_path: Path, write: int) -> None:
    old = end_and_die(tmp_path, write, commit=True, version=2)
    with Broker(directory=tmp_path) as broker, RawClient(broker.bootstrap) as client:
        coordinated(client, "tx")
        new = Producer(client, "tx")
        assert new.init() == 0
        values, offset = ([b"first"], 5) if write else ([], -1)
        await_seen(client, values, offset)
        old.client = client
        assert old.end(commit=True) == E.PRODUCER_FENCED
        for partition in (0, 1):
            assert new.produce("t", b"next", partition) == 0
        assert new.end(commit=True) == 0
        await_seen(client, [*values, b"next"], offset)


# With version 1 the first batch is expected: a reactor takes it, without a step here.
STEPS = [(step, version) for step in dying_broker.STEPS for version in (1, 2) if (step, version) != ("produce", 1)]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("step", "version"), STEPS)
def test_a_producer_asks_again(tmp_path: Path, step: str, when: str, version: int) -> None:
    port = free_port()
    settings = [f"listeners=PLAINTEXT://127.0.0.1:{port}", f"log.dirs={tmp_path}"]
    dying = BrokerProcess([sys.executable, "-m", "tests.crash.dying_broker", step, when, "1", *settings], port=port)
    dying.await_ready()
    producer = Producer(dying.client(), "tx", version)
    coordinated(producer.client, "tx")
    create_topic(producer.client, "t", partitions=2)
    steps: list[Callable[[], int]] = [
        producer.init,
        *([lambda: max(producer.add("t", 0, 1)), lambda: producer.add_group("g")] if version == 1 else []),
        lambda: producer.produce("t", b"first", 0),
        lambda: producer.produce("t", b"first", 1),
        lambda: producer.produce("t", b"second", 0),
        lambda: producer.produce("t", b"second", 1),
        lambda: producer.send_offset("g", "t", 5),
        lambda: producer.end(commit=True),
    ]
    deadline = time.monotonic() + 60
    with contextlib.ExitStack() as stack:
        broker: Broker | None = None
        while steps:
            try:
                code = steps[0]()
            except OSError:
                assert broker is None, "it dies once"
                assert dying.wait() != 0
                assert dying.output.endswith(f"dies {when} {step}")
                broker = stack.enter_context(Broker(directory=tmp_path))
                producer.client = stack.enter_context(RawClient(broker.bootstrap))
                continue
            if code in AGAIN or code == E.NOT_ENOUGH_REPLICAS:
                assert time.monotonic() < deadline, code
                time.sleep(0.01)
                continue
            assert code == 0
            steps.pop(0)
        if broker is None:  # it dies of what comes after the last answer
            assert dying.wait() != 0
            broker = stack.enter_context(Broker(directory=tmp_path))
            producer.client = stack.enter_context(RawClient(broker.bootstrap))
        coordinated(producer.client, "tx")
        while seen(producer.client) != ([b"first", b"second"], [b"first", b"second"], (0, 5)):
            assert time.monotonic() < deadline, seen(producer.client)
            time.sleep(0.01)

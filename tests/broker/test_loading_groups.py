"""Offsets that are asked for while the groups are being loaded: they come when that is done, or the error of old.

Method: a broker that loads only when it is told to (loading_broker.py), over a directory with committed offsets.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pykafka_core.protocol.errors import ErrorCode as E
from pykafka_core.protocol.framing import decode_response
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.list_groups_request import ListGroupsRequest
from pykafka_core.protocol.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from pykafka_core.protocol.messages.offset_fetch_request import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from tests.broker.processes import BrokerProcess
from tests.broker.raw_client import RawClient, create_topic
from tests.ports import free_port

OLD = OffsetFetchRequest(group_id="g", topics=[OffsetFetchRequestTopic(name="t", partition_indexes=[0])])
ONE = OffsetFetchRequestGroup(group_id="g", topics=[OffsetFetchRequestTopics(name="t", partition_indexes=[0])])
NEW = OffsetFetchRequest(groups=[ONE])


@contextmanager
def broker(directory: Path, gate: Path, seconds: float) -> Iterator[BrokerProcess]:
    port = free_port()
    words = [sys.executable, "-m", "tests.broker.loading_broker", str(directory), str(port), str(gate), str(seconds)]
    started = BrokerProcess(words, port=port)
    try:
        started.await_ready()
        yield started
    finally:
        started.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Offset 7 of t-0 is committed by g."""
    made, gate = tmp_path / "data", tmp_path / "open"
    gate.touch()
    with broker(made, gate, 5) as started, started.client() as client:
        create_topic(client, "t", 1)
        started.await_condition(lambda: client.call(FindCoordinatorRequest(key="g"), 3).error_code == 0)
        partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=7, committed_metadata="")
        request = OffsetCommitRequest(
            group_id="g",
            generation_id_or_member_epoch=-1,
            topics=[OffsetCommitRequestTopic(name="t", partitions=[partition])],
        )
        assert client.call(request, 3).topics[0].partitions[0].error_code == 0
        assert started.stop() == 0
    return made


def is_loading(client: RawClient) -> bool:
    return bool(client.call(ListGroupsRequest(), 4).error_code == E.COORDINATOR_LOAD_IN_PROGRESS)


def test_the_answer_comes_when_the_group_is_loaded(directory: Path, tmp_path: Path) -> None:
    with broker(directory, tmp_path / "later", 60) as started, started.client() as other:
        asking = [(started.client(), request, version) for request, version in [(OLD, 1), (OLD, 3), (NEW, 8)]]
        for client, request, version in asking:
            client.send(request, version)
        assert is_loading(other)
        assert not select.select([client.socket for client, _, _ in asking], [], [], 0)[0]
        (tmp_path / "later").touch()
        for client, request, version in asking:
            with client:
                answer: Any = decode_response(request.API_KEY, version, client.receive())[1]
            group = answer.groups[0] if version == 8 else answer
            assert (group.error_code, group.topics[0].partitions[0].committed_offset) == (0, 7)
        assert started.stop() == 0


def test_who_has_waited_long_enough_is_told_so(directory: Path, tmp_path: Path) -> None:
    with broker(directory, tmp_path / "never", 0.1) as started, started.client() as client:
        (partition,) = client.call(OLD, 1).topics[0].partitions
        assert (partition.error_code, partition.committed_offset) == (E.COORDINATOR_LOAD_IN_PROGRESS, -1)
        answer = client.call(OLD, 3)
        assert (answer.error_code, answer.topics) == (E.COORDINATOR_LOAD_IN_PROGRESS, [])
        assert client.call(NEW, 8).groups[0].error_code == E.COORDINATOR_LOAD_IN_PROGRESS
        (tmp_path / "never").touch()  # else its thread outlives the broker


def test_a_broker_that_stops_leaves_nobody_waiting(directory: Path, tmp_path: Path) -> None:
    with broker(directory, tmp_path / "later", 60) as started, started.client() as client, started.client() as other:
        client.send(OLD, 3)
        assert is_loading(other)
        started.process.terminate()
        client.is_closed()  # or it has been answered
        (tmp_path / "later").touch()
        assert started.wait() == 0

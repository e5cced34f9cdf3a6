"""Transactions over a socket: both versions of the protocol, the errors of each version, and restarts.

Method: raw requests to a running broker; the error codes are those that Apache Kafka 4.3.1 gives to the same requests.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pykafka_core.protocol.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from pykafka_core.protocol.messages.describe_transactions_request import DescribeTransactionsRequest
from pykafka_core.protocol.messages.list_transactions_request import ListTransactionsRequest
from pykafka_core.protocol.messages.write_txn_markers_request import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient, create_topic
from tests.broker.transactional_client import E, Producer, committed, coordinated, group_offset


@pytest.fixture
def topic(client: RawClient, name: str) -> str:
    coordinated(client, name)
    create_topic(client, name, partitions=2)
    return name


@pytest.mark.parametrize("version", [1, 2])
def test_a_life(client: RawClient, topic: str, version: int) -> None:
    producer = Producer(client, f"tx-{topic}", version)
    assert producer.init() == 0
    for number, commit in enumerate([True, False, True]):
        if version == 1:
            assert producer.add(topic, 0, 1) == [0, 0]
        assert producer.produce(topic, b"a%d" % number) == 0
        assert producer.produce(topic, b"b%d" % number) == 0
        assert producer.produce(topic, b"c%d" % number, 1) == 0
        assert not any(value.endswith(b"%d" % number) for value in committed(client, topic))
        assert producer.end(commit=commit) == 0
    assert committed(client, topic) == [b"a0", b"b0", b"a2", b"b2"]
    assert committed(client, topic, 1) == [b"c0", b"c2"]
    assert producer.epoch == (3 if version == 2 else 0)


@pytest.mark.parametrize("version", [1, 2])
def test_offsets_come_with_the_commit(client: RawClient, topic: str, version: int) -> None:
    group = f"group-{topic}"
    producer = Producer(client, f"tx-{topic}", version)
    producer.init()
    for offset, commit, seen in [(5, True, 5), (7, False, 5), (9, True, 9)]:
        if version == 1:
            assert producer.send_offset(group, topic, offset) == E.TRANSACTION_ABORTABLE
            assert producer.send_offset(group, topic, offset, version=3) == E.INVALID_TXN_STATE
            assert producer.add_group(group) == 0
        assert producer.send_offset(group, topic, offset) == 0
        assert group_offset(client, group, topic)[0] == E.UNSTABLE_OFFSET_COMMIT
        assert group_offset(client, group, topic, stable=False)[0] == 0
        assert producer.end(commit=commit) == 0
        assert group_offset(client, group, topic) == (0, seen)


def test_offsets_by_topic_id_and_what_is_refused(client: RawClient, name: str) -> None:
    coordinated(client, name)
    topic_id = create_topic(client, name)
    group = f"group-{name}"
    producer = Producer(client, f"tx-{name}")
    producer.init()
    assert producer.send_offset(group, name, 5, version=6, topic_id=topic_id) == 0
    assert producer.send_offset(group, name, 5, version=6, topic_id=b"x" * 16) == E.UNKNOWN_TOPIC_ID
    assert producer.send_offset(group, "no-such-topic", 5) == E.UNKNOWN_TOPIC_OR_PARTITION
    assert producer.send_offset(group, name, 5, partition=3) == E.UNKNOWN_TOPIC_OR_PARTITION
    assert producer.send_offset("", name, 5) == E.INVALID_GROUP_ID
    assert producer.send_offset("other", name, 5, generation_id_or_member_epoch=3) == E.ILLEGAL_GENERATION
    assert (
        producer.send_offset("other", name, 5, version=6, topic_id=topic_id, generation_id_or_member_epoch=3)
        == E.GROUP_ID_NOT_FOUND
    )
    assert producer.send_offset(group, name, 5, member_id="stranger", generation_id_or_member_epoch=3) in (
        E.UNKNOWN_MEMBER_ID,
        E.ILLEGAL_GENERATION,
    )
    stale = Producer(client, producer.id)
    stale.producer_id, stale.epoch = producer.producer_id, producer.epoch + 7
    assert stale.send_offset("third", name, 5) == E.INVALID_PRODUCER_EPOCH
    assert producer.end(commit=True) == 0
    assert group_offset(client, group, name) == (0, 5)


@pytest.mark.parametrize("version", [1, 2])
def test_a_zombie_is_fenced(client: RawClient, topic: str, version: int) -> None:
    old, new = (Producer(client, f"tx-{topic}", version) for _ in range(2))
    old.init()
    if version == 1:
        old.add(topic, 0)
    assert old.produce(topic, b"lost") == 0
    assert new.init() == 0
    assert new.epoch > old.epoch
    assert old.produce(topic, b"late") == E.INVALID_PRODUCER_EPOCH
    assert old.end(commit=True) == E.PRODUCER_FENCED
    assert old.end(commit=True, version=1) == E.INVALID_PRODUCER_EPOCH
    assert old.add(topic, 0) == [E.PRODUCER_FENCED]
    assert old.add(topic, 0, version=1) == [E.INVALID_PRODUCER_EPOCH]
    assert old.add_group("g", version=1) == E.INVALID_PRODUCER_EPOCH
    assert old.add_group("g") == E.PRODUCER_FENCED
    assert old.init(own=True) == E.PRODUCER_FENCED
    assert old.init(own=True, version=3) == E.INVALID_PRODUCER_EPOCH
    if version == 1:
        new.add(topic, 0)
    assert new.produce(topic, b"kept") == 0
    assert new.end(commit=True) == 0
    assert committed(client, topic) == [b"kept"]


def test_what_is_refused(client: RawClient, topic: str) -> None:
    producer = Producer(client, f"tx-{topic}", 1)
    assert producer.init(timeout_ms=900_001) == E.INVALID_TRANSACTION_TIMEOUT
    assert producer.init(timeout_ms=0) == E.INVALID_TRANSACTION_TIMEOUT
    assert Producer(client, "").init() == E.INVALID_REQUEST
    assert producer.end(commit=True) == E.INVALID_PRODUCER_ID_MAPPING
    assert producer.init() == 0
    assert producer.end(commit=True) == E.INVALID_TXN_STATE
    assert producer.produce(topic, b"x") == E.TRANSACTION_ABORTABLE
    assert producer.produce(topic, b"x", version=10) == E.INVALID_TXN_STATE
    assert producer.add(topic, 0, 7) == [E.OPERATION_NOT_ATTEMPTED, E.UNKNOWN_TOPIC_OR_PARTITION]
    assert producer.add(topic, 0) == [0]
    assert producer.produce(topic, b"x", 1) == E.TRANSACTION_ABORTABLE
    assert producer.end(commit=False) == 0
    assert producer.end(commit=False) == 0
    assert producer.end(commit=True) == E.INVALID_TXN_STATE
    nobody = Producer(client, "")
    assert nobody.end(commit=True) == E.INVALID_REQUEST
    assert nobody.add(topic, 0) == [E.INVALID_REQUEST]
    assert nobody.add_group("g") == E.INVALID_REQUEST


def test_brokers_ask_for_many_transactions(client: RawClient, topic: str) -> None:
    first, second = (Producer(client, f"tx-{topic}-{number}") for number in range(2))
    first.init()
    second.init()

    def ask(*, verify: bool) -> list[list[int]]:
        answer = client.call(
            AddPartitionsToTxnRequest(
                transactions=[
                    AddPartitionsToTxnTransaction(
                        transactional_id=each.id,
                        producer_id=each.producer_id,
                        producer_epoch=each.epoch,
                        verify_only=verify,
                        topics=[AddPartitionsToTxnTopic(name=topic, partitions=[0, 1])],
                    )
                    for each in (first, second)
                ]
            ),
            5,
        )
        return [
            [each.partition_error_code for each in result.topic_results[0].results_by_partition]
            for result in answer.results_by_transaction
        ]

    assert ask(verify=True) == [[E.TRANSACTION_ABORTABLE] * 2] * 2
    assert ask(verify=False) == [[0, 0], [0, 0]]
    assert ask(verify=True) == [[0, 0], [0, 0]]
    second.epoch += 1
    assert ask(verify=True) == [[0, 0], [E.PRODUCER_FENCED] * 2]


def test_what_administrators_see(client: RawClient, topic: str) -> None:
    producer = Producer(client, f"tx-{topic}")
    producer.init(timeout_ms=30_000)
    producer.produce(topic, b"x", 1)
    described = client.call(
        DescribeTransactionsRequest(transactional_ids=[producer.id, "no-such-id", ""]), 0
    ).transaction_states
    assert [each.error_code for each in described] == [0, E.TRANSACTIONAL_ID_NOT_FOUND, E.INVALID_REQUEST]
    (found, *_) = described
    assert (found.transaction_state, found.producer_id, found.producer_epoch) == (
        "Ongoing",
        producer.producer_id,
        producer.epoch,
    )
    assert (found.transaction_timeout_ms, [(each.topic, each.partitions) for each in found.topics]) == (
        30_000,
        [(topic, [1])],
    )

    def listed(**filters: Any) -> set[str]:
        answer = client.call(ListTransactionsRequest(**filters), 2)
        assert answer.error_code == 0
        return {each.transactional_id for each in answer.transaction_states if topic in each.transactional_id}

    assert listed() == {producer.id}
    assert listed(state_filters=["Ongoing", "Strange"]) == {producer.id}
    assert listed(state_filters=["Empty"]) == set()
    assert listed(producer_id_filters=[producer.producer_id + 1]) == set()
    assert listed(duration_filter=60_000) == set()
    assert listed(transactional_id_pattern=f"tx-{topic}.*") == {producer.id}
    assert listed(transactional_id_pattern="x") == set()
    answer = client.call(ListTransactionsRequest(state_filters=["Strange"], transactional_id_pattern="("), 2)
    assert answer.error_code == E.INVALID_REGULAR_EXPRESSION
    assert client.call(ListTransactionsRequest(state_filters=["Strange"]), 0).unknown_state_filters == ["Strange"]
    producer.end(commit=True)
    assert listed(state_filters=["CompleteCommit"]) == {producer.id}


def test_markers_from_elsewhere(client: RawClient, topic: str) -> None:
    """What `kafka-transactions abort` does to a transaction whose coordinator is no help."""
    producer = Producer(client, f"tx-{topic}", 1)
    producer.init()
    producer.init()
    assert producer.epoch == 1
    producer.add(topic, 0)
    producer.produce(topic, b"hangs")

    def mark(epoch: int, coordinator_epoch: int = 5, name: str = topic, index: int = 0) -> int:
        marker = WritableTxnMarker(
            producer_id=producer.producer_id,
            producer_epoch=epoch,
            coordinator_epoch=coordinator_epoch,
            transaction_result=False,
            topics=[WritableTxnMarkerTopic(name=name, partition_indexes=[index])],
        )
        answer = client.call(WriteTxnMarkersRequest(markers=[marker]), 1)
        code: int = answer.markers[0].topics[0].partitions[0].error_code
        return code

    assert mark(1, name="no-such-topic") == E.UNKNOWN_TOPIC_OR_PARTITION
    assert mark(1, index=9) == E.UNKNOWN_TOPIC_OR_PARTITION
    assert mark(0) == E.INVALID_PRODUCER_EPOCH
    assert mark(1) == 0
    assert mark(1, coordinator_epoch=4) == E.TRANSACTION_COORDINATOR_FENCED
    assert committed(client, topic) == []


def test_a_transaction_that_is_forgotten_is_aborted() -> None:
    settings = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 20}
    with Broker(topics={"t": 1}, **settings) as broker, RawClient(broker.bootstrap) as client:
        coordinated(client, "tx")
        producer = Producer(client, "tx")
        producer.init(timeout_ms=50)
        assert producer.produce("t", b"lost") == 0
        group = "g"
        assert producer.send_offset(group, "t", 3) == 0
        deadline = time.monotonic() + 60
        while group_offset(client, group, "t")[0] == E.UNSTABLE_OFFSET_COMMIT and time.monotonic() < deadline:
            time.sleep(0.01)
        assert group_offset(client, group, "t") == (0, -1)
        assert producer.produce("t", b"late") == E.INVALID_PRODUCER_EPOCH
        fresh = Producer(client, "tx")
        fresh.init()
        assert fresh.produce("t", b"kept") == 0
        assert fresh.end(commit=True) == 0
        assert committed(client, "t") == [b"kept"]


def test_a_restart_keeps_open_and_ended_transactions(tmp_path: Path) -> None:
    with Broker(directory=tmp_path, topics={"t": 1}) as broker, RawClient(broker.bootstrap) as client:
        coordinated(client, "tx")
        done, still_open = Producer(client, "done"), Producer(client, "open")
        done.init()
        assert done.produce("t", b"done") == 0
        assert done.send_offset("g", "t", 4) == 0
        assert done.end(commit=True) == 0
        still_open.init()
        assert still_open.produce("t", b"open") == 0
        assert still_open.send_offset("g", "t", 8) == 0
    with Broker(directory=tmp_path) as broker, RawClient(broker.bootstrap) as client:
        done.client = still_open.client = client
        assert committed(client, "t") == [b"done"]
        assert still_open.end(commit=True) == 0
        deadline = time.monotonic() + 60
        while group_offset(client, "g", "t") != (0, 8) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert group_offset(client, "g", "t") == (0, 8)
        assert committed(client, "t") == [b"done", b"open"]
        assert done.produce("t", b"again") == 0
        assert done.end(commit=False) == 0
        assert committed(client, "t") == [b"done", b"open"]
        described = client.call(DescribeTransactionsRequest(transactional_ids=["done", "open"]), 0)
        assert [each.transaction_state for each in described.transaction_states] == ["CompleteAbort", "CompleteCommit"]


def test_an_id_expires(tmp_path: Path) -> None:
    settings = {
        "transactional.id.expiration.ms": 1,
        "transaction.remove.expired.transaction.cleanup.interval.ms": 10,
    }
    with Broker(**settings) as broker, RawClient(broker.bootstrap) as client:
        coordinated(client, "tx")
        Producer(client, "tx").init()
        deadline = time.monotonic() + 60
        while client.call(ListTransactionsRequest(), 0).transaction_states and time.monotonic() < deadline:
            time.sleep(0.01)
        assert client.call(ListTransactionsRequest(), 0).transaction_states == []


def test_with_syncs(tmp_path: Path) -> None:
    """log.flush.interval.messages=1: decisions are answered from the disk, and nothing else changes."""
    with Broker(topics={"t": 1}, log_flush_interval_messages=1) as broker, RawClient(broker.bootstrap) as client:
        coordinated(client, "tx")
        for version in (1, 2):
            producer = Producer(client, f"tx{version}", version)
            assert producer.init() == 0
            for commit in (True, False):
                while version == 1 and producer.add("t", 0) != [0]:
                    assert producer.add("t", 0) in ([0], [E.CONCURRENT_TRANSACTIONS])
                assert producer.produce("t", b"%d" % version) == 0
                assert producer.end(commit=commit) == 0
        assert producer.init() == 0
        assert committed(client, "t") == [b"1", b"2"]

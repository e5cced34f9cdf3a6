"""Goal: Apache Kafka carries on the transactions that we have begun, and we those that it has begun.

Method: producers of both ages commit, abort and leave transactions open, with records and with offsets; the broker is
stopped, or killed, and the other kind is started on its log directory. Readers see the same, the coordinator describes
the same, open transactions are ended there, and whoever was done goes on with its next transaction.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.broker import ApacheKafka, Broker, OurBroker, handed_over
from harness.requests import create_topic
from pykafka_core.protocol.messages.describe_transactions_request import DescribeTransactionsRequest
from tests.broker.raw_client import RawClient
from tests.broker.transactional_client import E, Producer, committed, coordinated, group_offset

pytestmark = [pytest.mark.usefixtures("kafka_is_here"), pytest.mark.row("transactions"), pytest.mark.timeout(300)]

SETTINGS: dict[str, str | int] = {
    "node_id": 1, "offsets_topic_num_partitions": 3, "transaction_state_log_num_partitions": 3,
    "transaction_state_log_replication_factor": 1, "transaction_state_log_min_isr": 1,
    "offsets_topic_replication_factor": 1, "group_initial_rebalance_delay_ms": 0,
}  # fmt: skip
TOPIC = "orders"


def described(client: RawClient, producers: list[Producer]) -> list[tuple[object, ...]]:
    deadline = time.monotonic() + 60
    while True:
        answer = client.call(DescribeTransactionsRequest(transactional_ids=[each.id for each in producers]), 0)
        states = answer.transaction_states
        if not any(each.error_code in (E.COORDINATOR_LOAD_IN_PROGRESS, E.NOT_COORDINATOR) for each in states):
            break
        assert time.monotonic() < deadline, "the transactions are not loaded"
        time.sleep(0.1)
    return [
        (
            each.error_code,
            each.transactional_id,
            each.transaction_state,
            each.transaction_timeout_ms,
            each.transaction_start_time_ms,
            each.producer_id,
            each.producer_epoch,
            sorted((topic.topic, sorted(topic.partitions)) for topic in each.topics),
        )
        for each in states
    ]


def await_offset(client: RawClient, group: str, offset: int) -> None:
    deadline = time.monotonic() + 60
    while group_offset(client, group, TOPIC) != (0, offset):
        assert time.monotonic() < deadline, f"{group} has {group_offset(client, group, TOPIC)}, not {offset}"
        time.sleep(0.1)


def populate(client: RawClient) -> dict[str, Producer]:
    producers = {name: Producer(client, name, 1 if name == "old" else 2) for name in ("done", "gone", "old", "open")}
    for each in producers.values():
        assert each.init() == 0
    done, gone, old, still_open = producers.values()
    assert done.produce(TOPIC, b"done") == 0
    assert done.send_offset("group", TOPIC, 4) == 0
    assert done.end(commit=True) == 0
    assert gone.produce(TOPIC, b"gone") == 0
    assert gone.end(commit=False) == 0
    while old.add(TOPIC, 0) != [0]:
        time.sleep(0.05)
    assert old.add_group("old-group") == 0
    assert old.produce(TOPIC, b"old") == 0
    assert old.send_offset("old-group", TOPIC, 5) == 0
    assert old.end(commit=True) == 0
    assert still_open.produce(TOPIC, b"open") == 0
    assert still_open.send_offset("open-group", TOPIC, 6) == 0
    await_offset(client, "group", 4)
    await_offset(client, "old-group", 5)
    deadline = time.monotonic() + 60
    while any("Prepare" in str(each[2]) for each in described(client, list(producers.values()))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return producers


@pytest.mark.parametrize(
    ("first_kind", "second_kind", "clean"),
    [(OurBroker, ApacheKafka, True), (OurBroker, ApacheKafka, False), (ApacheKafka, OurBroker, True)],
    ids=["ours-stopped", "ours-killed", "kafka-stopped"],
)
def test_one_goes_on_where_the_other_stopped(
    tmp_path: Path, first_kind: type[Broker], second_kind: type[Broker], clean: bool
) -> None:
    first = first_kind(tmp_path / "broker", **SETTINGS)
    second = handed_over(first, second_kind)
    try:
        first.start()
        create_topic(first.address, TOPIC)
        with RawClient(first.bootstrap) as client:
            coordinated(client, "any")
            producers = populate(client)
            before = described(client, list(producers.values()))
            assert committed(client, TOPIC) == [b"done", b"old"]
            assert group_offset(client, "open-group", TOPIC)[0] == E.UNSTABLE_OFFSET_COMMIT
        if clean:
            first.stop()
        else:
            first.kill()
        second.start()
        with RawClient(second.bootstrap) as client:
            coordinated(client, "any")
            assert described(client, list(producers.values())) == before
            for each in producers.values():
                each.client = client
            go_on(client, producers)
            after = described(client, list(producers.values()))
        second.stop()
        first.start()
        with RawClient(first.bootstrap) as client:
            coordinated(client, "any")
            assert described(client, list(producers.values())) == after
            assert committed(client, TOPIC) == [b"done", b"old", b"open", b"again"]
            await_offset(client, "open-group", 6)
    finally:
        second.stop()
        first.stop()


def go_on(client: RawClient, producers: dict[str, Producer]) -> None:
    done, gone, _, still_open = producers.values()
    assert committed(client, TOPIC) == [b"done", b"old"]
    await_offset(client, "group", 4)
    assert group_offset(client, "open-group", TOPIC)[0] == E.UNSTABLE_OFFSET_COMMIT
    assert still_open.end(commit=True) == 0
    await_offset(client, "open-group", 6)
    assert done.produce(TOPIC, b"again") == 0
    assert done.end(commit=True) == 0
    assert gone.produce(TOPIC, b"gone again") == 0
    assert gone.init() == 0
    deadline = time.monotonic() + 60
    while committed(client, TOPIC) != [b"done", b"old", b"open", b"again"]:
        assert time.monotonic() < deadline, committed(client, TOPIC)
        time.sleep(0.1)

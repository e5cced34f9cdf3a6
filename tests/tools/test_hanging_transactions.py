"""A transaction that nobody will ever end: what it holds, what finds it, what ends it, with us and with Apache Kafka.

Method: with the verification of partitions switched off, a producer that no coordinator knows writes a transactional
batch, as brokers before KIP-890 let a late one. The last stable offset stands still. Neither a restart nor a timeout
moves it, because no coordinator knows of it; `find-hanging` names it, beside an open transaction that its coordinator
will end and that it does not name; `abort` ends it. With the verification on, the batch is refused in the first place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import broker as brokers
from harness import jars
from harness.presence import MissingError, absent
from pykafka_core.protocol.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from pykafka_core.records import encode
from running import run_inside
from tests.broker.raw_client import RawClient, batch_of, create_topic, produce
from tests.broker.transactional_client import Producer, committed, coordinated

HOUR_MS = 3_600_000
GHOST = 4_000_000
SETTINGS = {"transaction_state_log_num_partitions": 1, "offsets_topic_num_partitions": 1}
VERIFICATION_OFF = {"transaction_partition_verification_enable": "false"}

Start = Callable[..., brokers.Broker]


@pytest.fixture(params=[brokers.OurBroker, brokers.ApacheKafka], ids=["ours", "kafka"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    made: list[brokers.Broker] = []

    def begin(**settings: str) -> brokers.Broker:
        if request.param is brokers.ApacheKafka:
            try:
                jars.require()
            except MissingError as missing:
                absent(str(missing))
        made.append(request.param(tmp_path, **SETTINGS, **settings))
        made[-1].start()
        return made[-1]

    yield begin
    for each in made:
        each.stop()


def haunt(client: RawClient, topic: str = "t") -> int:
    """The ghost writes a batch to partition 0. Returns the error code."""
    batch = encode(
        [(0, time.time_ns() // 1_000_000 - HOUR_MS, b"k", b"ghost")],
        leader_epoch=-1, producer_id=GHOST, producer_epoch=3, base_sequence=0, transactional=True,
    )  # fmt: skip
    data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=0, records=batch)])
    request = ProduceRequest(transactional_id="ghost", acks=-1, timeout_ms=5000, topic_data=[data])
    code: int = client.call(request, 9).responses[0].partition_responses[0].error_code
    return code


def last_stable(client: RawClient, partition: int = 0, topic: str = "t") -> int:
    wanted = ListOffsetsPartition(partition_index=partition, timestamp=-1)
    request = ListOffsetsRequest(
        replica_id=-1, isolation_level=1, topics=[ListOffsetsTopic(name=topic, partitions=[wanted])]
    )
    found: int = client.call(request, 5).topics[0].partitions[0].offset
    return found


def until_led(attempt: Callable[[], int]) -> None:
    """Apache Kafka does not lead a new partition at once."""
    deadline = time.monotonic() + 30
    while (code := attempt()) in (3, 6):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert code == 0


def write(client: RawClient, value: bytes) -> None:
    """To t-0, outside transactions."""
    until_led(lambda: int(produce(client, "t", batch_of(value))[0].error_code))


def hanging(broker: brokers.Broker, *words: str) -> list[list[str]]:
    ran = run_inside("kafka-transactions", "--bootstrap-server", broker.bootstrap, "find-hanging", *words)
    assert (ran.status, ran.err) == (0, []), ran
    return [line.split("\t") for line in ran.out[1:]]


def test_it_holds_is_found_and_is_ended(start: Start) -> None:
    broker = start(**VERIFICATION_OFF)
    with RawClient(broker.bootstrap) as client:
        coordinated(client, "tx")
        create_topic(client, "t", partitions=2)
        write(client, b"before")
        until_led(lambda: haunt(client))
        write(client, b"after")
        known = Producer(client, "tx", version=1)
        assert known.init(timeout_ms=600_000) == 0
        assert known.add("t", 0, 1) == [0, 0]
        for partition in (0, 1):
            until_led(lambda partition=partition: known.produce("t", b"known", partition))
        assert (last_stable(client, 0), last_stable(client, 1)) == (1, 0)

    broker.stop()
    broker.start()
    with RawClient(broker.bootstrap) as client:
        coordinated(client, "tx")
        known.client = client
        assert known.end(commit=True) == 0
        deadline = time.monotonic() + 60
        while last_stable(client, 1) != 2:
            assert time.monotonic() < deadline
        # The one that is known has ended; the other one is as it was.
        assert last_stable(client, 0) == 1
        assert committed(client, "t", 0) == [b"before"]

        again = Producer(client, "tx", version=1)
        assert again.init(timeout_ms=600_000) == 0
        assert again.add("t", 1) == [0]
        assert again.produce("t", b"open", 1) == 0
        found = [hanging(broker, "--topic", "t"), hanging(broker, "--broker-id", "1"),
                 hanging(broker, "--topic", "t", "--max-transaction-timeout", "59")]  # fmt: skip
        for rows in found:
            assert [[cell.strip() for cell in row[:6]] for row in rows] == [["t", "0", str(GHOST), "3", "-1", "1"]]
        assert hanging(broker, "--topic", "t", "--max-transaction-timeout", "90") == []
        kafkas = jars.java(
            "org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server", broker.bootstrap, "find-hanging",
            "--topic", "t",
        )  # fmt: skip
        lines = [line.split("\t") for line in kafkas.stdout.splitlines()[1:]]
        assert [[cell.strip() for cell in row[:6]] for row in lines] == [["t", "0", str(GHOST), "3", "-1", "1"]]

        where = ["--topic", "t", "--partition", "0", "--start-offset", "1"]
        ran = run_inside("kafka-transactions", "--bootstrap-server", broker.bootstrap, "abort", *where)
        assert (ran.status, ran.out, ran.err) == (0, [], []), ran
        assert hanging(broker, "--topic", "t") == []
        assert committed(client, "t", 0) == [b"before", b"after", b"known"]


@pytest.mark.parametrize("kind", ["ours", "kafka"])
def test_verification_refuses_it(request: pytest.FixtureRequest, kind: str) -> None:
    broker: brokers.Broker = request.getfixturevalue(kind)
    with RawClient(broker.bootstrap) as client:
        coordinated(client, "tx")
        create_topic(client, "haunted")
        deadline = time.monotonic() + 30
        while (code := haunt(client, "haunted")) in (3, 6, 19):  # the coordinator is being loaded
            assert time.monotonic() < deadline
        assert code == 49
        assert last_stable(client, topic="haunted") == 0
        assert hanging(broker, "--topic", "haunted") == []

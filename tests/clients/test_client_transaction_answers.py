"""Goal: what a partition answers to transactional requests, good and bad, is what Apache Kafka 4.3.1 answers.

Method: one script of raw requests, played against both brokers; every answer is noted and the two lists are compared.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import jars
from harness.broker import ApacheKafka, Broker, OurBroker
from harness.presence import MissingError, absent
from pykafka_core.protocol.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from pykafka_core.protocol.messages.create_topics_request import CreatableTopic, CreateTopicsRequest
from pykafka_core.protocol.messages.end_txn_request import EndTxnRequest
from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest
from pykafka_core.protocol.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from pykafka_core.records import encode
from tests.broker.raw_client import RawClient

pytestmark = [pytest.mark.row("kafka-dump-log"), pytest.mark.timeout(300)]

T = time.time_ns() // 1_000_000
READ_COMMITTED = 1
CLIENT = -1
TOPICS = ("t", "u", "v")


class Script:
    """Notes what a broker answers. Producer ids are noted as those of their transactional ids."""

    def __init__(self, broker: Broker) -> None:
        self.client = RawClient(broker.bootstrap)
        self.notes: list[tuple[str, Any]] = []
        self.identities: dict[str, tuple[int, int]] = {}

    def note(self, what: str, found: object) -> None:
        self.notes.append((what, found))

    def init(self, name: str, *, version: int = 4) -> None:
        find = FindCoordinatorRequest(coordinator_keys=[name], key_type=1)
        until(lambda: self.client.call(find, 4).coordinators[0].error_code)
        found: list[Any] = []

        def attempt() -> int:
            found[:] = [
                self.client.call(InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=60_000), version)
            ]
            code: int = found[0].error_code
            return code

        until(attempt)
        self.identities[name] = found[0].producer_id, found[0].producer_epoch
        self.note(f"init {name}", found[0].producer_epoch)

    def batch(self, name: str | tuple[int, int], sequence: int, *, transactional: bool = True) -> bytes:
        producer_id, epoch = self.identities[name] if isinstance(name, str) else name
        return encode(
            [(0, T + sequence, b"k", b"v")],
            leader_epoch=-1,
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=sequence,
            transactional=transactional,
        )

    def produce(
        self, what: str, *batches: bytes, name: str | None, version: int, topic: str = "t", steady: bool = False
    ) -> None:
        """One batch to each partition from 0 on. `steady`: again while it is refused with an error that passes."""
        data = [PartitionProduceData(index=index, records=batch) for index, batch in enumerate(batches)]
        request = ProduceRequest(
            transactional_id=name,
            acks=-1,
            timeout_ms=30_000,
            topic_data=[TopicProduceData(name=topic, partition_data=data)],
        )
        passing = {19, 51} if steady else set()
        deadline = time.monotonic() + 60
        while True:
            answered = self.client.call(request, version).responses[0].partition_responses
            # Kafka's stand in the order of a hash map.
            found = sorted(answered, key=lambda each: each.index)
            codes = [each.error_code for each in found]
            if not passing.intersection(codes) or time.monotonic() > deadline:
                break
        messages = [each.error_message for each in found if each.error_code in (19, 48, 120) and each.error_message]
        self.note(f"produce {what} v{version}", [(each.error_code, each.base_offset) for each in found])
        for message in messages:
            if message.startswith(("Partition was", "Unable to verify")):
                self.note(f"produce {what} v{version}: message", message)

    def add(self, what: str, name: str, *, topic: str = "t", partitions: tuple[int, ...] = (0,)) -> None:
        producer_id, epoch = self.identities[name]
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=name,
            v3_and_below_producer_id=producer_id,
            v3_and_below_producer_epoch=epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=list(partitions))],
        )
        while True:
            (found,) = self.client.call(request, 3).results_by_topic_v3_and_below
            codes = [each.partition_error_code for each in found.results_by_partition]
            if 51 not in codes:
                break
        self.note(f"add {what}", codes)

    def end(self, what: str, name: str, *, commit: bool, version: int = 3) -> None:
        producer_id, epoch = self.identities[name]
        request = EndTxnRequest(
            transactional_id=name, producer_id=producer_id, producer_epoch=epoch, committed=commit
        )
        while (answer := self.client.call(request, version)).error_code == 51:
            pass
        self.note(f"end {what}", answer.error_code)
        if version >= 5 and not answer.error_code:
            self.identities[name] = answer.producer_id, answer.producer_epoch

    def listed(self, what: str, timestamp: int, *, committed: bool, topic: str = "t") -> tuple[int, int, int]:
        wanted = ListOffsetsTopic(
            name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=timestamp)]
        )
        request = ListOffsetsRequest(replica_id=CLIENT, isolation_level=READ_COMMITTED * committed, topics=[wanted])
        found = self.client.call(request, 7).topics[0].partitions[0]
        return found.error_code, found.offset, found.timestamp - T if found.timestamp >= 0 else found.timestamp

    def stable(self, what: str, wanted: int, topic: str = "t") -> None:
        """Markers come after the answer to EndTxn."""
        until(lambda: self.listed(what, -1, committed=True, topic=topic)[1] - wanted)
        self.note(f"stable {what}", wanted)

    def fetch(self, what: str, offset: int, *, committed: bool, topic: str = "t") -> None:
        wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)
        request = FetchRequest(
            replica_id=CLIENT,
            max_wait_ms=0,
            min_bytes=1,
            max_bytes=1 << 20,
            isolation_level=READ_COMMITTED * committed,
            topics=[FetchTopic(topic=topic, partitions=[wanted])],
        )
        for version in (4, 11, 12):
            found = self.client.call(request, version).responses[0].partitions[0]
            aborted = found.aborted_transactions
            names = {producer_id: name for name, (producer_id, _) in self.identities.items()}
            told = None if aborted is None else [(names[each.producer_id], each.first_offset) for each in aborted]
            self.note(
                f"fetch {what} v{version}",
                (found.error_code, found.high_watermark, found.last_stable_offset, told, len(found.records or b"")),
            )


def until(attempt: Any) -> None:
    deadline = time.monotonic() + 60
    while found := attempt():
        assert time.monotonic() < deadline, f"still {found}"
        time.sleep(0.01)


def play(broker: Broker) -> list[tuple[str, Any]]:
    s = Script(broker)
    topics = [CreatableTopic(name=name, num_partitions=2, replication_factor=1) for name in TOPICS]
    for made in s.client.call(CreateTopicsRequest(topics=topics, timeout_ms=30_000), 7).topics:
        assert made.error_code == 0
    for name in ("a", "b", "c"):
        s.init(name)
    stranger = 4711, 0

    for version in (9, 11, 12):
        s.produce("without a transactional id", s.batch("a", 0), name=None, version=version)
        s.produce("of an unknown id", s.batch(stranger, 0), name="nobody", version=version)
        s.produce("of another producer", s.batch(stranger, 0), name="a", version=version)
        s.produce("of an empty id", s.batch(stranger, 0), name="", version=version)
        s.produce("of two producers", s.batch("a", 0), s.batch("b", 0), name="a", version=version)
        a = s.identities["a"]
        s.produce("of a newer epoch", s.batch((a[0], a[1] + 1), 0), name="a", version=version)
    for version in (9, 11):
        s.produce("before it is added", s.batch("a", 0), name="a", version=version)
    s.add("a to t-0", "a")
    s.produce("one added, one not", s.batch("a", 0), s.batch("a", 0), name="a", version=9)
    s.produce("goes on", s.batch("a", 1), name="a", version=9)
    s.produce("repeated", s.batch("a", 1), name="a", version=9)
    s.produce("with a gap", s.batch("a", 5), name="a", version=9)
    s.produce("plain, in the transaction", s.batch("a", 2, transactional=False), name="a", version=9)
    s.produce("plain, without an id", s.batch("a", 2, transactional=False), name=None, version=9)
    s.note("latest", s.listed("", -1, committed=True))
    s.note("newest", s.listed("", -3, committed=True))
    s.note("newest, uncommitted", s.listed("", -3, committed=False))
    s.note("by time", s.listed("", T, committed=True))
    s.note("by time, uncommitted", s.listed("", T, committed=False))
    s.fetch("open", 0, committed=True)
    s.fetch("open, uncommitted", 0, committed=False)
    s.fetch("inside the open", 1, committed=True)
    s.fetch("beyond", 9, committed=True)
    s.fetch("beyond, uncommitted", 9, committed=False)
    for committed in (True, False):
        s.fetch(f"unknown topic, {committed}", 0, committed=committed, topic="none")
    s.end("a", "a", commit=False)
    s.stable("a aborted", 3)
    s.fetch("aborted", 0, committed=True)
    s.fetch("at the marker", 2, committed=True)
    s.fetch("at the end", 3, committed=True)
    s.fetch("aborted, uncommitted", 0, committed=False)
    for version in (9, 11):
        s.produce("after the end", s.batch("a", 2), name="a", version=version)
        s.produce("a repeat after the end", s.batch("a", 1), name="a", version=version)
    s.init("a")
    s.produce("of the old epoch", s.batch((s.identities["a"][0], s.identities["a"][1] - 1), 2), name="a", version=9)
    s.produce("of the old epoch", s.batch((s.identities["a"][0], s.identities["a"][1] - 1), 2), name="a", version=12)

    # Transaction version 2: producing adds, each end raises the epoch.
    s.init("c", version=5)
    s.produce("begins with sequence 3", s.batch("c", 3), name="c", version=12, topic="u", steady=True)
    s.produce("begins", s.batch("c", 0), s.batch("c", 0), name="c", version=12, topic="u", steady=True)
    s.produce("goes on", s.batch("c", 1), name="c", version=12, topic="u")
    s.end("c", "c", commit=True, version=5)
    s.stable("c committed", 3, topic="u")
    s.produce("of the epoch before", s.batch((s.identities["c"][0], s.identities["c"][1] - 1), 2), name="c", version=12,
              topic="u", steady=True)  # fmt: skip
    s.produce("begins again", s.batch("c", 0), name="c", version=12, topic="u", steady=True)
    s.end("c", "c", commit=False, version=5)
    s.stable("c aborted", 5, topic="u")
    s.fetch("one of each", 0, committed=True, topic="u")
    s.client.close()
    return s.notes


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Broker]:
    try:
        jars.require()
    except MissingError as missing:
        absent(str(missing))
    broker = ApacheKafka(tmp_path / "kafka")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Broker]:
    broker = OurBroker(tmp_path / "ours")
    broker.start()
    yield broker
    broker.stop()


def test_the_same_answers_as_apache_kafka(kafka: Broker, ours: Broker) -> None:
    theirs, found = play(kafka), play(ours)
    different = [f"{a[0]}: {a[1]}, ours {b[1]}" for a, b in zip(theirs, found, strict=True) if a != b]
    assert not different, "\n" + "\n".join(different)

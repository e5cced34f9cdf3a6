"""Goal: transactions in a partition's files mean the same to Apache Kafka and to us, in both directions.

Method: our engine writes committed, aborted and open transactions over several segments, and DumpLogSegments reads the
segments, the index of aborted transactions and the producer snapshot. Apache Kafka, in its own process, runs the same
kind of history for real producers; our engine opens what it leaves, as it is and with every index and snapshot taken
away, and must find Kafka's last stable offset and the same index, byte for byte; then it goes on writing, and Kafka
starts on that.
"""

from __future__ import annotations

import re
import shutil
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import jars
from harness.broker import ApacheKafka
from pykafka_core.log import Log, LogConfig
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from pykafka_core.protocol.messages.create_topics_request import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
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

pytestmark = [pytest.mark.usefixtures("kafka_is_here"), pytest.mark.row("kafka-dump-log"), pytest.mark.timeout(300)]

T = time.time_ns() // 1_000_000
DUMP = "org.apache.kafka.tools.DumpLogSegments"
READ_COMMITTED = 1
LATEST = -1
CLIENT = -1
"""The replica id of one that is none."""
VALUE = b"v" * 200_000


def dump(*files: Path, options: tuple[str, ...] = ()) -> str:
    done = jars.java(DUMP, *options, "--files", ",".join(map(str, files)))
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-3000:]
    assert not re.search(r"(?i)exception|isvalid: false|could not|corrupt", text), text[-3000:]
    return text


def batch_of(value: bytes, producer_id: int, epoch: int, sequence: int, *, transactional: bool = True) -> bytes:
    return encode(
        [(0, T, b"k", value)],
        leader_epoch=-1,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        transactional=transactional,
    )


# ---- ours, read by Kafka


def test_kafka_reads_our_markers_indexes_and_snapshots(tmp_path: Path) -> None:
    config = LogConfig(segment_size_bytes=1000)
    with Log(tmp_path / "t-0", config=config) as log:
        log.append(batch_of(b"open from here on", 7, 3, 0))
        for i in range(6):
            log.append(batch_of(b"a", 8, 0, i))
            log.append_marker(
                producer_id=8, producer_epoch=0, coordinator_epoch=2, commit=i % 2 == 0, transaction_version=1
            )
        log.append(batch_of(b"b", 9, 0, 0))
        log.append_marker(producer_id=9, producer_epoch=1, coordinator_epoch=4, commit=False, transaction_version=2)
        assert log.last_stable_offset == 0
        aborted = log.aborted_txns(0, log.log_end_offset)
        end = log.log_end_offset
    folder = tmp_path / "t-0"
    text = dump(*sorted(folder.glob("*.log")), options=("--deep-iteration",))
    assert text.count("endTxnMarker: COMMIT coordinatorEpoch: 2") == 3
    assert text.count("endTxnMarker: ABORT coordinatorEpoch: 2") == 3
    assert text.count("endTxnMarker: ABORT coordinatorEpoch: 4") == 1
    assert text.count("isTransactional: true isControl: true") == 7
    assert text.count("isTransactional: true isControl: false") == 8
    assert dumped_index(folder) == [tuple(each) for each in aborted]
    assert [each[0] for each in dumped_index(folder)] == [8, 8, 8, 9]
    text = dump(folder / f"{end:020d}.snapshot")
    for producer in (
        "producerId: 7 producerEpoch: 3 coordinatorEpoch: -1 currentTxnFirstOffset: OptionalLong[0]",
        "producerId: 8 producerEpoch: 0 coordinatorEpoch: 2 currentTxnFirstOffset: OptionalLong.empty",
        "producerId: 9 producerEpoch: 1 coordinatorEpoch: 4 currentTxnFirstOffset: OptionalLong.empty",
    ):
        assert producer in text


def dumped_index(folder: Path) -> list[tuple[int, int, int, int]]:
    """What Kafka reads in the indexes of aborted transactions of a partition."""
    files = sorted(folder.glob("*.txnindex"))
    assert files
    found = re.findall(
        r"producerId: (\d+) firstOffset: (\d+) lastOffset: (\d+) lastStableOffset: (\d+)", dump(*files).replace(",", "")
    )
    assert sum(path.stat().st_size for path in files) == 34 * len(found)
    return [tuple(map(int, each)) for each in found]  # type: ignore[misc]


# ---- Kafka's, read by us


class Client:
    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, 60)

    def __call__(self, request: Message, version: int) -> Any:
        self.socket.sendall(encode_request(request.API_KEY, version, 1, "test", request, with_length=True))
        data = self._take(struct.unpack(">i", self._take(4))[0])
        return decode_response(request.API_KEY, version, data)[1]

    def _take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, "the connection was closed"
            data += piece
        return data


def await_value(attempt: Callable[[], int], wanted: int) -> None:
    deadline = time.monotonic() + 60
    while (found := attempt()) != wanted:
        assert time.monotonic() < deadline, f"still {found}, not {wanted}"
        time.sleep(0.01)


class Producer:
    """A transactional producer of transaction version 1, one request at a time."""

    def __init__(self, call: Client, name: str) -> None:
        self.call, self.name, self.sequence = call, name, 0
        wanted = FindCoordinatorRequest(coordinator_keys=[name], key_type=1)
        self.until(lambda: call(wanted, 4).coordinators[0].error_code)

        def init() -> int:
            self.identity = call(InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=60_000), 4)
            code: int = self.identity.error_code
            return code

        self.until(init)

    @staticmethod
    def until(attempt: Callable[[], int]) -> None:
        await_value(attempt, 0)

    def send(self, value: bytes = b"v") -> None:
        who = self.identity
        names = {"producer_id": who.producer_id, "producer_epoch": who.producer_epoch}
        asked = [AddPartitionsToTxnTopic(name="t", partitions=[0])]

        def add() -> int:
            answer = self.call(
                AddPartitionsToTxnRequest(
                    v3_and_below_transactional_id=self.name,
                    v3_and_below_producer_id=who.producer_id,
                    v3_and_below_producer_epoch=who.producer_epoch,
                    v3_and_below_topics=asked,
                ),
                3,
            )
            code: int = answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
            return code

        self.until(add)
        batch = batch_of(value, names["producer_id"], names["producer_epoch"], self.sequence)
        self.until(lambda: produce(self.call, batch, self.name))
        self.sequence += 1

    def end(self, *, commit: bool) -> None:
        who = self.identity
        request = EndTxnRequest(
            transactional_id=self.name,
            producer_id=who.producer_id,
            producer_epoch=who.producer_epoch,
            committed=commit,
        )
        self.until(lambda: self.call(request, 3).error_code)


def produce(call: Client, batch: bytes, transactional_id: str | None = None) -> int:
    data = TopicProduceData(name="t", partition_data=[PartitionProduceData(index=0, records=batch)])
    request = ProduceRequest(transactional_id=transactional_id, acks=-1, timeout_ms=30_000, topic_data=[data])
    code: int = call(request, 9).responses[0].partition_responses[0].error_code
    return code


def stable_offset(call: Client) -> int:
    """Below 0: minus the error code."""
    wanted = ListOffsetsTopic(name="t", partitions=[ListOffsetsPartition(partition_index=0, timestamp=LATEST)])
    answer = call(ListOffsetsRequest(replica_id=CLIENT, isolation_level=READ_COMMITTED, topics=[wanted]), 6)
    found = answer.topics[0].partitions[0]
    offset: int = -found.error_code if found.error_code else found.offset
    return offset


def aborted(call: Client, offset: int) -> list[tuple[int, int]]:
    wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=50 << 20)
    request = FetchRequest(
        replica_id=CLIENT,
        max_wait_ms=0,
        min_bytes=1,
        max_bytes=50 << 20,
        isolation_level=READ_COMMITTED,
        topics=[FetchTopic(topic="t", partitions=[wanted])],
    )
    found = call(request, 11).responses[0].partitions[0]
    assert found.error_code == 0
    return [(each.producer_id, each.first_offset) for each in found.aborted_transactions]


def history(call: Client) -> None:
    configs = [CreatableTopicConfig(name="segment.bytes", value=str(1 << 20))]
    topic = CreatableTopic(name="t", num_partitions=1, replication_factor=1, configs=configs)
    assert call(CreateTopicsRequest(topics=[topic], timeout_ms=30_000), 7).topics[0].error_code == 0
    a, b, c = (Producer(call, name) for name in "abc")
    plain = encode([(0, T, b"k", b"v")], leader_epoch=-1)
    for i in range(12):
        a.send(VALUE)
        b.send()
        produce(call, plain)
        b.end(commit=i % 3 == 0)
        if i % 4 == 3:
            a.end(commit=i == 7)
    c.send()
    a.send()
    a.end(commit=False)
    b.send()


def await_marker(call: Client, offset: int) -> None:
    """EndTxn is answered before the markers are there."""
    await_value(lambda: stable_offset(call), offset)


def indexes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.txnindex") if path.stat().st_size}


def test_what_kafka_leaves_means_the_same_to_us(tmp_path: Path) -> None:
    broker = ApacheKafka(tmp_path, transaction_partition_verification_enable="true")
    broker.start()
    try:
        call = Client(broker.address)
        history(call)
        # 12 rounds of a, b, plain and b's marker, and three markers of a: then c's batch is the first that is open.
        await_marker(call, 12 * 4 + 3)
        kafka_stable = stable_offset(call)
        everything = aborted(call, 0)
        broker.stop()

        folder = broker.data / "t-0"
        bare = tmp_path / "bare"
        shutil.copytree(folder, bare)
        for form in ("*.txnindex", "*.snapshot", "*.index", "*.timeindex"):
            for path in bare.glob(form):
                path.unlink()
        config = LogConfig(segment_size_bytes=1 << 20)
        with Log(folder, config=config, clean=True) as log:
            assert len(log.segments()) >= 3
            assert log.last_stable_offset == kafka_stable
            found = log.aborted_txns(0, log.log_end_offset)
            producers = log.producers()
        with Log(bare, config=config) as log:
            assert log.last_stable_offset == kafka_stable
            assert log.aborted_txns(0, log.log_end_offset) == found
            assert [each[:2] + each[5:] for each in log.producers()] == [each[:2] + each[5:] for each in producers]
        assert indexes(bare) == indexes(folder)
        assert dumped_index(folder) == [tuple(each) for each in found]
        assert {each[:2] for each in found} >= set(everything) > set()
        assert sum(each.current_txn_start_offset >= 0 for each in producers) == 2

        # We go on: another aborted transaction, of a producer that Kafka has never heard of, above what is open.
        with Log(folder, config=config, clean=True) as log:
            first = log.append(batch_of(b"ours", 999, 0, 0)).base_offset
            last = log.append_marker(
                producer_id=999, producer_epoch=0, coordinator_epoch=0, commit=False, transaction_version=1
            ).base_offset
            assert log.aborted_txns(first, last + 1) == [(999, first, last, kafka_stable)]
        assert dumped_index(folder)[-1] == (999, first, last, kafka_stable)
        broker.start()
        call = Client(broker.address)
        await_value(lambda: stable_offset(call), kafka_stable)
        # Both that are open are aborted by their next lives; what was ours is told as aborted too.
        for name in "bc":
            Producer(call, name)
        await_marker(call, last + 3)
        assert (999, first) in aborted(call, first)
        broker.stop()
    finally:
        broker.stop()

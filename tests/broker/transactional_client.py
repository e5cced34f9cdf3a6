"""Transactional producers for tests, of both ages, and what a read_committed consumer makes of what it fetches."""

from __future__ import annotations

import time
from typing import Any

from pykafka_core.native import BatchBuilder
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.add_offsets_to_txn_request import AddOffsetsToTxnRequest
from pykafka_core.protocol.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from pykafka_core.protocol.messages.end_txn_request import EndTxnRequest
from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest
from pykafka_core.protocol.messages.offset_fetch_request import OffsetFetchRequest, OffsetFetchRequestTopic
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from pykafka_core.protocol.messages.txn_offset_commit_request import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from pykafka_core.records import BatchHeader, batches, iterate
from tests.broker.raw_client import RawClient

__all__ = ["E", "Producer", "committed", "coordinated", "group_offset"]

E = ErrorCode
AGAIN = (E.CONCURRENT_TRANSACTIONS, E.COORDINATOR_LOAD_IN_PROGRESS, E.NOT_COORDINATOR, E.COORDINATOR_NOT_AVAILABLE)


def retried(client: RawClient, request: Message, version: int) -> Any:
    """As clients do: CONCURRENT_TRANSACTIONS and a coordinator that loads are asked again."""
    deadline = time.monotonic() + 60
    while True:
        answer = client.call(request, version)
        code = answer.error_code
        if code not in AGAIN or time.monotonic() > deadline:
            return answer
        time.sleep(0.01)


class Producer:
    """A producer that does what it is told, with the versions of one age: 1 or 2 of transactions."""

    def __init__(self, client: RawClient, transactional_id: str, version: int = 2) -> None:
        self.client = client
        self.id = transactional_id
        self.version = version
        self.producer_id = self.epoch = -1
        self.sequences: dict[tuple[str, int], int] = {}

    def init(self, *, own: bool = False, timeout_ms: int = 60_000, version: int = 5) -> int:
        has = {"producer_id": self.producer_id, "producer_epoch": self.epoch} if own else {}
        request = InitProducerIdRequest(transactional_id=self.id, transaction_timeout_ms=timeout_ms, **has)
        answer = retried(self.client, request, version)
        if not answer.error_code:
            self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
            self.sequences.clear()
        code: int = answer.error_code
        return code

    def add(self, topic: str, *partitions: int, version: int = 3) -> list[int]:
        answer = self.client.call(
            AddPartitionsToTxnRequest(
                v3_and_below_transactional_id=self.id,
                v3_and_below_producer_id=self.producer_id,
                v3_and_below_producer_epoch=self.epoch,
                v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=list(partitions))],
            ),
            version,
        )
        return [each.partition_error_code for each in answer.results_by_topic_v3_and_below[0].results_by_partition]

    def produce(
        self,
        topic: str,
        value: bytes | None,
        partition: int = 0,
        version: int | None = None,
        *,
        key: bytes = b"k",
        timestamp: int = 1_700_000_000_000,
    ) -> int:
        sequence = self.sequences.get((topic, partition), 0)
        builder = BatchBuilder(
            producer_id=self.producer_id, producer_epoch=self.epoch, base_sequence=sequence, attributes=0x10
        )
        builder.add(timestamp, key, value)
        partition_data = PartitionProduceData(index=partition, records=builder.finish())
        data = TopicProduceData(name=topic, partition_data=[partition_data])
        request = ProduceRequest(transactional_id=self.id, acks=-1, timeout_ms=5000, topic_data=[data])
        deadline = time.monotonic() + 60
        while True:
            answer = self.client.call(request, version or (12 if self.version == 2 else 11))
            code: int = answer.responses[0].partition_responses[0].error_code
            # A coordinator that loads, in the words of Produce: clients ask again.
            if code != E.NOT_ENOUGH_REPLICAS or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        if not code:
            self.sequences[topic, partition] = sequence + 1
        return code

    def end(self, *, commit: bool, version: int | None = None) -> int:
        request = EndTxnRequest(
            transactional_id=self.id, producer_id=self.producer_id, producer_epoch=self.epoch, committed=commit
        )
        version = version or (5 if self.version == 2 else 4)
        answer = retried(self.client, request, version)
        if not answer.error_code and version >= 5:
            if (answer.producer_id, answer.producer_epoch) != (self.producer_id, self.epoch):
                self.sequences.clear()
            self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
        code: int = answer.error_code
        return code

    def send_offset(self, group: str, topic: str, offset: int, version: int | None = None, **more: Any) -> int:
        version = version if version is not None else (5 if self.version == 2 else 4)
        each = TxnOffsetCommitRequestPartition(
            partition_index=more.pop("partition", 0),
            committed_offset=offset,
            committed_metadata=more.pop("metadata", ""),
        )
        named = {"topic_id": more.pop("topic_id")} if "topic_id" in more else {"name": topic}
        answer = self.client.call(
            TxnOffsetCommitRequest(
                transactional_id=self.id,
                group_id=group,
                producer_id=self.producer_id,
                producer_epoch=self.epoch,
                topics=[TxnOffsetCommitRequestTopic(partitions=[each], **named)],
                **more,
            ),
            version,
        )
        code: int = answer.topics[0].partitions[0].error_code
        return code

    def add_group(self, group: str, version: int = 3) -> int:
        request = AddOffsetsToTxnRequest(
            transactional_id=self.id, producer_id=self.producer_id, producer_epoch=self.epoch, group_id=group
        )
        code: int = self.client.call(request, version).error_code
        return code


def coordinated(client: RawClient, name: str) -> None:
    """Wait until there are coordinators: Apache Kafka makes their topics meanwhile."""
    deadline = time.monotonic() + 60
    for key_type in (1, 0):
        while client.call(FindCoordinatorRequest(key=name, key_type=key_type), 3).error_code:
            assert time.monotonic() < deadline, "no coordinator"
            time.sleep(0.1)


def committed(client: RawClient, topic: str, partition: int = 0) -> list[bytes]:
    """The values that a read_committed consumer gets, as it works them out."""
    offset = end = 0
    values = []
    open_aborts: set[int] = set()
    while offset <= end:
        found = fetched(client, topic, partition, offset)
        end = found.last_stable_offset
        aborted = sorted((each.first_offset, each.producer_id) for each in found.aborted_transactions or ())
        if not found.records:
            break
        for batch in batches(found.records):
            header = BatchHeader.load(batch)
            offset = header.next_offset
            while aborted and aborted[0][0] < offset:
                open_aborts.add(aborted.pop(0)[1])
            if header.is_control:
                open_aborts.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in open_aborts):
                values += [bytes(record.value or b"") for record in iterate(batch)]
    return values


def fetched(client: RawClient, topic: str, partition: int, offset: int) -> Any:
    wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=1 << 20)
    request = FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=1 << 20,
        isolation_level=1,
        topics=[FetchTopic(topic=topic, partitions=[wanted])],
    )
    (found,) = client.call(request, 11).responses[0].partitions
    assert found.error_code == 0
    return found


def group_offset(client: RawClient, group: str, topic: str, *, stable: bool = True) -> tuple[int, int]:
    request = OffsetFetchRequest(
        group_id=group,
        topics=[OffsetFetchRequestTopic(name=topic, partition_indexes=[0])],
        require_stable=stable,
    )
    answer = client.call(request, 7)
    if answer.error_code:
        return answer.error_code, -1
    (found,) = answer.topics[0].partitions
    return found.error_code, found.committed_offset

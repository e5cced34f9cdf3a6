"""Produce requests that begin a transaction in a partition: what the coordinator is asked, and what its answers become.

Method: the handler with a real partition on disk and a coordinator that answers as the test says.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from pykafka_core.broker.handlers import RequestContext, find_handler
from pykafka_core.broker.syncs import Syncs
from pykafka_core.broker.topic_configs import topic_settings
from pykafka_core.broker.topics import RunningTopic
from pykafka_core.broker.transaction_markers import Markers
from pykafka_core.broker.txn_verification import NoTransactions, produce_error
from pykafka_core.native import Log, Partition, TopicConfig
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from pykafka_core.records import BatchHeader, batches, encode

T = 1_700_000_000_000
VERIFY = "transaction.partition.verification.enable"


def batch_of(producer_id=5, epoch=0, sequence=0, *, transactional=True):
    return encode(
        [(0, T, b"k", b"v")],
        leader_epoch=-1,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        transactional=transactional,
    )


class Coordinator:
    """Answers every question with `errors`, or what `during` does to them."""

    def __init__(self):
        self.asked = []
        self.errors = {}
        self.during = None

    async def verify_partitions(self, transactional_id, producer_id, producer_epoch, partitions, *, add):
        self.asked.append((transactional_id, producer_id, producer_epoch, list(partitions), add))
        await asyncio.sleep(0)
        if self.during is not None:
            self.during()
        return self.errors


class Rig:
    def __init__(self, tmp_path, partitions=2):
        self.logs = [Log(tmp_path / f"t-{index}") for index in range(partitions)]
        settings = topic_settings({}, {})
        self.topic = RunningTopic(
            name="t",
            topic_id=b"i" * 16,
            settings=settings,
            partitions=[Partition(index, each, 0) for index, each in enumerate(self.logs)],
        )
        self.transactions = Coordinator()
        self.values = {VERIFY: True}
        self.topics = SimpleNamespace(
            find=lambda name: self.topic if name == "t" else None,
            find_by_id=lambda topic_id: self.topic if topic_id == b"i" * 16 else None,
        )

    async def produce(self, *found, version=9, transactional_id="x", acks=-1, topic="t"):
        data = [PartitionProduceData(index=index, records=batch) for index, batch in enumerate(found)]
        named = {"topic_id": b"i" * 16} if version >= 13 else {"name": topic}
        request = ProduceRequest(
            transactional_id=transactional_id,
            acks=acks,
            timeout_ms=1000,
            topic_data=[TopicProduceData(partition_data=data, **named)],
        )
        context = RequestContext(
            api_key=0, api_version=version, client_id="c", listener=0, peer="here:1", local="there:2"
        )
        response = await find_handler(ApiKey.PRODUCE).handle(
            request,
            context,
            topics=self.topics,
            opening=asyncio.Semaphore(1),
            transactions=self.transactions,
            configs=SimpleNamespace(broker_values=lambda: self.values),
            syncs=Syncs(asyncio.ensure_future),
        )
        (answer,) = response.responses
        return [(each.error_code, each.base_offset) for each in answer.partition_responses], answer

    def end(self, producer_id=5, epoch=0, *, commit=True, version=1, index=0):
        return self.topic.partitions[index].append_marker(
            TopicConfig(),
            producer_id=producer_id,
            producer_epoch=epoch,
            coordinator_epoch=0,
            commit=commit,
            transaction_version=version,
        )


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    for each in made.logs:
        each.close()


@pytest.mark.parametrize("version", [9, 11, 12, 13])
async def test_the_coordinator_is_asked_once_for_all_partitions(rig, version):
    found, _ = await rig.produce(batch_of(), batch_of(), version=version)
    assert found == [(0, 0), (0, 0)]
    assert rig.transactions.asked == [("x", 5, 0, [("t", 0), ("t", 1)], version >= 12)]
    assert [each.last_stable_offset for each in rig.topic.partitions] == [0, 0]
    # Its transaction is open now: nobody is asked.
    found, _ = await rig.produce(batch_of(sequence=1), version=version)
    assert found == [(0, 1)]
    assert len(rig.transactions.asked) == 1


@pytest.mark.parametrize(
    ("code", "version", "expected"),
    [
        (ErrorCode.TRANSACTION_ABORTABLE, 9, 48),
        (ErrorCode.TRANSACTION_ABORTABLE, 11, 120),
        (ErrorCode.TRANSACTION_ABORTABLE, 12, 120),
        (ErrorCode.INVALID_TXN_STATE, 12, 48),
        (ErrorCode.PRODUCER_FENCED, 9, 47),
        (ErrorCode.INVALID_PRODUCER_EPOCH, 12, 47),
        (ErrorCode.INVALID_PRODUCER_ID_MAPPING, 9, 49),
        (ErrorCode.CONCURRENT_TRANSACTIONS, 9, 19),
        (ErrorCode.CONCURRENT_TRANSACTIONS, 12, 51),
        (ErrorCode.NOT_COORDINATOR, 9, 19),
        (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, 12, 19),
        (ErrorCode.COORDINATOR_NOT_AVAILABLE, 11, 19),
        (ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 12, 53),
    ],
)
async def test_errors_become_what_the_version_knows(rig, code, version, expected):
    rig.transactions.errors = {("t", 0): code}
    found, answer = await rig.produce(batch_of(), batch_of(), version=version)
    assert found == [(expected, -1), (0, 0)]
    assert rig.logs[0].log_end_offset == 0
    message = answer.partition_responses[0].error_message
    if expected == 19:
        assert message == (
            f"Unable to verify the partition has been added to the transaction. Underlying error: {code.name}"
        )
    elif expected == 48:
        assert message == "Partition was not added to the transaction"
    else:
        assert message is None
    assert produce_error(code, version).code == expected


async def test_a_marker_that_comes_before_the_answer_wins(rig):
    rig.transactions.during = lambda: rig.end(commit=False)
    found, _ = await rig.produce(batch_of())
    assert found == [(48, -1)]
    assert rig.logs[0].log_end_offset == 1
    assert rig.topic.partitions[0].last_stable_offset == 1
    rig.transactions.during = None
    assert (await rig.produce(batch_of()))[0] == [(0, 1)]


async def test_a_batch_does_not_pass_one_whose_question_failed(rig):
    rig.transactions.errors = {("t", 0): ErrorCode.NOT_COORDINATOR}
    assert (await rig.produce(batch_of(sequence=0)))[0] == [(19, -1)]
    rig.transactions.errors = {}
    assert (await rig.produce(batch_of(sequence=1)))[0] == [(45, -1)]
    assert (await rig.produce(batch_of(sequence=0)))[0] == [(0, 0)]
    assert (await rig.produce(batch_of(sequence=1)))[0] == [(0, 1)]


async def test_transaction_version_2_begins_with_sequence_0(rig):
    assert (await rig.produce(batch_of(sequence=3), version=12))[0] == [(45, -1)]
    assert (await rig.produce(batch_of(producer_id=6, sequence=3), version=11))[0] == [(0, 0)]


async def test_no_transactional_id_and_two_producers_refuse_the_whole_request(rig):
    plain = batch_of(-1, -1, -1, transactional=False)
    assert (await rig.produce(batch_of(), plain, transactional_id=None))[0] == [(53, -1), (53, -1)]
    assert (await rig.produce(batch_of(), batch_of(6)))[0] == [(49, -1), (49, -1)]
    assert (await rig.produce(batch_of(), batch_of(5, 1)))[0] == [(49, -1), (49, -1)]
    assert rig.transactions.asked == []
    assert [each.log_end_offset for each in rig.logs] == [0, 0]


async def test_partitions_that_are_refused_anyway_are_not_asked_for(rig):
    found, _ = await rig.produce(batch_of(), batch_of(), batch_of())
    assert found == [(0, 0), (0, 0), (3, -1)]
    assert rig.transactions.asked == [("x", 5, 0, [("t", 0), ("t", 1)], False)]
    assert (await rig.produce(batch_of(), acks=7))[0] == [(21, -1)]
    assert (await rig.produce(batch_of(7), topic="other"))[0] == [(3, -1)]
    assert len(rig.transactions.asked) == 1


async def test_verification_can_be_switched_off_for_transaction_version_1(rig):
    rig.values = {VERIFY: False}
    assert (await rig.produce(batch_of(), version=11))[0] == [(0, 0)]
    assert rig.transactions.asked == []
    assert (await rig.produce(batch_of(6), version=12))[0] == [(0, 1)]
    assert len(rig.transactions.asked) == 1


async def test_without_a_coordinator_no_transactional_id_is_known(rig):
    rig.transactions = NoTransactions()
    assert (await rig.produce(batch_of()))[0] == [(49, -1)]
    assert (await rig.produce(batch_of(), transactional_id=""))[0] == [(42, -1)]


async def test_markers_and_what_a_partition_tells_of_its_producers(rig):
    await rig.produce(batch_of())
    (producer,) = rig.logs[0].producers()
    assert producer == (5, 0, 0, T, -1, 0)
    outcome = rig.end(commit=False)
    assert (outcome.error_code, outcome.base_offset) == (0, 1)
    (producer,) = rig.logs[0].producers()
    assert (producer.coordinator_epoch, producer.current_txn_start_offset) == (0, -1)
    assert rig.logs[0].aborted_txns(0, 2) == [(5, 0, 1, 2)]
    marker = list(batches(rig.logs[0].read(1)))[-1]
    assert BatchHeader.load(marker).is_control
    assert rig.end(epoch=-1).error_code == 47
    assert rig.end(epoch=1, version=2).error_code == 0
    outcome = rig.topic.partitions[0].append_marker(
        TopicConfig(), producer_id=5, producer_epoch=1, coordinator_epoch=-1, commit=True, transaction_version=2
    )
    assert outcome.error_code == 52
    with pytest.raises(ValueError, match="negative"):
        rig.end(producer_id=-1)


async def test_offsets_in_a_transaction_are_appended_without_sequences(rig):
    partition = rig.topic.partitions[0]
    batch = batch_of(sequence=-1)
    assert partition.append(batch, TopicConfig()).error_code == 87
    assert partition.append(batch, TopicConfig(), by_coordinator=True).error_code == 48
    guard = partition.log.begin_verification(5, 0, -1, supports_epoch_bump=False)
    for offset in range(3):
        outcome = partition.append(batch, TopicConfig(), by_coordinator=True, guard=guard if offset == 0 else 0)
        assert (outcome.error_code, outcome.base_offset) == (0, offset)
    assert partition.append(batch_of(epoch=-1, sequence=-1), TopicConfig(), by_coordinator=True).error_code == 48
    rig.end()
    assert partition.last_stable_offset == 4


async def test_a_coordinator_may_say_so_beforehand(rig):
    assert rig.logs[0].expect_transaction(5, 0)
    assert rig.logs[0].admits_transaction(5, 0)
    assert (await rig.produce(batch_of()))[0] == [(0, 0)]
    assert rig.transactions.asked == []
    rig.end(epoch=4)
    assert not rig.logs[0].expect_transaction(5, 3)
    assert not rig.logs[0].admits_transaction(5, 3)


async def test_a_partition_that_moves_is_not_gone(rig):
    """While its replica is swapped the old log is closed: producers come again, and its marker is still to come."""
    rig.logs[0].close()
    assert (await rig.produce(batch_of(), batch_of()))[0] == [(6, -1), (0, 0)]
    image = SimpleNamespace(topics={"t": SimpleNamespace(partitions=[0, 1])})
    groups = SimpleNamespace(is_loading_partition=lambda index: False)
    markers = Markers(
        store=SimpleNamespace(image=image),
        topics=rig.topics,
        groups=lambda: groups,
        syncs=Syncs(asyncio.ensure_future),
    )

    def write(index):
        return markers.write(
            ("t", index), producer_id=5, epoch=0, coordinator_epoch=0, commit=True, transaction_version=1
        )

    assert write(0) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert write(1) == ErrorCode.NONE
    image.topics.clear()
    assert write(0) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

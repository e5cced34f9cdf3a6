"""Goal: replaying metadata records gives the image that Apache Kafka would have.

Method: one small script for each rule; random histories, where a dump of the image must replay to the same image.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from pykafka_core.metadata.dump import dump
from pykafka_core.metadata.errors import UnsupportedMetadataError
from pykafka_core.metadata.image import ConfigResourceType, MetadataImage
from pykafka_core.metadata.replay import ImageBuilder, replay
from pykafka_core.protocol.message import Record
from pykafka_core.protocol.records.metadata.abort_transaction_record import AbortTransactionRecord
from pykafka_core.protocol.records.metadata.begin_transaction_record import BeginTransactionRecord
from pykafka_core.protocol.records.metadata.broker_registration_change_record import BrokerRegistrationChangeRecord
from pykafka_core.protocol.records.metadata.clear_elr_record import ClearElrRecord
from pykafka_core.protocol.records.metadata.end_transaction_record import EndTransactionRecord
from pykafka_core.protocol.records.metadata.fence_broker_record import FenceBrokerRecord
from pykafka_core.protocol.records.metadata.no_op_record import NoOpRecord
from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord
from pykafka_core.protocol.records.metadata.partition_record import PartitionRecord
from pykafka_core.protocol.records.metadata.producer_ids_record import ProducerIdsRecord
from pykafka_core.protocol.records.metadata.remove_topic_record import RemoveTopicRecord
from pykafka_core.protocol.records.metadata.topic_record import TopicRecord
from pykafka_core.protocol.records.metadata.unfence_broker_record import UnfenceBrokerRecord
from pykafka_core.protocol.records.metadata.unregister_broker_record import UnregisterBrokerRecord
from tests.metadata.images import DIRECTORY, histories, image_of, registration, topic, topic_id


@given(histories())
def test_a_dump_replays_to_the_same_image(changes: list[list[Record]]) -> None:
    image = image_of([record for change in changes for record in change])
    assert image_of(list(dump(image))) == image


@given(histories())
def test_one_change_at_a_time_or_all_at_once(changes: list[list[Record]]) -> None:
    step_by_step = MetadataImage()
    for change in changes:
        step_by_step = replay(step_by_step, change, revision=0)
    assert step_by_step == replace(image_of([r for change in changes for r in change]), revision=step_by_step.revision)


@given(histories())
def test_an_image_never_changes(changes: list[list[Record]]) -> None:
    image = MetadataImage()
    for change in changes:
        before = repr(image)
        following = replay(image, change, revision=0)
        assert repr(image) == before
        image = following


def test_topics_are_found_by_name_and_id() -> None:
    image = image_of(topic("a", 7, 3, **{"retention.ms": "5"}))
    found = image.topic_by_id(topic_id(7))
    assert found is image.topics["a"]
    assert [p.partition_id for p in found.partitions] == [0, 1, 2]
    assert image.topic_config("a") == {"retention.ms": "5"}
    assert image.partition("a", 2) is found.partitions[2]
    assert image.partition("a", 3) is None
    assert image.partition("a", -1) is None
    assert image.partition("b", 0) is None
    assert image.topic_by_id(topic_id(8)) is None
    assert found.partitions[0].directory_of(1) == DIRECTORY
    assert found.partitions[0].directory_of(2) is None


def test_a_removed_topic_takes_its_configs_along() -> None:
    image = image_of([*topic("a", 7, 1, x="1"), RemoveTopicRecord(topic_id=topic_id(7)), *topic("a", 8)])
    assert image.topics["a"].topic_id == topic_id(8)
    assert image.topic_config("a") == {}
    assert image.topic_by_id(topic_id(7)) is None


def test_a_partition_change_raises_the_epochs_that_it_should() -> None:
    image = image_of(topic("a", 7))
    kept = replay(image, [PartitionChangeRecord(partition_id=0, topic_id=topic_id(7), isr=[])], revision=1)
    assert (kept.topics["a"].partitions[0].leader_epoch, kept.topics["a"].partitions[0].partition_epoch) == (0, 1)
    led = replay(kept, [PartitionChangeRecord(partition_id=0, topic_id=topic_id(7), leader=1, isr=[1])], revision=2)
    partition = led.topics["a"].partitions[0]
    assert (partition.leader, partition.leader_epoch, partition.partition_epoch, partition.isr) == (1, 1, 2, (1,))


def test_directories_follow_their_replicas() -> None:
    image = image_of(topic("a", 7))
    change = PartitionChangeRecord(partition_id=0, topic_id=topic_id(7), replicas=[2, 1])
    partition = replay(image, [change], revision=1).topics["a"].partitions[0]
    assert partition.directories == (topic_id(1), DIRECTORY)


def test_eligible_leaders_are_cleared() -> None:
    change = PartitionChangeRecord(
        partition_id=0, topic_id=topic_id(7), eligible_leader_replicas=[1], last_known_elr=[1]
    )
    image = image_of([*topic("a", 7), change])
    for name in ("a", ""):
        cleared = replay(image, [ClearElrRecord(topic_name=name)], revision=1).topics["a"].partitions[0]
        assert (cleared.eligible_leader_replicas, cleared.last_known_elr) == ((), ())


def test_a_broker_is_fenced_changed_and_forgotten() -> None:
    image = image_of(registration(MetadataImage()))
    broker = image.brokers[1]
    assert (broker.fenced, broker.broker_epoch, broker.endpoints[0].port) == (False, 0, 9092)
    image = replay(image, [FenceBrokerRecord(id=1, epoch=0)], revision=1)
    assert image.brokers[1].fenced
    image = replay(image, [UnfenceBrokerRecord(id=1, epoch=0)], revision=2)
    assert not image.brokers[1].fenced
    change = BrokerRegistrationChangeRecord(
        broker_id=1, broker_epoch=0, fenced=1, in_controlled_shutdown=1, log_dirs=[topic_id(200)], cordoned_log_dirs=[]
    )
    broker = replay(image, [change], revision=3).brokers[1]
    assert (broker.fenced, broker.in_controlled_shutdown, broker.directories) == (True, True, (topic_id(200),))
    image = replay(image, [UnregisterBrokerRecord(broker_id=1, broker_epoch=0)], revision=4)
    assert image.brokers == {}


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (TopicRecord(name="a", topic_id=topic_id(9)), "topic 'a' exists already"),
        (TopicRecord(name="b", topic_id=topic_id(7)), "topic id AAAAAAAAAAAAAAAAAAAABw exists already"),
        (RemoveTopicRecord(topic_id=topic_id(9)), "there is no topic with id"),
        (PartitionRecord(partition_id=0, topic_id=topic_id(9)), "there is no topic with id"),
        (PartitionRecord(partition_id=5, topic_id=topic_id(7)), r"topic 'a' lacks partitions: it has \[0, 5\]"),
        (PartitionChangeRecord(partition_id=3, topic_id=topic_id(7)), "topic 'a' has no partition 3"),
        (ProducerIdsRecord(next_producer_id=-5), "cannot go back to -5"),
        (FenceBrokerRecord(id=3, epoch=0), "broker 3 is not registered"),
        (FenceBrokerRecord(id=1, epoch=9), "broker 1 has epoch 4, not 9"),
        (ClearElrRecord(topic_name="zz"), "there is no topic 'zz'"),
        (EndTransactionRecord(), "ends that never began"),
        (AbortTransactionRecord(), "is aborted that never began"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(record: Record, sentence: str) -> None:
    image = image_of(topic("a", 7), revision=3)
    image = replay(image, registration(image), revision=4)
    with pytest.raises(ValueError, match=sentence):
        replay(image, [record], revision=5)


def test_a_transaction_shows_when_it_ends() -> None:
    builder = ImageBuilder(MetadataImage())
    for record in [BeginTransactionRecord(), *topic("a", 7), NoOpRecord()]:
        builder.replay(record)
    assert builder.in_transaction
    assert builder.build(revision=1).topics == {}
    builder.replay(EndTransactionRecord())
    assert not builder.in_transaction
    assert list(builder.build(revision=2).topics) == ["a"]


def test_an_aborted_transaction_never_shows() -> None:
    builder = ImageBuilder(MetadataImage())
    for record in [BeginTransactionRecord(), *topic("a", 7), AbortTransactionRecord(), *topic("b", 8)]:
        builder.replay(record)
    assert list(builder.build(revision=1).topics) == ["b"]


def test_transactions_do_not_nest() -> None:
    builder = ImageBuilder(MetadataImage())
    builder.replay(BeginTransactionRecord())
    with pytest.raises(ValueError, match="begins inside another"):
        builder.replay(BeginTransactionRecord())


def test_an_unknown_record_is_refused_by_name() -> None:
    class FutureRecord(Record):
        API_KEY = 77

    with pytest.raises(UnsupportedMetadataError, match=r"FutureRecord \(type 77\) is not known here"):
        replay(MetadataImage(), [FutureRecord()], revision=0)


def test_configs_of_topics_that_are_gone_can_be_dropped() -> None:
    from tests.metadata.images import ConfigRecord

    builder = ImageBuilder(image_of(topic("a", 7, 1, x="1")))
    builder.replay(ConfigRecord(resource_type=2, resource_name="gone", name="x", value="1"))
    builder.drop_orphaned_configs()
    assert list(builder.build(revision=1).configs) == [(ConfigResourceType.TOPIC, "a")]

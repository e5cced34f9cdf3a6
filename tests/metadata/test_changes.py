"""Goal: each thing a broker wants becomes the records that do it. Method: replay them and look at the image."""

from __future__ import annotations

from pykafka_core.metadata.changes import (
    allocate_producer_ids,
    bump_leader_epochs,
    create_partitions,
    elect_leaders,
    fence_broker,
    register_broker,
)
from pykafka_core.metadata.image import MetadataImage
from pykafka_core.metadata.replay import replay
from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord
from tests.metadata.images import DIRECTORY, image_of, registration, topic, topic_id


def changed(image: MetadataImage, **fields: object) -> MetadataImage:
    """Partition 0 of topic a with these changes."""
    record = PartitionChangeRecord(partition_id=0, topic_id=topic_id(7), **fields)  # type: ignore[arg-type]
    return replay(image, [record], revision=image.revision + 1)


def leaders(image: MetadataImage) -> list[tuple[int, int]]:
    return [(p.leader, p.leader_epoch) for p in image.topics["a"].partitions]


def test_more_partitions_are_numbered_on() -> None:
    image = image_of(topic("a", 7, 2))
    image = replay(image, create_partitions(image.topics["a"], [[1], [1]], directories=[[DIRECTORY]] * 2), revision=1)
    assert [p.partition_id for p in image.topics["a"].partitions] == [0, 1, 2, 3]


def test_producer_ids_go_out_in_blocks() -> None:
    image = image_of(allocate_producer_ids(MetadataImage(), 1))
    assert image.next_producer_id == 1000
    assert replay(image, allocate_producer_ids(image, 1, 10), revision=1).next_producer_id == 1010


def test_a_brokers_epoch_is_the_offset_of_its_registration() -> None:
    image = image_of([], revision=41)
    records = register_broker(image, 1, incarnation_id=bytes(16), endpoints=[], directories=[DIRECTORY], features={})
    broker = replay(image, records, revision=42).brokers[1]
    assert (broker.broker_epoch, broker.fenced, broker.directories) == (42, False, (DIRECTORY,))


def test_a_broker_is_fenced_once() -> None:
    image = image_of(registration(MetadataImage()))
    fenced = replay(image, fence_broker(image, 1), revision=1)
    assert fenced.brokers[1].fenced
    assert fence_broker(fenced, 1) == []
    assert fence_broker(fenced, 2) == []


def test_nothing_is_elected_where_the_leader_is_in_place() -> None:
    assert elect_leaders(image_of(topic("a", 7, 3)), 1) == []


def test_what_kafka_leaves_without_a_leader_is_led_again() -> None:
    image = changed(image_of(topic("a", 7)), leader=-1, isr=[], eligible_leader_replicas=[1], last_known_elr=[1])
    image = replay(image, elect_leaders(image, 1), revision=2)
    partition = image.topics["a"].partitions[0]
    assert (partition.leader, partition.isr, partition.leader_epoch) == (1, (1,), 2)
    assert (partition.eligible_leader_replicas, partition.last_known_elr) == ((), ())
    assert elect_leaders(image, 1) == []


def test_the_only_copy_is_led() -> None:
    image = changed(image_of(topic("a", 7)), leader=-1, isr=[])
    assert leaders(replay(image, elect_leaders(image, 1), revision=2)) == [(1, 2)]


def test_a_copy_that_may_be_behind_is_not_led() -> None:
    image = changed(image_of(topic("a", 7)), leader=-1, isr=[2], replicas=[2, 1])
    assert elect_leaders(image, 1) == []


def test_leader_epochs_rise_after_an_unclean_stop() -> None:
    image = image_of(topic("a", 7, 2))
    assert leaders(replay(image, bump_leader_epochs(image, 1), revision=1)) == [(1, 1), (1, 1)]
    assert bump_leader_epochs(image, 2) == []

"""The records that a broker commits, by what it wants to do: pure functions, mostly from an image to a list of records.

Whoever uses the image's revision (`register_broker`) commits with that `expected_revision`.

Source: org.apache.kafka.controller.{ReplicationControlManager,ClusterControlManager,ConfigurationControlManager}.
"""

from __future__ import annotations

from pykafka_core.metadata.image import Endpoint, MetadataImage, PartitionImage, TopicImage
from pykafka_core.protocol.message import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "allocate_producer_ids",
    "alter_configs",
    "bump_leader_epochs",
    "create_partitions",
    "create_topic",
    "delete_topic",
    "elect_leaders",
    "fence_broker",
    "register_broker",
]


def create_topic(
    name: str,
    topic_id: bytes,
    assignments: Sequence[Sequence[int]],
    *,
    directories: Sequence[Sequence[bytes]],
    configs: Mapping[str, str] | None = None,
) -> list[Record]:
    """A topic with one partition for each assignment (broker ids, the leader first), its configs and directories.

    `directories[i][j]` is the id of the log directory of partition i on broker `assignments[i][j]`.
    """
    from pykafka_core.metadata.image import ConfigResourceType
    from pykafka_core.protocol.records.metadata.topic_record import TopicRecord

    return [
        TopicRecord(name=name, topic_id=topic_id),
        *alter_configs(ConfigResourceType.TOPIC, name, configs or {}),
        *_partitions(topic_id, 0, assignments, directories),
    ]


def create_partitions(
    topic: TopicImage, assignments: Sequence[Sequence[int]], *, directories: Sequence[Sequence[bytes]]
) -> list[Record]:
    """More partitions for a topic, numbered on from those it has."""
    return list(_partitions(topic.topic_id, len(topic.partitions), assignments, directories))


def _partitions(
    topic_id: bytes, first: int, assignments: Sequence[Sequence[int]], directories: Sequence[Sequence[bytes]]
) -> Iterator[Record]:
    from pykafka_core.protocol.records.metadata.partition_record import PartitionRecord

    for index, (replicas, places) in enumerate(zip(assignments, directories, strict=True), first):
        yield PartitionRecord(
            partition_id=index,
            topic_id=topic_id,
            replicas=list(replicas),
            isr=list(replicas),
            leader=replicas[0],
            leader_epoch=0,
            partition_epoch=0,
            directories=list(places),
        )


def delete_topic(topic: TopicImage) -> list[Record]:
    """Take a topic away, with its partitions and configs."""
    from pykafka_core.protocol.records.metadata.remove_topic_record import RemoveTopicRecord

    return [RemoveTopicRecord(topic_id=topic.topic_id)]


def alter_configs(resource_type: int, resource_name: str, changes: Mapping[str, str | None]) -> list[Record]:
    """Set these configs of a resource; None takes one away."""
    from pykafka_core.protocol.records.metadata.config_record import ConfigRecord

    return [
        ConfigRecord(resource_type=int(resource_type), resource_name=resource_name, name=name, value=value)
        for name, value in changes.items()
    ]


def allocate_producer_ids(image: MetadataImage, broker_id: int, count: int = 1000) -> list[Record]:
    """Hand out the block of producer ids [image.next_producer_id, + count)."""
    from pykafka_core.protocol.records.metadata.producer_ids_record import ProducerIdsRecord

    broker = image.brokers.get(broker_id)
    return [
        ProducerIdsRecord(
            broker_id=broker_id,
            broker_epoch=-1 if broker is None else broker.broker_epoch,
            next_producer_id=image.next_producer_id + count,
        )
    ]


def register_broker(
    image: MetadataImage,
    broker_id: int,
    *,
    incarnation_id: bytes,
    endpoints: Sequence[Endpoint],
    directories: Sequence[bytes],
    features: Mapping[str, tuple[int, int]],
    rack: str | None = None,
) -> list[Record]:
    """Register this process under its broker id, unfenced. Its broker epoch is the offset of the record."""
    from pykafka_core.protocol.records.metadata.register_broker_record import (
        BrokerEndpoint,
        BrokerFeature,
        RegisterBrokerRecord,
    )

    return [
        RegisterBrokerRecord(
            broker_id=broker_id,
            incarnation_id=incarnation_id,
            broker_epoch=image.revision + 1,
            end_points=[
                BrokerEndpoint(name=e.name, host=e.host, port=e.port, security_protocol=e.security_protocol)
                for e in endpoints
            ],
            features=[
                BrokerFeature(name=name, min_supported_version=low, max_supported_version=high)
                for name, (low, high) in features.items()
            ],
            rack=rack,
            fenced=False,
            log_dirs=list(directories),
            cordoned_log_dirs=[],
        )
    ]


def fence_broker(image: MetadataImage, broker_id: int) -> list[Record]:
    """Say that this broker is gone: the last words of a clean stop. Apache Kafka starts at once on what they end."""
    from pykafka_core.protocol.records.metadata.broker_registration_change_record import BrokerRegistrationChangeRecord

    broker = image.brokers.get(broker_id)
    if broker is None or broker.fenced:
        return []
    return [BrokerRegistrationChangeRecord(broker_id=broker_id, broker_epoch=broker.broker_epoch, fenced=1)]


def _partitions_of(image: MetadataImage, broker_id: int) -> Iterator[tuple[TopicImage, PartitionImage]]:
    for topic in image.topics.values():
        for partition in topic.partitions:
            if broker_id in partition.replicas:
                yield topic, partition


def elect_leaders(image: MetadataImage, broker_id: int) -> list[Record]:
    """Let this broker lead each partition without a leader that it may lead without loss.

    That is where it is in sync, was so when the in-sync replicas ran out (KIP-966), or holds the only copy. Each
    election raises the leader epoch. Kafka leaves partitions like that behind when it stops.
    """
    from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord

    records: list[Record] = []
    for topic, partition in _partitions_of(image, broker_id):
        if partition.leader in image.brokers and not image.brokers[partition.leader].fenced:
            continue
        alone = partition.replicas == (broker_id,)
        if partition.leader == broker_id and broker_id in partition.isr:
            continue
        if broker_id not in partition.isr and broker_id not in partition.eligible_leader_replicas and not alone:
            continue
        had_eligible = bool(partition.eligible_leader_replicas or partition.last_known_elr)
        records.append(
            PartitionChangeRecord(
                partition_id=partition.partition_id,
                topic_id=topic.topic_id,
                leader=broker_id,
                isr=None if broker_id in partition.isr else [broker_id],
                eligible_leader_replicas=[] if had_eligible else None,
                last_known_elr=[] if had_eligible else None,
            )
        )
    return records


def bump_leader_epochs(image: MetadataImage, broker_id: int) -> list[Record]:
    """Raise the leader epoch of each partition that this broker leads: after an unclean stop its logs may have lost a
    tail, and
    clients must be able to tell (KIP-320)."""
    from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord

    return [
        PartitionChangeRecord(partition_id=partition.partition_id, topic_id=topic.topic_id, leader=broker_id)
        for topic, partition in _partitions_of(image, broker_id)
        if partition.leader == broker_id
    ]

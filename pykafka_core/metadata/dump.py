"""An image as the records that make it: the content of a snapshot.

Replaying what `dump` gives on an empty image gives an equal image. The order is Kafka's, so that the records can be
replayed one by one: features first, brokers before partitions, topics before their partitions.

Source: org.apache.kafka.image.MetadataImage.write.
"""

from __future__ import annotations

from pykafka_core.metadata.image import MetadataImage
from pykafka_core.protocol.message import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["dump"]


def dump(image: MetadataImage) -> Iterator[Record]:
    """The records of an image."""
    yield from _features(image)
    yield from _cluster(image)
    yield from _topics(image)
    yield from _configs(image)
    yield from _quotas(image)
    if image.next_producer_id:
        from pykafka_core.protocol.records.metadata.producer_ids_record import ProducerIdsRecord

        yield ProducerIdsRecord(broker_id=-1, broker_epoch=-1, next_producer_id=image.next_producer_id)
    yield from image.acls.values()
    yield from image.scram_credentials.values()
    yield from image.delegation_tokens.values()


def _features(image: MetadataImage) -> Iterator[Record]:
    from pykafka_core.protocol.records.metadata.feature_level_record import FeatureLevelRecord

    # metadata.version says how the others are to be read, so it comes first.
    for name in sorted(image.features, key=lambda name: (name != "metadata.version", name)):
        yield FeatureLevelRecord(name=name, feature_level=image.features[name])


def _cluster(image: MetadataImage) -> Iterator[Record]:
    from pykafka_core.protocol.records.metadata import register_broker_record as b
    from pykafka_core.protocol.records.metadata import register_controller_record as c

    for broker in image.brokers.values():
        cordoned = broker.cordoned_directories
        yield b.RegisterBrokerRecord(
            broker_id=broker.broker_id,
            incarnation_id=broker.incarnation_id,
            broker_epoch=broker.broker_epoch,
            end_points=[
                b.BrokerEndpoint(name=e.name, host=e.host, port=e.port, security_protocol=e.security_protocol)
                for e in broker.endpoints
            ],
            features=[
                b.BrokerFeature(name=name, min_supported_version=low, max_supported_version=high)
                for name, (low, high) in broker.features.items()
            ],
            rack=broker.rack,
            fenced=broker.fenced,
            in_controlled_shutdown=broker.in_controlled_shutdown,
            log_dirs=list(broker.directories),
            cordoned_log_dirs=None if cordoned is None else list(cordoned),
        )
    for controller in image.controllers.values():
        yield c.RegisterControllerRecord(
            controller_id=controller.controller_id,
            incarnation_id=controller.incarnation_id,
            zk_migration_ready=controller.zk_migration_ready,
            end_points=[
                c.ControllerEndpoint(name=e.name, host=e.host, port=e.port, security_protocol=e.security_protocol)
                for e in controller.endpoints
            ],
            features=[
                c.ControllerFeature(name=name, min_supported_version=low, max_supported_version=high)
                for name, (low, high) in controller.features.items()
            ],
        )


def _topics(image: MetadataImage) -> Iterator[Record]:
    from pykafka_core.protocol.records.metadata.partition_record import PartitionRecord
    from pykafka_core.protocol.records.metadata.topic_record import TopicRecord

    for topic in image.topics.values():
        yield TopicRecord(name=topic.name, topic_id=topic.topic_id)
        for partition in topic.partitions:
            yield PartitionRecord(
                partition_id=partition.partition_id,
                topic_id=topic.topic_id,
                replicas=list(partition.replicas),
                isr=list(partition.isr),
                removing_replicas=list(partition.removing_replicas),
                adding_replicas=list(partition.adding_replicas),
                leader=partition.leader,
                leader_recovery_state=partition.leader_recovery_state,
                leader_epoch=partition.leader_epoch,
                partition_epoch=partition.partition_epoch,
                directories=list(partition.directories),
                eligible_leader_replicas=list(partition.eligible_leader_replicas) or None,
                last_known_elr=list(partition.last_known_elr) or None,
            )


def _configs(image: MetadataImage) -> Iterator[Record]:
    from pykafka_core.protocol.records.metadata.config_record import ConfigRecord

    for (resource_type, resource_name), values in image.configs.items():
        for name, value in values.items():
            yield ConfigRecord(resource_type=resource_type, resource_name=resource_name, name=name, value=value)


def _quotas(image: MetadataImage) -> Iterator[Record]:
    from pykafka_core.protocol.records.metadata.client_quota_record import ClientQuotaRecord, EntityData

    for entity, values in image.client_quotas.items():
        for key, value in values.items():
            yield ClientQuotaRecord(
                entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
                key=key,
                value=value,
                remove=False,
            )

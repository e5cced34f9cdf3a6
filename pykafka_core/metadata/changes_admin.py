"""The records that an administrator's change commits: quotas, SCRAM credentials, features, replicas, brokers that are
gone. Pure functions from an image to a list of records, as in changes.py.

Source: org.apache.kafka.controller.{ClientQuotaControlManager,ScramControlManager,FeatureControlManager,
ReplicationControlManager,PartitionChangeBuilder}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pykafka_core.metadata.image import NO_LEADER, MetadataImage, PartitionImage, TopicImage
from pykafka_core.protocol.message import Record

__all__ = [
    "alter_client_quotas",
    "assign_directory",
    "cancel_reassignment",
    "elect_replica",
    "remove_replicas",
    "remove_scram_credential",
    "set_feature_levels",
    "set_scram_credential",
    "unregister_broker",
]

RECOVERED: Final = 0
NO_CHANGE: Final = -1
"""PartitionChangeRecord.leader_recovery_state: as before."""
NO_LEADER_CHANGE: Final = -2


def alter_client_quotas(
    image: MetadataImage, entity: Sequence[tuple[str, str | None]], changes: Mapping[str, float | None]
) -> list[Record]:
    """Set these quotas of an entity (its (type, name) pairs); None takes one away. What stays the same is left out."""
    from pykafka_core.protocol.records.metadata.client_quota_record import ClientQuotaRecord, EntityData

    key = tuple(sorted(entity, key=lambda pair: pair[0]))
    current = image.client_quotas.get(key, {})
    return [
        ClientQuotaRecord(
            entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in key],
            key=name,
            value=0.0 if value is None else value,
            remove=value is None,
        )
        for name, value in changes.items()
        if current.get(name) != value
    ]


def set_scram_credential(
    user: str, mechanism: int, *, salt: bytes, stored_key: bytes, server_key: bytes, iterations: int
) -> list[Record]:
    from pykafka_core.protocol.records.metadata.user_scram_credential_record import UserScramCredentialRecord

    return [
        UserScramCredentialRecord(
            name=user,
            mechanism=mechanism,
            salt=salt,
            stored_key=stored_key,
            server_key=server_key,
            iterations=iterations,
        )
    ]


def remove_scram_credential(user: str, mechanism: int) -> list[Record]:
    from pykafka_core.protocol.records.metadata.remove_user_scram_credential_record import (
        RemoveUserScramCredentialRecord,
    )

    return [RemoveUserScramCredentialRecord(name=user, mechanism=mechanism)]


def set_feature_levels(image: MetadataImage, levels: Mapping[str, int]) -> list[Record]:
    """Bring features to these levels; 0 takes one away. metadata.version comes first: it says how the rest is read."""
    from pykafka_core.protocol.records.metadata.feature_level_record import FeatureLevelRecord

    return [
        FeatureLevelRecord(name=name, feature_level=levels[name])
        for name in sorted(levels, key=lambda name: (name != "metadata.version", name))
        if image.features.get(name, 0) != levels[name]
    ]


def unregister_broker(image: MetadataImage, broker_id: int) -> list[Record]:
    """Take a broker out of the cluster, out of the in-sync replicas it is in and out of the lead it has.

    The last in-sync replica stays one, without a leader, so that its records are not given up (KIP-966 apart)."""
    from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord
    from pykafka_core.protocol.records.metadata.unregister_broker_record import UnregisterBrokerRecord

    records: list[Record] = [
        UnregisterBrokerRecord(broker_id=broker_id, broker_epoch=image.brokers[broker_id].broker_epoch)
    ]
    live = {each for each, broker in image.brokers.items() if not broker.fenced and each != broker_id}
    for topic in image.topics.values():
        for partition in topic.partitions:
            if broker_id not in partition.isr and broker_id != partition.leader:
                continue
            isr = [each for each in partition.isr if each != broker_id]
            change = PartitionChangeRecord(
                partition_id=partition.partition_id,
                topic_id=topic.topic_id,
                isr=isr if isr and len(isr) < len(partition.isr) else None,
            )
            if partition.leader == broker_id:
                change.leader = next((each for each in partition.replicas if each in isr and each in live), NO_LEADER)
            if change.isr is not None or change.leader != NO_LEADER_CHANGE:
                records.append(change)
    return records


def elect_replica(topic: TopicImage, partition: PartitionImage, broker_id: int) -> list[Record]:
    """Let a replica lead. If it was not in sync, it is the only one that is from then on: what the others had beyond it
    is given up."""
    from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord

    had_eligible = bool(partition.eligible_leader_replicas or partition.last_known_elr)
    return [
        PartitionChangeRecord(
            partition_id=partition.partition_id,
            topic_id=topic.topic_id,
            leader=broker_id,
            isr=None if broker_id in partition.isr else [broker_id],
            # Nothing is left to recover: the log was read when it was opened.
            leader_recovery_state=RECOVERED if partition.leader_recovery_state != RECOVERED else NO_CHANGE,
            eligible_leader_replicas=[] if had_eligible else None,
            last_known_elr=[] if had_eligible else None,
        )
    ]


def remove_replicas(topic: TopicImage, partition: PartitionImage, kept: Sequence[int]) -> list[Record]:
    """Leave a partition with these of its replicas, in this order; at least one of them is in sync."""
    from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord

    isr = [each for each in kept if each in partition.isr]
    known = dict(zip(partition.replicas, partition.directories, strict=False))
    had_eligible = bool(partition.eligible_leader_replicas or partition.last_known_elr)
    change = PartitionChangeRecord(
        partition_id=partition.partition_id,
        topic_id=topic.topic_id,
        isr=isr if list(partition.isr) != isr else None,
        replicas=list(kept),
        directories=[known[each] for each in kept] if all(each in known for each in kept) else None,
        removing_replicas=[] if partition.removing_replicas else None,
        adding_replicas=[] if partition.adding_replicas else None,
        eligible_leader_replicas=[] if had_eligible else None,
        last_known_elr=[] if had_eligible else None,
    )
    if partition.leader not in isr:
        change.leader = isr[0]
    return [change]


def cancel_reassignment(topic: TopicImage, partition: PartitionImage) -> list[Record]:
    """Put a partition that is on its way to other brokers back to the replicas it came from."""
    kept = [each for each in partition.replicas if each not in partition.adding_replicas]
    return remove_replicas(topic, partition, kept)


def assign_directory(topic: TopicImage, partition: PartitionImage, broker_id: int, directory_id: bytes) -> list[Record]:
    """Note that a broker's replica lies in this log directory."""
    from pykafka_core.metadata.uuids import DIRECTORY_UNASSIGNED
    from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord

    known = dict(zip(partition.replicas, partition.directories, strict=False)) | {broker_id: directory_id}
    return [
        PartitionChangeRecord(
            partition_id=partition.partition_id,
            topic_id=topic.topic_id,
            directories=[known.get(each, DIRECTORY_UNASSIGNED) for each in partition.replicas],
        )
    ]

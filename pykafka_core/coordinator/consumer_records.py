"""The records of __consumer_offsets for consumer groups, both ways.

    3  ConsumerGroupMetadata                  group epoch and metadata hash
    4  ConsumerGroupPartitionMetadata         of Kafka before 4.1; read to be buried
    5  ConsumerGroupMemberMetadata            what a member said
    6  ConsumerGroupTargetAssignmentMetadata  epoch and time of the target assignment
    7  ConsumerGroupTargetAssignmentMember    what a member is to have
    8  ConsumerGroupCurrentMemberAssignment   what it has
    16 ConsumerGroupRegularExpression         the topics that a regular expression stands for

All in version 0. A null value says that the thing is gone. Source: KIP-848;
org.apache.kafka.coordinator.group.GroupCoordinatorRecordHelpers.
"""

from __future__ import annotations

from collections.abc import Iterable

from pykafka_core._dataclass import replace
from pykafka_core.coordinator.assignor import Assignment
from pykafka_core.coordinator.consumer_member import (
    ClassicPart,
    ConsumerGroupMember,
    MemberState,
    OwnedPartitions,
)
from pykafka_core.coordinator.effects import KeyValue
from pykafka_core.protocol.records.group_coordinator.consumer_group_current_member_assignment_key import (
    ConsumerGroupCurrentMemberAssignmentKey as CurrentKey,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_current_member_assignment_value import (
    ConsumerGroupCurrentMemberAssignmentValue as CurrentValue,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_current_member_assignment_value import (
    TopicPartitions,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_member_metadata_key import (
    ConsumerGroupMemberMetadataKey as MemberKey,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_member_metadata_value import (
    ClassicMemberMetadata,
    ClassicProtocol,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_member_metadata_value import (
    ConsumerGroupMemberMetadataValue as MemberValue,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_metadata_key import (
    ConsumerGroupMetadataKey as EpochKey,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_metadata_value import (
    ConsumerGroupMetadataValue as EpochValue,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_partition_metadata_key import (
    ConsumerGroupPartitionMetadataKey as PartitionMetadataKey,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_regular_expression_key import (
    ConsumerGroupRegularExpressionKey as RegexKey,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_regular_expression_value import (
    ConsumerGroupRegularExpressionValue as RegexValue,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_target_assignment_member_key import (
    ConsumerGroupTargetAssignmentMemberKey as TargetKey,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_target_assignment_member_value import (
    ConsumerGroupTargetAssignmentMemberValue as TargetValue,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_target_assignment_member_value import (
    TopicPartition,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_target_assignment_metadata_key import (
    ConsumerGroupTargetAssignmentMetadataKey as TargetEpochKey,
)
from pykafka_core.protocol.records.group_coordinator.consumer_group_target_assignment_metadata_value import (
    ConsumerGroupTargetAssignmentMetadataValue as TargetEpochValue,
)

__all__ = [
    "CurrentKey",
    "CurrentValue",
    "EpochKey",
    "EpochValue",
    "MemberKey",
    "MemberValue",
    "PartitionMetadataKey",
    "RegexKey",
    "RegexValue",
    "TargetEpochKey",
    "TargetEpochValue",
    "TargetKey",
    "TargetValue",
    "current_record",
    "epoch_record",
    "loaded_assignment",
    "loaded_current",
    "loaded_member",
    "member_record",
    "member_tombstones",
    "partition_metadata_tombstone",
    "regex_record",
    "regex_tombstone",
    "target_epoch_record",
    "target_record",
    "tombstones",
]

VERSION = 0


def epoch_record(group_id: str, epoch: int, metadata_hash: int) -> KeyValue:
    return EpochKey(group_id=group_id), EpochValue(epoch=epoch, metadata_hash=metadata_hash), VERSION


def partition_metadata_tombstone(group_id: str) -> KeyValue:
    return PartitionMetadataKey(group_id=group_id), None, VERSION


def member_record(group_id: str, member: ConsumerGroupMember) -> KeyValue:
    classic = member.classic
    value = MemberValue(
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.topic_names),
        subscribed_topic_regex=member.topic_regex,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        server_assignor=member.server_assignor,
        classic_member_metadata=None
        if classic is None
        else ClassicMemberMetadata(
            session_timeout_ms=classic.session_timeout_ms,
            supported_protocols=[ClassicProtocol(name=name, metadata=data) for name, data in classic.protocols],
        ),
    )
    return MemberKey(group_id=group_id, member_id=member.member_id), value, VERSION


def target_epoch_record(group_id: str, epoch: int, timestamp_ms: int) -> KeyValue:
    value = TargetEpochValue(assignment_epoch=epoch, assignment_timestamp=timestamp_ms)
    return TargetEpochKey(group_id=group_id), value, VERSION


def target_record(group_id: str, member_id: str, assignment: Assignment) -> KeyValue:
    value = TargetValue(
        topic_partitions=[
            TopicPartition(topic_id=topic_id, partitions=sorted(partitions))
            for topic_id, partitions in assignment.items()
        ]
    )
    return TargetKey(group_id=group_id, member_id=member_id), value, VERSION


def current_record(group_id: str, member: ConsumerGroupMember) -> KeyValue:
    value = CurrentValue(
        member_epoch=member.epoch,
        previous_member_epoch=member.previous_epoch,
        state=member.state,
        assigned_partitions=_topic_partitions(member.assigned),
        partitions_pending_revocation=_topic_partitions(member.revoking),
    )
    return CurrentKey(group_id=group_id, member_id=member.member_id), value, VERSION


def _topic_partitions(owned: OwnedPartitions) -> list[TopicPartitions]:
    return [
        TopicPartitions(topic_id=topic_id, partitions=list(mine), assignment_epochs=list(mine.values()))
        for topic_id, mine in owned.items()
    ]


def regex_record(group_id: str, regex: str, topics: Iterable[str], version: int, timestamp_ms: int) -> KeyValue:
    value = RegexValue(topics=sorted(topics), version=version, timestamp=timestamp_ms)
    return RegexKey(group_id=group_id, regular_expression=regex), value, VERSION


def regex_tombstone(group_id: str, regex: str) -> KeyValue:
    return RegexKey(group_id=group_id, regular_expression=regex), None, VERSION


def member_tombstones(group_id: str, member_id: str) -> list[KeyValue]:
    return [
        (CurrentKey(group_id=group_id, member_id=member_id), None, VERSION),
        (TargetKey(group_id=group_id, member_id=member_id), None, VERSION),
        (MemberKey(group_id=group_id, member_id=member_id), None, VERSION),
    ]


def tombstones(group_id: str, member_ids: Iterable[str], regexes: Iterable[str]) -> list[KeyValue]:
    """The end of a whole group, in Kafka's order: what it does not find in this order it takes for corrupt."""
    members = list(member_ids)
    return [
        *((CurrentKey(group_id=group_id, member_id=each), None, VERSION) for each in members),
        *((TargetKey(group_id=group_id, member_id=each), None, VERSION) for each in members),
        (TargetEpochKey(group_id=group_id), None, VERSION),
        *((MemberKey(group_id=group_id, member_id=each), None, VERSION) for each in members),
        *(regex_tombstone(group_id, each) for each in regexes),
        partition_metadata_tombstone(group_id),
        (EpochKey(group_id=group_id), None, VERSION),
    ]


# ---- read


def loaded_member(member: ConsumerGroupMember, value: MemberValue) -> ConsumerGroupMember:
    classic = value.classic_member_metadata
    return replace(
        member,
        instance_id=value.instance_id,
        rack_id=value.rack_id,
        rebalance_timeout_ms=value.rebalance_timeout_ms,
        client_id=value.client_id,
        client_host=value.client_host,
        topic_names=frozenset(value.subscribed_topic_names),
        topic_regex=value.subscribed_topic_regex or "",
        server_assignor=value.server_assignor,
        classic=None
        if classic is None
        else ClassicPart(
            session_timeout_ms=classic.session_timeout_ms,
            protocols=tuple((each.name, each.metadata) for each in classic.supported_protocols),
        ),
    )


def loaded_current(member: ConsumerGroupMember, value: CurrentValue) -> ConsumerGroupMember:
    try:
        state = MemberState(value.state)
    except ValueError:
        state = MemberState.UNKNOWN
    return replace(
        member,
        epoch=value.member_epoch,
        previous_epoch=value.previous_member_epoch,
        state=state,
        assigned=_owned(value.assigned_partitions, value.member_epoch),
        revoking=_owned(value.partitions_pending_revocation, value.member_epoch),
    )


def _owned(rows: Iterable[TopicPartitions], member_epoch: int) -> OwnedPartitions:
    owned: dict[bytes, dict[int, int]] = {}
    for row in rows:
        epochs = row.assignment_epochs
        if epochs is None or len(epochs) != len(row.partitions):
            # Kafka before 4.3 did not write them.
            epochs = [max(member_epoch, 0)] * len(row.partitions)
        owned[row.topic_id] = dict(zip(row.partitions, epochs, strict=True))
    return owned


def loaded_assignment(value: TargetValue) -> Assignment:
    return {row.topic_id: frozenset(row.partitions) for row in value.topic_partitions}

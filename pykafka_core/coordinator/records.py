"""The records of __consumer_offsets for classic groups and committed offsets, both ways.

    GroupMetadataKey 2 -> GroupMetadataValue, written in version 3 (KIP-345)
    OffsetCommitKey 1  -> OffsetCommitValue, written in version 4; in 1 where the client set a time to live

A null value says that the group, or the offset, is gone. Every version that Kafka has written is read. Source: KIP-915,
org.apache.kafka.coordinator.group.GroupCoordinatorRecordHelpers.
"""

from __future__ import annotations

from collections.abc import Iterable

from pykafka_core.coordinator.effects import KeyValue
from pykafka_core.coordinator.events import CommittedOffset, TopicPartition
from pykafka_core.coordinator.member import Member
from pykafka_core.protocol.records.group_coordinator.group_metadata_key import GroupMetadataKey
from pykafka_core.protocol.records.group_coordinator.group_metadata_value import GroupMetadataValue, MemberMetadata
from pykafka_core.protocol.records.group_coordinator.offset_commit_key import OffsetCommitKey
from pykafka_core.protocol.records.group_coordinator.offset_commit_value import OffsetCommitValue

__all__ = [
    "empty_group_record",
    "group_record",
    "group_tombstone",
    "loaded_members",
    "loaded_offset",
    "offset_record",
    "offset_tombstone",
    "subscribed_topics",
]

GROUP_VERSION = 3
OFFSET_VERSION = 4
OFFSET_VERSION_WITH_EXPIRY = 1
NO_TIMEOUT = -1


def group_record(
    group_id: str,
    *,
    protocol_type: str | None,
    generation: int,
    protocol_name: str | None,
    leader: str | None,
    state_ms: int,
    members: Iterable[tuple[Member, bytes]],
) -> KeyValue:
    """`members`: each with its assignment."""
    value = GroupMetadataValue(
        protocol_type=protocol_type or "",
        generation=generation,
        protocol=protocol_name,
        leader=leader,
        current_state_timestamp=state_ms,
        members=[
            MemberMetadata(
                member_id=member.member_id,
                group_instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout=member.rebalance_timeout_ms,
                session_timeout=member.session_timeout_ms,
                subscription=member.metadata(protocol_name),
                assignment=assignment,
            )
            for member, assignment in members
        ],
    )
    return GroupMetadataKey(group=group_id), value, GROUP_VERSION


def empty_group_record(group_id: str, state_ms: int) -> KeyValue:
    """A group that nobody has been in yet."""
    return group_record(
        group_id, protocol_type=None, generation=0, protocol_name=None, leader=None, state_ms=state_ms, members=()
    )


def group_tombstone(group_id: str) -> KeyValue:
    return GroupMetadataKey(group=group_id), None, GROUP_VERSION


def loaded_members(value: GroupMetadataValue) -> list[Member]:
    """The members of a group as its record has them, with the one protocol that was chosen."""
    return [
        Member(
            member_id=member.member_id,
            instance_id=member.group_instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            session_timeout_ms=member.session_timeout,
            # Version 0 had no such field; the session timeout stood for both.
            rebalance_timeout_ms=member.session_timeout
            if member.rebalance_timeout == NO_TIMEOUT
            else member.rebalance_timeout,
            protocol_type=value.protocol_type,
            protocols=((value.protocol or "", member.subscription),),
            assignment=member.assignment,
        )
        for member in value.members
    ]


def offset_record(group_id: str, partition: TopicPartition, committed: CommittedOffset) -> KeyValue:
    value = OffsetCommitValue(
        offset=committed.offset,
        leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
        commit_timestamp=committed.commit_ms,
        expire_timestamp=committed.expire_ms,
        topic_id=committed.topic_id,
    )
    version = OFFSET_VERSION if committed.expire_ms == -1 else OFFSET_VERSION_WITH_EXPIRY
    return OffsetCommitKey(group=group_id, topic=partition[0], partition=partition[1]), value, version


def offset_tombstone(group_id: str, partition: TopicPartition) -> KeyValue:
    return OffsetCommitKey(group=group_id, topic=partition[0], partition=partition[1]), None, OFFSET_VERSION


def loaded_offset(value: OffsetCommitValue) -> CommittedOffset:
    return CommittedOffset(
        offset=value.offset,
        leader_epoch=value.leader_epoch,
        metadata=value.metadata,
        commit_ms=value.commit_timestamp,
        expire_ms=value.expire_timestamp,
        topic_id=value.topic_id,
    )


def subscribed_topics(metadata: bytes) -> frozenset[str] | None:
    """The topics that a consumer subscribes to, from its ConsumerProtocolSubscription; None if it cannot be read.

    All versions begin with int16 version and the array of topics, and members choose the rest freely.
    """
    view = memoryview(metadata)
    if len(view) < 6:
        return None
    count = int.from_bytes(view[2:6], "big", signed=True)
    at = 6
    topics = set()
    if not 0 <= count <= len(view):
        return None
    for _ in range(count):
        size = int.from_bytes(view[at : at + 2], "big", signed=True)
        at += 2
        if size < 0 or at + size > len(view):
            return None
        try:
            topics.add(str(view[at : at + size], "utf-8"))
        except UnicodeDecodeError:
            return None
        at += size
    return frozenset(topics)

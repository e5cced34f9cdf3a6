"""What others may know of a consumer group: its description, and whether one may commit or fetch offsets.

Source: ConsumerGroup.asDescribedGroup, validateOffsetCommit, validateOffsetFetch; KIP-1251.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pykafka_core.coordinator.assignor import Assignment
from pykafka_core.coordinator.consumer_events import ConsumerGroupDescription, ConsumerMemberDescription
from pykafka_core.coordinator.consumer_group import ConsumerGroup
from pykafka_core.coordinator.consumer_member import ConsumerGroupMember, without_epochs
from pykafka_core.coordinator.events import NO_GENERATION, NO_MEMBER, CommitOffsets, FetchOffsets
from pykafka_core.protocol.errors import ErrorCode

__all__ = ["check_commit", "check_fetch", "check_transactional", "describe"]

EPOCH_VERSION: Final = 9
"""The first version of OffsetCommit that has member epochs."""


def describe(group: ConsumerGroup, assignors: Sequence[str]) -> ConsumerGroupDescription:
    preferred = max(assignors, key=group.assignor_votes)
    return ConsumerGroupDescription(
        state=group.state,
        epoch=group.epoch,
        assignment_epoch=group.assignment_epoch,
        assignor=preferred,
        members=[_member(group, member) for member in group.members.values()],
    )


def _member(group: ConsumerGroup, member: ConsumerGroupMember) -> ConsumerMemberDescription:
    return ConsumerMemberDescription(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        epoch=member.epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        topic_names=sorted(member.topic_names),
        topic_regex=member.topic_regex,
        assignment=_held(member),
        target_assignment=group.target.get(member.member_id, {}),
        is_classic=member.classic is not None,
    )


def _held(member: ConsumerGroupMember) -> Assignment:
    """What the member has, and what it may still have though it is to give it up."""
    held = dict(without_epochs(member.assigned))
    for topic_id, partitions in without_epochs(member.revoking).items():
        held[topic_id] = held.get(topic_id, frozenset()) | partitions
    return held


def check_commit(group: ConsumerGroup, event: CommitOffsets) -> ErrorCode:
    """Whether this member may commit these offsets in this epoch.

    One that is behind may still commit what it has had since then: nobody else can have read it.
    """
    if event.generation < 0 and not group.members:
        return ErrorCode.NONE
    member = group.members.get(event.member_id)
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if member.classic is None and event.api_version < EPOCH_VERSION:
        return ErrorCode.UNSUPPORTED_VERSION
    return _check_epoch(member, event)


def check_transactional(group: ConsumerGroup, event: CommitOffsets) -> ErrorCode:
    """The same for a commit inside a transaction, which need not name a member."""
    is_unnamed = event.generation == NO_GENERATION and event.member_id == NO_MEMBER and event.instance_id is None
    if is_unnamed or (event.generation < 0 and not group.members):
        return ErrorCode.NONE
    member = group.members.get(event.member_id)
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    error = _check_epoch(member, event)
    return ErrorCode.ILLEGAL_GENERATION if error == ErrorCode.STALE_MEMBER_EPOCH else error


def _check_epoch(member: ConsumerGroupMember, event: CommitOffsets) -> ErrorCode:
    if event.generation == member.epoch:
        return ErrorCode.NONE
    if event.generation > member.epoch:
        return _stale(member)
    for (_, partition), _, _, _, topic_id in event.offsets:
        since = member.epoch_of(topic_id, partition)
        if since is None or event.generation < since:
            return _stale(member)
    return ErrorCode.NONE


def check_fetch(group: ConsumerGroup, event: FetchOffsets) -> ErrorCode:
    if event.member_id is None and event.member_epoch < 0:
        return ErrorCode.NONE
    member = group.members.get(event.member_id or "")
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    return ErrorCode.NONE if event.member_epoch == member.epoch else _stale(member)


def _stale(member: ConsumerGroupMember) -> ErrorCode:
    return ErrorCode.STALE_MEMBER_EPOCH if member.classic is None else ErrorCode.ILLEGAL_GENERATION

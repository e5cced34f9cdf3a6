"""Members of a consumer group that still speak the classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

To such a member the group looks like a classic one that is never in its way: its JoinGroup is answered at once, its
generation is its own member epoch, it is never the leader, and its SyncGroup tells what the broker has assigned. When
it is to give something up, or can have more, its Heartbeat says REBALANCE_IN_PROGRESS and it joins again.

Each function makes a plan and an answer, and changes nothing. Source:
GroupMetadataManager.classicGroupJoinToConsumerGroup, classicGroupSyncToConsumerGroup,
classicGroupHeartbeatToConsumerGroup, classicGroupLeaveToConsumerGroup.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from pykafka_core._dataclass import replace
from pykafka_core.coordinator.consumer_events import Refusal
from pykafka_core.coordinator.consumer_group import CONSUMER_PROTOCOL_TYPE, ConsumerGroup
from pykafka_core.coordinator.consumer_heartbeat import check_room, check_static, find_member
from pykafka_core.coordinator.consumer_member import ClassicPart, ConsumerGroupMember, MemberState
from pykafka_core.coordinator.consumer_plan import Plan
from pykafka_core.coordinator.consumer_protocol import (
    Subscription,
    read_subscription,
    version_of,
    write_assignment,
)
from pykafka_core.coordinator.consumer_regex import RegexStep, update_regexes
from pykafka_core.coordinator.consumer_steps import ConsumerSteps, Target
from pykafka_core.coordinator.events import (
    NO_MEMBER,
    Heartbeat,
    JoinAnswer,
    JoinGroup,
    Leaver,
    Now,
    SyncAnswer,
    SyncGroup,
)
from pykafka_core.coordinator.topics import TopicsImage
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.exceptions import ProtocolError

__all__ = ["Joined", "check_member", "find_leaver", "heard_of", "join", "sync"]

UNCHANGED: Final = -1


class Joined(NamedTuple):
    answer: JoinAnswer
    downgrades: bool = False
    """It took the place of the last member that spoke the new protocol: the group is to be a classic one."""
    rebalances: bool = False
    """And then to rebalance."""
    member: ConsumerGroupMember | None = None


def join(plan: Plan, event: JoinGroup, steps: ConsumerSteps, classic_max_size: int, now: Now) -> Joined:
    """Raises Refusal."""
    group = plan.group
    if not any(steps.config.migration):
        raise Refusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    is_unknown = event.member_id == NO_MEMBER
    member_id = event.fresh_id if is_unknown else event.member_id
    check_room(group, member_id, steps.config.max_size)
    if not group.supports_classic(event.protocol_type, [name for name, _ in event.protocols]):
        raise Refusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if is_unknown and event.instance_id is None and event.require_known_member_id:
        return Joined(JoinAnswer(error=ErrorCode.MEMBER_ID_REQUIRED, member_id=member_id))
    subscription = _subscription(event)
    joins = event.instance_id is None or is_unknown
    member = find_member(plan, member_id, event.instance_id, joins=joins, classic=True)
    replaced = group.static_member(event.instance_id)
    downgrades = replaced is not None and _may_downgrade(group, replaced, steps, classic_max_size)
    updated = replace(
        member,
        instance_id=member.instance_id if event.instance_id is None else event.instance_id,
        rack_id=subscription.rack_id or member.rack_id,
        rebalance_timeout_ms=member.rebalance_timeout_ms
        if event.rebalance_timeout_ms == UNCHANGED
        else event.rebalance_timeout_ms,
        topic_names=subscription.topics,
        topic_regex="",
        client_id=event.client_id,
        client_host=event.client_host,
        classic=ClassicPart(session_timeout_ms=event.session_timeout_ms, protocols=tuple(event.protocols)),
    )
    bump = steps.note_member(plan, member, updated)
    bump = update_regexes(plan, member, updated, steps, now) is not RegexStep.NONE or bump
    epoch = steps.update_epoch(plan, bump, member, updated)
    owned = _by_id(subscription.owned, steps.topics)
    is_behind = group.assignment_epoch < epoch
    if not downgrades:
        target = steps.update_target(plan, epoch, member, updated, now)
        updated = steps.reconcile(plan, updated, target, owned, bump)
    elif not is_behind:
        target = Target(group.assignment_epoch, group.target_of(updated.member_id, updated.instance_id))
        updated = steps.reconcile(plan, updated, target, owned, bump)
    timers = group.timers
    plan.then(lambda now: timers.cancel_join(member_id))
    if not downgrades:
        plan.then(lambda now: timers.touch(member_id, event.session_timeout_ms, now))
        plan.then(lambda now: timers.start_sync(member_id, event.rebalance_timeout_ms))
    answer = JoinAnswer(
        member_id=updated.member_id,
        generation=updated.epoch,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocol_name=event.protocols[0][0],
    )
    return Joined(answer, downgrades, downgrades and is_behind, updated)


def _subscription(event: JoinGroup) -> Subscription:
    try:
        return read_subscription(event.protocols[0][1])
    except ProtocolError as error:
        raise Refusal(ErrorCode.UNKNOWN_SERVER_ERROR, "Malformed embedded consumer protocol.") from error


def _by_id(owned: Mapping[str, frozenset[int]], topics: TopicsImage) -> dict[bytes, frozenset[int]]:
    found = ((topics.by_name(name), partitions) for name, partitions in owned.items())
    return {topic.topic_id: partitions for topic, partitions in found if topic is not None}


def _may_downgrade(
    group: ConsumerGroup, replaced: ConsumerGroupMember, steps: ConsumerSteps, classic_max_size: int
) -> bool:
    return (
        replaced.classic is None
        and group.classic_count == len(group.members) - 1
        and steps.config.migration.downgrade
        and len(group.members) <= classic_max_size
    )


def check_member(group: ConsumerGroup, member_id: str, instance_id: str | None, generation: int) -> ConsumerGroupMember:
    """The classic member of this name and generation. Raises Refusal."""
    if instance_id is not None:
        member = check_static(group.static_member(instance_id), member_id, instance_id)
    elif member_id in group.members:
        member = group.members[member_id]
    else:
        raise Refusal(ErrorCode.UNKNOWN_MEMBER_ID)
    if member.classic is None:
        raise Refusal(ErrorCode.UNKNOWN_MEMBER_ID)
    if member.epoch != generation:
        raise Refusal(ErrorCode.ILLEGAL_GENERATION)
    return member


def sync(plan: Plan, event: SyncGroup, steps: ConsumerSteps) -> SyncAnswer:
    """Raises Refusal."""
    group = plan.group
    member = check_member(group, event.member_id, event.instance_id, event.generation)
    classic = member.classic
    assert classic is not None
    name, metadata = classic.protocols[0]
    if event.protocol_type not in (None, CONSUMER_PROTOCOL_TYPE) or event.protocol_name not in (None, name):
        raise Refusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    timers = group.timers
    if _newest_epoch(group) > member.epoch and member.state is not MemberState.UNREVOKED_PARTITIONS:
        plan.then(lambda now: timers.start_join(member.member_id, member.rebalance_timeout_ms))
        return SyncAnswer(error=ErrorCode.REBALANCE_IN_PROGRESS)
    plan.then(lambda now: timers.cancel_sync(member.member_id))
    plan.then(lambda now: timers.touch(member.member_id, classic.session_timeout_ms, now))
    assigned = (
        (topic.name, partitions)
        for topic_id, partitions in member.assigned.items()
        if (topic := steps.topics.by_id(topic_id)) is not None
    )
    return SyncAnswer(
        protocol_type=event.protocol_type,
        protocol_name=event.protocol_name,
        assignment=write_assignment(version_of(metadata), assigned),
    )


def heard_of(plan: Plan, event: Heartbeat) -> ErrorCode:
    """Raises Refusal."""
    group = plan.group
    member = check_member(group, event.member_id, event.instance_id, event.generation)
    classic = member.classic
    assert classic is not None
    timers = group.timers
    plan.then(lambda now: timers.touch(member.member_id, classic.session_timeout_ms, now))
    if (
        member.epoch >= _newest_epoch(group)
        and member.state is not MemberState.UNREVOKED_PARTITIONS
        and (member.state is not MemberState.UNRELEASED_PARTITIONS or group.awaits_release(member))
    ):
        return ErrorCode.NONE
    plan.then(lambda now: timers.start_join(member.member_id, member.rebalance_timeout_ms))
    return ErrorCode.REBALANCE_IN_PROGRESS


def _newest_epoch(group: ConsumerGroup) -> int:
    """The epoch that a classic member is to join for.

    A new group epoch becomes a target assignment with the next heartbeat of a member that speaks the new protocol;
    where there is none (and no downgrade either), the joining of classic members must bring it about.
    """
    return group.epoch if group.classic_count == len(group.members) else group.assignment_epoch


def find_leaver(group: ConsumerGroup, leaver: Leaver) -> ConsumerGroupMember:
    """One that leaves by LeaveGroup, or is removed by an administrator. Raises Refusal."""
    if leaver.instance_id is None:
        if leaver.member_id not in group.members:
            raise Refusal(ErrorCode.UNKNOWN_MEMBER_ID)
        return group.members[leaver.member_id]
    member = group.static_member(leaver.instance_id)
    if member is not None and leaver.member_id == NO_MEMBER:
        return member
    return check_static(member, leaver.member_id, leaver.instance_id)

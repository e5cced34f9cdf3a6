"""ConsumerGroupHeartbeat: a member joins, stays, or leaves, and is told what it has.

Each function makes a plan and an answer from a group, and changes nothing. The order of the checks is Kafka's, so that
a request with several mistakes gets the same error.

Source: KIP-848, KIP-1082; org.apache.kafka.coordinator.group.GroupMetadataManager.consumerGroupHeartbeat,
GroupCoordinatorService.throwIfConsumerGroupHeartbeatRequestIsInvalid.
"""

from __future__ import annotations

from typing import Final

from pykafka_core._dataclass import replace
from pykafka_core.coordinator.consumer_events import (
    ConsumerGroupConfig,
    ConsumerHeartbeat,
    ConsumerHeartbeatAnswer,
    Refusal,
)
from pykafka_core.coordinator.consumer_group import ConsumerGroup
from pykafka_core.coordinator.consumer_member import (
    LEAVE_EPOCH,
    LEAVE_STATIC_EPOCH,
    ConsumerGroupMember,
    without_epochs,
)
from pykafka_core.coordinator.consumer_plan import Plan
from pykafka_core.coordinator.consumer_reconcile import Owned
from pykafka_core.coordinator.consumer_records import (
    current_record,
    member_record,
    member_tombstones,
    target_record,
)
from pykafka_core.coordinator.consumer_regex import RegexStep, update_regexes
from pykafka_core.coordinator.consumer_steps import ConsumerSteps
from pykafka_core.coordinator.events import Now
from pykafka_core.protocol.errors import ErrorCode

__all__ = ["beat", "check_room", "check_static", "find_member", "is_idle", "leave_for_a_while", "validate"]

UNCHANGED: Final = -1


def validate(event: ConsumerHeartbeat, config: ConsumerGroupConfig) -> None:
    """Raise Refusal for a request that cannot be meant."""
    epoch = event.member_epoch
    if event.makes_own_id or epoch > 0 or epoch == LEAVE_EPOCH:
        _not_blank(event.member_id, "MemberId")
    _not_blank(event.group_id, "GroupId")
    _not_blank(event.instance_id, "InstanceId")
    _not_blank(event.rack_id, "RackId")
    if epoch == 0:
        if event.rebalance_timeout_ms == UNCHANGED:
            raise _invalid("RebalanceTimeoutMs must be provided in first request.")
        if event.owned is None or event.owned:
            raise _invalid("TopicPartitions must be empty when (re-)joining.")
        if event.topic_names is None and event.topic_regex is None:
            raise _invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
    elif epoch == LEAVE_STATIC_EPOCH:
        if event.instance_id is None:
            raise _invalid("InstanceId can't be null.")
    elif epoch < LEAVE_STATIC_EPOCH:
        raise _invalid("MemberEpoch is invalid.")
    if event.server_assignor is not None and event.server_assignor not in config.assignors:
        raise Refusal(
            ErrorCode.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {event.server_assignor} is not supported. "
            f"Supported assignors: {', '.join(config.assignors)}.",
        )


def _not_blank(value: str | None, field: str) -> None:
    # As String.trim sees it.
    if value is not None and not value.strip("".join(map(chr, range(33)))):
        raise _invalid(f"{field} can't be empty.")


def _invalid(message: str) -> Refusal:
    return Refusal(ErrorCode.INVALID_REQUEST, message)


def is_idle(group: ConsumerGroup, event: ConsumerHeartbeat) -> ConsumerGroupMember | None:
    """The member, if this heartbeat says nothing new and there is nothing to be told: nearly all are of this kind."""
    member = group.members.get(event.member_id)
    if (
        member is None
        or event.member_epoch != member.epoch
        or event.member_epoch <= 0
        or event.topic_names is not None
        or event.topic_regex is not None
        or event.server_assignor is not None
        or event.rebalance_timeout_ms != UNCHANGED
        or (event.instance_id is not None and event.instance_id != member.instance_id)
        or (event.rack_id is not None and event.rack_id != member.rack_id)
        or member.classic is not None
        or event.client_id != member.client_id
        or event.client_host != member.client_host
        or group.is_refresh_due
        or group.regexes
        or member.topic_regex
        or group.epoch > group.assignment_epoch
        or not member.is_reconciled_to(group.assignment_epoch)
    ):
        return None
    return member


def beat(plan: Plan, event: ConsumerHeartbeat, steps: ConsumerSteps, now: Now) -> ConsumerHeartbeatAnswer:
    """A member joins or stays. Raises Refusal."""
    group = plan.group
    joins = event.member_epoch == 0
    check_room(group, event.member_id, steps.config.max_size)
    member_id = event.member_id or event.fresh_id
    member = find_member(plan, member_id, event.instance_id, joins=joins, classic=False)
    if not joins:
        _check_epoch(member, event.member_epoch, event.owned)
    updated = replace(
        member,
        instance_id=member.instance_id if event.instance_id is None else event.instance_id,
        rack_id=member.rack_id if event.rack_id is None else event.rack_id,
        rebalance_timeout_ms=member.rebalance_timeout_ms
        if event.rebalance_timeout_ms == UNCHANGED
        else event.rebalance_timeout_ms,
        server_assignor=member.server_assignor if event.server_assignor is None else event.server_assignor,
        topic_names=member.topic_names if event.topic_names is None else frozenset(event.topic_names),
        topic_regex=member.topic_regex if event.topic_regex is None else event.topic_regex,
        client_id=event.client_id,
        client_host=event.client_host,
        classic=None,
    )
    names_changed = steps.note_member(plan, member, updated)
    regex_step = update_regexes(plan, member, updated, steps, now)
    changed = names_changed or regex_step is not RegexStep.NONE
    # An expression that is not resolved yet calls for a new assignment when it is.
    epoch = steps.update_epoch(plan, names_changed or regex_step is RegexStep.RESOLVED, member, updated)
    target = steps.update_target(plan, epoch, member, updated, now)
    updated = steps.reconcile(plan, updated, target, event.owned, changed)
    times = steps.times(group.group_id)
    plan.then(lambda now: group.timers.touch(member_id, times.session_timeout_ms, now))
    is_full = (
        event.rebalance_timeout_ms != UNCHANGED
        and (event.topic_names is not None or event.topic_regex is not None)
        and event.owned is not None
    )
    told = joins or is_full or updated.assigned != member.assigned
    return ConsumerHeartbeatAnswer(
        member_id=updated.member_id,
        member_epoch=updated.epoch,
        heartbeat_interval_ms=times.heartbeat_interval_ms,
        assignment=without_epochs(updated.assigned) if told else None,
    )


def check_room(group: ConsumerGroup, member_id: str, max_size: int) -> None:
    if len(group.members) >= max_size and member_id not in group.members:
        raise Refusal(
            ErrorCode.GROUP_MAX_SIZE_REACHED,
            f"The consumer group has reached its maximum capacity of {max_size} members.",
        )


def find_member(
    plan: Plan, member_id: str, instance_id: str | None, *, joins: bool, classic: bool
) -> ConsumerGroupMember:
    """The member that a request is from; one that joins may be new, or take a static member's place."""
    group = plan.group
    if instance_id is None:
        member = group.members.get(member_id)
        if member is not None:
            return member
        if not joins:
            raise Refusal(ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {group.group_id}.")
        return ConsumerGroupMember(member_id=member_id)
    existing = group.static_member(instance_id)
    if not joins:
        return check_static(existing, member_id, instance_id)
    if existing is None:
        return group.members.get(member_id) or ConsumerGroupMember(member_id=member_id)
    if not classic and existing.classic is None and existing.epoch != LEAVE_STATIC_EPOCH:
        raise Refusal(
            ErrorCode.UNRELEASED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} cannot join the group because the instance id "
            f"is owned by {existing.member_id} member.",
        )
    member = replace(existing, member_id=member_id, epoch=0, previous_epoch=0)
    plan.add(
        *member_tombstones(group.group_id, existing.member_id),
        member_record(group.group_id, member),
        target_record(group.group_id, member_id, group.target.get(existing.member_id, {})),
        current_record(group.group_id, member),
    )
    if existing.member_id != member_id:
        plan.then(lambda now: group.timers.forget(existing.member_id))
    return member


def check_static(member: ConsumerGroupMember | None, member_id: str, instance_id: str) -> ConsumerGroupMember:
    if member is None:
        raise Refusal(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
    if member.member_id != member_id:
        raise Refusal(
            ErrorCode.FENCED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} was fenced by member {member.member_id}.",
        )
    return member


def _check_epoch(member: ConsumerGroupMember, epoch: int, owned: Owned) -> None:
    if epoch > member.epoch:
        raise Refusal(
            ErrorCode.FENCED_MEMBER_EPOCH,
            f"The consumer group member has a greater member epoch ({epoch}) than the one known by the group "
            f"coordinator ({member.epoch}). The member must abandon all its partitions and rejoin.",
        )
    # The answer that told the newer epoch may have been lost.
    if epoch < member.epoch and (epoch != member.previous_epoch or not _is_part_of(owned, member)):
        raise Refusal(
            ErrorCode.FENCED_MEMBER_EPOCH,
            f"The consumer group member has a smaller member epoch ({epoch}) than the one known by the group "
            f"coordinator ({member.epoch}). The member must abandon all its partitions and rejoin.",
        )


def _is_part_of(owned: Owned, member: ConsumerGroupMember) -> bool:
    if owned is None:
        return False
    return all(
        topic_id in member.assigned and partitions <= member.assigned[topic_id].keys()
        for topic_id, partitions in owned.items()
    )


def leave_for_a_while(plan: Plan, member: ConsumerGroupMember) -> ConsumerHeartbeatAnswer:
    """A static member will be back before its session ends; what it has stays its."""
    plan.add(current_record(plan.group.group_id, replace(member, epoch=LEAVE_STATIC_EPOCH, revoking={})))
    return ConsumerHeartbeatAnswer(member_id=member.member_id, member_epoch=LEAVE_STATIC_EPOCH)

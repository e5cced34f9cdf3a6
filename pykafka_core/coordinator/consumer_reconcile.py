"""Brings a member one step closer to what it is to have.

A member first gives up what is no longer its, and only when it says so is the partition free; then it moves to the
newest epoch and is given what is free. What others still hold it gets with a later heartbeat. So no partition ever has
two owners, and nobody waits for anybody but the owner of a partition that it is to have.

    STABLE -- newer target --> [something to give up?] -- yes --> UNREVOKED_PARTITIONS, same epoch
                                      | no                              | given up
                                      v                                 v
                       UNRELEASED_PARTITIONS or STABLE, epoch of the target

Pure functions over values. Source: KIP-848;
org.apache.kafka.coordinator.group.modern.consumer.CurrentAssignmentBuilder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from pykafka_core.coordinator.assignor import Assignment
from pykafka_core.coordinator.consumer_events import Refusal
from pykafka_core.coordinator.consumer_member import ConsumerGroupMember, MemberState, OwnedPartitions
from pykafka_core.protocol.errors import ErrorCode

__all__ = ["Goal", "Owned", "reconcile"]

STABLE, UNREVOKED, UNRELEASED, UNKNOWN = MemberState
NO_PARTITIONS: Final[frozenset[int]] = frozenset()

Owned = Mapping[bytes, frozenset[int]] | None
"""The partitions that a member says it has; None if it does not say."""


class Goal(NamedTuple):
    """What a member is to come to."""

    epoch: int
    """Of the group's target assignment."""
    target: Assignment
    subscribed: Callable[[bytes], bool]
    """Whether the member subscribes to the topic of this id."""
    is_taken: Callable[[bytes, int], bool]
    """Whether any member has this partition, or has not given it up yet."""
    subscription_changed: bool = False


def reconcile(member: ConsumerGroupMember, goal: Goal, owned: Owned) -> ConsumerGroupMember:
    """Return the member after one step; the same object if there is none to take.

    Raises Refusal if it must start anew.
    """
    match member.state:
        case MemberState.STABLE:
            if member.epoch != goal.epoch:
                return _next(member, member.epoch, goal, owned)
            return _without_unsubscribed(member, goal, owned) if goal.subscription_changed else member
        case MemberState.UNREVOKED_PARTITIONS:
            if _holds(owned, member.revoking):
                return _without_unsubscribed(member, goal, owned) if goal.subscription_changed else member
            return _next(member, member.epoch, goal, owned)
        case MemberState.UNRELEASED_PARTITIONS:
            return _next(member, member.epoch, goal, owned)
        case _:
            if owned is None or owned:
                raise Refusal(
                    ErrorCode.FENCED_MEMBER_EPOCH,
                    "The consumer group member is in a unknown state. "
                    "The member must abandon all its partitions and rejoin.",
                )
            return _next(member, goal.epoch, goal, owned)


def _holds(owned: Owned, partitions: OwnedPartitions) -> bool:
    """Whether the member may still have any of these: it does not say, or says so."""
    if owned is None:
        return True
    return any(not mine.isdisjoint(partitions.get(topic_id, ())) for topic_id, mine in owned.items())


def _without_unsubscribed(member: ConsumerGroupMember, goal: Goal, owned: Owned) -> ConsumerGroupMember:
    """It is where it is to be, but topics that it has left are to go at once."""
    gone = {topic_id: mine for topic_id, mine in member.assigned.items() if not goal.subscribed(topic_id)}
    if not gone:
        return member
    kept = {topic_id: mine for topic_id, mine in member.assigned.items() if topic_id not in gone}
    revoking = {**member.revoking}
    for topic_id, mine in gone.items():
        revoking[topic_id] = {**revoking.get(topic_id, {}), **mine}
    if _holds(owned, revoking):
        return member.moved_to(member.epoch, UNREVOKED, kept, revoking)
    return member.moved_to(member.epoch, member.state, kept, member.revoking)


def _next(member: ConsumerGroupMember, epoch: int, goal: Goal, owned: Owned) -> ConsumerGroupMember:
    assigned: dict[bytes, dict[int, int]] = {}
    revoking: dict[bytes, dict[int, int]] = {}
    given: dict[bytes, frozenset[int]] = {}
    waits = False
    for topic_id in {**goal.target, **member.assigned}:
        target = goal.target.get(topic_id, NO_PARTITIONS) if goal.subscribed(topic_id) else NO_PARTITIONS
        mine = member.assigned.get(topic_id, {})
        kept = {partition: since for partition, since in mine.items() if partition in target}
        if kept:
            assigned[topic_id] = kept
        if len(kept) < len(mine):
            revoking[topic_id] = {partition: since for partition, since in mine.items() if partition not in kept}
        wanted = target.difference(kept)
        # What it is giving up itself is free for it once it has.
        leaving = member.revoking.get(topic_id, {})
        free = frozenset(each for each in wanted if each in leaving or not goal.is_taken(topic_id, each))
        waits = waits or len(free) < len(wanted)
        if free:
            given[topic_id] = free
    if revoking and _holds(owned, revoking):
        return member.moved_to(epoch, UNREVOKED, assigned, revoking)
    for topic_id, partitions in given.items():
        assigned[topic_id] = {**assigned.get(topic_id, {}), **dict.fromkeys(partitions, goal.epoch)}
    return member.moved_to(goal.epoch, UNRELEASED if waits else STABLE, assigned)

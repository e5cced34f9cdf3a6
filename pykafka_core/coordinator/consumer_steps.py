"""The three things that a heartbeat of a new member and the JoinGroup of a classic one have in common.

    1. A member that says something new is written down; if its subscription, or any topic of the group, is another than
       before, the group epoch rises.
    2. If the group epoch is ahead of the target assignment, that is computed anew, though not more often than
       `group.consumer.assignment.interval.ms`.
    3. The member goes one step towards its part of it.

Source: GroupMetadataManager.updateSubscriptionMetadata, maybeUpdateTargetAssignment, maybeReconcile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from pykafka_core.coordinator.assignor import Assignment, GroupSpec, MemberSpec, find_assignor
from pykafka_core.coordinator.consumer_events import ConsumerGroupConfig, GroupTimes
from pykafka_core.coordinator.consumer_group import ConsumerGroup, ResolvedRegex
from pykafka_core.coordinator.consumer_member import ConsumerGroupMember, MemberState
from pykafka_core.coordinator.consumer_plan import Plan
from pykafka_core.coordinator.consumer_reconcile import Goal, Owned, reconcile
from pykafka_core.coordinator.consumer_records import (
    current_record,
    epoch_record,
    member_record,
    partition_metadata_tombstone,
    target_epoch_record,
    target_record,
)
from pykafka_core.coordinator.effects import Effect
from pykafka_core.coordinator.events import Now
from pykafka_core.coordinator.java_order import in_map_order
from pykafka_core.coordinator.topics import NO_TOPICS, TopicHashes, TopicsImage

__all__ = ["ConsumerSteps", "Target", "Times"]

Times = Callable[[str], GroupTimes]


class Target(NamedTuple):
    epoch: int
    assignment: Assignment


class ConsumerSteps:
    """Knows the settings and the topics; the groups are others'."""

    def __init__(self, config: ConsumerGroupConfig, times: Times | None) -> None:
        """`times`: what holds for a group at this moment; None: the settings."""
        self.config: Final = config
        everywhere = GroupTimes(config.session_timeout_ms, config.heartbeat_interval_ms, config.assignment_interval_ms)
        self.times: Final[Times] = times or (lambda group_id: everywhere)
        self.topics: TopicsImage = NO_TOPICS
        self.hashes: Final = TopicHashes()
        self.new_topics_version = -1
        """The last version of the topics that had new ones."""

    # ---- the steps

    @staticmethod
    def note_member(plan: Plan, member: ConsumerGroupMember, updated: ConsumerGroupMember) -> bool:
        """Write down what the member says; True if it subscribes to other names."""
        if updated == member:
            return False
        plan.add(member_record(plan.group.group_id, updated))
        return updated.topic_names != member.topic_names

    def update_epoch(self, plan: Plan, bump: bool, member: ConsumerGroupMember, updated: ConsumerGroupMember) -> int:
        """Raise the group epoch if that is to be, or if topics are others than before; return it."""
        group = plan.group
        if not bump and not group.is_refresh_due:
            return group.epoch
        members = self._members_with(group, member, updated)
        names = group.topics_with(members.values(), self._regexes_with(group, member, updated))
        metadata_hash = self.hashes.of_group(names, self.topics)
        epoch = group.epoch
        if bump or metadata_hash != group.metadata_hash:
            epoch += 1
            plan.add(epoch_record(group.group_id, epoch, metadata_hash))
        if group.has_partition_metadata:
            plan.add(partition_metadata_tombstone(group.group_id))
        topics = self.topics

        def refreshed(now: Now) -> list[Effect]:
            # Topics that change while this is written are noticed with the next heartbeat.
            group.is_refresh_due = self.topics is not topics
            return []

        plan.then(refreshed)
        return epoch

    def update_target(
        self, plan: Plan, epoch: int, member: ConsumerGroupMember, updated: ConsumerGroupMember, now: Now
    ) -> Target:
        """Compute the target assignment if it is behind the group epoch and due; return the member's part of it."""
        group = plan.group
        interval_ms = self.times(group.group_id).assignment_interval_ms
        due = not group.assignment_ms or not interval_ms or now.wall_ms >= group.assignment_ms + interval_ms
        if group.assignment_epoch >= epoch or not due:
            return Target(group.assignment_epoch, group.target_of(updated.member_id, updated.instance_id))
        members = self._members_with(group, member, updated)
        assignor = self._preferred_assignor(members)
        assignments = self._assign(group, members, assignor)
        for member_id in members:
            assignment = assignments.get(member_id, {})
            if assignment != group.target.get(member_id):
                plan.add(target_record(group.group_id, member_id, assignment))
        plan.add(target_epoch_record(group.group_id, epoch, now.wall_ms))
        return Target(epoch, assignments.get(updated.member_id, {}))

    def reconcile(
        self, plan: Plan, member: ConsumerGroupMember, target: Target, owned: Owned, subscription_changed: bool
    ) -> ConsumerGroupMember:
        """Take the member one step on. Raises Refusal."""
        group = plan.group
        if not subscription_changed and member.is_reconciled_to(target.epoch):
            return member
        by_id = self.topics.by_id
        goal = Goal(
            epoch=target.epoch,
            target=target.assignment,
            subscribed=lambda topic_id: group.subscribes(member, by_id(topic_id)),
            is_taken=group.is_taken,
            subscription_changed=subscription_changed,
        )
        updated = reconcile(member, goal, owned)
        if updated == member:
            return member
        plan.add(current_record(group.group_id, updated))
        if updated.classic is None:
            timers = group.timers
            if updated.state is MemberState.UNREVOKED_PARTITIONS:
                plan.then(
                    lambda now: timers.start_rebalance(updated.member_id, updated.epoch, updated.rebalance_timeout_ms)
                )
            else:
                plan.then(lambda now: timers.cancel_rebalance(updated.member_id))
        return updated

    # ---- the group as it will be

    @staticmethod
    def _members_with(
        group: ConsumerGroup, member: ConsumerGroupMember, updated: ConsumerGroupMember
    ) -> dict[str, ConsumerGroupMember]:
        """The members if this one were as it is now, and in the place of the static member that it replaces."""
        replaced = group.static_member(updated.instance_id)
        members = {**group.members, updated.member_id: updated}
        if replaced is not None and replaced.member_id != updated.member_id:
            del members[replaced.member_id]
        return members

    @staticmethod
    def _regexes_with(
        group: ConsumerGroup, member: ConsumerGroupMember, updated: ConsumerGroupMember
    ) -> list[ResolvedRegex]:
        """The resolved regular expressions, without the one that its last member has left."""
        old = member.topic_regex
        left = old != updated.topic_regex and group.regex_members(old) == 1
        return [resolved for regex, resolved in group.regexes.items() if not (left and regex == old)]

    def _assign(
        self, group: ConsumerGroup, members: dict[str, ConsumerGroupMember], assignor: str
    ) -> dict[str, Assignment]:
        specs: dict[str, MemberSpec] = {}
        counts: dict[bytes, int] = {}
        ids_of: dict[tuple[frozenset[str], str], frozenset[bytes]] = {}
        for member_id in in_map_order(list(members)):
            member = members[member_id]
            subscription = (member.topic_names, member.topic_regex)
            ids = ids_of.get(subscription)
            if ids is None:
                found = [topic for name in group.topics_of(member) if (topic := self.topics.by_name(name)) is not None]
                counts.update((topic.topic_id, topic.partition_count) for topic in found)
                ids = ids_of[subscription] = frozenset(topic.topic_id for topic in found)
            specs[member_id] = MemberSpec(member.instance_id, ids, group.target_of(member_id, member.instance_id))
        return find_assignor(assignor)(GroupSpec(specs, counts, _is_homogeneous(ids_of)))

    def _preferred_assignor(self, members: dict[str, ConsumerGroupMember]) -> str:
        """The one that most members ask for; where as many ask for another, the one that is configured first."""
        votes = Counter(member.server_assignor for member in members.values())
        return max(self.config.assignors, key=lambda name: votes[name])


def _is_homogeneous(subscriptions: dict[tuple[frozenset[str], str], frozenset[bytes]]) -> bool:
    if len(subscriptions) != 1:
        return False
    ((names, regex),) = subscriptions
    return not names or not regex

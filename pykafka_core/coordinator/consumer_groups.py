"""Consumer groups (KIP-848) as the coordinator has them: makes plans of events, has them written, and carries them out.

A group comes into being with the first heartbeat of a member, out of nothing, of an empty classic group, or of one
with members (an upgrade); where the last member that speaks the new protocol goes and classic ones stay, it is a
classic group again. Committed offsets are the group's, whatever it is.

Source: org.apache.kafka.coordinator.group.GroupMetadataManager.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

from pykafka_core.coordinator.classic import ClassicGroup
from pykafka_core.coordinator.classic_adopted import AdoptedClassicGroup
from pykafka_core.coordinator.consumer_classic import Joined, find_leaver, heard_of, join, sync
from pykafka_core.coordinator.consumer_describe import describe
from pykafka_core.coordinator.consumer_events import (
    ConsumerGroupConfig,
    ConsumerHeartbeat,
    ConsumerHeartbeatAnswer,
    DescribeConsumerGroup,
    Refusal,
    RegexesResolved,
    TopicsChanged,
)
from pykafka_core.coordinator.consumer_group import ConsumerGroup
from pykafka_core.coordinator.consumer_heartbeat import beat, check_static, is_idle, leave_for_a_while, validate
from pykafka_core.coordinator.consumer_member import LEAVE_EPOCH, LEAVE_STATIC_EPOCH, ConsumerGroupMember, MemberState
from pykafka_core.coordinator.consumer_migration import consumer_tombstones, downgrade, may_downgrade_without, upgrade
from pykafka_core.coordinator.consumer_plan import Plan
from pykafka_core.coordinator.consumer_records import epoch_record, member_tombstones, regex_tombstone
from pykafka_core.coordinator.consumer_regex import regexes_without, resolved
from pykafka_core.coordinator.consumer_steps import ConsumerSteps, Times
from pykafka_core.coordinator.effects import Append, Effect, KeyValue, Reply, Timer
from pykafka_core.coordinator.events import (
    GroupConfig,
    Heartbeat,
    JoinAnswer,
    JoinGroup,
    LeaveAnswer,
    LeaveGroup,
    Leaver,
    Now,
    SyncAnswer,
    SyncGroup,
)
from pykafka_core.coordinator.records import group_tombstone
from pykafka_core.protocol.errors import ErrorCode

if TYPE_CHECKING:
    from pykafka_core.coordinator.groups import Group

__all__ = ["ConsumerGroups"]

Then = Callable[[ErrorCode, Now], Iterable[Effect]]
Refuse = Callable[[ErrorCode], Any]

NOBODY: Final = -1
"""In place of a request: nobody waits for the outcome."""


class ConsumerGroups:
    def __init__(
        self,
        config: ConsumerGroupConfig,
        times: Times | None,
        *,
        classic: GroupConfig,
        groups: dict[str, Group],
        make: Callable[[str, ClassicGroup | ConsumerGroup], None],
        append: Callable[[str, list[KeyValue], Then], Append],
        tickets: Callable[[], int],
    ) -> None:
        """`groups` are the coordinator's; `make` puts one there, with its offsets if it has any."""
        self.steps: Final = ConsumerSteps(config, times)
        self._classic_config: Final = classic
        self._groups: Final = groups
        self._make: Final = make
        self._append: Final = append
        self._tickets: Final = tickets

    # ---- members that speak the new protocol

    def heartbeat(self, event: ConsumerHeartbeat, now: Now) -> list[Effect]:
        kind = self._kind(event.group_id)
        if isinstance(kind, ConsumerGroup):
            member = is_idle(kind, event)
            if member is not None:
                times = self.steps.times(event.group_id)
                answer = ConsumerHeartbeatAnswer(
                    member_id=member.member_id,
                    member_epoch=member.epoch,
                    heartbeat_interval_ms=times.heartbeat_interval_ms,
                )
                return [
                    *kind.timers.touch(member.member_id, times.session_timeout_ms, now),
                    Reply(request=event.request, answer=answer),
                ]
        try:
            validate(event, self.steps.config)
            if event.member_epoch in (LEAVE_EPOCH, LEAVE_STATIC_EPOCH):
                return self._leave(kind, event, now)
            plan = self._plan(kind, event)
            answer = beat(plan, event, self.steps, now)
        except Refusal as refusal:
            return [Reply(request=event.request, answer=_refused(refusal.error, refusal.message))]
        return self._carry_out(plan, event.request, answer, _refused, now)

    def _plan(self, kind: ClassicGroup | ConsumerGroup | None, event: ConsumerHeartbeat) -> Plan:
        """A plan for the group, or for the one that it is to become."""
        joins = event.member_epoch == 0
        if isinstance(kind, ConsumerGroup):
            return Plan(kind)
        if not joins:
            what = "Consumer group {} not found." if kind is None else "Group {} is not a consumer group."
            raise Refusal(ErrorCode.GROUP_ID_NOT_FOUND, what.format(event.group_id))
        if kind is None:
            return Plan(ConsumerGroup(event.group_id))
        if kind.is_empty:
            return Plan(ConsumerGroup(event.group_id), before=[group_tombstone(event.group_id)])
        return upgrade(kind, self.steps)

    def _leave(self, kind: ClassicGroup | ConsumerGroup | None, event: ConsumerHeartbeat, now: Now) -> list[Effect]:
        group_id = event.group_id
        if kind is None:
            raise Refusal(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} not found.")
        if not isinstance(kind, ConsumerGroup):
            raise Refusal(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group.")
        if event.instance_id is not None:
            member = check_static(kind.static_member(event.instance_id), event.member_id, event.instance_id)
        elif event.member_id in kind.members:
            member = kind.members[event.member_id]
        else:
            raise Refusal(ErrorCode.UNKNOWN_MEMBER_ID, f"Member {event.member_id} is not a member of group {group_id}.")
        if event.instance_id is not None and event.member_epoch == LEAVE_STATIC_EPOCH:
            plan = Plan(kind)
            answer = leave_for_a_while(plan, member)
            return self._carry_out(plan, event.request, answer, _refused, now)
        answer = ConsumerHeartbeatAnswer(member_id=event.member_id, member_epoch=event.member_epoch)
        return self._fence(kind, [member], event.request, answer, _refused, now)

    # ---- members that speak the classic protocol

    def join(self, group: ConsumerGroup, event: JoinGroup, now: Now) -> list[Effect]:
        plan = Plan(group)
        try:
            joined = join(plan, event, self.steps, self._classic_config.max_size, now)
        except Refusal as refusal:
            return [Reply(request=event.request, answer=_not_joined(refusal.error))]
        if joined.downgrades:
            return self._downgrade_for(plan, joined, event.request, now)
        return self._carry_out(plan, event.request, joined.answer, _not_joined, now)

    def sync(self, group: ConsumerGroup, event: SyncGroup, now: Now) -> list[Effect]:
        plan = Plan(group)
        try:
            answer = sync(plan, event, self.steps)
        except Refusal as refusal:
            answer = SyncAnswer(error=refusal.error)
        return self._carry_out(plan, event.request, answer, lambda error: SyncAnswer(error=error), now)

    def classic_heartbeat(self, group: ConsumerGroup, event: Heartbeat, now: Now) -> list[Effect]:
        plan = Plan(group)
        try:
            error = heard_of(plan, event)
        except Refusal as refusal:
            error = refusal.error
        return self._carry_out(plan, event.request, error, lambda error: error, now)

    def leave(self, group: ConsumerGroup, event: LeaveGroup, now: Now) -> list[Effect]:
        outcomes: list[tuple[Leaver, ErrorCode]] = []
        leaving: dict[str, ConsumerGroupMember] = {}
        for leaver in event.leavers:
            try:
                member = find_leaver(group, leaver)
            except Refusal as refusal:
                outcomes.append((leaver, refusal.error))
            else:
                outcomes.append((leaver, ErrorCode.NONE))
                leaving[member.member_id] = member
        answer = LeaveAnswer(leavers=outcomes)
        return self._fence(group, leaving.values(), event.request, answer, lambda error: LeaveAnswer(error=error), now)

    # ---- time, topics, regular expressions

    def timer_fired(self, group: ConsumerGroup, timer: Timer, now: Now) -> list[Effect]:
        purpose, member_id = timer
        member = group.members.get(member_id)
        if member is None:
            return []
        is_over, effects = group.timers.fired(purpose, member_id, member.epoch, now)
        if not is_over:
            return effects
        return [*effects, *self._fence(group, [member], NOBODY, None, lambda error: None, now)]

    def topics_changed(self, event: TopicsChanged) -> None:
        self.steps.topics = event.topics
        self.steps.hashes.forget(event.names)
        if event.has_new:
            self.steps.new_topics_version = event.topics.version
        for group in self._groups.values():
            kind = group.kind
            if isinstance(kind, ConsumerGroup) and not event.names.isdisjoint(kind.subscribed_topics()):
                kind.is_refresh_due = True

    def regexes_resolved(self, event: RegexesResolved, now: Now) -> list[Effect]:
        group = self._kind(event.group_id)
        if not isinstance(group, ConsumerGroup):
            return []
        group.is_resolving = False
        plan = Plan(group)
        if event.topics:
            resolved(plan, event, self.steps)
        return self._carry_out(plan, NOBODY, None, lambda error: None, now)

    # ---- the group as a whole

    def loaded(self, group: ConsumerGroup, now: Now) -> list[Effect]:
        """All its records are read: from here on members must show signs of life again."""
        timeout_ms = self.steps.times(group.group_id).session_timeout_ms
        effects: list[Effect] = []
        for member in group.members.values():
            effects += group.timers.touch(member.member_id, timeout_ms, now)
            if member.state is MemberState.UNREVOKED_PARTITIONS:
                effects += group.timers.start_rebalance(member.member_id, member.epoch, member.rebalance_timeout_ms)
        return effects

    def describe(self, event: DescribeConsumerGroup) -> list[Effect]:
        kind = self._kind(event.group_id)
        answer: Any
        if kind is None:
            answer = f"Group {event.group_id} not found."
        elif not isinstance(kind, ConsumerGroup):
            answer = f"Group {event.group_id} is not a consumer group."
        else:
            answer = describe(kind, self.steps.config.assignors)
        return [Reply(request=event.request, answer=answer)]

    @staticmethod
    def die(group: ConsumerGroup) -> list[Effect]:
        """Nothing happens to this group any more."""
        return [effect for member_id in group.members for effect in group.timers.forget(member_id)]

    # ---- members that go

    def _fence(
        self,
        group: ConsumerGroup,
        members: Collection[ConsumerGroupMember],
        request: int,
        answer: Any,
        refuse: Refuse,
        now: Now,
    ) -> list[Effect]:
        """Take these members out of the group."""
        plan = Plan(group)
        if not members:
            return self._carry_out(plan, request, answer, refuse, now)
        leaving = {member.member_id for member in members}
        staying = [member for member in group.members.values() if member.member_id not in leaving]
        if may_downgrade_without(group, members, self.steps, self._classic_config.max_size):
            records = consumer_tombstones(group)
            return self._downgrade(group, staying, records, True, request, answer, refuse, now)
        for member in members:
            plan.add(*member_tombstones(group.group_id, member.member_id))
        regexes = regexes_without(group, members)
        plan.add(*(regex_tombstone(group.group_id, regex) for regex in regexes))
        kept = [each for regex, each in group.regexes.items() if regex not in regexes]
        names = group.topics_with(staying, kept)
        metadata_hash = self.steps.hashes.of_group(names, self.steps.topics)
        plan.add(epoch_record(group.group_id, group.epoch + 1, metadata_hash))
        plan.then(lambda now: [effect for each in leaving for effect in group.timers.forget(each)])
        return self._carry_out(plan, request, answer, refuse, now)

    def _downgrade_for(self, plan: Plan, joined: Joined, request: int, now: Now) -> list[Effect]:
        """A static member that speaks the classic protocol takes the place of the last one that did not."""
        group, member = plan.group, joined.member
        assert member is not None
        replaced = group.static_member(member.instance_id)
        assert replaced is not None
        staying = [each for each in group.members.values() if each is not replaced]
        records = [
            *plan.records,
            *consumer_tombstones(group, replaced=replaced.member_id, by=member.member_id),
        ]
        return self._downgrade(
            group, [*staying, member], records, joined.rebalances, request, joined.answer, _not_joined, now
        )

    def _downgrade(
        self,
        group: ConsumerGroup,
        staying: Iterable[ConsumerGroupMember],
        records: list[KeyValue],
        rebalances: bool,
        request: int,
        answer: Any,
        refuse: Refuse,
        now: Now,
    ) -> list[Effect]:
        classic = AdoptedClassicGroup(group.group_id, self._classic_config, self._tickets)
        downgrade(group, staying, classic, self.steps.topics, now)

        def stored(error: ErrorCode, now: Now) -> Iterable[Effect]:
            if error:
                return _replies(request, refuse(error))
            effects = self.die(group)
            self._make(group.group_id, classic)
            classic.adopted(now, rebalances=rebalances)
            return [*effects, *_replies(request, answer), *classic.take()]

        return [self._append(group.group_id, [*records, classic.record()], stored)]

    # ---- carrying out

    def _carry_out(self, plan: Plan, request: int, answer: Any, refuse: Refuse, now: Now) -> list[Effect]:
        records = [*plan.before, *plan.records]
        if not records:
            return [*plan.written(now), *_replies(request, answer)]
        group_id = plan.group.group_id

        def stored(error: ErrorCode, now: Now) -> Iterable[Effect]:
            if error:
                return _replies(request, refuse(error))
            effects: list[Effect] = []
            kind = self._kind(group_id)
            if kind is not plan.group:
                self._make(group_id, plan.group)
                if isinstance(kind, ClassicGroup):
                    # Those who wait are to join again, as members of a consumer group.
                    kind.die(ErrorCode.REBALANCE_IN_PROGRESS)
                    effects = kind.take()
            return [*effects, *plan.written(now), *_replies(request, answer)]

        return [self._append(group_id, records, stored)]

    def _kind(self, group_id: str) -> ClassicGroup | ConsumerGroup | None:
        group = self._groups.get(group_id)
        return None if group is None else group.kind


def _refused(error: ErrorCode, message: str | None = None) -> ConsumerHeartbeatAnswer:
    return ConsumerHeartbeatAnswer(error=error, message=message)


def _not_joined(error: ErrorCode) -> JoinAnswer:
    return JoinAnswer(error=error)


def _replies(request: int, answer: Any) -> list[Effect]:
    return [] if request == NOBODY else [Reply(request=request, answer=answer)]

"""All the groups that a broker coordinates: `step(event, now)` finds the group that an event is for.

A group comes into being with its first member or its first commit, and goes when nobody is in it and no offset of it is
left. There are two kinds, `ClassicGroup` and `ConsumerGroup`; what an event for one kind means to the other is decided
here, and in consumer_groups.py where one becomes the other.

Source: org.apache.kafka.coordinator.group.GroupCoordinatorShard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pykafka_core.coordinator.classic import ClassicGroup, GroupDescription, GroupState
from pykafka_core.coordinator.consumer_describe import check_commit, check_fetch, check_transactional
from pykafka_core.coordinator.consumer_events import (
    ConsumerEvent,
    ConsumerGroupConfig,
    ConsumerHeartbeat,
    DescribeConsumerGroup,
    RegexesResolved,
    TopicsChanged,
)
from pykafka_core.coordinator.consumer_group import ConsumerGroup
from pykafka_core.coordinator.consumer_groups import ConsumerGroups
from pykafka_core.coordinator.consumer_migration import consumer_tombstones
from pykafka_core.coordinator.consumer_steps import Times
from pykafka_core.coordinator.effects import Append, Effect, KeyValue, Reply
from pykafka_core.coordinator.events import (
    NO_MEMBER,
    Appended,
    CommitOffsets,
    CommittedOffset,
    DeleteGroup,
    DeleteOffsets,
    DescribeGroup,
    Event,
    ExpireOffsets,
    FetchOffsets,
    GroupConfig,
    Heartbeat,
    JoinAnswer,
    JoinGroup,
    LeaveAnswer,
    LeaveGroup,
    Now,
    OffsetsAnswer,
    SyncAnswer,
    SyncGroup,
    TimerFired,
    TopicPartition,
    TopicsDeleted,
    Unload,
)
from pykafka_core.coordinator.offsets import CommittedOffsets
from pykafka_core.coordinator.records import empty_group_record, group_tombstone
from pykafka_core.coordinator.transactional_commits import (
    CommitTransactionalOffsets,
    EndTransactionalOffsets,
    TransactionalCommits,
    check_classic_commit,
)
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.message import Record
from pykafka_core.protocol.records.group_coordinator.group_metadata_value import GroupMetadataValue

__all__ = ["Group", "GroupCoordinator"]

Then = Callable[[ErrorCode, Now], Iterable[Effect]]


class Group:
    """A group, whatever its kind, and its offsets."""

    __slots__ = ("kind", "offsets")

    def __init__(self, kind: ClassicGroup | ConsumerGroup, offsets: CommittedOffsets) -> None:
        self.kind = kind
        self.offsets: Final = offsets

    @property
    def type(self) -> str:
        return self.kind.TYPE

    @property
    def classic(self) -> ClassicGroup:
        """The group, which is known to be a classic one."""
        assert isinstance(self.kind, ClassicGroup)
        return self.kind


class GroupCoordinator:
    def __init__(
        self,
        config: GroupConfig,
        consumer_config: ConsumerGroupConfig | None = None,
        times: Times | None = None,
    ) -> None:
        """`times`: what holds for one consumer group at this moment; None: what holds for all."""
        self.config = config
        self.groups: Final[dict[str, Group]] = {}
        self._ticket = 0
        self._appending: Final[dict[int, Then]] = {}
        self.consumers: Final = ConsumerGroups(
            consumer_config or ConsumerGroupConfig(),
            times,
            classic=config,
            groups=self.groups,
            make=self._make,
            append=self._append,
            tickets=self._next_ticket,
        )
        self.transactional: Final = TransactionalCommits(
            find=self.groups.get, make=self._group, check=self._check_transactional, append=self._append
        )
        self._steps: Final[dict[type[object], Callable[..., list[Effect]]]] = {
            Heartbeat: self._heartbeat,
            ConsumerHeartbeat: self.consumers.heartbeat,
            CommitOffsets: self._commit,
            FetchOffsets: self._fetch,
            JoinGroup: self._join,
            SyncGroup: self._sync,
            LeaveGroup: self._leave,
            TimerFired: self._timer_fired,
            Appended: self._appended,
            DeleteOffsets: self._delete_offsets,
            ExpireOffsets: self._expire,
            TopicsChanged: self._topics_changed,
            TopicsDeleted: self._topics_deleted,
            RegexesResolved: self.consumers.regexes_resolved,
            DescribeGroup: self._describe,
            DescribeConsumerGroup: self._describe_consumer,
            DeleteGroup: self._delete,
            Unload: self._unload,
            CommitTransactionalOffsets: self.transactional.commit,
            EndTransactionalOffsets: self.transactional.end,
        }

    def step(
        self, event: Event | ConsumerEvent | CommitTransactionalOffsets | EndTransactionalOffsets, now: Now
    ) -> list[Effect]:
        return self._steps[type(event)](event, now)

    # ---- loading

    def load_group(self, group_id: str, value: GroupMetadataValue) -> None:
        self._group(group_id).classic.load(value)

    def load_consumer_group(self, group_id: str, records: Iterable[tuple[Record, Record]]) -> None:
        """`records`: the last value of each key."""
        group = self._group(group_id)
        if not isinstance(group.kind, ConsumerGroup):
            group.kind = ConsumerGroup(group_id)
        for key, value in records:
            group.kind.replay(key, value)

    def load_offsets(self, group_id: str, offsets: Mapping[TopicPartition, CommittedOffset]) -> None:
        self._group(group_id).offsets.committed.update(offsets)

    def loaded(self, group_ids: Iterable[str], now: Now) -> list[Effect]:
        """Everything about these groups is read; they may be used from here on."""
        effects: list[Effect] = []
        for group_id in group_ids:
            group = self.groups.get(group_id)
            if group is None:
                continue
            if isinstance(group.kind, ConsumerGroup):
                effects += self.consumers.loaded(group.kind, now)
            else:
                group.kind.loaded(now)
                effects += group.kind.take()
        return effects

    # ---- members

    def _join(self, event: JoinGroup, now: Now) -> list[Effect]:
        refusal = self._why_not_join(event)
        if refusal:
            return [Reply(request=event.request, answer=JoinAnswer(error=refusal, member_id=event.member_id))]
        is_new = event.group_id not in self.groups
        kind = self._group(event.group_id).kind
        if isinstance(kind, ConsumerGroup):
            return self.consumers.join(kind, event, now) if kind.members else self._join_emptied(kind, event, now)
        group = kind
        group.join(event, now)
        effects = group.take()
        if is_new:
            effects.append(self._found(event.group_id, group))
        return effects

    def _join_emptied(self, emptied: ConsumerGroup, event: JoinGroup, now: Now) -> list[Effect]:
        """A classic member joins a consumer group that nobody is in: it is a classic group from here on."""
        group_id = event.group_id

        def refuse(error: ErrorCode) -> Iterable[Effect]:
            return [Reply(request=event.request, answer=JoinAnswer(error=error, member_id=event.member_id))]

        def stored(error: ErrorCode, now: Now) -> Iterable[Effect]:
            if error:
                return refuse(error)
            group = ClassicGroup(group_id, self.config, self._next_ticket)
            self._make(group_id, group)
            group.join(event, now)
            return group.take()

        if event.member_id != NO_MEMBER:
            return list(refuse(ErrorCode.UNKNOWN_MEMBER_ID))
        records = [*consumer_tombstones(emptied), empty_group_record(group_id, now.wall_ms)]
        return [self._append(group_id, records, stored)]

    def _found(self, group_id: str, group: ClassicGroup) -> Append:
        """A group is in the log from its first member on, whatever came of it: after a restart it is there, empty."""

        def stored(error: ErrorCode, now: Now) -> Iterable[Effect]:
            return self._forget(group_id, error) if error else []

        return self._append(group_id, [empty_group_record(group_id, group.state_ms)], stored)

    def _why_not_join(self, event: JoinGroup) -> ErrorCode:
        if not event.group_id:
            return ErrorCode.INVALID_GROUP_ID
        config = self.config
        if not config.min_session_timeout_ms <= event.session_timeout_ms <= config.max_session_timeout_ms:
            return ErrorCode.INVALID_SESSION_TIMEOUT
        if event.group_id in self.groups:
            return ErrorCode.NONE
        return ErrorCode.NONE if event.member_id == NO_MEMBER else ErrorCode.UNKNOWN_MEMBER_ID

    def _member_group(self, group_id: str) -> Group | None:
        """A group that can have members: "" stands for offsets without membership only."""
        return self.groups.get(group_id) if group_id else None

    def _sync(self, event: SyncGroup, now: Now) -> list[Effect]:
        group = self._member_group(event.group_id)
        if group is None:
            return [Reply(request=event.request, answer=SyncAnswer(error=unknown(event.group_id)))]
        if isinstance(group.kind, ConsumerGroup):
            return self.consumers.sync(group.kind, event, now)
        group.kind.sync(event, now)
        return group.kind.take()

    def _heartbeat(self, event: Heartbeat, now: Now) -> list[Effect]:
        group = self._member_group(event.group_id)
        if group is None:
            return [Reply(request=event.request, answer=unknown(event.group_id))]
        if isinstance(group.kind, ConsumerGroup):
            return self.consumers.classic_heartbeat(group.kind, event, now)
        group.kind.heartbeat(event, now)
        return group.kind.take()

    def _leave(self, event: LeaveGroup, now: Now) -> list[Effect]:
        group = self._member_group(event.group_id)
        if group is None:
            error = unknown(event.group_id)
            answer = (
                LeaveAnswer(error=error)
                if error == ErrorCode.INVALID_GROUP_ID
                else LeaveAnswer(leavers=[(leaver, error) for leaver in event.leavers])
            )
            return [Reply(request=event.request, answer=answer)]
        if isinstance(group.kind, ConsumerGroup):
            return self.consumers.leave(group.kind, event, now)
        group.kind.leave(event, now)
        return group.kind.take()

    def _timer_fired(self, event: TimerFired, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        if group is None:
            return []
        if isinstance(group.kind, ConsumerGroup):
            return self.consumers.timer_fired(group.kind, event.timer, now)
        group.kind.timer_fired(event.timer, now, event.heard_ms)
        return group.kind.take()

    # ---- offsets

    def _commit(self, event: CommitOffsets, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        if group is None:
            # A consumer that is in no generation, or an administrator, needs no group to be there before.
            if event.generation >= 0:
                return [Reply(request=event.request, answer=event.unknown_group_error)]
            group = self._group(event.group_id)
        effects: list[Effect] = []
        if isinstance(group.kind, ConsumerGroup):
            error = check_commit(group.kind, event)
        else:
            error = group.kind.check_commit(event.member_id, event.instance_id, event.generation, now)
            effects = group.kind.take()
        if error:
            return [*effects, Reply(request=event.request, answer=error)]
        offsets = group.offsets
        answers, committed = offsets.plan_commit(event, now)
        if not committed:
            return [*effects, Reply(request=event.request, answer=answers)]

        def stored(error: ErrorCode, now: Now) -> Iterable[Effect]:
            if not error:
                offsets.put(committed)
            return [Reply(request=event.request, answer=commit_error(error) if error else answers)]

        effects.append(self._append(event.group_id, offsets.records(committed), stored))
        return effects

    def _check_transactional(self, event: CommitTransactionalOffsets) -> ErrorCode:
        kind = self.groups[event.group_id].kind
        if isinstance(kind, ConsumerGroup):
            return check_transactional(kind, event)
        return check_classic_commit(kind, event)

    def _fetch(self, event: FetchOffsets, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        error = ErrorCode.NONE
        if group is not None and isinstance(group.kind, ConsumerGroup):
            error = check_fetch(group.kind, event)
        if error:
            answer = OffsetsAnswer(error=error)
        elif group is not None:
            answer = group.offsets.fetch(event)
        else:
            answer = OffsetsAnswer(offsets=dict.fromkeys(event.partitions or ()))
        return [Reply(request=event.request, answer=answer)]

    def _delete_offsets(self, event: DeleteOffsets, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        if not event.group_id:
            return [Reply(request=event.request, answer=ErrorCode.INVALID_GROUP_ID)]
        if group is None or group.kind.state is GroupState.DEAD:
            return [Reply(request=event.request, answer=ErrorCode.GROUP_ID_NOT_FOUND)]
        subscribed: frozenset[str] = frozenset()
        if not group.kind.is_empty:
            topics = group.kind.subscribed_topics()
            if topics is None:
                return [Reply(request=event.request, answer=ErrorCode.NON_EMPTY_GROUP)]
            subscribed = topics
        offsets = group.offsets
        answers = {
            partition: ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if partition[0] in subscribed else ErrorCode.NONE
            for partition in event.partitions
        }
        gone = [each for each, error in answers.items() if not error and each in offsets]
        if not gone:
            return [Reply(request=event.request, answer=answers)]

        def stored(error: ErrorCode, now: Now) -> Iterable[Effect]:
            if not error:
                offsets.drop(gone)
            return [Reply(request=event.request, answer=error or answers)]

        return [self._append(event.group_id, offsets.tombstones(gone), stored)]

    def _topics_changed(self, event: TopicsChanged, now: Now) -> list[Effect]:
        self.consumers.topics_changed(event)
        return []

    def _topics_deleted(self, event: TopicsDeleted, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        return [] if group is None else self._drop(event.group_id, group, group.offsets.of_topics(event.topics))

    def _expire(self, event: ExpireOffsets, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        if group is None:
            return []
        expired = group.offsets.expired(group.kind, now)
        if len(expired) == len(group.offsets.committed) and group.kind.is_abandoned and not group.offsets.pending:
            return [self._append(event.group_id, self._end_of(event.group_id, group), self._bury(event.group_id))]
        return self._drop(event.group_id, group, expired)

    def _drop(self, group_id: str, group: Group, partitions: list[TopicPartition]) -> list[Effect]:
        if not partitions:
            return []

        def stored(error: ErrorCode, now: Now) -> Iterable[Effect]:
            if not error:
                group.offsets.drop(partitions)
            return []

        return [self._append(group_id, group.offsets.tombstones(partitions), stored)]

    # ---- the group as a whole

    def _describe(self, event: DescribeGroup, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        answer: GroupDescription | str
        if group is None:
            answer = f"Group {event.group_id} not found."
        elif isinstance(group.kind, ConsumerGroup):
            answer = f"Group {event.group_id} is not a classic group."
        else:
            answer = group.kind.describe()
        return [Reply(request=event.request, answer=answer)]

    def _describe_consumer(self, event: DescribeConsumerGroup, now: Now) -> list[Effect]:
        return self.consumers.describe(event)

    def _delete(self, event: DeleteGroup, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        if group is None:
            return [Reply(request=event.request, answer=ErrorCode.GROUP_ID_NOT_FOUND)]
        if not group.kind.is_empty:
            return [Reply(request=event.request, answer=ErrorCode.NON_EMPTY_GROUP)]
        bury = self._bury(event.group_id)

        def stored(error: ErrorCode, now: Now) -> Iterable[Effect]:
            return [*bury(error, now), Reply(request=event.request, answer=error)]

        return [self._append(event.group_id, self._end_of(event.group_id, group), stored)]

    def _end_of(self, group_id: str, group: Group) -> list[KeyValue]:
        kind = group.kind
        end = consumer_tombstones(kind) if isinstance(kind, ConsumerGroup) else [group_tombstone(group_id)]
        return [*group.offsets.tombstones(group.offsets.all_partitions()), *end]

    def _bury(self, group_id: str) -> Then:
        def stored(error: ErrorCode, now: Now) -> Iterable[Effect]:
            return [] if error else self._forget(group_id, ErrorCode.COORDINATOR_NOT_AVAILABLE)

        return stored

    def _unload(self, event: Unload, now: Now) -> list[Effect]:
        return self._forget(event.group_id, ErrorCode.NOT_COORDINATOR)

    def _forget(self, group_id: str, error: ErrorCode) -> list[Effect]:
        group = self.groups.pop(group_id, None)
        if group is None:
            return []
        if isinstance(group.kind, ConsumerGroup):
            return self.consumers.die(group.kind)
        group.kind.die(error)
        return group.kind.take()

    # ---- the log

    def _appended(self, event: Appended, now: Now) -> list[Effect]:
        then = self._appending.pop(event.ticket, None)
        if then is not None:
            return list(then(event.error, now))
        group = self.groups.get(event.group_id)
        if group is None or isinstance(group.kind, ConsumerGroup):
            return []
        group.kind.appended(event.ticket, event.error, now)
        return group.kind.take()

    def _append(self, group_id: str, records: list[KeyValue], then: Then) -> Append:
        ticket = self._next_ticket()
        self._appending[ticket] = then
        return Append(group_id=group_id, ticket=ticket, records=records)

    def _next_ticket(self) -> int:
        self._ticket += 1
        return self._ticket

    def _group(self, group_id: str) -> Group:
        group = self.groups.get(group_id)
        if group is None:
            self._make(group_id, ClassicGroup(group_id, self.config, self._next_ticket))
            group = self.groups[group_id]
        return group

    def _make(self, group_id: str, kind: ClassicGroup | ConsumerGroup) -> None:
        """A group comes into being, or becomes another one that keeps the offsets."""
        group = self.groups.get(group_id)
        if group is None:
            self.groups[group_id] = Group(kind, CommittedOffsets(group_id, self.config))
        else:
            group.kind = kind


def unknown(group_id: str) -> ErrorCode:
    """What a member is told whose group is not there."""
    return ErrorCode.UNKNOWN_MEMBER_ID if group_id else ErrorCode.INVALID_GROUP_ID


def commit_error(error: ErrorCode) -> ErrorCode:
    return ErrorCode.INVALID_COMMIT_OFFSET_SIZE if error == ErrorCode.MESSAGE_TOO_LARGE else error

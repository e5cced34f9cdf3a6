"""All the groups that a broker coordinates: `step(event, now)` finds the group that an event is for.

A group comes into being with its first member or its first commit, and goes when nobody is in it and no offset of it is
left. What an event of one kind of group means to another is decided here; so far there is one kind, `ClassicGroup`.

Source: org.apache.kafka.coordinator.group.GroupCoordinatorShard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pykafka_core.coordinator.classic import ClassicGroup, GroupState
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
from pykafka_core.protocol.records.group_coordinator.group_metadata_value import GroupMetadataValue

__all__ = ["Group", "GroupCoordinator"]

Then = Callable[[ErrorCode, Now], Iterable[Effect]]


class Group:
    """A group and its offsets."""

    __slots__ = ("classic", "offsets")

    def __init__(self, classic: ClassicGroup, offsets: CommittedOffsets) -> None:
        self.classic: Final = classic
        self.offsets: Final = offsets

    @property
    def type(self) -> str:
        return self.classic.TYPE


class GroupCoordinator:
    def __init__(self, config: GroupConfig) -> None:
        self.config = config
        self.groups: Final[dict[str, Group]] = {}
        self._ticket = 0
        self._appending: Final[dict[int, Then]] = {}
        self.transactional: Final = TransactionalCommits(
            find=self.groups.get, make=self._group, check=self._check_transactional, append=self._append
        )
        self._steps: Final[dict[type[object], Callable[..., list[Effect]]]] = {
            Heartbeat: self._heartbeat,
            CommitOffsets: self._commit,
            FetchOffsets: self._fetch,
            JoinGroup: self._join,
            SyncGroup: self._sync,
            LeaveGroup: self._leave,
            TimerFired: self._timer_fired,
            Appended: self._appended,
            DeleteOffsets: self._delete_offsets,
            ExpireOffsets: self._expire,
            TopicsDeleted: self._topics_deleted,
            DescribeGroup: self._describe,
            DeleteGroup: self._delete,
            Unload: self._unload,
            CommitTransactionalOffsets: self.transactional.commit,
            EndTransactionalOffsets: self.transactional.end,
        }

    def step(self, event: Event | CommitTransactionalOffsets | EndTransactionalOffsets, now: Now) -> list[Effect]:
        return self._steps[type(event)](event, now)

    # ---- loading

    def load_group(self, group_id: str, value: GroupMetadataValue) -> None:
        self._group(group_id).classic.load(value)

    def load_offsets(self, group_id: str, offsets: Mapping[TopicPartition, CommittedOffset]) -> None:
        self._group(group_id).offsets.committed.update(offsets)

    def loaded(self, group_ids: Iterable[str], now: Now) -> list[Effect]:
        """Everything about these groups is read; they may be used from here on."""
        effects: list[Effect] = []
        for group_id in group_ids:
            group = self.groups.get(group_id)
            if group is not None:
                group.classic.loaded(now)
                effects += group.classic.take()
        return effects

    # ---- members

    def _join(self, event: JoinGroup, now: Now) -> list[Effect]:
        refusal = self._why_not_join(event)
        if refusal:
            return [Reply(request=event.request, answer=JoinAnswer(error=refusal, member_id=event.member_id))]
        is_new = event.group_id not in self.groups
        group = self._group(event.group_id).classic
        group.join(event, now)
        effects = group.take()
        if is_new:
            effects.append(self._found(event.group_id, group))
        return effects

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
        group.classic.sync(event, now)
        return group.classic.take()

    def _heartbeat(self, event: Heartbeat, now: Now) -> list[Effect]:
        group = self._member_group(event.group_id)
        if group is None:
            return [Reply(request=event.request, answer=unknown(event.group_id))]
        group.classic.heartbeat(event, now)
        return group.classic.take()

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
        group.classic.leave(event, now)
        return group.classic.take()

    def _timer_fired(self, event: TimerFired, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        if group is None:
            return []
        group.classic.timer_fired(event.timer, now, event.heard_ms)
        return group.classic.take()

    # ---- offsets

    def _commit(self, event: CommitOffsets, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        if group is None:
            # A consumer that is in no generation, or an administrator, needs no group to be there before.
            if event.generation >= 0:
                return [Reply(request=event.request, answer=event.unknown_group_error)]
            group = self._group(event.group_id)
        error = group.classic.check_commit(event.member_id, event.instance_id, event.generation, now)
        effects = group.classic.take()
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
        return check_classic_commit(self.groups[event.group_id].classic, event)

    def _fetch(self, event: FetchOffsets, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        if group is not None:
            answer = group.offsets.fetch(event)
        else:
            answer = OffsetsAnswer(offsets=dict.fromkeys(event.partitions or ()))
        return [Reply(request=event.request, answer=answer)]

    def _delete_offsets(self, event: DeleteOffsets, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        if not event.group_id:
            return [Reply(request=event.request, answer=ErrorCode.INVALID_GROUP_ID)]
        if group is None or group.classic.state is GroupState.DEAD:
            return [Reply(request=event.request, answer=ErrorCode.GROUP_ID_NOT_FOUND)]
        subscribed: frozenset[str] = frozenset()
        if group.classic.state is not GroupState.EMPTY:
            topics = group.classic.subscribed_topics()
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

    def _topics_deleted(self, event: TopicsDeleted, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        return [] if group is None else self._drop(event.group_id, group, group.offsets.of_topics(event.topics))

    def _expire(self, event: ExpireOffsets, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        if group is None:
            return []
        expired = group.offsets.expired(group.classic, now)
        if len(expired) == len(group.offsets.committed) and group.classic.is_abandoned and not group.offsets.pending:
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
        return [Reply(request=event.request, answer=None if group is None else group.classic.describe())]

    def _delete(self, event: DeleteGroup, now: Now) -> list[Effect]:
        group = self.groups.get(event.group_id)
        if group is None:
            return [Reply(request=event.request, answer=ErrorCode.GROUP_ID_NOT_FOUND)]
        if group.classic.state is not GroupState.EMPTY:
            return [Reply(request=event.request, answer=ErrorCode.NON_EMPTY_GROUP)]
        bury = self._bury(event.group_id)

        def stored(error: ErrorCode, now: Now) -> Iterable[Effect]:
            return [*bury(error, now), Reply(request=event.request, answer=error)]

        return [self._append(event.group_id, self._end_of(event.group_id, group), stored)]

    def _end_of(self, group_id: str, group: Group) -> list[KeyValue]:
        return [*group.offsets.tombstones(group.offsets.all_partitions()), group_tombstone(group_id)]

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
        group.classic.die(error)
        return group.classic.take()

    # ---- the log

    def _appended(self, event: Appended, now: Now) -> list[Effect]:
        then = self._appending.pop(event.ticket, None)
        if then is not None:
            return list(then(event.error, now))
        group = self.groups.get(event.group_id)
        if group is None:
            return []
        group.classic.appended(event.ticket, event.error, now)
        return group.classic.take()

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
            group = self.groups[group_id] = Group(
                ClassicGroup(group_id, self.config, self._next_ticket), CommittedOffsets(group_id, self.config)
            )
        return group


def unknown(group_id: str) -> ErrorCode:
    """What a member is told whose group is not there."""
    return ErrorCode.UNKNOWN_MEMBER_ID if group_id else ErrorCode.INVALID_GROUP_ID


def commit_error(error: ErrorCode) -> ErrorCode:
    return ErrorCode.INVALID_COMMIT_OFFSET_SIZE if error == ErrorCode.MESSAGE_TOO_LARGE else error

"""One classic consumer group: members join, one generation follows the other, a leader assigns.

    Empty ------------ a member joins ------------> PreparingRebalance
    PreparingRebalance  all have joined, or time is up --> CompletingRebalance   (nobody left: Empty)
    CompletingRebalance the leader has assigned --------> Stable
    CompletingRebalance, Stable   a member comes, goes, changes --> PreparingRebalance
    any ------------- deleted or moved away --------> Dead

Invariants:
  1. A generation has one leader, one protocol that all its members know, and one assignment; its number never comes
     again.
  2. Nobody is told an assignment before it is in the log.
  3. A request is answered just once, also where its member is removed, replaced or heard of anew.
  4. An instance id belongs to at most one member (KIP-345).

A member's deadline moves with each sign of life, but its timer is set anew only when it has run out: a heartbeat costs
no timer. Most heartbeats are not even told here (OpenHeartbeats), from the end of the phase of joining on until the
next one begins. Whoever takes a group out of use lets it die. Source: KIP-62, KIP-345, KIP-394, KIP-559, KIP-814;
org.apache.kafka.coordinator.group.GroupMetadataManager and .classic.ClassicGroup.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from pykafka_core._dataclass import dataclass, replace
from pykafka_core.coordinator.effects import (
    Append,
    CancelTimer,
    CloseHeartbeats,
    Effect,
    KeyValue,
    OpenHeartbeats,
    Reply,
    StartTimer,
    Timer,
)
from pykafka_core.coordinator.events import (
    NO_MEMBER,
    GroupConfig,
    Heartbeat,
    JoinAnswer,
    JoinGroup,
    LeaveAnswer,
    LeaveGroup,
    Leaver,
    MemberDescription,
    Now,
    SyncAnswer,
    SyncGroup,
)
from pykafka_core.coordinator.member import Member
from pykafka_core.coordinator.membership import Membership, Said
from pykafka_core.coordinator.records import group_record, loaded_members
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.records.group_coordinator.group_metadata_value import GroupMetadataValue

__all__ = ["ClassicGroup", "GroupDescription", "GroupState"]

NEW_MEMBER_TIMEOUT_MS: Final = 300_000
"""How long a new member may wait for its first generation: its client may be gone and nobody would know."""

JOIN: Final[Timer] = ("join", "")
SYNC: Final[Timer] = ("sync", "")


class GroupState(StrEnum):
    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


EMPTY, PREPARING, COMPLETING, STABLE, DEAD = GroupState


@dataclass(slots=True, frozen=True, kw_only=True)
class GroupDescription:
    state: GroupState
    protocol_type: str
    protocol_name: str
    members: Sequence[MemberDescription]


class ClassicGroup:
    TYPE: Final = "classic"

    def __init__(self, group_id: str, config: GroupConfig, tickets: Callable[[], int]) -> None:
        """`tickets` gives each `Append` its number."""
        self.group_id: Final = group_id
        self._config: Final = config
        self._tickets: Final = tickets
        self.state = EMPTY
        self.state_ms = -1
        """When the state was last entered, milliseconds since the epoch; -1: never left the first one."""
        self.generation = 0
        self.protocol_name: str | None = None
        self.members = Membership()
        self._awaited_syncs: Final[set[str]] = set()
        self._was_empty = False
        """The state before PreparingRebalance was Empty."""
        self._came_meanwhile = False
        self._initial_delay_ms = 0
        self._initial_rest_ms = 0
        self._timers: Final[dict[str, int]] = {}
        """When the session timer of a member goes off."""
        self._appending: Final[dict[int, Callable[[ErrorCode, Now], None]]] = {}
        self._out: list[Effect] = []

    def take(self) -> list[Effect]:
        """The effects since the last call."""
        out, self._out = self._out, []
        return out

    # ---- requests

    def join(self, event: JoinGroup, now: Now) -> None:
        if self.state is DEAD:
            self._refuse_join(event, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        elif not self._has_room_for(event.member_id):
            if event.member_id in self.members:
                self._discard(self.members[event.member_id], ErrorCode.GROUP_MAX_SIZE_REACHED)
            self._refuse_join(event, ErrorCode.GROUP_MAX_SIZE_REACHED, NO_MEMBER)
        elif not self._can_take(event.protocol_type, event.protocols):
            self._refuse_join(event, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        elif event.member_id != NO_MEMBER:
            self._join_known(event, now)
        elif event.instance_id is not None:
            old = self.members.static.get(event.instance_id)
            if old is None:
                self._add(event, event.fresh_id, now)
            else:
                self._replace_static(event, self.members[old], now)
        elif event.require_known_member_id:
            self.members.pending.add(event.fresh_id)
            self._start(("session", event.fresh_id), event.session_timeout_ms)
            self._reply(event.request, JoinAnswer(error=ErrorCode.MEMBER_ID_REQUIRED, member_id=event.fresh_id))
        else:
            self._add(event, event.fresh_id, now)

    def _join_known(self, event: JoinGroup, now: Now) -> None:
        if event.member_id in self.members.pending:
            if event.instance_id is not None:
                self._refuse_join(event, ErrorCode.UNKNOWN_MEMBER_ID)
            else:
                self._add(event, event.member_id, now)
            return
        error = self.check_member(event.member_id, event.instance_id)
        if error:
            self._refuse_join(event, error)
            return
        member = self.members[event.member_id]
        unchanged = member.says_the_same(event.protocols)
        if self.state is EMPTY:
            self._refuse_join(event, ErrorCode.UNKNOWN_MEMBER_ID)
        elif (self.state is COMPLETING and unchanged) or (
            self.state is STABLE and unchanged and event.member_id != self.members.leader
        ):
            # It missed the answer to its JoinGroup, or asks again without a reason: its generation is this one.
            self._reply(event.request, self._joined(member))
        else:
            self._update(member, event)
            self._touch(member, member.session_timeout_ms, now)
            self._rebalance_if_possible(now)

    def sync(self, event: SyncGroup, now: Now) -> None:
        error = self._check_sync(event)
        if error:
            self._reply(event.request, SyncAnswer(error=error))
            return
        member = self.members[event.member_id]
        match self.state:
            case GroupState.PREPARING_REBALANCE:
                self._reply(event.request, SyncAnswer(error=ErrorCode.REBALANCE_IN_PROGRESS))
            case GroupState.COMPLETING_REBALANCE:
                self._synced(member.member_id)
                self._answer_sync(member, SyncAnswer(error=ErrorCode.REBALANCE_IN_PROGRESS))
                member.sync_request = event.request
                if member.member_id == self.members.leader:
                    self._store_assignment(event)
            case _:
                self._synced(member.member_id)
                self._touch(member, member.session_timeout_ms, now)
                self._reply(event.request, self._assigned(member))

    def _check_sync(self, event: SyncGroup) -> ErrorCode:
        if self.state is DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        error = self.check_member(event.member_id, event.instance_id)
        if error:
            return error
        if event.generation != self.generation:
            return ErrorCode.ILLEGAL_GENERATION
        if event.protocol_type not in (None, self.members.protocol_type) or event.protocol_name not in (
            None,
            self.protocol_name,
        ):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        return ErrorCode.NONE

    def heartbeat(self, event: Heartbeat, now: Now) -> None:
        self._reply(event.request, self._heard_of(event, now))

    def _heard_of(self, event: Heartbeat, now: Now) -> ErrorCode:
        if self.state is DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        error = self.check_member(event.member_id, event.instance_id)
        if error:
            return error
        if event.generation != self.generation:
            return ErrorCode.ILLEGAL_GENERATION
        member = self.members[event.member_id]
        self._touch(member, member.session_timeout_ms, now)
        return ErrorCode.REBALANCE_IN_PROGRESS if self.state is PREPARING else ErrorCode.NONE

    def leave(self, event: LeaveGroup, now: Now) -> None:
        outcomes = [(leaver, self._leave_one(leaver)) for leaver in event.leavers]
        self._reply(event.request, LeaveAnswer(leavers=outcomes))
        if any(error == ErrorCode.NONE for _, error in outcomes):
            self._after_loss(now)

    def _leave_one(self, leaver: Leaver) -> ErrorCode:
        member_id = leaver.member_id
        if member_id == NO_MEMBER:
            # An administrator removes a static member, by the name it keeps.
            if leaver.instance_id is None or leaver.instance_id not in self.members.static:
                return ErrorCode.UNKNOWN_MEMBER_ID
            member_id = self.members.static[leaver.instance_id]
        elif member_id in self.members.pending:
            self._forget_pending(member_id)
            return ErrorCode.NONE
        else:
            error = self.check_member(member_id, leaver.instance_id)
            if error:
                return error
        self._discard(self.members[member_id], ErrorCode.UNKNOWN_MEMBER_ID)
        return ErrorCode.NONE

    def check_commit(self, member_id: str, instance_id: str | None, generation: int, now: Now) -> ErrorCode:
        """Whether this member may commit offsets in this generation. It counts as a sign of life."""
        if self.state is DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        if generation < 0 and self.state is EMPTY:
            return ErrorCode.NONE  # a consumer, or an administrator, that does without group membership
        if generation < 0 and member_id == NO_MEMBER and instance_id is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        error = self.check_member(member_id, instance_id)
        if error:
            return error
        if generation != self.generation:
            return ErrorCode.ILLEGAL_GENERATION
        if self.state is COMPLETING:
            # The member has this generation from the answer to its JoinGroup, but not yet its partitions.
            return ErrorCode.REBALANCE_IN_PROGRESS
        member = self.members[member_id]
        self._touch(member, member.session_timeout_ms, now)
        return ErrorCode.NONE

    def check_member(self, member_id: str, instance_id: str | None) -> ErrorCode:
        if instance_id is not None:
            holder = self.members.static.get(instance_id)
            if holder is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if holder != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        return ErrorCode.NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    def describe(self) -> GroupDescription:
        stable = self.state is STABLE
        return GroupDescription(
            state=self.state,
            protocol_type=self.members.protocol_type or "",
            protocol_name=(self.protocol_name or "") if stable else "",
            members=[
                MemberDescription(
                    member_id=member.member_id,
                    instance_id=member.instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    metadata=member.metadata(self.protocol_name) if stable else b"",
                    assignment=member.assignment,
                )
                for member in self.members.all()
            ],
        )

    # ---- time and the log

    def timer_fired(self, timer: Timer, now: Now, heard_ms: int = -1) -> None:
        purpose, member_id = timer
        if purpose == "session":
            self._session_timer_fired(member_id, now, heard_ms)
        elif purpose == "join" and self.state is PREPARING:
            if self._was_empty and self._came_meanwhile and self._initial_rest_ms > 0:
                self._came_meanwhile = False
                delay = min(self._config.initial_rebalance_delay_ms, self._initial_rest_ms)
                self._initial_rest_ms = max(self._initial_rest_ms - self._initial_delay_ms, 0)
                self._initial_delay_ms = delay
                self._start(JOIN, delay)
            else:
                self._complete_join(now)
        elif purpose == "sync" and self.state in (COMPLETING, STABLE) and self._awaited_syncs:
            for late in list(self._awaited_syncs):
                self._discard(self.members[late], ErrorCode.UNKNOWN_MEMBER_ID)
            self._prepare_rebalance(now)

    def _session_timer_fired(self, member_id: str, now: Now, heard_ms: int) -> None:
        self._timers.pop(member_id, None)
        if member_id in self.members.pending:
            self.members.pending.discard(member_id)
            self._after_expiry(now, rebalance=False)
            return
        member = self.members.get(member_id)
        if member is None or (member.is_waiting and not member.is_new):
            return
        member.deadline_ms = max(member.deadline_ms, heard_ms + member.session_timeout_ms)
        if member.deadline_ms > now.clock_ms:
            self._set_session_timer(member, now)
            return
        self._discard(member, ErrorCode.UNKNOWN_MEMBER_ID)
        self._after_expiry(now, rebalance=True)

    def appended(self, ticket: int, error: ErrorCode, now: Now) -> None:
        then = self._appending.pop(ticket, None)
        if then is not None and self.state is not DEAD:
            then(error, now)

    def load(self, value: GroupMetadataValue) -> None:
        """Take over what a record says: the latest that the log has of this group."""
        self.members = Membership()
        for member in loaded_members(value):
            self.members.put(member)
        self.state = STABLE if self.members else EMPTY
        self.state_ms = value.current_state_timestamp
        self.generation = value.generation
        self.members.protocol_type = value.protocol_type or None
        self.protocol_name = value.protocol or None
        if value.leader in self.members:
            self.members.leader = value.leader

    def loaded(self, now: Now) -> None:
        """All records are read: from here on members must show signs of life again."""
        for member in self.members.all():
            self._touch(member, member.session_timeout_ms, now)
        if self.members:
            self._open_heartbeats()
        if len(self.members) > self._config.max_size:
            self._prepare_rebalance(now)

    def die(self, error: ErrorCode) -> None:
        """Answer whoever waits with this error; nothing happens here any more."""
        for member in self.members.all():
            self._discard(member, error)
        for member_id in list(self.members.pending):
            self._forget_pending(member_id)
        self._out += [CancelTimer(group_id=self.group_id, timer=JOIN), CancelTimer(group_id=self.group_id, timer=SYNC)]
        self._out.append(CloseHeartbeats(group_id=self.group_id, forget=True))
        self.state = DEAD

    # ---- what others ask

    @property
    def is_empty(self) -> bool:
        return self.state is EMPTY

    @property
    def is_abandoned(self) -> bool:
        """Nobody is in it and nobody is about to come."""
        return self.state is EMPTY and not self.members.pending

    def subscribed_topics(self) -> frozenset[str] | None:
        """The topics that any member subscribes to; None where that cannot be told."""
        return self.members.subscribed_topics(self.protocol_name)

    @property
    def protocol_type(self) -> str | None:
        return self.members.protocol_type

    # ---- members

    def _can_take(self, protocol_type: str, protocols: Sequence[tuple[str, bytes]]) -> bool:
        """Whether one who knows these protocols can be a member beside those who are."""
        if self.state is EMPTY:
            return bool(protocol_type and protocols)
        return self.members.can_take(protocol_type, protocols)

    def _has_room_for(self, member_id: str) -> bool:
        if self.state in (EMPTY, DEAD):
            return True
        if self.state is PREPARING:
            return member_id in self.members.joining or len(self.members.joining) < self._config.max_size
        return member_id in self.members or len(self.members) < self._config.max_size

    def _add(self, event: JoinGroup, member_id: str, now: Now) -> None:
        self.members.pending.discard(member_id)
        member = Member(
            member_id=member_id,
            instance_id=event.instance_id,
            client_id=event.client_id,
            client_host=event.client_host,
            session_timeout_ms=event.session_timeout_ms,
            rebalance_timeout_ms=event.rebalance_timeout_ms,
            protocol_type=event.protocol_type,
            protocols=tuple(event.protocols),
            is_new=True,
        )
        if self.state is PREPARING and self._was_empty:
            self._came_meanwhile = True
        self.members.put(member)
        member.join_request = event.request
        self.members.joining.add(member_id)
        # While it waits for its first generation it sends no heartbeats; the new deadline replaces the one it had
        # when it was pending.
        self._timers.pop(member_id, None)
        self._touch(member, NEW_MEMBER_TIMEOUT_MS, now)
        self._rebalance_if_possible(now)

    def _update(self, member: Member, event: JoinGroup) -> None:
        """It joins again, and may say something else than before."""
        self.members.say(member, (tuple(event.protocols), event.session_timeout_ms, event.rebalance_timeout_ms))
        self._answer_join(member, JoinAnswer(error=ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.member_id))
        member.join_request = event.request
        self.members.joining.add(member.member_id)

    def _discard(self, member: Member, error: ErrorCode) -> None:
        """Take a member out. Its open requests are answered with `error`."""
        self._answer_join(member, JoinAnswer(error=error))
        self._answer_sync(member, SyncAnswer(error=error))
        self.members.remove(member)
        self._synced(member.member_id)
        self._cancel_session_timer(member.member_id)

    def _forget_pending(self, member_id: str) -> None:
        self.members.pending.discard(member_id)
        self._cancel(("session", member_id))

    def _replace_static(self, event: JoinGroup, member: Member, now: Now) -> None:
        """A static member is back under a new member id; the old one is fenced (KIP-345)."""
        leader_before = self.members.leader
        old_id = member.member_id
        before = (member.protocols, member.session_timeout_ms, member.rebalance_timeout_ms)
        self._rename(member, event.fresh_id)
        self._update(member, event)
        self._touch(member, member.session_timeout_ms, now)
        if self.state is COMPLETING:
            self._prepare_rebalance(now)
        elif self.state is not STABLE:
            self._complete_if_all_joined(now)
        elif self.members.elect_protocol() != self.protocol_name:
            self._rebalance_if_possible(now)
        else:
            self._store_replaced(member, event, old_id, leader_before, before, now)

    def _store_replaced(
        self, member: Member, event: JoinGroup, old_id: str, leader_before: str | None, before: Said, now: Now
    ) -> None:
        """The generation goes on: what changes is the member's name, and the log must know it first."""
        generation = self.generation

        def stored(error: ErrorCode, now: Now) -> None:
            if member.member_id not in self.members or self.state is not STABLE or generation != self.generation:
                return
            if error:
                self._answer_join(member, JoinAnswer(error=error, leader=leader_before or NO_MEMBER))
                self.members.say(member, before)
                self._rename(member, old_id)
                self._touch(member, member.session_timeout_ms, now)
                return
            joined = self._joined(member)
            if event.supports_skipping_assignment:
                joined = replace(joined, skip_assignment=member.member_id == self.members.leader)
            else:
                # Told its old name as the leader's, it will not assign, which only a rebalance calls for.
                joined = replace(joined, leader=leader_before or NO_MEMBER, members=())
            self._answer_join(member, joined)

        self._append(self._record({each.member_id: each.assignment for each in self.members.all()}), stored)

    def _rename(self, member: Member, new_id: str) -> None:
        self._answer_join(member, JoinAnswer(error=ErrorCode.FENCED_INSTANCE_ID, member_id=member.member_id))
        self._answer_sync(member, SyncAnswer(error=ErrorCode.FENCED_INSTANCE_ID))
        old_id = member.member_id
        self._cancel_session_timer(old_id)
        self.members.rename(member, new_id)
        if self.state in (COMPLETING, STABLE):
            self._open_heartbeats()
        if old_id in self._awaited_syncs:
            self._awaited_syncs.discard(old_id)
            self._awaited_syncs.add(new_id)

    # ---- rebalances

    def _rebalance_if_possible(self, now: Now) -> None:
        if self.state in (STABLE, COMPLETING, EMPTY):
            self._prepare_rebalance(now)
        else:
            self._complete_if_all_joined(now)

    def _after_loss(self, now: Now) -> None:
        """A member is gone."""
        if self.state in (STABLE, COMPLETING):
            self._prepare_rebalance(now)
        elif self.state is PREPARING:
            self._complete_if_all_joined(now)

    def _after_expiry(self, now: Now, *, rebalance: bool) -> None:
        """Somebody was waited for too long. Those who have joined wait no longer, not even for the first generation."""
        if self.state is PREPARING:
            if self.members.all_joined:
                self._complete_join(now)
        elif rebalance and self.state in (STABLE, COMPLETING):
            self._prepare_rebalance(now)

    def _prepare_rebalance(self, now: Now) -> None:
        if self.state is COMPLETING:
            self._withdraw_assignments(ErrorCode.REBALANCE_IN_PROGRESS, now)
        self._cancel(SYNC)
        self._out.append(CloseHeartbeats(group_id=self.group_id))
        self._awaited_syncs.clear()
        self._was_empty = self.state is EMPTY
        self._enter(PREPARING, now)
        if self._was_empty:
            # Members of a new group come one after the other: wait for them a little, rather than to rebalance for
            # each.
            self._came_meanwhile = False
            self._initial_delay_ms = self._config.initial_rebalance_delay_ms
            self._initial_rest_ms = max(self.members.rebalance_timeout_ms - self._initial_delay_ms, 0)
            self._start(JOIN, self._initial_delay_ms)
        elif self.members.all_joined:
            self._complete_join(now)
        else:
            self._start(JOIN, self.members.rebalance_timeout_ms)

    def _complete_if_all_joined(self, now: Now) -> None:
        if self.state is PREPARING and not self._was_empty and self.members.all_joined:
            self._complete_join(now)

    def _complete_join(self, now: Now) -> None:
        """End the phase of joining: who has not joined is out, the rest is the next generation."""
        self._cancel(JOIN)
        for member in self.members.all():
            # A static member keeps its place until its session ends (KIP-345).
            if member.join_request is None and member.instance_id is None:
                self._discard(member, ErrorCode.UNKNOWN_MEMBER_ID)
        if self.members and not self.members.elect_leader():
            # Nobody but static members that are away: their sessions will tell.
            self._start(JOIN, self.members.rebalance_timeout_ms)
            return
        self.generation += 1
        if not self.members:
            self.protocol_name = None
            self.members.leader = None
            self._enter(EMPTY, now)
            self._out.append(CloseHeartbeats(group_id=self.group_id, forget=True))
            # Should this not reach the log, the group merely comes back with members whose sessions then end.
            self._append(self._record({}), lambda error, now: None)
            return
        self.protocol_name = self.members.elect_protocol()
        self._enter(COMPLETING, now)
        for member in self.members.all():
            self._answer_join(member, self._joined(member))
            member.is_new = False
            self._touch(member, member.session_timeout_ms, now)
        self._awaited_syncs.update(each.member_id for each in self.members.all())
        self._open_heartbeats()
        self._start(SYNC, self.members.rebalance_timeout_ms)

    def _store_assignment(self, event: SyncGroup) -> None:
        """The leader has assigned: when the log has it, everybody is told."""
        generation = self.generation
        assignments = {
            member.member_id: event.assignments.get(member.member_id, b"") for member in self.members.all()
        }

        def stored(error: ErrorCode, now: Now) -> None:
            if self.state is not COMPLETING or generation != self.generation:
                return
            if error:
                self._withdraw_assignments(error, now)
                self._rebalance_if_possible(now)
                return
            self._enter(STABLE, now)
            for member in self.members.all():
                member.assignment = assignments.get(member.member_id, b"")
                if member.sync_request is not None:
                    self._answer_sync(member, self._assigned(member))
                    self._touch(member, member.session_timeout_ms, now)

        self._append(self._record(assignments), stored)

    def _withdraw_assignments(self, error: ErrorCode, now: Now) -> None:
        for member in self.members.all():
            member.assignment = b""
            if member.sync_request is not None:
                self._answer_sync(member, SyncAnswer(error=error))
                self._touch(member, member.session_timeout_ms, now)

    def _synced(self, member_id: str) -> None:
        if member_id in self._awaited_syncs:
            self._awaited_syncs.discard(member_id)
            if not self._awaited_syncs:
                self._cancel(SYNC)

    def _enter(self, state: GroupState, now: Now) -> None:
        self.state = state
        self.state_ms = now.wall_ms

    # ---- answers and effects

    def _joined(self, member: Member) -> JoinAnswer:
        is_leader = member.member_id == self.members.leader
        return JoinAnswer(
            member_id=member.member_id,
            generation=self.generation,
            protocol_type=self.members.protocol_type,
            protocol_name=self.protocol_name,
            leader=self.members.leader or NO_MEMBER,
            members=[
                (each.member_id, each.instance_id, each.metadata(self.protocol_name)) for each in self.members.all()
            ]
            if is_leader
            else (),
        )

    def _assigned(self, member: Member) -> SyncAnswer:
        return SyncAnswer(
            protocol_type=self.members.protocol_type, protocol_name=self.protocol_name, assignment=member.assignment
        )

    def _refuse_join(self, event: JoinGroup, error: ErrorCode, member_id: str | None = None) -> None:
        self._reply(
            event.request, JoinAnswer(error=error, member_id=event.member_id if member_id is None else member_id)
        )

    def _answer_join(self, member: Member, answer: JoinAnswer) -> None:
        self.members.joining.discard(member.member_id)
        if member.join_request is not None:
            self._reply(member.join_request, answer)
            member.join_request = None

    def _answer_sync(self, member: Member, answer: SyncAnswer) -> None:
        if member.sync_request is not None:
            self._reply(member.sync_request, answer)
            member.sync_request = None

    def _reply(self, request: int, answer: object) -> None:
        self._out.append(Reply(request=request, answer=answer))

    def _append(self, record: KeyValue, then: Callable[[ErrorCode, Now], None]) -> None:
        ticket = self._tickets()
        self._appending[ticket] = then
        self._out.append(Append(group_id=self.group_id, ticket=ticket, records=(record,)))

    def _record(self, assignments: dict[str, bytes]) -> KeyValue:
        return group_record(
            self.group_id,
            protocol_type=self.members.protocol_type,
            generation=self.generation,
            protocol_name=self.protocol_name,
            leader=self.members.leader,
            state_ms=self.state_ms,
            members=[(member, assignments.get(member.member_id, b"")) for member in self.members.all()],
        )

    # ---- timers

    def _open_heartbeats(self) -> None:
        members = [(each.member_id, each.instance_id) for each in self.members.all()]
        self._out.append(OpenHeartbeats(group_id=self.group_id, generation=self.generation, members=members))

    def _touch(self, member: Member, timeout_ms: int, now: Now) -> None:
        """A sign of life: the member has this long from now."""
        member.deadline_ms = now.clock_ms + timeout_ms
        due = self._timers.get(member.member_id)
        if due is None or due > member.deadline_ms:
            self._set_session_timer(member, now)

    def _set_session_timer(self, member: Member, now: Now) -> None:
        self._timers[member.member_id] = member.deadline_ms
        self._start(("session", member.member_id), member.deadline_ms - now.clock_ms)

    def _cancel_session_timer(self, member_id: str) -> None:
        if self._timers.pop(member_id, None) is not None:
            self._cancel(("session", member_id))

    def _start(self, timer: Timer, delay_ms: int) -> None:
        self._out.append(StartTimer(group_id=self.group_id, timer=timer, delay_ms=delay_ms))

    def _cancel(self, timer: Timer) -> None:
        self._out.append(CancelTimer(group_id=self.group_id, timer=timer))

"""A world for the group coordinator: a clock that is moved by hand, timers, a log in memory, members with names.

`Play` runs effects as the broker does, and writes down what members are told and what the log takes, in words. It is
what scripts (script.py) and the random life (test_groups_machine.py) stand on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pykafka_core.coordinator.effects import (
    Append,
    CancelTimer,
    CloseHeartbeats,
    Effect,
    OpenHeartbeats,
    Reply,
    StartTimer,
    Timer,
)
from pykafka_core.coordinator.events import (
    Appended,
    CommitOffsets,
    CommittedOffset,
    GroupConfig,
    Heartbeat,
    JoinAnswer,
    JoinGroup,
    LeaveAnswer,
    LeaveGroup,
    Leaver,
    Now,
    OffsetsAnswer,
    SyncAnswer,
    SyncGroup,
    TimerFired,
)
from pykafka_core.coordinator.groups import GroupCoordinator
from pykafka_core.coordinator.records import loaded_offset
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.records.group_coordinator.group_metadata_key import GroupMetadataKey

WALL_START_MS = 1_700_000_000_000


class Play:
    def __init__(self, group_id: str = "g", **config: int) -> None:
        self.group_id = group_id
        self.config = GroupConfig(**config)
        self.coordinator = GroupCoordinator(self.config)
        self.clock_ms = 0
        self.timers: dict[tuple[str, Timer], int] = {}
        self.disk_error = ErrorCode.NONE
        self.log: dict[tuple[Any, ...], Any] = {}
        """The last value of each key."""
        self.said: list[str] = []
        self.answers: dict[int, Any] = {}
        """Each request's answer; a second one is a mistake that is noticed here."""
        self.asked: dict[int, str] = {}
        self.ids: dict[str, str] = {}
        """The member id that a name was last told."""
        self.fresh = 0
        self.open: tuple[int, dict[str, str | None]] | None = None
        """What the reactors know: generation, and instance ids by member id."""
        self.heard: dict[str, int] = {}

    @property
    def now(self) -> Now:
        return Now(self.clock_ms, WALL_START_MS + self.clock_ms)

    def request(self, who: str) -> int:
        number = len(self.asked) + 1
        self.asked[number] = who
        return number

    # ---- events

    def step(self, event: Any) -> None:
        self.run(self.coordinator.step(event, self.now))

    def join(
        self,
        who: str,
        *,
        member_id: str | None = None,
        instance_id: str | None = None,
        protocols: str = "range",
        protocol_type: str = "consumer",
        metadata: str = "",
        session_ms: int = 10_000,
        rebalance_ms: int = 60_000,
        require_id: bool = True,
        skip: bool = True,
    ) -> int:
        self.fresh += 1
        request = self.request(who)
        self.step(
            JoinGroup(
                group_id=self.group_id,
                request=request,
                member_id=self.ids.get(who, "") if member_id is None else member_id,
                instance_id=instance_id,
                fresh_id=f"{who}{self.fresh}",
                client_id=who,
                client_host="/127.0.0.1",
                protocol_type=protocol_type,
                protocols=[(name, (metadata or name).encode()) for name in protocols.split(",") if name],
                session_timeout_ms=session_ms,
                rebalance_timeout_ms=rebalance_ms,
                require_known_member_id=require_id,
                supports_skipping_assignment=skip,
            )
        )
        return request

    def sync(
        self,
        who: str,
        generation: int,
        assignments: dict[str, str] | None = None,
        *,
        instance_id: str | None = None,
        protocol_name: str | None = None,
    ) -> int:
        request = self.request(who)
        self.step(
            SyncGroup(
                group_id=self.group_id,
                request=request,
                member_id=self.ids.get(who, ""),
                instance_id=instance_id,
                generation=generation,
                protocol_type="consumer",
                protocol_name=protocol_name,
                assignments={
                    self.ids.get(name, name): value.encode() for name, value in (assignments or {}).items()
                },
            )
        )
        return request

    def heartbeat(self, who: str, generation: int, *, instance_id: str | None = None) -> int:
        """Answered by the reactors where they may, by the coordinator otherwise."""
        request = self.request(who)
        member_id = self.ids.get(who, "")
        open_generation, members = self.open or (None, {})
        if generation == open_generation and member_id in members and instance_id in (None, members[member_id]):
            self.heard[member_id] = self.clock_ms
            self.run([Reply(request=request, answer=ErrorCode.NONE)])
            return request
        self.step(
            Heartbeat(
                group_id=self.group_id,
                request=request,
                member_id=member_id,
                instance_id=instance_id,
                generation=generation,
            )
        )
        return request

    def leave(self, who: str, *, instance_id: str | None = None, member_id: str | None = None) -> int:
        request = self.request(who)
        leaver = Leaver(member_id=self.ids.get(who, "") if member_id is None else member_id, instance_id=instance_id)
        self.step(LeaveGroup(group_id=self.group_id, request=request, leavers=[leaver]))
        return request

    def commit(
        self, who: str, generation: int, offsets: dict[tuple[str, int], int], *, metadata: str = "", **more: Any
    ) -> int:
        request = self.request(who)
        self.step(
            CommitOffsets(
                group_id=self.group_id,
                request=request,
                member_id=self.ids.get(who, ""),
                instance_id=more.pop("instance_id", None),
                generation=generation,
                offsets=[(partition, offset, 0, metadata, bytes(16)) for partition, offset in offsets.items()],
                **more,
            )
        )
        return request

    def wait(self, milliseconds: int) -> None:
        """Let time pass; timers go off when they are due."""
        end = self.clock_ms + milliseconds
        while True:
            due = min(self.timers, key=self.timers.__getitem__, default=None)
            if due is None or self.timers[due] > end:
                break
            self.clock_ms = max(self.clock_ms, self.timers.pop(due))
            self.step(TimerFired(group_id=due[0], timer=due[1], heard_ms=self.heard.get(due[1][1], -1)))
        self.clock_ms = end

    def restart(self) -> None:
        """The broker is gone without a word and comes back: everything but the log is lost."""
        self.coordinator = GroupCoordinator(self.config)
        self.timers.clear()
        self.open = None
        self.heard.clear()
        for key, value in self.log.items():
            if len(key) == 1:
                self.coordinator.load_group(key[0], value)
            else:
                self.coordinator.load_offsets(key[0], {(key[1], key[2]): loaded_offset(value)})
        self.run(self.coordinator.loaded(list(self.coordinator.groups), self.now))

    # ---- effects

    def run(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Reply():
                    assert effect.request not in self.answers, f"request {effect.request} was answered twice"
                    self.answers[effect.request] = effect.answer
                    self.hear(self.asked[effect.request], effect.answer)
                case Append():
                    self.append(effect)
                case StartTimer():
                    assert effect.delay_ms >= 0
                    self.timers[effect.group_id, effect.timer] = self.clock_ms + effect.delay_ms
                case CancelTimer():
                    self.timers.pop((effect.group_id, effect.timer), None)
                case OpenHeartbeats():
                    self.open = (effect.generation, dict(effect.members))
                case CloseHeartbeats():
                    self.open = None
                    if effect.forget:
                        self.heard.clear()

    def append(self, effect: Append) -> None:
        error = self.disk_error
        for key, value, _ in effect.records:
            is_group = isinstance(key, GroupMetadataKey)
            place = (key.group,) if is_group else (key.group, key.topic, key.partition)  # type: ignore[attr-defined]
            if not error:
                if value is None:
                    self.log.pop(place, None)
                else:
                    self.log[place] = value
            self.said.append(("cannot write: " if error else "log: ") + self.record_in_words(place, value))
        self.step(Appended(group_id=effect.group_id, ticket=effect.ticket, error=error))

    def record_in_words(self, place: tuple[Any, ...], value: Any) -> str:
        if len(place) > 1:
            what = f"offset {place[1]}-{place[2]}"
            return f"{what} deleted" if value is None else f"{what} = {value.offset}"
        if value is None:
            return "group deleted"
        members = " ".join(
            f"{each.member_id}({each.assignment.decode()})" for each in value.members
        )
        return f"group, generation {value.generation}, members: {members or 'none'}"

    def hear(self, who: str, answer: Any) -> None:
        if isinstance(answer, JoinAnswer | SyncAnswer | LeaveAnswer | OffsetsAnswer) and answer.error:
            told = answer.error.name
        else:
            told = self.in_words(answer)
        if isinstance(answer, JoinAnswer) and answer.member_id:
            self.ids[who] = answer.member_id
            if answer.error:
                told += f" {answer.member_id}"
        self.said.append(f"{who}: {told}")

    def in_words(self, answer: Any) -> str:
        match answer:
            case JoinAnswer():
                text = f"joined generation {answer.generation} as {answer.member_id}, {answer.protocol_name}, leader "
                text += answer.leader
                if answer.members:
                    text += "; members: " + " ".join(member_id for member_id, _, _ in answer.members)
                return text + (", skip assignment" if answer.skip_assignment else "")
            case SyncAnswer():
                return f"assigned {answer.assignment.decode() or 'nothing'}"
            case LeaveAnswer():
                return "left: " + " ".join(error.name for _, error in answer.leavers)
            case OffsetsAnswer():
                return "committed: " + " ".join(
                    f"{topic}-{index}={found.offset if isinstance(found, CommittedOffset) else 'none'}"
                    for (topic, index), found in answer.offsets.items()
                )
            case ErrorCode():
                return answer.name
            case dict():
                return " ".join(f"{topic}-{index}:{error.name}" for (topic, index), error in answer.items())
        return repr(answer)

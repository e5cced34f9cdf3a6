"""`Play` with consumer groups: topics that come, grow and go, members that beat, and their records in the log.

A topic's id is made of its name, so that what members are told can be put in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pykafka_core.coordinator.assignor import Assignment
from pykafka_core.coordinator.consumer_events import (
    ConsumerGroupConfig,
    ConsumerHeartbeat,
    ConsumerHeartbeatAnswer,
    RegexesResolved,
    TopicsChanged,
)
from pykafka_core.coordinator.consumer_group import ConsumerGroup
from pykafka_core.coordinator.consumer_protocol import read_assignment
from pykafka_core.coordinator.consumer_records import (
    CurrentKey,
    CurrentValue,
    EpochKey,
    EpochValue,
    MemberKey,
    MemberValue,
    RegexKey,
    RegexValue,
    TargetEpochKey,
    TargetEpochValue,
    TargetKey,
    TargetValue,
)
from pykafka_core.coordinator.effects import Append, Effect, ResolveRegexes
from pykafka_core.coordinator.events import Appended, CommitOffsets, JoinGroup, SyncAnswer
from pykafka_core.coordinator.groups import GroupCoordinator
from pykafka_core.coordinator.records import loaded_offset
from pykafka_core.coordinator.regex import resolve
from pykafka_core.coordinator.topics import Topic
from pykafka_core.protocol.records.group_coordinator.group_metadata_key import GroupMetadataKey
from pykafka_core.protocol.records.group_coordinator.offset_commit_key import OffsetCommitKey
from tests.coordinator.play import Play

__all__ = ["ConsumerPlay", "in_words", "topic_id"]

Place = tuple[Any, ...]


def topic_id(name: str) -> bytes:
    return name.encode().ljust(16, b"\0")


def in_words(assignment: Mapping[bytes, Iterable[int]]) -> str:
    """Partitions by topic: "t-0,1 u-3", or "nothing"."""
    words = [
        f"{each.rstrip(bytes(1)).decode()}-{','.join(map(str, sorted(partitions)))}"
        for each, partitions in sorted(assignment.items())
        if partitions
    ]
    return " ".join(words) or "nothing"


class Topics:
    """The topics that there are at one moment."""

    def __init__(self, version: int, counts: Mapping[str, int]) -> None:
        self.version = version
        self._counts = dict(counts)

    def names(self) -> list[str]:
        return list(self._counts)

    def by_name(self, name: str) -> Topic | None:
        return Topic(name, topic_id(name), ((),) * self._counts[name]) if name in self._counts else None

    def by_id(self, wanted: bytes) -> Topic | None:
        return self.by_name(wanted.rstrip(bytes(1)).decode())


class ConsumerPlay(Play):
    def __init__(self, group_id: str = "g", **config: Any) -> None:
        own = {name: config.pop(name) for name in list(config) if hasattr(ConsumerGroupConfig, name)}
        super().__init__(group_id, **config)
        self.consumer_config = ConsumerGroupConfig(**own)
        self.coordinator = GroupCoordinator(self.config, self.consumer_config)
        self.records: dict[Place, tuple[Any, Any]] = {}
        """The last key and value of each place in the log."""
        self.counts: dict[str, int] = {}
        self.epochs: dict[str, int] = {}
        """The epoch that a name was last told."""
        self.owned: dict[str, dict[bytes, frozenset[int]]] = {}
        """What a name has, as far as it knows."""

    def group(self) -> ConsumerGroup:
        kind = self.coordinator.groups[self.group_id].kind
        assert isinstance(kind, ConsumerGroup)
        return kind

    # ---- events

    def topics(self, **counts: int) -> None:
        """There are these topics now, beside those that there were; no partitions: the topic is gone."""
        before = self.counts
        self.counts = {name: count for name, count in {**before, **counts}.items() if count}
        self._topics_changed(frozenset(counts), has_new=not self.counts.keys() <= before.keys())

    def _topics_changed(self, names: frozenset[str], *, has_new: bool) -> None:
        self.version = getattr(self, "version", 0) + 1
        self.step(TopicsChanged(topics=Topics(self.version, self.counts), names=names, has_new=has_new))

    def beat(self, who: str, epoch: int | None = None, *, owns: Any = "all", **more: Any) -> ConsumerHeartbeatAnswer:
        """`owns`: "all" of what it was told, or what it says that it has, or None for not a word."""
        epoch = self.epochs.get(who, 0) if epoch is None else epoch
        request = self.request(who)
        fields: dict[str, Any] = {"rebalance_timeout_ms": 60_000, "owned": {}} if epoch == 0 else {}
        if epoch > 0:
            fields["owned"] = self.owned.get(who, {}) if owns == "all" else owns
        self.step(
            ConsumerHeartbeat(
                group_id=self.group_id,
                request=request,
                member_id=more.pop("member_id", who),
                member_epoch=epoch,
                client_id=who,
                client_host="/127.0.0.1",
                fresh_id=f"{who}-fresh",
                **fields | more,
            )
        )
        answer: ConsumerHeartbeatAnswer = self.answers[request]
        if not answer.error and epoch >= 0:
            self.epochs[who] = answer.member_epoch
            self.ids[who] = answer.member_id or ""
            if answer.assignment is not None:
                self.owned[who] = dict(answer.assignment)
        elif not answer.error:
            self.epochs.pop(who, None)
            self.owned.pop(who, None)
        return answer

    def classic_join(
        self, who: str, metadata: bytes, *, instance_id: str | None = None, session_ms: int = 30_000
    ) -> int:
        """JoinGroup of a consumer that speaks the classic protocol."""
        self.fresh += 1
        request = self.request(who)
        self.step(
            JoinGroup(
                group_id=self.group_id,
                request=request,
                member_id=self.ids.get(who, ""),
                instance_id=instance_id,
                fresh_id=f"{who}{self.fresh}",
                client_id=who,
                client_host="/127.0.0.1",
                protocol_type="consumer",
                protocols=[("range", metadata)],
                session_timeout_ms=session_ms,
                rebalance_timeout_ms=60_000,
            )
        )
        return request

    def commit(
        self, who: str, generation: int, offsets: dict[tuple[str, int], int], *, metadata: str = "", **more: Any
    ) -> int:
        request = self.request(who)
        self.step(
            CommitOffsets(
                group_id=self.group_id,
                request=request,
                member_id=self.ids.get(who, who),
                instance_id=None,
                generation=generation,
                offsets=[(each, offset, 0, metadata, topic_id(each[0])) for each, offset in offsets.items()],
                **more,
            )
        )
        return request

    def restart(self) -> None:
        self.coordinator = GroupCoordinator(self.config, self.consumer_config)
        self.timers.clear()
        self._topics_changed(frozenset(), has_new=True)
        consumers: dict[str, list[tuple[Any, Any]]] = {}
        for key, value in self.records.values():
            if isinstance(key, GroupMetadataKey):
                self.coordinator.load_group(key.group, value)
            elif isinstance(key, OffsetCommitKey):
                self.coordinator.load_offsets(key.group, {(key.topic, key.partition): loaded_offset(value)})
            else:
                consumers.setdefault(key.group_id, []).append((key, value))
        for group_id, records in consumers.items():
            self.coordinator.load_consumer_group(group_id, records)
        self.run(self.coordinator.loaded(list(self.coordinator.groups), self.now))

    # ---- effects

    def run(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, ResolveRegexes):
                found = resolve(effect.regexes, effect.topics)
                self.said.append("resolve: " + "; ".join(f"{each} = {' '.join(sorted(found[each]))}" for each in found))
                self.step(
                    RegexesResolved(
                        group_id=effect.group_id,
                        topics=found,
                        version=effect.topics.version,
                        wall_ms=self.now.wall_ms,
                    )
                )
            else:
                super().run([effect])

    def append(self, effect: Append) -> None:
        error = self.disk_error
        for key, value, _ in effect.records:
            place = (type(key).__name__, *(getattr(key, name) for name in key.__slots__ if not name.startswith("_")))
            if not error:
                if value is None:
                    self.records.pop(place, None)
                else:
                    self.records[place] = (key, value)
            words = self.words_of(key, value)
            if words:
                self.said.append(("cannot write: " if error else "log: ") + words)
        self.step(Appended(group_id=effect.group_id, ticket=effect.ticket, error=error))

    def words_of(self, key: Any, value: Any) -> str:
        match key:
            case EpochKey():
                return f"epoch {value.epoch}" if isinstance(value, EpochValue) else "group deleted"
            case MemberKey():
                if not isinstance(value, MemberValue):
                    return f"{key.member_id} deleted"
                topics = " ".join(value.subscribed_topic_names) + (value.subscribed_topic_regex or "")
                return f"{key.member_id} wants {topics or 'nothing'}" + (
                    ", classic" if value.classic_member_metadata else ""
                )
            case TargetEpochKey():
                return f"target epoch {value.assignment_epoch}" if isinstance(value, TargetEpochValue) else ""
            case TargetKey():
                if not isinstance(value, TargetValue):
                    return ""
                target: Assignment = {each.topic_id: frozenset(each.partitions) for each in value.topic_partitions}
                return f"{key.member_id} is to have {in_words(target)}"
            case CurrentKey():
                if not isinstance(value, CurrentValue):
                    return ""
                has = in_words({each.topic_id: each.partitions for each in value.assigned_partitions})
                gives_up = in_words({each.topic_id: each.partitions for each in value.partitions_pending_revocation})
                return f"{key.member_id} at {value.member_epoch} has {has}" + (
                    f", gives up {gives_up}" if value.partitions_pending_revocation else ""
                )
            case RegexKey():
                if not isinstance(value, RegexValue):
                    return f"expression {key.regular_expression} deleted"
                return f"expression {key.regular_expression} = {' '.join(value.topics) or 'nothing'}"
            case OffsetCommitKey():
                return self.record_in_words((key.group, key.topic, key.partition), value)
            case GroupMetadataKey() if value is None:
                return "classic group deleted"
            case GroupMetadataKey():
                members = " ".join(each.member_id for each in value.members) or "none"
                return f"classic group, generation {value.generation}, members: {members}"
        return ""

    def in_words(self, answer: Any) -> str:
        if isinstance(answer, ConsumerHeartbeatAnswer):
            if answer.error:
                return answer.error.name
            told = "" if answer.assignment is None else f", has {in_words(answer.assignment)}"
            return f"epoch {answer.member_epoch}{told}"
        if isinstance(answer, SyncAnswer) and answer.assignment[:1] == b"\0":
            assigned, _ = read_assignment(answer.assignment)
            return f"assigned {in_words({topic_id(name): partitions for name, partitions in assigned.items()})}"
        return super().in_words(answer)

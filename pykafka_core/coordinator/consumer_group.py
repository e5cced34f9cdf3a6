"""The state of one consumer group (KIP-848), as its records make it.

    Empty        nobody is in it
    Assigning    the group epoch is ahead of the target assignment
    Reconciling  members are on their way to the target assignment
    Stable       all have arrived

State changes by `replay` alone: of records that were read at start, and of records that were appended just now. So a
broker that restarts has what it had, and an append that fails leaves no trace.

Invariants:
  1. No partition is held by two members, what they are still to give up included.
  2. An instance id belongs to at most one member.
  3. The group epoch never falls; the target assignment's epoch is never ahead of it.

Source: org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroup, .modern.ModernGroup,
GroupMetadataManager.replay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from pykafka_core.coordinator.assignor import Assignment
from pykafka_core.coordinator.consumer_member import LEAVE_EPOCH, ConsumerGroupMember, MemberState
from pykafka_core.coordinator.consumer_records import (
    CurrentKey,
    CurrentValue,
    EpochKey,
    EpochValue,
    MemberKey,
    MemberValue,
    PartitionMetadataKey,
    RegexKey,
    RegexValue,
    TargetEpochKey,
    TargetEpochValue,
    TargetKey,
    TargetValue,
    loaded_assignment,
    loaded_current,
    loaded_member,
)
from pykafka_core.coordinator.consumer_timers import ConsumerTimers
from pykafka_core.coordinator.topics import Topic
from pykafka_core.protocol.message import Record

__all__ = ["CONSUMER_PROTOCOL_TYPE", "ConsumerGroup", "ConsumerGroupState", "ResolvedRegex"]

CONSUMER_PROTOCOL_TYPE: Final = "consumer"
NO_ASSIGNMENT: Final[Assignment] = {}


class ConsumerGroupState(StrEnum):
    EMPTY = "Empty"
    ASSIGNING = "Assigning"
    RECONCILING = "Reconciling"
    STABLE = "Stable"


class ResolvedRegex(NamedTuple):
    topics: frozenset[str]
    version: int
    """Of the metadata that it was resolved with."""
    wall_ms: int


class ConsumerGroup:
    TYPE: Final = "consumer"

    def __init__(self, group_id: str) -> None:
        self.group_id: Final = group_id
        self.epoch = 1
        self.metadata_hash = 0
        self.assignment_epoch = 0
        self.assignment_ms = 0
        """When the target assignment was computed; 0: never, or not known."""
        self.members: Final[dict[str, ConsumerGroupMember]] = {}
        self.static: Final[dict[str, str]] = {}
        """Member ids by instance id."""
        self.target: Final[dict[str, Assignment]] = {}
        self.regexes: Final[dict[str, ResolvedRegex]] = {}
        self.has_partition_metadata = False
        """A record of Kafka before 4.1 is there and is to be buried."""
        self.is_refresh_due = True
        """Topics have changed, or may have."""
        self.is_resolving = False
        """Regular expressions are being resolved at this moment."""
        self.timers: Final = ConsumerTimers(group_id)
        self._holders: Final[dict[tuple[bytes, int], str]] = {}
        self._classic_protocols: Final[Counter[str]] = Counter()
        self._classic_count = 0
        self._regex_members: Final[Counter[str]] = Counter()
        self._assignor_votes: Final[Counter[str]] = Counter()
        self._topics: frozenset[str] | None = None

    # ---- what it is

    @property
    def state(self) -> ConsumerGroupState:
        if not self.members:
            return ConsumerGroupState.EMPTY
        if self.epoch > self.assignment_epoch:
            return ConsumerGroupState.ASSIGNING
        if all(member.is_reconciled_to(self.assignment_epoch) for member in self.members.values()):
            return ConsumerGroupState.STABLE
        return ConsumerGroupState.RECONCILING

    @property
    def is_empty(self) -> bool:
        return not self.members

    @property
    def is_abandoned(self) -> bool:
        """Nobody is in it and nobody is about to come."""
        return not self.members

    @property
    def protocol_type(self) -> str:
        return CONSUMER_PROTOCOL_TYPE

    def static_member(self, instance_id: str | None) -> ConsumerGroupMember | None:
        member_id = None if instance_id is None else self.static.get(instance_id)
        return None if member_id is None else self.members[member_id]

    def target_of(self, member_id: str, instance_id: str | None) -> Assignment:
        """What the member, or the static member that it takes the place of, is to have."""
        if instance_id is not None:
            member_id = self.static.get(instance_id, "")
        return self.target.get(member_id, NO_ASSIGNMENT)

    def is_taken(self, topic_id: bytes, partition: int) -> bool:
        return (topic_id, partition) in self._holders

    def awaits_release(self, member: ConsumerGroupMember) -> bool:
        """Whether others still have what this member is to have."""
        if member.state is not MemberState.UNRELEASED_PARTITIONS:
            return False
        return any(
            partition not in member.assigned.get(topic_id, ()) and self.is_taken(topic_id, partition)
            for topic_id, partitions in self.target.get(member.member_id, NO_ASSIGNMENT).items()
            for partition in partitions
        )

    # ---- subscriptions

    def topics_of(self, member: ConsumerGroupMember) -> frozenset[str]:
        """The names that a member subscribes to; a regular expression that is not resolved stands for none."""
        resolved = self.regexes.get(member.topic_regex) if member.topic_regex else None
        return member.topic_names if resolved is None else member.topic_names | resolved.topics

    def subscribes(self, member: ConsumerGroupMember, topic: Topic | None) -> bool:
        if topic is None:
            return False
        if topic.name in member.topic_names:
            return True
        resolved = self.regexes.get(member.topic_regex) if member.topic_regex else None
        return resolved is not None and topic.name in resolved.topics

    def subscribed_topics(self) -> frozenset[str]:
        """The names that any member subscribes to, and those that any regular expression stands for."""
        if self._topics is None:
            self._topics = self.topics_with(self.members.values())
        return self._topics

    def topics_with(
        self, members: Iterable[ConsumerGroupMember], regexes: Iterable[ResolvedRegex] | None = None
    ) -> frozenset[str]:
        """The same, if these were its members and resolved regular expressions."""
        resolved = self.regexes.values() if regexes is None else regexes
        return frozenset().union(*{member.topic_names for member in members}, *(each.topics for each in resolved))

    def regex_members(self, regex: str) -> int:
        """How many members subscribe to this regular expression."""
        return self._regex_members[regex]

    def assignor_votes(self, name: str) -> int:
        """How many members ask for this assignor."""
        return self._assignor_votes[name]

    @property
    def subscribed_regexes(self) -> Counter[str]:
        return Counter({regex: count for regex, count in self._regex_members.items() if count})

    def regex_refresh(self) -> tuple[int, int]:
        """The last time that regular expressions were resolved, and the version of the metadata; 0 and 0: never."""
        return (
            max((each.wall_ms for each in self.regexes.values()), default=0),
            max((each.version for each in self.regexes.values()), default=0),
        )

    # ---- classic members

    @property
    def classic_count(self) -> int:
        return self._classic_count

    def supports_classic(self, protocol_type: str, names: Iterable[str]) -> bool:
        """Whether a classic member that knows these protocols can be beside those that are there."""
        if protocol_type != CONSUMER_PROTOCOL_TYPE:
            return False
        if not self.members:
            return any(True for _ in names)
        return any(self._classic_protocols[name] == self._classic_count for name in names)

    # ---- records

    def replay(self, key: Record, value: Record | None) -> None:
        """Make a record part of the state."""
        match key:
            case EpochKey():
                if isinstance(value, EpochValue):
                    self.epoch = value.epoch
                    self.metadata_hash = value.metadata_hash
            case MemberKey():
                member_id = key.member_id
                if isinstance(value, MemberValue):
                    self._put(loaded_member(self._member(member_id), value))
                else:
                    self._remove(member_id)
            case TargetEpochKey():
                if isinstance(value, TargetEpochValue):
                    self.assignment_epoch = value.assignment_epoch
                    self.assignment_ms = value.assignment_timestamp
                else:
                    self.assignment_epoch = -1
            case TargetKey():
                if isinstance(value, TargetValue):
                    self.target[key.member_id] = loaded_assignment(value)
                else:
                    self.target.pop(key.member_id, None)
            case CurrentKey():
                self._replay_current(key.member_id, value)
            case RegexKey():
                self._topics = None
                if isinstance(value, RegexValue):
                    self.regexes[key.regular_expression] = ResolvedRegex(
                        frozenset(value.topics), value.version, value.timestamp
                    )
                else:
                    self.regexes.pop(key.regular_expression, None)
            case PartitionMetadataKey():
                self.has_partition_metadata = value is not None

    def _replay_current(self, member_id: str, value: Record | None) -> None:
        if isinstance(value, CurrentValue):
            self._put(loaded_current(self._member(member_id), value))
        elif member_id in self.members:
            self._put(self.members[member_id].moved_to(LEAVE_EPOCH, MemberState.STABLE, {}))

    def _member(self, member_id: str) -> ConsumerGroupMember:
        return self.members.get(member_id) or ConsumerGroupMember(member_id=member_id)

    def _put(self, member: ConsumerGroupMember) -> None:
        before = self.members.get(member.member_id)
        self._let_go(before)
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static[member.instance_id] = member.member_id
        self._hold(member)

    def _remove(self, member_id: str) -> None:
        member = self.members.pop(member_id, None)
        self._let_go(member)
        if member is not None and member.instance_id is not None and self.static.get(member.instance_id) == member_id:
            del self.static[member.instance_id]

    def _hold(self, member: ConsumerGroupMember) -> None:
        self._topics = None
        for owned in (member.assigned, member.revoking):
            for topic_id, partitions in owned.items():
                for partition in partitions:
                    self._holders[topic_id, partition] = member.member_id
        if member.classic is not None:
            self._classic_count += 1
            self._classic_protocols.update(name for name, _ in member.classic.protocols)
        if member.topic_regex:
            self._regex_members[member.topic_regex] += 1
        if member.server_assignor is not None:
            self._assignor_votes[member.server_assignor] += 1

    def _let_go(self, member: ConsumerGroupMember | None) -> None:
        if member is None:
            return
        self._topics = None
        for owned in (member.assigned, member.revoking):
            for topic_id, partitions in owned.items():
                for partition in partitions:
                    if self._holders.get((topic_id, partition)) == member.member_id:
                        del self._holders[topic_id, partition]
        if member.classic is not None:
            self._classic_count -= 1
            self._classic_protocols.subtract(name for name, _ in member.classic.protocols)
        if member.topic_regex:
            self._regex_members[member.topic_regex] -= 1
        if member.server_assignor is not None:
            self._assignor_votes[member.server_assignor] -= 1

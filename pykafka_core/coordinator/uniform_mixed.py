"""The `uniform` assignor where members subscribe to different topics.

    1. Whoever still subscribes to a topic keeps what it had of it.
    2. What nobody has goes to the subscribers that have least, topic by topic: those with most partitions for each
       subscriber first, and of these the ones with few subscribers.
    3. Topic by topic, partitions go from the member with most to the one with least, until nothing more can be evened
       out or it has been gone over often enough. How much a member has is counted over all its topics.

Source: org.apache.kafka.coordinator.group.assignor.UniformHeterogeneousAssignmentBuilder.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pykafka_core.coordinator.assignor import Assignment, GroupSpec
from pykafka_core.coordinator.member_loads import MemberLoads

__all__ = ["assign_mixed"]

ROUNDS_MAX: Final = 16
NOBODY: Final = -1


def assign_mixed(group: GroupSpec) -> dict[str, Assignment]:
    if not any(member.topics for member in group.members.values()):
        return {}
    work = _Work(group)
    work.keep()
    work.give_out()
    work.even_out()
    return work.result()


class _Work:
    """Members are numbered in the order in which they are to be served."""

    def __init__(self, group: GroupSpec) -> None:
        self._group: Final = group
        self._member_ids: Final = list(group.members)
        self._subscribers: Final[dict[bytes, list[int]]] = {}
        for number, member in enumerate(group.members.values()):
            for topic in member.topics:
                self._subscribers.setdefault(topic, []).append(number)
        self._counts: Final = group.partition_counts
        self._owners: Final = {topic: [NOBODY] * self._counts[topic] for topic in self._subscribers}
        self._sizes: Final = [0] * len(self._member_ids)

    def keep(self) -> None:
        for number, member in enumerate(self._group.members.values()):
            for topic, partitions in member.assignment.items():
                if topic in member.topics:
                    owners = self._owners[topic]
                    for partition in partitions:
                        owners[partition] = number
                    self._sizes[number] += len(partitions)

    def give_out(self) -> None:
        free = {
            topic: [partition for partition, owner in enumerate(owners) if owner == NOBODY]
            for topic, owners in self._owners.items()
        }
        loads = MemberLoads(self._sizes)
        for topic in self._sorted(topic for topic, partitions in free.items() if partitions):
            loads.begin(self._subscribers[topic])
            for partition in free[topic]:
                self._move(topic, partition, loads.next_least())

    def even_out(self) -> None:
        topics = self._sorted(topic for topic, members in self._subscribers.items() if len(members) > 1)
        last_changed: int = NOBODY
        for _ in range(ROUNDS_MAX):
            for index, topic in enumerate(topics):
                if index == last_changed:
                    return
                if self._even_out_topic(topic) > 0 or last_changed < 0:
                    last_changed = index

    def _even_out_topic(self, topic: bytes) -> int:
        loads = MemberLoads(self._sizes)
        if loads.begin(self._subscribers[topic]) <= 1:
            return 0
        owners = self._owners[topic]
        of_member: dict[int, list[int]] = {}
        for partition, owner in enumerate(owners):
            of_member.setdefault(owner, []).append(partition)
        moved = 0
        while not loads.is_even():
            most = loads.next_most()
            while most != NOBODY and not of_member.get(most):
                loads.leave_out_most()
                most = loads.next_most()
            if most == NOBODY:
                break
            partition = of_member[most].pop()
            least = loads.next_least()
            if loads.is_even():
                break
            self._move(topic, partition, least)
            moved += 1
        return moved

    def result(self) -> dict[str, Assignment]:
        mine: list[dict[bytes, set[int]]] = [{} for _ in self._member_ids]
        for topic, owners in self._owners.items():
            for partition, owner in enumerate(owners):
                if owner != NOBODY:
                    mine[owner].setdefault(topic, set()).add(partition)
        return {
            member_id: {topic: frozenset(partitions) for topic, partitions in mine[number].items()}
            for number, member_id in enumerate(self._member_ids)
        }

    def _move(self, topic: bytes, partition: int, number: int) -> None:
        owner = self._owners[topic][partition]
        if owner != NOBODY:
            self._sizes[owner] -= 1
        self._owners[topic][partition] = number
        self._sizes[number] += 1

    def _sorted(self, topics: Iterable[bytes]) -> list[bytes]:
        def weight(topic: bytes) -> tuple[float, int, tuple[int, int]]:
            subscribers = len(self._subscribers[topic])
            return -self._counts[topic] / subscribers, subscribers, _signed_halves(topic)

        return sorted(topics, key=weight)


def _signed_halves(topic_id: bytes) -> tuple[int, int]:
    """Uuid.compareTo compares two signed numbers."""
    return int.from_bytes(topic_id[:8], "big", signed=True), int.from_bytes(topic_id[8:], "big", signed=True)

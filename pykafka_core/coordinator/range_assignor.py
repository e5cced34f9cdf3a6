"""The `range` assignor: of each topic, every member that subscribes to it gets one range of partitions.

Members are in order of instance id, those without one after them in order of member id; so members that subscribe to
the same topics get the same ranges of topics with as many partitions, and joins of such topics stay local. It does not
look at what members had before: the order alone makes it keep to that.

Source: org.apache.kafka.coordinator.group.assignor.RangeAssignor.
"""

from __future__ import annotations

from collections import Counter

from pykafka_core.coordinator.assignor import Assignment, GroupSpec

__all__ = ["assign_ranges"]


def assign_ranges(group: GroupSpec) -> dict[str, Assignment]:
    members = sorted(group.members.items(), key=_place)
    subscribers = Counter(topic for _, member in members for topic in member.topics)
    served: Counter[bytes] = Counter()
    assignments: dict[str, Assignment] = {}
    for member_id, member in members:
        ranges: dict[bytes, frozenset[int]] = {}
        for topic in member.topics:
            quota, extra = divmod(group.partition_counts[topic], subscribers[topic])
            before = served[topic]
            start = before * quota + min(before, extra)
            end = start + quota + (before < extra)
            served[topic] += 1
            if start < end:
                ranges[topic] = frozenset(range(start, end))
        assignments[member_id] = ranges
    return assignments


def _place(item: tuple[str, object]) -> tuple[bool, bytes]:
    member_id, member = item
    instance_id = getattr(member, "instance_id", None)
    # Java compares strings by their UTF-16 units.
    return instance_id is None, (member_id if instance_id is None else instance_id).encode("utf-16-be")

"""The `uniform` assignor where all members subscribe to the same topics.

Balance goes first: no two members differ by more than one partition. Then stickiness: a member keeps what it had, as
far as its share allows. What the division leaves over goes to members that have one more already, as long as there are
enough members still to come to whom it could be given instead.

Source: org.apache.kafka.coordinator.group.assignor.UniformHomogeneousAssignmentBuilder.
"""

from __future__ import annotations

from pykafka_core.coordinator.assignor import Assignment, GroupSpec
from pykafka_core.coordinator.java_order import numbers_in_set_order, uuids_in_set_order

__all__ = ["assign_same"]


def assign_same(group: GroupSpec) -> dict[str, Assignment]:
    topics = next(iter(group.members.values())).topics
    if not topics:
        return {}
    taken = {
        (topic, partition)
        for member in group.members.values()
        for topic, partitions in member.assignment.items()
        for partition in partitions
    }
    free = [
        (topic, partition)
        for topic in uuids_in_set_order(topics)
        for partition in range(group.partition_counts[topic])
        if (topic, partition) not in taken
    ]
    total = sum(group.partition_counts[topic] for topic in topics)
    quota, extra = divmod(total, len(group.members))
    kept: dict[str, dict[bytes, set[int]]] = {}
    shares: dict[str, int] = {}
    for to_come, (member_id, member) in zip(range(len(group.members), 0, -1), group.members.items(), strict=True):
        one_more = extra > 0
        share = quota + one_more
        mine = kept[member_id] = {}
        for topic in uuids_in_set_order(member.assignment):
            if topic not in topics:
                continue
            partitions = numbers_in_set_order(member.assignment[topic])
            if share:
                mine[topic] = set(partitions[:share])
            free += [(topic, partition) for partition in partitions[share:]]
            share -= min(share, len(partitions))
        if share and one_more and to_come > extra:
            share -= 1
            one_more = False
        extra -= one_more
        shares[member_id] = share
    given = iter(free)
    for member_id, share in shares.items():
        for _, (topic, partition) in zip(range(share), given, strict=False):
            kept[member_id].setdefault(topic, set()).add(partition)
    return {
        member_id: {topic: frozenset(partitions) for topic, partitions in mine.items()}
        for member_id, mine in kept.items()
    }

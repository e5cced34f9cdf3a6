"""What a server-side assignor is given and what it returns, and the two that there are.

    uniform   the default: as even as can be, and as few moves as can be (uniform_same.py, uniform_mixed.py)
    range     each topic's partitions in contiguous ranges (range_assignor.py)

Source: KIP-848; org.apache.kafka.coordinator.group.api.assignor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

__all__ = ["ASSIGNORS", "Assignment", "GroupSpec", "MemberSpec", "find_assignor"]

Assignment = Mapping[bytes, frozenset[int]]
"""Partitions by topic id; no topic without partitions."""


class MemberSpec(NamedTuple):
    instance_id: str | None
    topics: frozenset[bytes]
    """Ids of the topics that it subscribes to and that exist."""
    assignment: Assignment
    """What it was to have by the assignment before."""


class GroupSpec(NamedTuple):
    members: Mapping[str, MemberSpec]
    """By member id, in the order in which they are to be served."""
    partition_counts: Mapping[bytes, int]
    """Of every topic that somebody subscribes to."""
    is_homogeneous: bool
    """All members subscribe to the same topics."""


Assignor = Callable[[GroupSpec], dict[str, Assignment]]

ASSIGNORS: Final = ("uniform", "range")
"""In Kafka's order, the default first."""


def find_assignor(name: str) -> Assignor:
    if name == "range":
        from pykafka_core.coordinator.range_assignor import assign_ranges

        return assign_ranges
    return uniform


def uniform(group: GroupSpec) -> dict[str, Assignment]:
    if not group.members:
        return {}
    if group.is_homogeneous:
        from pykafka_core.coordinator.uniform_same import assign_same

        return assign_same(group)
    from pykafka_core.coordinator.uniform_mixed import assign_mixed

    return assign_mixed(group)

"""One member of a consumer group (KIP-848): what it said of itself, and how far its assignment has come.

    Stable                 it has what it is to have in its epoch
    UnrevokedPartitions    it stays in its epoch until it has given up `revoking`
    UnreleasedPartitions   it is in the newest epoch, but others have not yet given up all that it is to have

Members are values: a change makes another. Each partition comes with the epoch in which the member was given it, by
which commits that are older are told (KIP-1251).

Source: org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroupMember, .modern.MemberState.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from pykafka_core._dataclass import dataclass, replace
from pykafka_core.coordinator.assignor import Assignment

__all__ = [
    "LEAVE_EPOCH",
    "LEAVE_STATIC_EPOCH",
    "ClassicPart",
    "ConsumerGroupMember",
    "MemberState",
    "OwnedPartitions",
    "without_epochs",
]

LEAVE_EPOCH: Final = -1
LEAVE_STATIC_EPOCH: Final = -2

OwnedPartitions = Mapping[bytes, Mapping[int, int]]
"""By topic id and partition, the epoch in which it was assigned."""

NOTHING: Final[OwnedPartitions] = {}


class MemberState(IntEnum):
    """Numbers are those of the records."""

    STABLE = 0
    UNREVOKED_PARTITIONS = 1
    UNRELEASED_PARTITIONS = 2
    UNKNOWN = 127


@dataclass(slots=True, frozen=True, kw_only=True)
class ClassicPart:
    """What a member that uses the classic protocol said besides."""

    session_timeout_ms: int
    protocols: tuple[tuple[str, bytes], ...]
    """Name and metadata, the favourite first."""


@dataclass(slots=True, frozen=True, kw_only=True)
class ConsumerGroupMember:
    member_id: str
    epoch: int = 0
    previous_epoch: int = -1
    state: MemberState = MemberState.STABLE
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    client_id: str = ""
    client_host: str = ""
    topic_names: frozenset[str] = frozenset()
    topic_regex: str = ""
    """A regular expression; "" for none."""
    server_assignor: str | None = None
    assigned: OwnedPartitions = NOTHING
    """What it may read."""
    revoking: OwnedPartitions = NOTHING
    """What it is to give up and may still be reading."""
    classic: ClassicPart | None = None
    """None for one that speaks the new protocol."""

    def is_reconciled_to(self, assignment_epoch: int) -> bool:
        return self.state is MemberState.STABLE and self.epoch == assignment_epoch

    def moved_to(
        self, epoch: int, state: MemberState, assigned: OwnedPartitions, revoking: OwnedPartitions = NOTHING
    ) -> ConsumerGroupMember:
        return replace(self, previous_epoch=self.epoch, epoch=epoch, state=state, assigned=assigned, revoking=revoking)

    def epoch_of(self, topic_id: bytes, partition: int) -> int | None:
        """When it was given this partition; None if it does not have it."""
        epoch = self.assigned.get(topic_id, {}).get(partition)
        return self.revoking.get(topic_id, {}).get(partition) if epoch is None else epoch


def without_epochs(owned: OwnedPartitions) -> Assignment:
    return {topic_id: frozenset(partitions) for topic_id, partitions in owned.items()}

"""Commits of offsets inside transactions: what TxnOffsetCommit and a transaction's marker mean to groups.

A group's offsets lie in one partition of __consumer_offsets; a marker ends what its producer has sent to groups of that
partition, and to no others. Source: KIP-98, KIP-447; org.apache.kafka.coordinator.group.OffsetMetadataManager.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from pykafka_core._dataclass import dataclass
from pykafka_core.coordinator.classic import ClassicGroup, GroupState
from pykafka_core.coordinator.effects import Append, Effect, KeyValue, Reply
from pykafka_core.coordinator.events import NO_MEMBER, CommitOffsets, CommittedOffset, Now, TopicPartition
from pykafka_core.coordinator.offsets import CommittedOffsets
from pykafka_core.protocol.errors import ErrorCode

__all__ = [
    "AppendTransactional",
    "CommitTransactionalOffsets",
    "EndTransactionalOffsets",
    "TransactionalCommits",
    "check_classic_commit",
]

Then = Callable[[ErrorCode, Now], Iterable[Effect]]


@dataclass(slots=True, frozen=True, kw_only=True)
class CommitTransactionalOffsets(CommitOffsets):
    """Answered like CommitOffsets."""

    producer_id: int
    producer_epoch: int
    offsets_partition: int
    """The partition of __consumer_offsets that the group belongs to."""
    guard: int = 0
    """What the partition gave for the question whether it is in the transaction; goes with the append."""


@dataclass(slots=True, frozen=True, kw_only=True)
class EndTransactionalOffsets:
    """A marker was written to this partition of __consumer_offsets."""

    offsets_partition: int
    producer_id: int
    commit: bool


@dataclass(slots=True, frozen=True, kw_only=True)
class AppendTransactional(Append):
    """Append as part of the producer's transaction."""

    producer_id: int
    producer_epoch: int
    guard: int


class GroupOfAnyKind(Protocol):
    @property
    def offsets(self) -> CommittedOffsets: ...


class TransactionalCommits:
    def __init__(
        self,
        *,
        find: Callable[[str], GroupOfAnyKind | None],
        make: Callable[[str], GroupOfAnyKind],
        check: Callable[[CommitTransactionalOffsets], ErrorCode],
        append: Callable[[str, list[KeyValue], Then], Append],
    ) -> None:
        """`make` finds a group or begins a new one; `check` says whether the member of a group may commit."""
        self._find: Final = find
        self._make: Final = make
        self._check: Final = check
        self._append: Final = append
        self._groups: Final[dict[tuple[int, int], set[str]]] = {}
        """The groups that a producer has sent offsets to, by partition of __consumer_offsets and producer id."""

    def commit(self, event: CommitTransactionalOffsets, now: Now) -> list[Effect]:
        group = self._find(event.group_id)
        if group is None:
            if event.generation >= 0:
                return [Reply(request=event.request, answer=event.unknown_group_error)]
            group = self._make(event.group_id)
        error = self._check(event)
        if error:
            return [Reply(request=event.request, answer=error)]
        answers, sent = group.offsets.plan_commit(event, now)
        if not sent:
            return [Reply(request=event.request, answer=answers)]

        def stored(error: ErrorCode, now: Now) -> Iterable[Effect]:
            if not error:
                self.put(event.offsets_partition, event.producer_id, event.group_id, sent)
            elif error == ErrorCode.MESSAGE_TOO_LARGE:
                error = ErrorCode.UNKNOWN_SERVER_ERROR
            return [Reply(request=event.request, answer=error or answers)]

        plain = self._append(event.group_id, group.offsets.records(sent), stored)
        return [
            AppendTransactional(
                group_id=plain.group_id,
                ticket=plain.ticket,
                records=plain.records,
                producer_id=event.producer_id,
                producer_epoch=event.producer_epoch,
                guard=event.guard,
            )
        ]

    def put(
        self,
        offsets_partition: int,
        producer_id: int,
        group_id: str,
        sent: Mapping[TopicPartition, CommittedOffset | None],
    ) -> None:
        """The log holds these offsets of a transaction that is not over."""
        self._make(group_id).offsets.pending.put(producer_id, sent)
        self._groups.setdefault((offsets_partition, producer_id), set()).add(group_id)

    def end(self, event: EndTransactionalOffsets, now: Now) -> list[Effect]:
        for group_id in self._groups.pop((event.offsets_partition, event.producer_id), ()):
            group = self._find(group_id)
            if group is not None:
                sent = group.offsets.pending.end(event.producer_id)
                if event.commit:
                    group.offsets.committed.update(sent)
        return []

    def forget(self) -> None:
        """All groups are gone."""
        self._groups.clear()


def check_classic_commit(group: ClassicGroup, event: CommitTransactionalOffsets) -> ErrorCode:
    """Unlike other commits, one inside a transaction need not name a member, may come while the group rebalances, and
    is no sign of life: older producers know nothing of the group that their consumer is in."""
    if group.state is GroupState.DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if event.generation < 0 and (
        group.state is GroupState.EMPTY or (event.member_id == NO_MEMBER and event.instance_id is None)
    ):
        return ErrorCode.NONE
    error = group.check_member(event.member_id, event.instance_id)
    if error:
        return error
    return ErrorCode.NONE if event.generation == group.generation else ErrorCode.ILLEGAL_GENERATION

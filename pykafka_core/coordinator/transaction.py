"""What is known of one transactional id: a value that transitions make anew, and the rules of its transitions.

    Empty, CompleteCommit, CompleteAbort -- partitions are added --> Ongoing
    Ongoing ------------------------------- end, commit -----------> PrepareCommit -- markers written --> CompleteCommit
    Ongoing ------------------------------- end, abort, fence -----> PrepareAbort --- markers written --> CompleteAbort
    Empty, CompleteCommit, CompleteAbort -- abort, version 2 ------> PrepareAbort
    Empty, CompleteCommit, CompleteAbort -- a producer comes ------> Empty
    Empty, CompleteCommit, CompleteAbort -- expired ---------------> gone

Invariants:
  1. The pair of producer id and epoch only moves forward; no pair that was given up is given out again.
  2. With transaction version 2 each end of a transaction moves the epoch, so that a late record of the transaction can
     be told from one of the next (KIP-890).
  3. The highest epoch, 32767, belongs to no client: it is kept for fencing the producer that has 32766.

Source: KIP-98, KIP-360, KIP-890; org.apache.kafka.coordinator.transaction.TransactionMetadata.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from pykafka_core.coordinator.events import TopicPartition

__all__ = [
    "EPOCH_BUMP_VERSION",
    "EPOCH_MAX",
    "NOTHING",
    "Status",
    "TransactionState",
    "is_exhausted",
]

EPOCH_MAX: Final = 32767
NO_PRODUCER: Final = -1
NO_EPOCH: Final = -1
NO_TIME: Final = -1
NOTHING: Final[frozenset[TopicPartition]] = frozenset()
EPOCH_BUMP_VERSION: Final = 2


class Status(IntEnum):
    """State of a transaction; numbers as in the log, titles as in DescribeTransactions."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7

    @property
    def title(self) -> str:
        return TITLES[self]


TITLES: Final = {status: status.name.title().replace("_", "") for status in Status}


def is_exhausted(epoch: int) -> bool:
    """Whether no client may be given a higher epoch than this one."""
    return epoch >= EPOCH_MAX - 1


class TransactionState(NamedTuple):
    """All that the log holds of a transactional id. Times: milliseconds since the epoch, -1 for none."""

    producer_id: int
    previous_producer_id: int = NO_PRODUCER
    next_producer_id: int = NO_PRODUCER
    """Given out with the end of this transaction, because the epochs of `producer_id` are used up."""
    epoch: int = NO_EPOCH
    last_epoch: int = NO_EPOCH
    """What the client had before `epoch`, if it may ask again with it. Not in the log."""
    timeout_ms: int = 0
    status: Status = Status.EMPTY
    partitions: frozenset[TopicPartition] = NOTHING
    start_ms: int = NO_TIME
    update_ms: int = NO_TIME
    client_version: int = 0

    @property
    def is_exhausted(self) -> bool:
        return is_exhausted(self.epoch)

    @property
    def is_ending(self) -> bool:
        return self.status in (Status.PREPARE_COMMIT, Status.PREPARE_ABORT)

    @property
    def commits(self) -> bool:
        return self.status == Status.PREPARE_COMMIT

    # ---- transitions; `wall_ms`: now

    def with_partitions(self, added: frozenset[TopicPartition], client_version: int, wall_ms: int) -> TransactionState:
        """Ongoing, with these partitions besides those it has."""
        ongoing = self.status == Status.ONGOING
        return self._replace(
            status=Status.ONGOING,
            previous_producer_id=self.producer_id,
            partitions=self.partitions | added if ongoing else added,
            start_ms=self.start_ms if ongoing else wall_ms,
            update_ms=wall_ms,
            client_version=client_version,
        )

    def for_next_epoch(self, epoch: int, last_epoch: int, timeout_ms: int, wall_ms: int) -> TransactionState:
        """Empty, with another epoch of the same producer id."""
        return self._emptied(self.producer_id, epoch, last_epoch, timeout_ms, wall_ms)

    def for_next_id(self, producer_id: int, last_epoch: int, timeout_ms: int, wall_ms: int) -> TransactionState:
        """Empty, with another producer id, from epoch 0 on."""
        return self._emptied(producer_id, 0, last_epoch, timeout_ms, wall_ms)

    def _emptied(
        self, producer_id: int, epoch: int, last_epoch: int, timeout_ms: int, wall_ms: int
    ) -> TransactionState:
        return self._replace(
            producer_id=producer_id,
            previous_producer_id=self.producer_id,
            epoch=epoch,
            last_epoch=last_epoch,
            timeout_ms=timeout_ms,
            status=Status.EMPTY,
            partitions=NOTHING,
            start_ms=NO_TIME,
            update_ms=wall_ms,
        )

    def prepared(
        self, *, commit: bool, client_version: int, next_producer_id: int, was_empty: bool, wall_ms: int
    ) -> TransactionState:
        """Decided: once this is in the log, the transaction ends this way. The markers bear its `epoch`."""
        epoch, last_epoch = self.epoch, self.last_epoch
        if client_version >= EPOCH_BUMP_VERSION:
            last_epoch = epoch
            epoch = min(epoch + 1, EPOCH_MAX)
        return self._replace(
            previous_producer_id=self.producer_id,
            next_producer_id=next_producer_id,
            epoch=epoch,
            last_epoch=last_epoch,
            status=Status.PREPARE_COMMIT if commit else Status.PREPARE_ABORT,
            start_ms=wall_ms if was_empty else self.start_ms,
            update_ms=wall_ms,
            client_version=client_version,
        )

    def completed(self, wall_ms: int) -> TransactionState:
        """All markers are written. This is what the client goes on with."""
        rotates = self.client_version >= EPOCH_BUMP_VERSION and self.next_producer_id != NO_PRODUCER
        return self._replace(
            producer_id=self.next_producer_id if rotates else self.producer_id,
            previous_producer_id=self.producer_id,
            next_producer_id=NO_PRODUCER,
            epoch=0 if rotates else self.epoch,
            status=Status.COMPLETE_COMMIT if self.commits else Status.COMPLETE_ABORT,
            partitions=NOTHING,
            update_ms=wall_ms,
        )

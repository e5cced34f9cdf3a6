"""What can happen to a transactional id, what comes of it, and the answers that go with it.

Events and effects are tuples, because a broker makes several for each transaction and shall do thousands of those a
second. `request` is a number by which the broker knows to whom a `TxnReply` goes.

    event   InitProducer  AddPartitions  VerifyPartitions  EndTransaction    from clients and other brokers
            TimeOut  ExpireId                                                from the broker's timers
            StateAppended  MarkersWritten  RetryDue                          answers to effects
    effect  AppendState  WriteMarkers  ExpectRecords  RetryLater  TxnReply  SpareTaken

An `AppendState` is answered with `StateAppended` of the same ticket, `WriteMarkers` with `MarkersWritten`, at once or
later; until then the transactional id changes its state for nobody.

`spare_id` is a producer id that nobody has. Where a step makes use of it, it says so with `SpareTaken`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from pykafka_core.coordinator.events import TopicPartition
from pykafka_core.coordinator.transaction import TransactionState
from pykafka_core.protocol.errors import ErrorCode

__all__ = [
    "NO_EPOCH",
    "NO_PRODUCER",
    "AddPartitions",
    "AppendState",
    "EndTransaction",
    "ExpectRecords",
    "ExpireId",
    "InitProducer",
    "MarkersWritten",
    "ProducerAnswer",
    "RetryDue",
    "RetryLater",
    "SpareTaken",
    "StateAppended",
    "TimeOut",
    "TransactionConfig",
    "TxnEffect",
    "TxnEvent",
    "TxnReply",
    "VerifyPartitions",
    "WriteMarkers",
]

NO_PRODUCER: Final = -1
NO_EPOCH: Final = -1


class TransactionConfig(NamedTuple):
    """The broker's settings for transactions; times in milliseconds."""

    max_timeout_ms: int = 900_000
    id_expiration_ms: int = 7 * 24 * 3600 * 1000


# ---- events


class InitProducer(NamedTuple):
    """Answered with a ProducerAnswer. `producer_id` and `epoch`: what the client has, if it has one (KIP-360)."""

    transactional_id: str
    request: int
    timeout_ms: int
    spare_id: int
    producer_id: int = NO_PRODUCER
    epoch: int = NO_EPOCH


class AddPartitions(NamedTuple):
    """Answered with an ErrorCode. `client_version`: 2 where the client leaves adding to the brokers (KIP-890)."""

    transactional_id: str
    request: int
    producer_id: int
    epoch: int
    partitions: frozenset[TopicPartition]
    client_version: int = 0


class VerifyPartitions(NamedTuple):
    """Answered with an ErrorCode for all, or a mapping from each partition to its ErrorCode."""

    transactional_id: str
    request: int
    producer_id: int
    epoch: int
    partitions: frozenset[TopicPartition]


class EndTransaction(NamedTuple):
    """Answered with a ProducerAnswer, which names the producer id and epoch to go on with (`client_version` 2)."""

    transactional_id: str
    request: int
    producer_id: int
    epoch: int
    commit: bool
    client_version: int = 0
    spare_id: int = NO_PRODUCER


class TimeOut(NamedTuple):
    """The transaction has been open for longer than its timeout."""

    transactional_id: str
    spare_id: int


class ExpireId(NamedTuple):
    """The transactional id has not been used for `transactional.id.expiration.ms`."""

    transactional_id: str


class StateAppended(NamedTuple):
    """`error`: what the client is to be told where the append failed."""

    transactional_id: str
    ticket: int
    error: ErrorCode = ErrorCode.NONE


class MarkersWritten(NamedTuple):
    """How each partition took its marker."""

    transactional_id: str
    ticket: int
    errors: Mapping[TopicPartition, ErrorCode]


class RetryDue(NamedTuple):
    transactional_id: str
    ticket: int


TxnEvent = (
    InitProducer
    | AddPartitions
    | VerifyPartitions
    | EndTransaction
    | TimeOut
    | ExpireId
    | StateAppended
    | MarkersWritten
    | RetryDue
)


class ProducerAnswer(NamedTuple):
    error: ErrorCode = ErrorCode.NONE
    producer_id: int = NO_PRODUCER
    epoch: int = NO_EPOCH


# ---- effects


class AppendState(NamedTuple):
    """Append the state to the transactional id's partition of __transaction_state. None: a tombstone."""

    transactional_id: str
    ticket: int
    state: TransactionState | None


class WriteMarkers(NamedTuple):
    """End the transaction in each of these partitions."""

    transactional_id: str
    ticket: int
    producer_id: int
    epoch: int
    commit: bool
    transaction_version: int
    partitions: frozenset[TopicPartition]


class ExpectRecords(NamedTuple):
    """The producer will write to these partitions: they need not ask (KIP-890's verification)."""

    producer_id: int
    epoch: int
    partitions: frozenset[TopicPartition]


class RetryLater(NamedTuple):
    """Send `RetryDue` after this many milliseconds."""

    transactional_id: str
    ticket: int
    delay_ms: int


class TxnReply(NamedTuple):
    request: int
    answer: ProducerAnswer | ErrorCode | Mapping[TopicPartition, ErrorCode]


class SpareTaken(NamedTuple):
    """The event's `spare_id` is used up."""

    producer_id: int


TxnEffect = AppendState | WriteMarkers | ExpectRecords | RetryLater | TxnReply | SpareTaken

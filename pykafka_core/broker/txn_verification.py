"""Whether the partitions of a Produce request are in its producer's transaction (KIP-890).

A transaction that nobody will ever end would hold a partition's last stable offset for ever. So the first batch of a
transaction in a partition is written only after the transaction's coordinator has said that the partition is in it;
from transaction version 2 on (Produce 12) the question also adds it. Later batches are taken by the reactors alone, as
long as the transaction is open in the partition.

    guard = log.begin_verification(...)        noted in the partition, before the question
    errors = await transactions.verify_partitions(...)
    partition.append(batch, ..., guard=guard)  taken if the note is still there: a marker in between has removed it

The coordinator's errors are made into those that producers of the request's version can go on with.

Source: kafka.server.ReplicaManager.handleProduceAppend, kafka.server.AddPartitionsToTxnManager.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from pykafka_core.broker.errors import RequestError
from pykafka_core.native import TRUSTED_GUARD, ClosedError
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.records import BatchHeader

if TYPE_CHECKING:
    from pykafka_core.broker.topics import RunningTopic

__all__ = [
    "NoTransactions",
    "TransactionalBatch",
    "Transactions",
    "transactional_header",
    "transactional_producer",
    "verify",
]

ABORTABLE_ERROR_VERSION_MIN: Final = 11
"""Produce from here on knows TRANSACTION_ABORTABLE."""
ADD_VERSION_MIN: Final = 12
"""Produce from here on adds its partitions to the transaction, and speaks transaction version 2."""
HEADER_SIZE: Final = 61

TopicPartition = tuple[str, int]

COORDINATOR_AWAY: Final = frozenset(
    {
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
    }
)


class Transactions(Protocol):
    """The transaction coordinator, as Produce needs it. The port `transactions`."""

    async def verify_partitions(
        self,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        partitions: Sequence[TopicPartition],
        *,
        add: bool,
    ) -> Mapping[TopicPartition, ErrorCode]:
        """Tell for each partition whether it is in the ongoing transaction of this producer.

        `add` false (transaction version 1): NONE where it is. TRANSACTION_ABORTABLE where it is not, or where the
        transaction is not ongoing. PRODUCER_FENCED or INVALID_PRODUCER_EPOCH for another epoch than the
        transaction's, INVALID_PRODUCER_ID_MAPPING for an unknown transactional id or another producer id,
        CONCURRENT_TRANSACTIONS while a transaction is being ended, NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS.

        `add` true (version 2): adds those that are not, beginning a transaction if need be, as AddPartitionsToTxn
        does, and returns when that is in the transaction log; its errors.

        Partitions left out of the answer count as NONE.
        """


class NoTransactions:
    """Where there is no coordinator: no transactional id is known."""

    async def verify_partitions(
        self,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        partitions: Sequence[TopicPartition],
        *,
        add: bool,
    ) -> Mapping[TopicPartition, ErrorCode]:
        return dict.fromkeys(partitions, ErrorCode.INVALID_PRODUCER_ID_MAPPING)


class TransactionalBatch:
    """A transactional batch on its way to a partition that exists."""

    __slots__ = ("base_sequence", "index", "topic")

    def __init__(self, topic: RunningTopic, index: int, base_sequence: int) -> None:
        self.topic = topic
        self.index = index
        self.base_sequence = base_sequence


def transactional_header(batch: bytes | memoryview | None) -> BatchHeader | None:
    """The header of a batch that says that it is transactional; its other bytes are not looked at."""
    if batch is None or len(batch) < HEADER_SIZE:
        return None
    header = BatchHeader.load(batch)
    return header if header.is_transactional else None


def transactional_producer(headers: Sequence[BatchHeader], transactional_id: str | None) -> tuple[int, int]:
    """The producer of a request's transactional batches, id and epoch. Raises RequestError for the whole request."""
    if transactional_id is None:
        raise RequestError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    producers = {(header.producer_id, header.producer_epoch) for header in headers}
    if len(producers) > 1:
        raise RequestError(
            ErrorCode.INVALID_PRODUCER_ID_MAPPING, "Transactional records contained more than one producer ID"
        )
    return producers.pop()


async def verify(
    transactions: Transactions,
    transactional_id: str,
    producer: tuple[int, int],
    batches: Sequence[TransactionalBatch],
    *,
    produce_version: int,
    verification: bool,
) -> dict[TopicPartition, int | RequestError]:
    """Return for each batch the guard to append it with, or the error to answer.

    `verification`: transaction.partition.verification.enable.
    """
    add = produce_version >= ADD_VERSION_MIN
    if not (verification or add):
        return {(batch.topic.name, batch.index): TRUSTED_GUARD for batch in batches}
    found: dict[TopicPartition, int | RequestError] = {}
    asked: list[TopicPartition] = []
    for batch in batches:
        name = batch.topic.name, batch.index
        partition_log = batch.topic.partitions[batch.index].log
        try:
            guard = partition_log.begin_verification(*producer, batch.base_sequence, supports_epoch_bump=add)
        except ClosedError:  # the replica moves to another directory
            found[name] = RequestError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
            continue
        except OSError:
            found[name] = RequestError(ErrorCode.KAFKA_STORAGE_ERROR)
            continue
        found[name] = guard
        if guard:
            asked.append(name)
    if asked and not transactional_id:
        return found | dict.fromkeys(asked, RequestError(ErrorCode.INVALID_REQUEST))
    if asked:
        errors = await transactions.verify_partitions(transactional_id, *producer, asked, add=add)
        for name in asked:
            code = errors.get(name, ErrorCode.NONE)
            if code != ErrorCode.NONE:
                found[name] = produce_error(code, produce_version)
    return found


def produce_error(code: ErrorCode, produce_version: int) -> RequestError:
    """What a producer is told for the coordinator's error."""
    if code == ErrorCode.PRODUCER_FENCED:
        code = ErrorCode.INVALID_PRODUCER_EPOCH
    if code == ErrorCode.TRANSACTION_ABORTABLE and produce_version < ABORTABLE_ERROR_VERSION_MIN:
        code = ErrorCode.INVALID_TXN_STATE
    if code == ErrorCode.INVALID_TXN_STATE:
        return RequestError(code, "Partition was not added to the transaction")
    # An error that older producers try again after, without asking for metadata before.
    away = code in COORDINATOR_AWAY
    if away or (code == ErrorCode.CONCURRENT_TRANSACTIONS and produce_version < ADD_VERSION_MIN):
        return RequestError(
            ErrorCode.NOT_ENOUGH_REPLICAS,
            f"Unable to verify the partition has been added to the transaction. Underlying error: {code.name}",
        )
    return RequestError(code)

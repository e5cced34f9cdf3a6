"""The records of __transaction_state, both ways.

    TransactionLogKey 0 -> TransactionLogValue, version 1 where `transaction.version` is 1 or more, else 0

A null value says that the transactional id has expired. Source: KIP-890, KIP-915;
org.apache.kafka.coordinator.transaction.TransactionLog.
"""

from __future__ import annotations

from pykafka_core.coordinator.transaction import NOTHING, Status, TransactionState
from pykafka_core.protocol.records.transaction_coordinator.transaction_log_key import TransactionLogKey
from pykafka_core.protocol.records.transaction_coordinator.transaction_log_value import (
    PartitionsSchema,
    TransactionLogValue,
)

__all__ = ["loaded_state", "transaction_key", "transaction_value", "value_version"]


def value_version(transaction_version: int) -> int:
    """In which version values are written, by the level of the feature `transaction.version`."""
    return 1 if transaction_version >= 1 else 0


def transaction_key(transactional_id: str) -> TransactionLogKey:
    return TransactionLogKey(transactional_id=transactional_id)


def transaction_value(state: TransactionState, version: int) -> TransactionLogValue:
    value = TransactionLogValue(
        producer_id=state.producer_id,
        producer_epoch=state.epoch,
        transaction_timeout_ms=state.timeout_ms,
        transaction_status=state.status,
        transaction_partitions=None if state.status == Status.EMPTY else partitions_schema(state),
        transaction_last_update_timestamp_ms=state.update_ms,
        transaction_start_timestamp_ms=state.start_ms,
    )
    if version >= 1:
        value.previous_producer_id = state.previous_producer_id
        value.next_producer_id = state.next_producer_id
        value.client_transaction_version = state.client_version
    return value


def partitions_schema(state: TransactionState) -> list[PartitionsSchema]:
    topics: dict[str, list[int]] = {}
    for topic, partition in state.partitions:
        topics.setdefault(topic, []).append(partition)
    return [PartitionsSchema(topic=topic, partition_ids=partitions) for topic, partitions in topics.items()]


def loaded_state(value: TransactionLogValue) -> TransactionState:
    """Raises ValueError for a status that does not exist."""
    status = Status(value.transaction_status)
    partitions = NOTHING
    if status != Status.EMPTY:
        partitions = frozenset(
            (each.topic, partition) for each in value.transaction_partitions or () for partition in each.partition_ids
        )
    return TransactionState(
        producer_id=value.producer_id,
        previous_producer_id=value.previous_producer_id,
        next_producer_id=value.next_producer_id,
        epoch=value.producer_epoch,
        timeout_ms=value.transaction_timeout_ms,
        status=status,
        partitions=partitions,
        start_ms=value.transaction_start_timestamp_ms,
        update_ms=value.transaction_last_update_timestamp_ms,
        client_version=value.client_transaction_version,
    )

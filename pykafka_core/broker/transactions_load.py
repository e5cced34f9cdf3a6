"""What a partition of __transaction_state says of its transactional ids.

Keys and values of the future are passed over, and logged (KIP-915). Runs on a thread of its own, without the GIL while
C reads. Source: kafka.coordinator.transaction.TransactionStateManager.loadTransactionMetadata.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pykafka_core.broker.transactional_replay import replayed
from pykafka_core.coordinator.transaction_records import loaded_state
from pykafka_core.protocol.exceptions import UnsupportedVersionError
from pykafka_core.protocol.records.framing import decode_coordinator_key, decode_coordinator_value
from pykafka_core.protocol.records.transaction_coordinator.transaction_log_key import TransactionLogKey
from pykafka_core.protocol.records.transaction_coordinator.transaction_log_value import TransactionLogValue

if TYPE_CHECKING:
    from pykafka_core.coordinator.transaction import TransactionState
    from pykafka_core.native import Log

__all__ = ["read_partition"]

log = logging.getLogger("kafka.coordinator.transaction.TransactionStateManager")


def read_partition(partition: Log) -> dict[str, TransactionState]:
    """Read the whole partition. Raises OSError, CorruptRecordError, ProtocolError, ValueError."""
    found: dict[str, TransactionState] = {}
    for key_data, value_data in replayed(partition).last.items():
        if value_data is None:
            continue
        try:
            key = decode_coordinator_key("transaction", key_data)
            value, _ = decode_coordinator_value("transaction", key.API_KEY, value_data)
        except UnsupportedVersionError as error:
            log.warning("A record in %s is passed over: %s", partition.directory, error)
            continue
        assert isinstance(key, TransactionLogKey)
        assert isinstance(value, TransactionLogValue)
        found[key.transactional_id] = loaded_state(value)
    return found

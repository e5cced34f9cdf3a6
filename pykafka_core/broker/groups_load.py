"""What a partition of __consumer_offsets says: the last record of each key, and what transactions made of theirs.

Every format that Kafka has written is read: compressed batches, the old offset keys, offsets that were committed by a
transaction. Keys of other kinds of groups, and of the future, are passed over (KIP-915).

Runs on a thread of its own, without the GIL while C reads. Source:
org.apache.kafka.coordinator.common.runtime.CoordinatorLoaderImpl.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pykafka_core._dataclass import dataclass, field
from pykafka_core.coordinator.events import CommittedOffset, TopicPartition
from pykafka_core.coordinator.records import loaded_offset
from pykafka_core.protocol.exceptions import UnsupportedVersionError
from pykafka_core.protocol.records.framing import decode_coordinator_key, decode_coordinator_value
from pykafka_core.protocol.records.group_coordinator.group_metadata_key import GroupMetadataKey
from pykafka_core.protocol.records.group_coordinator.group_metadata_value import GroupMetadataValue
from pykafka_core.protocol.records.group_coordinator.legacy_offset_commit_key import LegacyOffsetCommitKey
from pykafka_core.protocol.records.group_coordinator.offset_commit_key import OffsetCommitKey
from pykafka_core.protocol.records.group_coordinator.offset_commit_value import OffsetCommitValue
from pykafka_core.records import BatchHeader, batches, iterate

if TYPE_CHECKING:
    from pykafka_core.native import Log

__all__ = ["LoadedPartition", "read_partition"]

READ_SIZE_BYTES: Final = 4 * 1024 * 1024
COMMIT_MARKER: Final = 1
NO_PRODUCER: Final = -1

Pairs = dict[bytes, bytes | None]


@dataclass(slots=True, kw_only=True)
class LoadedPartition:
    groups: dict[str, GroupMetadataValue] = field(default_factory=dict)
    offsets: dict[str, dict[TopicPartition, CommittedOffset]] = field(default_factory=dict)


def read_partition(log: Log) -> LoadedPartition:
    """Read the whole partition. Raises OSError, CorruptRecordError, ProtocolError."""
    found = LoadedPartition()
    for key, value in last_values(log).items():
        if value is not None:
            put(found, key, value)
    return found


def last_values(log: Log) -> Pairs:
    """The last value of each key; None where it was deleted."""
    last: Pairs = {}
    open_transactions: dict[int, Pairs] = {}
    offset, end = log.log_start_offset, log.log_end_offset
    while offset < end:
        data = log.read(offset, READ_SIZE_BYTES, offset_limit=end)
        if not data:
            break
        for batch in batches(data):
            header = BatchHeader.load(batch)
            offset = header.next_offset
            if header.is_control:
                ended = open_transactions.pop(header.producer_id, {})
                if any(marker_type(record.key) == COMMIT_MARKER for record in iterate(batch)):
                    last.update(ended)
                continue
            transactional = header.is_transactional and header.producer_id != NO_PRODUCER
            pairs = open_transactions.setdefault(header.producer_id, {}) if transactional else last
            for record in iterate(batch):
                if record.key is not None:
                    pairs[record.key] = record.value
    return last


def marker_type(key: bytes | None) -> int:
    """0 abort, 1 commit: the second int16 of a control record's key."""
    return -1 if key is None or len(key) < 4 else int.from_bytes(key[2:4], "big", signed=True)


def put(found: LoadedPartition, key_data: bytes, value_data: bytes) -> None:
    try:
        key = decode_coordinator_key("group", key_data)
    except UnsupportedVersionError:
        return
    if isinstance(key, OffsetCommitKey | LegacyOffsetCommitKey):
        # The values of both are written alike.
        committed, _ = decode_coordinator_value("group", OffsetCommitKey.API_KEY, value_data)
        assert isinstance(committed, OffsetCommitValue)
        found.offsets.setdefault(key.group, {})[key.topic, key.partition] = loaded_offset(committed)
    elif isinstance(key, GroupMetadataKey):
        value, _ = decode_coordinator_value("group", key.API_KEY, value_data)
        assert isinstance(value, GroupMetadataValue)
        found.groups[key.group] = value

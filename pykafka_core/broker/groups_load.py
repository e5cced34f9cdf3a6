"""What a partition of __consumer_offsets says: the last record of each key, and what transactions made of theirs.

Every format that Kafka has written is read: compressed batches, the old offset keys, offsets that were committed by a
transaction. Keys of other kinds of groups, and of the future, are passed over (KIP-915).

Runs on a thread of its own, without the GIL while C reads. Source:
org.apache.kafka.coordinator.common.runtime.CoordinatorLoaderImpl.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pykafka_core._dataclass import dataclass, field
from pykafka_core.broker.transactional_replay import replayed
from pykafka_core.coordinator.consumer_records import (
    CurrentKey,
    EpochKey,
    MemberKey,
    PartitionMetadataKey,
    RegexKey,
    TargetEpochKey,
    TargetKey,
)
from pykafka_core.coordinator.events import CommittedOffset, TopicPartition
from pykafka_core.coordinator.records import loaded_offset
from pykafka_core.native import take_offset_commits
from pykafka_core.protocol.exceptions import UnsupportedVersionError
from pykafka_core.protocol.message import Record
from pykafka_core.protocol.records.framing import decode_coordinator_key, decode_coordinator_value
from pykafka_core.protocol.records.group_coordinator.group_metadata_key import GroupMetadataKey
from pykafka_core.protocol.records.group_coordinator.group_metadata_value import GroupMetadataValue
from pykafka_core.protocol.records.group_coordinator.legacy_offset_commit_key import LegacyOffsetCommitKey
from pykafka_core.protocol.records.group_coordinator.offset_commit_key import OffsetCommitKey
from pykafka_core.protocol.records.group_coordinator.offset_commit_value import OffsetCommitValue

if TYPE_CHECKING:
    from pykafka_core.native import Log

__all__ = ["LoadedPartition", "read_partition"]

Offsets = dict[str, dict[TopicPartition, CommittedOffset]]
PendingOffsets = dict[str, dict[TopicPartition, CommittedOffset | None]]

CONSUMER_GROUP_KEYS: Final = (
    EpochKey, PartitionMetadataKey, MemberKey, TargetEpochKey, TargetKey, CurrentKey, RegexKey,
)  # fmt: skip
PAIRS_PER_STEP: Final = 4096
"""Little enough that the thread that serves clients has its turn often."""


@dataclass(slots=True, kw_only=True)
class LoadedPartition:
    groups: dict[str, GroupMetadataValue] = field(default_factory=dict)
    consumer_groups: dict[str, list[tuple[Record, Record]]] = field(default_factory=dict)
    """Keys and values of consumer groups (KIP-848)."""
    offsets: Offsets = field(default_factory=dict)
    pending: dict[int, PendingOffsets] = field(default_factory=dict)
    """By producer id, what a transaction has sent that is not over; None: an offset that was committed later counts."""


def read_partition(log: Log) -> LoadedPartition:
    """Read the whole partition. Raises OSError, CorruptRecordError, ProtocolError."""
    found = LoadedPartition()
    replay = replayed(log)
    written = [(key, value) for key, value in replay.last.items() if value is not None]
    for at in range(0, len(written), PAIRS_PER_STEP):
        for key, value in take_offset_commits(written[at : at + PAIRS_PER_STEP], found.offsets, CommittedOffset):
            put(found, key, value)
    for producer_id, pairs in replay.open.items():
        sent = found.pending.setdefault(producer_id, {})
        for sent_key, sent_value in pairs.items():
            put_pending(sent, sent_key, sent_value)
    return found


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
    elif isinstance(key, CONSUMER_GROUP_KEYS):
        value, _ = decode_coordinator_value("group", key.API_KEY, value_data)
        found.consumer_groups.setdefault(key.group_id, []).append((key, value))


def put_pending(sent: PendingOffsets, key_data: bytes, value_data: bytes | None) -> None:
    if value_data is not None:
        # Nothing but offsets is ever sent by a transaction.
        put(LoadedPartition(offsets=sent), key_data, value_data)  # type: ignore[arg-type]
        return
    key = decode_coordinator_key("group", key_data)
    if isinstance(key, OffsetCommitKey | LegacyOffsetCommitKey):
        sent.setdefault(key.group, {})[key.topic, key.partition] = None

"""What a new directory starts with: feature levels in `bootstrap.checkpoint`, and the first voter of the metadata log.

Apache Kafka's format tool writes the same two files. The controller takes the features into the metadata log when it
finds that empty.

Source: org.apache.kafka.metadata.bootstrap.BootstrapDirectory, org.apache.kafka.metadata.storage.Formatter.
"""

from __future__ import annotations

import time

from pykafka_core._path import Path
from pykafka_core.metadata.local_records import METADATA_VERSION_DEFAULT, Voter, VoterSet
from pykafka_core.metadata.local_snapshot import SnapshotId, read_snapshot, write_snapshot
from pykafka_core.protocol.message import Record
from pykafka_core.protocol.records.metadata.feature_level_record import FeatureLevelRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

__all__ = ["first_records", "write_bootstrap", "write_first_voters"]

OTHER_FEATURES: Final = {"group.version": 1, "transaction.version": 2}
"""Levels that a new cluster begins with, of the features that are built."""


def _feature_records(features: Mapping[str, int]) -> list[Record]:
    levels = {"metadata.version": METADATA_VERSION_DEFAULT, **OTHER_FEATURES, **features}
    return [FeatureLevelRecord(name=name, feature_level=level) for name, level in levels.items() if level]


def write_bootstrap(path: Path, features: Mapping[str, int], *, name_durable: bool = True) -> None:
    """The feature levels of a new cluster; `metadata.version` unless given is the newest that a released Kafka
    reads."""
    write_snapshot(
        path,
        _feature_records(features),
        leader_epoch=0,
        timestamp_ms=_now_ms(),
        last_contained_timestamp_ms=0,
        metadata_version=METADATA_VERSION_DEFAULT,
        voter_set=VoterSet(),
        name_durable=name_durable,
    )


def write_first_voters(
    directory: Path, node_id: int, directory_id: bytes, controller_endpoint: tuple[str, str, int]
) -> None:
    """The snapshot before all records: this node is the only voter (KIP-853)."""
    voter = Voter(voter_id=node_id, directory_id=directory_id, endpoints=(controller_endpoint,))
    now_ms = _now_ms()
    write_snapshot(
        directory / SnapshotId(0, 0).file_name,
        (),
        leader_epoch=0,
        timestamp_ms=now_ms,
        last_contained_timestamp_ms=now_ms,
        metadata_version=METADATA_VERSION_DEFAULT,
        voter_set=VoterSet(kraft_version=1, voters=(voter,)),
    )


def first_records(path: Path) -> list[Record]:
    """The records that an empty metadata log begins with: those of a bootstrap checkpoint, else our own.

    Raises CorruptMetadataError, UnsupportedMetadataError, OSError.
    """
    try:
        return list(read_snapshot(path).records)
    except FileNotFoundError:
        return _feature_records({})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""Reading `__cluster_metadata-0`: the newest usable snapshot, and the log from there on. Nothing is written.

Refused here, each with one sentence: records and feature levels that we do not know, several controllers, several
brokers, a log with a gap. Whatever is torn at the end of the log is left out: it was never answered.

Source: org.apache.kafka.image.loader.MetadataLoader, org.apache.kafka.raft.KafkaRaftClient.
"""

from __future__ import annotations

from pykafka_core._dataclass import dataclass, replace
from pykafka_core._path import Path
from pykafka_core.metadata.errors import CorruptMetadataError, MetadataError, UnsupportedMetadataError
from pykafka_core.metadata.image import MetadataImage
from pykafka_core.metadata.local_batches import Batch
from pykafka_core.metadata.local_bootstrap import first_records
from pykafka_core.metadata.local_log import iterate_log, list_segments, read_quorum_state
from pykafka_core.metadata.local_records import (
    KRAFT_VERSION,
    KRAFT_VOTERS,
    METADATA_VERSION_MAX,
    METADATA_VERSION_MIN,
    VoterSet,
    control_type,
    decode_record,
    decode_voters,
    read_kraft_version,
)
from pykafka_core.metadata.local_snapshot import Snapshot, SnapshotId, list_snapshots, read_snapshot
from pykafka_core.metadata.replay import ImageBuilder
from pykafka_core.protocol.message import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

__all__ = ["LoadedMetadata", "load_metadata"]

KRAFT_VERSION_MAX: Final = 1
FEATURE_LEVEL_MAX: Final = {
    "kraft.version": KRAFT_VERSION_MAX,
    "transaction.version": 2,
    "group.version": 1,
    "eligible.leader.replicas.version": 1,
    "share.version": 1,
    "streams.version": 1,
}
"""The levels that Apache Kafka 4.3 knows, of features besides metadata.version."""


@dataclass(slots=True, frozen=True, kw_only=True)
class LoadedMetadata:
    """What was found, and what a new leader has to do about it."""

    image: MetadataImage
    leader_epoch: int
    """The highest epoch seen anywhere."""
    end_offset: int
    """Where the log goes on."""
    voter_set: VoterSet
    voters_missing_from_log: bool
    """They stand only in the snapshot before all records; the first leader copies them into the log."""
    in_transaction: bool
    discard_log: bool
    """The log ends below the snapshot: it is to be thrown away."""
    first_records: Sequence[Record]
    """What an empty log begins with."""
    snapshot_revision: int
    bytes_since_snapshot: int
    warnings: tuple[str, ...]


def load_metadata(directory: Path, node_id: int, *, bootstrap: Path) -> LoadedMetadata:
    """Read the metadata in `directory`. Raises MetadataError, OSError."""
    warnings: list[str] = []
    snapshot_id, snapshot = _newest_snapshot(directory, warnings)
    voter_set = VoterSet() if snapshot is None else snapshot.voter_set
    builder = ImageBuilder(MetadataImage())
    start_offset = 0
    if snapshot is not None:
        _replay_snapshot(builder, directory / snapshot_id.file_name, snapshot)
        start_offset = snapshot_id.end_offset
    reader = _LogReader(builder, directory, start_offset, voter_set)
    for batch in iterate_log(directory, start_offset):
        reader.take(batch)
    discard_log = reader.end_offset < start_offset
    if discard_log and list_segments(directory):
        warnings.append(
            f"The metadata log in {directory} ends at offset {reader.end_offset}, below its snapshot; it is begun anew."
        )
    end_offset = max(reader.end_offset, start_offset)
    try:
        image = builder.build(
            revision=end_offset - 1,
            leader_epoch=max(reader.leader_epoch, snapshot_id.leader_epoch),
            timestamp_ms=max(reader.timestamp_ms, -1 if snapshot is None else snapshot.last_contained_timestamp_ms),
        )
    except ValueError as error:
        raise CorruptMetadataError(f"The metadata in {directory} does not fit together: {error}.") from error
    _check_served(directory, node_id, image, reader.voter_set)
    quorum = read_quorum_state(directory)
    if quorum is not None and len(quorum.voter_ids) > 1:
        raise _several_controllers(directory, quorum.voter_ids)
    empty = not image.features
    return LoadedMetadata(
        image=image,
        leader_epoch=max(image.leader_epoch, 0, -1 if quorum is None else quorum.leader_epoch),
        end_offset=end_offset,
        voter_set=reader.voter_set,
        voters_missing_from_log=reader.voter_set.kraft_version > 0 and start_offset == 0 and not reader.voters_in_log,
        in_transaction=builder.in_transaction,
        discard_log=discard_log,
        first_records=first_records(bootstrap) if empty else (),
        snapshot_revision=start_offset - 1,
        bytes_since_snapshot=reader.size,
        warnings=tuple(warnings),
    )


def _newest_snapshot(directory: Path, warnings: list[str]) -> tuple[SnapshotId, Snapshot | None]:
    """The newest snapshot that can be read. One that is damaged is a warning; whether an older one does, the log
    decides."""
    for snapshot_id in list_snapshots(directory):
        try:
            return snapshot_id, read_snapshot(directory / snapshot_id.file_name)
        except CorruptMetadataError as error:
            warnings.append(f"{error} An older state and the log are used.")
    return SnapshotId(0, 0), None


def _replay_snapshot(builder: ImageBuilder, path: Path, snapshot: Snapshot) -> None:
    try:
        for record in snapshot.records:
            builder.replay(record)
        builder.drop_orphaned_configs()
    except ValueError as error:
        raise CorruptMetadataError(f"Snapshot {path} does not fit together: {error}.") from error


class _LogReader:
    """Replays batches after a snapshot."""

    def __init__(self, builder: ImageBuilder, directory: Path, start_offset: int, voter_set: VoterSet) -> None:
        self._builder = builder
        self._directory = directory
        self._start_offset = start_offset
        self.voter_set = voter_set
        self.voters_in_log = False
        segments = list_segments(directory)
        self.end_offset = segments[-1][0] if segments else 0
        self.leader_epoch = -1
        self.timestamp_ms = -1
        self.size = 0

    def take(self, batch: Batch) -> None:
        self.end_offset = batch.next_offset
        self.leader_epoch = max(self.leader_epoch, batch.leader_epoch)
        if batch.next_offset <= self._start_offset:
            return
        self.timestamp_ms = max(self.timestamp_ms, batch.timestamp_ms)
        self.size += batch.size
        for offset, (key, value) in enumerate(batch.records, batch.base_offset):
            if offset < self._start_offset:
                continue
            if batch.control:
                self._control(control_type(key, offset), value)
                continue
            record = decode_record(value, offset)
            try:
                self._builder.replay(record)
            except ValueError as error:
                raise CorruptMetadataError(
                    f"The metadata log in {self._directory} does not fit together at offset {offset}: {error}."
                ) from error

    def _control(self, kind: int, value: bytes | None) -> None:
        if kind == KRAFT_VERSION:
            self.voter_set = replace(self.voter_set, kraft_version=read_kraft_version(value))
        elif kind == KRAFT_VOTERS:
            self.voter_set = replace(self.voter_set, voters=decode_voters(value))
            self.voters_in_log = True


def _several_controllers(directory: Path, voter_ids: Sequence[int]) -> MetadataError:
    ids = ", ".join(map(str, sorted(voter_ids)))
    return UnsupportedMetadataError(
        f"The metadata in {directory} is kept by several controllers ({ids}); this version runs alone."
    )


def _check_served(directory: Path, node_id: int, image: MetadataImage, voter_set: VoterSet) -> None:
    """Raise UnsupportedMetadataError for a cluster that one broker of this version cannot be."""
    if voter_set.kraft_version > KRAFT_VERSION_MAX:
        raise UnsupportedMetadataError(
            f"The metadata in {directory} has kraft.version {voter_set.kraft_version}, "
            f"and {KRAFT_VERSION_MAX} is the newest known."
        )
    if len(voter_set.voters) > 1:
        raise _several_controllers(directory, [voter.voter_id for voter in voter_set.voters])
    if voter_set.voters and voter_set.voters[0].voter_id != node_id:
        raise UnsupportedMetadataError(
            f"The metadata in {directory} is kept by controller {voter_set.voters[0].voter_id}, "
            f"and this is node {node_id}."
        )
    level = image.metadata_version
    if image.features and not METADATA_VERSION_MIN <= level <= METADATA_VERSION_MAX:
        raise UnsupportedMetadataError(
            f"The metadata in {directory} has metadata.version {level}; "
            f"{METADATA_VERSION_MIN} to {METADATA_VERSION_MAX} are known."
        )
    for name, level in sorted(image.features.items()):
        newest = level if name == "metadata.version" else FEATURE_LEVEL_MAX.get(name, 0)
        if level > newest:
            known = f"{newest} is the newest known" if newest else "no such feature is known"
            raise UnsupportedMetadataError(f"The metadata in {directory} has {name} {level}, and {known}.")
    others = sorted(set(image.brokers) - {node_id})
    if others:
        raise UnsupportedMetadataError(
            f"The metadata in {directory} knows other brokers ({', '.join(map(str, others))}); this version runs alone."
        )

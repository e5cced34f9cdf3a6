"""Snapshots of the metadata: `%020d-%010d.checkpoint`, by end offset (exclusive) and the leader epoch of the last
record.

    control batch   SnapshotHeader, and where kraft.version is 1 or more KRaftVersion and Voters
    data batches    the image as records
    control batch   SnapshotFooter

Offsets count from 0 inside the file. A snapshot comes into being by a rename, so a name without `.part` is whole,
unless the disk lies: a reader that finds it otherwise says so and the one before it, or the log, has to do.
`bootstrap.checkpoint` has the same form.

Source: org.apache.kafka.snapshot.{Snapshots,RecordsSnapshotWriter,RecordsSnapshotReader}, KIP-630.
"""

from __future__ import annotations

from pykafka_core._dataclass import dataclass
from pykafka_core._path import Path
from pykafka_core.metadata.errors import CorruptMetadataError
from pykafka_core.metadata.files import sync_directory, write_atomically
from pykafka_core.metadata.local_batches import BatchRecord, encode_batch, iterate_batches
from pykafka_core.metadata.local_records import (
    KRAFT_VERSION,
    KRAFT_VOTERS,
    SNAPSHOT_FOOTER,
    SNAPSHOT_HEADER,
    VoterSet,
    control_type,
    decode_record,
    decode_voters,
    encode_record,
    kraft_version_record,
    read_kraft_version,
    snapshot_footer_record,
    snapshot_header_record,
    voters_record,
)
from pykafka_core.protocol.message import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final

__all__ = ["Snapshot", "SnapshotId", "delete_snapshots", "list_snapshots", "read_snapshot", "write_snapshot"]

_RECORDS_PER_BATCH: Final = 1000


@dataclass(slots=True, frozen=True)
class SnapshotId:
    """Everything below `end_offset`, the last of it written in `leader_epoch`."""

    end_offset: int
    leader_epoch: int

    @classmethod
    def in_name(cls, name: str) -> SnapshotId | None:
        """What the name of a file begins with, if it is a snapshot's."""
        offset, dash, epoch = name[:20], name[20:21], name[21:31]
        digits = offset + epoch
        if len(digits) != 30 or dash != "-" or not (digits.isascii() and digits.isdecimal()):
            return None
        return cls(int(offset), int(epoch))

    @property
    def file_name(self) -> str:
        return f"{self.end_offset:020d}-{self.leader_epoch:010d}.checkpoint"


@dataclass(slots=True, frozen=True, kw_only=True)
class Snapshot:
    """What a snapshot file says."""

    last_contained_timestamp_ms: int
    voter_set: VoterSet
    records: tuple[Record, ...]
    size: int


def list_snapshots(directory: Path) -> list[SnapshotId]:
    """The finished snapshots in a directory, newest first."""
    found = ((name, SnapshotId.in_name(name)) for name in _names(directory))
    ids = (snapshot for name, snapshot in found if snapshot is not None and name == snapshot.file_name)
    return sorted(ids, key=lambda found: (found.end_offset, found.leader_epoch), reverse=True)


def _names(directory: Path) -> list[str]:
    try:
        return [entry.name for entry in directory.iterdir()]
    except FileNotFoundError:
        return []


def write_snapshot(
    path: Path,
    records: Iterable[Record],
    *,
    leader_epoch: int,
    timestamp_ms: int,
    last_contained_timestamp_ms: int,
    metadata_version: int,
    voter_set: VoterSet,
    name_durable: bool = True,
) -> int:
    """Write a snapshot file, durably (see write_atomically), and return its size in bytes. Raises OSError, and
    ValueError for what cannot be encoded."""
    head = [snapshot_header_record(last_contained_timestamp_ms)]
    if voter_set.kraft_version > 0:
        head += [kraft_version_record(voter_set), voters_record(voter_set)]
    data = bytearray(encode_batch(0, leader_epoch, timestamp_ms, head, control=True))
    offset = len(head)
    pending: list[BatchRecord] = []
    for record in records:
        pending.append(encode_record(record, metadata_version))
        if len(pending) == _RECORDS_PER_BATCH:
            data += encode_batch(offset, leader_epoch, timestamp_ms, pending)
            offset += len(pending)
            pending = []
    if pending:
        data += encode_batch(offset, leader_epoch, timestamp_ms, pending)
        offset += len(pending)
    data += encode_batch(offset, leader_epoch, timestamp_ms, [snapshot_footer_record()], control=True)
    write_atomically(path, bytes(data), suffix=".part", name_durable=name_durable)
    return len(data)


def read_snapshot(path: Path) -> Snapshot:
    """Read a snapshot file. Raises CorruptMetadataError naming the file and the place, UnsupportedMetadataError,
    OSError."""
    data = path.read_bytes()
    timestamp_ms: int | None = None
    kraft_version = 0
    voters = VoterSet().voters
    records: list[Record] = []
    ended = False
    position = 0
    try:
        for batch in iterate_batches(data):
            if ended:
                raise CorruptMetadataError(f"Snapshot {path} goes on after its footer, at byte {position}.")
            for offset, (key, value) in enumerate(batch.records, batch.base_offset):
                if not batch.control:
                    if timestamp_ms is None:
                        raise CorruptMetadataError(f"Snapshot {path} does not begin with a header.")
                    records.append(decode_record(value, offset))
                    continue
                kind = control_type(key, offset)
                if kind == SNAPSHOT_HEADER:
                    timestamp_ms = _header_timestamp(value)
                elif kind == KRAFT_VERSION:
                    kraft_version = read_kraft_version(value)
                elif kind == KRAFT_VOTERS:
                    voters = decode_voters(value)
                elif kind == SNAPSHOT_FOOTER:
                    ended = True
            position += batch.size
    except CorruptMetadataError as error:
        raise CorruptMetadataError(f"Snapshot {path}: {error}") from error
    except ValueError as error:
        raise CorruptMetadataError(f"Snapshot {path} cannot be read at byte {position}: {error}.") from error
    if timestamp_ms is None or not ended or position != len(data):
        raise CorruptMetadataError(f"Snapshot {path} is damaged at byte {position} of {len(data)}.")
    return Snapshot(
        last_contained_timestamp_ms=timestamp_ms,
        voter_set=VoterSet(kraft_version=kraft_version, voters=voters),
        records=tuple(records),
        size=len(data),
    )


def _header_timestamp(value: bytes | None) -> int:
    from pykafka_core.protocol._codec import decode
    from pykafka_core.protocol.records.control.snapshot_header_record import SnapshotHeaderRecord

    return decode(SnapshotHeaderRecord, 0, value or b"")[0].last_contained_log_timestamp


def delete_snapshots(directory: Path, keep: Sequence[SnapshotId]) -> None:
    """Remove all finished snapshots but these, and what an interrupted write left."""
    kept = {snapshot.file_name for snapshot in keep}
    removed = False
    for name in _names(directory):
        snapshot = SnapshotId.in_name(name)
        if snapshot is None or name in kept:
            continue
        if name == snapshot.file_name or name.endswith((".checkpoint.part", ".checkpoint.deleted")):
            (directory / name).unlink(missing_ok=True)
            removed = True
    if removed:
        sync_directory(directory)

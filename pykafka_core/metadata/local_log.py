"""The files of `__cluster_metadata-0`: reading its segments, `quorum-state`, and the engine's log that appends to it.

Reading goes over the segment files as they lie, so that a directory can be judged before anything in it is touched:
what the engine would cut off when it opens the log (a torn tail) is left out here by the same rule.

Source: org.apache.kafka.raft.internals.KafkaRaftLog, org.apache.kafka.raft.FileQuorumStateStore.
"""

from __future__ import annotations

from pykafka_core._dataclass import dataclass
from pykafka_core._path import Path
from pykafka_core.metadata.errors import CorruptMetadataError
from pykafka_core.metadata.files import sync_directory, write_atomically
from pykafka_core.metadata.local_batches import Batch, iterate_batches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final, Protocol
else:
    Protocol = object

__all__ = [
    "MetadataLog",
    "OpenLog",
    "QuorumState",
    "discard_segments",
    "iterate_log",
    "list_segments",
    "read_quorum_state",
    "write_quorum_state",
]

_SUFFIXES: Final = (".log", ".index", ".timeindex", ".txnindex", ".snapshot")
"""Of the files of a segment, behind its base offset."""


class MetadataLog(Protocol):
    """What the local store asks of the engine's log."""

    def append_as_follower(self, batch: bytes) -> None:
        """Append one batch that bears its offsets and leader epoch. Raises an exception, and stays failed, if it
        cannot."""

    def flush(self) -> None:
        """Make everything that was appended durable."""

    def roll_if_larger(self, size_bytes: int) -> None:
        """Begin a new segment if the last one has more bytes than this."""

    def raise_start_offset(self, offset: int) -> None:
        """Give up what lies below."""

    def drop_segments(self) -> None:
        """Delete segments that lie wholly below the start offset."""

    @property
    def end_offset(self) -> int: ...

    def close(self) -> None:
        """Flush and close."""


class OpenLog(Protocol):
    """Opens the log in a directory, cutting what is torn."""

    def __call__(self, directory: Path, *, segment_size_bytes: int) -> MetadataLog: ...


def _base_offset(name: str, suffixes: tuple[str, ...]) -> int | None:
    """That of a file of a segment; None if the name has another form."""
    number, suffix = name[:20], name[20:]
    return int(number) if len(number) == 20 and number.isascii() and number.isdecimal() and suffix in suffixes else None


def list_segments(directory: Path) -> list[tuple[int, Path]]:
    """(base offset, file) of each segment, oldest first."""
    try:
        found = [(_base_offset(entry.name, (".log",)), entry) for entry in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted((offset, entry) for offset, entry in found if offset is not None)


def iterate_log(directory: Path, from_offset: int) -> Iterator[Batch]:
    """The batches of the log from a little before `from_offset` on, up to the first that is torn or out of order.

    The first ones may lie wholly below `from_offset`: they tell where a log ends that does not reach it.
    Raises CorruptMetadataError if offsets between `from_offset` and the log's beginning are missing; OSError.
    """
    segments = list_segments(directory)
    if segments and segments[0][0] > from_offset:
        raise CorruptMetadataError(
            f"The metadata log in {directory} begins at offset {segments[0][0]}, and no snapshot covers "
            f"what lies between {from_offset} and there."
        )
    expected: int | None = None
    leader_epoch = -1
    for index, (base_offset, path) in enumerate(segments):
        if index + 1 < len(segments) and segments[index + 1][0] <= from_offset:
            continue
        if expected is not None and base_offset != expected:
            return
        expected = base_offset
        data = path.read_bytes()
        position = 0
        try:
            for batch in iterate_batches(data):
                if batch.base_offset != expected or batch.leader_epoch < leader_epoch:
                    return
                expected, leader_epoch = batch.next_offset, batch.leader_epoch
                position += batch.size
                yield batch
        except ValueError as error:
            raise CorruptMetadataError(f"{path} cannot be read at byte {position}: {error}.") from error
        if position != len(data):
            return


def discard_segments(directory: Path, start_offset: int) -> None:
    """Throw away the log in favour of a snapshot that goes further: what is left is an empty log that begins at
    `start_offset`.

    The newest files go first, so that after a crash the log still ends below the snapshot and is discarded again.
    """
    for entry in sorted(directory.iterdir(), reverse=True):
        if _base_offset(entry.name, _SUFFIXES) is not None or entry.name == "leader-epoch-checkpoint":
            entry.unlink()
    sync_directory(directory)
    (directory / f"{start_offset:020d}.log").touch()
    sync_directory(directory)


@dataclass(slots=True, frozen=True, kw_only=True)
class QuorumState:
    """Who leads the metadata log and since which epoch, as this node last knew. Version 0 goes with kraft.version 0."""

    leader_id: int = -1
    leader_epoch: int = 0
    voter_ids: tuple[int, ...] = ()
    version: int = 1


def _read_own(text: str) -> QuorumState | None:
    """What a text says if it is to the letter what `write_quorum_state` writes. A JSON parser takes as long to import
    as the rest of the metadata to read."""
    try:
        leader_id, leader_epoch = (
            int(text.partition(f'"{key}":')[2].partition(",")[0]) for key in ("leaderId", "leaderEpoch")
        )
    except ValueError:
        return None
    state = QuorumState(leader_id=leader_id, leader_epoch=leader_epoch)
    return state if _text_of(state) == text else None


def read_quorum_state(directory: Path) -> QuorumState | None:
    """None if there is none yet. Raises CorruptMetadataError, OSError."""
    path = directory / "quorum-state"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    state = _read_own(text)
    if state is not None:
        return state
    import json

    try:
        data = json.loads(text)
        return QuorumState(
            leader_id=int(data["leaderId"]),
            leader_epoch=int(data["leaderEpoch"]),
            voter_ids=tuple(int(voter["voterId"]) for voter in data.get("currentVoters") or ()),
            version=int(data["data_version"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptMetadataError(f"{path} cannot be read: {error!r}.") from error


def write_quorum_state(directory: Path, state: QuorumState) -> None:
    """Replace the file, durably, in Kafka's own form."""
    write_atomically(directory / "quorum-state", _text_of(state).encode())


def _text_of(state: QuorumState) -> str:
    # As Kafka's own JSON writer spells it. Numbers and fixed words only, so that no encoder has to be imported for it.
    if state.version == 0:
        voters = ",".join(f'{{"voterId":{voter}}}' for voter in state.voter_ids)
        return (
            f'{{"clusterId":"","leaderId":{state.leader_id},"leaderEpoch":{state.leader_epoch},"votedId":-1,'
            f'"appliedOffset":0,"currentVoters":[{voters}],"data_version":0}}'
        )
    return (
        f'{{"leaderId":{state.leader_id},"leaderEpoch":{state.leader_epoch},"votedId":-1,'
        f'"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":{state.version}}}'
    )

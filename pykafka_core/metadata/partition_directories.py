"""The directories of partitions: their names, their `partition.metadata`, and which of them belong to nobody.

    <topic>-<partition>                          a partition
    <topic>-<partition>.<32 hex>-delete          one that was deleted and waits for its files to go
    <topic>-<partition>.<32 hex>-future          a copy on its way to another directory
    <topic>-<partition>.<32 hex>-stray           one that the metadata does not know

Anything else with the look of a directory makes Apache Kafka refuse to start, so nothing else is ever made.

Source: org.apache.kafka.storage.internals.log.UnifiedLog, LocalLog, PartitionMetadataFile.
"""

from __future__ import annotations

import os

from pykafka_core._dataclass import dataclass
from pykafka_core._enum import StrEnum
from pykafka_core._path import Path
from pykafka_core.metadata.directories import METADATA_DIRECTORY
from pykafka_core.metadata.errors import CorruptMetadataError
from pykafka_core.metadata.files import sync_directory, write_atomically
from pykafka_core.metadata.image import MetadataImage
from pykafka_core.metadata.uuids import uuid_from_string, uuid_to_string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = [
    "DirectoryKind",
    "PartitionDirectory",
    "create_partition_directory",
    "deleted_directory_name",
    "future_directory_name",
    "list_partition_directories",
    "partition_directory_name",
    "read_topic_id",
    "stray_directory_name",
    "why_stray",
    "write_topic_id",
]

NAME_SIZE_MAX: Final = 255
"""Bytes in a file name; topic names are ASCII."""

_HEX: Final = frozenset("0123456789abcdef")

class DirectoryKind(StrEnum):
    LIVE = "live"
    DELETED = "delete"
    FUTURE = "future"
    STRAY = "stray"


@dataclass(slots=True, frozen=True, kw_only=True)
class PartitionDirectory:
    """A directory that is or was a partition's. In a deleted or stray one, `topic` may be cut short."""

    path: Path
    topic: str
    partition_id: int
    kind: DirectoryKind


def partition_directory_name(topic: str, partition_id: int) -> str:
    return f"{topic}-{partition_id}"


def deleted_directory_name(topic: str, partition_id: int) -> str:
    """A fresh name for a partition that is deleted. Each call gives another."""
    return _marked_name(topic, partition_id, DirectoryKind.DELETED)


def future_directory_name(topic: str, partition_id: int) -> str:
    """A fresh name for a copy on its way to another log directory."""
    return _marked_name(topic, partition_id, DirectoryKind.FUTURE)


def stray_directory_name(topic: str, partition_id: int) -> str:
    """A fresh name for a partition that the metadata does not know."""
    return _marked_name(topic, partition_id, DirectoryKind.STRAY)


def _marked_name(topic: str, partition_id: int, kind: DirectoryKind) -> str:
    suffix = f"-{partition_id}.{os.urandom(16).hex()}-{kind}"
    return topic[: NAME_SIZE_MAX - len(suffix)] + suffix


def _parse_name(name: str) -> tuple[str, int, DirectoryKind] | None:
    """Topic, partition and kind; None for what is no partition's name."""
    kind = DirectoryKind.LIVE
    stem, dot, mark = name.rpartition(".")
    token, _, word = mark.partition("-")
    if dot and len(token) == 32 and _HEX.issuperset(token) and word in ("delete", "future", "stray"):
        kind, name = DirectoryKind(word), stem
    topic, dash, number = name.rpartition("-")
    if not dash or not (number.isascii() and number.isdecimal()) or not (topic or kind is not DirectoryKind.LIVE):
        return None
    return topic, int(number), kind


def list_partition_directories(directory: Path) -> tuple[list[PartitionDirectory], list[Path]]:
    """The partition directories in a log directory, and other directories that Apache Kafka would not start with.

    The metadata log and hidden directories are in neither. Raises OSError.
    """
    found: list[PartitionDirectory] = []
    others: list[Path] = []
    for entry in sorted(directory.iterdir()):
        name = entry.name
        if name == METADATA_DIRECTORY or name.startswith(".") or not entry.is_dir():
            continue
        parsed = _parse_name(name)
        if parsed is None:
            if name not in ("lost+found", "remote-log-index-cache"):
                others.append(entry)
            continue
        topic, partition_id, kind = parsed
        found.append(PartitionDirectory(path=entry, topic=topic, partition_id=partition_id, kind=kind))
    return found, others


def write_topic_id(directory: Path, topic_id: bytes, *, name_durable: bool = True) -> None:
    """Write `partition.metadata`, durably; see write_atomically."""
    text = f"version: 0\ntopic_id: {uuid_to_string(topic_id)}"
    write_atomically(directory / "partition.metadata", text.encode("ascii"), name_durable=name_durable)


def read_topic_id(directory: Path) -> bytes | None:
    """The topic id in `partition.metadata`; None if there is no such file. Raises CorruptMetadataError, OSError."""
    path = directory / "partition.metadata"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    fields = dict(line.partition(":")[::2] for line in lines if line)
    if fields.get("version", "").strip() != "0":
        raise CorruptMetadataError(f"{path} has no version that is known.")
    try:
        return uuid_from_string(fields.get("topic_id", "").strip())
    except ValueError as error:
        raise CorruptMetadataError(f"{path} has no topic id: {error}.") from error


def create_partition_directory(log_directory: Path, topic: str, partition_id: int, topic_id: bytes) -> Path:
    """Make the directory of a new partition, durably, with its topic id in it. Raises OSError."""
    path = log_directory / partition_directory_name(topic, partition_id)
    path.mkdir(exist_ok=True)
    write_topic_id(path, topic_id)
    sync_directory(log_directory)
    return path


def why_stray(
    image: MetadataImage, node_id: int, directory_id: bytes, topic: str, partition_id: int, topic_id: bytes | None
) -> str | None:
    """Why the metadata has no place for this partition in this directory; None if it has.

    `topic_id` is what `partition.metadata` says. Without it the name decides, as for logs older than topic ids.
    """
    known = image.topics.get(topic)
    if known is None:
        return f"there is no topic {topic}"
    if topic_id is not None and topic_id != known.topic_id:
        return f"topic {topic} has the id {uuid_to_string(known.topic_id)}, not {uuid_to_string(topic_id)}"
    if partition_id >= len(known.partitions):
        return f"topic {topic} has {len(known.partitions)} partitions"
    partition = known.partitions[partition_id]
    if node_id not in partition.replicas:
        return f"node {node_id} holds no replica of it"
    place = partition.directory_of(node_id)
    # The first hundred ids are Kafka's words for "unknown"; then any directory will do.
    if place is not None and int.from_bytes(place, "big") >= 100 and place != directory_id:
        return f"its replica is in the directory {uuid_to_string(place)}"
    return None

"""Directories of partitions: their names, and the file in each that says whose it is.

    <topic>-<partition>                       a partition
    <topic>-<partition>.<32 hex>-delete       deleted; the broker removes it
    <topic>-<partition>.<32 hex>-stray        not known to the metadata; nobody touches it
    partition.metadata                        "version: 0" and "topic_id: <22 characters>"

Source: org.apache.kafka.storage.internals.log.LocalLog (names), PartitionMetadataFile.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from pykafka_core.broker.topic_names import METADATA_TOPIC, why_invalid
from pykafka_core.protocol.uuids import uuid_from_string, uuid_to_string

__all__ = [
    "DELETE_SUFFIX",
    "STRAY_SUFFIX",
    "PartitionDir",
    "list_partition_dirs",
    "marked_name",
    "partition_dir_name",
    "read_topic_id",
    "write_topic_id",
]

DELETE_SUFFIX: Final = "-delete"
STRAY_SUFFIX: Final = "-stray"
PARTITION_METADATA: Final = "partition.metadata"
NAME_SIZE_MAX: Final = 255

_PARTITION: Final = re.compile(r"(.+)-([0-9]+)")
_MARKED: Final = re.compile(r"(.+)\.[0-9a-f]{32}(-delete|-stray|-future)")


@dataclass(slots=True, frozen=True, kw_only=True)
class PartitionDir:
    """A partition's directory as it was found."""

    path: Path
    topic: str
    index: int
    topic_id: bytes | None
    """None: partition.metadata is missing or cannot be read."""


def partition_dir_name(topic: str, index: int) -> str:
    return f"{topic}-{index}"


def marked_name(name: str, suffix: str) -> str:
    """The name that a partition's directory gets when it is deleted or set aside. Never the same twice."""
    unique = f".{uuid4().hex}{suffix}"
    return name[: NAME_SIZE_MAX - len(unique)] + unique


def list_partition_dirs(log_dir: Path) -> tuple[list[PartitionDir], list[Path]]:
    """Return the partitions that lie in a log directory, and the directories that wait for their deletion."""
    partitions: list[PartitionDir] = []
    deleted: list[Path] = []
    for path, name in _subdirectories(log_dir):
        marked = _MARKED.fullmatch(name)
        if marked is not None:
            if marked[2] == DELETE_SUFFIX:
                deleted.append(path)
            continue
        found = _PARTITION.fullmatch(name)
        if found is None or found[1] == METADATA_TOPIC or why_invalid(found[1]) is not None:
            continue
        partitions.append(PartitionDir(path=path, topic=found[1], index=int(found[2]), topic_id=read_topic_id(path)))
    return partitions, deleted


def _subdirectories(log_dir: Path) -> Iterator[tuple[Path, str]]:
    with os.scandir(log_dir) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                yield log_dir / entry.name, entry.name


def read_topic_id(directory: Path) -> bytes | None:
    """Return the topic id of a partition's directory; None if the file is missing, empty or damaged."""
    try:
        lines = (directory / PARTITION_METADATA).read_text("ascii").splitlines()
        if len(lines) < 2 or lines[0] != "version: 0" or not lines[1].startswith("topic_id: "):
            return None
        return uuid_from_string(lines[1].removeprefix("topic_id: ").strip())
    except (OSError, ValueError):
        return None


def write_topic_id(directory: Path, topic_id: bytes) -> None:
    """Write partition.metadata. Not synced: where a crash leaves it empty, the metadata says whose the directory is."""
    temporary = directory / f"{PARTITION_METADATA}.tmp"
    temporary.write_text(f"version: 0\ntopic_id: {uuid_to_string(topic_id)}", "ascii")
    temporary.replace(directory / PARTITION_METADATA)

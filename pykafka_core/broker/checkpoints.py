"""Kafka's checkpoint files: an offset for each of some partitions, as text.

    0                      version
    2                      how many lines follow
    topic 0 17             topic, partition, offset
    topic 1 4

A file is replaced as a whole, durably; after a crash it is old or new. One that is missing or damaged says nothing,
which costs time and never data: recovery reads more, and the log start offset is that of the first segment.

Source: org.apache.kafka.server.common.CheckpointFile,
org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile.
"""

from __future__ import annotations

from pykafka_core._later_log import get_logger
from pykafka_core._path import Path
from pykafka_core.metadata.files import write_atomically

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    Offsets = Mapping[tuple[str, int], int]

__all__ = ["read_checkpoint", "write_checkpoint"]

log = get_logger("kafka.server.LogDirFailureChannel")

VERSION: Final = "0"


def read_checkpoint(path: Path) -> dict[tuple[str, int], int]:
    """Return the offsets by topic and partition; none if the file is missing or damaged."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("Checkpoint %s cannot be read (%s); it is not used", path, error)
        return {}
    try:
        if lines[0] != VERSION or int(lines[1]) != len(lines) - 2:
            raise ValueError("it is not what its first two lines say")
        offsets: dict[tuple[str, int], int] = {}
        for line in lines[2:]:
            topic, partition, offset = line.split(" ")
            offsets[topic, int(partition)] = int(offset)
    except (ValueError, IndexError) as error:
        log.warning("Checkpoint %s is damaged (%s); it is not used", path, error)
        return {}
    return offsets


def write_checkpoint(path: Path, offsets: Offsets) -> None:
    """Replace the file, durably. Raises OSError."""
    lines = [VERSION, str(len(offsets))]
    lines += [f"{topic} {partition} {offset}" for (topic, partition), offset in offsets.items()]
    write_atomically(path, ("\n".join(lines) + "\n").encode())

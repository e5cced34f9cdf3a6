"""The uuids of topics and directories: 16 bytes, and their text form as `pykafka_core.protocol.uuids` has it.

Source: org.apache.kafka.common.DirectoryId (KIP-858).
"""

from __future__ import annotations

from pykafka_core.protocol.uuids import ZERO_UUID, uuid_from_string, uuid_to_string
from pykafka_core.protocol.uuids import random_uuid as _random_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = [
    "DIRECTORY_LOST",
    "DIRECTORY_MIGRATING",
    "DIRECTORY_UNASSIGNED",
    "METADATA_TOPIC_ID",
    "ZERO_UUID",
    "random_uuid",
    "uuid_from_string",
    "uuid_to_string",
]

# Kafka's numbers: the directory is being moved from, is not known yet, is gone.
DIRECTORY_MIGRATING: Final = bytes(16)
DIRECTORY_UNASSIGNED: Final = (1).to_bytes(16, "big")
DIRECTORY_LOST: Final = (2).to_bytes(16, "big")
METADATA_TOPIC_ID: Final = (1).to_bytes(16, "big")

_RESERVED_COUNT: Final = 100


def random_uuid() -> bytes:
    """A random uuid, not one of the hundred that Kafka keeps for directories."""
    while True:
        uuid = _random_uuid()
        if int.from_bytes(uuid, "big") >= _RESERVED_COUNT:
            return uuid

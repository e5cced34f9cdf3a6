"""Kafka's uuids: 16 bytes inside the broker, 22 characters of unpadded base64url in files and tool output.

Source: org.apache.kafka.common.Uuid, DirectoryId (KIP-858).
"""

from __future__ import annotations

import binascii
import os

__all__ = ["DIRECTORY_LOST", "DIRECTORY_MIGRATING", "DIRECTORY_UNASSIGNED", "format_uuid", "parse_uuid", "random_uuid"]

DIRECTORY_UNASSIGNED = bytes(16)
"""The replica's log directory is not known to the controller; a broker with one directory is told apart by nothing
else."""
DIRECTORY_LOST = (1).to_bytes(16, "big")
DIRECTORY_MIGRATING = (2).to_bytes(16, "big")

_RESERVED_MAX = 100
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


def random_uuid() -> bytes:
    """A version 4 uuid whose text does not start with `-`, so that it can stand on a command line; never a reserved
    one."""
    while True:
        raw = bytearray(os.urandom(16))
        raw[6] = (raw[6] & 0x0F) | 0x40
        raw[8] = (raw[8] & 0x3F) | 0x80
        uuid = bytes(raw)
        if int.from_bytes(uuid, "big") >= _RESERVED_MAX and not format_uuid(uuid).startswith("-"):
            return uuid


def format_uuid(uuid: bytes) -> str:
    """The 22 characters that Kafka prints for these 16 bytes."""
    return binascii.b2a_base64(uuid, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def parse_uuid(text: str) -> bytes:
    """The 16 bytes of a printed uuid. Raises ValueError for anything else."""
    try:
        raw = binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"==", strict_mode=True)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a uuid in base64url") from error
    if len(raw) != 16 or format_uuid(raw) != text:
        raise ValueError(f"{text!r} is not a uuid in base64url")
    return raw

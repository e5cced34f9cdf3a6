"""Kafka's text form of a uuid: base64 with the URL alphabet and without padding, 22 characters."""

from __future__ import annotations

import os
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

from pykafka_core.protocol.message import ZERO_UUID

__all__ = ["ZERO_UUID", "random_uuid", "uuid_from_string", "uuid_to_string"]

ONE_UUID = bytes(15) + b"\x01"
"""Reserved by Kafka for the metadata topic."""

TO_URL, FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


def uuid_to_string(uuid: bytes) -> str:
    if len(uuid) != 16:
        raise ValueError(f"a uuid has 16 bytes, not {len(uuid)}")
    return b2a_base64(uuid, newline=False)[:22].translate(TO_URL).decode()


def uuid_from_string(text: str) -> bytes:
    """Return the 16 bytes of a uuid. Raises ValueError for anything that uuid_to_string would not have written."""
    try:
        uuid = a2b_base64(text.encode("ascii").translate(FROM_URL) + b"==") if len(text) == 22 else b""
    except (Base64Error, ValueError):
        uuid = b""
    if len(uuid) != 16 or uuid_to_string(uuid) != text:
        raise ValueError(f"{text!r} is not a uuid of 22 base64 characters")
    return uuid


def random_uuid() -> bytes:
    """Return a random (version 4) uuid that is none of Kafka's reserved ones and whose text starts with no dash.

    A leading dash would read as an option on a command line, so Kafka avoids it too.
    """
    while True:
        # As uuid.uuid4() does, whose module takes long to import.
        drawn = bytearray(os.urandom(16))
        drawn[6] = drawn[6] & 0x0F | 0x40
        drawn[8] = drawn[8] & 0x3F | 0x80
        uuid = bytes(drawn)
        if uuid not in (ZERO_UUID, ONE_UUID) and not uuid_to_string(uuid).startswith("-"):
            return uuid

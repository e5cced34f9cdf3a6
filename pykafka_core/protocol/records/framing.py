"""How records of brokers are wrapped.

Value of a record in the metadata log (KIP-631):   uvarint frame version 1, uvarint record type, uvarint version, fields
Key of a coordinator's record (KIP-915):           int16 key type, fields
Value of a coordinator's record:                   int16 version, fields

Coordinators are named "group" (__consumer_offsets), "transaction" (__transaction_state) and "share"
(__share_group_state). A key has one version only; which value belongs to it is said by the key type. An empty (null)
value is a tombstone and never comes here.
"""

from __future__ import annotations

import sys

from pykafka_core.protocol._codec import decode, encode
from pykafka_core.protocol.exceptions import ProtocolError, UnsupportedVersionError
from pykafka_core.protocol.message import Record
from pykafka_core.protocol.records.registry import COORDINATOR_KEYS, COORDINATOR_VALUES, METADATA_RECORDS, Row

__all__ = [
    "decode_coordinator_key",
    "decode_coordinator_value",
    "decode_metadata_record",
    "encode_coordinator_key",
    "encode_coordinator_value",
    "encode_metadata_record",
]

METADATA_FRAME_VERSION = 1

Data = bytes | bytearray | memoryview

_classes: dict[Row, type[Record]] = {}


def class_of(rows: dict[int, Row], number: int, what: str) -> type[Record]:
    row = rows.get(number)
    if row is None:
        raise UnsupportedVersionError(f"there is no {what} {number}", value=number)
    found = _classes.get(row)
    if found is None:
        # As importlib.import_module does, which a start does without.
        module = f"pykafka_core.protocol.records.{row[0]}"
        __import__(module)
        found = getattr(sys.modules[module], row[1])
        _classes[row] = found
    return found


def uvarint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def read_uvarint(data: Data, offset: int, what: str) -> tuple[int, int]:
    value = 0
    for index in range(5):
        if offset + index >= len(data):
            raise ProtocolError(f"the record ends inside the {what}")
        byte = data[offset + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if value > 0xFFFFFFFF:
                break
            return value, offset + index + 1
    raise ProtocolError(f"the {what} has more than 32 bits")


def read_int16(data: Data, what: str) -> int:
    if len(data) < 2:
        raise ProtocolError(f"the record ends inside the {what}", value=len(data), limit=2)
    return int.from_bytes(data[:2], "big", signed=True)


def whole(found: tuple[Record, int], data: Data) -> Record:
    record, end = found
    if end != len(data):
        raise ProtocolError(f"{len(data) - end} bytes follow a {type(record).__name__}", value=len(data), limit=end)
    return record


def encode_metadata_record(record: Record, version: int | None = None) -> bytes:
    """Write the value of a metadata record, in its newest version if none is given."""
    if METADATA_RECORDS.get(record.API_KEY, ("", ""))[1] != type(record).__name__:
        raise TypeError(f"{type(record).__name__} is not a record of the metadata log")
    if version is None:
        version = record.VERSION_MAX
    return encode(record, version, uvarint(METADATA_FRAME_VERSION) + uvarint(record.API_KEY) + uvarint(version))


def decode_metadata_record(data: Data) -> tuple[Record, int]:
    """Read the value of a metadata record; return the record and its version."""
    frame_version, offset = read_uvarint(data, 0, "frame version")
    if frame_version != METADATA_FRAME_VERSION:
        raise UnsupportedVersionError(
            f"metadata frame version {frame_version}, only {METADATA_FRAME_VERSION} is known",
            value=frame_version,
            limit=METADATA_FRAME_VERSION,
        )
    record_type, offset = read_uvarint(data, offset, "record type")
    version, offset = read_uvarint(data, offset, "version")
    if version > 0x7FFF:
        raise UnsupportedVersionError(f"record version {version}", value=version, limit=0x7FFF)
    cls = class_of(METADATA_RECORDS, record_type, "metadata record type")
    return whole(decode(cls, version, data, offset), data), version


def rows_of(table: dict[str, dict[int, Row]], coordinator: str) -> dict[int, Row]:
    rows = table.get(coordinator)
    if rows is None:
        raise ValueError(f"there is no coordinator {coordinator!r}, only {', '.join(table)}")
    return rows


def encode_coordinator_key(key: Record) -> bytes:
    """Write the key of a coordinator's record."""
    return encode(key, key.VERSION_MAX, key.API_KEY.to_bytes(2, "big", signed=True))


def decode_coordinator_key(coordinator: str, data: Data) -> Record:
    """Read the key of a record of one coordinator's topic; the class says which kind it is.

    Raises UnsupportedVersionError for a key type of the future; a reader that must go on skips such records (KIP-915).
    """
    key_type = read_int16(data, "key type")
    cls = class_of(rows_of(COORDINATOR_KEYS, coordinator), key_type, f"{coordinator} record key type")
    return whole(decode(cls, cls.VERSION_MAX, data, 2), data)


def encode_coordinator_value(value: Record, version: int | None = None) -> bytes:
    """Write the value of a coordinator's record, in its newest version if none is given."""
    if version is None:
        version = value.VERSION_MAX
    return encode(value, version, version.to_bytes(2, "big", signed=True))


def decode_coordinator_value(coordinator: str, key_type: int, data: Data) -> tuple[Record, int]:
    """Read the value that goes with a key of type `key_type` (its class's API_KEY); return it and its version."""
    version = read_int16(data, "version")
    cls = class_of(rows_of(COORDINATOR_VALUES, coordinator), key_type, f"{coordinator} record key type")
    return whole(decode(cls, version, data, 2), data), version

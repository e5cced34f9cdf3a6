"""Record batch v2, written and read field by field, so that a test can get any field wrong on purpose.

Source: Kafka's record format documentation; layout in PROTOCOL terms: 61-byte header, CRC-32C over bytes 21..end.
"""

from __future__ import annotations

import gzip
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness.wire import Reader, Writer

HEADER = struct.Struct(">qiibIhiqqqhii")
assert HEADER.size == 61

Header = tuple[str, bytes | None]


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def encode_record(
    value: bytes | None,
    *,
    key: bytes | None = None,
    headers: Sequence[Header] = (),
    offset_delta: int = 0,
    timestamp_delta: int = 0,
    attributes: int = 0,
) -> bytes:
    body = Writer().i8(attributes).varint(timestamp_delta).varint(offset_delta)
    for field in (key, value):
        if field is None:
            body.varint(-1)
        else:
            body.varint(len(field)).raw(field)
    body.varint(len(headers))
    for name, content in headers:
        body.varint(len(name.encode())).raw(name.encode())
        if content is None:
            body.varint(-1)
        else:
            body.varint(len(content)).raw(content)
    return bytes(Writer().varint(len(body.data)).raw(bytes(body.data)).data)


def build(
    values: Sequence[bytes | None] = (b"value",),
    *,
    records: bytes | None = None,
    base_offset: int = 0,
    length: int | None = None,
    leader_epoch: int = -1,
    magic: int = 2,
    crc: int | None = None,
    attributes: int = 0,
    last_offset_delta: int | None = None,
    timestamp: int | None = None,
    max_timestamp: int | None = None,
    timestamp_step: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    count: int | None = None,
) -> bytes:
    """One batch, correct unless a field is given. `records` replaces the record bytes, compressed if need be."""
    timestamp = int(time.time() * 1000) if timestamp is None else timestamp
    if records is None:
        records = b"".join(
            encode_record(v, offset_delta=i, timestamp_delta=i * timestamp_step) for i, v in enumerate(values)
        )
        if attributes & 7 == 1:
            records = gzip.compress(records)
    last = len(values) - 1 if last_offset_delta is None else last_offset_delta
    newest = timestamp + timestamp_step * (len(values) - 1) if max_timestamp is None else max_timestamp
    tail = struct.pack(
        ">hiqqqhii", attributes, last, timestamp, newest, producer_id, producer_epoch, base_sequence,
        len(values) if count is None else count,
    ) + records  # fmt: skip
    checksum = crc32c(tail) if crc is None else crc
    size = 9 + len(tail) if length is None else length
    return struct.pack(">qiibI", base_offset, size, leader_epoch, magic, checksum) + tail


@dataclass(slots=True, frozen=True, kw_only=True)
class Batch:
    base_offset: int
    size_bytes: int
    leader_epoch: int
    magic: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    base_sequence: int
    count: int
    records: bytes

    def values(self) -> list[bytes | None]:
        """Record values; only for batches that are not compressed."""
        reader, found = Reader(self.records), []
        for _ in range(self.count):
            record = Reader(reader.take(reader.varint()))
            record.i8(), record.varint(), record.varint()
            key_size = record.varint()
            record.take(max(key_size, 0))
            size = record.varint()
            found.append(None if size < 0 else record.take(size))
        return found


def parse(data: bytes) -> tuple[list[Batch], int]:
    """Whole batches at the front of `data`, each with its CRC checked, and how many bytes a cut last batch takes."""
    found, at = [], 0
    while len(data) - at >= 12:
        size = 12 + struct.unpack_from(">i", data, at + 8)[0]
        if len(data) - at < size:
            break
        offset, _, epoch, magic, crc, attrs, last, base, newest, pid, _, sequence, count = HEADER.unpack_from(data, at)
        assert crc == crc32c(data[at + 21 : at + size]), f"CRC wrong in the batch at offset {offset}"
        found.append(Batch(
            base_offset=offset, size_bytes=size, leader_epoch=epoch, magic=magic, attributes=attrs,
            last_offset_delta=last, base_timestamp=base, max_timestamp=newest, producer_id=pid,
            base_sequence=sequence, count=count, records=data[at + 61 : at + size],
        ))  # fmt: skip
        at += size
    return found, len(data) - at

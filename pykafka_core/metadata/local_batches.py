"""Record batches of the metadata log, in bytes: format version 2, never compressed, no producer, no headers.

    encode_batch(base_offset, leader_epoch, timestamp_ms, records, control=False) -> bytes
    iterate_batches(data) -> Batch, Batch, ...    stops at the first byte that is no whole, correct batch

Batch:  int64 base offset, int32 length of what follows, int32 leader epoch, int8 magic 2, uint32 CRC-32C of what
follows,
        int16 attributes, int32 last offset delta, int64 base timestamp, int64 max timestamp, int64 producer id, int16
        producer epoch, int32 base sequence, int32 count, records
Record: varint length, int8 0, varlong timestamp delta, varint offset delta, varint key size (-1: null), key, varint
value size, value,
        varint header count

A few dozen records at a time pass here, so this is Python; the data of topics never does.
Source: org.apache.kafka.common.record.DefaultRecordBatch, org.apache.kafka.raft.internals.BatchBuilder.
"""

from __future__ import annotations

import struct

from pykafka_core._dataclass import dataclass
from pykafka_core.native import crc32c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

__all__ = ["BATCH_HEADER_SIZE", "Batch", "BatchRecord", "encode_batch", "iterate_batches"]

_HEADER: Final = struct.Struct(">qiibI")
_BODY: Final = struct.Struct(">hiqqqhii")
_CRC_END: Final = _HEADER.size
BATCH_HEADER_SIZE: Final = _HEADER.size + _BODY.size
_LENGTH_FROM: Final = 12
_MAGIC: Final = 2
_CONTROL: Final = 0x20
_CODEC_MASK: Final = 0x07

assert BATCH_HEADER_SIZE == 61

BatchRecord = tuple[bytes | None, bytes | None]
"""Key and value of one record."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Batch:
    """One batch as read. `size` is its length in bytes, header included."""

    base_offset: int
    leader_epoch: int
    timestamp_ms: int
    """The highest timestamp in it."""
    control: bool
    records: tuple[BatchRecord, ...]
    size: int

    @property
    def next_offset(self) -> int:
        return self.base_offset + len(self.records)


def _varint(value: int) -> bytes:
    """Zigzag, seven bits at a time."""
    rest = (value << 1) if value >= 0 else ((-value << 1) - 1)
    encoded = bytearray()
    while rest >= 0x80:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index in range(10):
        byte = data[position + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position + index + 1
    raise ValueError("a varint has more than ten bytes")


def _field(data: bytes | None) -> bytes:
    return _varint(-1) if data is None else _varint(len(data)) + data


def encode_batch(
    base_offset: int, leader_epoch: int, timestamp_ms: int, records: Sequence[BatchRecord], *, control: bool = False
) -> bytes:
    """One batch of at least one record, all with the same timestamp."""
    body = bytearray(
        _BODY.pack(_CONTROL if control else 0, len(records) - 1, timestamp_ms, timestamp_ms, -1, -1, -1, len(records))
    )
    for delta, (key, value) in enumerate(records):
        # Attributes 0, timestamp delta 0, no headers.
        record = b"\x00\x00" + _varint(delta) + _field(key) + _field(value) + b"\x00"
        body += _varint(len(record)) + record
    crc = crc32c(body)
    return _HEADER.pack(base_offset, len(body) + _CRC_END - _LENGTH_FROM, leader_epoch, _MAGIC, crc) + bytes(body)


def iterate_batches(data: bytes) -> Iterator[Batch]:
    """The batches from the start of these bytes on, until one is cut off, has a wrong checksum or does not parse.

    The sum of their sizes tells the caller where it ended. Raises ValueError for a batch that is whole and correct,
    and compressed.
    """
    view = memoryview(data)
    position = 0
    while position + BATCH_HEADER_SIZE <= len(view):
        base_offset, length, leader_epoch, magic, crc = _HEADER.unpack_from(view, position)
        end = position + _LENGTH_FROM + length
        if length < BATCH_HEADER_SIZE - _LENGTH_FROM or magic != _MAGIC or base_offset < 0 or end > len(view):
            return
        body = view[position + _CRC_END : end]
        if crc32c(body) != crc:
            return
        attributes, last_delta, _, timestamp_ms, _, _, _, count = _BODY.unpack_from(body)
        if attributes & _CODEC_MASK:
            raise ValueError(f"the batch at offset {base_offset} is compressed, which metadata never is")
        try:
            records = _records(body, count)
        except (IndexError, ValueError):
            return
        if count != last_delta + 1 or len(records) != count:
            return
        yield Batch(
            base_offset=base_offset,
            leader_epoch=leader_epoch,
            timestamp_ms=timestamp_ms,
            control=bool(attributes & _CONTROL),
            records=records,
            size=end - position,
        )
        position = end


def _records(body: memoryview, count: int) -> tuple[BatchRecord, ...]:
    records: list[BatchRecord] = []
    position = _BODY.size
    for _ in range(count):
        length, position = _read_varint(body, position)
        end = position + length
        if length < 0 or end > len(body):
            raise ValueError("a record goes beyond its batch")
        _, at = _read_varint(body, position + 1)
        _, at = _read_varint(body, at)
        key, at = _read_field(body, at, end)
        value, at = _read_field(body, at, end)
        records.append((key, value))
        # Headers, which nobody writes here, are skipped with the rest of the record.
        position = end
    return tuple(records)


def _read_field(body: memoryview, position: int, end: int) -> tuple[bytes | None, int]:
    size, position = _read_varint(body, position)
    if size < 0:
        return None, position
    if position + size > end:
        raise ValueError("a field goes beyond its record")
    return bytes(body[position : position + size]), position + size

"""A record batch parser in the plainest Python, straight from Kafka's documentation: the reference for the C one.

Every function raises ValueError for bytes that break the format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pykafka_core.records import Record


@dataclass
class Cursor:
    data: bytes
    at: int = 0

    def take(self, size: int) -> bytes:
        if size < 0 or size > len(self.data) - self.at:
            raise ValueError("the bytes end early")
        self.at += size
        return self.data[self.at - size : self.at]

    def varint(self, bits: int) -> int:
        raw = 0
        for shift in range(0, (bits + 6) // 7 * 7, 7):
            (byte,) = self.take(1)
            raw |= (byte & 0x7F) << shift
            if byte < 0x80:
                if raw >> bits:
                    raise ValueError("a number beyond its width")
                return (raw >> 1) ^ -(raw & 1)
        raise ValueError("a number that is too long")

    def nullable(self) -> bytes | None:
        size = self.varint(32)
        if size < -1:
            raise ValueError("a size below -1")
        return None if size == -1 else self.take(size)


def parse_records(section: bytes, count: int, base_offset: int, base_timestamp: int) -> list[Record]:
    cursor = Cursor(section)
    out = []
    for _ in range(count):
        body = Cursor(cursor.take(cursor.varint(32)))
        body.take(1)
        timestamp = base_timestamp + body.varint(64)
        offset = base_offset + body.varint(32)
        key, value = body.nullable(), body.nullable()
        header_count = body.varint(32)
        if header_count < 0 or header_count > len(section):
            raise ValueError("a header count that cannot be")
        headers = []
        for _ in range(header_count):
            name = body.nullable()
            if name is None:
                raise ValueError("a header without a key")
            headers.append((name.decode("utf-8", "surrogateescape"), body.nullable()))
        if body.at != len(body.data):
            raise ValueError("bytes follow the headers")
        out.append(Record(offset, timestamp, key, value, tuple(headers)))
    if cursor.at != len(section):
        raise ValueError("bytes follow the records")
    return out


HEADER = struct.Struct(">qiibIhiqqqhii")


def parse_batch(batch: bytes) -> list[Record]:
    """The records of an uncompressed batch; its CRC is not looked at."""
    base_offset, _, _, _, _, _, _, base_timestamp, _, _, _, _, count = HEADER.unpack_from(batch)
    return parse_records(batch[61:], count, base_offset, base_timestamp)

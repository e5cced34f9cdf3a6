"""Sample records, the two key-to-partition rules, and the text form in which records travel to other languages.

Text form: one record per line, tab-separated `partition offset timestamp key value headers`. Bytes are base64, null is
`~`, headers are `name:value` joined by commas (both base64). Numbers that are not known are -1.
"""

from __future__ import annotations

import random
import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(slots=True, frozen=True, kw_only=True)
class Record:
    """`partition` -1 leaves the choice to the client's partitioner; `timestamp` -1 leaves it to its clock."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int = -1
    partition: int = -1
    offset: int = -1


def murmur2(data: bytes) -> int:
    """The 32-bit hash of Java's default partitioner (Austin Appleby's MurmurHash2, seed 0x9747b28c), unsigned."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def java_partition(key: bytes | None, partitions: int) -> int:
    return -1 if key is None else (murmur2(key) & 0x7FFFFFFF) % partitions


def librdkafka_partition(key: bytes | None, partitions: int) -> int:
    """librdkafka's `consistent_random`: CRC-32 of the key; a null or empty key goes anywhere."""
    return zlib.crc32(key) % partitions if key else -1


def sample(seed: int, *, count: int, partitions: int, newest: int | None = None) -> list[Record]:
    """Records of every shape. Timestamps rise by a second each and end at `newest` (default: a minute ago).

    No two records have the same key and value, so that a swap cannot go unseen.
    """
    chance = random.Random(seed)
    newest = int(time.time() * 1000) - 60_000 if newest is None else newest
    found = []
    for i in range(count):
        key: bytes | None = f"key-{i % 7}".encode()
        if i % 4 == 0:
            key = None
        elif i % 13 == 1:
            key = b""
        elif i % 5 == 2:
            key = chance.randbytes(1 + i % 9)
        value: bytes | None = f"{i:06d} ".encode() + b"the quick brown fox " * (i % 9) + chance.randbytes(i % 50)
        if i % 11 == 5:
            value = None
        elif i % 23 == 3:
            value = b""
        elif i == count // 2:
            value = chance.randbytes(10_000) + b"\0" * 30_000
        if not value and i != 5:
            key = f"only-{i}".encode()
        headers: Headers = ()
        if i % 3 == 1:
            headers = (("kind", b"plain"), ("trace-id", chance.randbytes(16)))
        elif i % 3 == 2:
            headers = (("größe", b"\x00\xff"), ("twice", b"1"), ("twice", b"2"), ("empty", b""), ("null", None))
        found.append(Record(
            key=key, value=value, headers=headers, timestamp=newest - (count - 1 - i) * 1000,
            partition=i % partitions if i % 10 == 9 else -1,
        ))  # fmt: skip
    return found


def _text(data: bytes | None) -> str:
    return "~" if data is None else b64encode(data).decode()


def _bytes(text: str) -> bytes | None:
    return None if text == "~" else b64decode(text)


def to_lines(records: Iterable[Record]) -> str:
    lines = []
    for r in records:
        headers = ",".join(f"{_text(name.encode())}:{_text(value)}" for name, value in r.headers)
        lines.append(f"{r.partition}\t{r.offset}\t{r.timestamp}\t{_text(r.key)}\t{_text(r.value)}\t{headers}\n")
    return "".join(lines)


def from_lines(text: str) -> list[Record]:
    found = []
    for line in text.splitlines():
        partition, offset, timestamp, key, value, headers = line.split("\t")
        pairs = [pair.split(":") for pair in headers.split(",") if headers]
        found.append(Record(
            partition=int(partition), offset=int(offset), timestamp=int(timestamp), key=_bytes(key),
            value=_bytes(value), headers=tuple((b64decode(n).decode(), _bytes(v)) for n, v in pairs),
        ))  # fmt: skip
    return found

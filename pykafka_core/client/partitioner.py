"""Which partition a record belongs to: what Kafka's own producer chooses, so that equal keys meet in one partition
whoever has written them.

Source: org.apache.kafka.clients.producer.internals.BuiltInPartitioner; Utils.murmur2, which is Austin Appleby's
MurmurHash2 with the seed 0x9747b28c.
"""

from __future__ import annotations

from struct import unpack_from

__all__ = ["murmur2", "partition_for_key"]

_SEED = 0x9747B28C
_M = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """A hash of 32 bits, as an unsigned number."""
    size = len(data)
    code = _SEED ^ size
    whole = size & ~3
    for (word,) in (unpack_from("<I", data, at) for at in range(0, whole, 4)):
        word = word * _M & 0xFFFFFFFF
        word = (word ^ word >> 24) * _M & 0xFFFFFFFF
        code = (code * _M & 0xFFFFFFFF) ^ word
    rest = data[whole:]
    if rest:
        code = (code ^ int.from_bytes(rest, "little")) * _M & 0xFFFFFFFF
    code = (code ^ code >> 13) * _M & 0xFFFFFFFF
    return code ^ code >> 15


def partition_for_key(key: bytes, partition_count: int) -> int:
    return (murmur2(key) & 0x7FFFFFFF) % partition_count

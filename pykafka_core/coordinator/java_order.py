"""The order in which Java's hash tables are walked.

Kafka's assignors give partitions to members in the order of a HashMap. Whoever compares two brokers, or moves a group
from one to the other, sees that order; so ours is the same. Two keys of one bucket come in the order they were put in.

Source: java.util.HashMap, java.lang.String.hashCode, org.apache.kafka.common.Uuid.hashCode.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from pykafka_core.coordinator.partitioning import java_hash

__all__ = ["in_map_order", "numbers_in_set_order", "uuid_hash", "uuids_in_set_order"]

K = TypeVar("K")

CAPACITY_MIN = 16


def uuid_hash(uuid: bytes) -> int:
    """Uuid.hashCode, as an unsigned number."""
    both = int.from_bytes(uuid[:8], "big") ^ int.from_bytes(uuid[8:], "big")
    return (both >> 32 ^ both) & 0xFFFFFFFF


def in_map_order(keys: Collection[str]) -> list[str]:
    """Strings as a HashMap that has grown by them has them."""
    capacity = CAPACITY_MIN
    while len(keys) * 4 > capacity * 3:
        capacity *= 2
    return _ordered(keys, capacity, java_hash)


def uuids_in_set_order(uuids: Collection[bytes]) -> list[bytes]:
    """Uuids as a HashSet that was made of a collection of them has them."""
    return _ordered(uuids, _set_capacity(len(uuids)), uuid_hash)


def numbers_in_set_order(numbers: Collection[int]) -> list[int]:
    """Numbers as a HashSet that was made of a collection of them has them."""
    return _ordered(sorted(numbers), _set_capacity(len(numbers)), int)


def _set_capacity(size: int) -> int:
    return 1 << max(int(size / 0.75), CAPACITY_MIN - 1).bit_length()


def _ordered(keys: Collection[K], capacity: int, hash_of: Callable[[K], int]) -> list[K]:
    mask = capacity - 1

    def bucket(key: K) -> int:
        value = hash_of(key) & 0xFFFFFFFF
        return (value ^ value >> 16) & mask

    return sorted(keys, key=bucket)

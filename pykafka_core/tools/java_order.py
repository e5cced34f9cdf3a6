"""The order in which Java's HashMap gives its keys back.

Kafka's tools print some lists in the order of a HashMap of strings. It is no order that anybody chose, but it is the
same each time, and a script that compares two outputs sees it; so ours print in it too.

Source: java.util.HashMap (Java 8 and later), java.lang.String.hashCode, TopicPartition.hashCode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["hash_map_order", "partition_order", "quota_order"]


Key = TypeVar("Key")


def hash_code(text: str) -> int:
    code = 0
    units = text.encode("utf-16-be")
    for at in range(0, len(units), 2):
        code = (31 * code + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    return code


def hash_map_order(keys: Iterable[str], capacity: int = 16) -> list[str]:
    """The keys of a HashMap made for `capacity` entries (16 if unsaid) into which they were put one after another."""
    return _in_buckets(list(dict.fromkeys(keys)), hash_code, capacity)


def partition_order(partitions: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The keys of a HashMap of topic and partition (org.apache.kafka.common.TopicPartition)."""

    def code(partition: tuple[str, int]) -> int:
        return (31 * (31 + partition[1]) + hash_code(partition[0])) & 0xFFFFFFFF

    return _in_buckets(list(dict.fromkeys(partitions)), code, 16)


def quota_order(entities: Iterable[tuple[tuple[str, str | None], ...]]) -> list[tuple[tuple[str, str | None], ...]]:
    """The keys of a HashMap of quota entities, made for as many as there are (ClientQuotaEntity, AbstractMap)."""

    def code(entity: tuple[tuple[str, str | None], ...]) -> int:
        pairs = (hash_code(kind) ^ (0 if name is None else hash_code(name)) for kind, name in entity)
        return (31 + sum(pairs)) & 0xFFFFFFFF

    keys = list(dict.fromkeys(entities))
    return _in_buckets(keys, code, len(keys))


def _in_buckets(keys: list[Key], code_of: Callable[[Key], int], capacity: int) -> list[Key]:
    size = 1
    while size < capacity:
        size *= 2
    while len(keys) > size * 0.75:
        size *= 2
    spread = [(code ^ code >> 16) & (size - 1) for code in map(code_of, keys)]
    # Keys of one bucket stay in the order in which they came; sorting keeps it.
    return [key for _, key in sorted(zip(spread, keys, strict=True), key=lambda pair: pair[0])]

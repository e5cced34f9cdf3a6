"""Which partition of an internal topic a name belongs to: abs(String.hashCode(name)) % partitions, as in Kafka.

Source: org.apache.kafka.common.utils.Utils.abs, java.lang.String.hashCode (over UTF-16 units).
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["java_hash", "partition_for"]

_INT_MIN = -(2**31)


def java_hash(text: str) -> int:
    """String.hashCode."""
    units = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for at in range(0, len(units), 2):
        value = (31 * value + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value


@lru_cache(maxsize=8192)
def partition_for(name: str, partition_count: int) -> int:
    value = java_hash(name)
    # The one number without a positive twin counts as zero.
    return 0 if value == _INT_MIN else abs(value) % partition_count

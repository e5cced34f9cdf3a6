"""The order in which Java's HashMap gives its keys back.

Kafka's tools print some lists in the order of a HashMap of strings. It is no order that anybody chose, but it is the
same each time, and a script that compares two outputs sees it; so ours print in it too.

Source: java.util.HashMap (Java 8 and later), java.lang.String.hashCode.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["hash_map_order"]


def hash_code(text: str) -> int:
    code = 0
    units = text.encode("utf-16-be")
    for at in range(0, len(units), 2):
        code = (31 * code + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    return code


def hash_map_order(keys: Iterable[str], capacity: int = 16) -> list[str]:
    """The keys of a HashMap made for `capacity` entries (16 if unsaid) into which they were put one after another."""
    names = list(dict.fromkeys(keys))
    size = 1
    while size < capacity:
        size *= 2
    while len(names) > size * 0.75:
        size *= 2
    spread = [(code ^ code >> 16) & (size - 1) for code in map(hash_code, names)]
    # Keys of one bucket stay in the order in which they came; sorting keeps it.
    return [name for _, name in sorted(zip(spread, names, strict=True), key=lambda pair: pair[0])]

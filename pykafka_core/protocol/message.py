"""What all generated message classes share.

A message class is plain: one slot per field, a keyword-only constructor with Kafka's defaults, and one class for all
versions of an API. `FIELDS` tells the codec how each field is written:

    name, type, versions, nullable versions, tag or -1, default, ignorable

Versions are "low-high", one number, or "" for none. A field with a tag is written in the tag block, in all its
versions. The default () means a fresh list, or a fresh struct. `ignorable` says that a value which the version at hand
cannot carry is dropped in silence; for other fields it is an error.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers read it; importing typing costs more than all of this package
if TYPE_CHECKING:
    from typing import Any, ClassVar

__all__ = ["UNSET", "ZERO_UUID", "Message", "Record", "Struct"]

Field = tuple[str, str, str, str, int, object, bool]

UNSET: Any = ()
"""Default of list and struct parameters: each message gets its own. None is a value of its own on the wire."""

ZERO_UUID = bytes(16)
"""The uuid that means "none"."""


class Struct:
    """A group of fields: a message or a part of one. Compares by value."""

    __slots__ = ()
    FIELDS: ClassVar[tuple[Field, ...]] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, row[0]) == getattr(other, row[0]) for row in self.FIELDS)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = ", ".join(f"{row[0]}={getattr(self, row[0], '<not set>')!r}" for row in self.FIELDS)
        return f"{type(self).__name__}({fields})"


class Message(Struct):
    """A whole message: request, response, header or payload."""

    __slots__ = ()
    API_KEY: ClassVar[int] = -1
    VERSION_MIN: ClassVar[int] = 0
    VERSION_MAX: ClassVar[int] = 0
    FLEXIBLE_VERSION_MIN: ClassVar[int | None] = None
    # A peer's tagged field may be this long; no field that Kafka defines comes near.
    TAGGED_FIELD_SIZE_MAX: ClassVar[int] = 128 * 1024


class Record(Message):
    """A record that brokers write for themselves. A tagged field may be as long as a member's subscription."""

    __slots__ = ()
    TAGGED_FIELD_SIZE_MAX: ClassVar[int] = 0x7FFFFFFF

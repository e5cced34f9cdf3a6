"""Enumerations that cost little to define.

The standard module takes two milliseconds to import and another one to define the keys of Kafka's APIs, at every start
of a broker that shall answer a few tens of milliseconds after exec. These have what is used of the originals: members
that are numbers or texts, with `name` and `value`, found by value or by name, in order, one of each. To type checkers
they are the originals.
"""

from __future__ import annotations

__all__ = ["IntEnum", "StrEnum"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from enum import IntEnum, StrEnum
else:

    class _Enumeration(type):
        def __new__(mcs, name, bases, namespace):
            kind = getattr(bases[0], "_kind", None)
            given = {key: value for key, value in namespace.items() if key[0] != "_" and type(value) is kind}
            rest = {key: value for key, value in namespace.items() if key not in given}
            cls = super().__new__(mcs, name, bases, rest)
            cls.__members__ = {}
            cls._by_value = {}
            for key, value in given.items():
                member = cls._by_value.get(value)
                if member is None:
                    member = cls._by_value[value] = kind.__new__(cls, value)
                    member.name, member.value = key, value
                cls.__members__[key] = member
                setattr(cls, key, member)
            return cls

        def __call__(cls, value):
            try:
                return cls._by_value[value]
            except KeyError:
                raise ValueError(f"{value!r} is not a valid {cls.__qualname__}") from None

        def __getitem__(cls, name):
            return cls.__members__[name]

        def __iter__(cls):
            return iter(cls._by_value.values())

        def __len__(cls):
            return len(cls._by_value)

        def __contains__(cls, value):
            return value in cls._by_value

        def __repr__(cls):
            return f"<enum {cls.__qualname__!r}>"

    class _Member:
        """What members have beside their value."""

        def __repr__(self):
            return f"<{type(self).__name__}.{self.name}: {self.value!r}>"

        def __reduce__(self):
            return type(self), (self.value,)

        def __copy__(self):
            return self

        def __deepcopy__(self, _memo):
            return self

    class IntEnum(_Member, int, metaclass=_Enumeration):
        _kind = int
        __str__ = int.__repr__

    class StrEnum(_Member, str, metaclass=_Enumeration):
        _kind = str
        __str__ = str.__str__

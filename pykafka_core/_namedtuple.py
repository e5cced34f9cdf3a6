"""Named tuples that cost little to define.

`collections.namedtuple` compiles source for every class, and its module takes two milliseconds to import, at every
start of a broker that shall answer a few tens of milliseconds after exec. These are made of methods that are already
compiled and have what the originals have, but for defaults. Only for our extension modules: the stubs beside those tell
type checkers what the fields are.
"""

from __future__ import annotations

from _operator import itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["namedtuple"]


def namedtuple(name: str, fields: str, *, module: str) -> type[Any]:
    """A class of tuples whose items have these names. `module`: the public one that it is said to come from."""
    names = tuple(fields.split())
    namespace = {
        "__slots__": (),
        "__module__": module,
        "__doc__": f"{name}({', '.join(names)})",
        "__match_args__": names,
        "_fields": names,
        "_field_defaults": {},
        "__new__": _new,
        "__repr__": _repr,
        "__getnewargs__": _values,
        "_make": classmethod(_make),
        "_asdict": _asdict,
        "_replace": _replace,
    }
    for index, field in enumerate(names):
        namespace[field] = property(itemgetter(index))
    return type(name, (tuple,), namespace)


def _new(_cls: Any, *values: Any, **named: Any) -> Any:
    if named:
        try:
            values += tuple([named.pop(field) for field in _cls._fields[len(values) :]])
        except KeyError as error:
            raise TypeError(f"{_cls.__name__}() misses the argument {error}") from None
    if named or len(values) != len(_cls._fields):
        raise TypeError(f"{_cls.__name__}() takes {', '.join(_cls._fields)}")
    return tuple.__new__(_cls, values)


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(self)


def _make(cls: Any, iterable: Any) -> Any:
    return cls(*iterable)


def _repr(self: Any) -> str:
    shown = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
    return f"{type(self).__name__}({shown})"


def _asdict(self: Any) -> dict[str, Any]:
    return dict(zip(self._fields, self, strict=True))


def _replace(self: Any, /, **changes: Any) -> Any:
    unknown = changes.keys() - set(self._fields)
    if unknown:
        raise ValueError(f"Got unexpected field names: {sorted(unknown)}")
    return type(self)(**_asdict(self) | changes)

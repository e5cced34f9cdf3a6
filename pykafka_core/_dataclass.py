"""Data classes that cost little to define.

`dataclasses.dataclass` writes the source of six methods and compiles each: about a millisecond for every class, at
every start, and its module brings `inspect` with it, ten milliseconds more. A broker has some forty of these classes,
and shall answer a few tens of milliseconds after exec. This decorator makes the same classes from methods that are
already compiled. To type checkers it is the original; what the standard module has for data classes works on what it
makes, and is imported when somebody uses it.

What it offers is what is used here: slots, frozen, kw_only, eq, defaults and default factories, inheritance. An
instance takes about twice as long to make, so it is for configuration, results and events, not for records.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass, field, fields, replace
else:
    _FIELDS = "__fields"
    MISSING = object()

    class Field:
        """One field of a class: what `field` was told, and later its name."""

        __slots__ = ("default", "default_factory", "kw_only", "name", "type")

        def __init__(self, default, default_factory):
            self.default, self.default_factory = default, default_factory

    def field(*, default=MISSING, default_factory=MISSING):
        return Field(default, default_factory)

    def fields(of):
        return tuple(getattr(of, _FIELDS).values())

    def replace(one, /, **changes):
        return type(one)(**{name: getattr(one, name) for name in getattr(one, _FIELDS)} | changes)

    class _StandardFields:
        """`__dataclass_fields__`, by which the standard module knows its own: made when it is asked for."""

        def __get__(self, one, cls):
            import dataclasses

            made = {}
            for name, own in getattr(cls, _FIELDS).items():
                given = {
                    key: getattr(own, key)
                    for key in ("default", "default_factory")
                    if getattr(own, key) is not MISSING
                }
                made[name] = standard = dataclasses.field(**given, kw_only=own.kw_only)
                standard.name, standard.type, standard._field_type = name, own.type, dataclasses._FIELD
            return made

    def dataclass(cls=None, /, *, slots=False, frozen=False, kw_only=False, eq=True):
        if cls is None:
            return lambda cls: _make(cls, slots, frozen, kw_only, eq)
        return _make(cls, slots, frozen, kw_only, eq)

    def _make(cls, slots, frozen, kw_only, eq):
        inherited = {}
        for base in reversed(cls.__mro__[1:]):
            inherited |= getattr(base, _FIELDS, {})
        own = {}
        for name, annotation in cls.__annotations__.items():
            default = cls.__dict__.get(name, MISSING)
            one = default if isinstance(default, Field) else field(default=default)
            one.name, one.type, one.kw_only = name, annotation, kw_only
            if isinstance(default, Field):
                delattr(cls, name)
                if one.default is not MISSING:
                    setattr(cls, name, one.default)
            own[name] = one
        every = inherited | own
        positional = tuple(name for name, one in every.items() if not one.kw_only)
        methods = {
            _FIELDS: every,
            "__dataclass_fields__": _StandardFields(),
            "__match_args__": positional,
            "__repr__": _repr,
            "__init__": _init_of(cls, every, positional),
        }
        if eq:
            methods["__eq__"] = _eq
            methods["__hash__"] = _hash if frozen else None
        # What a class brings along stays; that it has no hash because it has an __eq__ is not its own doing.
        for name in ("__repr__", "__init__", "__eq__", "__hash__"):
            if cls.__dict__.get(name) is not None:
                methods.pop(name, None)
        if frozen:
            methods |= {"__setattr__": _frozen_setattr, "__delattr__": _frozen_delattr}
        if not slots:
            for name, method in methods.items():
                setattr(cls, name, method)
            return cls
        # Frozen instances with slots cannot be set by copy and pickle in the usual way.
        methods |= {"__getstate__": _getstate, "__setstate__": _setstate}
        # All at once: each special method that is set on a class that is there has its slots looked up anew.
        namespace = {
            key: value
            for key, value in cls.__dict__.items()
            if key not in own and key not in ("__dict__", "__weakref__")
        }
        made = type(cls)(cls.__name__, cls.__bases__, namespace | methods | {"__slots__": tuple(own)})
        made.__qualname__ = cls.__qualname__
        return made

    def _init_of(cls, every, positional):
        title = cls.__name__
        defaults = {name: one.default for name, one in every.items() if one.default is not MISSING}
        factories = [(name, one.default_factory) for name, one in every.items() if one.default_factory is not MISSING]
        order = tuple(every)
        count = len(order)
        put = object.__setattr__

        def __init__(self, *args, **given):
            if args:
                if len(args) > len(positional):
                    raise TypeError(
                        f"{title}() takes {len(positional)} positional arguments but {len(args)} were given"
                    )
                for name, value in zip(positional, args, strict=False):
                    if name in given:
                        raise TypeError(f"{title}() got multiple values for argument {name!r}")
                    given[name] = value
            if len(given) != count:
                for name, factory in factories:
                    if name not in given:
                        given[name] = factory()
                given = defaults | given
            try:
                for name in order:
                    put(self, name, given[name])
            except KeyError:
                missing = sorted(set(order).difference(given))
                raise TypeError(f"{title}() misses arguments: {', '.join(missing)}") from None
            if len(given) != count:
                unknown = sorted(set(given).difference(order))
                raise TypeError(f"{title}() got unexpected arguments: {', '.join(unknown)}")

        __init__.__qualname__ = f"{cls.__qualname__}.__init__"
        return __init__

    def _repr(self):
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in getattr(self, _FIELDS))
        return f"{type(self).__qualname__}({shown})"

    def _values(self):
        return tuple([getattr(self, name) for name in getattr(self, _FIELDS)])

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        return _values(self) == _values(other)

    def _hash(self):
        return hash(_values(self))

    def _frozen_setattr(self, name, value):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _frozen_delattr(self, name):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _getstate(self):
        return _values(self)

    def _setstate(self, state):
        for name, value in zip(getattr(self, _FIELDS), state, strict=True):
            object.__setattr__(self, name, value)


__all__ = ["dataclass", "field", "fields", "replace"]

"""Builds messages of every class and version from the tables, out of a random number generator of the test's choice."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from random import Random
from typing import Any

import pytest

import pykafka_core.protocol.messages
import pykafka_core.protocol.records
from pykafka_core.protocol.message import Message, Record, Struct

LIMITS = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
}
TEXTS = ["", "a", "topic-1", "grüße", "日本語", "x" * 127, "y" * 128, "z" * 300]


def message_classes() -> list[type[Message]]:
    """Return every generated message class, sorted by name."""
    found: list[type[Message]] = []
    for package in (pykafka_core.protocol.messages, pykafka_core.protocol.records):
        for info in walk_packages(package.__path__, package.__name__ + "."):
            module = import_module(info.name)
            found += [
                value
                for value in vars(module).values()
                if isinstance(value, type)
                and issubclass(value, Message)
                and value not in (Message, Record)
                and value.__module__ == info.name
            ]
    return sorted(found, key=lambda cls: cls.__name__)


def in_groups(classes: list[type[Message]], size: int = 20) -> list[Any]:
    """Return the classes as pytest parameters of `size` each: pytest costs more per test than the codec per class."""
    groups = [classes[start : start + size] for start in range(0, len(classes), size)]
    return [pytest.param(group, id=f"{group[0].__name__}-{group[-1].__name__}") for group in groups]


def versions_of(cls: type[Message]) -> range:
    return range(cls.VERSION_MIN, cls.VERSION_MAX + 1)


def is_in(versions: str, version: int) -> bool:
    low, _, high = versions.partition("-")
    return bool(versions) and int(low) <= version <= int(high or low)


def struct_class(owner: type[Struct], name: str) -> type[Struct]:
    found: type[Struct] = getattr(sys.modules[owner.__module__], name)
    return found


def fields_of(cls: type[Struct], version: int) -> Iterator[tuple[str, str, bool, int, Any]]:
    """Yield name, type, whether null is allowed, tag and default of the fields that a version carries."""
    for name, kind, versions, nullable, tag, default, _ in cls.FIELDS:
        if is_in(versions, version):
            yield name, kind, is_in(nullable, version), tag, default


class Builder:
    """Fills messages at random. A subclass keeps to what another implementation can express."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def message(self, cls: type[Message], version: int) -> Message:
        built = self.struct(cls, version)
        assert isinstance(built, Message)
        return built

    def struct(self, cls: type[Struct], version: int) -> Struct:
        built = cls()
        for name, kind, nullable, tag, _ in fields_of(cls, version):
            if tag >= 0 and self.random.random() < 0.4:
                continue  # leave the default, which is not written
            setattr(built, name, self.value(cls, name, kind, nullable, version))
        return built

    def value(self, cls: type[Struct], name: str, kind: str, nullable: bool, version: int) -> Any:
        if nullable and self.random.random() < 0.25:
            return None
        if kind.startswith("[]"):
            return [self.value(cls, name, kind[2:], False, version) for _ in range(self.random.randrange(4))]
        if kind in LIMITS:
            return self.integer(cls, name, kind)
        match kind:
            case "bool":
                return self.random.random() < 0.5
            case "float64":
                return self.random.choice([0.0, -1.5, 1e300, float(self.random.randrange(1000)) / 8])
            case "string" | "classic_string":
                return self.random.choice(TEXTS)
            case "uuid":
                return self.random.randbytes(16)
            case "bytes" | "records":
                return self.random.randbytes(self.random.choice([0, 1, 5, 127, 200]))
        return self.struct(struct_class(cls, kind), version)

    def integer(self, cls: type[Struct], name: str, kind: str) -> int:
        low, high = LIMITS[kind]
        small = min(self.random.randrange(1000), high)
        return self.random.choice([low, high, 0, 1, small, self.random.randint(low, high)])

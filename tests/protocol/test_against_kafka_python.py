"""Goal: our bytes are Kafka's bytes. Witness: kafka-python, which reads Kafka's definitions at run time.

Method: as in test_against_kio.py; kafka-python has fewer messages, but one class for all versions, like ours.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages
from random import Random
from typing import Any
from uuid import UUID

import pytest

from pykafka_core.protocol._codec import decode, encode
from pykafka_core.protocol.message import Message, Struct
from tests.protocol.builders import Builder, fields_of, message_classes, versions_of

protocol = pytest.importorskip("kafka.protocol.api_message", reason="kafka-python 3 is not installed")

from kafka.protocol.schemas.fields.codecs import BitField  # noqa: E402


def kafka_python_classes() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in ("admin", "consumer", "metadata", "producer"):
        package = import_module(f"kafka.protocol.{part}")
        for info in walk_packages(package.__path__, package.__name__ + "."):
            for value in vars(import_module(info.name)).values():
                if isinstance(value, type) and issubclass(value, protocol.ApiMessage):
                    found[value.__name__] = value
    return found


THEIRS = kafka_python_classes()
OURS = {cls.__name__: cls for cls in message_classes()}
SHARED = sorted(set(THEIRS) & set(OURS))


def test_there_is_something_to_compare() -> None:
    assert len(SHARED) > 80


def to_theirs(value: Any, field: Any, kind: str, version: int) -> Any:
    if isinstance(value, list):
        return [to_theirs(item, field, kind.removeprefix("[]"), version) for item in value]
    if isinstance(value, Struct):
        return struct_to_theirs(value, field.data_class, field.fields, version)
    if kind == "uuid":
        return UUID(bytes=value)
    if kind == "int32" and getattr(field, "_type", None) is BitField:
        return BitField.from_32_bit_field(value)
    return value


def struct_to_theirs(struct: Struct, theirs: Any, their_fields: Any, version: int) -> Any:
    """Build kafka-python's object from ours; fields are paired by their place, as both keep the definition's order."""
    fields = [field for field in their_fields.values() if field.for_version_q(version)]
    ours = [(name, kind) for name, kind, *_ in fields_of(type(struct), version)]
    assert len(ours) == len(fields), (ours, fields)
    values = {
        field.name: to_theirs(getattr(struct, name), field, kind, version)
        for (name, kind), field in zip(ours, fields, strict=True)
        # It writes a tagged field that is given, even with its default.
        if field.tag is None or getattr(struct, name) != getattr(type(struct)(), name)
    }
    return theirs(version=version, **values)


def agree(struct: Any, theirs: Any, field: Any, kind: str, version: int) -> bool:
    """Return whether kafka-python read the value that we wrote."""
    if isinstance(struct, list):
        items = zip(struct, theirs, strict=True)
        return all(agree(item, other, field, kind.removeprefix("[]"), version) for item, other in items)
    if isinstance(struct, Struct):
        fields = [other for other in field.fields.values() if other.for_version_q(version)]
        ours = [(name, kind) for name, kind, *_ in fields_of(type(struct), version)]
        return all(
            agree(getattr(struct, name), getattr(theirs, other.name), other, kind, version)
            for (name, kind), other in zip(ours, fields, strict=True)
            if other.tag is None or getattr(struct, name) != getattr(type(struct)(), name)
        )
    expected = to_theirs(struct, field, kind, version)
    if theirs is None:
        return expected in (None, UUID(int=0), {31})  # it reads "no uuid" and "no operations" as None
    return bool(expected == theirs)


@pytest.mark.parametrize("name", SHARED)
def test_same_bytes_as_kafka_python_both_ways(name: str) -> None:
    cls: type[Message] = OURS[name]
    theirs = THEIRS[name]
    compared = 0
    for version in versions_of(cls):
        if version > theirs.max_version:
            continue
        builder = Builder(Random(f"{name} {version}"))
        for message in [builder.message(cls, version) for _ in range(4)]:
            if name == "ApiVersionsResponse":
                setattr(message, "error_code", 0)  # noqa: B010  (with an error it takes the body for version 0)
            ours = encode(message, version)
            written = struct_to_theirs(message, theirs, theirs._struct.fields, version).encode(version=version)
            assert ours == written, (version, message)
            assert decode(cls, version, written) == (message, len(ours))
            assert agree(message, theirs.decode(ours, version=version), theirs._struct, "", version)
            compared += 1
    assert compared

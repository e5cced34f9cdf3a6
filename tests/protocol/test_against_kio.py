"""Goal: our bytes are Kafka's bytes. Witness: kio, which was generated from Kafka's definitions by other people.

Method: for each message class and version that kio has, build messages at random, hand the same values to kio, and
compare what both write, byte for byte, and what each reads from it.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pkgutil import iter_modules
from random import Random
from typing import Any, get_args, get_type_hints
from uuid import UUID

import pytest

from pykafka_core.protocol._codec import decode, encode
from pykafka_core.protocol.message import ZERO_UUID, Message, Struct
from tests.protocol.builders import Builder, fields_of, message_classes

kio_schema = pytest.importorskip("kio.schema", reason="kio is not installed")

from kio.schema.errors import ErrorCode as KioErrorCode  # noqa: E402
from kio.serial import entity_reader, entity_writer  # noqa: E402

CLASSES = {cls.__name__: cls for cls in message_classes()}
ERROR_CODES = [int(code) for code in KioErrorCode]
MS_MAX = int(timedelta(days=100_000).total_seconds()) * 1000

# kio 0.6 does not know these versions of Kafka 4.4.
NEWER_THAN_KIO = {
    "ApiVersionsRequest": 5,
    "ApiVersionsResponse": 5,
    "DeleteGroupsRequest": 3,
    "DeleteGroupsResponse": 3,
    "StreamsGroupDescribeRequest": 1,
    "StreamsGroupDescribeResponse": 1,
    "StreamsGroupHeartbeatRequest": 1,
    "StreamsGroupHeartbeatResponse": 1,
    "TxnOffsetCommitRequest": 6,
    "TxnOffsetCommitResponse": 6,
}


def kio_classes() -> Iterator[tuple[str, int, Any]]:
    """Yield message name, version and kio's class for everything that kio can write."""
    for api in iter_modules(kio_schema.__path__, "kio.schema."):
        if not api.ispkg:
            continue
        for version in iter_modules(import_module(api.name).__path__, f"{api.name}."):
            number = version.name.rpartition(".v")[2]
            if not number.isdigit():
                continue
            for kind in iter_modules(import_module(version.name).__path__, f"{version.name}."):
                for value in vars(import_module(kind.name)).values():
                    if (
                        dataclasses.is_dataclass(value)
                        and value.__module__ == kind.name
                        and getattr(value, "__type__", None) is not None
                        and value.__type__.name != "nested"
                    ):
                        yield value.__name__, int(number), value


KIO = sorted(kio_classes(), key=lambda row: row[:2])
BY_NAME: dict[str, list[tuple[int, Any]]] = {}
for _name, _version, _kio in KIO:
    BY_NAME.setdefault(_name, []).append((_version, _kio))


def kio_fields(kio: Any, cls: type[Struct], version: int) -> Iterator[tuple[str, str, Any]]:
    """Pair our field names with kio's fields: both stand in the order of the definition."""
    ours = [name for name, *_ in fields_of(cls, version)]
    theirs = dataclasses.fields(kio)
    assert len(ours) == len(theirs), (ours, [field.name for field in theirs])
    hints = get_type_hints(kio)
    for name, field in zip(ours, theirs, strict=True):
        plain = field.name.rstrip("_")
        assert name.replace("_", "").startswith(plain.replace("_", "")[:4]), (name, field.name)
        yield name, field.name, (field.metadata.get("kafka_type"), hints[field.name])


def nested_class(hint: Any) -> Any:
    """Return the dataclass inside of tuple[X, ...] | None."""
    if dataclasses.is_dataclass(hint):
        return hint
    for argument in get_args(hint):
        found = nested_class(argument)
        if found is not None:
            return found
    return None


def to_kio(value: Any, kio_type: str | None, hint: Any, version: int) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return tuple(to_kio(item, kio_type, hint, version) for item in value)
    if isinstance(value, Struct):
        return struct_to_kio(value, nested_class(hint), version)
    match kio_type:
        case "error_code":
            return KioErrorCode(value)
        case "timedelta_i32" | "timedelta_i64":
            return timedelta(milliseconds=value)
        case "datetime_i64":
            return None if value == -1 else datetime.fromtimestamp(value / 1000, UTC)
        case "uuid":
            return None if value == ZERO_UUID else UUID(bytes=value)
    return value


def struct_to_kio(struct: Struct, kio: Any, version: int) -> Any:
    values = {
        theirs: to_kio(getattr(struct, ours), kio_type, hint, version)
        for ours, theirs, (kio_type, hint) in kio_fields(kio, type(struct), version)
    }
    return kio(**values)


class KioBuilder(Builder):
    """Stays inside of what kio's Python types can hold: known error codes, times as timedelta and datetime."""

    def __init__(self, random: Random, kio: Any, version: int) -> None:
        super().__init__(random)
        self.times: dict[tuple[str, str], str] = {}
        self.collect(kio, version)

    def collect(self, kio: Any, version: int) -> None:
        for field in dataclasses.fields(kio):
            kind = field.metadata.get("kafka_type", "")
            self.times[kio.__name__, field.name.rstrip("_")] = kind
            nested = nested_class(get_type_hints(kio)[field.name])
            if nested is not None:
                self.collect(nested, version)

    def kio_kind(self, cls: type[Struct], name: str) -> str:
        for candidate in (name, name.removesuffix("_ms"), name.removesuffix("_timestamp_ms")):
            kind = self.times.get((cls.__name__, candidate))
            if kind is not None:
                return kind
        return ""

    def integer(self, cls: type[Struct], name: str, kind: str) -> int:
        match self.kio_kind(cls, name):
            case "error_code":
                return self.random.choice(ERROR_CODES)
            case "timedelta_i32":
                return self.random.choice([0, 1, -1, self.random.randrange(2**31)])
            case "timedelta_i64":
                return self.random.choice([0, 1, self.random.randrange(MS_MAX)])
            case "datetime_i64":
                return self.random.choice([0, 1_700_000_000_123, self.random.randrange(4 * 10**12)])
        return super().integer(cls, name, kind)


def test_kio_covers_nearly_all_our_requests_and_responses() -> None:
    assert len(KIO) > 600
    unknown = {name for name, _, _ in KIO} - set(CLASSES)
    assert unknown == set(), unknown


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_same_bytes_as_kio_both_ways(name: str) -> None:
    cls: type[Message] = CLASSES[name]
    versions = {version for version, _ in BY_NAME[name]}
    assert versions <= set(range(cls.VERSION_MIN, cls.VERSION_MAX + 1))
    assert set(range(cls.VERSION_MIN, cls.VERSION_MAX + 1)) - versions <= {NEWER_THAN_KIO.get(name)}
    for version, kio in BY_NAME[name]:
        read, write = entity_reader(kio), entity_writer(kio)
        builder = KioBuilder(Random(f"{name} {version}"), kio, version)
        for message in [cls(), *[builder.message(cls, version) for _ in range(4)]]:
            theirs = struct_to_kio(message, kio, version)
            buffer = io.BytesIO()
            write(buffer, theirs)
            ours = encode(message, version)
            assert ours == buffer.getvalue(), (version, message)
            assert decode(cls, version, buffer.getvalue()) == (message, len(ours))
            assert read(memoryview(ours), 0)[0] == theirs

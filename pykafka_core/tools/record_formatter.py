"""Records into lines, as Kafka's DefaultMessageFormatter writes them, and the deserializers that it can be told to use.

Source: org.apache.kafka.tools.consumer.DefaultMessageFormatter, org.apache.kafka.common.serialization.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pykafka_core.tools.command import ToolError

if TYPE_CHECKING:
    from pykafka_core.client.consumer import ConsumedRecord

__all__ = ["RecordFormatter", "deserializer"]

Deserializer = Callable[[bytes], bytes]
PACKAGE = "org.apache.kafka.common.serialization."
SERIALIZATION_EXCEPTION = "org.apache.kafka.common.errors.SerializationException"


def java_number(value: float, digits: str) -> str:
    """A floating point number as Java writes it. `digits`: the shortest decimal form that reads back the same."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        from decimal import Decimal

        plain = format(Decimal(digits), "f")
        return plain if "." in plain else f"{plain}.0"
    from decimal import Decimal

    sign, figures, exponent = Decimal(digits).as_tuple()
    text = "".join(map(str, figures)).rstrip("0") or "0"
    power = int(exponent) + len(figures) - 1
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{power}"


def fixed(name: str, layout: str) -> Deserializer:
    size = struct.calcsize(layout)

    def read(data: bytes) -> bytes:
        if len(data) != size:
            raise ToolError(f"Size of data received by {name} is not {size}", SERIALIZATION_EXCEPTION)
        (value,) = struct.unpack(layout, data)
        if layout == ">f":
            for precision in range(1, 10):
                digits = f"{value:.{precision}g}"
                if struct.pack(">f", float(digits)) == data:
                    break
            return java_number(value, digits).encode()
        if layout == ">d":
            return java_number(value, repr(value)).encode()
        if layout == ">?":
            if data not in (b"\x00", b"\x01"):
                raise ToolError(f"Unexpected byte received by {name}: {data[0]}", SERIALIZATION_EXCEPTION)
            return b"true" if value else b"false"
        return str(value).encode()

    return read


def uuid_text(data: bytes) -> bytes:
    from uuid import UUID

    try:
        return str(UUID(data.decode())).encode()
    except ValueError:
        raise ToolError("Error when deserializing byte[] to UUID", SERIALIZATION_EXCEPTION) from None


def deserializer(name: str) -> Deserializer:
    """By its Java name, with or without the package. Raises ToolError for one that is not there."""
    short = name.removeprefix(PACKAGE)
    layouts = {
        "ShortDeserializer": ">h",
        "IntegerDeserializer": ">i",
        "LongDeserializer": ">q",
        "FloatDeserializer": ">f",
        "DoubleDeserializer": ">d",
        "BooleanDeserializer": ">?",
    }
    if short in layouts:
        return fixed(short, layouts[short])
    if short == "UUIDDeserializer":
        return uuid_text
    if short == "StringDeserializer":
        return lambda data: data.decode(errors="replace").encode()
    if short in ("ByteArrayDeserializer", "BytesDeserializer", "ByteBufferDeserializer"):
        return lambda data: data
    raise ToolError(f"{name} is no deserializer that is known here", "java.lang.ClassNotFoundException")


class RecordFormatter:
    """Raises ToolError for a deserializer that is not known."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        def is_true(name: str, default: bool = False) -> bool:
            return properties[name].strip().lower() == "true" if name in properties else default

        self._timestamp = is_true("print.timestamp")
        self._partition = is_true("print.partition")
        self._offset = is_true("print.offset")
        self._delivery = is_true("print.delivery")
        self._epoch = is_true("print.epoch")
        self._headers = is_true("print.headers")
        self._key = is_true("print.key")
        self._value = is_true("print.value", True)
        self._column_end = properties.get("key.separator", "\t").encode()
        self._line_end = properties.get("line.separator", "\n").encode()
        self._headers_end = properties.get("headers.separator", ",").encode()
        self._null = properties.get("null.literal", "null").encode()
        readers = {name: properties.get(f"{name}.deserializer") for name in ("key", "value", "headers")}
        self._readers = {name: deserializer(java) for name, java in readers.items() if java}

    def format(self, consumed: ConsumedRecord) -> bytes:
        """One line. Raises ToolError where a field is not what its deserializer reads."""
        record = consumed.record
        columns: list[bytes] = []
        if self._timestamp:
            kind = "LogAppendTime" if consumed.is_log_append_time else "CreateTime"
            columns.append(b"NO_TIMESTAMP" if record.timestamp < 0 else f"{kind}:{record.timestamp}".encode())
        if self._partition:
            columns.append(b"Partition:%d" % consumed.partition)
        if self._offset:
            columns.append(b"Offset:%d" % record.offset)
        if self._delivery:
            columns.append(b"Delivery:NOT_PRESENT")
        if self._epoch:
            columns.append(b"Epoch:%d" % consumed.leader_epoch if consumed.leader_epoch >= 0 else b"Epoch:NOT_PRESENT")
        if self._headers:
            shown = [name.encode() + b":" + self._field("headers", value) for name, value in record.headers]
            columns.append(self._headers_end.join(shown) if shown else b"NO_HEADERS")
        if self._key:
            columns.append(self._field("key", record.key))
        if self._value:
            columns.append(self._field("value", record.value))
        return self._column_end.join(columns) + self._line_end if columns else b""

    def _field(self, name: str, data: bytes | None) -> bytes:
        if data is None:
            return self._null
        reader = self._readers.get(name)
        return data if reader is None else reader(data)

"""Records of brokers as the JSON that Kafka's generated converters write.

A field stands there if its version has it, in the order of the definition; a tagged one only if it differs from its
default. Bytes are base64, uuids are as everywhere in Kafka.

Source: org.apache.kafka.message.JsonConverterGenerator.
"""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from typing import Any

from pykafka_core.protocol.message import Struct
from pykafka_core.protocol.uuids import uuid_to_string

__all__ = ["java_double", "json_text", "struct_json"]


def json_text(value: object) -> str:
    """As Jackson writes a tree: no blanks, characters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=4096)
def camel(name: str) -> str:
    if name.startswith("kraft"):
        return "kRaft" + "".join(map(str.capitalize, name.split("_")[1:]))
    head, *rest = name.split("_")
    return head + "".join(map(str.capitalize, rest))


@lru_cache(maxsize=1024)
def bounds(versions: str) -> tuple[int, int]:
    low, dash, high = versions.partition("-")
    if not low:
        return 1, 0
    return int(low), int(high if dash else low)


def struct_json(struct: Struct, version: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind, versions, _, tag, default, _ in struct.FIELDS:
        low, high = bounds(versions)
        if not low <= version <= high:
            continue
        value = getattr(struct, name)
        if tag >= 0 and is_default(value, default):
            continue
        found[camel(name)] = value_json(value, kind, version)
    return found


def is_default(value: Any, default: object) -> bool:
    if default != ():
        return bool(value == default)
    # A fresh list or struct.
    return bool(value == (type(value)() if isinstance(value, Struct) else []))


def value_json(value: Any, kind: str, version: int) -> Any:
    if value is None:
        return None
    if kind.startswith("[]"):
        return [value_json(each, kind[2:], version) for each in value]
    if isinstance(value, Struct):
        return struct_json(value, version)
    if kind == "uuid":
        return uuid_to_string(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    return value


def java_double(value: float) -> str:
    """A number as Double.toString writes it."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = repr(float(value))
        return text if "e" not in text else f"{value:f}"
    mantissa, _, exponent = f"{value!r}".partition("e")
    if not exponent:
        digits = repr(abs(value)).replace(".", "").strip("0") or "0"
        from math import floor, log10

        power = floor(log10(abs(value)))
        mantissa = ("-" if value < 0 else "") + digits[0] + "." + (digits[1:] or "0")
        return f"{mantissa}E{power}"
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"

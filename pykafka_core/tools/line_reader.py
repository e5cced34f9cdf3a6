"""Lines into records, as Kafka's LineMessageReader reads them: [headers TAB] [key TAB] value, with separators that can
be chosen. Works on bytes, so that text which is no UTF-8 arrives as it was typed.

Source: org.apache.kafka.tools.LineMessageReader.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pykafka_core.tools.command import ToolError

__all__ = ["Line", "LineReader"]

KAFKA_EXCEPTION = "org.apache.kafka.common.KafkaException"


class Line(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class LineReader:
    """Raises ToolError for separators that cannot be told apart."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        def is_true(name: str) -> bool:
            return properties.get(name, "").strip().lower() == "true"

        self._parse_key = is_true("parse.key")
        self._parse_headers = is_true("parse.headers")
        self._ignore_error = is_true("ignore.error")
        named = {
            "headers.delimiter": properties.get("headers.delimiter", "\t"),
            "headers.separator": properties.get("headers.separator", ","),
            "headers.key.separator": properties.get("headers.key.separator", ":"),
        }
        key_separator = properties.get("key.separator", "\t")
        marker = properties.get("null.marker")
        names = list(named)
        for at, one in enumerate(names):
            for other in names[at + 1 :]:
                if named[one] == named[other]:
                    raise ToolError(f"{one} and {other} may not be equal", KAFKA_EXCEPTION)
        for name, text in {"key.separator": key_separator, **named}.items():
            if text == marker:
                raise ToolError(f"null.marker and {name} may not be equal", KAFKA_EXCEPTION)
            if not text:
                raise ToolError(f"{name} may not be empty", KAFKA_EXCEPTION)
        self._key_separator = key_separator.encode()
        self._headers_delimiter = named["headers.delimiter"].encode()
        self._headers_separator = named["headers.separator"].encode()
        self._headers_key_separator = named["headers.key.separator"].encode()
        self._marker = None if marker is None else marker.encode()
        self.line_number = 0

    def parse(self, line: bytes) -> Line:
        """A line without its end. Raises ToolError, with the number of the line."""
        self.line_number += 1
        rest = line
        headers: bytes | None = None
        key: bytes | None = None
        if self._parse_headers:
            headers, rest = self._split(rest, self._headers_delimiter, "headers delimiter", line)
        if self._parse_key:
            key, rest = self._split(rest, self._key_separator, "key separator", line)
        return Line(
            self._or_null(key),
            self._or_null(rest),
            [] if headers is None or headers == self._marker else self._pairs(headers),
        )

    def _or_null(self, field: bytes | None) -> bytes | None:
        return None if field == self._marker else field

    def _split(self, rest: bytes, separator: bytes, name: str, line: bytes) -> tuple[bytes | None, bytes]:
        field, found, after = rest.partition(separator)
        if found:
            return field, after
        if self._ignore_error:
            return None, rest
        raise ToolError(
            f"No {name} found on line number {self.line_number}: '{line.decode(errors='replace')}'", KAFKA_EXCEPTION
        )

    def _pairs(self, headers: bytes) -> list[tuple[str, bytes | None]]:
        pairs: list[tuple[str, bytes | None]] = []
        for pair in headers.split(self._headers_separator):
            name, found, value = pair.partition(self._headers_key_separator)
            if not found:
                if self._ignore_error:
                    pairs.append((pair.decode(errors="replace"), None))
                    continue
                raise ToolError(
                    f"No header key separator found in pair '{pair.decode(errors='replace')}' on line number "
                    f"{self.line_number}",
                    KAFKA_EXCEPTION,
                )
            if name == self._marker:
                raise ToolError(
                    f"Header keys should not be equal to the null marker '{name.decode(errors='replace')}' as they "
                    "can't be null",
                    KAFKA_EXCEPTION,
                )
            pairs.append((name.decode(errors="replace"), self._or_null(value)))
        return pairs

from __future__ import annotations

import pytest

from pykafka_core.tools.command import ToolError
from pykafka_core.tools.line_reader import LineReader


@pytest.mark.parametrize(
    ("properties", "line", "key", "value", "headers"),
    [
        ({}, b"a\tb", None, b"a\tb", []),
        ({"parse.key": "true"}, b"k\tv\tw", b"k", b"v\tw", []),
        ({"parse.key": "TRUE", "key.separator": "::"}, b"k::v", b"k", b"v", []),
        ({"parse.headers": "true"}, b"a:1,b:2\tv", None, b"v", [("a", b"1"), ("b", b"2")]),
        (
            {"parse.headers": "true", "parse.key": "true", "headers.key.separator": "="},
            b"a=1:2\tk\tv",
            b"k",
            b"v",
            [("a", b"1:2")],
        ),
        ({"parse.key": "true", "null.marker": "NIL"}, b"NIL\tNIL", None, None, []),
        ({"parse.headers": "true", "null.marker": "NIL"}, b"NIL\tx", None, b"x", []),
        ({"parse.headers": "true", "null.marker": "NIL"}, b"a:NIL\tx", None, b"x", [("a", None)]),
        ({"parse.key": "true", "ignore.error": "true"}, b"x", None, b"x", []),
        ({"parse.key": "true"}, b"\t", b"", b"", []),
        ({}, b"\xff\xfe", None, b"\xff\xfe", []),
    ],
)
def test_lines(properties: dict[str, str], line: bytes, key: bytes | None, value: bytes, headers: list) -> None:
    assert LineReader(properties).parse(line) == (key, value, headers)


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"parse.key": "true"}, r"No key separator found on line number 1: 'x'"),
        ({"parse.headers": "true"}, r"No headers delimiter found on line number 1: 'x'"),
        ({"parse.headers": "true", "headers.delimiter": "x"}, r"No header key separator found in pair ''"),
    ],
)
def test_bad_lines(properties: dict[str, str], text: str) -> None:
    with pytest.raises(ToolError, match=text):
        LineReader(properties).parse(b"x")


@pytest.mark.parametrize(
    "properties",
    [
        {"headers.delimiter": ","},
        {"headers.delimiter": ":"},
        {"headers.separator": ":"},
        {"null.marker": "\t"},
        {"null.marker": ":"},
        {"key.separator": ""},
    ],
)
def test_separators_that_cannot_be_told_apart(properties: dict[str, str]) -> None:
    with pytest.raises(ToolError, match="may not be"):
        LineReader(properties)

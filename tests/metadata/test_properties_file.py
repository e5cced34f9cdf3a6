"""Goal: a properties file reads as Java reads it. Method: the cases of java.util.Properties' documentation,
and round trips.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core.metadata.properties_file import PropertiesError, format_properties, parse_properties


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", {"a": "b"}),
        ("a:b", {"a": "b"}),
        ("a b", {"a": "b"}),
        ("  a  =  b c ", {"a": "b c "}),
        ("a", {"a": ""}),
        ("a = = b", {"a": "= b"}),
        ("# no\n! no\n\n  # no\na=1", {"a": "1"}),
        ("a=1\r\nb=2\rc=3", {"a": "1", "b": "2", "c": "3"}),
        ("a=1,\\\n    2,\\\n    3", {"a": "1,2,3"}),
        ("a=1\\\\\nb=2", {"a": "1\\", "b": "2"}),
        ("a=1\\\n# not a comment", {"a": "1# not a comment"}),
        ("a=1\\\n\nb=2", {"a": "1", "b": "2"}),
        ("# a comment is not continued \\\na=1", {"a": "1"}),
        ("a\\ b\\==c\\td\\:", {"a b=": "c\td:"}),
        ("a=\\u00e9\\uD83D\\uDE00", {"a": "é😀"}),
        ("a=\xe9", {"a": "é"}),
        ("a=1\na=2", {"a": "2"}),
        ("a=\\q", {"a": "q"}),
        ("a=trailing\\", {"a": "trailing"}),
    ],
)
def test_grammar(text: str, expected: dict[str, str]) -> None:
    assert parse_properties(text.encode("latin-1")) == expected


@pytest.mark.parametrize("text", ["a=\\u00g1", "a=\\u12", "a=1\n\\u=2"])
def test_malformed_unicode_names_the_line(text: str) -> None:
    with pytest.raises(PropertiesError, match=f"line {text.count(chr(10)) + 1}: malformed"):
        parse_properties(text.encode())


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"]))
    )
)
def test_what_is_written_reads_back(properties: dict[str, str]) -> None:
    assert parse_properties(format_properties(properties, "a comment")) == properties


@given(st.binary(max_size=200))
def test_no_input_crashes(data: bytes) -> None:
    try:
        parse_properties(data)
    except PropertiesError:
        pass

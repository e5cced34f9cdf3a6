"""Regular expressions for topic names: RE2 where it is installed, our automaton, and that both find the same.

Method: expressions made at random of the parts that people use, held against `re`, and one at which `re` despairs.
"""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core.coordinator.regex import RegexError, compile_regex, resolve
from pykafka_core.coordinator.regex_automaton import compile_automaton
from tests.coordinator.test_topic_hashes import Topic, Topics

NAMES = ["", "a", "b", "ab", "ba", "aab", "t-1", "t.1", "orders", "orders-eu", "ORDERS", "__x", "0", "a.b-c_9"]
ATOMS = st.sampled_from(
    [
        "a",
        "b",
        "t",
        ".",
        "[ab]",
        "[^a]",
        "[a-c0-9]",
        r"\d",
        r"\w",
        r"\W",
        "-",
        r"\.",
        "(?i:A)",
        "^",
        "$",
        r"\b",
        "orders",
    ]
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)
ENGINES = [compile_regex, compile_automaton]


@given(EXPRESSIONS)
def test_both_find_what_re_finds(expression: str) -> None:
    wanted = [name for name in NAMES if re.fullmatch(expression, name)]
    for engine in ENGINES:
        matches = engine(expression)
        assert [name for name in NAMES if matches(name)] == wanted, engine


@pytest.mark.parametrize("engine", ENGINES)
def test_time_is_linear_in_the_name(engine: object) -> None:
    matches = engine("(a|a)*" * 10 + "(a*)*b")  # type: ignore[operator]
    began = time.process_time()
    assert not matches("a" * 249)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("[", "missing closing ]"),
        ("(", "missing closing )"),
        ("*", "missing argument to repetition operator"),
        ("a**", "invalid nested repetition operator"),
        ("a{1001}", "invalid repeat count"),
        ("[b-a]", "invalid character class range"),
        ("(?=a)", "invalid or unsupported Perl syntax"),
        ("a\\", "trailing backslash at end of expression"),
    ],
)
def test_what_is_no_expression(engine: object, expression: str, why: str) -> None:
    with pytest.raises(RegexError, match=re.escape(why)):
        engine(expression)  # type: ignore[operator]


@pytest.mark.parametrize("expression", [r"(a)\1", "(?<=a)b", "((a{100}){100}){100}", "(" * 5000 + ")" * 5000])
def test_what_the_automaton_refuses(expression: str) -> None:
    with pytest.raises(RegexError):
        compile_automaton(expression)


def test_the_whole_name_must_match() -> None:
    topics = Topics(*(Topic(name, bytes(16), ()) for name in ("orders", "orders-eu", "my-orders")))
    assert resolve(["orders", "orders.*", "["], topics) == {
        "orders": frozenset({"orders"}),
        "orders.*": frozenset({"orders", "orders-eu"}),
        "[": frozenset(),
    }

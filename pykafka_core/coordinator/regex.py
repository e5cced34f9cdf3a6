"""Regular expressions for topic names, by engines whose time is linear in the length of the name.

A client may send any expression, so `re`, which can take exponential time, is out of the question. RE2 (google-re2) is
used where it is installed, which is wherever it has a wheel; elsewhere the automaton in regex_automaton.py does, which
takes the same expressions but for the rarest parts of RE2's syntax.

Source: KIP-848 (RE2/J in Apache Kafka: the whole name must match).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from pykafka_core.coordinator.regex_automaton import RegexError, compile_automaton

if TYPE_CHECKING:
    from pykafka_core.coordinator.topics import TopicsImage

__all__ = ["RegexError", "compile_regex", "resolve"]

Matches = Callable[[str], bool]

# RE2 and RE2/J say the same things in other words.
RE2J_WORDS: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "bad repetition operator": "invalid nested repetition operator",
    "no argument for repetition operator": "missing argument to repetition operator",
    "trailing \\": "trailing backslash at end of expression",
    "invalid repetition size": "invalid repeat count",
    "invalid named capture group": "invalid named capture",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "unexpected )": "regexp/syntax: internal error",
}


def compile_regex(regex: str) -> Matches:
    """Return what tells whether a whole name matches. Raises RegexError."""
    try:
        import re2  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        return compile_automaton(regex)
    options: Any = re2.Options()
    options.log_errors = False
    try:
        compiled: Any = re2.compile(regex, options)
    except re2.error as error:
        text = error.args[0] if error.args else ""
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        description = said.rpartition(": ")[0] or said
        raise RegexError(RE2J_WORDS.get(description, description)) from error
    return lambda name: compiled.fullmatch(name) is not None


def resolve(regexes: Iterable[str], topics: TopicsImage) -> dict[str, frozenset[str]]:
    """The topics that each expression stands for; none for an expression that is none."""
    names = list(topics.names())
    found: dict[str, frozenset[str]] = {}
    for regex in regexes:
        try:
            matches = compile_regex(regex)
        except RegexError:
            found[regex] = frozenset()
        else:
            found[regex] = frozenset(name for name in names if matches(name))
    return found

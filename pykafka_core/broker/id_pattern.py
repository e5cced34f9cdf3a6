"""Regular expressions that clients send, as far as they can be matched in a time that grows with the text.

Python's matcher goes back and forth, and a few characters can make it do so for years, which would stop the whole
broker. So what may nest or multiply is refused: a repeated group, a repetition without end after another.

Source: KIP-1152 (Apache Kafka matches with java.util.regex).
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["PatternError", "compile_pattern"]

PATTERN_SIZE_MAX: Final = 256
ENDLESS_MAX: Final = 3
"""Repetitions without end in one pattern: with n of them the time may grow with the n-th power of the text."""
ENDLESS: Final = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\d*\})")
REPEATED_GROUP: Final = re.compile(r"\)(?:[*+?]|\{)")
BACK_REFERENCE: Final = re.compile(r"\\[1-9]|\(\?P=|\(\?[=!<(]")


class PatternError(ValueError):
    """No pattern, or one that is not matched here."""


def compile_pattern(text: str) -> re.Pattern[str]:
    """Raises PatternError."""
    if len(text) > PATTERN_SIZE_MAX:
        raise PatternError(f"a pattern has at most {PATTERN_SIZE_MAX} characters")
    if REPEATED_GROUP.search(text) or BACK_REFERENCE.search(text) or len(ENDLESS.findall(text)) > ENDLESS_MAX:
        raise PatternError("repeated groups, references and many repetitions are not supported")
    try:
        return re.compile(text)
    except re.error as error:
        raise PatternError(str(error)) from None

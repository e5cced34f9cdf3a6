"""Whether a regular expression is one of RE2's, as the broker's consumer groups use them, and what is wrong if not.

Only the syntax is read; nothing is matched. Source: com.google.re2j.Parser, the words are its PatternSyntaxException's.
"""

from __future__ import annotations

import re

__all__ = ["regex_fault"]

MISSING_ARGUMENT = "missing argument to repetition operator"
PERL = "invalid or unsupported Perl syntax"
ESCAPE = "invalid escape sequence"
RANGE = "invalid character class range"
REPEAT_SIZE_MAX = 1000
POSIX_CLASSES = frozenset(
    ["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
     "xdigit"]
)  # fmt: skip


class _Fault(Exception):
    pass


def regex_fault(pattern: str) -> str | None:
    """Why this is no regular expression of RE2; None where it is one."""
    try:
        _Reader(pattern).read()
    except _Fault as fault:
        return str(fault)
    return None


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0

    def read(self) -> None:
        open_groups = 0
        repeatable = repeated = False
        names: set[str] = set()
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "(":
                opened = self.group(names)
                open_groups += opened
                # Flags alone, as in (?i), are no group and nothing to repeat.
                repeatable = repeated = False
                continue
            if char == ")":
                if not open_groups:
                    raise _Fault("unexpected )")
                open_groups -= 1
                self.at += 1
                repeatable, repeated = True, False
            elif char == "|":
                self.at += 1
                repeatable = repeated = False
            elif char == "[":
                self.char_class()
                repeatable, repeated = True, False
            elif char in "*+?" or (char == "{" and self.repeat_size()):
                self.repeat(char, repeatable, repeated)
                repeated = True
            elif char == "\\":
                self.escape()
                repeatable, repeated = True, False
            else:
                self.at += 1
                repeatable, repeated = True, False
        if open_groups:
            raise _Fault("missing closing )")

    def group(self, names: set[str]) -> int:
        """( and what says its kind. Returns 1 where a group is open now, 0 where flags stood alone."""
        rest = self.text[self.at :]
        if not rest.startswith("(?"):
            self.at += 1
            return 1
        named = re.match(r"\(\?P?<", rest)
        if named and not rest.startswith(("(?<=", "(?<!")):
            end = rest.find(">")
            name = rest[named.end() : end]
            if end < 0 or not re.fullmatch(r"[A-Za-z0-9_]+", name):
                raise _Fault("invalid named capture")
            if name in names:
                raise _Fault("duplicate capture group name")
            names.add(name)
            self.at += end + 1
            return 1
        flags = re.match(r"\(\?([imsU]*)(-[imsU]+)?([:)])", rest)
        if flags is None or (flags[3] == ")" and not flags[1] and not flags[2]):
            closes = re.match(r"\(\?[imsU-]*$", rest)
            raise _Fault("missing closing )" if closes else PERL)
        self.at += flags.end()
        return 1 if flags[3] == ":" else 0

    def repeat_size(self) -> bool:
        """Whether {n}, {n,} or {n,m} stands here; a brace that begins none of them is a character."""
        return re.match(r"\{\d+(,\d*)?\}", self.text[self.at :]) is not None

    def repeat(self, char: str, repeatable: bool, repeated: bool) -> None:
        if not repeatable:
            raise _Fault(MISSING_ARGUMENT)
        if repeated:
            raise _Fault("invalid nested repetition operator")
        if char == "{":
            found = re.match(r"\{(\d+)(?:(,)(\d*))?\}", self.text[self.at :])
            assert found
            low = int(found[1])
            high = int(found[3]) if found[3] else low
            if max(low, high) > REPEAT_SIZE_MAX or high < low:
                raise _Fault("invalid repeat count")
            self.at += found.end()
        else:
            self.at += 1
        if self.text[self.at : self.at + 1] == "?":
            self.at += 1

    def escape(self) -> None:
        """A backslash and what it escapes, outside of a class."""
        if self.text.startswith("\\Q", self.at):
            end = self.text.find("\\E", self.at)
            self.at = len(self.text) if end < 0 else end + 2
        elif self.text[self.at + 1 : self.at + 2] in (*"AbBCzdDsSwW",):
            if self.text[self.at + 1 : self.at + 2] == "C":
                raise _Fault(ESCAPE)
            self.at += 2
        else:
            self.escaped_char()

    def escaped_char(self) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if not following:
            raise _Fault("trailing backslash at end of expression")
        rest = self.text[self.at :]
        if following in "pP":
            found = re.match(r"\\[pP](\{\^?\w+\}|[A-Z])", rest)
            if found is None:
                raise _Fault(RANGE)
            self.at += found.end()
            return
        numbered = re.match(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2}|x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]+\}|[afnrtv])", rest)
        if numbered:
            self.at += numbered.end()
        elif following.isascii() and (following.isalnum()):
            raise _Fault(ESCAPE)
        else:
            self.at += 2

    def char_class(self) -> None:
        self.at += 1
        if self.text.startswith("^", self.at):
            self.at += 1
        first = True
        while not self.text.startswith("]", self.at) or first:
            if self.at >= len(self.text):
                raise _Fault("missing closing ]")
            first = False
            posix = re.match(r"\[:\^?(\w+):\]", self.text[self.at :])
            if posix:
                if posix[1] not in POSIX_CLASSES:
                    raise _Fault(RANGE)
                self.at += posix.end()
                continue
            if self.text[self.at] == "\\" and self.text[self.at + 1 : self.at + 2] in (*"dDsSwWpP",):
                self.class_set()
                continue
            low = self.class_char()
            if self.text.startswith("-", self.at) and self.text[self.at + 1 : self.at + 2] not in ("", "]"):
                self.at += 1
                if self.class_char() < low:
                    raise _Fault(RANGE)
        self.at += 1

    def class_set(self) -> None:
        if self.text[self.at + 1] in "pP":
            self.escaped_char()
        else:
            self.at += 2

    def class_char(self) -> str:
        start = self.at
        if start >= len(self.text):
            raise _Fault("missing closing ]")
        if self.text[start] != "\\":
            self.at += 1
            return self.text[start]
        self.escaped_char()
        escaped = self.text[start + 1 : self.at]
        if escaped[0] == "x":
            return chr(min(int(escaped[1:].strip("{}"), 16), 0x10FFFF))
        return chr(int(escaped, 8)) if escaped[0].isdecimal() else {"n": "\n", "t": "\t"}.get(escaped, escaped)

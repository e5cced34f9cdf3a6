"""A regular expression as a nondeterministic automaton that goes over a name once, all its states at a time.

`re` only reads the expression; what it would need backtracking for (references to groups, looking ahead and behind,
atomic groups) is refused, as RE2 does. Names of topics are ASCII, so a set of characters is a number with 128 bits.

Limits: 1000 for a repetition, as in RE2; `STATES_MAX` states, so that nested repetitions cannot fill the memory.

Source: R. Cox, "Regular Expression Matching: the Virtual Machine Approach"; RE2's syntax page.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final

__all__ = ["RegexError", "compile_automaton"]

STATES_MAX: Final = 2_000
REPEAT_MAX: Final = 1_000

EVERY: Final = (1 << 128) - 1
NEWLINE: Final = 1 << 10
DIGITS: Final = sum(1 << ord(each) for each in "0123456789")
SPACES: Final = sum(1 << ord(each) for each in " \t\n\r\f\v")
WORDS: Final = DIGITS | sum(1 << code for code in range(128) if chr(code).isalpha()) | 1 << ord("_")
CATEGORIES: Final = {"DIGIT": DIGITS, "SPACE": SPACES, "WORD": WORDS}


RE2J_WORDS: Final = {
    "unterminated character set": "missing closing ]",
    "missing ), unterminated subpattern": "missing closing )",
    "unbalanced parenthesis": "regexp/syntax: internal error",
    "nothing to repeat": "missing argument to repetition operator",
    "multiple repeat": "invalid nested repetition operator",
    "bad escape (end of pattern)": "trailing backslash at end of expression",
    "min repeat greater than max repeat": "invalid repeat count",
}
"""What Python says, as RE2/J says it."""


class RegexError(ValueError):
    """An expression is none. Says why in RE2's words."""


def compile_automaton(regex: str) -> Callable[[str], bool]:
    """Return what tells whether a whole name matches. Raises RegexError."""
    program = _Program(regex)
    return program.matches


class _Program:
    """States by number. A state either takes a character and goes to the next number, or goes to others without one.

    takes[i]   the characters it takes; -1: none
    goes[i]    where it goes without one
    asks[i]    what must be so here for that, or ""
    """

    def __init__(self, regex: str) -> None:
        parser: Any = import_module("re._parser")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = parser.parse(regex)
        except (re.error, OverflowError, RecursionError) as error:
            raise RegexError(_said(getattr(error, "msg", "") or "expression is too large")) from error
        self._takes: Final[list[int]] = []
        self._goes: Final[list[list[int]]] = []
        self._asks: Final[list[str]] = []
        try:
            self._add_all(tree, tree.state.flags)
        except RecursionError as error:
            raise RegexError("expression nests too deeply") from error
        self._end: Final = self._add()

    # ---- building

    def _add(self, takes: int = -1, goes: Iterable[int] = (), asks: str = "") -> int:
        if len(self._takes) >= STATES_MAX:
            raise RegexError("expression is too large")
        self._takes.append(takes)
        self._goes.append(list(goes))
        self._asks.append(asks)
        return len(self._takes) - 1

    @property
    def _next(self) -> int:
        return len(self._takes)

    def _add_all(self, items: Iterable[Any], flags: int) -> None:
        for op, argument in items:
            self._add_one(str(op), argument, flags)

    def _add_one(self, op: str, argument: Any, flags: int) -> None:
        match op:
            case "LITERAL":
                self._add(_characters([("LITERAL", argument)], flags))
            case "NOT_LITERAL":
                self._add(EVERY & ~_characters([("LITERAL", argument)], flags))
            case "ANY":
                self._add(EVERY if flags & re.DOTALL else EVERY & ~NEWLINE)
            case "IN":
                self._add(_characters(argument, flags))
            case "AT":
                self._add(goes=[self._next + 1], asks=_place(str(argument), flags))
            case "SUBPATTERN":
                _, added, taken, items = argument
                self._add_all(items, (flags | added) & ~taken)
            case "BRANCH":
                self._add_branches(argument[1], flags)
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, items = argument
                self._add_repeat(least, most, items, flags)
            case _:
                raise RegexError("invalid or unsupported Perl syntax")

    def _add_branches(self, branches: list[Any], flags: int) -> None:
        fork = self._add()
        ends = []
        for branch in branches:
            self._goes[fork].append(self._next)
            self._add_all(branch, flags)
            ends.append(self._add())
        for end in ends:
            self._goes[end].append(self._next)

    def _add_repeat(self, least: int, most: Any, items: Any, flags: int) -> None:
        endless = str(most) == "MAXREPEAT"
        if least > REPEAT_MAX or (not endless and most > REPEAT_MAX):
            raise RegexError("invalid repeat count")
        for _ in range(least):
            self._add_all(items, flags)
        if endless:
            loop = self._add()
            self._goes[loop].append(self._next)
            self._add_all(items, flags)
            self._add(goes=[loop])
            self._goes[loop].append(self._next)
            return
        forks = []
        for _ in range(most - least):
            fork = self._add()
            self._goes[fork].append(self._next)
            self._add_all(items, flags)
            forks.append(fork)
        for fork in forks:
            self._goes[fork].append(self._next)

    # ---- running

    def matches(self, name: str) -> bool:
        states = self._reach([0], name, 0)
        for at, character in enumerate(name, 1):
            bit = 1 << ord(character) if character.isascii() else 0
            moved = [state + 1 for state in states if self._takes[state] >= 0 and self._takes[state] & bit]
            if not moved:
                return False
            states = self._reach(moved, name, at)
        return self._end in states

    def _reach(self, states: list[int], name: str, at: int) -> set[int]:
        """These states, and those that they lead to without a character."""
        found: set[int] = set()
        open_states = list(states)
        while open_states:
            state = open_states.pop()
            if state in found:
                continue
            found.add(state)
            if self._goes[state] and (not self._asks[state] or _is_so(self._asks[state], name, at)):
                open_states += self._goes[state]
        return found


def _said(message: str) -> str:
    if message.startswith("bad character range"):
        return "invalid character class range"
    return "invalid escape sequence" if message.startswith("bad escape \\") else RE2J_WORDS.get(message, message)


def _characters(items: Iterable[Any], flags: int) -> int:
    found = 0
    negated = False
    for op, argument in items:
        match str(op):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found |= 1 << argument if argument < 128 else 0
            case "RANGE":
                low, high = argument[0], min(argument[1], 127)
                found |= sum(1 << code for code in range(low, high + 1))
            case "CATEGORY":
                kind = str(argument).removeprefix("CATEGORY_")
                known = CATEGORIES[kind.removeprefix("NOT_")]
                found |= EVERY & ~known if kind.startswith("NOT_") else known
            case _:
                raise RegexError("invalid character class range")
    if flags & re.IGNORECASE:
        for code in range(128):
            if found >> code & 1:
                found |= 1 << ord(chr(code).lower()) | 1 << ord(chr(code).upper())
    return EVERY & ~found if negated else found


def _place(name: str, flags: int) -> str:
    if flags & re.MULTILINE and name in ("AT_BEGINNING", "AT_END"):
        return name + "_LINE"
    return name


def _is_so(what: str, name: str, at: int) -> bool:
    match what:
        case "AT_BEGINNING" | "AT_BEGINNING_STRING":
            return at == 0
        case "AT_END" | "AT_END_STRING":
            return at == len(name)
        case "AT_BEGINNING_LINE":
            return at == 0 or name[at - 1] == "\n"
        case "AT_END_LINE":
            return at == len(name) or name[at] == "\n"
        case "AT_BOUNDARY":
            return _is_word(name, at - 1) is not _is_word(name, at)
        case _:
            return _is_word(name, at - 1) is _is_word(name, at)


def _is_word(name: str, at: int) -> bool:
    return 0 <= at < len(name) and name[at].isascii() and bool(WORDS >> ord(name[at]) & 1)

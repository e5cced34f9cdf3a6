"""Command lines in the style of argparse4j, which some of Kafka's tools use instead of joptsimple: subcommands, short
names, groups of options that exclude one another, and its own words about what is wrong.

    PARSER = Parser("kafka-storage", "The Kafka storage tool.", commands=[Parser("info", "...", [CONFIG])])
    given = PARSER.parse(words)          # raises UsageError, HelpWanted, VersionWanted
    given.command, given.last("config"), "standalone" in given

Usage lines are laid out as argparse4j does it; the help texts are our own and are not justified.

argparse would do most of it, but its import alone takes longer than a listing may.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from pykafka_core._dataclass import dataclass, field

__all__ = ["Argument", "Given", "HelpWanted", "Parser", "UsageError", "VersionWanted", "run"]

WIDTH: Final = 75
_HELP_INDENT: Final = 25

INTEGER: Final = "Integer"
LONG: Final = "Long"
_BITS: Final = {INTEGER: 31, LONG: 63, "Double": 0}


class HelpWanted(Exception):
    """The text is the help."""


class VersionWanted(Exception):
    pass


class UsageError(Exception):
    def __init__(self, parser: Parser, message: str) -> None:
        super().__init__(message)
        self.parser = parser

    def text(self) -> str:
        return "\n".join([*self.parser.usage(), *fold(f"{self.parser.root}: error: {self}", WIDTH)])


@dataclass(slots=True, frozen=True)
class Argument:
    name: str
    """Without its dashes; also what `Given` calls it."""
    text: str
    value: str = ""
    """What the usage calls the value; empty for a flag."""
    short: str = ""
    required: bool = False
    many: bool = False
    """Takes words until the next option."""
    number: str = ""
    """INTEGER or LONG where the value is one."""
    choices: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        return f"--{self.name}" + (f"/-{self.short}" if self.short else "")

    def token(self) -> str:
        value = f" {self.value}" if self.value else ""
        return f"--{self.name}{value}" + (f" [{self.value} ...]" if self.many else "")


@dataclass(slots=True)
class Given:
    command: str = ""
    values: dict[str, list[str]] = field(default_factory=dict)

    def last(self, name: str) -> str | None:
        given = self.values.get(name)
        return given[-1] if given else None

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def number(self, name: str) -> int | None:
        text = self.last(name)
        return None if text is None else int(text)

    def __contains__(self, name: object) -> bool:
        return name in self.values


class Parser:
    """`exclusive`: groups of names of which at most one may be given, and one must be if the group is required."""

    def __init__(
        self,
        name: str,
        text: str,
        arguments: Sequence[Argument] = (),
        *,
        exclusive: Sequence[tuple[bool, tuple[str, ...]]] = (),
        commands: Sequence[Parser] = (),
        command_value: str = "",
        short_version: bool = False,
    ) -> None:
        self.root = self.name = name
        self.text = text
        self.arguments = list(arguments)
        self.exclusive = list(exclusive)
        self.commands = list(commands)
        self.command_value = command_value or "{" + ",".join(each.name for each in commands) + "}"
        self.short_version = short_version
        self.prefix = name
        for command in commands:
            command.root = name
            command.prefix = f"{name} {self._required_tokens()}{command.name}"

    def _required_tokens(self) -> str:
        plain = [each.token() for each in self.arguments if each.required and not self._group_of(each)]
        groups = [f"({' | '.join(self._tokens_of(names))})" for required, names in self.exclusive if required]
        return "".join(f"{token} " for token in [*plain, *groups])

    def _group_of(self, argument: Argument) -> tuple[bool, tuple[str, ...]] | None:
        return next((group for group in self.exclusive if argument.name in group[1]), None)

    def _tokens_of(self, names: Sequence[str]) -> list[str]:
        by_name = {each.name: each for each in self.arguments}
        return [by_name[name].token() for name in names]

    # ---- reading ----------------------------------------------------------------------------------------------------

    def parse(self, words: Sequence[str], given: Given | None = None) -> Given:
        """Raises UsageError, HelpWanted, VersionWanted."""
        given = Given() if given is None else given
        waiting = list(reversed(words))
        while waiting:
            word = waiting.pop()
            if not word.startswith("-") or word in ("-", "--"):
                if not self.commands:
                    raise UsageError(self, f"unrecognized arguments: '{word}'")
                command = next((each for each in self.commands if each.name == word), None)
                if command is None:
                    choices = ", ".join(f"'{each.name}'" for each in self.commands)
                    raise UsageError(self, f"invalid choice: '{word}' (choose from {choices})")
                self._complete(given)
                given.command = word
                command.parse(waiting[::-1], given)
                return given
            self._take(word, waiting, given)
        if self.commands:
            raise UsageError(self, "too few arguments")
        self._complete(given)
        return given

    def _take(self, word: str, waiting: list[str], given: Given) -> None:
        name, equals, value = word.partition("=")
        if name in ("--help", "-h"):
            raise HelpWanted(self.help())
        if name == "--version" or (name == "-v" and self.short_version):
            raise VersionWanted
        argument = self._find(name, word)
        for _, names in self.exclusive:
            other = next((each for each in names if each != argument.name and each in given), None)
            if argument.name in names and other is not None:
                shown = next(each.shown for each in self.arguments if each.name == other)
                raise UsageError(self, f"argument {argument.shown}: not allowed with argument {shown}")
        values = given.values.setdefault(argument.name, [])
        if not argument.value:
            if equals:
                raise UsageError(self, f"argument {argument.shown}: ignored explicit argument '{value}'")
            values.append("")
            return
        taken = [value] if equals else []
        while waiting and (argument.many or not taken) and (not waiting[-1].startswith("-") or is_number(waiting[-1])):
            taken.append(waiting.pop())
        if not taken:
            raise UsageError(self, f"argument {argument.shown}: expected {'at least ' * argument.many}one argument")
        for each in taken:
            self._check(argument, each)
        values.extend(taken)

    def _find(self, name: str, word: str) -> Argument:
        for each in self.arguments:
            if name == f"--{each.name}" or (each.short and name == f"-{each.short}"):
                return each
        fitting = [each for each in self.arguments if name.startswith("--") and f"--{each.name}".startswith(name)]
        if len(fitting) == 1 and len(name) > 2:
            return fitting[0]
        if fitting and len(name) > 2:
            names = ", ".join(sorted(f"--{each.name}" for each in fitting))
            raise UsageError(self, f"ambiguous option: {name} could match {names}")
        raise UsageError(self, f"unrecognized arguments: '{word}'")

    def _check(self, argument: Argument, text: str) -> None:
        if argument.number == "Double":
            try:
                float(text)
            except ValueError:
                raise UsageError(
                    self,
                    f"argument {argument.shown}: could not convert '{text}' to Double (For input string: \"{text}\")",
                ) from None
        elif argument.number:
            limit = 1 << _BITS[argument.number]
            if not is_number(text) or not -limit <= int(text) < limit:
                raise UsageError(
                    self,
                    f"argument {argument.shown}: could not convert '{text}' to {argument.number} "
                    f'(For input string: "{text}")',
                )
        if argument.choices and text not in argument.choices:
            choices = ",".join(argument.choices)
            raise UsageError(self, f"argument {argument.shown}: invalid choice: '{text}' (choose from {{{choices}}})")

    def _complete(self, given: Given) -> None:
        for argument in sorted(self.arguments, key=lambda each: each.name):
            if argument.required and argument.name not in given:
                raise UsageError(self, f"argument {argument.shown} is required")
        for required, names in self.exclusive:
            if required and not any(name in given for name in names):
                shown = " ".join(each.shown for name in names for each in self.arguments if each.name == name)
                raise UsageError(self, f"one of the arguments {shown} is required")

    # ---- showing ----------------------------------------------------------------------------------------------------

    def usage(self) -> list[str]:
        tokens = ["[-h]", *(["[-v]"] if self.short_version else [])]
        tokens += [
            each.token() if each.required else f"[{each.token()}]"
            for each in self.arguments
            if self._group_of(each) is None
        ]
        for required, names in self.exclusive:
            opening, closing = "()" if required else "[]"
            group = self._tokens_of(names)
            tokens += [f"{opening}{group[0]} |", *(f"{each} |" for each in group[1:-1]), f"{group[-1]}{closing}"]
        if self.commands:
            tokens += [self.command_value, "..."]
        start = f"usage: {self.prefix}"
        indent = len(f"usage: {self.root} ")
        # An option that does not fit behind the name makes all of them begin below it.
        if any(indent + len(token) > WIDTH for token in tokens if not token.startswith("{")):
            indent = len("usage: ")
            lines, line = [start], ""
        else:
            lines, line = [], start
        for token in tokens:
            joined = f"{line} {token}" if line else " " * indent + token
            if len(joined) > WIDTH and line:
                lines.append(line)
                joined = " " * indent + token
            line = joined
        return [*lines, line]

    def help(self) -> str:
        lines = [*self.usage(), ""]
        if self.text:
            lines += [*fold(self.text, WIDTH), ""]
        if self.commands:
            lines.append("positional arguments:")
            for command in self.commands:
                lines += entry(f"  {command.name}", command.text)
            lines.append("")
        lines.append("optional arguments:")
        lines += entry("  -h, --help", "show this help message and exit")
        for each in self.arguments:
            short = f", -{each.short} {each.value}".rstrip() if each.short else ""
            lines += entry(f"  {each.token()}{short}", each.text)
        return "\n".join(lines)


def is_number(word: str) -> bool:
    return word.removeprefix("-").removeprefix("+").isdecimal()


def fold(text: str, width: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line] if line else lines


def entry(left: str, text: str) -> list[str]:
    lines = fold(text, WIDTH - _HELP_INDENT)
    if len(left) < _HELP_INDENT and lines:
        return [f"{left:{_HELP_INDENT}}{lines[0]}", *(" " * _HELP_INDENT + line for line in lines[1:])]
    return [left, *(" " * _HELP_INDENT + line for line in lines)]


def run(parser: Parser, words: list[str] | None, act: Callable[[Given], int], *, help_status: int = 0) -> int:
    """Parse and act; help, version and wrong use are answered here. Returns the exit status."""
    words = sys.argv[1:] if words is None else words
    try:
        given = parser.parse(words)
        return act(given)
    except HelpWanted as wanted:
        print(wanted)
        return help_status
    except VersionWanted:
        from pykafka_core.tools.version import KAFKA_VERSION

        print(KAFKA_VERSION)
        return 0
    except UsageError as error:
        print(error.text(), file=sys.stderr)
        return 1


__all__ += ["INTEGER", "LONG"]

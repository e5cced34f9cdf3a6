"""Command lines in the style of Kafka's tools: `--option value`, `--option=value`, any unique prefix, any order,
repeats. The words about what is wrong are those of joptsimple, which Kafka's tools use.

argparse would do, but its import alone takes longer than this broker may take to start.
"""

from __future__ import annotations

from pykafka_core._dataclass import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["OPTIONAL", "Options", "UsageError", "parse_options"]

OPTIONAL = None
"""Of an option whose value may be left out: the next word is its value unless it looks like an option."""


class UsageError(Exception):
    """The command line is wrong; the text says how. `java_name` is what joptsimple throws."""

    def __init__(self, message: str, java_name: str = "joptsimple.UnrecognizedOptionException") -> None:
        super().__init__(message)
        self.java_name = java_name


@dataclass(slots=True)
class Options:
    values: dict[str, list[str]] = field(default_factory=dict)
    """Option name without dashes -> the values it was given, in order; for a flag, an empty string each time."""
    arguments: list[str] = field(default_factory=list)
    """What is no option."""
    order: list[str] = field(default_factory=list)
    """The names of the options as they were given, repeats and all."""

    def last(self, name: str) -> str | None:
        given = self.values.get(name)
        return given[-1] if given else None

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def __contains__(self, name: object) -> bool:
        return name in self.values


def parse_options(words: Sequence[str], known: Mapping[str, bool | None]) -> Options:
    """Read a command line. `known`: option name -> whether it takes a value, or OPTIONAL. Raises UsageError."""
    options = Options()
    waiting = list(reversed(words))
    while waiting:
        word = waiting.pop()
        if word == "--":
            options.arguments.extend(reversed(waiting))
            break
        if not word.startswith("-") or word == "-":
            options.arguments.append(word)
            continue
        given, equals, value = word.lstrip("-").partition("=")
        name = complete(given, known)
        takes_value = known[name]
        if takes_value is OPTIONAL:
            if not equals and waiting and not waiting[-1].startswith("-"):
                value = waiting.pop()
        elif not takes_value:
            if equals:
                raise UsageError(f"Option {name} does not allow an argument")
        elif not equals:
            if not waiting:
                raise UsageError(
                    f"Option {name} requires an argument", "joptsimple.OptionMissingRequiredArgumentException"
                )
            value = waiting.pop()
        options.values.setdefault(name, []).append(value)
        options.order.append(name)
    return options


def complete(given: str, known: Mapping[str, bool | None]) -> str:
    if given in known:
        return given
    fitting = [name for name in known if given and name.startswith(given)]
    if len(fitting) == 1:
        return fitting[0]
    raise UsageError(
        f"{given} is not a recognized option"
        + (f"; it could be any of {', '.join(f'--{name}' for name in fitting)}" if fitting else "")
    )

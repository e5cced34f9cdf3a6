"""Command lines in the style of Kafka's tools: `--option value`, `--option=value`, any unique prefix, any order,
repeats.

argparse would do, but its import alone takes longer than this broker may take to start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pykafka_core._dataclass import dataclass, field

__all__ = ["Options", "UsageError", "parse_options"]


class UsageError(Exception):
    """The command line is wrong; the text says how."""


@dataclass(slots=True)
class Options:
    values: dict[str, list[str]] = field(default_factory=dict)
    """Option name without dashes -> the values it was given, in order; for a flag, an empty string each time."""
    arguments: list[str] = field(default_factory=list)
    """What is no option."""

    def last(self, name: str) -> str | None:
        given = self.values.get(name)
        return given[-1] if given else None

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def __contains__(self, name: object) -> bool:
        return name in self.values


def parse_options(words: Sequence[str], known: Mapping[str, bool]) -> Options:
    """Read a command line. `known`: option name -> whether it takes a value. Raises UsageError."""
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
        name = complete(given, known, word)
        if not known[name]:
            if equals:
                raise UsageError(f"--{name} takes no value")
        elif not equals:
            if not waiting:
                raise UsageError(f"Option --{name} requires an argument")
            value = waiting.pop()
        options.values.setdefault(name, []).append(value)
    return options


def complete(given: str, known: Mapping[str, bool], word: str) -> str:
    if given in known:
        return given
    fitting = [name for name in known if given and name.startswith(given)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UsageError(f"{word} could be any of {', '.join(f'--{name}' for name in fitting)}")
    raise UsageError(f"{word.partition('=')[0]} is not a recognized option")

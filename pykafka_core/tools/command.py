"""What all the Kafka-named commands share: their options and the help text made from them, and how they end.

A command is a `Command` (purpose and options) and a `main` that returns the exit status. Help goes to stderr with
status 1, as Kafka's own commands do it. Wrong use is reported in Kafka's words, because scripts read them.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from pykafka_core._dataclass import dataclass
from pykafka_core._plain_asyncio import load_plain_asyncio
from pykafka_core.tools.options import OPTIONAL, Options, UsageError, parse_options

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client
    from pykafka_core.client.settings import ClientSettings

__all__ = [
    "BOOTSTRAP",
    "COMMAND_CONFIG",
    "Command",
    "Option",
    "ToolError",
    "WrongUseError",
    "load_settings",
    "run_by_name",
    "run_with_client",
    "say",
    "warn_deprecated",
]

T = TypeVar("T")

_WIDTH = 80
_LEFT = 41
_INDENT = 2


class ToolError(Exception):
    """The command fails, with a sentence. `java_name` is the exception that Kafka's command would have shown."""

    def __init__(self, message: str, java_name: str = "java.lang.IllegalArgumentException") -> None:
        super().__init__(message)
        self.java_name = java_name


class WrongUseError(Exception):
    """The options do not make sense together; the text is printed before the help."""


@dataclass(slots=True, frozen=True)
class Option:
    name: str
    text: str
    value: str = ""
    """What the value is, as `String: topic` or `Integer: # of partitions`; empty for a flag."""
    optional: bool = False
    """Whether the value may be left out."""


BOOTSTRAP = Option("bootstrap-server", "REQUIRED: the servers to connect to.", "String: server to connect to")
COMMAND_CONFIG = Option(
    "command-config", "A properties file with settings of the client.", "String: command config property file"
)
_ALWAYS = (Option("help", "Print usage information."), Option("version", "Display the version."))


class Command:
    def __init__(self, purpose: str, options: Sequence[Option]) -> None:
        self.purpose = purpose
        self.options = [*options, *_ALWAYS]

    def parse(self, words: Sequence[str]) -> Options:
        """Raises UsageError."""
        return parse_options(
            words, {each.name: OPTIONAL if each.optional else bool(each.value) for each in self.options}
        )

    def begin(self, words: Sequence[str] | None, check: Callable[[Options], None]) -> Options | int:
        """Read the command line (None: that of this process); `check` may raise WrongUseError or ToolError.

        Returns the exit status where that is all: help was asked for and given, or the use was wrong, which was said.
        """
        words = sys.argv[1:] if words is None else words
        try:
            options = self.parse(words)
            status = self.answer_help(options, words)
            if status is not None:
                return status
            check(options)
        except WrongUseError as error:
            return self.refuse(error)
        except (UsageError, ToolError) as error:
            return say(error)
        return options

    def answer_help(self, options: Options, words: Sequence[str]) -> int | None:
        """Print help or version where they are asked for. Returns the exit status, None to go on."""
        if not words or "help" in options:
            print(self.purpose, file=sys.stderr)
            print(self.help(), file=sys.stderr)
            return 1
        if "version" in options:
            from pykafka_core.tools.version import KAFKA_VERSION

            print(KAFKA_VERSION)
            return 0
        return None

    def refuse(self, reason: object) -> int:
        """Wrong use: reason and help on stderr. Returns the exit status."""
        print(reason, file=sys.stderr)
        print(self.help(), file=sys.stderr)
        return 1

    def require(self, options: Options, *names: str) -> None:
        """Raises WrongUseError for the first of these options that is not given."""
        for name in names:
            if name not in options:
                raise WrongUseError(f'Missing required argument "[{name}]"')

    def help(self) -> str:
        rows = [("Option", "Description"), ("------", "-----------")]
        for option in sorted(self.options, key=lambda each: each.name):
            shown = f"--{option.name}"
            if option.value:
                shown += f" [{option.value}]" if option.optional else f" <{option.value}>"
            rows.append((shown, option.text))
        lines: list[str] = []
        for left, right in rows:
            lefts, rights = wrap(left, _LEFT - 1), wrap(right, _WIDTH - _LEFT)
            for at in range(max(len(lefts), len(rights))):
                lefts_of, rights_of = lefts[at : at + 1], rights[at : at + 1]
                lines.append(f"{lefts_of[0] if lefts_of else '':{_LEFT}}{rights_of[0] if rights_of else ''}".rstrip())
        return "\n".join(lines)


def say(error: UsageError | ToolError) -> int:
    """The reason, and the exception that it is. Returns the exit status."""
    print(error, file=sys.stderr)
    print(f"{error.java_name}: {error}", file=sys.stderr)
    return 1


def run_by_name(kind: str, java_class: str, options: Options, work: Callable[[Client], Awaitable[None]]) -> int:
    """Run `work` with a client. Returns the exit status.

    A failure is told as Kafka's commands of topics and groups do: the reason on standard output, the exception where
    Java logs.
    """
    from pykafka_core.client.errors import KafkaError

    try:
        settings = load_settings(options.last("command-config"))
        run_with_client(options.last("bootstrap-server") or "", settings, work)
    except ToolError as error:
        message, java_text = str(error), f"{error.java_name}: {error}"
    except KafkaError as error:
        message, java_text = str(error), error.java_text()
    else:
        return 0
    print(f"Error while executing {kind} command : {message}", flush=True)
    print(f"[main] ERROR org.apache.kafka.tools.{java_class} - {java_text}", file=sys.stderr)
    return 1


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most this width; all but the first are indented."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        indent = _INDENT if lines else 0
        if line and indent + len(line) + 1 + len(word) > width:
            lines.append(" " * indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, " " * (_INDENT if lines else 0) + line]


def whole_number(options: Options, name: str) -> int | None:
    """The last value of an option as a number. Raises ToolError."""
    text = options.last(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise ToolError(
            f"Cannot parse argument '{text}' of option {name}", "joptsimple.OptionArgumentConversionException"
        ) from None


def key_values(words: Sequence[str]) -> dict[str, str]:
    """key=value words as a dictionary; a value may hold equals signs, or be missing."""
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def warn_deprecated(name: str, instead: str) -> None:
    """Say on a terminal that an option has a newer name. Kafka says it on stdout, where it spoils pipes."""
    if sys.stderr.isatty():
        print(
            f"Warning: --{name} is deprecated and will be removed in a future version. Use --{instead} instead.",
            file=sys.stderr,
        )


def load_properties(path: str | None) -> dict[str, str]:
    """A properties file; none is an empty one. Raises ToolError."""
    if path is None:
        return {}
    from pykafka_core.metadata.properties_file import PropertiesError, parse_properties

    try:
        with open(path, "rb") as file:
            return parse_properties(file.read())
    except FileNotFoundError as error:
        raise ToolError(path, "java.nio.file.NoSuchFileException") from error
    except OSError as error:
        raise ToolError(f"{path} ({error.strerror})", "java.io.IOException") from error
    except PropertiesError as error:
        raise ToolError(f"{path}: {error}") from error


def load_settings(path: str | None, client_id: str = "adminclient-1") -> ClientSettings:
    """The client's settings from a properties file. Raises ToolError."""
    from pykafka_core.client.settings import ClientSettings, SettingsError

    try:
        return ClientSettings.load(load_properties(path), client_id=client_id)
    except SettingsError as error:
        raise ToolError(str(error), "org.apache.kafka.common.config.ConfigException") from error


def run_with_client(servers: str, settings: ClientSettings, work: Callable[[Client], Awaitable[T]]) -> T:
    """Run `work` with a client of this cluster, in an event loop of its own. Raises ToolError, KafkaError."""
    load_plain_asyncio()
    import asyncio

    from pykafka_core.client.cluster import Client
    from pykafka_core.client.settings import SettingsError, parse_addresses

    try:
        bootstrap = parse_addresses(servers)
    except SettingsError as error:
        raise ToolError(str(error), "org.apache.kafka.common.config.ConfigException") from error

    def on_trouble(sentence: str) -> None:
        if sys.stderr.isatty():
            print(f"WARN {sentence}", file=sys.stderr)

    async def whole() -> T:
        async with Client(bootstrap, settings, on_trouble=on_trouble) as client:
            return await work(client)

    return asyncio.run(whole())


__all__ += ["UsageError", "key_values", "load_properties", "whole_number"]

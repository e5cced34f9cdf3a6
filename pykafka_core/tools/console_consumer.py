"""kafka-console-consumer: prints the records of a topic, one to a line.

It reads in the group that --group names, and whoever comes next goes on where it has stopped. Without --group it has a
group of its own, console-consumer-N, in which nothing is committed unless it is asked for; of --partition it reads by
itself.

Source of words and statuses: org.apache.kafka.tools.consumer.{ConsoleConsumer, ConsoleConsumerOptions}.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pykafka_core.tools.command import (
    Command,
    Option,
    ToolError,
    UsageError,
    WrongUseError,
    key_values,
    load_properties,
    run_with_client,
    warn_deprecated,
    whole_number,
)

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client
    from pykafka_core.client.consumer import ConsumerSettings
    from pykafka_core.tools.options import Options
    from pykafka_core.tools.record_formatter import RecordFormatter

DEFAULT_FORMATTER = "org.apache.kafka.tools.consumer.DefaultMessageFormatter"
POLL_SECONDS = 10.0
EARLIEST, LATEST = -2, -1

COMMAND = Command(
    "This tool helps to read data from Kafka topics and outputs it to standard output.",
    [
        Option("bootstrap-server", "REQUIRED: the servers to connect to.", "String: server to connect to"),
        Option("command-config", "A properties file with settings of the consumer.", "String: config file"),
        Option(
            "command-property", "A setting of the consumer, as key=value; may be repeated.", "String: consumer_prop"
        ),
        Option("consumer-property", "The older name of --command-property.", "String: consumer_prop"),
        Option("consumer.config", "The older name of --command-config.", "String: config file"),
        Option("enable-systest-events", "Print shutdown_complete at the end."),
        Option("formatter", "Only DefaultMessageFormatter is there.", "String: class"),
        Option("formatter-config", "A properties file for the formatter.", "String: config file"),
        Option(
            "formatter-property",
            "A setting of the formatter, as key=value; may be repeated: print.timestamp, print.key, print.offset, "
            "print.epoch, print.partition, print.headers, print.value (true or false), key.separator, line.separator, "
            "headers.separator, null.literal, key.deserializer, value.deserializer, headers.deserializer.",
            "String: prop",
        ),
        Option("from-beginning", "Begin with the oldest record, not with the next one."),
        Option("group", "The consumer group to read in.", "String: consumer group id"),
        Option("include", "A regular expression of the topics to read.", "String: Java regex (String)"),
        Option("isolation-level", "read_committed leaves out what is not committed.", "String"),
        Option("key-deserializer", "As the formatter's key.deserializer.", "String: deserializer for key"),
        Option("max-messages", "End after so many records.", "Integer: num_messages"),
        Option("offset", "Where to begin: a number, earliest or latest.", "String: consume offset"),
        Option("partition", "The one partition to read.", "Integer: partition"),
        Option("property", "The older name of --formatter-property.", "String: prop"),
        Option("skip-message-on-error", "Go on after a record that cannot be printed."),
        Option("timeout-ms", "End when no record has come for so long.", "Integer: timeout_ms"),
        Option("topic", "The topic to read.", "String: topic"),
        Option("value-deserializer", "As the formatter's value.deserializer.", "String: deserializer for values"),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        options = COMMAND.parse(words)
        status = COMMAND.answer_help(options, words)
        if status is not None:
            return status
        check_options(options)
        start = parse_start(options)
    except (UsageError, WrongUseError) as error:
        return COMMAND.refuse(error)
    for old, new in (
        ("property", "formatter-property"),
        ("consumer-property", "command-property"),
        ("consumer.config", "command-config"),
    ):
        if old in options:
            warn_deprecated(old, new)
    from pykafka_core.client.consumer import ConsumerSettings
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.client.settings import ClientSettings, SettingsError

    printed = Printed()
    try:
        properties = consumer_properties(options)
        printed.limit = -1 if (wanted := whole_number(options, "max-messages")) is None else wanted
        printed.timeout_ms = -1 if (wanted := whole_number(options, "timeout-ms")) is None else wanted
        if wrong_reset(options, properties):
            return 1
        formatter = make_formatter(options)
        settings = ClientSettings.load(properties, client_id="console-consumer")
        consumes = ConsumerSettings.load(properties)
        work = Work(options, properties, consumes, formatter, start, printed)
        status = run_with_client(options.last("bootstrap-server") or "", settings, work.run)
    except WrongUseError as wrong:
        return COMMAND.refuse(wrong)
    except SettingsError as error:
        return unknown_error(f"org.apache.kafka.common.config.ConfigException: {error}")
    except ToolError as error:
        status = unknown_error(f"{error.java_name}: {error}")
    except KafkaError as error:
        status = unknown_error(error.java_text())
    print(f"Processed a total of {printed.count} messages", file=sys.stderr)
    if "enable-systest-events" in options:
        print("shutdown_complete")
    return status


class Printed:
    """How far the command is, and when it ends."""

    def __init__(self) -> None:
        self.count = 0
        self.limit = -1
        self.timeout_ms = -1

    def is_enough(self) -> bool:
        return 0 <= self.limit <= self.count


def unknown_error(text: str) -> int:
    print(
        "[main] ERROR org.apache.kafka.tools.consumer.ConsoleConsumer - Unknown error when running consumer: ",
        file=sys.stderr,
    )
    print(text, file=sys.stderr)
    return 1


def end_reading(java_text: str) -> None:
    """Kafka's command says so and ends in good order, whatever it was."""
    print(
        "[main] ERROR org.apache.kafka.tools.consumer.ConsoleConsumer - Error processing message, terminating consumer "
        f"process: \n{java_text}",
        file=sys.stderr,
    )


def check_options(options: Options) -> None:
    """Raises WrongUseError."""
    if ("topic" in options) + ("include" in options) != 1:
        raise WrongUseError("Exactly one of the following arguments is required: [topic], [include]")
    if "partition" in options:
        if "topic" not in options:
            raise WrongUseError("The topic is required when partition is specified.")
        if "from-beginning" in options and "offset" in options:
            raise WrongUseError("Options from-beginning and offset cannot be specified together.")
    elif "offset" in options:
        raise WrongUseError("The partition is required when offset is specified.")
    COMMAND.require(options, "bootstrap-server")
    for old, new in (("consumer-property", "command-property"), ("consumer.config", "command-config")):
        if old in options and new in options:
            raise WrongUseError(f"Options --{old} and --{new} cannot be specified together.")
    if "property" in options and "formatter-property" in options:
        raise WrongUseError("Options --property and --formatter-property cannot be specified together.")
    for name in ("partition", "max-messages", "timeout-ms"):
        text = options.last(name)
        if text is not None and not text.removeprefix("-").isdecimal():
            raise WrongUseError(f"Cannot parse argument '{text}' of option {name}")


def parse_start(options: Options) -> int:
    """Where to begin: EARLIEST, LATEST or an offset. Raises WrongUseError."""
    text = options.last("offset")
    if text is None:
        return EARLIEST if "from-beginning" in options else LATEST
    if text.lower() in ("earliest", "latest"):
        return EARLIEST if text.lower() == "earliest" else LATEST
    if not text.isdecimal() or int(text) >= 1 << 63:
        raise WrongUseError(
            f"The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a "
            "non-negative long."
        )
    return int(text)


def consumer_properties(options: Options) -> dict[str, str]:
    """Raises ToolError, WrongUseError."""
    from_file = {
        **load_properties(options.last("consumer.config")),
        **load_properties(options.last("command-config")),
    }
    given = {**key_values(options.all("consumer-property")), **key_values(options.all("command-property"))}
    groups = [*options.all("group")[-1:], *(each["group.id"] for each in (from_file, given) if "group.id" in each)]
    if len(set(groups)) > 1:
        shown = ", ".join(f"'{each}'" for each in dict.fromkeys(groups))
        raise WrongUseError(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via "
            f"'--consumer.config') do not match. Detected group ids: {shown}"
        )
    if groups and "partition" in options:
        raise WrongUseError("Options group and partition cannot be specified together.")
    properties = {**from_file, **given}
    if groups:
        properties["group.id"] = groups[0]
    elif "partition" not in options:
        import random

        properties["group.id"] = f"console-consumer-{random.randrange(10_000, 100_000)}"
        properties.setdefault("enable.auto.commit", "false")
    if "isolation-level" in options:
        properties["isolation.level"] = options.last("isolation-level") or ""
    return properties


def wrong_reset(options: Options, properties: dict[str, str]) -> bool:
    """Whether the settings contradict each other; says so."""
    reset = properties.get("auto.offset.reset")
    if "from-beginning" in options and reset not in (None, "earliest"):
        print(
            f"Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option",
            file=sys.stderr,
        )
        return True
    if "from-beginning" in options:
        properties["auto.offset.reset"] = "earliest"
    return False


def make_formatter(options: Options) -> RecordFormatter:
    """Raises ToolError."""
    from pykafka_core.tools.record_formatter import RecordFormatter

    name = options.last("formatter")
    if name not in (None, DEFAULT_FORMATTER, "kafka.tools.DefaultMessageFormatter"):
        raise ToolError(f"{name} is no formatter that is known here", "java.lang.ClassNotFoundException")
    properties = load_properties(options.last("formatter-config"))
    for option in ("key-deserializer", "value-deserializer"):
        if options.last(option):
            properties[option.replace("-", ".")] = options.last(option) or ""
    properties |= key_values(options.all("property"))
    properties |= key_values(options.all("formatter-property"))
    return RecordFormatter(properties)


class Work:
    """Reads and prints until something ends it."""

    def __init__(
        self,
        options: Options,
        properties: dict[str, str],
        settings: ConsumerSettings,
        formatter: RecordFormatter,
        start: int,
        printed: Printed,
    ) -> None:
        self._options = options
        self._properties = properties
        self._settings = settings
        self._formatter = formatter
        self._start = start
        self._printed = printed

    async def run(self, client: Client) -> int:
        """Return the exit status. Raises KafkaError, ToolError."""
        import asyncio
        import signal

        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task
        signalled: list[int] = []

        def stop(number: int) -> None:
            signalled.append(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        try:
            await self._read(client)
        except asyncio.CancelledError:
            if not signalled:
                raise
            task.uncancel()
            return 128 + int(signalled[0])
        except BrokenPipeError:
            print("Unable to write to standard out, closing consumer.", file=sys.stderr)
            # What is left in the buffer has no reader; the interpreter would complain about it at its end.
            import os

            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0

    async def _read(self, client: Client) -> None:
        import asyncio

        from pykafka_core.client.errors import DisconnectedError, KafkaError, KafkaTimeoutError
        from pykafka_core.tools.console_sources import Alone, Source, in_group
        from pykafka_core.tools.progress import Progress

        source: Source
        if "group.id" in self._properties:
            source = in_group(client, self._settings, self._options, self._properties)
        else:
            place = self._options.last("topic") or "", int(self._options.last("partition") or 0)
            source = Alone(client, self._settings, place, self._start)
        clock = asyncio.get_running_loop().time
        silent_since = clock()
        limit = self._printed.limit
        progress = Progress("messages", limit if limit > 0 else None, beside_output=True)
        try:
            while not self._printed.is_enough():
                wait = POLL_SECONDS
                if self._printed.timeout_ms >= 0:
                    wait = min(wait, silent_since + self._printed.timeout_ms / 1000 - clock())
                try:
                    found = await source.poll(max(wait, 0.0))
                except (DisconnectedError, KafkaTimeoutError):
                    raise
                except KafkaError as error:
                    progress.hide()
                    end_reading(error.java_text())
                    return
                for consumed in found:
                    self._print(consumed)
                    source.took(consumed)
                    silent_since = clock()
                    if self._printed.is_enough():
                        break
                sys.stdout.buffer.flush()
                progress.show(self._printed.count)
                if self._printed.timeout_ms >= 0 and clock() - silent_since >= self._printed.timeout_ms / 1000:
                    progress.hide()
                    end_reading("org.apache.kafka.common.errors.TimeoutException")
                    return
        finally:
            progress.hide()
            await source.close()

    def _print(self, consumed: object) -> None:
        self._printed.count += 1
        try:
            sys.stdout.buffer.write(self._formatter.format(consumed))  # type: ignore[arg-type]
        except ToolError as error:
            if "skip-message-on-error" not in self._options:
                raise
            print(f"Error processing message, skipping this message: {error.java_name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

"""kafka-get-offsets: the offsets of partitions, by time or by name.

Source of words and statuses: org.apache.kafka.tools.GetOffsetShell.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from pykafka_core.tools.command import (
    Command,
    Option,
    ToolError,
    UsageError,
    WrongUseError,
    load_settings,
    run_with_client,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pykafka_core.client.cluster import Client
    from pykafka_core.tools.options import Options

COMMAND = Command(
    "An interactive shell for getting topic-partition offsets.",
    [
        Option("bootstrap-server", "REQUIRED: the servers to connect to.", "String: HOST1:PORT1,HOST2:PORT2"),
        Option("command-config", "A properties file with settings of the client.", "String: config file"),
        Option("exclude-internal-topics", "Leave internal topics out."),
        Option("partitions", "Only these partitions, as 0,1,2.", "String: partition ids"),
        Option(
            "time",
            "Which offset: the first with this time or a later one, or one that has a name; latest if not given.",
            "String: <timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or "
            "latest-tiered / -6 or earliest-pending-upload",
        ),
        Option("topic", "The topic, or a regular expression of topics; all of them if not given.", "String: topic"),
        Option(
            "topic-partitions",
            "Topics and partitions: each a regular expression and, behind a colon, a number, or a range that leaves "
            "out its end; either side of it may be missing.",
            "String: topic1:1,topic2:0-3,topic3:5-",
        ),
    ],
)
NAMED = {
    "latest": -1,
    "earliest": -2,
    "max-timestamp": -3,
    "earliest-local": -4,
    "latest-tiered": -5,
    "earliest-pending-upload": -6,
}
RULE = re.compile(r"([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?")


class TerseError(Exception):
    """Ends the command with this sentence alone."""


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        options = COMMAND.parse(words)
        status = COMMAND.answer_help(options, words)
        if status is not None:
            return status
        COMMAND.require(options, "bootstrap-server")
        check_servers(options.last("bootstrap-server") or "")
    except WrongUseError as error:
        return COMMAND.refuse(error)
    except UsageError as error:
        print(f"Error occurred: {error}", file=sys.stderr)
        return 1
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.tools.java_errors import JavaError, thrown

    try:
        if "topic-partitions" in options and ("topic" in options or "partitions" in options):
            raise TerseError("--topic-partitions cannot be used with --topic or --partitions")
        spec = parse_time(options.last("time") or "latest")
        allows = rules(options)
        settings = load_settings(options.last("command-config"), client_id="GetOffsetShell")
        run_with_client(
            options.last("bootstrap-server") or "",
            settings,
            lambda client: print_offsets(client, spec, allows, "exclude-internal-topics" in options),
        )
    except TerseError as terse:
        print(f"Error occurred: {terse}", file=sys.stderr)
        return 1
    except (JavaError, ToolError, KafkaError) as error:
        failure = thrown(error)
        print(f"Error occurred: {failure}", file=sys.stderr)
        failure.print_causes()
        return 1
    return 0


def check_servers(text: str) -> None:
    """Raises WrongUseError."""
    for part in text.split(","):
        port = part.rpartition(":")[2]
        if ":" not in part or not part.rpartition(":")[0] or not port.isdecimal():
            raise WrongUseError("Please provide valid host:port like host1:9091,host2:9092")


def parse_time(text: str) -> int:
    """Raises TerseError."""
    if text in NAMED:
        return NAMED[text]
    try:
        return int(text)
    except ValueError:
        names = " / ".join(f"{number} or {name}" for name, number in NAMED.items())
        raise TerseError(
            f"Malformed time argument {text}. Please use {names}, or a specified long format timestamp"
        ) from None


def rules(options: Options) -> Callable[[str, int | None], bool]:
    """Whether a partition is meant; without a number, whether any of the topic can be. Raises TerseError, ToolError."""
    from pykafka_core.tools.java_errors import RUNTIME, JavaError
    from pykafka_core.tools.topic_names import IncludeList

    given: list[tuple[IncludeList, Callable[[int], bool]]] = []
    text = options.last("topic-partitions")
    if text is None:
        numbers = partition_set(options.last("partitions") or "")
        given.append((IncludeList(options.last("topic") or ".*"), lambda index: not numbers or index in numbers))
    else:
        for rule in text.split(","):
            found = RULE.fullmatch(rule)
            if found is None:
                raise JavaError("org.apache.kafka.tools.TerseException", f"Invalid rule specification: {rule}").within(
                    RUNTIME
                )
            given.append((IncludeList(found[1] or ".*"), partition_range(found)))

    def allows(topic: str, index: int | None) -> bool:
        return any(
            names.allows(topic, exclude_internal=False) and (index is None or holds(index)) for names, holds in given
        )

    return allows


def partition_set(text: str) -> set[int]:
    """Raises TerseError."""
    try:
        return {int(word) for word in text.split(",")} if text else set()
    except ValueError:
        raise TerseError(
            f"--partitions expects a comma separated list of numeric partition ids, but received: {text}"
        ) from None


def partition_range(found: re.Match[str]) -> Callable[[int], bool]:
    if found[2]:
        only = int(found[2])
        return lambda index: index == only
    low, high = int(found[3] or 0), int(found[4]) if found[4] else 1 << 31
    return lambda index: low <= index < high


async def print_offsets(
    client: Client, spec: int, allows: Callable[[str, int | None], bool], exclude_internal: bool
) -> None:
    """Raises TerseError, JavaError, KafkaError."""
    from pykafka_core.client.admin import list_offsets, list_topics
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.tools.java_errors import EXECUTION, as_thrown

    with as_thrown(EXECUTION):
        topics = await list_topics(client)
    places = [
        (topic.name, each.partition_index)
        for topic in topics
        if not (exclude_internal and topic.is_internal) and allows(topic.name, None)
        for each in topic.partitions
        if allows(topic.name, each.partition_index)
    ]
    if not places:
        raise TerseError("Could not match any topic-partitions with the specified filters")
    found = await list_offsets(client, dict.fromkeys(places, spec))
    for topic, index in sorted(places, key=lambda place: f"{place[0]}-{place[1]}"):
        outcome = found[topic, index]
        if isinstance(outcome, KafkaError):
            print(
                f"Skip getting offsets for topic-partition {topic}-{index} due to error: {outcome.java_text()}",
                file=sys.stderr,
            )
        elif outcome[0] != -1:
            print(f"{topic}:{index}:{outcome[0]}")


if __name__ == "__main__":
    sys.exit(main())

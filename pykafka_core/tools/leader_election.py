"""kafka-leader-election: have a leader elected, the preferred one or any.

Source of words and statuses: org.apache.kafka.tools.LeaderElectionCommand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pykafka_core.tools.command import (
    COMMAND_CONFIG,
    Command,
    Option,
    ToolError,
    UsageError,
    load_properties,
    run_with_client,
    warn_deprecated,
    whole_number,
)
from pykafka_core.tools.options import Options

if TYPE_CHECKING:
    from pykafka_core.client.errors import KafkaError

TopicPartition = tuple[str, int]

FAILED = "org.apache.kafka.tools.AdminCommandFailedException"
OPERATION = "org.apache.kafka.tools.AdminOperationException"
WHICH = ("topic", "all-topic-partitions", "path-to-json-file")
TIMEOUT_MS = 30_000

COMMAND = Command(
    "This tool attempts to elect a new leader for a set of topic partitions. The type of elections supported are "
    "preferred replicas and unclean replicas.",
    [
        Option("admin.config", "The old name of --command-config.", "String: config file"),
        Option("all-topic-partitions", "Hold the election for all partitions that need one."),
        Option("bootstrap-server", "REQUIRED: the servers to connect to.", "String: host:port"),
        COMMAND_CONFIG,
        Option(
            "election-type",
            "REQUIRED: preferred, which elects the first replica where another one leads, or unclean, which elects any "
            "replica where none leads.",
            "[PREFERRED,UNCLEAN]: election type",
        ),
        Option("partition", "The partition; REQUIRED with --topic.", "Integer: partition id"),
        Option(
            "path-to-json-file",
            'A file with the partitions: {"partitions": [{"topic": "foo", "partition": 1}]}',
            "String: Path to JSON file",
        ),
        Option("topic", "The topic of the partition.", "String: topic name"),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        options = COMMAND.parse(words)
        status = COMMAND.answer_help(options, words)
        if status is not None:
            return status
        unclean = is_unclean(options)
        partition = whole_number(options, "partition")
        check_options(options)
        path = options.last("path-to-json-file")
        partitions = parse_file(path) if path is not None else None
        topic = options.last("topic")
        if topic is not None and partition is not None:
            partitions = [(topic, partition)]
        return elect(options, unclean, partitions)
    except UsageError as error:
        return failed(str(error), "joptsimple.UnrecognizedOptionException")
    except ToolError as error:
        return failed(str(error), error.java_name)


def failed(message: str, java_name: str) -> int:
    sys.stdout.flush()
    print(f"{message}\n{java_name}: {message}", file=sys.stderr)
    return 1


def is_unclean(options: Options) -> bool:
    text = options.last("election-type")
    if text is not None and text.upper() not in ("PREFERRED", "UNCLEAN"):
        raise ToolError(
            f"Cannot parse argument '{text}' of option election-type", "joptsimple.OptionArgumentConversionException"
        )
    return (text or "").upper() == "UNCLEAN"


def check_options(options: Options) -> None:
    """Raises ToolError."""
    missing = [name for name in ("bootstrap-server", "election-type") if name not in options]
    if missing:
        raise ToolError(f"Missing required option(s): {', '.join(missing)}", FAILED)
    if sum(name in options for name in WHICH) != 1:
        raise ToolError(f"One and only one of the following options is required: {', '.join(WHICH)}", FAILED)
    if "topic" in options and "partition" not in options:
        raise ToolError("Missing required option(s): partition", FAILED)
    if "topic" not in options and "partition" in options:
        raise ToolError("Option partition is only allowed if topic is used", FAILED)


def parse_file(path: str) -> list[TopicPartition]:
    """The partitions that a JSON file names. Raises ToolError."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError):
        raise ToolError(f"java.io.IOException: Unable to read file {path}", "java.lang.RuntimeException") from None
    try:
        content = json.loads(text)
    except ValueError:
        raise ToolError("Replica election data is empty", OPERATION) from None
    if not isinstance(content, dict) or "partitions" not in content:
        raise ToolError('Replica election data is missing "partitions" field', OPERATION)
    try:
        found = [(str(each["topic"]), int(each["partition"])) for each in content["partitions"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ToolError(f"Replica election data cannot be read: {error!r}", OPERATION) from error
    twice = dict.fromkeys(each for each in found if found.count(each) > 1)
    if twice:
        shown = ", ".join(f"{topic}-{partition}" for topic, partition in twice)
        raise ToolError(f"Replica election data contains duplicate partitions: [{shown}]", OPERATION)
    return found


def elect(options: Options, unclean: bool, partitions: list[TopicPartition] | None) -> int:
    """Raises ToolError."""
    from pykafka_core.client.admin_partitions import ElectionType, elect_leaders
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.client.settings import ClientSettings, SettingsError
    from pykafka_core.protocol.errors import ErrorCode

    if "admin.config" in options:
        warn_deprecated("admin.config", "command-config")
    properties = {
        "default.api.timeout.ms": str(TIMEOUT_MS),
        "request.timeout.ms": str(TIMEOUT_MS // 2),
        **load_properties(options.last("command-config") or options.last("admin.config")),
    }
    kind = ElectionType.UNCLEAN if unclean else ElectionType.PREFERRED
    try:
        settings = ClientSettings.load(properties, client_id="adminclient-1")
        found = run_with_client(
            options.last("bootstrap-server") or "", settings, lambda client: elect_leaders(client, kind, partitions)
        )
    except SettingsError as error:
        raise ToolError(str(error), "org.apache.kafka.common.config.ConfigException") from error
    except KafkaError as error:
        said = {
            ErrorCode.REQUEST_TIMED_OUT: "Timeout waiting for election results",
            ErrorCode.CLUSTER_AUTHORIZATION_FAILED: "Not authorized to perform leader election",
        }.get(error.code)
        if said is None:
            text = f"java.util.concurrent.ExecutionException: {error.java_text()}"
            raise ToolError(text, "java.lang.RuntimeException") from error
        print(said, flush=True)
        raise ToolError(said, FAILED) from error
    return report(found, kind.name)


def report(found: Mapping[TopicPartition, Any], kind: str) -> int:
    """Raises ToolError."""
    from pykafka_core.protocol.errors import ErrorCode

    succeeded = [place for place, error in found.items() if error is None]
    needless = [place for place, error in found.items() if error and error.code == ErrorCode.ELECTION_NOT_NEEDED]
    refused: dict[TopicPartition, KafkaError] = {
        place: error for place, error in found.items() if error and error.code != ErrorCode.ELECTION_NOT_NEEDED
    }
    if succeeded:
        print(f"Successfully completed leader election ({kind}) for partitions {shown(succeeded)}")
    if needless:
        print(f"Valid replica already elected for partitions {shown(needless)}")
    if not refused:
        return 0
    for (topic, partition), error in refused.items():
        print(f"Error completing leader election ({kind}) for partition: {topic}-{partition}: {error.java_text()}")
    raise ToolError(f"{len(refused)} replica(s) could not be elected", FAILED)


def shown(places: list[TopicPartition]) -> str:
    """In the order of Java's hash of each, which for the partitions of one topic is that of their numbers."""
    return ", ".join(f"{topic}-{partition}" for topic, partition in sorted(places))


if __name__ == "__main__":
    sys.exit(main())

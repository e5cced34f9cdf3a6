"""kafka-verifiable-consumer: reads a topic as a member of a group, and prints a line of JSON for whatever happens.

Ends after --max-messages, or at SIGTERM or SIGINT; then it leaves the group.

Source of words and statuses: org.apache.kafka.tools.VerifiableConsumer.
"""

from __future__ import annotations

import sys

from pykafka_core.tools.arguments import INTEGER, Argument, Given, Parser
from pykafka_core.tools.arguments import run as run_parser
from pykafka_core.tools.command import ToolError, load_properties, run_with_client, warn_deprecated

RANGE = "org.apache.kafka.clients.consumer.RangeAssignor"

PARSER = Parser(
    "verifiable-consumer",
    "This tool consumes messages from a specific topic and emits consumer events (e.g. group rebalances, received "
    "messages, and offsets committed) as JSON objects to STDOUT.",
    [
        Argument("topic", "Consumes messages from this topic.", "TOPIC", required=True),
        Argument("group-protocol", "classic or consumer. (default: classic)", "GROUP-PROTOCOL"),
        Argument("group-remote-assignor", "The broker's assignor, of the protocol consumer.", "GROUP-REMOTE-ASSIGNOR"),
        Argument("group-id", "The id of the group.", "GROUP-ID", required=True),
        Argument("group-instance-id", "The name of a static member.", "GROUP-INSTANCE-ID"),
        Argument("max-messages", "So many messages; -1: until the process is ended.", "MAX-MESSAGES", number=INTEGER),
        Argument(
            "session-timeout", "After so long without a heartbeat the member is out.", "TIMEOUT-MS", number=INTEGER
        ),
        Argument("verbose", "A line for each record."),
        Argument("enable-autocommit", "Commit every five seconds, and not what was read each time."),
        Argument("reset-policy", "earliest, latest or none. (default: earliest)", "RESET-POLICY"),
        Argument("assignment-strategy", f"The assignor. (default: {RANGE})", "ASSIGNMENT-STRATEGY"),
        Argument("consumer.config", "The old name of --command-config.", "CONFIG-FILE"),
        Argument("command-config", "A properties file with settings of the consumer.", "CONFIG-FILE"),
        Argument("bootstrap-server", "The servers to connect to.", "HOST1:PORT1[,HOST2:PORT2[...]]", required=True),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    if not words:
        print(PARSER.help())
        return 0
    return run_parser(PARSER, words, act, help_status=1)


def act(given: Given) -> int:
    from pykafka_core.client.settings import SettingsError

    try:
        return run(given)
    except SettingsError as error:
        text, java_name = str(error), "org.apache.kafka.common.config.ConfigException"
    except ToolError as error:
        text, java_name = str(error), error.java_name
    print(f'Exception in thread "main" {java_name}: {text}', file=sys.stderr)
    return 1


def run(given: Given) -> int:
    """Raises ToolError, SettingsError."""
    from pykafka_core.client.consumer import ConsumerSettings
    from pykafka_core.client.group import GroupSettings
    from pykafka_core.client.settings import ClientSettings
    from pykafka_core.tools.verifiable_reading import Reading

    if "consumer.config" in given:
        warn_deprecated("consumer.config", "command-config")
    protocol = (given.last("group-protocol") or "classic").upper()
    if protocol not in ("CLASSIC", "CONSUMER"):
        raise ToolError(f"No enum constant org.apache.kafka.clients.consumer.GroupProtocol.{protocol}")
    policy = given.last("reset-policy") or "earliest"
    properties = load_properties(given.last("command-config") or given.last("consumer.config"))
    properties["auto.offset.reset"] = policy
    properties["group.protocol"] = protocol
    if protocol == "CLASSIC":
        properties["partition.assignment.strategy"] = given.last("assignment-strategy") or RANGE
    elif given.last("group-remote-assignor") is not None:
        properties["group.remote.assignor"] = given.last("group-remote-assignor") or ""
    for option, name in (("group-instance-id", "group.instance.id"), ("session-timeout", "session.timeout.ms")):
        value = given.last(option)
        if value is not None:
            properties[name] = value
    consumer_settings, group_settings = ConsumerSettings.load(properties), GroupSettings.load(properties)
    settings = ClientSettings.load(properties, client_id="consumer-1")
    servers = given.last("bootstrap-server") or ""
    reading = Reading(given, servers, settings, group_settings, consumer_settings)
    return run_with_client(servers, settings, reading.run)


if __name__ == "__main__":
    sys.exit(main())

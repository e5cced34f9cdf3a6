"""kafka-topics: list, create, delete, alter and describe topics.

Source of words and statuses: org.apache.kafka.tools.TopicCommand.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pykafka_core.tools.command import (
    COMMAND_CONFIG,
    Command,
    Option,
    ToolError,
    WrongUseError,
    run_by_name,
    whole_number,
)
from pykafka_core.tools.options import Options

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client

ACTIONS = ("create", "list", "alter", "describe", "delete")
REPORTS = (
    "under-replicated-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
    "unavailable-partitions",
)
BY_CONFIGS = " (To alter topic configurations, the kafka-configs tool can be used.)"

COMMAND = Command(
    "This tool helps to create, delete, describe, or change a topic.",
    [
        Option("alter", f"Raise the number of partitions of topics.{BY_CONFIGS}"),
        Option("at-min-isr-partitions", "Describe only partitions with exactly as many in-sync replicas as required."),
        Option("bootstrap-server", "REQUIRED: the servers to connect to.", "String: server to connect to"),
        COMMAND_CONFIG,
        Option("config", f"A setting of the topic to create; may be repeated.{BY_CONFIGS}", "String: name=value"),
        Option("create", "Create a new topic."),
        Option("delete", "Delete topics."),
        Option("delete-config", "No longer supported; use kafka-configs.", "String: name"),
        Option("describe", "Show topics with their partitions and settings."),
        Option("exclude-internal", "Leave internal topics out of a list or description."),
        Option("if-exists", "Alter, delete or describe only if the topic exists."),
        Option("if-not-exists", "Create only if the topic does not exist yet."),
        Option("list", "List all topics."),
        Option(
            "partition-size-limit-per-response",
            "The most partitions that one answer to a description may hold.",
            "Integer: maximum number of partitions per response",
        ),
        Option(
            "partitions",
            "The number of partitions of the topic to create or alter; the cluster's default if not given. Keys go to "
            "other partitions once the number has changed.",
            "Integer: # of partitions",
        ),
        Option(
            "replica-assignment",
            "The brokers of each partition: brokers of a partition joined by colons, partitions by commas.",
            "String: broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , ...",
        ),
        Option(
            "replication-factor",
            "The number of replicas of each partition; the cluster's default if not given.",
            "Integer: replication factor",
        ),
        Option(
            "topic",
            "The topic to create, alter, describe or delete. But for --create it is a regular expression; put it in "
            'quotes and a backslash before what is meant literally, as in "test\\.topic".',
            "String: topic",
        ),
        Option("topic-id", "The id of the topic to describe.", "String: topic-id"),
        Option("topics-with-overrides", "Describe only topics with settings of their own."),
        Option("unavailable-partitions", "Describe only partitions without a live leader."),
        Option("under-min-isr-partitions", "Describe only partitions with too few in-sync replicas."),
        Option("under-replicated-partitions", "Describe only partitions with replicas that are not in sync."),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    if not words:
        return COMMAND.refuse("Create, delete, describe, or change a topic.")
    options = COMMAND.begin(words, check_options)
    if isinstance(options, int):
        return options
    return run_by_name("topic", "TopicCommand", options, lambda client: act(client, options))


def check_options(options: Options) -> None:
    """Raises WrongUseError, ToolError."""
    if sum(action in options for action in ACTIONS) != 1:
        raise WrongUseError(
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete"
        )
    if "delete-config" in options:
        print(
            "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully "
            "removed in future releases.",
            file=sys.stderr,
        )
    if "bootstrap-server" not in options:
        raise ToolError("--bootstrap-server must be specified")
    if "describe" in options and "if-exists" in options and "topic" not in options and "topic-id" not in options:
        raise WrongUseError("--topic or --topic-id is required to describe a topic")
    if "list" not in options and "describe" not in options:
        COMMAND.require(options, "topic")
    if "alter" in options:
        if "config" in options:
            raise WrongUseError(
                'Option combination "[[bootstrap-server], [config]]" can\'t be used with option "[alter]"' + BY_CONFIGS
            )
        COMMAND.require(options, "partitions")
    only_with = {
        "config": ("alter", "create"),
        "partitions": ("alter", "create"),
        "replication-factor": ("create",),
        "replica-assignment": ("alter", "create"),
        **dict.fromkeys(REPORTS, ("describe",)),
        "topics-with-overrides": ("describe",),
        "if-exists": ("alter", "delete", "describe"),
        "if-not-exists": ("create",),
        "exclude-internal": ("list", "describe"),
    }
    excluded: dict[str, tuple[str, ...]] = {
        **dict.fromkeys(REPORTS, ("topics-with-overrides",)),
        "topics-with-overrides": REPORTS,
    }
    if "create" in options:
        excluded["replica-assignment"] = ("partitions", "replication-factor")
    for name, allowed in only_with.items():
        for other in (*(each for each in ACTIONS if each not in allowed), *excluded.get(name, ())):
            if name in options and other in options:
                raise WrongUseError(f'Option "[{name}]" can\'t be used with option "[{other}]"')


async def act(client: Client, options: Options) -> None:
    if "create" in options:
        await create(client, options)
    elif "alter" in options:
        await alter(client, options)
    elif "list" in options:
        print("\n".join(await matching(client, options)))
    elif "describe" in options:
        from pykafka_core.tools.topics_describe import describe

        await describe(client, options)
    else:
        from pykafka_core.client.admin import delete_topics

        topics = await matching(client, options)
        ensure_exists(topics, options)
        await delete_topics(client, topics)


async def create(client: Client, options: Options) -> None:
    from pykafka_core.client.admin import create_topic
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.protocol.errors import ErrorCode
    from pykafka_core.tools.topic_names import has_collision_characters

    name = options.last("topic") or ""
    partition_count = whole_number(options, "partitions")
    replication_factor = whole_number(options, "replication-factor")
    assignments = parse_assignments(options.last("replica-assignment") or "")
    configs = parse_configs(options.all("config"))
    if has_collision_characters(name):
        print(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could "
            "collide. To avoid issues it is best to use either, but not both.",
            flush=True,
        )
    if replication_factor is not None and not 1 <= replication_factor <= 32767:
        raise ToolError("The replication factor must be between 1 and 32767 inclusive")
    if partition_count is not None and partition_count < 1:
        raise ToolError("The partitions must be greater than 0")
    try:
        await create_topic(
            client,
            name,
            partition_count=partition_count,
            replication_factor=replication_factor,
            assignments=assignments,
            configs=configs,
        )
    except KafkaError as error:
        if error.code == ErrorCode.TOPIC_ALREADY_EXISTS and "if-not-exists" in options:
            return
        raise
    print(f"Created topic {name}.")


async def alter(client: Client, options: Options) -> None:
    from pykafka_core.client.admin import create_partitions, list_topics

    partition_count = whole_number(options, "partitions") or 0
    assignments = parse_assignments(options.last("replica-assignment") or "")
    topics = await matching(client, options)
    ensure_exists(topics, options)
    if not topics:
        return
    given = None
    if assignments:
        counts = {topic.name: len(topic.partitions) for topic in await list_topics(client)}
        given = {name: list(assignments.values())[counts[name] :] for name in topics}
    await create_partitions(client, dict.fromkeys(topics, partition_count), given)


def parse_assignments(text: str) -> dict[int, list[int]]:
    """Partition -> brokers. Raises ToolError."""
    if not text:
        return {}
    assignments: dict[int, list[int]] = {}
    for index, partition in enumerate(text.split(",")):
        try:
            brokers = [int(word.strip()) for word in partition.split(":")]
        except ValueError:
            wrong = next(word for word in partition.split(":") if not word.strip().lstrip("+-").isdecimal())
            raise ToolError(f'For input string: "{wrong.strip()}"', "java.lang.NumberFormatException") from None
        twice = sorted({broker for broker in brokers if brokers.count(broker) > 1})
        if twice:
            raise ToolError(
                f"Partition replica lists may not contain duplicate entries: {','.join(map(str, twice))}",
                "org.apache.kafka.server.common.AdminCommandFailedException",
            )
        assignments[index] = brokers
        if len(brokers) != len(assignments[0]):
            raise ToolError(
                f"Partition {index} has different replication factor: {brokers}",
                "org.apache.kafka.server.common.AdminOperationException",
            )
    return assignments


def parse_configs(words: list[str]) -> dict[str, str]:
    """Raises ToolError."""
    configs: dict[str, str] = {}
    for word in words:
        parts = [part.strip() for part in word.split("=")]
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        if len(parts) != 2:
            raise ToolError(
                'requirement failed: Invalid topic config: all configs to be added must be in the format "key=val".'
            )
        configs[parts[0]] = parts[1]
    return configs


async def matching(client: Client, options: Options) -> list[str]:
    """The names of the topics that the options mean, sorted."""
    from pykafka_core.client.admin import list_topics
    from pykafka_core.tools.topic_names import INTERNAL_TOPICS, IncludeList

    names = sorted(topic.name for topic in await list_topics(client))
    exclude_internal = "exclude-internal" in options
    wanted = options.last("topic")
    if wanted is not None:
        filter_ = IncludeList(wanted)
        return [name for name in names if filter_.allows(name, exclude_internal=exclude_internal)]
    return [name for name in names if not (exclude_internal and name in INTERNAL_TOPICS)]


def ensure_exists(found: list[Any], options: Options) -> None:
    wanted = options.last("topic")
    if wanted and not found and "if-exists" not in options:
        raise ToolError(f"Topic '{wanted}' does not exist as expected")


if __name__ == "__main__":
    sys.exit(main())

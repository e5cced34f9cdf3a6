"""kafka-log-dirs: how large the partitions are in the log directories of brokers, as JSON.

Source of words and statuses: org.apache.kafka.tools.LogDirsCommand.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pykafka_core.tools.command import (
    COMMAND_CONFIG,
    Command,
    Option,
    ToolError,
    load_settings,
    run_with_client,
)

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client
    from pykafka_core.tools.options import Options

COMMAND = Command(
    "This tool helps to query log directory usage on the specified brokers.",
    [
        Option(
            "bootstrap-server", "REQUIRED: the servers to connect to.", "String: server(s) to use for bootstrapping"
        ),
        Option("broker-list", "Only these brokers, as 0,1,2.", "String: Broker list"),
        COMMAND_CONFIG,
        Option("describe", "Describe the log directories."),
        Option("topic-list", "Only these topics, as topic1,topic2.", "String: Topic list"),
    ],
)


def main(words: list[str] | None = None) -> int:
    options = COMMAND.begin(words, lambda options: COMMAND.require(options, "bootstrap-server", "describe"))
    if isinstance(options, int):
        return options
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.tools.java_errors import JavaError, end_with

    try:
        settings = load_settings(options.last("command-config"), client_id="log-dirs-tool")
        return run_with_client(
            options.last("bootstrap-server") or "", settings, lambda client: describe(client, options)
        )
    except (JavaError, ToolError, KafkaError) as error:
        return end_with(error)


async def describe(client: Client, options: Options) -> int:
    """Returns the exit status. Raises ToolError, JavaError."""
    import json

    from pykafka_core.client.admin import describe_cluster, describe_log_dirs
    from pykafka_core.tools.java_errors import EXECUTION, as_thrown

    with as_thrown(EXECUTION):
        _, _, brokers = await describe_cluster(client)
    there = sorted(each.broker_id for each in brokers)
    wanted = sorted(broker_ids(options.last("broker-list") or "")) or there
    missing = [each for each in wanted if each not in there]
    if missing:
        print(
            f"ERROR: The given brokers do not exist from --broker-list: {','.join(map(str, missing))}. Current "
            f"existent brokers: {','.join(map(str, there))}",
            file=sys.stderr,
        )
        return 1
    print("Querying brokers for log directories information", flush=True)
    with as_thrown(EXECUTION):
        await client.metadata([])
        found = await describe_log_dirs(client, wanted)
    print(f"Received log directory information from brokers {','.join(map(str, wanted))}")
    topics = {name for name in (options.last("topic-list") or "").split(",") if name}
    shown = [{"broker": broker, "logDirs": [directory(each, topics) for each in found[broker]]} for broker in wanted]
    print(json.dumps({"brokers": shown, "version": 1}, separators=(",", ":"), ensure_ascii=False))
    return 0


def broker_ids(text: str) -> set[int]:
    """Raises ToolError."""
    found = set()
    for word in text.split(","):
        if word:
            try:
                found.add(int(word))
            except ValueError:
                raise ToolError(f'For input string: "{word}"', "java.lang.NumberFormatException") from None
    return found


def directory(found: Any, topics: set[str]) -> dict[str, Any]:
    from pykafka_core.client.errors import java_name
    from pykafka_core.tools.java_order import partition_order

    partitions = {
        (topic.name, each.partition_index): each
        for topic in found.topics
        if not topics or topic.name in topics
        for each in topic.partitions
    }
    return {
        "partitions": [
            {
                "partition": f"{topic}-{index}",
                "size": partitions[topic, index].partition_size,
                "offsetLag": partitions[topic, index].offset_lag,
                "isFuture": partitions[topic, index].is_future_key,
            }
            for topic, index in partition_order(partitions)
        ],
        "error": java_name(found.error_code) if found.error_code else None,
        "logDir": found.log_dir,
    }


if __name__ == "__main__":
    sys.exit(main())

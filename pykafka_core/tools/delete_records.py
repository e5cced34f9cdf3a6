"""kafka-delete-records: delete the records of partitions below given offsets.

Source of words and statuses: org.apache.kafka.tools.DeleteRecordsCommand.
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

OPERATION_EXCEPTION = "org.apache.kafka.tools.AdminOperationException"
JSON_EXCEPTION = "com.fasterxml.jackson.databind.JsonMappingException"

COMMAND = Command(
    "This tool helps to delete records of the given partitions down to the specified offset.",
    [
        Option(
            "bootstrap-server", "REQUIRED: the servers to connect to.", "String: server(s) to use for bootstrapping"
        ),
        COMMAND_CONFIG,
        Option(
            "offset-json-file",
            'REQUIRED: a JSON file as {"partitions": [{"topic": "foo", "partition": 1, "offset": 1}], "version": 1}. '
            "An offset of -1 means everything.",
            "String: Offset json file path",
        ),
    ],
)


def main(words: list[str] | None = None) -> int:
    options = COMMAND.begin(words, lambda options: COMMAND.require(options, "bootstrap-server", "offset-json-file"))
    if isinstance(options, int):
        return options
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.tools.java_errors import JavaError, end_with

    try:
        settings = load_settings(options.last("command-config"))
        offsets = read_offsets(options.last("offset-json-file") or "")
        run_with_client(options.last("bootstrap-server") or "", settings, lambda client: delete(client, offsets))
    except (JavaError, ToolError, KafkaError) as error:
        return end_with(error)
    return 0


def read_offsets(path: str) -> dict[tuple[str, int], int]:
    """Raises JavaError, ToolError."""
    import json

    from pykafka_core.tools.java_errors import JavaError
    from pykafka_core.tools.java_order import partition_order

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        cause = f"java.nio.file.NoSuchFileException: {path}"
        raise JavaError("java.io.IOException", f"Unable to read file {path}", (cause,)) from error
    try:
        whole = json.loads(text)
    except ValueError:
        raise ToolError("The input string is not a valid JSON", OPERATION_EXCEPTION) from None
    version = member(whole, "version", int, "Integer") if isinstance(whole, dict) and "version" in whole else 1
    if version != 1:
        raise ToolError(f"Not supported version field value {version}", OPERATION_EXCEPTION)
    if not isinstance(whole, dict) or "partitions" not in whole:
        raise ToolError("Missing partitions field", OPERATION_EXCEPTION)
    if not isinstance(whole["partitions"], list):
        raise ToolError(f"Expected JSON array, received {json.dumps(whole['partitions'])}", JSON_EXCEPTION)
    offsets: dict[tuple[str, int], int] = {}
    twice: list[tuple[str, int]] = []
    for each in whole["partitions"]:
        place = member(each, "topic", str, "String"), member(each, "partition", int, "Integer")
        if place in offsets:
            twice.append(place)
        else:
            offsets[place] = member(each, "offset", int, "Long")
    if twice:
        names = ",".join(f"{topic}-{index}" for topic, index in partition_order(twice))
        raise ToolError(
            f"Offset json file contains duplicate topic partitions: {names}",
            "org.apache.kafka.tools.AdminCommandFailedException",
        )
    return offsets


def member(record: Any, name: str, kind: type, java_kind: str) -> Any:
    """Raises ToolError."""
    import json

    if not isinstance(record, dict):
        raise ToolError(f"Expected JSON object, received {json.dumps(record)}", JSON_EXCEPTION)
    if name not in record:
        raise ToolError(f"No such field exists: `{name}`", JSON_EXCEPTION)
    value = record[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ToolError(f"Expected `{java_kind}` value, received {json.dumps(value)}", JSON_EXCEPTION)
    return value


async def delete(client: Client, offsets: dict[tuple[str, int], int]) -> None:
    from pykafka_core.client.admin import delete_records
    from pykafka_core.client.errors import KafkaError

    print("Executing records delete operation", flush=True)
    found = await delete_records(client, offsets)
    print("Records delete operation completed:")
    for topic, index in sorted(offsets):
        outcome = found[topic, index]
        result = f"error: {outcome.java_text()}" if isinstance(outcome, KafkaError) else f"low_watermark: {outcome}"
        print(f"partition: {topic}-{index}\t{result}")


if __name__ == "__main__":
    sys.exit(main())

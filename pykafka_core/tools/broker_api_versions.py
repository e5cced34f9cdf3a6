"""kafka-broker-api-versions: which APIs each broker serves, in which versions, and which of them this client can use.

Source of words and statuses: org.apache.kafka.tools.BrokerApiVersionsCommand, org.apache.kafka.clients.NodeApiVersions.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pykafka_core.tools.command import (
    COMMAND_CONFIG,
    Command,
    Option,
    ToolError,
    load_settings,
    run_with_client,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pykafka_core.client.cluster import Client

COMMAND = Command(
    "This tool helps to retrieve broker version information.",
    [
        Option(
            "bootstrap-server", "REQUIRED: the servers to connect to.", "String: server(s) to use for bootstrapping"
        ),
        COMMAND_CONFIG,
    ],
)


def main(words: list[str] | None = None) -> int:
    options = COMMAND.begin(words, lambda options: COMMAND.require(options, "bootstrap-server"))
    if isinstance(options, int):
        return options
    from pykafka_core.client.errors import KafkaError

    try:
        settings = load_settings(options.last("command-config"))
        run_with_client(options.last("bootstrap-server") or "", settings, print_versions)
    except ToolError as error:
        # This one of Kafka's commands has a client of its own, which says what is wrong without another's around it.
        return say(error)
    except KafkaError as error:
        print(error, file=sys.stderr)
        print(error.java_text(), file=sys.stderr)
        return 1
    return 0


async def print_versions(client: Client) -> None:
    from pykafka_core.client.errors import KafkaError

    await client.metadata([])
    for node_id, node in sorted(client.nodes.items()):
        shown = f"{node.host}:{node.port} (id: {node_id} rack: {node.rack or 'null'} isFenced: false)"
        try:
            connection = await client.connect(node_id)
        except KafkaError as error:
            print(f"{shown} -> ERROR: {error}")
            continue
        lines = ",\n\t".join(text for _, text in sorted(api_lines(connection.versions)))
        print(f"{shown} -> (\n\t{lines}\n)")


def api_lines(versions: dict[int, tuple[int, int]]) -> Iterator[tuple[int, str]]:
    from pykafka_core.protocol.api import APIS

    for key, (low, high) in versions.items():
        api = APIS.get(key)
        text = f"{api.name if api else 'UNKNOWN'}({key}): {low if low == high else f'{low} to {high}'}"
        if api is not None:
            if api.version_max < low:
                text += " [unusable: node too new]"
            elif high < api.version_min:
                text += " [unusable: node too old]"
            else:
                text += f" [usable: {min(api.version_max, high)}]"
        yield key, text
    for key, api in APIS.items():
        if key not in versions and "broker" in api.listeners:
            yield key, f"{api.name}({key}): UNSUPPORTED"


if __name__ == "__main__":
    sys.exit(main())

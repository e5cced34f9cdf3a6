"""kafka-cluster: the id of a cluster, its endpoints, and the end of a broker's registration.

Source of words and statuses: org.apache.kafka.tools.ClusterTool.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pykafka_core.tools.arguments import INTEGER, Argument, Given, Parser, run
from pykafka_core.tools.command import ToolError, load_settings, run_with_client

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client

SERVERS = (True, ("bootstrap-server", "bootstrap-controller"))
COMMON = [
    Argument("bootstrap-server", "Brokers to connect to, as host:port,host:port.", "BOOTSTRAP_SERVER", "b"),
    Argument("bootstrap-controller", "Controllers to connect to, as host:port.", "BOOTSTRAP_CONTROLLER", "C"),
    Argument("config", "(DEPRECATED) The older name of --command-config.", "CONFIG"),
    Argument("command-config", "A properties file with settings of the client.", "COMMAND_CONFIG", "c"),
]
PARSER = Parser(
    "kafka-cluster",
    "The Kafka cluster tool.",
    commands=[
        Parser("cluster-id", "Get information about the ID of a cluster.", COMMON, exclusive=[SERVERS]),
        Parser(
            "unregister",
            "Unregister a broker.",
            [*COMMON, Argument("id", "The ID of the broker to unregister.", "ID", "i", required=True, number=INTEGER)],
            exclusive=[SERVERS],
        ),
        Parser(
            "list-endpoints",
            "List endpoints",
            [*COMMON, Argument("include-fenced-brokers", "List brokers too that do not serve.")],
            exclusive=[SERVERS],
        ),
    ],
)


def main(words: list[str] | None = None) -> int:
    return run(PARSER, words, act, help_status=1)


def act(given: Given) -> int:
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.tools.java_errors import EXECUTION, JavaError, end_with, thrown

    try:
        path = given.last("command-config")
        if "config" in given:
            if path is not None:
                raise ToolError(
                    "--config and --command-config cannot be specified together.",
                    "net.sourceforge.argparse4j.inf.ArgumentParserException",
                )
            path = given.last("config")
            if sys.stderr.isatty():
                print(
                    "Option --config has been deprecated and will be removed in a future version. Use --command-config "
                    "instead.",
                    file=sys.stderr,
                )
        servers = given.last("bootstrap-server") or given.last("bootstrap-controller") or ""
        if "include-fenced-brokers" in given and "bootstrap-controller" in given:
            raise ToolError("The option --include-fenced-brokers is only supported with --bootstrap-server option")
        run_with_client(servers, load_settings(path), lambda client: answer(client, given))
    except KafkaError as error:
        return end_with(thrown(error).within(EXECUTION))
    except (JavaError, ToolError) as error:
        return end_with(error)
    return 0


async def answer(client: Client, given: Given) -> None:
    """Raises KafkaError."""
    from pykafka_core.client.admin import describe_cluster
    from pykafka_core.client.errors import UnsupportedError

    controllers = "bootstrap-controller" in given
    if given.command == "cluster-id":
        cluster_id, _, _ = await describe_cluster(client, controllers=controllers)
        print(
            f"Cluster ID: {cluster_id}" if cluster_id else "No cluster ID found. The Kafka version is probably too old."
        )
    elif given.command == "unregister":
        from pykafka_core.client.admin_cluster import unregister_broker

        try:
            await unregister_broker(client, given.number("id") or 0)
            print(f"Broker {given.number('id') or 0} is no longer registered.")
        except UnsupportedError:
            print("The target cluster does not support the broker unregistration API.")
    else:
        try:
            await list_endpoints(client, controllers, "include-fenced-brokers" in given)
        except UnsupportedError as error:
            print(error)


async def list_endpoints(client: Client, controllers: bool, fenced: bool) -> None:
    from pykafka_core.client.admin import describe_cluster

    _, _, nodes = await describe_cluster(client, controllers=controllers, fenced=fenced)
    host_width = max((len(each.host) for each in nodes), default=100)
    rack_width = max((len(each.rack) for each in nodes if each.rack), default=10)
    rows = [("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE")]
    rows += [
        (
            str(each.broker_id),
            each.host,
            str(each.port),
            each.rack or "null",
            "fenced" if each.is_fenced else "unfenced",
            "controller" if controllers else "broker",
        )
        for each in nodes
    ]
    for node_id, host, port, rack, state, kind in rows:
        shown_state = "" if controllers else f"{state:10} "
        print(f"{node_id:10} {host:{host_width}} {port:10} {rack:{rack_width}} {shown_state}{kind:15}")


if __name__ == "__main__":
    sys.exit(main())

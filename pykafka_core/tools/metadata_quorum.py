"""kafka-metadata-quorum: the state of the quorum of controllers, and who belongs to it.

Source of words and statuses: org.apache.kafka.tools.MetadataQuorumCommand, KIP-595, KIP-853.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pykafka_core.tools.arguments import INTEGER, Argument, Given, Parser, run
from pykafka_core.tools.command import ToolError, load_properties, run_with_client

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client

PARSER = Parser(
    "kafka-metadata-quorum",
    "This tool describes kraft metadata quorum status.",
    [
        Argument(
            "command-config",
            "A properties file with settings of the client. For add-controller, that of the controller to add.",
            "COMMAND_CONFIG",
        ),
        Argument("bootstrap-server", "Brokers to connect to: host:port, separated by commas.", "BOOTSTRAP_SERVER"),
        Argument(
            "bootstrap-controller", "Controllers to connect to: host:port, separated by commas.", "BOOTSTRAP_CONTROLLER"
        ),
    ],
    exclusive=[(True, ("bootstrap-server", "bootstrap-controller"))],
    commands=[
        Parser(
            "describe",
            "Describe the metadata quorum.",
            [
                Argument("status", "A summary of the quorum."),
                Argument("replication", "How far each member of the quorum is."),
                Argument("human-readable", "With --replication: say how long ago, instead of when."),
            ],
        ),
        Parser(
            "add-controller",
            "Add a controller to the quorum.",
            [Argument("dry-run", "Print what would be done, and do not do it.")],
        ),
        Parser(
            "remove-controller",
            "Remove a controller from the quorum.",
            [
                Argument(
                    "controller-id",
                    "The id of the controller.",
                    "CONTROLLER_ID",
                    "i",
                    required=True,
                    number=INTEGER,
                ),
                Argument(
                    "controller-directory-id",
                    "The id of the controller's metadata directory.",
                    "CONTROLLER_DIRECTORY_ID",
                    "d",
                    required=True,
                ),
                Argument("dry-run", "Print what would be done, and do not do it."),
            ],
        ),
    ],
)


class TerseError(Exception):
    """Ends the command; the text is all that is said."""


def main(words: list[str] | None = None) -> int:
    return run(PARSER, words, act)


def act(given: Given) -> int:
    from pykafka_core.client.errors import KafkaError

    try:
        properties = properties_of(given)
        match given.command:
            case "describe":
                describe(given, properties)
            case "add-controller":
                add_controller(given, properties)
            case _:
                remove_controller(given, properties)
    except TerseError as error:
        print(error, file=sys.stderr)
        return 1
    except ToolError as error:
        print(f"{error}\n{error.java_name}: {error}", file=sys.stderr)
        return 1
    except KafkaError as error:
        text = error.java_text()
        print(f"{text}\njava.util.concurrent.ExecutionException: {text}", file=sys.stderr)
        return 1
    return 0


def properties_of(given: Given) -> dict[str, str]:
    path = given.last("command-config")
    if path is not None and not os.path.exists(path):
        raise TerseError(f"Properties file {path} does not exists!")
    return load_properties(path)


def with_client(given: Given, properties: Mapping[str, str], work: Any) -> Any:
    from pykafka_core.client.settings import ClientSettings, SettingsError

    try:
        settings = ClientSettings.load(properties, client_id="adminclient-1")
    except SettingsError as error:
        raise ToolError(str(error), "org.apache.kafka.common.config.ConfigException") from error
    servers = given.last("bootstrap-server") or given.last("bootstrap-controller") or ""
    return run_with_client(servers, settings, work)


# ---- describe -------------------------------------------------------------------------------------------------------


def describe(given: Given, properties: Mapping[str, str]) -> None:
    status, replication = "status" in given, "replication" in given
    if status and replication:
        raise TerseError("Only one of --status or --replication should be specified with describe sub-command")
    if not status and not replication:
        raise TerseError("One of --status or --replication must be specified with describe sub-command")
    if status and "human-readable" in given:
        raise TerseError("The option --human-readable is only supported along with --replication")
    cluster_id, quorum, nodes = with_client(given, properties, ask)
    leader = next((each for each in quorum.current_voters if each.replica_id == quorum.leader_id), None)
    if leader is None:
        raise ToolError("No value present", "java.util.NoSuchElementException")
    if status:
        print_status(cluster_id, quorum, nodes, leader)
    else:
        print_replication(quorum, leader, human_readable="human-readable" in given)


async def ask(client: Client) -> tuple[str | None, Any, Sequence[Any]]:
    from pykafka_core.client.admin_cluster import describe_quorum

    quorum, nodes = await describe_quorum(client)
    await client.metadata([])
    return client.cluster_id, quorum, nodes


def print_status(cluster_id: str | None, quorum: Any, nodes: Sequence[Any], leader: Any) -> None:
    slowest = min(quorum.current_voters, key=lambda each: each.log_end_offset)
    lag_ms = 0
    if slowest.log_end_offset != leader.log_end_offset:
        known = leader.last_caught_up_timestamp >= 0 and slowest.last_caught_up_timestamp >= 0
        lag_ms = leader.last_caught_up_timestamp - slowest.last_caught_up_timestamp if known else -1
    endpoints = {each.node_id: [shown_endpoint(e) for e in each.listeners] for each in nodes}
    rows = {
        "ClusterId": cluster_id,
        "LeaderId": quorum.leader_id,
        "LeaderEpoch": quorum.leader_epoch,
        "HighWatermark": quorum.high_watermark,
        "MaxFollowerLag": leader.log_end_offset - slowest.log_end_offset,
        "MaxFollowerLagTimeMs": lag_ms,
        "CurrentVoters": shown_members(quorum.current_voters, endpoints),
        "CurrentObservers": shown_members(quorum.observers, endpoints),
    }
    for name, value in rows.items():
        print(f"{name + ':':24}{value}")


def shown_endpoint(endpoint: Any) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{endpoint.name}://{host}:{endpoint.port}"


def shown_members(members: Sequence[Any], endpoints: Mapping[int, Sequence[str]]) -> str:
    """A list as JSON, but for blanks behind its commas and colons."""
    from pykafka_core.protocol.uuids import ZERO_UUID, uuid_to_string

    shown = []
    for each in members:
        parts = [f'"id": {each.replica_id}']
        if each.replica_directory_id != ZERO_UUID:
            parts.append(f'"directoryId": "{uuid_to_string(each.replica_directory_id)}"')
        listeners = endpoints.get(each.replica_id)
        if listeners:
            parts.append('"endpoints": [' + ", ".join(f'"{listener}"' for listener in listeners) + "]")
        shown.append("{" + ", ".join(parts) + "}")
    return "[" + ", ".join(shown) + "]"


def print_replication(quorum: Any, leader: Any, *, human_readable: bool) -> None:
    from pykafka_core.protocol.uuids import uuid_to_string
    from pykafka_core.tools.table import print_table

    followers = [each for each in quorum.current_voters if each.replica_id != quorum.leader_id]
    members = [(leader, "Leader"), *((each, "Follower") for each in followers)]
    members += [(each, "Observer") for each in quorum.observers]

    def when(timestamp_ms: int) -> str:
        if timestamp_ms < 0 or not human_readable:
            return str(max(timestamp_ms, -1))
        return f"{max(time.time_ns() // 1_000_000 - timestamp_ms, 0)} ms ago"

    print_table(
        ["NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"],
        [
            [
                str(each.replica_id),
                uuid_to_string(each.replica_directory_id),
                str(each.log_end_offset),
                str(leader.log_end_offset - each.log_end_offset),
                when(each.last_fetch_timestamp),
                when(each.last_caught_up_timestamp),
                status,
            ]
            for each, status in members
        ],
    )


# ---- controllers come and go ----------------------------------------------------------------------------------------


def add_controller(given: Given, properties: Mapping[str, str]) -> None:
    from pykafka_core.protocol.messages import add_raft_voter_request as m
    from pykafka_core.protocol.uuids import uuid_to_string

    if given.last("command-config") is None:
        raise TerseError(
            "You must supply the configuration file of the controller you are adding when using add-controller."
        )
    node_id = controller_id(properties)
    directory_id = metadata_directory_id(properties)
    endpoints = controller_endpoints(properties)
    if "dry-run" not in given:
        voter = m.AddRaftVoterRequest(
            timeout_ms=30_000,
            voter_id=node_id,
            voter_directory_id=directory_id,
            listeners=[m.Listener(name=name, host=host, port=port) for name, host, port in endpoints],
        )
        with_client(given, properties, lambda client: change(client, voter, "addRaftVoter"))
    places = ", ".join(f"{name}://{f'[{host}]' if ':' in host else host}:{port}" for name, host, port in endpoints)
    print(
        f"{'DRY RUN of adding' if 'dry-run' in given else 'Added'} controller {node_id} with directory id "
        f"{uuid_to_string(directory_id)} and endpoints: {places}"
    )


def remove_controller(given: Given, properties: Mapping[str, str]) -> None:
    from pykafka_core.protocol.messages import remove_raft_voter_request as m
    from pykafka_core.protocol.uuids import uuid_from_string, uuid_to_string

    node_id = given.number("controller-id") or 0
    text = given.last("controller-directory-id") or ""
    if node_id < 0:
        raise TerseError(f"Invalid negative --controller-id: {node_id}")
    try:
        directory_id = uuid_from_string(text)
    except ValueError:
        raise TerseError(f"Failed to parse --controller-directory-id: Input string `{text}` is not a uuid") from None
    if "dry-run" not in given:
        voter = m.RemoveRaftVoterRequest(voter_id=node_id, voter_directory_id=directory_id)
        with_client(given, properties, lambda client: change(client, voter, "removeRaftVoter"))
    print(
        f"{'DRY RUN of removing ' if 'dry-run' in given else 'Removed '} KRaft controller {node_id} with directory id "
        f"{uuid_to_string(directory_id)}"
    )


async def change(client: Client, body: Any, what: str) -> None:
    from pykafka_core.client.errors import check

    answer = await client.call(body, what=what, again=False)
    check(answer.error_code, answer.error_message or None)


IS_CONTROLLER = "Is this a valid controller configuration file?"


def controller_id(properties: Mapping[str, str]) -> int:
    if "node.id" not in properties:
        raise TerseError(f"node.id not found in configuration file. {IS_CONTROLLER}")
    text = properties["node.id"].strip()
    if not text.removeprefix("-").isdecimal():
        raise ToolError(f'For input string: "{text}"', "java.lang.NumberFormatException")
    if int(text) < 0:
        raise TerseError(f"node.id was negative in configuration file. {IS_CONTROLLER}")
    if "controller" not in properties.get("process.roles", ""):
        raise TerseError(f"process.roles did not contain 'controller' in configuration file. {IS_CONTROLLER}")
    return int(text)


def metadata_directory_id(properties: Mapping[str, str]) -> bytes:
    from pykafka_core.metadata.properties_file import PropertiesError, parse_properties
    from pykafka_core.protocol.uuids import uuid_from_string

    directory = properties.get("metadata.log.dir") or properties.get("log.dirs", "").strip().split(",")[0]
    if not directory:
        raise TerseError(f"Neither metadata.log.dir nor log.dirs were found. {IS_CONTROLLER}")
    try:
        with open(os.path.join(directory, "meta.properties"), "rb") as file:
            meta = parse_properties(file.read())
    except (OSError, PropertiesError):
        raise TerseError(f"Unable to read meta.properties from {directory}") from None
    try:
        return uuid_from_string(meta["directory.id"])
    except (KeyError, ValueError):
        raise TerseError(f"No directory id found in {directory}") from None


def controller_endpoints(properties: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """(listener, host, port) of each listener for controllers; what is advertised counts."""
    known: dict[str, tuple[str, int]] = {}
    for setting in ("listeners", "advertised.listeners"):
        for word in properties.get(setting, "").split(","):
            name, _, address = word.strip().partition("://")
            host, _, port = address.rpartition(":")
            if port.isdecimal():
                known[name.upper()] = (host.strip("[]") or "localhost", int(port))
    if "controller.listener.names" not in properties:
        raise TerseError(f"controller.listener.names was not found. {IS_CONTROLLER}")
    found: list[tuple[str, str, int]] = []
    for name in properties["controller.listener.names"].split(","):
        name = name.strip().upper()
        if name not in known:
            raise TerseError(f"Cannot find information about controller listener name: {name}")
        found.append((name, *known[name]))
    return found


if __name__ == "__main__":
    sys.exit(main())

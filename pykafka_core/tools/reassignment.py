"""What kafka-reassign-partitions does, one function for each of its actions; each prints what it finds.

Throttles are configurations of topics and brokers: they are set by `execute` and removed by `verify` and `cancel`.

Source of words: org.apache.kafka.tools.reassign.ReassignPartitionsCommand.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pykafka_core._dataclass import dataclass
from pykafka_core.client import admin
from pykafka_core.client.admin_partitions import (
    alter_partition_reassignments,
    alter_replica_log_dirs,
    list_partition_reassignments,
)
from pykafka_core.client.cluster import Client
from pykafka_core.client.errors import KafkaError
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.tools.command import ToolError
from pykafka_core.tools.java_order import hash_map_order

__all__ = ["TerseError", "cancel", "execute", "generate", "list_moves", "parse_assignment", "read_text", "verify"]

TopicPartition = tuple[str, int]

FAILED = "org.apache.kafka.tools.AdminCommandFailedException"
OPERATION = "org.apache.kafka.tools.AdminOperationException"
REPLICATION_FACTOR = "org.apache.kafka.common.errors.InvalidReplicationFactorException"
ANY = "any"
TOPIC, BROKER = 2, 4
SET, DELETE = 0, 1
LEADER_RATE = "leader.replication.throttled.rate"
FOLLOWER_RATE = "follower.replication.throttled.rate"
DIRECTORY_RATE = "replica.alter.log.dirs.io.max.bytes.per.second"
LEADER_REPLICAS = "leader.replication.throttled.replicas"
FOLLOWER_REPLICAS = "follower.replication.throttled.replicas"


class TerseError(Exception):
    """Ends the command; the text is all that is said."""


class Replica(NamedTuple):
    broker_id: int
    topic: str
    partition: int

    def shown(self) -> str:
        return f"{self.topic}-{self.partition}-{self.broker_id}"


@dataclass(slots=True, frozen=True)
class Assignment:
    """What a file describes. A partition may come twice, which only some actions mind."""

    partitions: list[tuple[TopicPartition, list[int]]]
    directories: dict[Replica, str]

    def targets(self) -> dict[TopicPartition, list[int]]:
        return dict(self.partitions)


def shown(place: TopicPartition) -> str:
    return f"{place[0]}-{place[1]}"


def joined(values: Iterable[object]) -> str:
    return ",".join(map(str, values))


def plural(count: int) -> str:
    return "" if count == 1 else "s"


def duplicates(values: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(each for each in values if values.count(each) > 1))


# ---- files ----------------------------------------------------------------------------------------------------------


def read_text(path: str | None) -> str:
    """Raises ToolError."""
    if path is None:
        return ""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ToolError(f"Unable to read file {path}", "java.io.IOException") from error


def parse_assignment(text: str) -> Assignment:
    """Raises ToolError."""
    try:
        content = json.loads(text)
        check_version(content)
        partitions: list[tuple[TopicPartition, list[int]]] = []
        directories: dict[Replica, str] = {}
        for each in content.get("partitions", []):
            place = str(each["topic"]), int(each["partition"])
            replicas = [int(number) for number in each["replicas"]]
            paths = [str(path) for path in each.get("log_dirs", [ANY] * len(replicas))]
            if len(paths) != len(replicas):
                raise ToolError(
                    f"Size of replicas list {replicas} is different from size of log dirs list [{', '.join(paths)}] "
                    f"for partition {shown(place)}",
                    FAILED,
                )
            partitions.append((place, replicas))
            directories |= {
                Replica(number, *place): path for number, path in zip(replicas, paths, strict=True) if path != ANY
            }
    except json.JSONDecodeError as error:
        raise ToolError(f"{error.msg} at line {error.lineno}, column {error.colno}", OPERATION) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ToolError(f"The reassignment file cannot be read: {error!r}", OPERATION) from error
    return Assignment(partitions, directories)


def check_version(content: Any) -> None:
    version = content.get("version", 1)
    if version != 1:
        raise ToolError(f"Not supported version field value {version}", OPERATION)


def parse_topics(text: str) -> list[str]:
    """Raises ToolError."""
    try:
        content = json.loads(text)
    except ValueError:
        raise ToolError("The input string is not a valid JSON", OPERATION) from None
    try:
        check_version(content)
        return [str(each["topic"]) for each in content.get("topics", [])]
    except (AttributeError, KeyError, TypeError) as error:
        raise ToolError(f"The file of topics cannot be read: {error!r}", OPERATION) from error


def format_assignment(
    replicas: Mapping[TopicPartition, Sequence[int]], directories: Mapping[Replica, str] | None = None
) -> str:
    found = directories or {}
    rows = [
        {
            "topic": place[0],
            "partition": place[1],
            "replicas": list(replicas[place]),
            "log_dirs": [found.get(Replica(number, *place), ANY) for number in replicas[place]],
        }
        for place in sorted(replicas)
    ]
    return json.dumps({"version": 1, "partitions": rows}, separators=(",", ":"), ensure_ascii=False)


# ---- what is there --------------------------------------------------------------------------------------------------


async def describe(client: Client, topics: Iterable[str]) -> dict[TopicPartition, list[int]]:
    """The replicas of each partition of these topics. Raises KafkaError."""
    replicas: dict[TopicPartition, list[int]] = {}
    for name in dict.fromkeys(topics):
        try:
            found = (await admin.describe_topics(client, [name]))[name]
        except KafkaError as error:
            if error.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                raise KafkaError(error.code, f"Topic {name} not found.") from error
            raise
        for each in found.partitions:
            replicas[name, each.partition_index] = list(each.replica_nodes)
    return replicas


async def log_directories(
    client: Client, brokers: Iterable[int], topics: Iterable[str]
) -> dict[Replica, tuple[str, str | None]]:
    """Where the replicas of these topics lie on these brokers, and where they are on their way to."""
    known = [number for number in dict.fromkeys(brokers) if number in client.nodes]
    wanted = set(topics)
    current: dict[Replica, str] = {}
    future: dict[Replica, str] = {}
    for broker_id, results in (await admin.describe_log_dirs(client, known)).items():
        for directory in results:
            for topic in directory.topics:
                for each in topic.partitions if topic.name in wanted else ():
                    place = Replica(broker_id, topic.name, each.partition_index)
                    (future if each.is_future_key else current)[place] = directory.log_dir
    return {place: (path, future.get(place)) for place, path in current.items()}


async def current_directories(client: Client, replicas: Mapping[TopicPartition, Sequence[int]]) -> dict[Replica, str]:
    brokers = {number for numbers in replicas.values() for number in numbers}
    found = await log_directories(client, sorted(brokers), {topic for topic, _ in replicas})
    return {place: path for place, (path, _) in found.items()}


async def node_ids(client: Client) -> list[int]:
    await client.metadata([])
    return list(client.nodes)


# ---- list -----------------------------------------------------------------------------------------------------------


async def list_moves(client: Client) -> None:
    found = await list_partition_reassignments(client)
    if not found:
        print("No partition reassignments found.")
        return
    print("Current partition reassignments:")
    for place in sorted(found):
        move = found[place]
        adding = f" adding: {joined(move.adding_replicas)}." if move.adding_replicas else ""
        removing = f" removing: {joined(move.removing_replicas)}." if move.removing_replicas else ""
        print(f"{shown(place)}: replicas: {joined(move.replicas)}.{adding}{removing}")


# ---- generate -------------------------------------------------------------------------------------------------------


async def generate(client: Client, text: str, broker_list: str, *, by_rack: bool) -> None:
    try:
        brokers = [int(word) for word in broker_list.split(",")]
    except ValueError as error:
        bad = next(word for word in broker_list.split(",") if not word.removeprefix("-").isdecimal())
        raise ToolError(f'For input string: "{bad}"', "java.lang.NumberFormatException") from error
    if twice := duplicates(brokers):
        raise ToolError(f"Broker list contains duplicate entries: {twice}", FAILED)
    topics = parse_topics(text)
    if twice := duplicates(topics):
        raise ToolError(f"List of topics to reassign contains duplicate entries: [{', '.join(twice)}]", FAILED)
    current = await describe(client, topics)
    await client.metadata([])
    nodes = [client.nodes[number] for number in sorted(client.nodes) if number in brokers]
    racks = {node.node_id: node.rack if by_rack else None for node in nodes}
    if by_rack and len({rack is None for rack in racks.values()}) == 2:
        raise ToolError(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica "
            "assignment without rack information.",
            OPERATION,
        )
    proposed: dict[TopicPartition, list[int]] = {}
    for topic in dict.fromkeys(name for name, _ in current):
        places = [place for place in current if place[0] == topic]
        spread = place_replicas(racks, len(places), len(current[places[0]]))
        proposed |= {(topic, number): replicas for number, replicas in enumerate(spread)}
    directories = await current_directories(client, current)
    print(f"Current partition replica assignment\n{format_assignment(current, directories)}\n")
    print(f"Proposed partition reassignment configuration\n{format_assignment(proposed)}")


def place_replicas(racks: Mapping[int, str | None], count: int, factor: int) -> list[list[int]]:
    """Replicas of `count` partitions: leaders in turn over brokers, from a random one on, and the replicas of a
    partition in as many racks as there are. Raises ToolError."""
    if not racks:
        raise ToolError(
            "All brokers are currently fenced, or have all their log directories cordoned.", REPLICATION_FACTOR
        )
    if factor > len(racks):
        raise ToolError(
            f"The target replication factor of {factor} cannot be reached because only {len(racks)} broker(s) are "
            "registered.",
            REPLICATION_FACTOR,
        )
    by_rack: dict[str | None, list[int]] = {}
    for broker_id, rack in racks.items():
        by_rack.setdefault(rack, []).append(broker_id)
    # One broker of each rack after the other, so that neighbours are in different racks.
    depth = max(map(len, by_rack.values()))
    ring = [group[at] for at in range(depth) for group in by_rack.values() if at < len(group)]
    start = random.randrange(len(ring))
    spread: list[list[int]] = []
    for number in range(count):
        turned = [ring[(start + number + at) % len(ring)] for at in range(len(ring))]
        chosen: list[int] = []
        while len(chosen) < factor:
            used = [racks[broker_id] for broker_id in chosen]
            left = [broker_id for broker_id in turned if broker_id not in chosen]
            chosen.append(min(left, key=lambda broker_id: used.count(racks[broker_id])))
        spread.append(chosen)
    return spread


# ---- execute --------------------------------------------------------------------------------------------------------


def check_executable(assignment: Assignment) -> None:
    """Raises ToolError."""
    if not assignment.partitions:
        raise ToolError("Partition reassignment list cannot be empty", FAILED)
    if not all(replicas for _, replicas in assignment.partitions):
        raise ToolError("Partition replica list cannot be empty", FAILED)
    if twice := duplicates([place for place, _ in assignment.partitions]):
        names = ",".join(map(shown, twice))
        raise ToolError(f"Partition reassignment contains duplicate topic partitions: {names}", FAILED)
    doubled = [(place, duplicates(replicas)) for place, replicas in assignment.partitions]
    if texts := [f"{shown(place)} contains multiple entries for {joined(each)}" for place, each in doubled if each]:
        raise ToolError(f"Partition replica lists may not contain duplicate entries: {'. '.join(texts)}", FAILED)


async def execute(
    client: Client,
    assignment: Assignment,
    *,
    additional: bool,
    throttle: int | None,
    directory_throttle: int | None,
    timeout_ms: int,
    factor_may_change: bool,
) -> None:
    check_executable(assignment)
    targets = assignment.targets()
    under_way = await list_partition_reassignments(client)
    if under_way and not additional:
        raise TerseError(
            "Cannot execute because there is an existing partition assignment.  Use --additional to override this and "
            "create a new partition assignment in addition to the existing one. The --additional flag can also be used "
            "to change the throttle by resubmitting the current reassignment."
        )
    known = await node_ids(client)
    for number in sorted({number for replicas in targets.values() for number in replicas}):
        if number not in known:
            raise ToolError(f"Unknown broker id {number}", FAILED)
    everything = await describe(client, (topic for topic, _ in targets))
    current = {place: replicas for place, replicas in everything.items() if place in targets}
    if missing := [place for place in targets if place not in current]:
        names = ", ".join(map(shown, missing))
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find partition: {names}")
    directories = await current_directories(client, current)
    print(f"Current partition replica assignment\n\n{format_assignment(current, directories)}\n")
    print("Save this to use as the --reassignment-json-file option during rollback", flush=True)
    await set_throttles(client, assignment, under_way, current, throttle or -1, directory_throttle or -1)
    outcome = await alter_partition_reassignments(client, targets, allow_replication_factor_change=factor_may_change)
    refused = {place: error for place, error in outcome.items() if error is not None}
    if refused:
        lines = [f"{shown(place)}: {refused[place]}" for place in sorted(refused)]
        raise TerseError("\n".join(["Error reassigning partition(s):", *lines]))
    names = ",".join(map(shown, sorted(targets)))
    print(f"Successfully started partition reassignment{plural(len(targets))} for {names}", flush=True)
    if assignment.directories:
        await move_directories(client, assignment.directories, timeout_ms)


async def set_throttles(
    client: Client,
    assignment: Assignment,
    under_way: Mapping[TopicPartition, Any],
    current: Mapping[TopicPartition, Sequence[int]],
    throttle: int,
    directory_throttle: int,
) -> None:
    if throttle < 0 and directory_throttle < 0:
        return
    print(
        "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is "
        "removed."
    )
    if throttle >= 0:
        moves = {
            place: (set(each.replicas) - set(each.adding_replicas), set(each.adding_replicas))
            for place, each in under_way.items()
        }
        for place, replicas in assignment.targets().items():
            sources = moves[place][0] if place in moves else set(current[place])
            moves[place] = sources, set(replicas) - sources
        topics = dict.fromkeys(topic for topic, _ in moves)
        changes: dict[tuple[int, str], list[tuple[str, int, str | None]]] = {}
        for topic in topics:
            own = [(number, move) for (name, number), move in moves.items() if name == topic]
            leaders = sorted({f"{number}:{each}" for number, (sources, _) in own for each in sources})
            followers = sorted({f"{number}:{each}" for number, (_, added) in own for each in added})
            changes[TOPIC, topic] = [
                (LEADER_REPLICAS, SET, ",".join(leaders)),
                (FOLLOWER_REPLICAS, SET, ",".join(followers)),
            ]
        await admin.incremental_alter_configs(client, changes)
        brokers = sorted({number for sources, added in moves.values() for number in sources | added})
        rates = [(name, SET, str(throttle)) for name in (LEADER_RATE, FOLLOWER_RATE)]
        await admin.incremental_alter_configs(client, {(BROKER, str(number)): rates for number in brokers})
        print(f"The inter-broker throttle limit was set to {throttle} B/s")
    if directory_throttle >= 0:
        brokers = sorted({place.broker_id for place in assignment.directories})
        rate = [(DIRECTORY_RATE, SET, str(directory_throttle))]
        await admin.incremental_alter_configs(client, {(BROKER, str(number)): rate for number in brokers})
        print(f"The replica-alter-dir throttle limit was set to {directory_throttle} B/s")


async def move_directories(client: Client, directories: Mapping[Replica, str], timeout_ms: int) -> None:
    """A replica that is still on its way to its broker is tried again, for a while."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout_ms / 1000
    left = dict(directories)
    while True:
        begun: list[Replica] = []
        for broker_id in sorted({place.broker_id for place in left}):
            wanted = {place[1:]: path for place, path in left.items() if place.broker_id == broker_id}
            for where, error in (await alter_replica_log_dirs(client, broker_id, wanted)).items():
                place = Replica(broker_id, *where)
                if error is None:
                    begun.append(place)
                elif error.code != ErrorCode.REPLICA_NOT_AVAILABLE:
                    raise ToolError(f"Failed to alter dir for {place.shown()}", FAILED) from error
        for place in sorted(begun):
            path = left.pop(place)
            print(
                f"Successfully started moving log directory to {path} for replica {place.topic}-{place.partition} with "
                f"broker {place.broker_id} "
            )
        if not left:
            return
        if clock() >= deadline:
            names = ",".join(place.shown() for place in sorted(left))
            raise TerseError(f"Timed out before log directory move{plural(len(left))} could be started for: {names}")
        await asyncio.sleep(0.1)


# ---- verify and cancel ----------------------------------------------------------------------------------------------


async def verify(client: Client, assignment: Assignment, *, keep_throttles: bool) -> None:
    under_way = await list_partition_reassignments(client)
    print("Status of partition reassignment:")
    targets = assignment.targets()
    for place in sorted(targets):
        if place in under_way:
            print(f"Reassignment of partition {shown(place)} is still in progress.")
            continue
        try:
            current = (await describe(client, [place[0]])).get(place, [])
        except KafkaError as error:
            if error.code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                raise
            current = []
        if current == targets[place]:
            print(f"Reassignment of partition {shown(place)} is completed.")
        else:
            print(
                f"There is no active reassignment of partition {shown(place)}, but replica set is {joined(current)} "
                f"rather than {joined(targets[place])}."
            )
    lines, moving = await directory_moves(client, assignment.directories)
    print("\n".join(lines), flush=True)
    if not under_way and not moving and not keep_throttles:
        await clear_throttles(client, targets)


async def directory_moves(client: Client, directories: Mapping[Replica, str]) -> tuple[list[str], dict[Replica, str]]:
    """A sentence for each move between log directories, and where those that are not done come from."""
    if not directories:
        return [], {}
    await client.metadata([])
    found = await log_directories(
        client, (place.broker_id for place in directories), {place.topic for place in directories}
    )
    lines: list[str] = []
    moving: dict[Replica, str] = {}
    for place in sorted(directories):
        target = directories[place]
        name = f"Partition {place.topic}-{place.partition}"
        where = f"on broker {place.broker_id}"
        if place not in found:
            lines.append(f"{name} cannot be found in any live log directory {where}.")
            moving[place] = ""
            continue
        current, future = found[place]
        if future is not None:
            moving[place] = current
            lines.append(
                f"Reassignment of replica {place.shown()} is still in progress."
                if future == target
                else f"{name} {where} is being moved to log dir {future} instead of {target}."
            )
        elif current == target:
            lines.append(f"Reassignment of replica {place.shown()} completed successfully.")
        else:
            lines.append(f"{name} {where} is not being moved from log dir {current} to {target}.")
    return lines, moving


async def clear_throttles(client: Client, targets: Mapping[TopicPartition, Sequence[int]]) -> None:
    brokers = sorted({*await node_ids(client), *(number for replicas in targets.values() for number in replicas)})
    print(f"Clearing broker-level throttles on broker{plural(len(brokers))} {joined(brokers)}", flush=True)
    rates = [(name, DELETE, None) for name in (LEADER_RATE, FOLLOWER_RATE, DIRECTORY_RATE)]
    await admin.incremental_alter_configs(client, {(BROKER, str(number)): rates for number in brokers})
    topics = hash_map_order(topic for topic, _ in targets)
    print(f"Clearing topic-level throttles on topic{plural(len(topics))} {joined(topics)}", flush=True)
    names = [(name, DELETE, None) for name in (LEADER_REPLICAS, FOLLOWER_REPLICAS)]
    await admin.incremental_alter_configs(client, {(TOPIC, topic): names for topic in topics})


async def cancel(client: Client, assignment: Assignment, *, keep_throttles: bool, timeout_ms: int) -> None:
    targets = assignment.targets()
    found = await list_partition_reassignments(client, targets)
    places = sorted(place for place, each in found.items() if each.adding_replicas or each.removing_replicas)
    if places:
        outcome = await alter_partition_reassignments(client, dict.fromkeys(places))
        refused = {place: error for place, error in outcome.items() if error is not None}
        if refused:
            lines = [f"{shown(place)}: {refused[place]}" for place in sorted(refused)]
            raise TerseError("\n".join([f"Error cancelling partition reassignment{plural(len(refused))} for:", *lines]))
        names = ",".join(map(shown, places))
        print(f"Successfully cancelled partition reassignment{plural(len(places))} for: {names}")
    else:
        print("None of the specified partition reassignments are active.")
    _, moving = await directory_moves(client, assignment.directories)
    active = {place: path for place, path in moving.items() if path}
    if active:
        await move_directories(client, active, timeout_ms)
    else:
        # Kafka ends this sentence without a new line, and goes on in it.
        print("None of the specified partition moves are active.", end="")
    if not keep_throttles:
        await clear_throttles(client, targets)

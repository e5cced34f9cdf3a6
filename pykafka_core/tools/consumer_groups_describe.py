"""kafka-consumer-groups --describe: offsets, members or state of groups, in columns.

Each row begins with its line end, as in Kafka's command, and one more follows the last; so tables stay apart.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from pykafka_core.client import groups
from pykafka_core.client.admin import describe_topics, list_offsets
from pykafka_core.client.errors import KafkaError
from pykafka_core.tools.consumer_groups import wanted_groups
from pykafka_core.tools.java_errors import EXECUTION, RUNTIME, JavaError, as_thrown
from pykafka_core.tools.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pykafka_core.client.cluster import Client
    from pykafka_core.client.groups import CommittedOffset, GroupDescription, GroupMember
    from pykafka_core.tools.options import Options

__all__ = ["committed_offsets", "describe", "latest_offsets"]

TopicPartition = tuple[str, int]
NOTHING = "-"
LATEST = -1


class Row(NamedTuple):
    topic: str
    partition: str
    leader_epoch: str
    offset: str
    end: str
    lag: str
    member_id: str
    host: str
    client_id: str


async def describe(client: Client, options: Options) -> None:
    verbose = "verbose" in options
    wanted = await wanted_groups(client, options)
    with Progress("groups described", len(wanted)) as progress:
        outcomes = await groups.describe_groups(client, wanted, on_progress=progress.show)
    for outcome in outcomes.values():
        if isinstance(outcome, KafkaError):
            with as_thrown(EXECUTION):
                raise outcome
        elif isinstance(outcome, groups.NotConsumerGroupError):
            raise JavaError("java.lang.IllegalArgumentException", str(outcome)).within(EXECUTION)
    described = {group_id: each for group_id, each in outcomes.items() if isinstance(each, groups.GroupDescription)}
    if "members" in options:
        for _, group in sorted(described.items()):
            print_members(group, verbose)
    elif "state" in options:
        for _, group in sorted(described.items()):
            print_state(group, verbose)
    else:
        rows: dict[str, list[Row]] = {}
        with Progress("groups with their offsets", len(described)) as progress:
            for group_id, group in described.items():
                rows[group_id] = await offset_rows(client, group)
                progress.show(len(rows))
        for group_id, group in sorted(described.items()):
            print_offsets(group, rows[group_id], verbose)


def is_shown(group: GroupDescription, row_count: int) -> bool:
    """Says what is special about the group's state. Returns whether there is a table to print."""
    if group.state == "Dead":
        print(f"\nError: Consumer group '{group.group_id}' does not exist.")
    elif group.state == "Empty":
        sys.stdout.flush()
        print(f"\nConsumer group '{group.group_id}' has no active members.", file=sys.stderr)
    elif group.state in ("PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling"):
        sys.stdout.flush()
        print(f"\nWarning: Consumer group '{group.group_id}' is rebalancing.", file=sys.stderr)
    elif group.state != "Stable":
        raise JavaError(
            "org.apache.kafka.common.KafkaException",
            f"Expected a valid consumer group state, but found '{group.state}'.",
        )
    return group.state != "Dead" and row_count > 0


async def offset_rows(client: Client, group: GroupDescription) -> list[Row]:
    """Partitions with a member first, those of the member with the most of them before others."""
    committed = await committed_offsets(client, group.group_id)
    rows: list[Row] = []
    assigned: set[TopicPartition] = set()
    members = [member for member in group.members if member.assignment]
    for member in sorted(members, key=lambda each: -len(each.assignment)):
        assigned.update(member.assignment)
        rows += await partition_rows(
            client, member.assignment, committed, (member.member_id, member.host, member.client_id)
        )
    unassigned = [partition for partition in committed if partition not in assigned]
    if unassigned:
        rows += await partition_rows(client, unassigned, committed, (NOTHING, NOTHING, NOTHING))
    return rows


async def committed_offsets(client: Client, group_id: str) -> dict[TopicPartition, CommittedOffset]:
    with as_thrown(EXECUTION, RUNTIME):
        return await groups.committed_offsets(client, group_id)


async def partition_rows(
    client: Client,
    partitions: Iterable[TopicPartition],
    committed: dict[TopicPartition, CommittedOffset],
    owner: tuple[str, str, str],
) -> list[Row]:
    wanted = sorted(set(partitions))
    leaderless = await without_leader(client, wanted)
    ends = await latest_offsets(client, [each for each in wanted if each not in leaderless])
    rows = []
    for place in wanted:
        offset, end = committed.get(place), ends.get(place)
        rows.append(
            Row(
                place[0],
                str(place[1]),
                text(offset and offset.leader_epoch),
                text(offset and offset.offset),
                text(end),
                text(None if offset is None or end is None else end - offset.offset),
                *owner,
            )
        )
    return rows


async def without_leader(client: Client, partitions: Iterable[TopicPartition]) -> set[TopicPartition]:
    wanted = set(partitions)
    with as_thrown(EXECUTION, RUNTIME):
        topics = await describe_topics(client, sorted({topic for topic, _ in wanted}))
    return {
        (name, each.partition_index)
        for name, topic in topics.items()
        for each in topic.partitions
        if each.leader_id < 0 and (name, each.partition_index) in wanted
    }


async def latest_offsets(
    client: Client, partitions: Iterable[TopicPartition], spec: int = LATEST
) -> dict[TopicPartition, int]:
    """Log end offsets, or whatever the spec asks for: -1 where there is none."""
    with as_thrown(EXECUTION, RUNTIME):
        found = await list_offsets(client, dict.fromkeys(partitions, spec))
        for outcome in found.values():
            if isinstance(outcome, KafkaError):
                raise outcome
    return {place: outcome[0] for place, outcome in found.items() if not isinstance(outcome, KafkaError)}


def text(value: object) -> str:
    return NOTHING if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def width(low: int, texts: Iterable[str]) -> int:
    return max([low, *map(len, texts)])


def print_offsets(group: GroupDescription, rows: list[Row], verbose: bool) -> None:
    if not is_shown(group, len(rows)):
        return
    head = Row(
        "TOPIC", "PARTITION", "LEADER-EPOCH", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST",
        "CLIENT-ID",
    )  # fmt: skip
    group_width = width(15, [group.group_id])
    topic_width = width(15, [row.topic for row in rows])
    member_width = width(15, [row.member_id for row in rows])
    host_width = width(15, [row.host for row in rows])
    for name, row in [("GROUP", head), *((group.group_id, row) for row in rows)]:
        epoch = f"{row.leader_epoch:15} " if verbose else ""
        print(
            f"\n{name:{group_width}} {row.topic:{topic_width}} {row.partition:10} {epoch}{row.offset:15} {row.end:15} "
            f"{row.lag:15} {row.member_id:{member_width}} {row.host:{host_width}} {row.client_id}",
            end="",
        )
    print()


def print_state(group: GroupDescription, verbose: bool) -> None:
    if not is_shown(group, 1):
        return
    node = group.coordinator
    coordinator = f"{node.host}:{node.port}  ({node.node_id})"
    group_width, coordinator_width = width(15, [group.group_id]), width(25, [coordinator])
    epochs = (text(group.group_epoch), text(group.assignment_epoch))
    rows = (
        ("GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH",
         "#MEMBERS"),
        (group.group_id, coordinator, group.assignor or NOTHING, group.state, *epochs, str(len(group.members))),
    )  # fmt: skip
    for name, place, assignor, state, epoch, target, count in rows:
        more = f"{epoch:15} {target:25} " if verbose else ""
        print(f"\n{name:{group_width}} {place:{coordinator_width}} {assignor:20} {state:20} {more}{count}", end="")
    print()


def print_members(group: GroupDescription, verbose: bool) -> None:
    members = group.members
    measured = members if is_shown(group, len(members)) else []
    widths = [
        width(15, [group.group_id] if measured else []),
        width(15, [member.member_id for member in measured]),
        width(17, [member.instance_id or "" for member in measured]),
        width(15, [member.host for member in measured]),
        width(15, [member.client_id for member in measured]),
        15,
    ]
    has_instances = any(member.instance_id for member in measured)
    mixed = {member.upgraded for member in measured} >= {True, False}
    current_width = width(20, [shown(member.assignment) for member in measured])
    target_width = width(20, [shown(member.target) for member in measured])

    def line(cells: tuple[str, ...], more: tuple[str, ...]) -> str:
        columns = zip(cells, widths, range(6), strict=True)
        shown_cells = "".join(f"{cell:{size}} " for cell, size, at in columns if at != 2 or has_instances)
        if not verbose:
            return shown_cells
        epoch, current, target_epoch, target, upgraded = more
        shown_cells += f"{epoch:15} {current:{current_width}} {target_epoch:15} {target:{target_width}}"
        return f"{shown_cells} {upgraded}" if mixed else shown_cells

    head = ("GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS")
    print("\n" + line(head, ("CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT", "UPGRADED")))
    for member in members:
        cells = (
            group.group_id,
            member.member_id,
            member.instance_id or "",
            member.host,
            member.client_id,
            str(len(member.assignment)),
        )
        print(line(cells, verbose_cells(group, member)))


def verbose_cells(group: GroupDescription, member: GroupMember) -> tuple[str, ...]:
    return (
        text(member.epoch),
        shown(member.assignment),
        text(group.assignment_epoch),
        shown(member.target),
        text(member.upgraded),
    )


def shown(partitions: list[TopicPartition] | None) -> str:
    """An assignment as a:0,1;b:2."""
    topics: dict[str, list[int]] = {}
    for topic, index in partitions or []:
        topics.setdefault(topic, []).append(index)
    return ";".join(sorted(f"{topic}:{','.join(map(str, sorted(indexes)))}" for topic, indexes in topics.items())) or (
        NOTHING
    )

"""kafka-consumer-groups --reset-offsets and --delete-offsets.

Source: ConsumerGroupCommand and org.apache.kafka.tools.OffsetsUtils.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pykafka_core.client import groups
from pykafka_core.client.admin import describe_topics
from pykafka_core.client.errors import KafkaError, java_name, sentence
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.tools.command import WrongUseError
from pykafka_core.tools.consumer_groups import long_option, wanted_groups
from pykafka_core.tools.consumer_groups_describe import committed_offsets, latest_offsets, without_leader
from pykafka_core.tools.java_errors import EXECUTION, RUNTIME, JavaError, as_thrown
from pykafka_core.tools.java_order import hash_map_order, partition_order
from pykafka_core.tools.java_times import datetime_ms, duration_ms
from pykafka_core.tools.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pykafka_core.client.cluster import Client
    from pykafka_core.tools.options import Options

__all__ = ["delete_offsets", "reset_offsets"]

TopicPartition = tuple[str, int]
Offsets = dict[TopicPartition, int]
EARLIEST, LATEST = -2, -1
NO_SCENARIO = (
    "Option '[reset-offsets]' requires one of the following scenarios: [[to-datetime], [from-file], [shift-by], "
    "[to-offset], [to-earliest], [to-current], [to-latest], [by-duration]]"
)


async def reset_offsets(client: Client, options: Options) -> None:
    """Raises WrongUseError, JavaError."""
    plans: dict[str, Offsets] = {}
    wanted = await wanted_groups(client, options)
    with Progress("groups described", len(wanted)) as progress:
        outcomes = await groups.describe_groups(client, wanted, on_progress=progress.show)
    for group_id in hash_map_order(wanted):
        outcome = outcomes[group_id]
        if isinstance(outcome, KafkaError) and outcome.code != ErrorCode.GROUP_ID_NOT_FOUND:
            with as_thrown(EXECUTION, RUNTIME):
                raise outcome
        if isinstance(outcome, groups.NotConsumerGroupError):
            raise JavaError("java.lang.IllegalArgumentException", str(outcome)).within(EXECUTION, RUNTIME)
        if isinstance(outcome, groups.GroupDescription) and outcome.state not in ("Empty", "Dead"):
            print(
                f"\nError: Assignments can only be reset if the group '{group_id}' is inactive, but the current state "
                f"is {outcome.state}."
            )
            plans[group_id] = {}
            continue
        plans[group_id] = await reset(client, options, group_id)
    ordered = [(group_id, place) for group_id in hash_map_order(plans) for place in partition_order(plans[group_id])]
    if "export" in options:
        single = len(options.all("group")) == 1
        for group_id, (topic, index) in ordered:
            fields = [] if single else [group_id]
            print(",".join([*map(csv_field, [*fields, topic]), str(index), str(plans[group_id][topic, index])]))
        print()
        return
    group_width = max([15, *map(len, plans)])
    topic_width = max([15, *(len(topic) for _, (topic, _) in ordered)])
    rows = [("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET")] if plans else []
    rows += [(each, place[0], str(place[1]), str(plans[each][place])) for each, place in ordered]
    for group, topic, partition, offset in rows:
        print(f"\n{group:{group_width}} {topic:{topic_width}} {partition:10} {offset}", end="")
    print()


async def reset(client: Client, options: Options, group_id: str) -> Offsets:
    offsets = await plan(client, options, group_id, await scope(client, options, group_id))
    if "execute" in options:
        with as_thrown():
            await groups.alter_group_offsets(client, group_id, offsets)
    return offsets


async def scope(client: Client, options: Options, group_id: str) -> list[TopicPartition]:
    """The partitions whose offsets are to be reset."""
    if "all-topics" in options:
        return list(await committed_offsets(client, group_id))
    if "topic" in options:
        words = options.all("topic")
        partitions = [place for word in words if ":" in word for place in parse_partitions(word)]
        topics = [word for word in words if ":" not in word]
        if topics:
            with as_thrown():
                found = await describe_topics(client, topics)
            partitions += [(name, each.partition_index) for name, topic in found.items() for each in topic.partitions]
        return partitions
    if "from-file" not in options:
        raise WrongUseError("One of the reset scopes should be defined: --all-topics, --topic.")
    return []


def parse_partitions(text: str) -> list[TopicPartition]:
    """topic:0,1,2. Raises WrongUseError."""
    parts = text.split(":")
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    if len(parts) != 2:
        raise WrongUseError(f"Invalid topic arg '{text}', expected topic name and partitions")
    partitions = []
    for word in parts[1].split(","):
        try:
            partitions.append((parts[0], int(word)))
        except ValueError:
            raise WrongUseError(f"Invalid partition '{word}' specified in topic arg '{text}''") from None
    return partitions


async def plan(client: Client, options: Options, group_id: str, places: list[TopicPartition]) -> Offsets:
    """The offset to reset each partition to. Raises WrongUseError, JavaError."""
    await check_places(client, places)
    if "to-offset" in options:
        offset = long_option(options, "to-offset") or 0
        return await within_range(client, dict.fromkeys(places, offset))
    if "to-earliest" in options:
        return await latest_offsets(client, places, EARLIEST)
    if "to-latest" in options:
        return await latest_offsets(client, places)
    if "shift-by" in options:
        return await shifted(client, group_id, places, long_option(options, "shift-by") or 0)
    if "to-datetime" in options:
        return await at_time(client, places, datetime_ms(options.all("to-datetime")[0]))
    if "by-duration" in options:
        import time

        duration = duration_ms(options.last("by-duration") or "")
        return await at_time(client, places, time.time_ns() // 1_000_000 - duration)
    if "from-file" in options:
        offsets = read_plan(options.all("from-file")[0], options.all("group")).get(group_id)
        if offsets is None:
            print(f"\nError: No reset plan for group {group_id} found")
            return {}
        return await within_range(client, offsets)
    if "to-current" in options:
        committed = await committed_offsets(client, group_id)
        offsets = {place: committed[place].offset for place in places if place in committed}
        return offsets | await latest_offsets(client, [place for place in places if place not in committed])
    raise WrongUseError(NO_SCENARIO)


async def check_places(client: Client, places: list[TopicPartition]) -> None:
    """Raises JavaError unless all of these partitions are there and have leaders."""

    def named(chosen: Iterable[TopicPartition]) -> str:
        return ",".join(f"{topic}-{index}" for topic, index in chosen)

    with as_thrown(EXECUTION, RUNTIME):
        topics = await describe_topics(client, sorted({topic for topic, _ in places})) if places else {}
    there = {(name, each.partition_index) for name, topic in topics.items() for each in topic.partitions}
    missing = [place for place in places if place not in there]
    if missing:
        raise JavaError(
            java_name(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), f'The partitions "{named(missing)}" do not exist'
        )
    leaderless = await without_leader(client, places) if places else set()
    if leaderless:
        raise JavaError(
            java_name(ErrorCode.LEADER_NOT_AVAILABLE), f'The partitions "{named(sorted(leaderless))}" have no leader'
        )


async def within_range(client: Client, offsets: Mapping[TopicPartition, int]) -> Offsets:
    """Offsets that are not in the log become its nearest end."""
    starts = await latest_offsets(client, offsets, EARLIEST)
    ends = await latest_offsets(client, offsets)
    found: Offsets = {}
    for place, offset in offsets.items():
        found[place] = min(max(offset, starts[place]), ends[place])
        if found[place] != offset:
            which = "higher than latest" if offset > ends[place] else "lower than earliest"
            if sys.stderr.isatty():
                print(
                    f"WARN New offset ({offset}) is {which} offset for topic partition {place[0]}-{place[1]}. Value "
                    f"will be set to {found[place]}",
                    file=sys.stderr,
                )
    return found


async def shifted(client: Client, group_id: str, places: list[TopicPartition], by: int) -> Offsets:
    committed = await committed_offsets(client, group_id)
    for topic, index in places:
        if (topic, index) not in committed:
            raise WrongUseError(
                f"Cannot shift offset for partition {topic}-{index} since there is no current committed offset"
            )
    return await within_range(client, {place: committed[place].offset + by for place in places})


async def at_time(client: Client, places: list[TopicPartition], timestamp_ms: int) -> Offsets:
    """The first offset with that time or a later one; the log's end where there is none."""
    found = await latest_offsets(client, places, timestamp_ms)
    without = [place for place in partition_order(places) if found[place] < 0]
    for topic, index in without:
        print(f"\nWarn: Partition {index} from topic {topic} is empty. Falling back to latest known offset.")
    return found | (await latest_offsets(client, without) if without else {})


def csv_field(text: str) -> str:
    """Quoted where Kafka's writer of CSV quotes: what could be taken for something else, and what is long."""
    plain = len(text) <= 24 and all(each > "," for each in text)
    return text if plain else '"' + text.replace('"', '""') + '"'


def read_plan(path: str, group_ids: list[str]) -> dict[str, Offsets]:
    """topic,partition,offset of the one group asked for, or group,topic,partition,offset. Raises JavaError."""
    import csv

    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except OSError as error:
        cause = f"java.nio.file.NoSuchFileException: {path}"
        raise JavaError("java.io.IOException", f"Unable to read file {path}", (cause,)).within(RUNTIME) from error
    plans: dict[str, Offsets] = {}
    single = len(group_ids) == 1 and bool(rows) and len(rows[0]) == 3
    for row in rows:
        try:
            group_id, topic, partition, offset = [group_ids[0], *row] if single else row
            plans.setdefault(group_id, {})[topic.strip(), int(partition)] = int(offset)
        except ValueError as error:
            raise JavaError(
                "com.fasterxml.jackson.dataformat.csv.CsvReadException",
                f"This is no row of a reset plan: {','.join(row)}",
            ).within(RUNTIME) from error
    return plans


async def delete_offsets(client: Client, options: Options) -> None:
    """Raises WrongUseError, JavaError."""
    group_id, words = options.last("group") or "", options.all("topic")
    places = [place for word in words if ":" in word for place in parse_partitions(word)]
    outcomes: dict[TopicPartition, str | None] = {}
    for topic in hash_map_order(word for word in words if ":" not in word):
        try:
            found = await describe_topics(client, [topic])
            places += [(topic, each.partition_index) for each in found[topic].partitions]
        except KafkaError as error:
            outcomes[topic, -1] = error.java_text()
    refusal: KafkaError | None = None
    try:
        deleted = await groups.delete_group_offsets(client, group_id, places)
        refusal = next((deleted[place] for place in partition_order(places) if deleted.get(place)), None)
        for place in places:
            fault = deleted.get(place)
            outcomes[place] = fault.java_text() if fault else None
    except KafkaError as error:
        refusal = error
        outcomes |= dict.fromkeys(places, error.java_text())
    print_deletion(group_id, refusal)
    topic_width = max([15, *(len(topic) for topic, _ in outcomes)])
    print(f"\n{'TOPIC':{topic_width}} {'PARTITION':10} {'STATUS':15}", end="")
    for topic, index in sorted(outcomes, key=lambda place: f"{place[0]}{place[1]}"):
        status = f"Error: {outcomes[topic, index]}" if outcomes[topic, index] else "Successful"
        print(f"\n{topic:{topic_width}} {str(index) if index >= 0 else '-':10} {status:15}", end="")
    print()


def print_deletion(group_id: str, refusal: KafkaError | None) -> None:
    of_partitions = ("GROUP_SUBSCRIBED_TO_TOPIC", "TOPIC_AUTHORIZATION_FAILED", "UNKNOWN_TOPIC_OR_PARTITION")
    if refusal is None:
        print(f"Request succeeded for deleting offsets from group {group_id}.")
    elif refusal.code.name in (
        "INVALID_GROUP_ID",
        "GROUP_ID_NOT_FOUND",
        "GROUP_AUTHORIZATION_FAILED",
        "NON_EMPTY_GROUP",
    ):
        print(f"\nError: {sentence(refusal.code)}")
    elif refusal.code.name in of_partitions:
        print("\nError: Encountered some partition-level error, see the follow-up details.")
    else:
        print(f"\nError: Encountered some unknown error: {refusal.code.name}")

"""Goal: groups of the new protocol (KIP-848) share a topic, outlive members and the broker, and lose nothing; groups
change from the classic protocol to the new one and back while they read.

Method: as in test_client_groups.py, with group.protocol=consumer. A member whose process is killed is out after the
broker's session timeout. For the change, members of the one protocol are replaced one after the other by members of the
other, and at each moment every partition comes to one owner; in the end every number was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import jars
from harness.broker import Broker
from harness.clients import Client
from harness.groups import (
    GROUP,
    PARTITIONS,
    TOPIC,
    Load,
    Member,
    await_that,
    call,
    check_commits,
    client_of,
    committed,
    share_all,
)
from harness.requests import create_topic, end_offsets
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.consumer_group_describe_request import ConsumerGroupDescribeRequest
from pykafka_core.protocol.messages.list_groups_request import ListGroupsRequest

pytestmark = [pytest.mark.row("consumer groups, KIP-848"), pytest.mark.timeout(240)]

KINDS = ["java-consumer", "confluent-consumer"]
GROUP_ID_NOT_FOUND = 69


@pytest.fixture
def members() -> Iterator[list[Member]]:
    made: list[Member] = []
    yield made
    for member in made:
        member.process.kill()
        member.process.wait()


@pytest.fixture
def broker(own_broker: Callable[..., Broker]) -> Broker:
    started = own_broker(
        group_consumer_session_timeout_ms=3000, group_consumer_min_session_timeout_ms=3000,
        group_consumer_heartbeat_interval_ms=300, group_consumer_min_heartbeat_interval_ms=300,
        group_consumer_assignment_interval_ms=100, group_min_session_timeout_ms=500,
        group_initial_rebalance_delay_ms=100, offsets_topic_num_partitions=5,
    )  # fmt: skip
    create_topic(started.address, TOPIC, PARTITIONS)
    return started


def described(broker: Broker) -> Any:
    return call(broker, ApiKey.CONSUMER_GROUP_DESCRIBE, 1, ConsumerGroupDescribeRequest(group_ids=[GROUP])).groups[0]


def rest(broker: Broker) -> tuple[str, int]:
    """State and number of members, of one answer."""
    group = described(broker)
    return group.group_state, len(group.members)


def kind_of_group(broker: Broker) -> tuple[str, str]:
    (group,) = call(broker, ApiKey.LIST_GROUPS, 5, ListGroupsRequest()).groups
    return group.group_type, group.group_state


def prepare(kind: str, present: Callable[[Client], Client]) -> None:
    present(client_of(kind))
    if kind.startswith("java"):
        jars.compile_programs()


def check_all_seen(broker: Broker, members: list[Member], count: int) -> None:
    numbers = {str(number) for number in range(count)}
    await_that(lambda: {line[3] for member in members for line in member.lines("R")} >= numbers, "every record is seen")
    ends = end_offsets(broker.address, TOPIC)
    assert sum(ends.values()) == count
    await_that(lambda: committed(broker) == ends, "all is committed")
    check_commits(broker, members)


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_lives_on(
    kind: str, present: Callable[[Client], Client], broker: Broker, members: list[Member], tmp_path: Path
) -> None:
    prepare(kind, present)
    load = Load(broker.bootstrap)
    try:
        members += [Member(kind, broker, tmp_path, number) for number in range(2)]
        await_that(lambda: share_all(members), "two members share the topic")
        members.append(Member(kind, broker, tmp_path, 2))
        await_that(lambda: share_all(members), "three members share the topic")
        await_that(lambda: all(member.committed() for member in members), "all of them commit")
        await_that(lambda: rest(broker) == ("Stable", 3), "the group of three comes to rest")

        victim, leaver, survivor = members
        victim.kill()
        check_commits(broker, members)
        await_that(lambda: share_all([leaver, survivor]), "two take over from the one that was killed")

        leaver.leave()
        assert len(described(broker).members) == 1, "who has left is in its group no more, at once"
        await_that(lambda: survivor.assigned == set(range(PARTITIONS)), "the last one has all")
        before = survivor.lines("A")
        await_that(lambda: described(broker).group_state == "Stable", "the group comes to rest")
        epoch = described(broker).group_epoch

        assert broker.process
        broker.process.kill()
        broker.process.wait()
        broker.start()
        await_that(lambda: described(broker).error_code == 0, "the groups are loaded")
        again = described(broker)
        assert (again.group_state, again.group_epoch, len(again.members)) == ("Stable", epoch, 1)
        check_commits(broker, members)
        seen = len(survivor.lines("R"))
        await_that(lambda: len(survivor.lines("R")) > seen, "it goes on after the broker's death")
    finally:
        count = load.stop()
    check_all_seen(broker, members, count)
    assert survivor.lines("A") == before, "the death of the broker made a rebalance"
    assert described(broker).group_epoch == epoch


@pytest.mark.parametrize(("classic", "new"), [("java", "java-consumer"), ("confluent-kafka", "confluent-consumer")])
def test_a_group_changes_its_protocol_and_back(
    classic: str,
    new: str,
    present: Callable[[Client], Client],
    broker: Broker,
    members: list[Member],
    tmp_path: Path,
) -> None:
    prepare(classic, present)

    def add(kind: str) -> Member:
        members.append(Member(kind, broker, tmp_path, len(members)))
        return members[-1]

    load = Load(broker.bootstrap)
    try:
        first, second = add(classic), add(classic)
        await_that(lambda: share_all([first, second]), "two classic members share the topic")
        assert kind_of_group(broker)[0] == "classic"

        third = add(new)
        await_that(lambda: share_all([first, second, third]), "a new one shares with two classic ones")
        await_that(lambda: kind_of_group(broker) == ("consumer", "Stable"), "it is a consumer group")
        types = sorted(each.member_type for each in described(broker).members)
        assert types == [0, 0, 1]
        first.leave()
        fourth = add(new)
        await_that(lambda: share_all([second, third, fourth]), "one classic member is left")
        second.leave()
        await_that(lambda: share_all([third, fourth]), "all speak the new protocol")
        assert [each.member_type for each in described(broker).members] == [1, 1]

        fifth = add(classic)
        await_that(lambda: share_all([third, fourth, fifth]), "a classic one joins")
        third.leave()
        fourth.leave()
        await_that(lambda: share_all([fifth]), "the classic one has all")
        await_that(lambda: kind_of_group(broker) == ("classic", "Stable"), "it is a classic group again")
        assert described(broker).error_code == GROUP_ID_NOT_FOUND
    finally:
        count = load.stop()
    check_all_seen(broker, members, count)

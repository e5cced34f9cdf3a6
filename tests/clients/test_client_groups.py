"""Goal: a consumer group of a stock client shares a topic, outlives a member and the broker, and loses nothing.

Method: members are processes (members/member.py, member.js, java/GroupMember.java) that write down what they are
assigned, what they have processed and which commits were acknowledged. While a producer writes numbered records into
six partitions: two members, then three; one is killed, one leaves, the broker is killed and started again. In the end
every number was seen, each partition is committed to its end, and what was committed at any moment was never beyond
what had been processed, nor behind an acknowledged commit.
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
from pykafka_core.protocol.messages.describe_groups_request import DescribeGroupsRequest

pytestmark = [pytest.mark.row("consumer groups"), pytest.mark.timeout(240)]

KINDS = ["confluent-kafka", "confluent-cooperative", "kafka-python", "aiokafka", "kafkajs", "java", "java-cooperative"]


def described(broker: Broker) -> Any:
    return call(broker, ApiKey.DESCRIBE_GROUPS, 5, DescribeGroupsRequest(groups=[GROUP])).groups[0]


def rest(broker: Broker) -> tuple[str, int]:
    """State and number of members, of one answer."""
    group = described(broker)
    return group.group_state, len(group.members)


@pytest.fixture
def members() -> Iterator[list[Member]]:
    made: list[Member] = []
    yield made
    for member in made:
        member.process.kill()
        member.process.wait()


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_lives_on(
    kind: str,
    present: Callable[[Client], Client],
    own_broker: Callable[..., Broker],
    members: list[Member],
    tmp_path: Path,
) -> None:
    present(client_of(kind))
    if kind.startswith("java"):
        jars.compile_programs()
    broker = own_broker(
        group_min_session_timeout_ms=500, group_initial_rebalance_delay_ms=100, offsets_topic_num_partitions=5
    )
    create_topic(broker.address, TOPIC, PARTITIONS)
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
        # A cooperative member may join once more after it was given all: it has done so when it has polled a few times.
        settled = len(survivor.lines("C")) + 3 * PARTITIONS
        await_that(lambda: len(survivor.lines("C")) > settled, "it reads and commits")
        await_that(lambda: described(broker).group_state == "Stable", "the group comes to rest")
        before = survivor.lines("A")

        assert broker.process
        broker.process.kill()
        broker.process.wait()
        broker.start()
        await_that(lambda: described(broker).error_code == 0, "the groups are loaded")
        assert rest(broker) == ("Stable", 1)
        check_commits(broker, members)
        seen = len(survivor.lines("R"))
        await_that(lambda: len(survivor.lines("R")) > seen, "it goes on after the broker's death")
    finally:
        count = load.stop()
    numbers = {str(number) for number in range(count)}
    await_that(lambda: {line[3] for member in members for line in member.lines("R")} >= numbers, "every record is seen")
    ends = end_offsets(broker.address, TOPIC)
    assert sum(ends.values()) == count
    check_commits(broker, members)
    await_that(lambda: committed(broker) == ends, "all is committed")
    assert survivor.lines("A") == before, "the death of the broker made a rebalance"

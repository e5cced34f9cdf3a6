"""Goal: groups of the new protocol (KIP-848) share a topic, outlive members and the broker, and lose nothing; groups
change from the classic protocol to the new one and back while they read.

Method: as in test_client_groups.py, with group.protocol=consumer. A member whose process is killed is out after the
broker's session timeout. For the change, members of the one protocol are replaced one after the other by members of the
other, and at each moment every partition comes to one owner; in the end every number was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.broker import Broker
from harness.clients import Client
from harness.groups import GROUP, PARTITIONS, TOPIC, Load, Member, await_that, call, prepare, share_all
from harness.lives import check_a_group_lives_on, check_all_seen
from harness.requests import create_topic
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.consumer_group_describe_request import ConsumerGroupDescribeRequest
from pykafka_core.protocol.messages.list_groups_request import ListGroupsRequest

pytestmark = [pytest.mark.row("consumer groups, KIP-848"), pytest.mark.timeout(240)]

KINDS = ["java-consumer", "confluent-consumer"]
GROUP_ID_NOT_FOUND = 69


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


def kind_of_group(broker: Broker) -> tuple[str, str]:
    (group,) = call(broker, ApiKey.LIST_GROUPS, 5, ListGroupsRequest()).groups
    return group.group_type, group.group_state


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_lives_on(
    kind: str, present: Callable[[Client], Client], broker: Broker, members: list[Member], tmp_path: Path
) -> None:
    prepare(kind, present)
    check_a_group_lives_on(kind, broker, members, tmp_path, described)


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

"""Goal: a consumer group of a stock client shares a topic, outlives a member and the broker, and loses nothing.

Method: members are processes (members/member.py, member.js, java/GroupMember.java) that write down what they are
assigned, what they have processed and which commits were acknowledged. While a producer writes numbered records into
six partitions: two members, then three; one is killed, one leaves, the broker is killed and started again. In the end
every number was seen, each partition is committed to its end, and what was committed at any moment was never beyond
what had been processed, nor behind an acknowledged commit.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.broker import Broker
from harness.clients import Client
from harness.groups import GROUP, PARTITIONS, TOPIC, Member, call, prepare
from harness.lives import check_a_group_lives_on
from harness.requests import create_topic
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.describe_groups_request import DescribeGroupsRequest

pytestmark = [pytest.mark.row("consumer groups"), pytest.mark.timeout(240)]

KINDS = ["confluent-kafka", "confluent-cooperative", "kafka-python", "aiokafka", "kafkajs", "java", "java-cooperative"]


def described(broker: Broker) -> Any:
    return call(broker, ApiKey.DESCRIBE_GROUPS, 5, DescribeGroupsRequest(groups=[GROUP])).groups[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_lives_on(
    kind: str,
    present: Callable[[Client], Client],
    own_broker: Callable[..., Broker],
    members: list[Member],
    tmp_path: Path,
) -> None:
    prepare(kind, present)
    broker = own_broker(
        group_min_session_timeout_ms=500, group_initial_rebalance_delay_ms=100, offsets_topic_num_partitions=5
    )
    create_topic(broker.address, TOPIC, PARTITIONS)
    check_a_group_lives_on(kind, broker, members, tmp_path, described)

"""Consumer groups (KIP-848) over a socket: a member's life, what others see of it, and what is refused.

Method: raw requests to a running broker; the answers are those that Apache Kafka 4.3.1 gives to the same requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.consumer_group_describe_request import ConsumerGroupDescribeRequest
from pykafka_core.protocol.messages.consumer_group_heartbeat_request import (
    ConsumerGroupHeartbeatRequest,
    TopicPartitions,
)
from pykafka_core.protocol.messages.create_partitions_request import CreatePartitionsRequest, CreatePartitionsTopic
from pykafka_core.protocol.messages.delete_groups_request import DeleteGroupsRequest
from pykafka_core.protocol.messages.describe_groups_request import DescribeGroupsRequest
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.join_group_request import JoinGroupRequest, JoinGroupRequestProtocol
from pykafka_core.protocol.messages.list_groups_request import ListGroupsRequest
from pykafka_core.protocol.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from pykafka_core.protocol.messages.offset_delete_request import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from pykafka_core.protocol.messages.offset_fetch_request import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient, create_topic

Beat = Callable[..., Any]


@pytest.fixture
def group(client: RawClient, name: str) -> str:
    assert client.call(FindCoordinatorRequest(key=name), 3).error_code == 0
    return f"group-of-{name}"


@pytest.fixture
def beat(client: RawClient, group: str, name: str) -> Beat:
    def send(member_id: str, epoch: int = 0, *, version: int = 1, **more: Any) -> Any:
        fields: dict[str, Any] = {"group_id": group, "member_id": member_id, "member_epoch": epoch}
        if epoch == 0:
            fields |= {"rebalance_timeout_ms": 60_000, "topic_partitions": [], "subscribed_topic_names": [name]}
        return client.call(ConsumerGroupHeartbeatRequest(**fields | more), version)

    return send


def parts(answer: Any) -> list[int] | None:
    return None if answer.assignment is None else [p for t in answer.assignment.topic_partitions for p in t.partitions]


def commit(client: RawClient, group: str, topic: str, member_id: str, epoch: int, *, version: int = 9) -> int:
    asked = [OffsetCommitRequestTopic(name=topic, partitions=[OffsetCommitRequestPartition(committed_offset=7)])]
    request = OffsetCommitRequest(
        group_id=group, member_id=member_id, generation_id_or_member_epoch=epoch, topics=asked
    )
    code: int = client.call(request, version).topics[0].partitions[0].error_code
    return code


def fetch(client: RawClient, group: str, topic: str, member_id: str | None, epoch: int) -> Any:
    asked = OffsetFetchRequestGroup(
        group_id=group,
        member_id=member_id,
        member_epoch=epoch,
        topics=[OffsetFetchRequestTopics(name=topic, partition_indexes=[0])],
    )
    return client.call(OffsetFetchRequest(groups=[asked]), 9).groups[0]


def test_two_members_share_a_topic(client: RawClient, group: str, name: str, beat: Beat) -> None:
    topic_id = create_topic(client, name, 4)
    first = beat("a")
    assert (first.error_code, first.member_id, first.member_epoch, parts(first)) == (0, "a", 2, [0, 1, 2, 3])
    assert first.heartbeat_interval_ms == 5000
    assert parts(beat("a", 2)) is None
    second = beat("b")
    assert (second.error_code, parts(second)) == (0, [])
    described = client.call(ConsumerGroupDescribeRequest(group_ids=[group]), 1).groups[0]
    assert {each.member_id: each.member_epoch for each in described.members} == {"a": 2, "b": second.member_epoch}
    assert described.assignor_name == "uniform"
    (mine,) = (each for each in described.members if each.member_id == "a")
    assert [(t.topic_name, t.topic_id, t.partitions) for t in mine.assignment.topic_partitions] == [
        (name, topic_id, [0, 1, 2, 3])
    ]
    assert (mine.client_id, mine.client_host, mine.subscribed_topic_names, mine.member_type) == (
        "raw", "/127.0.0.1", [name], 1,
    )  # fmt: skip
    listed = {each.group_id: each for each in client.call(ListGroupsRequest(types_filter=["Consumer"]), 5).groups}
    assert (listed[group].group_type, listed[group].protocol_type) == ("consumer", "consumer")
    classic = client.call(DescribeGroupsRequest(groups=[group]), 6).groups[0]
    assert (classic.error_code, classic.error_message) == (69, f"Group {group} is not a classic group.")
    assert client.call(DescribeGroupsRequest(groups=[group]), 5).groups[0].group_state == "Dead"


def test_a_classic_member_that_cannot_be_read_is_named_in_the_log(
    client: RawClient, group: str, name: str, beat: Beat, caplog: pytest.LogCaptureFixture
) -> None:
    create_topic(client, name)
    assert beat("a").error_code == 0
    protocols = [JoinGroupRequestProtocol(name="range", metadata=b"\0\1no subscription")]
    request = JoinGroupRequest(
        group_id=group, session_timeout_ms=10_000, rebalance_timeout_ms=10_000, member_id="", protocol_type="consumer",
        protocols=protocols,
    )  # fmt: skip
    answer = client.call(request, 3)
    assert answer.error_code == ErrorCode.UNKNOWN_SERVER_ERROR
    (line,) = [each.getMessage() for each in caplog.records if "cannot join" in each.getMessage()]
    assert repr(group) in line
    assert "no subscription" in line


def test_commits_and_fetches_need_the_epoch(client: RawClient, group: str, name: str, beat: Beat) -> None:
    create_topic(client, name)
    beat("a")
    assert commit(client, group, name, "a", 2) == 0
    assert commit(client, group, name, "a", 3) == 113
    assert commit(client, group, name, "a", 1) == 113
    assert commit(client, group, name, "stranger", 2) == 25
    assert commit(client, group, name, "", -1) == 25
    assert commit(client, group, name, "a", 2, version=8) == 35
    assert fetch(client, group, name, "a", 2).topics[0].partitions[0].committed_offset == 7
    assert fetch(client, group, name, None, -1).topics[0].partitions[0].committed_offset == 7
    assert fetch(client, group, name, "a", 1).error_code == 113
    assert fetch(client, group, name, "stranger", 2).error_code == 25


def test_a_group_with_members_keeps_what_it_subscribes_to(client: RawClient, group: str, name: str, beat: Beat) -> None:
    create_topic(client, name)
    beat("a")
    assert commit(client, group, name, "a", 2) == 0
    asked = [OffsetDeleteRequestTopic(name=name, partitions=[OffsetDeleteRequestPartition()])]
    request = OffsetDeleteRequest(group_id=group, topics=asked)
    assert client.call(request, 0).topics[0].partitions[0].error_code == 86
    assert client.call(DeleteGroupsRequest(groups_names=[group]), 2).results[0].error_code == 68
    assert beat("a", -1).error_code == 0
    assert client.call(request, 0).topics[0].partitions[0].error_code == 0
    assert client.call(DeleteGroupsRequest(groups_names=[group]), 2).results[0].error_code == 0
    assert client.call(ConsumerGroupDescribeRequest(group_ids=[group]), 1).groups[0].error_code == 69


def test_a_topic_that_grows_is_assigned(client: RawClient, group: str, name: str, beat: Beat) -> None:
    create_topic(client, name, 1)
    assert parts(beat("a")) == [0]
    grown = CreatePartitionsTopic(name=name, count=3, assignments=None)
    grow = CreatePartitionsRequest(timeout_ms=10_000, topics=[grown])
    assert client.call(grow, 3).results[0].error_code == 0
    # The group is not assigned anew within a second of the last time.
    epoch = 2
    while (answer := beat("a", epoch)).assignment is None:
        epoch = answer.member_epoch
    assert parts(answer) == [0, 1, 2]


def test_a_topic_that_comes_later_is_assigned(client: RawClient, group: str, name: str, beat: Beat) -> None:
    assert parts(beat("a")) == []
    create_topic(client, name, 2)
    epoch = 2
    while (answer := beat("a", epoch)).assignment is None:
        epoch = answer.member_epoch
    assert parts(answer) == [0, 1]


def test_a_regular_expression_is_resolved(client: RawClient, group: str, name: str, beat: Beat) -> None:
    create_topic(client, f"{name}-x", 2)
    create_topic(client, f"{name}-y", 1)
    create_topic(client, f"not-{name}-x", 1)
    joined = beat("a", subscribed_topic_names=None, subscribed_topic_regex=f"{name}-.*")
    assert joined.error_code == 0
    answer = joined
    while not parts(answer):
        answer = beat("a", answer.member_epoch)
    assert sorted(parts(answer) or ()) == [0, 0, 1]
    described = client.call(ConsumerGroupDescribeRequest(group_ids=[group]), 1).groups[0]
    assert described.members[0].subscribed_topic_regex == f"{name}-.*"
    assert sorted(t.topic_name for t in described.members[0].assignment.topic_partitions) == [
        f"{name}-x", f"{name}-y",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"group_id": ""}, 42, "GroupId can't be empty."),
        ({"member_id": ""}, 42, "MemberId can't be empty."),
        ({"instance_id": " "}, 42, "InstanceId can't be empty."),
        ({"rack_id": ""}, 42, "RackId can't be empty."),
        ({"rebalance_timeout_ms": -1}, 42, "RebalanceTimeoutMs must be provided in first request."),
        ({"topic_partitions": None}, 42, "TopicPartitions must be empty when (re-)joining."),
        (
            {"topic_partitions": [TopicPartitions(topic_id=bytes(16), partitions=[0])]},
            42,
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            {"subscribed_topic_names": None},
            42,
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        ({"member_epoch": -3}, 42, "MemberEpoch is invalid."),
        ({"member_epoch": -2}, 42, "InstanceId can't be null."),
        (
            {"server_assignor": "sticky"},
            112,
            "ServerAssignor sticky is not supported. Supported assignors: uniform, range.",
        ),
        (
            {"subscribed_topic_regex": "["},
            128,
            "SubscribedTopicRegex `[` is not a valid regular expression: missing closing ].",
        ),
    ],
)
def test_what_cannot_be_meant(given: dict[str, Any], code: int, message: str, beat: Beat) -> None:
    rest = dict(given)
    answer = beat(rest.pop("member_id", "a"), **rest)
    assert (answer.error_code, answer.error_message) == (code, message)


def test_who_is_not_in_the_group(group: str, client: RawClient, name: str, beat: Beat) -> None:
    create_topic(client, name)
    assert beat("a", 3).error_code == 69
    beat("a")
    assert beat("b", 3).error_code == 25
    ahead = beat("a", 9)
    assert (ahead.error_code, ahead.error_message) == (
        110,
        "The consumer group member has a greater member epoch (9) than the one known by the group coordinator (2). "
        "The member must abandon all its partitions and rejoin.",
    )
    assert beat("b", -1).error_code == 25


def test_version_0_makes_member_ids(client: RawClient, name: str, beat: Beat) -> None:
    create_topic(client, name)
    answer = beat("", version=0)
    assert answer.error_code == 0
    assert len(answer.member_id) == 36
    assert beat(answer.member_id, answer.member_epoch, version=0).error_code == 0


def test_an_instance_id_has_one_owner(client: RawClient, name: str, beat: Beat) -> None:
    create_topic(client, name, 2)
    assert parts(beat("a", instance_id="i")) == [0, 1]
    taken = beat("b", instance_id="i")
    assert (taken.error_code, taken.error_message) == (
        111,
        "Static member b with instance id i cannot join the group because the instance id is owned by a member.",
    )
    assert beat("a", -2, instance_id="i").error_code == 0
    back = beat("b", instance_id="i")
    assert (back.error_code, parts(back)) == (0, [0, 1])
    assert beat("a", 2, instance_id="i").error_code == 82


def test_a_full_group_takes_nobody(name: str) -> None:
    with Broker(group_consumer_max_size=1) as broker, RawClient(broker.bootstrap) as client:
        create_topic(client, name)
        assert client.call(FindCoordinatorRequest(key=name), 3).error_code == 0
        fields: dict[str, Any] = {
            "group_id": "g", "rebalance_timeout_ms": 1000, "topic_partitions": [], "subscribed_topic_names": [name],
        }  # fmt: skip
        assert client.call(ConsumerGroupHeartbeatRequest(member_id="a", **fields), 1).error_code == 0
        refused = client.call(ConsumerGroupHeartbeatRequest(member_id="b", **fields), 1)
        assert (refused.error_code, refused.error_message) == (
            81, "The consumer group has reached its maximum capacity of 1 members.",
        )  # fmt: skip


def test_the_protocol_can_be_off(name: str) -> None:
    with Broker(group_coordinator_rebalance_protocols="classic") as broker, RawClient(broker.bootstrap) as client:
        assert client.call(FindCoordinatorRequest(key=name), 3).error_code == 0
        assert client.call(ConsumerGroupHeartbeatRequest(group_id="g", member_id="a"), 1).error_code == 35
        assert client.call(ConsumerGroupDescribeRequest(group_ids=["g"]), 1).groups[0].error_code == 35

"""Classic groups over a socket: each step of a member's life, and what members are told that ask for what cannot be.

Method: raw requests to a running broker; the error codes are those that Apache Kafka 4.3.1 gives to the same requests.
"""

from __future__ import annotations

from typing import Any

import pytest

from pykafka_core.protocol.messages.delete_groups_request import DeleteGroupsRequest
from pykafka_core.protocol.messages.describe_groups_request import DescribeGroupsRequest
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.heartbeat_request import HeartbeatRequest
from pykafka_core.protocol.messages.join_group_request import JoinGroupRequest, JoinGroupRequestProtocol
from pykafka_core.protocol.messages.leave_group_request import LeaveGroupRequest, MemberIdentity
from pykafka_core.protocol.messages.list_groups_request import ListGroupsRequest
from pykafka_core.protocol.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from pykafka_core.protocol.messages.offset_fetch_request import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from pykafka_core.protocol.messages.sync_group_request import SyncGroupRequest, SyncGroupRequestAssignment
from tests.broker.raw_client import RawClient, create_topic

SUBSCRIPTION = b"\0\1\0\0\0\0\xff\xff\xff\xff\0\0\0\0"


@pytest.fixture
def group(client: RawClient, name: str) -> str:
    assert client.call(FindCoordinatorRequest(key=name), 3).error_code == 0
    return f"group-of-{name}"


def join(group: str, member_id: str = "", **more: Any) -> JoinGroupRequest:
    fields: dict[str, Any] = {"session_timeout_ms": 10_000, "rebalance_timeout_ms": 10_000}
    protocols = [JoinGroupRequestProtocol(name="range", metadata=SUBSCRIPTION)]
    fields |= {"protocol_type": "consumer", "protocols": protocols}
    return JoinGroupRequest(group_id=group, member_id=member_id, **fields | more)


def sync(group: str, member_id: str, generation: int, assignment: bytes = b"all") -> SyncGroupRequest:
    return SyncGroupRequest(
        group_id=group,
        member_id=member_id,
        generation_id=generation,
        protocol_type="consumer",
        protocol_name="range",
        assignments=[SyncGroupRequestAssignment(member_id=member_id, assignment=assignment)],
    )


def commit(client: RawClient, group: str, topic: str, *, partition: int = 0, version: int = 9, **more: Any) -> int:
    asked = OffsetCommitRequestPartition(partition_index=partition, committed_offset=5, committed_metadata="note")
    request = OffsetCommitRequest(
        group_id=group, topics=[OffsetCommitRequestTopic(name=topic, partitions=[asked])], **more
    )
    answer: int = client.call(request, version).topics[0].partitions[0].error_code
    return answer


def test_the_life_of_a_member(client: RawClient, group: str, name: str) -> None:
    topic_id = create_topic(client, name)
    asked_back = client.call(join(group), 9)
    assert asked_back.error_code == 79
    member = asked_back.member_id
    joined = client.call(join(group, member), 9)
    assert (joined.error_code, joined.generation_id, joined.leader, joined.protocol_name) == (0, 1, member, "range")
    assert [each.member_id for each in joined.members] == [member]
    at = {"member_id": member, "generation_id_or_member_epoch": 1}
    assert commit(client, group, name, **at) == 27
    assert client.call(sync(group, member, 1), 5).assignment == b"all"
    assert client.call(HeartbeatRequest(group_id=group, member_id=member, generation_id=1), 4).error_code == 0
    assert client.call(HeartbeatRequest(group_id=group, member_id=member, generation_id=0), 4).error_code == 22
    assert commit(client, group, name, **at) == 0
    assert commit(client, group, name, **at | {"generation_id_or_member_epoch": 0}) == 22
    assert commit(client, group, name, **at | {"member_id": "stranger"}) == 25
    described = client.call(DescribeGroupsRequest(groups=[group]), 5).groups[0]
    assert (described.group_state, described.members[0].member_assignment) == ("Stable", b"all")
    assert client.call(DeleteGroupsRequest(groups_names=[group]), 2).results[0].error_code == 68
    asked = OffsetFetchRequestTopics(topic_id=topic_id, partition_indexes=[0])
    found = client.call(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=[asked])]), 10)
    (partition,) = found.groups[0].topics[0].partitions
    assert (partition.committed_offset, partition.metadata, partition.error_code) == (5, "note", 0)
    left = client.call(LeaveGroupRequest(group_id=group, members=[MemberIdentity(member_id=member)]), 5)
    assert [each.error_code for each in left.members] == [0]
    listed = {each.group_id: each for each in client.call(ListGroupsRequest(), 5).groups}
    assert (listed[group].group_state, listed[group].group_type) == ("Empty", "classic")
    assert client.call(DeleteGroupsRequest(groups_names=[group]), 2).results[0].error_code == 0
    assert client.call(DeleteGroupsRequest(groups_names=[group]), 2).results[0].error_code == 69


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"group": ""}, 24),
        ({"session_timeout_ms": 100}, 26),
        ({"member_id": "stranger"}, 25),
        ({"protocols": []}, 23),
        ({"protocol_type": ""}, 23),
    ],
)
def test_who_cannot_join(client: RawClient, group: str, given: dict[str, Any], code: int) -> None:
    assert client.call(join(**{"group": group} | given), 9).error_code == code


def test_commits_without_membership(client: RawClient, group: str, name: str) -> None:
    create_topic(client, name)
    assert commit(client, group, name, version=8, generation_id_or_member_epoch=1, member_id="m") == 22
    assert commit(client, group, name, version=9, generation_id_or_member_epoch=1, member_id="m") == 69
    assert commit(client, group, name) == 0
    assert commit(client, group, name, partition=7) == 3
    assert commit(client, group, "no-such-topic") == 3


def test_a_group_that_nobody_knows(client: RawClient, group: str) -> None:
    assert client.call(DescribeGroupsRequest(groups=[group]), 5).groups[0].group_state == "Dead"
    assert client.call(DescribeGroupsRequest(groups=[group]), 6).groups[0].error_code == 69
    assert client.call(HeartbeatRequest(group_id=group, member_id="m", generation_id=1), 4).error_code == 25
    assert client.call(LeaveGroupRequest(group_id=group, member_id="m"), 2).error_code == 25
    assert client.call(OffsetFetchRequest(group_id=group, topics=None), 7).topics == []


def test_metadata_is_measured_in_utf16_units(client: RawClient, group: str, name: str) -> None:
    create_topic(client, name)

    def commit_with(metadata: str) -> int:
        asked = OffsetCommitRequestPartition(partition_index=0, committed_offset=5, committed_metadata=metadata)
        request = OffsetCommitRequest(group_id=group, topics=[OffsetCommitRequestTopic(name=name, partitions=[asked])])
        answer: int = client.call(request, 9).topics[0].partitions[0].error_code
        return answer

    assert commit_with("x" * 4096) == 0
    assert commit_with("x" * 4097) == 12
    assert commit_with("é" * 4096) == 0  # 8192 bytes of UTF-8
    assert commit_with("\U0001f600" * 2048) == 0
    assert commit_with("\U0001f600" * 2049) == 12


def test_a_new_group_is_listed_after_whatever_its_first_join_came_to(client: RawClient, group: str) -> None:
    assert client.call(join(group, protocols=[]), 9).error_code == 23
    listed = {each.group_id: each.group_state for each in client.call(ListGroupsRequest(), 5).groups}
    assert listed[group] == "Empty"

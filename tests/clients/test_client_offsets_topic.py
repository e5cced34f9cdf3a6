"""Goal: Apache Kafka reads the groups and offsets that we have written, and we read those that it has written.

Method: one broker is given groups of every shape (a live one with members, an assignment and committed offsets, a
static member, one that only commits, one that is empty, offsets deleted again), is stopped or killed, and the other
kind is started on its log directory. What raw requests and Apache Kafka's own tool say of the groups is compared, and
the members go on as members.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness import jars
from harness.broker import ApacheKafka, Broker, OurBroker, handed_over
from harness.requests import create_topic
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.framing import decode_response, encode_request
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
from pykafka_core.protocol.messages.offset_delete_request import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from pykafka_core.protocol.messages.offset_fetch_request import OffsetFetchRequest, OffsetFetchRequestGroup
from pykafka_core.protocol.messages.sync_group_request import SyncGroupRequest, SyncGroupRequestAssignment

pytestmark = [pytest.mark.usefixtures("kafka_is_here"), pytest.mark.row("kafka-dump-log"), pytest.mark.timeout(300)]

COORDINATOR_NOT_READY = (14, 15, 16)
MEMBER_ID_REQUIRED = 79
TOPIC, PARTITIONS = "orders", 4
SUBSCRIPTION = b"\0\1" + b"\0\0\0\1" + b"\0\6orders" + b"\xff\xff\xff\xff" + b"\0\0\0\0"
ASSIGNMENT = b"\0\1" + b"\0\0\0\1" + b"\0\6orders" + b"\0\0\0\2" + b"\0\0\0\0\0\0\0\1" + b"\xff\xff\xff\xff"
SETTINGS: dict[str, str | int] = {
    "group_initial_rebalance_delay_ms": 0, "offsets_topic_num_partitions": 3, "node_id": 1,
    "group_coordinator_rebalance_protocols": "classic",
}  # fmt: skip


class Wire:
    def __init__(self, broker: Broker) -> None:
        self.connection = socket.create_connection(broker.address, 60)
        self.answers = self.connection.makefile("rb")

    def call(self, key: ApiKey, version: int, body: Any) -> Any:
        self.connection.sendall(encode_request(key, version, 1, "test", body, with_length=True))
        return decode_response(key, version, self.answers.read(int.from_bytes(self.answers.read(4), "big")))[1]

    def close(self) -> None:
        self.answers.close()
        self.connection.close()


@contextmanager
def connected(broker: Broker) -> Iterator[Wire]:
    wire = Wire(broker)
    try:
        deadline = time.monotonic() + 60
        while wire.call(ApiKey.FIND_COORDINATOR, 3, FindCoordinatorRequest(key="any")).error_code:
            assert time.monotonic() < deadline, "no coordinator"
            time.sleep(0.1)
        while wire.call(ApiKey.LIST_GROUPS, 4, ListGroupsRequest()).error_code:
            assert time.monotonic() < deadline, "the groups are not loaded"
            time.sleep(0.1)
        yield wire
    finally:
        wire.close()


def join(wire: Wire, group: str, *, member_id: str = "", instance_id: str | None = None) -> tuple[str, int]:
    """A member of a stable group, alone in it: its id and generation."""
    deadline = time.monotonic() + 60
    while True:
        joined = wire.call(
            ApiKey.JOIN_GROUP,
            9,
            JoinGroupRequest(
                group_id=group,
                member_id=member_id,
                group_instance_id=instance_id,
                session_timeout_ms=300_000,
                rebalance_timeout_ms=300_000,
                protocol_type="consumer",
                protocols=[JoinGroupRequestProtocol(name="range", metadata=SUBSCRIPTION)],
            ),
        )
        if joined.error_code in COORDINATOR_NOT_READY:
            assert time.monotonic() < deadline, "the coordinator does not get ready"
            time.sleep(0.1)
            continue
        member_id = joined.member_id
        if joined.error_code != MEMBER_ID_REQUIRED:
            break
    assert joined.error_code == 0
    synced = wire.call(
        ApiKey.SYNC_GROUP,
        5,
        SyncGroupRequest(
            group_id=group,
            member_id=member_id,
            group_instance_id=instance_id,
            generation_id=joined.generation_id,
            protocol_type="consumer",
            protocol_name="range",
            assignments=[SyncGroupRequestAssignment(member_id=member_id, assignment=ASSIGNMENT)],
        ),
    )
    assert (synced.error_code, synced.assignment) == (0, ASSIGNMENT)
    return member_id, joined.generation_id


def commit(
    wire: Wire,
    group: str,
    offsets: dict[int, int],
    *,
    member: tuple[str, int] = ("", -1),
    metadata: str = "",
    **more: Any,
) -> None:
    version = more.pop("version", 9)
    partitions = [
        OffsetCommitRequestPartition(
            partition_index=index, committed_offset=offset, committed_leader_epoch=0, committed_metadata=metadata
        )
        for index, offset in offsets.items()
    ]
    answer = wire.call(
        ApiKey.OFFSET_COMMIT,
        version,
        OffsetCommitRequest(
            group_id=group,
            member_id=member[0],
            generation_id_or_member_epoch=member[1],
            topics=[OffsetCommitRequestTopic(name=TOPIC, partitions=partitions)],
            **more,
        ),
    )
    assert [each.error_code for each in answer.topics[0].partitions] == [0] * len(offsets)


def populate(broker: Broker) -> dict[str, tuple[str, int]]:
    """Groups of every shape; the members of the live ones."""
    create_topic(broker.address, TOPIC, PARTITIONS)
    members = {}
    with connected(broker) as wire:
        members["live"] = join(wire, "live")
        for round_number in range(3):
            offsets = dict.fromkeys(range(PARTITIONS), 100 + round_number)
            commit(wire, "live", offsets, member=members["live"], metadata="é")
        members["static"] = join(wire, "static", instance_id="one")
        commit(wire, "simple", {0: 7, 3: 8})
        commit(wire, "with-expiry", {1: 5}, version=4, retention_time_ms=86_400_000)
        left = join(wire, "left")
        commit(wire, "left", {2: 1}, member=left)
        leaving = LeaveGroupRequest(group_id="left", members=[MemberIdentity(member_id=left[0])])
        assert wire.call(ApiKey.LEAVE_GROUP, 5, leaving).members[0].error_code == 0
        commit(wire, "thinned", {0: 1, 1: 2})
        gone = OffsetDeleteRequestTopic(name=TOPIC, partitions=[OffsetDeleteRequestPartition(partition_index=0)])
        wire.call(ApiKey.OFFSET_DELETE, 0, OffsetDeleteRequest(group_id="thinned", topics=[gone]))
    return members


def member_of(m: Any) -> tuple[Any, ...]:
    return m.member_id, m.group_instance_id, m.client_id, m.client_host, m.member_metadata, m.member_assignment


def picture(broker: Broker) -> dict[str, Any]:
    """All that can be asked about all groups, without what depends on who asks."""
    with connected(broker) as wire:
        listed = wire.call(ApiKey.LIST_GROUPS, 5, ListGroupsRequest()).groups
        names = sorted(each.group_id for each in listed)
        described = wire.call(ApiKey.DESCRIBE_GROUPS, 5, DescribeGroupsRequest(groups=names)).groups
        asked = [OffsetFetchRequestGroup(group_id=name, topics=None) for name in names]
        fetched = wire.call(ApiKey.OFFSET_FETCH, 9, OffsetFetchRequest(groups=asked)).groups
    return {
        "listed": sorted((each.group_id, each.protocol_type, each.group_state, each.group_type) for each in listed),
        "described": {
            each.group_id: (
                each.error_code,
                each.group_state,
                each.protocol_type,
                each.protocol_data,
                [member_of(member) for member in each.members],
            )
            for each in described
        },
        "offsets": {
            group.group_id: sorted(
                (topic.name, p.partition_index, p.committed_offset, p.committed_leader_epoch, p.metadata, p.error_code)
                for topic in group.topics
                for p in topic.partitions
            )
            for group in fetched
        },
    }


def check_picture(broker: Broker, expected: dict[str, Any]) -> None:
    """Apache Kafka lists the groups of those partitions that it leads already, and says nothing of the others."""
    deadline = time.monotonic() + 60
    while (found := picture(broker)) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == expected


def go_on(broker: Broker, members: dict[str, tuple[str, int]]) -> None:
    """The members are still members, of the same generation, and commit."""
    with connected(broker) as wire:
        for group, (member_id, generation) in members.items():
            instance = "one" if group == "static" else None
            beat = HeartbeatRequest(
                group_id=group, member_id=member_id, generation_id=generation, group_instance_id=instance
            )
            assert wire.call(ApiKey.HEARTBEAT, 4, beat).error_code == 0
            commit(wire, group, {0: 500}, member=(member_id, generation), group_instance_id=instance)


def groups_tool(broker: Broker, *arguments: str) -> str:
    done = jars.java(
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--bootstrap-server", broker.bootstrap, *arguments
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dump(data: Path) -> str:
    files = sorted(data.glob("__consumer_offsets-*/*.log"))
    done = jars.java(
        "org.apache.kafka.tools.DumpLogSegments", "--offsets-decoder", "--files", ",".join(map(str, files))
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("clean", [True, False], ids=["stopped", "killed"])
def test_apache_kafka_goes_on_where_we_stopped(tmp_path: Path, clean: bool) -> None:
    ours = OurBroker(tmp_path / "broker", **SETTINGS)
    kafka = handed_over(ours, ApacheKafka)
    try:
        ours.start()
        members = populate(ours)
        before = picture(ours)
        assert len(before["listed"]) == 6
        tool_before = groups_tool(ours, "--describe", "--all-groups", "--offsets")
        if clean:
            ours.stop()
        else:
            ours.kill()
        dumped = dump(ours.data)
        assert dumped.count('key: {"type":"1"') == 3 * PARTITIONS + 2 + 1 + 1 + 2 + 1, "offsets and one tombstone"
        assert dumped.count('key: {"type":"2"') >= 6
        assert dumped.count("payload: <DELETE>") == 1
        assert "Could not" not in dumped

        kafka.start()
        check_picture(kafka, before)
        assert rows(groups_tool(kafka, "--describe", "--all-groups", "--offsets")) == rows(tool_before)
        go_on(kafka, members)
        after = picture(kafka)
        kafka.stop()

        ours.start()
        check_picture(ours, after)
        go_on(ours, members)
    finally:
        kafka.stop()
        ours.stop()


def rows(output: str) -> list[list[str]]:
    return sorted(line.split() for line in output.splitlines() if TOPIC in line)


def test_we_go_on_where_apache_kafka_stopped(tmp_path: Path) -> None:
    kafka = ApacheKafka(tmp_path / "broker", **SETTINGS)
    ours = handed_over(kafka, OurBroker)
    try:
        kafka.start()
        members = populate(kafka)
        before = picture(kafka)
        assert len(before["listed"]) == 6
        kafka.stop()
        ours.start()
        check_picture(ours, before)
        go_on(ours, members)
    finally:
        kafka.stop()
        ours.stop()

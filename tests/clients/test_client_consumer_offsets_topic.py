"""Goal: Apache Kafka goes on with consumer groups (KIP-848) that we have written, and we with those that it has
written.

Method: one broker is given groups of every shape (two members, one of them in the middle of giving up; a static member
that is away; a regular expression; members of both protocols; one that is empty), and the other kind is started on its
log directory. What ConsumerGroupDescribe, ListGroups and OffsetFetch say is compared, and members go on in their
epochs: no group epoch rises, which it would if the two computed different hashes of the topics.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from harness import jars
from harness.broker import ApacheKafka, Broker, OurBroker, handed_over
from harness.groups import COORDINATOR_NOT_READY, await_coordinators, call, plain
from harness.requests import create_topic
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.consumer_group_describe_request import ConsumerGroupDescribeRequest
from pykafka_core.protocol.messages.consumer_group_heartbeat_request import (
    ConsumerGroupHeartbeatRequest,
    TopicPartitions,
)
from pykafka_core.protocol.messages.heartbeat_request import HeartbeatRequest
from pykafka_core.protocol.messages.join_group_request import JoinGroupRequest, JoinGroupRequestProtocol
from pykafka_core.protocol.messages.list_groups_request import ListGroupsRequest
from pykafka_core.protocol.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from pykafka_core.protocol.messages.offset_fetch_request import OffsetFetchRequest, OffsetFetchRequestGroup
from pykafka_core.protocol.messages.sync_group_request import SyncGroupRequest

KAFKA = pytest.mark.usefixtures("kafka_is_here")
pytestmark = [KAFKA, pytest.mark.row("consumer groups, KIP-848"), pytest.mark.timeout(300)]

TOPIC, PARTITIONS = "orders", 5
GROUPS = ["empty", "mixed", "regex", "static", "two"]
SUBSCRIPTION = b"\0\1" + b"\0\0\0\1" + b"\0\6orders" + b"\xff\xff\xff\xff" + b"\0\0\0\0"
SETTINGS: dict[str, str | int] = {
    "offsets_topic_num_partitions": 3, "node_id": 1, "group_consumer_assignment_interval_ms": 0,
}  # fmt: skip


def beat(broker: Broker, group: str, member: str, epoch: int, **more: Any) -> Any:
    fields: dict[str, Any] = {"group_id": group, "member_id": member, "member_epoch": epoch}
    if epoch == 0:
        fields |= {"rebalance_timeout_ms": 300_000, "topic_partitions": []}
        fields |= {} if "subscribed_topic_regex" in more else {"subscribed_topic_names": [TOPIC]}
    request = ConsumerGroupHeartbeatRequest(**fields | more)
    deadline = time.monotonic() + 60
    while (answer := call(broker, ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, request)).error_code in COORDINATOR_NOT_READY:
        assert time.monotonic() < deadline, "the coordinator does not get ready"
        time.sleep(0.1)
    assert answer.error_code == 0, answer.error_message
    return answer


def has(answer: Any) -> list[TopicPartitions]:
    return [
        TopicPartitions(topic_id=each.topic_id, partitions=each.partitions)
        for each in answer.assignment.topic_partitions
    ]


def commit(broker: Broker, group: str, member: str, epoch: int) -> None:
    partitions = [OffsetCommitRequestPartition(committed_offset=7)]
    request = OffsetCommitRequest(
        group_id=group,
        member_id=member,
        generation_id_or_member_epoch=epoch,
        topics=[OffsetCommitRequestTopic(name=TOPIC, partitions=partitions)],
    )
    assert call(broker, ApiKey.OFFSET_COMMIT, 9, request).topics[0].partitions[0].error_code == 0


def populate(broker: Broker) -> None:
    create_topic(broker.address, TOPIC, PARTITIONS)
    await_coordinators(broker, GROUPS)
    beat(broker, "two", "a", 0)
    commit(broker, "two", "a", 2)
    beat(broker, "two", "b", 0)
    beat(broker, "two", "a", 2, topic_partitions=[])  # asked to give up; it says that it has, and is at 3
    beat(broker, "two", "c", 0)
    asked = beat(broker, "two", "b", 3)
    assert asked.member_epoch == 4
    beat(broker, "static", "s", 0, instance_id="one")
    beat(broker, "static", "s", -2, instance_id="one")
    answer = beat(broker, "regex", "r", 0, subscribed_topic_regex="or.*")
    deadline = time.monotonic() + 60
    while answer.assignment is None or not answer.assignment.topic_partitions:
        assert time.monotonic() < deadline, "the expression is not resolved"
        answer = beat(broker, "regex", "r", answer.member_epoch)
    beat(broker, "mixed", "n", 0)
    protocols = [JoinGroupRequestProtocol(name="range", metadata=SUBSCRIPTION)]
    joined = call(
        broker,
        ApiKey.JOIN_GROUP,
        9,
        JoinGroupRequest(
            group_id="mixed",
            member_id="k",
            session_timeout_ms=300_000,
            rebalance_timeout_ms=300_000,
            protocol_type="consumer",
            protocols=protocols,
        ),
    )
    assert (joined.error_code, joined.generation_id) == (0, 3)
    synced = SyncGroupRequest(
        group_id="mixed", member_id="k", generation_id=3, protocol_type="consumer", protocol_name="range"
    )
    assert call(broker, ApiKey.SYNC_GROUP, 5, synced).error_code == 0
    beat(broker, "empty", "e", 0)
    commit(broker, "empty", "e", 2)
    beat(broker, "empty", "e", -1)


def picture(broker: Broker) -> list[Any]:
    await_coordinators(broker, GROUPS)
    asked = [OffsetFetchRequestGroup(group_id=name, topics=None) for name in GROUPS]
    return [
        plain(call(broker, ApiKey.LIST_GROUPS, 5, ListGroupsRequest()).groups),
        plain(call(broker, ApiKey.CONSUMER_GROUP_DESCRIBE, 1, ConsumerGroupDescribeRequest(group_ids=GROUPS)).groups),
        plain(call(broker, ApiKey.OFFSET_FETCH, 9, OffsetFetchRequest(groups=asked)).groups),
    ]


def go_on(broker: Broker) -> None:
    """Members are still members, in their epochs."""
    assert beat(broker, "two", "b", 4).member_epoch == 4
    assert beat(broker, "two", "c", 4).member_epoch == 4
    assert beat(broker, "regex", "r", 2).member_epoch == 2
    assert beat(broker, "mixed", "n", 2).member_epoch == 2
    alive = HeartbeatRequest(group_id="mixed", member_id="k", generation_id=3)
    assert call(broker, ApiKey.HEARTBEAT, 4, alive).error_code == 0
    commit(broker, "two", "b", 4)


def test_apache_kafka_goes_on_where_we_were_killed(tmp_path: Path) -> None:
    ours = OurBroker(tmp_path / "broker", **SETTINGS)
    kafka = handed_over(ours, ApacheKafka)
    try:
        ours.start()
        populate(ours)
        before = picture(ours)
        states = {each["group_id"]: each["group_state"] for each in before[1]}
        assert {name for name, state in states.items() if state == "Reconciling"} == {"mixed", "static", "two"}
        ours.kill()
        files = sorted(ours.data.glob("__consumer_offsets-*/*.log"))
        done = jars.java(
            "org.apache.kafka.tools.DumpLogSegments", "--offsets-decoder", "--files", ",".join(map(str, files))
        )
        assert done.returncode == 0
        assert "Could not" not in done.stdout
        for key_type in (3, 5, 6, 7, 8, 16):
            assert f'key: {{"type":"{key_type}"' in done.stdout

        kafka.start()
        assert picture(kafka) == before
        go_on(kafka)
        after = picture(kafka)
        kafka.stop()

        ours.start()
        assert picture(ours) == after
        go_on(ours)
        assert epochs(ours) == epochs_of(before)
    finally:
        kafka.stop()
        ours.stop()


def test_we_go_on_where_apache_kafka_stopped(tmp_path: Path) -> None:
    kafka = ApacheKafka(tmp_path / "broker", **SETTINGS)
    ours = handed_over(kafka, OurBroker)
    try:
        kafka.start()
        populate(kafka)
        before = picture(kafka)
        kafka.stop()
        ours.start()
        assert picture(ours) == before
        go_on(ours)
        assert epochs(ours) == epochs_of(before)
    finally:
        kafka.stop()
        ours.stop()


def epochs_of(seen: list[Any]) -> dict[str, int]:
    return {group["group_id"]: group["group_epoch"] for group in seen[1]}


def epochs(broker: Broker) -> dict[str, int]:
    return epochs_of(picture(broker))

"""Goal: every request of the group protocol, in every version, gets the answer that Apache Kafka 4.3.1 gives.

Method: scenes, each a row of requests over a few connections, against a broker of our own; the answers, with what
differs from run to run given names, are compared with a recording (recorded/groups-*.txt). The recording was made from
Apache Kafka, and is made again by KC_CLIENTS_TARGET=kafka KC_CLIENTS_RECORD=1. `talk.apart` marks answers in which we
differ on purpose, and says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.broker import Broker
from harness.requests import METADATA, create_topic, metadata, read_metadata
from harness.talk import Talk, compare
from harness.wire import Connection
from pykafka_core.protocol.api_keys import ApiKey
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
from pykafka_core.protocol.messages.offset_delete_request import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from pykafka_core.protocol.messages.offset_fetch_request import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from pykafka_core.protocol.messages.sync_group_request import SyncGroupRequest, SyncGroupRequestAssignment

pytestmark = [pytest.mark.row("recorded answers"), pytest.mark.timeout(240)]

TOPIC = "topic"
SUBSCRIPTION = b"\0\1" + b"\0\0\0\1" + b"\0\5topic" + b"\xff\xff\xff\xff" + b"\0\0\0\0"
RANGE = (("range", SUBSCRIPTION),)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    from harness import broker as brokers

    made = brokers.make(
        tmp_path_factory.mktemp("groups"),
        group_initial_rebalance_delay_ms=0,
        group_max_size=3,
        offset_metadata_max_bytes=100,
        group_coordinator_rebalance_protocols="classic",
    )
    try:
        made.start()
        create_topic(made.address, TOPIC, 3)
        yield made
    finally:
        made.stop()


@pytest.fixture
def talk(shared: Broker) -> Iterator[Talk]:
    with Connection(shared.address) as wire:
        topic_id = read_metadata(wire.call(METADATA, 12, metadata(12, [TOPIC])), 12).topics[0].topic_id
    made = Talk(shared, topic_id)
    deadline = time.monotonic() + 60
    while True:
        made.send("first", FindCoordinatorRequest(key="any"), 3)
        if made.receive("first", ApiKey.FIND_COORDINATOR, 3).error_code == 0:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield made
    made.close()


# ---- requests


def join(group: str, member_id: str = "", *, protocols: Any = RANGE, **more: Any) -> JoinGroupRequest:
    fields: dict[str, Any] = {"session_timeout_ms": 300_000, "rebalance_timeout_ms": 300_000}
    return JoinGroupRequest(
        group_id=group,
        member_id=member_id,
        protocols=[JoinGroupRequestProtocol(name=name, metadata=data) for name, data in protocols],
        **fields | {"protocol_type": "consumer"} | more,
    )


def sync(group: str, member_id: str, generation: int, *assigned: str, **more: Any) -> SyncGroupRequest:
    assignments = [SyncGroupRequestAssignment(member_id=each, assignment=b"share") for each in assigned]
    fields = {"protocol_type": "consumer", "protocol_name": "range", "assignments": assignments} | more
    return SyncGroupRequest(group_id=group, member_id=member_id, generation_id=generation, **fields)


def beat(group: str, member_id: str, generation: int, **more: Any) -> HeartbeatRequest:
    return HeartbeatRequest(group_id=group, member_id=member_id, generation_id=generation, **more)


def leave(group: str, *members: tuple[str, str | None], version: int = 5) -> LeaveGroupRequest:
    if version < 3:
        return LeaveGroupRequest(group_id=group, member_id=members[0][0])
    identities = [MemberIdentity(member_id=each, group_instance_id=instance) for each, instance in members]
    return LeaveGroupRequest(group_id=group, members=identities)


def commit(
    talk: Talk,
    group: str,
    member_id: str = "",
    generation: int = -1,
    *,
    version: int = 9,
    topic: str = TOPIC,
    offsets: dict[int, int] | None = None,
    text: str = "",
    **more: Any,
) -> OffsetCommitRequest:
    partitions = [
        OffsetCommitRequestPartition(partition_index=index, committed_offset=offset, committed_metadata=text)
        for index, offset in (offsets or {0: 5}).items()
    ]
    made = OffsetCommitRequestTopic(name=topic, partitions=partitions)
    if version >= 10:
        made.name, made.topic_id = "", talk.topic_id if topic == TOPIC else bytes([9]) * 16
    return OffsetCommitRequest(
        group_id=group, member_id=member_id, generation_id_or_member_epoch=generation, topics=[made], **more
    )


def fetch(
    talk: Talk, group: str, *, version: int, partitions: list[int] | None = None, topic: str = TOPIC, **more: Any
) -> OffsetFetchRequest:
    if version < 8:
        topics = None if partitions is None else [OffsetFetchRequestTopic(name=topic, partition_indexes=partitions)]
        return OffsetFetchRequest(group_id=group, topics=topics, **more)
    asked = None
    if partitions is not None:
        one = OffsetFetchRequestTopics(name=topic, partition_indexes=partitions)
        if version >= 10:
            one.name, one.topic_id = "", talk.topic_id if topic == TOPIC else bytes([9]) * 16
        asked = [one]
    return OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=asked)], **more)


def stable(talk: Talk, who: str, group: str, **more: Any) -> tuple[str, int]:
    """A member alone in its group, in version 9 and 5."""
    joined = talk.ask(who, join(group, **more), 9)
    if joined.error_code == 79:
        joined = talk.ask(who, join(group, joined.member_id, **more), 9)
    instance = more.get("group_instance_id")
    talk.ask(
        who,
        sync(group, joined.member_id, joined.generation_id, joined.member_id, group_instance_id=instance),
        5,
    )
    return joined.member_id, joined.generation_id


# ---- scenes


def lives(talk: Talk) -> None:
    """One member's whole life, in each version."""
    for version in range(10):
        group = f"life-{version}"
        joined = talk.ask("a", join(group), version)
        if joined.error_code == 79:
            joined = talk.ask("a", join(group, joined.member_id), version)
        me, generation = joined.member_id, joined.generation_id
        talk.ask("a", commit(talk, group, me, generation, version=max(2, version)), max(2, version), "too early")
        talk.ask("a", sync(group, me, generation, me), min(version, 5))
        talk.ask("a", beat(group, me, generation), min(version, 4))
        talk.ask("a", commit(talk, group, me, generation, version=version + 1), version + 1) if version else None
        talk.ask("a", DescribeGroupsRequest(groups=[group]), min(version, 6))
        talk.ask("a", leave(group, (me, None), version=min(version, 5)), min(version, 5))
        talk.ask("a", DescribeGroupsRequest(groups=[group]), min(version, 6))
        talk.ask("a", beat(group, me, generation), min(version, 4), "after it has left")
        talk.ask("a", sync(group, me, generation, me), min(version, 5), "after it has left")
        talk.ask("a", join(group, me), version, "after it has left")


def refusals(talk: Talk) -> None:
    for note, request in {
        "no group id": join(""),
        "session too short": join("r", session_timeout_ms=1),
        "session too long": join("r", session_timeout_ms=2_000_000),
        "stranger": join("r", "stranger"),
        "no protocols": join("r1", protocols=()),
        "no protocol type": join("r2", protocol_type=""),
        "stranger of a group that is there": join("r1", "stranger"),
    }.items():
        talk.ask("a", request, 9, note)
    talk.ask("a", DescribeGroupsRequest(groups=["r", "r1"]), 6)
    me, generation = stable(talk, "a", "r1")
    for version in (0, 4, 5):
        talk.ask("b", join("r1", protocols=(("other", b""),)), version, "other protocol")
        talk.ask("b", join("r1", protocol_type="connect"), version, "other protocol type")
    for version in range(6):
        talk.ask("a", sync("r1", me, generation + 1), version, "next generation")
        talk.ask("a", sync("r1", "stranger", generation), version, "stranger")
        talk.ask("a", sync("none", me, generation), version, "no such group")
        talk.ask("a", sync("", me, generation), version, "no group id")
    talk.ask("a", sync("r1", me, generation, protocol_name="other"), 5, "other protocol")
    talk.ask("a", sync("r1", me, generation, protocol_type="other"), 5, "other type")
    talk.ask("a", sync("r1", me, generation, protocol_type=None), 5, "no type")
    for version in range(5):
        talk.ask("a", beat("r1", me, generation - 1), version, "last generation")
        talk.ask("a", beat("r1", "stranger", generation), version, "stranger")
        talk.ask("a", beat("none", me, generation), version, "no such group")
        talk.ask("a", beat("", me, generation), version, "no group id")
    talk.ask("a", beat("r1", me, generation, group_instance_id="i"), 4, "instance id of nobody")
    for version in range(6):
        talk.ask("a", leave("r1", ("stranger", None), version=version), version, "stranger")
        talk.ask("a", leave("none", ("stranger", None), version=version), version, "no such group")
        talk.ask("a", leave("", ("stranger", None), version=version), version, "no group id")
    talk.ask("a", leave("r1", ("stranger", None), ("", "i"), ("", None), (me, "i")), 5, "several")
    talk.ask("a", leave("r1"), 5, "nobody")


def two_members(talk: Talk) -> None:
    """Who is told what while a second member joins."""
    a, generation = stable(talk, "a", "two")
    b = talk.ask("b", join("two"), 9).member_id
    talk.ask("a", beat("two", a, generation), 4, "one is only pending")
    talk.send("b", join("two", b), 9)
    deadline = time.monotonic() + 60
    while talk.ask("a", beat("two", a, generation), 4, "b joins").error_code == 0:
        talk.lines.pop()
        assert time.monotonic() < deadline
    talk.ask("a", commit(talk, "two", a, generation), 9, "while b joins")
    talk.ask("a", sync("two", a, generation), 5, "while b joins")
    talk.ask("a", DescribeGroupsRequest(groups=["two"]), 5)
    talk.ask("a", DeleteGroupsRequest(groups_names=["two"]), 2)
    talk.send("a", join("two", a), 9)
    joined = talk.hear("a", ApiKey.JOIN_GROUP, 9)
    talk.hear("b", ApiKey.JOIN_GROUP, 9)
    generation = joined.generation_id
    talk.ask("a", beat("two", a, generation), 4, "between join and sync")
    talk.ask("a", commit(talk, "two", a, generation), 9, "between join and sync")
    talk.ask("b", join("two", b), 9, "again, unchanged")
    talk.ask("a", DescribeGroupsRequest(groups=["two"]), 5)
    talk.send("b", sync("two", b, generation), 5)
    talk.ask("a", sync("two", a, generation, a, b), 5)
    talk.hear("b", ApiKey.SYNC_GROUP, 5)
    talk.ask("b", sync("two", b, generation), 5, "again")
    talk.ask("b", join("two", b), 9, "again, unchanged, not the leader")
    talk.ask("a", DescribeGroupsRequest(groups=["two"], include_authorized_operations=True), 5)
    talk.ask("b", leave("two", (b, None)), 5)
    talk.ask("a", beat("two", a, generation), 4, "b has left")
    talk.ask("a", join("two", a), 9)


def static_members(talk: Talk) -> None:
    a, generation = stable(talk, "a", "static", group_instance_id="one")
    again = talk.ask("a", join("static", group_instance_id="one"), 9, "it is back").member_id
    talk.ask("a", beat("static", a, generation, group_instance_id="one"), 4, "by its old id")
    talk.ask("a", sync("static", a, generation, group_instance_id="one"), 5, "by its old id")
    talk.ask("a", join("static", a, group_instance_id="one"), 9, "by its old id")
    talk.ask("a", commit(talk, "static", a, generation, group_instance_id="one"), 9, "by its old id")
    talk.ask("a", leave("static", (a, "one")), 5, "by its old id")
    talk.ask("a", beat("static", again, generation, group_instance_id="one"), 4)
    talk.ask("a", beat("static", again, generation), 4, "without its instance id")
    talk.ask("a", sync("static", again, generation, group_instance_id="one"), 5)
    talk.ask("a", commit(talk, "static", again, generation, group_instance_id="one"), 9)
    talk.ask("a", join("static", group_instance_id="one"), 8, "before a leader need not assign")
    talk.ask("a", DescribeGroupsRequest(groups=["static"]), 6)
    talk.ask("a", leave("static", ("", "two"), ("", "one")), 5, "by an administrator")
    talk.ask("a", DescribeGroupsRequest(groups=["static"]), 6)


def pending_members(talk: Talk) -> None:
    pending = talk.ask("q", join("pending"), 9).member_id
    talk.ask("q", beat("pending", pending, 0), 4)
    talk.ask("q", sync("pending", pending, 0), 5)
    talk.ask("q", DescribeGroupsRequest(groups=["pending"]), 6)
    talk.ask("q", join("pending", pending, group_instance_id="i"), 9, "static all of a sudden")
    talk.apart(
        "(error_code=25 generation_id=-1 skip_assignment=False member_id=<q1>)",
        "Apache Kafka meets a state that it had not expected and answers UNKNOWN_SERVER_ERROR",
    )
    talk.ask("q", leave("pending", (pending, None)), 5)
    talk.ask("q", join("pending", pending), 9, "after it has left")


def full_group(talk: Talk) -> None:
    a, _ = stable(talk, "a", "full", protocols=(("range", b""),))
    others = ["b", "c"]
    for who in others:
        talk.send(who, join("full", protocols=(("range", b""),)), 3)
    deadline = time.monotonic() + 60
    described = DescribeGroupsRequest(groups=["full"])
    while len(talk.ask("a", described, 5).groups[0].members) < 3:
        talk.lines.pop()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    talk.lines.pop()
    joined = talk.ask("a", join("full", a, protocols=(("range", b""),)), 9)
    talk.lines.pop()  # the members' ids are not known yet
    talk.tell("a", ApiKey.JOIN_GROUP, 9, joined.error_code)
    for who in others:
        talk.hear(who, ApiKey.JOIN_GROUP, 3)
    talk.ask("d", join("full", protocols=(("range", b""),)), 9, "one too many")
    talk.ask("d", join("full", protocols=(("range", b""),)), 3, "one too many")
    talk.ask("a", join("full", a, protocols=(("range", b""),)), 9, "one who is in it").members.sort(key=repr)


def committed_offsets(talk: Talk) -> None:
    for version in range(2, 11):
        offsets = {0: version, 1: 10 * version, 7: 1}
        talk.ask("a", commit(talk, "simple", version=version, offsets=offsets, text="note"), version)
        talk.ask("a", commit(talk, "simple", version=version, topic="no-such-topic"), version)
        talk.ask("a", commit(talk, "nobody", "m", 3, version=version), version, "a member of a group that is not there")
        talk.ask("a", commit(talk, "simple", "m", 3, version=version), version, "a member of an empty group")
        talk.ask("a", commit(talk, "simple", version=version, text="x" * 101), version, "too long")
        talk.ask("a", commit(talk, "simple", version=version, text="é" * 100), version, "not too long")
    talk.ask("a", commit(talk, "", version=9), 9, "no group id")
    for version in range(1, 11):
        talk.ask("a", fetch(talk, "simple", version=version, partitions=[0, 1, 2, 7]), version)
        talk.ask("a", fetch(talk, "simple", version=version, partitions=[0], topic="no-such-topic"), version)
        talk.ask("a", fetch(talk, "nobody", version=version, partitions=[0]), version, "no such group")
        if version >= 2:
            talk.ask("a", fetch(talk, "simple", version=version), version, "all")
            talk.ask("a", fetch(talk, "nobody", version=version), version, "all, no such group")
        if version >= 7:
            talk.ask("a", fetch(talk, "simple", version=version, partitions=[0], require_stable=True), version)
    talk.ask("a", fetch(talk, "", version=9, partitions=[0]), 9, "no group id")
    me, generation = stable(talk, "a", "owned")
    for version in (2, 8, 9, 10):
        talk.ask("a", commit(talk, "owned", version=version), version, "without membership")
        talk.ask("a", commit(talk, "owned", me, version=version), version, "without generation")
        talk.ask("a", commit(talk, "owned", "", generation, version=version), version, "without member id")
        talk.ask("a", commit(talk, "owned", me, generation + 1, version=version), version, "next generation")
        talk.ask("a", commit(talk, "owned", me, generation, version=version), version)


def delete_offsets(group: str, *partitions: int, topic: str = TOPIC) -> OffsetDeleteRequest:
    asked = [OffsetDeleteRequestPartition(partition_index=index) for index in partitions]
    return OffsetDeleteRequest(group_id=group, topics=[OffsetDeleteRequestTopic(name=topic, partitions=asked)])


def administration(talk: Talk) -> None:
    talk.ask("a", commit(talk, "old", offsets={0: 1, 1: 2}), 9)
    talk.ask("a", delete_offsets("old", 0, 2, 7), 0)
    talk.ask("a", delete_offsets("old", 0, topic="no-such-topic"), 0)
    talk.ask("a", delete_offsets("none", 0), 0)
    talk.ask("a", delete_offsets("", 0), 0)
    talk.ask("a", fetch(talk, "old", version=9), 9)
    me, generation = stable(talk, "a", "new")
    talk.ask("a", commit(talk, "new", me, generation), 9)
    talk.ask("a", delete_offsets("new", 0), 0, "subscribed to")
    other = stable(talk, "b", "connect", protocol_type="connect")
    talk.ask("b", delete_offsets("connect", 0), 0, "members of another kind")
    for version in range(7):
        groups = ["old", "new", "none", ""]
        talk.ask("a", DescribeGroupsRequest(groups=groups, include_authorized_operations=version >= 3), version)
    for version in range(3):
        talk.ask("a", DeleteGroupsRequest(groups_names=["new", "none", "none"]), version)
    talk.ask("a", DeleteGroupsRequest(groups_names=["old", ""]), 2)
    talk.ask("a", leave("connect", (other[0], None)), 5)
    talk.ask("a", DeleteGroupsRequest(groups_names=["connect", "connect"]), 2)


def coordinators(talk: Talk) -> None:
    for version in range(7):
        many = version >= 4
        talk.ask("a", FindCoordinatorRequest(**({"coordinator_keys": ["x", "y"]} if many else {"key": "x"})), version)
        if version:
            bad = {"coordinator_keys": ["x"]} if many else {"key": "x"}
            if version < 6:
                talk.ask("a", FindCoordinatorRequest(key_type=2, **bad), version, "share")


def lists(talk: Talk) -> None:
    """By states and types; of the groups of this scene alone."""
    stable(talk, "a", "listed-live")
    talk.ask("a", commit(talk, "listed-simple"), 9)
    talk.ask("a", join("listed-new"), 9)
    for version in range(6):
        for states in ([], ["Stable"], ["stable", "EMPTY"], ["NoSuchState"]) if version >= 4 else ([],):
            for types in ([], ["Classic"], ["consumer"], ["NoSuchType"]) if version >= 5 else ([],):
                talk.send("a", ListGroupsRequest(states_filter=states, types_filter=types), version)
                answer = talk.receive("a", ApiKey.LIST_GROUPS, version)
                answer.groups = [each for each in answer.groups if each.group_id.startswith("listed-")]
                talk.tell("a", ApiKey.LIST_GROUPS, version, answer, f"{states} {types}")


SCENES: dict[str, Callable[[Talk], None]] = {
    "lives": lives,
    "refusals": refusals,
    "two-members": two_members,
    "static-members": static_members,
    "pending-members": pending_members,
    "full-group": full_group,
    "committed-offsets": committed_offsets,
    "administration": administration,
    "coordinators": coordinators,
    "lists": lists,
}


@pytest.mark.parametrize("scene", SCENES)
def test_answers_are_those_of_apache_kafka(talk: Talk, scene: str) -> None:
    SCENES[scene](talk)
    compare(talk, f"groups-{scene}")

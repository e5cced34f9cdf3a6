"""Groups whose members come, go and die, by each protocol and assignor, with our broker and with Apache Kafka.

Method: three members run in one event loop and note what they read; a test waits until they share as they should. After
each poll it is checked that no partition has two readers. Members that leave commit before, so a record is read twice
only if its reader has died.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from group_members import SETTINGS, Member, produce, until

from pykafka_core.client.admin import create_topic
from pykafka_core.client.cluster import Client
from pykafka_core.client.errors import KafkaError
from pykafka_core.client.group import GroupMember, GroupSettings
from pykafka_core.client.groups import committed_offsets, describe_group
from pykafka_core.client.membership import make_member
from pykafka_core.protocol.errors import ErrorCode

PROTOCOLS = {
    "range": SETTINGS,
    "sticky": GroupSettings(heartbeat_interval_ms=100, session_timeout_ms=3000, assignors=("sticky",)),
    "cooperative": GroupSettings(heartbeat_interval_ms=100, session_timeout_ms=3000, assignors=("cooperative-sticky",)),
    "consumer": GroupSettings(is_classic=False, assignors=()),
    "consumer, range": GroupSettings(is_classic=False, assignors=(), server_assignor="range"),
}
# Where one member dies: to wait for the end of its session takes its time.
DEADLY = [("address", "cooperative"), ("address", "consumer")]
PARTITIONS = [0, 1, 2, 3, 4, 5]


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=["ours", "kafka"])
def cluster(request: pytest.FixtureRequest) -> tuple[str, int]:
    found: tuple[str, int] = request.getfixturevalue("address" if request.param == "ours" else "kafka_address")
    return found


def share(*members: Member) -> bool:
    """Whether all is shared out evenly; and never is anything shared by two."""
    held = sorted(index for member in members for index in member.partitions)
    assert len(set(held)) == len(held), [member.partitions for member in members]
    sizes = [len(member.partitions) for member in members]
    return held == PARTITIONS and max(sizes) - min(sizes) <= 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("broker", "protocol"),
    [*(("address", each) for each in PROTOCOLS), ("kafka_address", "cooperative"), ("kafka_address", "consumer")],
)
async def test_partitions_move_as_members_come_go_and_die(
    broker: str, protocol: str, request: pytest.FixtureRequest
) -> None:
    cluster: tuple[str, int] = request.getfixturevalue(broker)
    settings, topic, group = PROTOCOLS[protocol], unique("moving"), unique("movers")
    async with Client([cluster]) as client:
        await create_topic(client, topic, partition_count=6)
        await produce(client, topic, 0, 60, 6)
        first = Member(client, topic, group, settings)
        await until(lambda: share(first), first)
        second = Member(client, topic, group, settings)
        await until(lambda: share(first, second), first, second)
        before = {*first.partitions}, {*second.partitions}
        third = Member(client, topic, group, settings)
        everyone = (first, second, third)
        await until(lambda: share(*everyone), *everyone)
        if protocol not in ("range", "consumer, range"):
            assert {*first.partitions} < before[0], "each keeps what it had, but what the newcomer gets"
            assert {*second.partitions} < before[1]
        await produce(client, topic, 60, 120, 6)
        wanted = sorted(b"%d" % number for number in range(120))
        await until(lambda: sorted(first.values + second.values + third.values) == wanted, *everyone)
        description = await describe_group(client, group)
        assert description.group_type == ("Consumer" if protocol.startswith("consumer") else "Classic")

        await third.close()
        await until(lambda: share(first, second), first, second)
        await (second.kill() if (broker, protocol) in DEADLY else second.close())
        await until(lambda: share(first), first)
        await produce(client, topic, 120, 180, 6)
        await until(lambda: {b"%d" % number for number in range(120, 180)} <= {*first.values}, first)
        await first.close()
        offsets = await committed_offsets(client, group)
        assert {place: each.offset for place, each in offsets.items()} == {(topic, index): 30 for index in range(6)}
        assert (await describe_group(client, group)).state == "Empty"


async def test_a_static_member_of_the_newer_protocol_comes_back_to_its_partitions(cluster: tuple[str, int]) -> None:
    topic, group = unique("static"), unique("group")
    async with Client([cluster]) as admin:
        await create_topic(admin, topic, partition_count=4)

        def member(instance: str) -> GroupMember:
            settings = GroupSettings(is_classic=False, assignors=(), group_instance_id=instance)
            return make_member(admin.another(), group, [topic], settings)

        async def settle(*members: GroupMember) -> None:
            async with asyncio.timeout(30):
                while any(len(each.assignment) != 2 or each.must_rejoin for each in members):
                    for each in members:
                        if each.must_rejoin:
                            await each.join()
                    await asyncio.sleep(0.02)

        one, two = member("i1"), member("i2")
        await one.join()
        await two.join()
        await settle(one, two)
        had = list(one.assignment)
        with pytest.raises(KafkaError) as refused:
            await member("i1").join()
        assert refused.value.code == ErrorCode.UNRELEASED_INSTANCE_ID
        await one.leave()
        again = member("i1")
        assert await again.join() == had
        assert not two.must_rejoin
        assert {each.instance_id for each in (await describe_group(admin, group)).members} == {"i1", "i2"}
        await again.leave()
        await two.leave()


async def test_what_the_group_refuses_ends_a_member_of_the_newer_protocol(cluster: tuple[str, int]) -> None:
    topic, group = unique("refused"), unique("group")
    async with Client([cluster]) as client:
        await create_topic(client, topic, partition_count=1)
        member = Member(client, topic, group, GroupSettings(is_classic=False, assignors=(), server_assignor="best"))
        with pytest.raises(KafkaError, match=r"ServerAssignor best is not supported. Supported assignors: uniform, ra"):
            await asyncio.wait_for(member.task, 20)
        await member.consumer.close()


async def test_a_commit_by_one_who_is_no_member_any_more_is_not_sent(cluster: tuple[str, int]) -> None:
    topic, group = unique("lost"), unique("group")
    async with Client([cluster]) as admin, Client([cluster]) as own:
        await create_topic(admin, topic, partition_count=1)
        for settings in (SETTINGS, PROTOCOLS["consumer"]):
            member = make_member(own, group, [topic], settings)
            with pytest.raises(KafkaError) as refused:
                await member.commit({(topic, 0): 5})
            assert refused.value.code == ErrorCode.UNKNOWN_MEMBER_ID
        assert await committed_offsets(admin, group) == {}


async def test_whoever_goes_on_from_an_offset_waits_for_the_transaction_that_sets_it(cluster: tuple[str, int]) -> None:
    from pykafka_core.client.coordinators import TRANSACTION, call_coordinator, find_coordinator
    from pykafka_core.client.transactions import Transaction
    from pykafka_core.protocol.messages import add_offsets_to_txn_request as a
    from pykafka_core.protocol.messages import txn_offset_commit_request as m

    topic, group = unique("pending"), unique("group")
    async with Client([cluster]) as admin, Client([cluster]) as own:
        await create_topic(admin, topic, partition_count=1)
        transaction = Transaction(admin, unique("id"))
        await transaction.init()
        ids = {
            "transactional_id": transaction.transactional_id,
            "producer_id": transaction.producer_id,
            "producer_epoch": transaction.producer_epoch,
        }
        node = await find_coordinator(admin, transaction.transactional_id, key_type=TRANSACTION)
        added = await admin.call(a.AddOffsetsToTxnRequest(group_id=group, **ids), node_id=node.node_id, version_max=3)
        assert added.error_code == 0
        place = m.TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=7)
        body = m.TxnOffsetCommitRequest(
            group_id=group, topics=[m.TxnOffsetCommitRequestTopic(name=topic, partitions=[place])], **ids
        )

        def code_of(answer: Any) -> int:
            return int(answer.topics[0].partitions[0].error_code)

        # A broker that has just started loads what it coordinates.
        answer, _ = await call_coordinator(admin, group, body, code_of, what="TxnOffsetCommit", version_max=4)
        assert code_of(answer) == 0
        assert await committed_offsets(own, group) == {}
        asked = asyncio.create_task(committed_offsets(own, group, [(topic, 0)], require_stable=True))
        done, _ = await asyncio.wait([asked], timeout=0.3)
        assert not done
        await transaction.end(commit=True)
        assert (await asyncio.wait_for(asked, 20))[topic, 0].offset == 7

"""Members of a classic group: each partition has one owner, a member that leaves gives its partitions back, and what
was committed is where the next one goes on."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from pykafka_core.client.admin import create_topic
from pykafka_core.client.assignors import assign
from pykafka_core.client.cluster import Client
from pykafka_core.client.errors import KafkaError
from pykafka_core.client.group import GroupMember, GroupSettings
from pykafka_core.client.settings import SettingsError
from pykafka_core.protocol.errors import ErrorCode

SETTINGS = GroupSettings(session_timeout_ms=10_000, heartbeat_interval_ms=50)


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


async def until_rejoin(member: GroupMember) -> None:
    async with asyncio.timeout(10):
        while not member.must_rejoin:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_two_members_share_and_one_inherits(address: tuple[str, int]) -> None:
    topic, group_id = unique("shared"), unique("group")
    async with Client([address]) as admin, Client([address]) as one, Client([address]) as two:
        await create_topic(admin, topic, partition_count=4)
        first, second = GroupMember(one, group_id, [topic], SETTINGS), GroupMember(two, group_id, [topic], SETTINGS)
        assert len(await first.join()) == 4
        await first.commit({(topic, 0): 5, (topic, 3): 7})
        joining = asyncio.create_task(second.join())
        await until_rejoin(first)
        shares = await asyncio.gather(first.join(), joining)
        assert sorted([*shares[0], *shares[1]]) == [(topic, number) for number in range(4)]
        assert [len(share) for share in shares] == [2, 2]
        assert first.generation_id == second.generation_id > 1
        committed = await first.committed() | await second.committed()
        assert committed == {(topic, 0): 5, (topic, 3): 7}
        await first.leave()
        await until_rejoin(second)
        assert len(await second.join()) == 4
        await second.leave()


async def test_a_commit_of_an_old_generation_is_refused(address: tuple[str, int]) -> None:
    topic, group_id = unique("old"), unique("group")
    async with Client([address]) as admin, Client([address]) as one:
        await create_topic(admin, topic, partition_count=1)
        member = GroupMember(one, group_id, [topic], SETTINGS)
        await member.join()
        member.generation_id -= 1
        with pytest.raises(KafkaError) as refused:
            await member.commit({(topic, 0): 1})
        assert refused.value.code == ErrorCode.ILLEGAL_GENERATION
        await member.leave()


async def test_a_static_member_comes_back_without_a_rebalance(address: tuple[str, int]) -> None:
    topic, group_id = unique("static"), unique("group")
    settings = GroupSettings(session_timeout_ms=10_000, heartbeat_interval_ms=50, group_instance_id="i1")
    async with Client([address]) as admin:
        await create_topic(admin, topic, partition_count=2)
        generations = []
        for _ in range(2):
            async with Client([address]) as own:
                member = GroupMember(own, group_id, [topic], settings)
                assert len(await member.join()) == 2
                generations.append(member.generation_id)
                await member.leave()
        assert generations[0] == generations[1]


@pytest.mark.parametrize(
    ("protocol", "subscriptions", "counts", "shares"),
    [
        ("range", {"a": ["t", "u"], "b": ["t", "u"]}, {"t": 3, "u": 3}, {"a": "t0 t1 u0 u1", "b": "t2 u2"}),
        ("range", {"a": ["t"], "b": ["u"], "c": ["t"]}, {"t": 1, "u": 2}, {"a": "t0", "b": "u0 u1", "c": ""}),
        ("range", {"a": ["gone"]}, {}, {"a": ""}),
        ("roundrobin", {"a": ["t", "u"], "b": ["t", "u"]}, {"t": 3, "u": 3}, {"a": "t0 t2 u1", "b": "t1 u0 u2"}),
        (
            "roundrobin",
            {"a": ["t"], "b": ["t", "u"], "c": ["u"]},
            {"t": 2, "u": 2},
            {"a": "t0", "b": "t1 u1", "c": "u0"},
        ),
    ],
)
def test_partitions_are_shared_out_as_kafka_does(
    protocol: str, subscriptions: dict[str, list[str]], counts: dict[str, int], shares: dict[str, str]
) -> None:
    found = assign(protocol, subscriptions, counts)
    assert {member: " ".join(f"{topic}{index}" for topic, index in each) for member, each in found.items()} == shares


def test_an_assignor_that_is_not_known_is_refused() -> None:
    assert GroupSettings.load({}).assignors == ("range", "cooperative-sticky")
    with pytest.raises(SettingsError, match=r"partition\.assignment\.strategy=org\.example\.Foo is not supported"):
        GroupSettings.load({"partition.assignment.strategy": "org.example.Foo"})

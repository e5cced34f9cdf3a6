"""Members of a group: who reads what, and what happens when one comes, goes or dies.

Method: several members run in one event loop against one broker; each notes what it was given, and a test waits until
the notes say what they should.
"""

from __future__ import annotations

import asyncio
import time

import pytest
from group_members import Member, produce, until

from pykafka_core.client.admin import create_partitions, create_topic
from pykafka_core.client.cluster import Client
from pykafka_core.client.consumer import ConsumerSettings
from pykafka_core.client.errors import KafkaError
from pykafka_core.client.group import GroupSettings
from pykafka_core.client.group_consumer import GroupConsumer
from pykafka_core.client.groups import committed_offsets
from pykafka_core.client.settings import ClientSettings


async def test_only_what_was_taken_is_committed(address: tuple[str, int]) -> None:
    async with Client([address]) as client:
        await create_topic(client, "taken", partition_count=1)
        await produce(client, "taken", 0, 10, 1)
        member = Member(client, "taken", "takers")
        member.task.cancel()
        records = []
        while len(records) < 10:
            records += await member.consumer.poll(5.0)
        for record in records[:4]:
            member.consumer.took(record)
        await member.consumer.close()
        offsets = await committed_offsets(client, "takers")
        assert [(each.offset, each.leader_epoch) for each in offsets.values()] == [(4, 0)]
        again = Member(client, "taken", "takers")
        await until(lambda: len(again.values) == 6, again)
        assert again.values[0] == b"4"
        await again.close()


async def test_partitions_that_are_added_are_shared_out(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pykafka_core.client.group_consumer.REFRESH_SECONDS", 0.2)
    async with Client([address]) as client:
        await create_topic(client, "growing", partition_count=1)
        member = Member(client, "growing", "growers")
        await until(lambda: member.partitions == [0], member)
        await create_partitions(client, {"growing": 3})
        await until(lambda: member.partitions == [0, 1, 2], member)
        await member.close()


async def test_a_group_with_another_client(address: tuple[str, int]) -> None:
    """librdkafka beside ours, with a leader of either kind."""
    confluent = pytest.importorskip("confluent_kafka")
    async with Client([address]) as client:
        await create_topic(client, "mixed", partition_count=4)
        theirs = confluent.Consumer(
            {
                "bootstrap.servers": f"{address[0]}:{address[1]}",
                "group.id": "mixed",
                "partition.assignment.strategy": "range",
                "heartbeat.interval.ms": 100,
                "session.timeout.ms": 6000,
            }
        )
        theirs.subscribe(["mixed"])
        member = Member(client, "mixed", "mixed")

        async def both_have_two() -> None:
            deadline = time.monotonic() + 40
            while not (len(member.partitions) == 2 and len(theirs.assignment()) == 2):
                await asyncio.to_thread(theirs.poll, 0.05)
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)

        await both_have_two()
        assert not {*member.partitions} & {each.partition for each in theirs.assignment()}
        await member.close()
        member = Member(client, "mixed", "mixed")
        await both_have_two()
        await asyncio.to_thread(theirs.close)
        await until(lambda: member.partitions == [0, 1, 2, 3], member)
        await member.close()


async def test_what_the_coordinator_refuses_ends_the_member(address: tuple[str, int]) -> None:
    async with Client([address], ClientSettings(default_api_timeout_ms=5000)) as client:

        async def topics() -> list[str]:
            return ["refused"]

        await create_topic(client, "refused", partition_count=1)
        consumer = GroupConsumer(client, "refused", ConsumerSettings(), GroupSettings(session_timeout_ms=1), topics)
        with pytest.raises(KafkaError) as caught:
            await consumer.poll(5.0)
        assert caught.value.code.name == "INVALID_SESSION_TIMEOUT"
        await consumer.close()

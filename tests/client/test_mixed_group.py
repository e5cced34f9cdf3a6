"""Members of ours and of Java's client in one group share as Kafka's assignors say, whoever of them leads.

Method: ours and Java's GroupMember read one topic in turns of who is there first, and so leads. A sticky leader must
understand the user data of the other kind: a member keeps all of its partitions but those that the newcomer gets.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from group_members import Member, produce, until

from harness import broker as brokers
from harness import groups, jars
from harness.presence import MissingError, absent
from pykafka_core.client.admin import create_topic
from pykafka_core.client.cluster import Client
from pykafka_core.client.group import GroupSettings

STRATEGIES = {
    "cooperative-sticky": "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
    "sticky": "org.apache.kafka.clients.consumer.StickyAssignor",
}


@pytest.fixture
def broker(tmp_path: Path, address: tuple[str, int]) -> brokers.Broker:
    """The session's broker, in the shape that the harness wants."""
    try:
        jars.compile_programs()
    except MissingError as missing:
        absent(str(missing))
    found = brokers.OurBroker(tmp_path / "broker")
    found.port = address[1]
    return found


@pytest.mark.timeout(180)
@pytest.mark.parametrize("assignor", STRATEGIES)
async def test_each_keeps_what_it_can(
    assignor: str, broker: brokers.Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = f"java-{assignor}"
    monkeypatch.setattr(groups, "TOPIC", group)
    monkeypatch.setattr(groups, "GROUP", group)
    monkeypatch.setitem(groups.JAVA_SETTINGS, group, f"partition.assignment.strategy={STRATEGIES[assignor]}")
    settings = GroupSettings(heartbeat_interval_ms=100, session_timeout_ms=6000, assignors=(assignor,))
    async with Client([broker.address]) as client:
        await create_topic(client, group, partition_count=6)
        await produce(client, group, 0, 60, 6)
        first = Member(client, group, group, settings)
        await until(lambda: first.partitions == [0, 1, 2, 3, 4, 5], first)
        theirs = groups.Member(group, broker, tmp_path, 0)
        try:
            # Ours leads, and makes room for Java's.
            await until(lambda: len(first.partitions) == 3 and len(theirs.assigned) == 3, first)
            assert not theirs.assigned & {*first.partitions}
            java_had, had = theirs.assigned, {*first.partitions}
            second = Member(client, group, group, settings)
            await until(lambda: [len(first.partitions), len(second.partitions), len(theirs.assigned)] == [2] * 3, first)
            assert {*first.partitions} < had
            assert theirs.assigned < java_had
            # Ours that leads goes, and the oldest left takes over; then Java's is alone, and leads.
            await first.close()
            java_had, had = theirs.assigned, {*second.partitions}
            await until(lambda: len(second.partitions) == 3 and len(theirs.assigned) == 3, second)
            assert theirs.assigned > java_had
            assert {*second.partitions} > had
            await second.close()
            await until(lambda: len(theirs.assigned) == 6)
            third = Member(client, group, group, settings)
            await until(lambda: len(third.partitions) == 3 and len(theirs.assigned) == 3, third)
            had = {*third.partitions}
            fourth = Member(client, group, group, settings)
            await until(lambda: [len(third.partitions), len(fourth.partitions), len(theirs.assigned)] == [2] * 3, third)
            assert {*third.partitions} < had, "Java's assignor knows what ours had"
            await fourth.close()
            await third.close()
        finally:
            theirs.kill()

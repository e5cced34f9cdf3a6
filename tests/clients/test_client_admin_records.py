"""Goal: what an administrator stored with us is there when Apache Kafka starts on our directory, and the other way.

Method: quotas, SCRAM credentials, configs of every kind, and a replica that was moved, through our own client; then our
broker stops and Apache Kafka goes on from the same two log directories, is asked the same questions, changes what it
was left, and stops; ours opens what it left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from test_client_metadata_log import kafka

from harness import jars
from harness.broker import OURS_BIN, OurBroker
from harness.presence import MissingError, absent
from pykafka_core.client.admin import SET, create_topic, describe_configs, describe_log_dirs, incremental_alter_configs
from pykafka_core.client.admin_partitions import alter_replica_log_dirs
from pykafka_core.client.admin_quotas import (
    ScramMechanism,
    alter_client_quotas,
    alter_user_scram_credentials,
    describe_client_quotas,
    describe_user_scram_credentials,
)
from pykafka_core.client.cluster import Client
from pykafka_core.client.consumer import EARLIEST, Consumer, ConsumerSettings
from pykafka_core.client.producer import Producer, ProducerSettings
from tests.ports import free_ports

pytestmark = [pytest.mark.row("kafka-dump-log"), pytest.mark.timeout(300)]

T = TypeVar("T")
ALICE, USERS, HOST = (("user", "alice"),), (("user", None),), (("ip", "10.0.0.1"),)
BOTH = (("client-id", "c"), ("user", "alice"))
TOPIC, BROKER, CLIENT_METRICS, GROUP = 2, 4, 16, 32
CONFIGS = {
    (TOPIC, "moved"): [("retention.ms", "1234567")],
    (BROKER, "1"): [("log.cleaner.backoff.ms", "1234")],
    (BROKER, ""): [("log.retention.bytes", "99999999")],
    (CLIENT_METRICS, "m"): [("interval.ms", "1000"), ("match", "client_id=a.*"), ("metrics", "org.apache.kafka")],
    (GROUP, "g"): [("consumer.session.timeout.ms", "50000"), ("share.isolation.level", "read_committed")],
}
QUOTAS: dict[Any, dict[str, float | None]] = {
    ALICE: {"producer_byte_rate": 1048576.0},
    BOTH: {"consumer_byte_rate": 2097152.0, "request_percentage": 50.5},
    USERS: {"controller_mutation_rate": 1000.5},
    HOST: {"connection_creation_rate": 33.0},
}


def ask(address: tuple[str, int], questions: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        async with Client([address]) as client:
            await client.metadata([])
            return await questions(client)

    return asyncio.run(run())


class TwoDirectories(OurBroker):
    """Ours, with the listeners, ids and directories that Apache Kafka will find in its own configuration."""

    def __init__(self, directory: Path, ports: tuple[int, int]) -> None:
        super().__init__(directory)
        self.port, self.controller_port = ports

    def command(self) -> list[str]:
        settings = {
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "node.id": "1",
            "log.dirs": f"{self.data / 'a'},{self.data / 'b'}",
        }
        words = (word for item in settings.items() for word in ("--override", "=".join(item)))
        return [str(OURS_BIN / "pykafka-core"), "start", *words]


async def store(client: Client) -> str:
    """Store all of it, and move a replica; returns the directory it was moved to."""
    await create_topic(client, "moved", partition_count=1)
    producer = Producer(client, ProducerSettings())
    for number in range(1000):
        await producer.send("moved", b"%d" % number)
    await producer.close()
    assert set((await alter_client_quotas(client, QUOTAS)).values()) == {None}
    passwords = [("alice", ScramMechanism.SCRAM_SHA_256, "pw", 8192), ("bob", ScramMechanism.SCRAM_SHA_512, "pw", 4096)]
    assert set((await alter_user_scram_credentials(client, set_=passwords)).values()) == {None}
    await incremental_alter_configs(
        client, {key: [(name, SET, value) for name, value in pairs] for key, pairs in CONFIGS.items()}
    )
    here = await place(client)
    (directories,) = (await describe_log_dirs(client, [1])).values()
    (there,) = [each.log_dir for each in directories if each.log_dir != here]
    assert await alter_replica_log_dirs(client, 1, {("moved", 0): there}) == {("moved", 0): None}
    while await place(client) != there:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return there


async def place(client: Client) -> str | None:
    """The directory of the replica that is not on its way."""
    (directories,) = (await describe_log_dirs(client, [1])).values()
    for directory in directories:
        for topic in directory.topics:
            if topic.name == "moved" and not topic.partitions[0].is_future_key:
                found: str = directory.log_dir
                return found
    return None


async def answers(client: Client) -> dict[str, Any]:
    """What is stored, in a form that does not depend on the order."""
    found = await describe_configs(client, CONFIGS)
    consumer = Consumer(client, ConsumerSettings(reset_to=EARLIEST))
    consumer.assign({("moved", 0): EARLIEST})
    values: list[bytes | None] = []
    while len(values) < 1000 and (records := await consumer.poll(5.0)):
        values += [each.record.value for each in records]
    await consumer.close()
    return {
        "quotas": {tuple(sorted(key, key=str)): value for key, value in (await describe_client_quotas(client)).items()},
        "scram": await describe_user_scram_credentials(client),
        "configs": {
            key: {each.name: each.value for each in entries if each.name in dict(CONFIGS[key])}
            for key, entries in found.items()
        },
        "records": values,
        "place": await place(client),
    }


def test_kafka_goes_on_with_what_was_administered(tmp_path: Path) -> None:
    try:
        jars.require()
    except MissingError as missing:
        absent(str(missing))
    broker, controller = free_ports(2)
    ours = TwoDirectories(tmp_path, (broker, controller))
    ours.start()
    try:
        there = ask(ours.address, store)
        before = ask(ours.address, answers)
    finally:
        assert ours.stop() == 0
    assert before["place"] == there
    assert len(before["records"]) == 1000
    assert before["configs"] == {key: dict(pairs) for key, pairs in CONFIGS.items()}
    assert before["quotas"] == {tuple(sorted(key, key=str)): value for key, value in QUOTAS.items()}

    async def change(client: Client) -> None:
        changed: dict[Any, dict[str, float | None]] = {
            ALICE: {"producer_byte_rate": None},
            USERS: {"request_percentage": 7.0},
        }
        assert set((await alter_client_quotas(client, changed)).values()) == {None}
        dropped = [("bob", ScramMechanism.SCRAM_SHA_512)]
        assert set((await alter_user_scram_credentials(client, delete=dropped)).values()) == {None}
        await incremental_alter_configs(client, {(GROUP, "g"): [("consumer.session.timeout.ms", SET, "55000")]})

    with kafka(ours.data, (broker, controller)):
        assert ask(ours.address, answers) == before
        ask(ours.address, change)
        deadline = time.monotonic() + 60
        while ALICE in (now := ask(ours.address, answers))["quotas"]:
            assert time.monotonic() < deadline

    ours.start()
    try:
        after = ask(ours.address, answers)
    finally:
        assert ours.stop() == 0
    assert ALICE not in after["quotas"]
    assert after["quotas"][USERS] == {"controller_mutation_rate": 1000.5, "request_percentage": 7.0}
    assert list(after["scram"]) == ["alice"]
    assert after["configs"][GROUP, "g"]["consumer.session.timeout.ms"] == "55000"
    assert (after["records"], after["place"]) == (now["records"], there)

"""Goal: a consumer group of a stock client shares a topic, outlives a member and the broker, and loses nothing.

Method: members are processes (members/member.py, member.js, java/GroupMember.java) that write down what they are
assigned, what they have processed and which commits were acknowledged. While a producer writes numbered records into
six partitions: two members, then three; one is killed, one leaves, the broker is killed and started again. In the end
every number was seen, each partition is committed to its end, and what was committed at any moment was never beyond
what had been processed, nor behind an acknowledged commit.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import jars
from harness.broker import Broker
from harness.clients import ALL, Client
from harness.clients.kafkajs_client import MODULES
from harness.requests import create_topic, end_offsets
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.messages.describe_groups_request import DescribeGroupsRequest
from pykafka_core.protocol.messages.offset_fetch_request import OffsetFetchRequest, OffsetFetchRequestTopic

pytestmark = [pytest.mark.row("consumer groups"), pytest.mark.timeout(240)]

MEMBERS = Path(__file__).resolve().parent / "members"
TOPIC, GROUP, PARTITIONS = "shared", "group", 6
SESSION_MS = 3_000
RATE = 150
WAIT_S = 60
JAVA_COOPERATIVE = "partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
KINDS = ["confluent-kafka", "confluent-cooperative", "kafka-python", "aiokafka", "kafkajs", "java", "java-cooperative"]


def client_of(kind: str) -> Client:
    name = {"confluent-cooperative": "confluent-kafka", "java-cooperative": "java"}.get(kind, kind)
    return next(client for client in ALL if client.name == name)


def await_that(condition: Callable[[], Any], what: str, seconds: float = WAIT_S) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not after {seconds} s"
        time.sleep(0.02)


class Member:
    def __init__(self, kind: str, broker: Broker, folder: Path, number: int) -> None:
        self.out = folder / f"member-{number}"
        self.errors = folder / f"member-{number}.err"
        common = [broker.bootstrap, TOPIC, GROUP, str(self.out), str(SESSION_MS)]
        environment = dict(os.environ)
        if kind == "kafkajs":
            command = ["node", str(MEMBERS / "member.js"), *common]
            environment |= {"NODE_MODULES": str(MODULES), "NODE_NO_WARNINGS": "1"}
        elif kind.startswith("java"):
            more = [JAVA_COOPERATIVE] if kind == "java-cooperative" else []
            command = [*jars.JVM, "-cp", jars.classpath(), "GroupMember", *common, *more]
        else:
            command = [sys.executable, str(MEMBERS / "member.py"), kind, *common]
        self.out.touch()
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=environment
            )

    def lines(self, letter: str) -> list[list[str]]:
        text = self.out.read_text()
        whole = text[: text.rfind("\n") + 1]  # one that was killed may have left half a line
        return [line.split(" ") for line in whole.splitlines() if line.startswith(letter)]

    @property
    def assigned(self) -> set[int]:
        lines = self.lines("A")
        return {int(each) for each in lines[-1][1].split(",") if each} if lines else set()

    def processed(self) -> dict[int, int]:
        """The offset behind the last processed record of each partition."""
        ends: dict[int, int] = {}
        for _, partition, offset, _ in self.lines("R"):
            ends[int(partition)] = max(ends.get(int(partition), 0), int(offset) + 1)
        return ends

    def committed(self) -> dict[int, int]:
        return {int(partition): int(offset) for _, partition, offset in self.lines("C")}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def leave(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class Load:
    """Numbers, one after the other, at a steady rate, until it is stopped."""

    def __init__(self, bootstrap: str) -> None:
        self.count = 0
        self._bootstrap = bootstrap
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        from confluent_kafka import Producer

        producer = Producer({
            "bootstrap.servers": self._bootstrap, "linger.ms": 5, "enable.idempotence": True,
            "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 50,
        })  # fmt: skip
        while not self._stopping.wait(1 / RATE):
            producer.produce(TOPIC, str(self.count).encode(), partition=self.count % PARTITIONS)
            producer.poll(0)
            self.count += 1
        assert producer.flush(60) == 0

    def stop(self) -> int:
        self._stopping.set()
        self._thread.join()
        return self.count


def call(broker: Broker, key: ApiKey, version: int, body: Any) -> Any:
    with socket.create_connection(broker.address, 10) as connection, connection.makefile("rb") as answers:
        connection.sendall(encode_request(key, version, 1, "test", body, with_length=True))
        size = int.from_bytes(answers.read(4), "big")
        return decode_response(key, version, answers.read(size))[1]


def committed(broker: Broker) -> dict[int, int]:
    asked = [OffsetFetchRequestTopic(name=TOPIC, partition_indexes=list(range(PARTITIONS)))]
    answer = call(broker, ApiKey.OFFSET_FETCH, 7, OffsetFetchRequest(group_id=GROUP, topics=asked))
    assert answer.error_code == 0
    return {each.partition_index: each.committed_offset for each in answer.topics[0].partitions}


def described(broker: Broker) -> Any:
    return call(broker, ApiKey.DESCRIBE_GROUPS, 5, DescribeGroupsRequest(groups=[GROUP])).groups[0]


def share_all(members: list[Member]) -> bool:
    """Every partition has just one owner, and nobody is without."""
    shares = [member.assigned for member in members]
    return all(shares) and sorted(each for share in shares for each in share) == list(range(PARTITIONS))


@pytest.fixture
def members() -> Iterator[list[Member]]:
    made: list[Member] = []
    yield made
    for member in made:
        member.process.kill()
        member.process.wait()


def check_commits(broker: Broker, everybody: list[Member]) -> None:
    """Commits are neither lost nor ahead of what was processed."""
    acknowledged: dict[int, int] = {}
    for member in everybody:
        for partition, offset in member.committed().items():
            acknowledged[partition] = max(acknowledged.get(partition, -1), offset)
    found = committed(broker)
    processed: dict[int, int] = {}
    for member in everybody:
        for partition, end in member.processed().items():
            processed[partition] = max(processed.get(partition, 0), end)
    for partition, offset in found.items():
        assert offset >= acknowledged.get(partition, -1), f"an acknowledged commit of partition {partition} is lost"
        assert offset <= processed.get(partition, 0), f"partition {partition} is committed beyond what was processed"


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_lives_on(
    kind: str,
    present: Callable[[Client], Client],
    own_broker: Callable[..., Broker],
    members: list[Member],
    tmp_path: Path,
) -> None:
    present(client_of(kind))
    if kind.startswith("java"):
        jars.compile_programs()
    broker = own_broker(
        group_min_session_timeout_ms=500, group_initial_rebalance_delay_ms=100, offsets_topic_num_partitions=5
    )
    create_topic(broker.address, TOPIC, PARTITIONS)
    load = Load(broker.bootstrap)
    try:
        members += [Member(kind, broker, tmp_path, number) for number in range(2)]
        await_that(lambda: share_all(members), "two members share the topic")
        members.append(Member(kind, broker, tmp_path, 2))
        await_that(lambda: share_all(members), "three members share the topic")
        await_that(lambda: all(member.committed() for member in members), "all of them commit")
        assert (described(broker).group_state, len(described(broker).members)) == ("Stable", 3)

        victim, leaver, survivor = members
        victim.kill()
        check_commits(broker, members)
        await_that(lambda: share_all([leaver, survivor]), "two take over from the one that was killed")

        leaver.leave()
        assert len(described(broker).members) == 1, "who has left is in its group no more, at once"
        await_that(lambda: survivor.assigned == set(range(PARTITIONS)), "the last one has all")
        before = survivor.lines("A")
        await_that(lambda: described(broker).group_state == "Stable", "the group comes to rest")

        assert broker.process
        broker.process.kill()
        broker.process.wait()
        broker.start()
        await_that(lambda: described(broker).error_code == 0, "the groups are loaded")
        again = described(broker)
        assert (again.group_state, len(again.members)) == ("Stable", 1)
        check_commits(broker, members)
        seen = len(survivor.lines("R"))
        await_that(lambda: len(survivor.lines("R")) > seen, "it goes on after the broker's death")
    finally:
        count = load.stop()
    numbers = {str(number) for number in range(count)}
    await_that(
        lambda: {line[3] for member in members for line in member.lines("R")} >= numbers, "every record is seen"
    )
    ends = end_offsets(broker.address, TOPIC)
    assert sum(ends.values()) == count
    await_that(lambda: committed(broker) == ends, "all is committed")
    assert survivor.lines("A") == before, "the death of the broker made a rebalance"
    check_commits(broker, members)

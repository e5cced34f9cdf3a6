"""Consumer groups of stock clients, from outside: members as processes, a steady load, and what the broker says.

Members are members/member.py, member.js and java/GroupMember.java; their output is described in member.py.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import jars
from harness.broker import Broker
from harness.clients import ALL, Client
from harness.clients.kafkajs_client import MODULES
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.list_groups_request import ListGroupsRequest
from pykafka_core.protocol.messages.offset_fetch_request import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
)

MEMBERS = Path(__file__).resolve().parent.parent / "members"
TOPIC, GROUP, PARTITIONS = "shared", "group", 6
SESSION_MS = 3_000
RATE = 150
WAIT_S = 60
COORDINATOR_NOT_READY = {14, 15, 16}
JAVA_SETTINGS = {
    "java-cooperative": "partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
    "java-consumer": "group.protocol=consumer",
}


def client_of(kind: str) -> Client:
    name = next((name for name in ("java", "confluent") if kind.startswith(name)), kind)
    name = "confluent-kafka" if name == "confluent" else name
    return next(client for client in ALL if client.name == name)


def prepare(kind: str, present: Callable[[Client], Client]) -> None:
    """What members of this kind need is here, or the test ends."""
    present(client_of(kind))
    if kind.startswith("java"):
        jars.compile_programs()


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
        # A JVM on a busy machine takes its time to find the broker again.
        session_ms = 2 * SESSION_MS if kind.startswith("java") else SESSION_MS
        common = [broker.bootstrap, TOPIC, GROUP, str(self.out), str(session_ms)]
        environment = dict(os.environ)
        if kind == "kafkajs":
            command = ["node", str(MEMBERS / "member.js"), *common]
            environment |= {"NODE_MODULES": str(MODULES), "NODE_NO_WARNINGS": "1"}
        elif kind.startswith("java"):
            more = [JAVA_SETTINGS[kind]] if kind in JAVA_SETTINGS else []
            command = [*jars.program("GroupMember"), *common, *more]
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
        self.process.wait(60)


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
    with socket.create_connection(broker.address, 60) as connection, connection.makefile("rb") as answers:
        connection.sendall(encode_request(key, version, 1, "test", body, with_length=True))
        size = int.from_bytes(answers.read(4), "big")
        return decode_response(key, version, answers.read(size))[1]


def await_coordinators(broker: Broker, groups: list[str]) -> None:
    """Until each of the groups has a coordinator that has loaded it. Apache Kafka takes over its partitions of
    __consumer_offsets one by one, and ListGroups answers without an error and without those not yet taken over."""
    asked = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=name, topics=None) for name in groups])

    def ready() -> bool:
        # This one creates the topic where there is none yet.
        found = call(broker, ApiKey.FIND_COORDINATOR, 3, FindCoordinatorRequest(key=groups[0])).error_code
        fetched = call(broker, ApiKey.OFFSET_FETCH, 9, asked).groups
        listed = call(broker, ApiKey.LIST_GROUPS, 5, ListGroupsRequest()).error_code
        return not {found, listed, *(each.error_code for each in fetched)} & COORDINATOR_NOT_READY

    await_that(ready, "the coordinators have loaded the groups")


def committed(broker: Broker) -> dict[int, int]:
    asked = [OffsetFetchRequestTopic(name=TOPIC, partition_indexes=list(range(PARTITIONS)))]
    answer = call(broker, ApiKey.OFFSET_FETCH, 7, OffsetFetchRequest(group_id=GROUP, topics=asked))
    assert answer.error_code == 0
    return {each.partition_index: each.committed_offset for each in answer.topics[0].partitions}


def share_all(members: list[Member]) -> bool:
    """Every partition has just one owner, and nobody is without."""
    shares = [member.assigned for member in members]
    return all(shares) and sorted(each for share in shares for each in share) == list(range(PARTITIONS))


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


def plain(value: Any) -> Any:
    """A message in lists and dicts, in an order that does not depend on hash tables."""
    if isinstance(value, list):
        return sorted((plain(each) for each in value), key=repr)
    if hasattr(type(value), "FIELDS"):
        return {name: plain(getattr(value, name)) for name, *_ in type(value).FIELDS}
    return value

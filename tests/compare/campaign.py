"""Apache Kafka and our broker are told the same, and must answer the same.

    PYTHONPATH=tests/clients python -m tests.compare.campaign SECONDS [--seed N]

Both start on copies of one log directory, so that topics have the same ids. Each round is the life of two new consumer
groups (group_life.py): every answer is compared, and so is what ConsumerGroupDescribe says of both groups after it.
Between rounds a topic gets another partition. The first difference ends the campaign with status 1, the fields that
differ, the requests before it, and the seed, which repeats the rounds from the first.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from harness.broker import ApacheKafka, OurBroker
from harness.groups import await_that, plain
from harness.presence import MissingError
from pykafka_core.protocol._codec import decode
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.consumer_group_describe_request import ConsumerGroupDescribeRequest
from pykafka_core.protocol.messages.consumer_protocol_assignment import ConsumerProtocolAssignment
from pykafka_core.protocol.messages.create_partitions_request import CreatePartitionsRequest, CreatePartitionsTopic
from pykafka_core.protocol.messages.create_topics_request import CreatableTopic, CreateTopicsRequest
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.list_groups_request import ListGroupsRequest
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.protocol.messages.sync_group_response import SyncGroupResponse
from tests.broker.raw_client import RawClient
from tests.compare.group_life import SESSION_MS, GroupLife

TOPICS: Final = {"t0": 3, "t1": 5, "t2": 1, "u0": 4, "u1": 7}
STEPS: Final = 150
PARTITIONS_MAX: Final = 24
REMEMBERED: Final = 8
SETTINGS: Final[dict[str, str | int]] = {
    "node_id": 1, "offsets_topic_num_partitions": 3, "group_consumer_assignment_interval_ms": 0,
    "group_consumer_max_session_timeout_ms": SESSION_MS, "group_consumer_session_timeout_ms": SESSION_MS,
}  # fmt: skip


class Difference(Exception):
    """Two answers that should be one."""


class Pair:
    """A connection to each, and the requests of late."""

    def __init__(self, kafka: RawClient, ours: RawClient) -> None:
        self.clients = {"kafka": kafka, "ours": ours}
        self.recent: deque[str] = deque(maxlen=REMEMBERED)
        self.requests = 0

    def ask(self, request: Message, version: int) -> Any:
        answers = [client.call(request, version) for client in self.clients.values()]
        seen = [comparable(answer) for answer in answers]
        self.requests += 1
        if not isinstance(request, ConsumerGroupDescribeRequest):
            self.recent.append(f"{request} -> {seen[0]}")
        if seen[0] != seen[1]:
            differing = [f"{where}: kafka {kafka!r}, ours {ours!r}" for where, kafka, ours in differences(*seen)]
            raise Difference("\n".join([f"{type(request).__name__} v{version}", *differing, "after:", *self.recent]))
        return answers[0]

    def partitions(self) -> list[dict[str, tuple[bytes, int]]]:
        found = [client.call(MetadataRequest(topics=None), 12) for client in self.clients.values()]
        return [{t.name: (t.topic_id, len(t.partitions)) for t in each.topics if t.name in TOPICS} for each in found]


def comparable(answer: Message) -> Any:
    """Without the order that a hash table has given it, which also reaches the bytes of a classic assignment."""
    seen = plain(answer)
    seen.pop("throttle_time_ms", None)
    if isinstance(answer, SyncGroupResponse) and answer.assignment:
        assert answer.assignment[:2] == b"\0\3"
        seen["assignment"] = plain(decode(ConsumerProtocolAssignment, 3, answer.assignment, 2)[0])
    return seen


def differences(kafka: Any, ours: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(kafka, dict) and isinstance(ours, dict):
        for name in kafka:
            yield from differences(kafka[name], ours[name], f"{where}.{name}")
    elif isinstance(kafka, list) and isinstance(ours, list) and len(kafka) == len(ours):
        for index, (one, other) in enumerate(zip(kafka, ours, strict=True)):
            yield from differences(one, other, f"{where}[{index}]")
    elif kafka != ours:
        yield where, kafka, ours


def await_groups(client: RawClient) -> None:
    def loaded() -> bool:
        found = client.call(FindCoordinatorRequest(coordinator_keys=["any"]), 4).coordinators[0]
        return not found.error_code and not client.call(ListGroupsRequest(), 5).error_code

    await_that(loaded, "the groups are loaded")


def same_directories(folder: Path) -> tuple[ApacheKafka, OurBroker]:
    """Two brokers, not started, that know the same topics."""
    kafka, ours = ApacheKafka(folder / "kafka", **SETTINGS), OurBroker(folder / "ours", **SETTINGS)
    ours.start()
    try:
        with RawClient(ours.bootstrap) as client:
            topics = [CreatableTopic(name=n, num_partitions=c, replication_factor=1) for n, c in TOPICS.items()]
            client.call(CreateTopicsRequest(timeout_ms=10_000, topics=topics), 7)
            await_groups(client)
    finally:
        ours.stop()
    shutil.copytree(ours.data, kafka.data)
    kafka.write_properties()
    return kafka, ours


def grow(pair: Pair, chance: random.Random) -> dict[str, int]:
    """One partition more for one topic. Returns what all have."""
    counts = {name: count for name, (_, count) in pair.partitions()[0].items()}
    name = chance.choice(sorted(counts))
    if counts[name] < PARTITIONS_MAX:
        counts[name] += 1
        grown = CreatePartitionsTopic(name=name, count=counts[name], assignments=None)
        answer = pair.ask(CreatePartitionsRequest(timeout_ms=10_000, topics=[grown]), 3)
        assert answer.results[0].error_code == 0, answer
        await_that(lambda: all(each[name][1] == counts[name] for each in pair.partitions()), "the partition is known")
        time.sleep(0.3)  # Kafka's coordinator hears of it after Metadata does, and nothing shows when
    return counts


def play(pair: Pair, chance: random.Random, number: int) -> None:
    counts = grow(pair, chance)
    ids = {name: topic_id for name, (topic_id, _) in pair.partitions()[0].items()}
    life = GroupLife(chance, f"round-{number}", ids, counts)

    def ask(request: Message, version: int) -> Any:
        answer = pair.ask(request, version)
        pair.ask(ConsumerGroupDescribeRequest(group_ids=life.groups), 1)
        return answer

    for step in range(STEPS):
        life.step(ask)
        if step == STEPS // 2:
            life.partitions = grow(pair, chance)


def compare(seconds: float, seed: int, folder: Path) -> int:
    kafka, ours = same_directories(folder)
    rounds, began = 0, time.monotonic()
    try:
        kafka.start()
        ours.start()
        with RawClient(kafka.bootstrap) as one, RawClient(ours.bootstrap) as other:
            pair = Pair(one, other)
            for client in (one, other):
                await_groups(client)
            assert pair.partitions()[0] == pair.partitions()[1]
            while rounds == 0 or time.monotonic() - began < seconds:
                try:
                    play(pair, random.Random(f"{seed}/{rounds}"), rounds)
                except Difference as found:
                    print(f"compare: seed {seed}, round {rounds}: {found}")
                    return 1
                rounds += 1
            print(f"compare: {pair.requests} answers in {rounds} rounds, seed {seed}: no difference")
    finally:
        kafka.stop()
        ours.stop()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        try:
            return compare(said.seconds, said.seed, Path(folder))
        except MissingError as missing:
            print(f"compare: NOT RUN: {missing}")
            return 0


if __name__ == "__main__":
    sys.exit(main())

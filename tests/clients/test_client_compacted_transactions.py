"""Goal: Apache Kafka goes on with transactional logs that our cleaner has compacted, and we with what it leaves.

Method: transactions of several producers over a few keys of a compacted topic, committed and aborted, with offsets of
groups in them, and one that stays open while others go on behind it. Segments are cut by time, and our cleaner goes
through the topic, __transaction_state and __consumer_offsets. Apache Kafka starts on the directory: a stock consumer of
committed records finds the last value of each key up to the open transaction, the open one is ended there, and then
everything is found; Kafka's cleaner has its turn, and all of it goes back to ours.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from harness.broker import ApacheKafka, Broker, OurBroker, handed_over
from harness.groups import await_that
from harness.requests import create_topic
from pykafka_core.log import Log
from pykafka_core.protocol.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from pykafka_core.records import BatchHeader, batches
from tests.broker.raw_client import RawClient
from tests.broker.transactional_client import E, Producer, coordinated, group_offset

pytestmark = [pytest.mark.usefixtures("kafka_is_here"), pytest.mark.row("transactions"), pytest.mark.timeout(300)]

TOPIC = "accounts"
COMPACTED = (TOPIC, "__transaction_state", "__consumer_offsets")
KEYS = [b"key-%d" % number for number in range(12)]
SEGMENT_MS = 50
SETTINGS: dict[str, str | int] = {
    "node_id": 1, "offsets_topic_num_partitions": 1, "transaction_state_log_num_partitions": 1,
    "transaction_state_log_replication_factor": 1, "transaction_state_log_min_isr": 1,
    "offsets_topic_replication_factor": 1, "group_initial_rebalance_delay_ms": 0, "log_cleaner_backoff_ms": 100,
    "log_cleaner_min_cleanable_ratio": "0.01",
}  # fmt: skip

Values = dict[bytes, bytes | None]


class Story:
    """What producers did, and what must be seen of it."""

    def __init__(self, client: RawClient, seed: int) -> None:
        self.client = client
        self.chance = random.Random(seed)
        self.producers = [Producer(client, f"writer-{number}", 1 + number % 2) for number in range(3)]
        self.waiting = Producer(client, "waiting")
        self.committed: Values = {}
        self.offsets = 0
        """The groups' last committed one."""
        self.number = 0

    def transact(self, producer: Producer, *, commit: bool) -> None:
        written = self.write(producer, self.chance.sample(KEYS, self.chance.randint(1, 4)))
        self.number += 1
        if producer.version == 1:
            assert producer.add_group("readers") == 0
        assert producer.send_offset("readers", TOPIC, self.number) == 0
        assert producer.end(commit=commit) == 0
        if commit:
            self.committed |= written
            self.offsets = self.number

    def write(self, producer: Producer, keys: Iterable[bytes]) -> Values:
        written: Values = {}
        for key in keys:
            value = None if self.chance.random() < 0.1 else b"%s %d" % (key, self.number)
            if producer.version == 1:
                await_that(lambda: producer.add(TOPIC, 0) == [0], "the partition is in the transaction")
            now_ms = time.time_ns() // 1_000_000
            assert producer.produce(TOPIC, value, key=key, timestamp=now_ms) == 0
            written[key] = value
        return written

    def go_on(self, transactions: int) -> None:
        for _ in range(transactions):
            self.transact(self.chance.choice(self.producers), commit=self.chance.random() < 0.7)

    def move_to(self, client: RawClient) -> None:
        self.client = client
        for each in (*self.producers, self.waiting):
            each.client = client


def cut_by_time(broker: Broker, topics: Iterable[str]) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    entry = ConfigEntry("segment.ms", str(SEGMENT_MS), incremental_operation=AlterConfigOpType.SET)
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry]) for name in topics]
    for future in admin.incremental_alter_configs(resources).values():
        future.result(30)


def read(broker: Broker) -> Values:
    """The last value of each key, as a stock consumer of committed records gets them."""
    consumer = Consumer({
        "bootstrap.servers": broker.bootstrap, "group.id": "nobody", "isolation.level": "read_committed",
        "enable.partition.eof": True, "enable.auto.commit": False, "check.crcs": True,
    })  # fmt: skip
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    found: Values = {}
    deadline = time.monotonic() + 60
    while True:
        message = consumer.poll(1.0)
        assert time.monotonic() < deadline
        if message is None:
            continue
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            break
        found[message.key()] = message.value()
    consumer.close()
    return found


def alive(values: Values) -> Values:
    """Without tombstones, which may be gone or not."""
    return {key: value for key, value in values.items() if value is not None}


def cleaned_to(broker: Broker) -> dict[str, int]:
    try:
        lines = (broker.data / "cleaner-offset-checkpoint").read_text().splitlines()[2:]
    except FileNotFoundError:
        return {}
    return {topic: int(offset) for topic, _, offset in (line.split(" ") for line in lines)}


def await_cleaning(broker: Broker, story: Story, wanted: dict[str, int]) -> None:
    """Until the cleaner has come so far. What is active is not cleaned, and only appending makes it inactive."""

    deadline = time.monotonic() + 60
    while any(cleaned_to(broker).get(topic, 0) < offset for topic, offset in wanted.items()):
        assert time.monotonic() < deadline, f"the cleaner has come to {cleaned_to(broker)}, not to {wanted}"
        story.transact(story.producers[0], commit=False)


def missing_offsets(broker: Broker, topic: str, copy: Path) -> int:
    """How many offsets of a log are in no batch's records: what a cleaner has taken. The broker is not running."""
    shutil.copytree(broker.data / f"{topic}-0", copy)
    with Log(copy, clean=True) as log:
        end, offset, records = log.log_end_offset, log.log_start_offset, 0
        while offset < end and (data := log.read(offset)):
            for batch in batches(data):
                header = BatchHeader.load(batch)
                records += header.record_count
                offset = header.next_offset
    return int(end - records)


def latest(client: RawClient, isolation: int, replica: int = -1) -> int:
    wanted = ListOffsetsTopic(name=TOPIC, partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)])
    request = ListOffsetsRequest(replica_id=replica, isolation_level=isolation, topics=[wanted])
    (found,) = client.call(request, 7).topics[0].partitions
    assert found.error_code == 0
    return int(found.offset)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_kafka_goes_on_with_what_our_cleaner_left_and_back(tmp_path: Path, how: str) -> None:
    ours: Broker = OurBroker(tmp_path / "broker", **SETTINGS)
    kafka = handed_over(ours, ApacheKafka)
    try:
        ours.start()
        create_topic(ours.address, TOPIC, cleanup_policy="compact", segment_ms=SEGMENT_MS)
        with RawClient(ours.bootstrap) as client:
            coordinated(client, "readers")
            cut_by_time(ours, COMPACTED[1:])
            story = Story(client, seed=5)
            for each in (*story.producers, story.waiting):
                assert each.init() == 0
            story.go_on(80)
            before_open = dict(story.committed)
            held_at = latest(client, isolation=0)
            waiting = story.write(story.waiting, [*KEYS[:3], b"of the open one"])
            assert story.waiting.send_offset("held", TOPIC, 77) == 0
            story.go_on(40)
            # A segment is cleaned as a whole, and what is open is in one of them.
            await_cleaning(ours, story, {TOPIC: held_at // 2, "__transaction_state": 100, "__consumer_offsets": 50})
            assert latest(client, isolation=1) == held_at < latest(client, isolation=0)
            assert alive(read(ours)) == alive(before_open)
        if how == "stopped":
            ours.stop()
            taken = {topic: missing_offsets(ours, topic, tmp_path / topic) for topic in COMPACTED}
            assert min(taken.values()) > 20, taken
        else:
            ours.kill()

        kafka.start()
        with RawClient(kafka.bootstrap) as client:
            coordinated(client, "readers")
            story.move_to(client)
            ends = [latest(client, isolation=1), latest(client, 1, replica=1), latest(client, 0)]
            assert held_at == ends[0] < ends[1] == ends[2]
            assert alive(read(kafka)) == alive(before_open)
            check_groups(client, story, is_open=True)
            assert story.waiting.end(commit=True) == 0
            # It had written before what came after it committed.
            everything = before_open | waiting | changed_since(story.committed, before_open)
            story.committed = everything
            await_that(lambda: alive(read(kafka)) == alive(story.committed), "the open transaction has ended")
            check_groups(client, story, is_open=False)
            story.go_on(20)
            await_cleaning(kafka, story, {TOPIC: held_at + 10})
            await_that(lambda: alive(read(kafka)) == alive(story.committed), "what was done there is seen")
        kafka.stop()

        ours.start()
        with RawClient(ours.bootstrap) as client:
            coordinated(client, "readers")
            story.move_to(client)
            assert alive(read(ours)) == alive(story.committed)
            check_groups(client, story, is_open=False)
            story.go_on(20)
            await_that(lambda: alive(read(ours)) == alive(story.committed), "it goes on with ours")
            check_groups(client, story, is_open=False)
    finally:
        kafka.stop()
        ours.stop()


def changed_since(now: Values, before: Values) -> Values:
    return {key: value for key, value in now.items() if key not in before or before[key] != value}


def check_groups(client: RawClient, story: Story, *, is_open: bool) -> None:
    await_that(lambda: group_offset(client, "readers", TOPIC) == (0, story.offsets), "the last committed offset")
    held = (int(E.UNSTABLE_OFFSET_COMMIT), -1) if is_open else (0, 77)
    await_that(lambda: group_offset(client, "held", TOPIC) == held, f"the open transaction's offset: {held}")

"""The console consumer and the performance test as members of groups, by each protocol and assignor that Kafka's take.

Method: against our broker and Apache Kafka. What is refused is compared with what Kafka 4.3.1's console consumer said.
"""

from __future__ import annotations

import asyncio
import time
import uuid

import pytest

from four import assert_one_answer
from harness import broker as brokers
from pykafka_core.client.admin import create_topic
from pykafka_core.client.cluster import Client
from pykafka_core.client.consumer import Consumer, ConsumerSettings
from pykafka_core.client.producer import Producer
from running import Ran, run_inside, run_ours

NEW = ("--consumer-property", "group.protocol=consumer")
ASSIGNORS = "org.apache.kafka.clients.consumer."


@pytest.fixture(params=["ours", "kafka"])
def broker(request: pytest.FixtureRequest) -> brokers.Broker:
    found: brokers.Broker = request.getfixturevalue(request.param)
    return found


def fill(broker: brokers.Broker, topic: str, first: int, last: int, partitions: int = 3) -> None:
    where = ["--bootstrap-server", broker.bootstrap, "--topic", topic]
    run_inside("kafka-topics", *where, "--create", "--if-not-exists", "--partitions", str(partitions))
    text = "".join(f"{number}:{number}\n" for number in range(first, last))
    keyed = ("--property", "parse.key=true", "--property", "key.separator=:")
    assert run_ours("kafka-console-producer", *where, *keyed, stdin=text).status == 0


def read(broker: brokers.Broker, group_id: str, count: int, *words: str) -> list[int]:
    where = ["--bootstrap-server", broker.bootstrap, "--group", group_id, "--from-beginning"]
    ran = run_ours("kafka-console-consumer", *where, "--max-messages", str(count), "--timeout-ms", "20000", *words)
    assert (ran.status, ran.err) == (0, [f"Processed a total of {count} messages"]), ran
    return sorted(map(int, ran.out))


def group_type(broker: brokers.Broker, group_id: str) -> str:
    listed = run_inside("kafka-groups", "--bootstrap-server", broker.bootstrap, "--list")
    return next(line.split()[1] for line in listed.out if line.split()[0] == group_id)


@pytest.mark.parametrize(
    "words",
    [
        NEW,
        (*NEW, "--command-property", "group.remote.assignor=range"),
        ("--command-property", f"partition.assignment.strategy={ASSIGNORS}CooperativeStickyAssignor"),
        ("--command-property", f"partition.assignment.strategy={ASSIGNORS}StickyAssignor"),
    ],
)
def test_the_next_one_goes_on_where_the_last_one_stopped(words: tuple[str, ...], broker: brokers.Broker) -> None:
    topic = group_id = f"console-{uuid.uuid4().hex[:8]}"
    if "--consumer-property" in words and "--command-property" in words:
        words = tuple(word.replace("--consumer-property", "--command-property") for word in words)
    fill(broker, topic, 0, 10)
    assert read(broker, group_id, 10, "--topic", topic, *words) == list(range(10))
    fill(broker, topic, 10, 15)
    assert read(broker, group_id, 5, "--topic", topic, *words) == list(range(10, 15))
    assert group_type(broker, group_id) == ("Consumer" if NEW[1] in words else "Classic")
    described = run_inside(
        "kafka-consumer-groups", "--bootstrap-server", broker.bootstrap, "--describe", "--group", group_id
    )
    assert sum(int(line.split()[3]) for line in described.out if line.startswith(group_id)) == 15
    assert described.err == [f"Consumer group '{group_id}' has no active members."]


def test_topics_of_a_regular_expression_in_the_newer_protocol(broker: brokers.Broker) -> None:
    name = uuid.uuid4().hex[:8]
    for number in range(3):
        fill(broker, f"{name}-{number}", 10 * number, 10 * number + 4, partitions=1)
    assert read(broker, name, 8, "--include", f"{name}-[01]", *NEW) == [0, 1, 2, 3, 10, 11, 12, 13]


def test_a_static_member_of_the_newer_protocol(broker: brokers.Broker) -> None:
    topic = group_id = f"static-{uuid.uuid4().hex[:8]}"
    fill(broker, topic, 0, 6)
    words = ("--topic", topic, *NEW, "--consumer-property", "group.instance.id=one")
    assert read(broker, group_id, 6, *words) == list(range(6))
    members = run_inside("kafka-consumer-groups", "--bootstrap-server", broker.bootstrap, "--describe",
                         "--group", group_id, "--members")  # fmt: skip
    assert members.out[-1].split()[0] == group_id, "it has left for a while only"
    assert members.out[-1].split()[2] == "one"
    fill(broker, topic, 6, 8)
    assert read(broker, group_id, 2, *words) == [6, 7]


def test_the_performance_test_reads_by_the_newer_protocol(broker: brokers.Broker) -> None:
    topic = group_id = f"perf-{uuid.uuid4().hex[:8]}"
    fill(broker, topic, 0, 50)
    words = ["--bootstrap-server", broker.bootstrap, "--topic", topic, "--group", group_id, "--hide-header"]
    new = ["--command-property", "group.protocol=consumer"]
    ran = run_inside("kafka-consumer-perf-test", *words, "--num-records", "50", *new)
    assert (ran.status, len(ran.out), ran.err) == (0, 1, [])
    assert ran.out[0].split(", ")[4] == "50"
    assert group_type(broker, group_id) == "Consumer"
    fill(broker, topic, 50, 53)
    assert read(broker, group_id, 3, "--topic", topic, *NEW) == [50, 51, 52]


STORY = r"""
kafka-console-producer --topic starts << a\nb\n
kafka-console-consumer --topic starts --max-messages 2 --command-property auto.offset.reset=earliest
kafka-console-consumer --topic starts --max-messages 2 --command-property auto.offset.reset=by_duration:PT1H
kafka-console-consumer --topic starts --command-property auto.offset.reset=none
kafka-console-consumer --topic starts --command-property auto.offset.reset=by_duration:-PT1H
kafka-console-consumer --topic starts --command-property auto.offset.reset=sometime
kafka-console-consumer --topic starts --group starters --command-property auto.offset.reset=none
kafka-console-consumer --topic starts --group starters --max-messages 2 --from-beginning --command-property group.protocol=consumer
kafka-consumer-groups --describe --group starters
kafka-consumer-groups --describe --group starters --state
kafka-consumer-groups --delete --group starters
kafka-topics --delete --topic starts
"""  # noqa: E501


@pytest.mark.timeout(300)
def test_where_a_consumer_begins_is_told_alike_by_both(ours: brokers.Broker, kafka: brokers.Broker) -> None:
    assert_one_answer(STORY, ours, kafka)


def test_by_duration_leaves_out_what_is_older(ours: brokers.Broker) -> None:
    topic = f"ages-{uuid.uuid4().hex[:8]}"

    async def fill_and_read() -> list[bytes | None]:
        async with Client([ours.address]) as client:
            await create_topic(client, topic, partition_count=2)
            producer = Producer(client)
            now = time.time_ns() // 1_000_000
            for age, partition in ((7200, 0), (1800, 0), (7200, 1)):
                value = b"%d" % age
                await producer.send(topic, value, partition=partition, timestamp_ms=now - 1000 * age)
            await producer.close()
            settings = ConsumerSettings.load({"auto.offset.reset": "by_duration:PT1H"})
            consumer = Consumer(client, settings)
            assert settings.reset_to is not None
            consumer.assign({(topic, partition): settings.reset_to for partition in range(2)})
            found = await consumer.poll(5)
            # Where all is older, it begins behind the last one.
            assert consumer.position(topic, 1) == 1
            await consumer.close()
            return [each.record.value for each in found]

    assert asyncio.run(fill_and_read()) == [b"1800"]


def refused(*words: str) -> Ran:
    properties = [part for word in words for part in ("--command-property", word)]
    return run_ours("kafka-console-consumer", "--bootstrap-server", "localhost:1", "--topic", "t", "--group", "g",
                    *properties)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["group.protocol=foo"],
            "Invalid value foo for configuration group.protocol: String must be one of (case insensitive): CONSUMER, "
            "CLASSIC",
        ),
        (
            ["group.protocol=Consumer", "session.timeout.ms=10000"],
            "session.timeout.ms cannot be set when group.protocol=CONSUMER",
        ),
        (
            ["group.protocol=consumer", f"partition.assignment.strategy={ASSIGNORS}RangeAssignor"],
            "partition.assignment.strategy cannot be set when group.protocol=CONSUMER",
        ),
        (["group.remote.assignor=uniform"], "group.remote.assignor cannot be set when group.protocol=CLASSIC"),
    ],
)
def test_settings_of_the_other_protocol_are_refused(words: list[str], said: str) -> None:
    ran = refused(*words)
    assert ran.status == 1
    assert ran.err[1] == f"org.apache.kafka.common.config.ConfigException: {said}"

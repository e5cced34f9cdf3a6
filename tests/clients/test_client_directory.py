"""Goal: a log directory is Apache Kafka's and ours alike, whoever wrote it last and however that ended.

Method: one of the two brokers fills a directory: plain, compressed and compacted topics of several segments, deleted
records, topic configurations, a committed offset, an idempotent producer. It is stopped or killed, the other one starts
on the same directory, must show the same picture and go on, and is stopped or killed in its turn for the first to come
back. A picture is what clients can see: ids, configurations, every record with its offset and time, offsets by time,
log starts, committed offsets. (Groups and transactions have tests of their own.)
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource

from harness import jars
from harness.batch import build
from harness.broker import ApacheKafka, Broker, OurBroker, handed_over
from harness.groups import await_that
from harness.presence import MissingError, absent
from harness.requests import (
    EARLIEST,
    INIT_PRODUCER_ID,
    LATEST,
    LIST_OFFSETS,
    METADATA,
    PRODUCE,
    create_topic,
    init_producer_id,
    list_offsets,
    metadata,
    produce,
    read_init_producer_id,
    read_list_offsets,
    read_metadata,
    read_produce,
)
from harness.wire import Connection

pytestmark = [pytest.mark.row("directory"), pytest.mark.timeout(300)]

SEGMENT = 1 << 20  # Kafka's least
SETTINGS: dict[str, str | int] = {
    "log_cleaner_backoff_ms": 100,
    "offsets_topic_num_partitions": 3,
    "log_initial_task_delay_ms": 500,
    "log_retention_check_interval_ms": 500,
    "log_flush_start_offset_checkpoint_interval_ms": 200,
}
TOPICS = {"plain": 2, "zipped": 1, "compacted": 1, "trimmed": 1}
KEYS = 40


def end(broker: Broker, how: str) -> None:
    if how == "stopped":
        broker.stop()
    else:
        broker.kill()


def fill(broker: Broker) -> int:
    """Everything but what `go_on` adds. Returns the id of an idempotent producer that has written to plain-1."""
    create_topic(broker.address, "plain", 2, segment_bytes=SEGMENT, retention_ms=-1, max_message_bytes=700_000)
    create_topic(broker.address, "zipped", segment_bytes=SEGMENT, retention_ms=-1, compression_type="zstd")
    create_topic(
        broker.address,
        "compacted",
        cleanup_policy="compact",
        segment_bytes=SEGMENT,
        min_cleanable_dirty_ratio="0.01",
        delete_retention_ms=86400000,
    )
    create_topic(broker.address, "trimmed", segment_bytes=SEGMENT, retention_ms=-1)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        sender = Producer({"bootstrap.servers": broker.bootstrap, "compression.type": codec, "linger.ms": 20})
        for number in range(300):
            value = random.Random(f"{codec} {number}").randbytes(2000)
            sender.produce("plain", value, f"k{number}".encode(), partition=0, headers={"h": codec.encode()})
            sender.produce("zipped", value, f"k{number}".encode(), partition=0)
            sender.produce("trimmed", value, None, partition=0)
            sender.produce("compacted", value * 2, f"k{number % KEYS}".encode(), partition=0)
            if number % 50 == 49:
                sender.flush()
        assert sender.flush(30) == 0

    def new_id() -> tuple[int] | None:
        with Connection(broker.address) as wire:
            error, number, _ = read_init_producer_id(wire.call(INIT_PRODUCER_ID, 1, init_producer_id(1)))
        assert error in (0, 14)  # Kafka has to ask its controller first
        return None if error else (number,)

    (me,) = await_that(new_id, "a producer id")
    for sequence in range(3):
        assert put(broker, me, sequence) == (0, sequence)
    return int(me)


def put(broker: Broker, producer_id: int, sequence: int) -> tuple[int, int]:
    batch = build(producer_id=producer_id, producer_epoch=0, base_sequence=sequence)
    with Connection(broker.address) as wire:
        (answer,) = read_produce(wire.call(PRODUCE, 8, produce(8, "plain", batch, partition=1)), 8)
    return answer.error, answer.base_offset


def settle(broker: Broker) -> None:
    """Until compaction has come as far as it will, records are deleted, and an offset is committed."""
    ends = [0, -1]

    def compacted() -> bool:
        ends.append(len(records(broker, "compacted", 0)))
        return ends[-1] == ends[-2] < 1400

    await_that(compacted, "compaction", 60)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    (deleted,) = admin.delete_records([TopicPartition("trimmed", 0, 777)]).values()
    assert deleted.result(30).low_watermark == 777
    # Apache Kafka would forget it if it were killed before this.
    starts = broker.data / "log-start-offset-checkpoint"
    await_that(lambda: "trimmed 0 777" in starts.read_text(), "the log start on disk")
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "readers"})
    consumer.commit(offsets=[TopicPartition("plain", 0, 123, metadata="half-way")], asynchronous=False)
    consumer.close()


def records(broker: Broker, topic: str, partition: int) -> list[tuple[Any, ...]]:
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": "nobody", "enable.auto.commit": False, "check.crcs": True,
         "enable.partition.eof": True, "auto.offset.reset": "error"}
    )  # fmt: skip
    first, last = consumer.get_watermark_offsets(TopicPartition(topic, partition), 30)
    consumer.assign([TopicPartition(topic, partition, first)])
    found: list[tuple[Any, ...]] = []
    while True:
        message = consumer.poll(30)
        assert message is not None, f"{topic}-{partition} ends after {found[-1:]}, not at {last}"
        problem = message.error()
        if problem is not None:
            assert problem.code() == KafkaError._PARTITION_EOF, problem
            break
        found.append((message.offset(), message.timestamp(), message.key(), message.value(), message.headers()))
    consumer.close()
    return [(first, last), *found]


def picture(broker: Broker) -> dict[str, Any]:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    seen: dict[str, Any] = {}
    with Connection(broker.address) as wire:
        described = read_metadata(wire.call(METADATA, 12, metadata(12, list(TOPICS))), 12)
        seen["cluster"] = described.cluster_id
        seen["ids"] = {topic.name: (topic.topic_id, sorted(topic.partitions)) for topic in described.topics}
        for topic, partitions in TOPICS.items():
            for partition in range(partitions):
                all_records = seen[topic, partition] = records(broker, topic, partition)
                if topic == "compacted":
                    continue  # it may have gone on: see check_same
                times = sorted({record[1][1] for record in all_records[1:]})
                wanted = [EARLIEST, LATEST, -3, *times[:: max(1, len(times) // 20)]]
                for timestamp in wanted:
                    body = list_offsets(7, topic, [(partition, timestamp)])
                    (listed,) = read_list_offsets(wire.call(LIST_OFFSETS, 7, body), 7).values()
                    seen[topic, partition, timestamp] = (listed.error, listed.offset, listed.timestamp)
    for topic in TOPICS:
        (answer,) = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
        seen["config", topic] = {name: e.value for name, e in answer.result(30).items() if e.source == 1}
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "readers"})
    (committed,) = consumer.committed([TopicPartition("plain", 0)], 30)
    consumer.close()
    seen["committed"] = (committed.offset, committed.metadata)
    return seen


def go_on(broker: Broker, producer_id: int, sequence: int) -> None:
    """The idempotent producer is known, with its last batch, and everything can be written to."""
    assert put(broker, producer_id, sequence - 1) == (0, sequence - 1), "a duplicate is known again"
    assert put(broker, producer_id, sequence + 1)[0] == 45, "and so is what comes next"
    assert put(broker, producer_id, sequence) == (0, sequence)
    sender = Producer({"bootstrap.servers": broker.bootstrap, "compression.type": "lz4"})
    for topic in TOPICS:
        for number in range(20):
            sender.produce(topic, b"more" * 500, f"k{number}".encode(), partition=0)
    assert sender.flush(30) == 0


def check_same(seen: dict[str, Any], before: dict[str, Any]) -> None:
    assert seen.keys() == before.keys()
    for what, was in before.items():
        if what == ("compacted", 0):
            check_compacted(seen[what], was)
            continue
        assert seen[what] == was, f"{what} is another: {str(seen[what])[:300]} and not {str(was)[:300]}"


def check_compacted(seen: list[tuple[Any, ...]], before: list[tuple[Any, ...]]) -> None:
    """The last record of each key, at its offset, and nothing that was not there before."""
    assert seen[0] == before[0]
    assert {record[2]: record for record in seen[1:]} == {record[2]: record for record in before[1:]}
    known = {record[0]: record for record in before[1:]}
    assert all(known.get(record[0]) == record for record in seen[1:])


@pytest.mark.parametrize("how", ["stopped", "killed"])
@pytest.mark.parametrize("first", [ApacheKafka, OurBroker])
def test_either_broker_goes_on_where_the_other_ended(tmp_path: Path, first: type[Broker], how: str) -> None:
    try:
        jars.require()
    except MissingError as missing:
        absent(str(missing))
    giver = first(tmp_path / "broker", **SETTINGS)
    taker = handed_over(giver, OurBroker if first is ApacheKafka else ApacheKafka)
    sequence = 3
    try:
        giver.start()
        me = fill(giver)
        settle(giver)
        before = picture(giver)
        assert len(list(giver.data.glob("plain-0/*.log"))) > 1
        assert before["plain", 0][0] == (0, 1500)
        assert before["trimmed", 0][0][0] == 777
        assert before["committed"] == (123, "half-way")
        end(giver, how)
        for broker in (taker, giver):
            broker.start()
            time.sleep(1)  # for retention and compaction to do harm, if they will
            check_same(picture(broker), before)
            go_on(broker, me, sequence)
            sequence += 1
            await_that(lambda broker=broker: len(records(broker, "compacted", 0)) < 1400, "compaction", 60)
            before = picture(broker)
            end(broker, how)
    finally:
        giver.stop()
        taker.stop()

"""Goal: Fetch, ListOffsets, Metadata and CreateTopics answer as Apache Kafka 4.3.1 does, at the edges too.

Method: as in test_recorded_answers.py: raw frames, expectations recorded from Apache Kafka, `differs` where the broker
under test means to differ. Error numbers: 1 offset out of range, 3 unknown topic or partition, 17 invalid topic,
35 unsupported version, 36 topic exists, 37 bad partitions, 38 bad replication factor, 42 invalid request,
70 unknown fetch session, 75 unknown leader epoch, 100 unknown topic id.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator

import pytest

from harness import broker as brokers
from harness.batch import Batch, build, encode_record, parse
from harness.broker import Broker
from harness.requests import (
    CREATE_TOPICS,
    EARLIEST,
    EARLIEST_LOCAL,
    EARLIEST_PENDING,
    FETCH,
    LATEST,
    LATEST_TIERED,
    LIST_OFFSETS,
    MAX_TIMESTAMP,
    METADATA,
    NO_ID,
    PRODUCE,
    Created,
    Fetched,
    Listed,
    MetadataAnswer,
    await_leaders,
    create_topic,
    create_topics,
    fetch,
    list_offsets,
    metadata,
    produce,
    read_create_topics,
    read_fetch,
    read_list_offsets,
    read_metadata,
    read_produce,
)
from harness.wire import Connection

pytestmark = pytest.mark.row("recorded reads")
NAMES = (f"reads-{number}" for number in itertools.count())
LONG_AGO = 1_700_000_000_000


def differs(*, kafka: int, ours: int) -> int:
    return kafka if brokers.TARGET == "kafka" else ours


@pytest.fixture
def wire(broker: Broker) -> Iterator[Connection]:
    with Connection(broker.address) as connection:
        yield connection


@pytest.fixture
def topic(broker: Broker) -> str:
    name = next(NAMES)
    create_topic(broker.address, name, retention_ms=-1)
    return name


def put(wire: Connection, topic: str, *batches: bytes) -> None:
    for batch in batches:
        (answer,) = read_produce(wire.call(PRODUCE, 8, produce(8, topic, batch)), 8)
        assert answer.error == 0


def sized(size: int) -> bytes:
    """One batch of one record that takes `size` bytes in all."""
    content = size - 61 - len(encode_record(b"x" * 200)) + 200
    batch = build([b"x" * content])
    assert len(batch) == size
    return batch


def get(wire: Connection, topic: str | bytes, offset: int, version: int = 4, **options: int) -> Fetched:
    answer = read_fetch(wire.call(FETCH, version, fetch(version, [(topic, 0, offset)], **options)), version)
    assert answer.error == 0
    (partition,) = answer.partitions
    return partition


def batches(fetched: Fetched) -> list[Batch]:
    return parse(fetched.records)[0]


def listed(wire: Connection, topic: str, timestamp: int, version: int, leader_epoch: int = -1) -> Listed:
    body = list_offsets(version, topic, [(0, timestamp)], leader_epoch=leader_epoch)
    return read_list_offsets(wire.call(LIST_OFFSETS, version, body), version)[0]


def described(wire: Connection, version: int, topics: list[str | bytes] | None, **options: bool) -> MetadataAnswer:
    return read_metadata(wire.call(METADATA, version, metadata(version, topics, **options)), version)


def id_of(wire: Connection, topic: str) -> bytes:
    return described(wire, 12, [topic]).topics[0].topic_id


# ---- Fetch -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits", [{"max_bytes": 10}, {"max_bytes": 0}, *({"partition_max_bytes": n} for n in (0, 10, 100))]
)
def test_first_batch_comes_whole_over_any_limit(wire: Connection, topic: str, limits: dict[str, int]) -> None:
    put(wire, topic, sized(370), sized(370))
    assert len(get(wire, topic, 0, **limits).records) == 370


@pytest.mark.parametrize("limits", [{"max_bytes": 500}, {"partition_max_bytes": 500}])
def test_later_batch_may_be_cut(wire: Connection, topic: str, limits: dict[str, int]) -> None:
    put(wire, topic, sized(370), sized(370))
    got = get(wire, topic, 0, **limits)
    whole, cut = parse(got.records)
    assert [b.base_offset for b in whole] == [0]
    assert cut == differs(kafka=130, ours=cut)  # whole batches only are as good
    assert cut <= 130


@pytest.mark.parametrize("offset", [3, 4, 5])
def test_offset_inside_a_batch_returns_the_whole_batch(wire: Connection, topic: str, offset: int) -> None:
    put(wire, topic, build([b"0", b"1", b"2"]), build([b"3", b"4", b"5"]), build([b"6"]))
    assert [b.base_offset for b in batches(get(wire, topic, offset))] == [3, 6]


def test_fetch_at_the_end_waits_and_is_empty(wire: Connection, topic: str) -> None:
    put(wire, topic, build())
    began = time.monotonic()
    got = get(wire, topic, 1, max_wait_ms=300)
    assert (got.error, got.records, got.high_watermark, got.last_stable_offset) == (0, b"", 1, 1)
    assert 0.25 < time.monotonic() - began < 20


@pytest.mark.parametrize("offset", [2, 99, -5])
def test_fetch_out_of_range(wire: Connection, topic: str, offset: int) -> None:
    put(wire, topic, build())
    got = get(wire, topic, offset, version=5, max_wait_ms=5000)
    assert (got.error, got.records) == (1, b"")
    assert (got.high_watermark, got.last_stable_offset, got.log_start_offset) == (-1, -1, -1)


def test_fetch_wakes_when_records_come(wire: Connection, broker: Broker, topic: str) -> None:
    correlation = wire.send(FETCH, 11, fetch(11, [(topic, 0, 0)], max_wait_ms=30_000))
    time.sleep(0.1)  # nothing shows from outside that it waits
    began = time.monotonic()
    with Connection(broker.address) as other:
        put(other, topic, build())
    answer = read_fetch(wire.receive(FETCH, 11, correlation), 11)
    assert time.monotonic() - began < 20
    assert [b.base_offset for b in batches(answer.partitions[0])] == [0]


def test_fetch_waits_for_min_bytes(wire: Connection, broker: Broker, topic: str) -> None:
    put(wire, topic, sized(370))
    correlation = wire.send(FETCH, 11, fetch(11, [(topic, 0, 0)], max_wait_ms=30_000, min_bytes=700))
    time.sleep(0.1)  # nothing shows from outside that it waits
    with Connection(broker.address) as other:
        put(other, topic, sized(370))
    answer = read_fetch(wire.receive(FETCH, 11, correlation), 11)
    assert len(answer.partitions[0].records) == 740


def test_partitions_are_served_in_the_order_asked(wire: Connection, broker: Broker) -> None:
    name = next(NAMES)
    create_topic(broker.address, name, 3)
    for partition in range(3):
        body = produce(8, name, sized(370), partition=partition)
        assert read_produce(wire.call(PRODUCE, 8, body), 8)[0].error == 0
    for order in ([2, 0, 1], [0, 1, 2]):
        body = fetch(4, [(name, p, 0) for p in order], max_bytes=370)
        answer = read_fetch(wire.call(FETCH, 4, body), 4)
        filled = [each.partition for each in answer.partitions if each.records]
        assert filled[0] == order[0]
        assert len(answer.partitions[0].records) == 370


@pytest.mark.parametrize("version", range(4, 13))
def test_fetch_by_name_in_every_version(wire: Connection, topic: str, version: int) -> None:
    put(wire, topic, build(), build())
    got = get(wire, topic, 1, version=version)
    assert (got.error, got.high_watermark, got.last_stable_offset) == (0, 2, 2)
    assert got.log_start_offset == (0 if version >= 5 else -1)
    assert [b.base_offset for b in batches(got)] == [1]


@pytest.mark.parametrize("version", range(13, 19))
def test_fetch_by_id_in_every_version(wire: Connection, topic: str, version: int) -> None:
    put(wire, topic, build(), build())
    got = get(wire, id_of(wire, topic), 1, version=version)
    assert (got.error, got.high_watermark, [b.base_offset for b in batches(got)]) == (0, 2, [1])


def test_produce_by_id(wire: Connection, topic: str) -> None:
    topic_id = id_of(wire, topic)
    for offset in range(2):
        (answer,) = read_produce(wire.call(PRODUCE, 13, produce(13, topic_id, build())), 13)
        assert (answer.error, answer.base_offset, answer.topic) == (0, offset, topic_id)


@pytest.mark.parametrize("topic_id", [uuid.UUID(int=0x1234567890ABCDEF1234567890ABCDEF).bytes, NO_ID])
def test_unknown_topic_id(wire: Connection, topic_id: bytes) -> None:
    (answer,) = read_produce(wire.call(PRODUCE, 13, produce(13, topic_id, build())), 13)
    assert answer.error == 100
    assert get(wire, topic_id, 0, version=13).error == 100


def test_unknown_topic_and_partition(wire: Connection, topic: str) -> None:
    assert get(wire, "no-such-topic", 0).error == 3
    answer = read_fetch(wire.call(FETCH, 4, fetch(4, [(topic, 9, 0)])), 4)
    assert (answer.partitions[0].partition, answer.partitions[0].error) == (9, 3)


def test_leader_epoch_of_the_future_is_unknown(wire: Connection, topic: str) -> None:
    assert get(wire, topic, 0, version=9, leader_epoch=0).error == 0
    assert get(wire, topic, 0, version=9, leader_epoch=7).error == 75
    assert listed(wire, topic, LATEST, 4, leader_epoch=7).error == 75


def test_fetch_session_that_nobody_has(wire: Connection, topic: str) -> None:
    body = fetch(11, [(topic, 0, 0)], session_id=987_654, session_epoch=5)
    assert read_fetch(wire.call(FETCH, 11, body), 11).error == 70


def test_full_fetch_with_a_session_asked_for(wire: Connection, topic: str) -> None:
    put(wire, topic, build())
    answer = read_fetch(wire.call(FETCH, 11, fetch(11, [(topic, 0, 0)], session_epoch=0)), 11)
    assert answer.error == 0  # the session id may be 0: none was given
    assert len(batches(answer.partitions[0])) == 1


# ---- ListOffsets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(1, 12))
def test_list_offsets_in_every_version(wire: Connection, topic: str, version: int) -> None:
    put(wire, topic, build([b"a", b"b", b"c"], timestamp=LONG_AGO, timestamp_step=10))
    epoch = 0 if version >= 4 else -1
    assert listed(wire, topic, LATEST, version) == (0, -1, 3, epoch)
    assert listed(wire, topic, EARLIEST, version) == (0, -1, 0, epoch)
    assert listed(wire, topic, LONG_AGO + 5, version) == (0, LONG_AGO + 10, 1, epoch)
    assert listed(wire, topic, LONG_AGO + 21, version) == (0, -1, -1, -1)


MARKERS = {MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9, EARLIEST_PENDING: 11}


@pytest.mark.parametrize("marker", MARKERS)
def test_marker_newer_than_the_version(wire: Connection, topic: str, marker: int) -> None:
    for version in range(1, MARKERS[marker]):
        assert listed(wire, topic, marker, version).error == 35, f"version {version}"
    assert listed(wire, topic, marker, MARKERS[marker]).error == 0


def test_markers_find_their_offsets(wire: Connection, topic: str) -> None:
    put(wire, topic, build(timestamp=LONG_AGO), build(timestamp=LONG_AGO + 50), build(timestamp=LONG_AGO + 20))
    assert listed(wire, topic, MAX_TIMESTAMP, 7) == (0, LONG_AGO + 50, 1, 0)
    assert listed(wire, topic, EARLIEST_LOCAL, 8)[:3] == (0, -1, 0)
    assert listed(wire, topic, LATEST_TIERED, 9)[:3] == (0, -1, -1)
    assert listed(wire, topic, EARLIEST_PENDING, 11)[:3] == (0, -1, -1)


def test_max_timestamp_of_an_empty_log(wire: Connection, topic: str) -> None:
    assert listed(wire, topic, MAX_TIMESTAMP, 7)[:3] == (0, -1, -1)


@pytest.mark.parametrize("marker", [-7, -99])
def test_unknown_negative_marker(wire: Connection, topic: str, marker: int) -> None:
    put(wire, topic, build(timestamp=LONG_AGO))
    assert listed(wire, topic, marker, 11)[0] == 35


def test_time_search_takes_the_first_record_that_is_not_older(wire: Connection, topic: str) -> None:
    for number in range(4):  # out of order between batches, in order within
        put(wire, topic, build([b"a", b"b"], timestamp=LONG_AGO + 100 * (number ^ 1), timestamp_step=10))
    times = [100, 110, 0, 10, 300, 310, 200, 210]
    for target in (0, 5, 10, 100, 105, 111, 250, 300, 310):
        wanted = next(offset for offset, each in enumerate(times) if each >= target)
        answer = listed(wire, topic, LONG_AGO + target, 5)
        assert (answer.error, answer.offset, answer.timestamp) == (0, wanted, LONG_AGO + times[wanted])


def test_time_search_looks_into_compressed_batches(wire: Connection, topic: str) -> None:
    put(wire, topic, build([b"a", b"b", b"c"], timestamp=LONG_AGO, timestamp_step=10, attributes=1))
    assert listed(wire, topic, LONG_AGO + 11, 5) == (0, LONG_AGO + 20, 2, 0)


def test_same_partition_twice(wire: Connection, topic: str) -> None:
    body = list_offsets(4, topic, [(0, LATEST), (0, EARLIEST)])
    assert read_list_offsets(wire.call(LIST_OFFSETS, 4, body), 4)[0].error == 42


def test_list_offsets_of_the_unknown(wire: Connection, topic: str) -> None:
    assert listed(wire, "no-such-topic", LATEST, 4).error == 3
    body = list_offsets(4, topic, [(9, LATEST)])
    assert read_list_offsets(wire.call(LIST_OFFSETS, 4, body), 4)[9].error == 3


# ---- Metadata --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(14))
def test_metadata_in_every_version(wire: Connection, broker: Broker, topic: str, version: int) -> None:
    answer = described(wire, version, [topic])
    assert list(answer.brokers.values()) == [broker.address]
    (node,) = answer.brokers
    assert answer.controller_id == (node if version >= 1 else -1)
    (found,) = answer.topics
    assert (found.error, found.name) == (0, topic)
    assert found.partitions == {0: (0, node, 0 if version >= 7 else -1)}
    assert (found.topic_id != NO_ID) == (version >= 10)


def test_null_is_all_topics_and_empty_is_none(wire: Connection, topic: str) -> None:
    assert topic in {each.name for each in described(wire, 1, None).topics}
    assert described(wire, 1, []).topics == []
    assert topic in {each.name for each in described(wire, 0, []).topics}  # version 0 had no null


@pytest.mark.parametrize("version", [4, 12])
def test_metadata_does_not_create_unasked(wire: Connection, version: int) -> None:
    name = next(NAMES)
    for _ in range(2):
        assert described(wire, version, [name], auto_create=False).topics[0].error == 3


def test_metadata_creates_when_asked(wire: Connection, broker: Broker) -> None:
    name = next(NAMES)
    assert described(wire, 9, [name], auto_create=True).topics[0].error in (0, 3, 5)
    await_leaders(broker.address, name, 1)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "é", "a" * 250])
def test_metadata_of_an_invalid_name(wire: Connection, name: str) -> None:
    assert described(wire, 9, [name], auto_create=True).topics[0].error == 17


def test_metadata_by_id(wire: Connection, topic: str) -> None:
    topic_id = id_of(wire, topic)
    (found,) = described(wire, 12, [topic_id]).topics
    assert (found.error, found.name, found.topic_id) == (0, topic, topic_id)
    (unknown,) = described(wire, 12, [b"\x01" * 16]).topics
    assert (unknown.error, unknown.name, unknown.topic_id) == (100, None, b"\x01" * 16)


@pytest.mark.parametrize("version", [10, 11])
def test_metadata_by_id_before_version_12(wire: Connection, topic: str, version: int) -> None:
    body = metadata(version, [topic], topic_id=id_of(wire, topic))
    (found,) = read_metadata(wire.call(METADATA, version, body), version).topics
    assert found.error == 42


# ---- CreateTopics ----------------------------------------------------------------------------------------


def created(wire: Connection, name: str, version: int = 7, **options: object) -> Created:
    body = create_topics(version, [name], **options)  # type: ignore[arg-type]
    return read_create_topics(wire.call(CREATE_TOPICS, version, body), version)[name]


@pytest.mark.parametrize("version", range(2, 8))
def test_create_in_every_version(wire: Connection, broker: Broker, version: int) -> None:
    name = next(NAMES)
    answer = created(wire, name, version, partitions=3, configs={"max.message.bytes": "5000"})
    assert (answer.error, answer.message) == (0, None)
    await_leaders(broker.address, name, 3)
    if version >= 5:
        assert (answer.partitions, answer.configs["max.message.bytes"]) == (3, "5000")
    if version >= 7:
        assert answer.topic_id == id_of(wire, name)
    assert created(wire, name, version).error == 36


def test_create_with_the_default_partition_count(wire: Connection) -> None:
    answer = created(wire, next(NAMES), partitions=-1, replicas=-1)
    assert (answer.error, answer.partitions) == (0, 1)


BAD_TOPICS = {
    "no partitions": ({"partitions": 0}, 37),
    "minus two partitions": ({"partitions": -2}, 37),
    "two replicas on one node": ({"replicas": 2}, 38),
    "no replicas": ({"replicas": 0}, 38),
    "unknown config": ({"configs": {"no.such.config": "1"}}, 40),
    "config out of range": ({"configs": {"max.message.bytes": "-7"}}, 40),
    "config not a number": ({"configs": {"retention.ms": "soon"}}, 40),
}


@pytest.mark.parametrize("name", BAD_TOPICS)
def test_bad_topic_is_refused(wire: Connection, name: str) -> None:
    options, error = BAD_TOPICS[name]
    topic = next(NAMES)
    answer = created(wire, topic, **options)
    assert answer.error == error
    assert answer.message
    assert described(wire, 9, [topic]).topics[0].error == 3


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "é", "a" * 250])
def test_bad_topic_name(wire: Connection, name: str) -> None:
    assert created(wire, name).error == 17


def test_longest_topic_name(wire: Connection, broker: Broker) -> None:
    name = "n" * 249
    assert created(wire, name).error == 0
    await_leaders(broker.address, name, 1)


def test_names_that_collide(wire: Connection) -> None:
    name = next(NAMES)
    assert created(wire, f"{name}.x").error == 0
    assert created(wire, f"{name}_x").error == 17


def test_validate_only_creates_nothing(wire: Connection) -> None:
    name = next(NAMES)
    assert created(wire, name, validate_only=True).error == 0
    assert described(wire, 9, [name]).topics[0].error == 3


def test_same_name_twice_in_one_request(wire: Connection) -> None:
    name = next(NAMES)
    answer = read_create_topics(wire.call(CREATE_TOPICS, 7, create_topics(7, [name, name])), 7)
    assert answer[name].error == 42
    assert described(wire, 9, [name]).topics[0].error == 3


# ---- Topic configs that change what Produce does -----------------------------------------------------------


def test_log_append_time(wire: Connection, broker: Broker) -> None:
    name = next(NAMES)
    create_topic(broker.address, name, message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000)
    (answer,) = read_produce(wire.call(PRODUCE, 8, produce(8, name, build(timestamp=LONG_AGO))), 8)
    assert answer.error == 0
    assert before - 1000 <= answer.log_append_time <= time.time() * 1000 + 1000
    (batch,) = batches(get(wire, name, 0))
    assert (batch.attributes, batch.max_timestamp) == (8, answer.log_append_time)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_topic_codec_re_encodes(wire: Connection, broker: Broker, codec: str) -> None:
    name = next(NAMES)
    create_topic(broker.address, name, compression_type=codec)
    put(wire, name, build([b"a" * 1000, b"b" * 1000]))
    (batch,) = batches(get(wire, name, 0))
    assert (batch.attributes & 7, batch.count) == (["none", "gzip", "snappy", "lz4", "zstd"].index(codec), 2)
    assert batch.size_bytes < 500


def test_topic_may_forbid_compression(wire: Connection, broker: Broker) -> None:
    name = next(NAMES)
    create_topic(broker.address, name, compression_type="uncompressed")
    put(wire, name, build([b"a" * 1000, b"b" * 1000], attributes=1))
    (batch,) = batches(get(wire, name, 0))
    assert (batch.attributes & 7, batch.values()) == (0, [b"a" * 1000, b"b" * 1000])


def test_topic_limit_of_batch_size(wire: Connection, broker: Broker) -> None:
    name = next(NAMES)
    create_topic(broker.address, name, max_message_bytes=400)
    put(wire, name, sized(400))
    (answer,) = read_produce(wire.call(PRODUCE, 8, produce(8, name, sized(401))), 8)
    assert answer.error == 10


def test_record_without_key_on_a_compacted_topic(wire: Connection, broker: Broker) -> None:
    name = next(NAMES)
    create_topic(broker.address, name, cleanup_policy="compact")
    records = encode_record(b"v", key=b"k") + encode_record(b"w", offset_delta=1)
    (answer,) = read_produce(wire.call(PRODUCE, 8, produce(8, name, build([b"v", b"w"], records=records))), 8)
    assert (answer.error, [index for index, _ in answer.record_errors]) == (87, [1])
    assert answer.record_errors[0][1]


def test_timestamp_out_of_bounds_names_the_records(wire: Connection, broker: Broker) -> None:
    name = next(NAMES)
    create_topic(broker.address, name, message_timestamp_before_max_ms=60_000)
    now = int(time.time() * 1000)
    batch = build([b"in", b"out"], timestamp=now - 100_000, timestamp_step=100_000)
    (answer,) = read_produce(wire.call(PRODUCE, 8, produce(8, name, batch)), 8)
    assert (answer.error, [index for index, _ in answer.record_errors]) == (32, [0])
    put(wire, name, build(timestamp=now - 30_000))

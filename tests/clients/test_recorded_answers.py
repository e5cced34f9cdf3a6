"""Goal: hostile, odd and merely unusual requests get the answers that Apache Kafka 4.3.1 gives.

Method: raw frames to the shared broker, one connection per test. Every expectation here was recorded from Apache Kafka
and is checked against it again by KC_CLIENTS_TARGET=kafka. Where the broker under test differs on purpose, `differs`
names both answers. Error numbers are Kafka's: 1 offset out of range, 2 corrupt message, 3 unknown topic or partition,
10 message too large, 21 bad acks, 35 unsupported version, 42 invalid request, 45 sequence, 47 producer fenced,
53 transactional id authorization, 87 invalid record.
"""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Iterator

import pytest

from harness import broker as brokers
from harness.batch import build, encode_record, parse
from harness.broker import Broker
from harness.requests import (
    API_VERSIONS,
    FETCH,
    INIT_PRODUCER_ID,
    METADATA,
    PRODUCE,
    Produced,
    api_versions,
    create_topic,
    end_offsets,
    fetch,
    init_producer_id,
    metadata,
    produce,
    read_api_versions,
    read_fetch,
    read_init_producer_id,
    read_metadata,
    read_produce,
    read_supported_features,
)
from harness.wire import Connection, request_frame

pytestmark = pytest.mark.row("recorded answers")
NAMES = (f"recorded-{number}" for number in itertools.count())


def differs(*, kafka: int, ours: int) -> int:
    return kafka if brokers.TARGET == "kafka" else ours


@pytest.fixture
def wire(broker: Broker) -> Iterator[Connection]:
    with Connection(broker.address) as connection:
        yield connection


@pytest.fixture
def topic(broker: Broker) -> str:
    name = next(NAMES)
    create_topic(broker.address, name)
    return name


def send(wire: Connection, topic: str, batches: bytes | None, *, acks: int = 1, version: int = 8) -> Produced:
    body = produce(version, topic, batches, acks=acks)
    (answer,) = read_produce(wire.call(PRODUCE, version, body), version)
    return answer


def is_alive(broker: Broker) -> bool:
    with Connection(broker.address) as connection:
        return read_api_versions(connection.call(API_VERSIONS, 0, b""), 0).error == 0


# ---- Produce: what a batch may look like -----------------------------------------------------------------

ONE = encode_record(b"value")
REFUSED = {
    "crc wrong": (build(crc=1), 2),
    "magic 0": (build(magic=0), 87),
    "magic 1": (build(magic=1), 87),
    "magic 3": (build(magic=3), 2),
    "length 3": (build(length=3), 2),
    "count 99 for one record": (build(count=99), 87),
    "count -1": (build(count=-1), 87),
    "count 0": (build(count=0), 87),
    "last offset delta 5 for one record": (build(last_offset_delta=5), 87),
    "base offset 77": (build(base_offset=77), 87),
    "control bit": (build(attributes=0x20), 87),
    "length beyond the block": (build(length=5000), 87),
    "two batches": (build() + build(), 87),
    "no batch": (b"", 87),
    "half a header": (build()[:30], 87),
    "codec 7": (build(attributes=7), differs(kafka=-1, ours=87)),
    "gzip bit on plain bytes": (build(records=ONE, attributes=1), differs(kafka=-1, ours=87)),
    "zstd bit on plain bytes": (build(records=ONE, attributes=4), differs(kafka=-1, ours=87)),
    "transactional without a transaction": (
        build(attributes=0x10, producer_id=5, producer_epoch=0, base_sequence=0),
        53,
    ),
    "producer id without sequence": (build(producer_id=7, producer_epoch=0), 87),
    "bytes left after the records": (build(records=ONE + b"xyz"), 87),
    "record longer than the batch": (build(records=b"\x7e" + ONE[1:]), 87),
    "record of negative length": (build(records=b"\x01" + ONE[1:]), 87),
    "record key longer than the record": (build(records=b"\x10\x00\x00\x00\x7e\x02aa\x00\x00"), 87),
    "negative header count": (build(records=b"\x0e\x00\x00\x00\x01\x02a\x01"), 87),
    "header count beyond the record": (build(records=b"\x0e\x00\x00\x00\x01\x02a\x7e"), 87),
    "timestamp two hours ahead": (build(timestamp=int(time.time() * 1000) + 7_200_000), 32),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_batch_is_refused_whole(wire: Connection, broker: Broker, topic: str, name: str) -> None:
    batch, error = REFUSED[name]
    answer = send(wire, topic, batch)
    assert (answer.error, answer.base_offset) == (error, -1)
    assert end_offsets(broker.address, topic) == {0: 0}
    assert send(wire, topic, build()).base_offset == 0  # the connection and the log go on


def test_refusals_say_what_is_wrong(wire: Connection, topic: str) -> None:
    assert "Record size 3 is less than the minimum record overhead (14)" in (
        send(wire, topic, build(length=3)).message or ""
    )
    assert "Invalid magic found in record: 3" in (send(wire, topic, build(magic=3)).message or "")


ACCEPTED = {
    "unused attribute bit 7": build(attributes=0x80),
    "LogAppendTime bit on a CreateTime topic": build(attributes=0x08),
    "five bytes of garbage behind": build() + b"\x00\x01\x02\x03\x04",
    "leader epoch 99": build(leader_epoch=99),
    "time 0": build(timestamp=0),
    "no time": build(timestamp=-1, max_timestamp=-1),
    "max timestamp not that of the record": build(max_timestamp=12),
    "null value": build([None]),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_odd_batch_is_accepted(wire: Connection, broker: Broker, topic: str, name: str) -> None:
    answer = send(wire, topic, ACCEPTED[name])
    assert (answer.error, answer.base_offset, answer.log_append_time, answer.log_start_offset) == (0, 0, -1, 0)
    assert end_offsets(broker.address, topic) == {0: 1}


def test_bytes_after_the_request_body_are_ignored(wire: Connection, topic: str) -> None:
    body = produce(8, topic, build()) + b"more"
    (answer,) = read_produce(wire.call(PRODUCE, 8, body), 8)
    assert (answer.error, answer.base_offset) == (0, 0)


def test_batch_over_the_limit_is_too_large(wire: Connection, topic: str) -> None:
    # The checksum would be right; it is left at 0 because the size is looked at first.
    assert send(wire, topic, build([bytes(2_000_000)], crc=0)).error == 10
    assert send(wire, topic, build()).base_offset == 0


@pytest.mark.parametrize("acks", [5, 2, -2])
def test_invalid_acks(wire: Connection, topic: str, acks: int) -> None:
    assert send(wire, topic, build(), acks=acks).error == 21


@pytest.mark.parametrize("name", ["no-such-topic", ".", "..", "../../etc", "a" * 250, "", "a b", "a\0b"])
def test_unknown_topic(wire: Connection, name: str) -> None:
    assert send(wire, name, build()).error == 3


def test_unknown_partition(wire: Connection, topic: str) -> None:
    (answer,) = read_produce(wire.call(PRODUCE, 8, produce(8, topic, build(), partition=7)), 8)
    assert (answer.error, answer.partition) == (3, 7)


@pytest.mark.parametrize("version", range(3, 13))
def test_produce_by_name_in_every_version(wire: Connection, topic: str, version: int) -> None:
    for offset in range(2):
        answer = send(wire, topic, build(), version=version)
        assert (answer.error, answer.base_offset, answer.topic) == (0, offset, topic)


# ---- Produce: acks=0 -------------------------------------------------------------------------------------


def test_acks_0_has_no_answer(wire: Connection, broker: Broker, topic: str) -> None:
    wire.send(PRODUCE, 8, produce(8, topic, build(), acks=0))
    answer = send(wire, topic, build())  # the next answer on the wire belongs to the next request
    assert (answer.error, answer.base_offset) == (0, 1)


def test_acks_0_with_an_error_closes_the_connection(wire: Connection, broker: Broker, topic: str) -> None:
    wire.send(PRODUCE, 8, produce(8, topic, build(crc=1), acks=0))
    assert wire.is_closed()
    assert end_offsets(broker.address, topic) == {0: 0}


def test_acks_0_to_an_unknown_topic_closes_the_connection(wire: Connection) -> None:
    wire.send(PRODUCE, 8, produce(8, "no-such-topic", build(), acks=0))
    assert wire.is_closed()


# ---- Produce: idempotence --------------------------------------------------------------------------------


def new_producer(wire: Connection, version: int = 1) -> int:
    for _ in range(100):
        answer = wire.call(INIT_PRODUCER_ID, version, init_producer_id(version))
        error, producer_id, epoch = read_init_producer_id(answer)
        if error != 14:  # Kafka fetches its ids in blocks from the controller, and says "loading" meanwhile
            assert (error, epoch) == (0, 0)
            return producer_id
        time.sleep(0.05)
    raise AssertionError("still loading after 5 s")


def sequence(producer_id: int, number: int, *, count: int = 1, epoch: int = 0) -> bytes:
    values = [f"{number + i}".encode() for i in range(count)]
    return build(
        values, producer_id=producer_id, producer_epoch=epoch, base_sequence=number, timestamp=1_700_000_000_000
    )


def test_producer_ids_are_never_given_twice(broker: Broker) -> None:
    ids = []
    for version in range(6):
        with Connection(broker.address) as wire:
            ids += [new_producer(wire, version) for _ in range(3)]
    assert len(set(ids)) == len(ids)


def test_idempotent_sequences(wire: Connection, broker: Broker, topic: str) -> None:
    me = new_producer(wire)
    steps = [  # batch, (error, base offset)
        (sequence(me, 5), (0, 0)),  # an id without state may begin anywhere
        (sequence(me, 5), (0, 0)),  # the exact repeat gets the old offset
        (sequence(me, 6, count=3), (0, 1)),
        (sequence(me, 6, count=3), (0, 1)),
        (sequence(me, 6, count=2), (45, -1)),  # same start, other end: no repeat
        (sequence(me, 11), (45, -1)),  # a gap
        (sequence(me, 3, epoch=1), (45, -1)),  # a new epoch begins at 0
        (sequence(me, 0, epoch=1), (0, 4)),
        (sequence(me, 9), (47, -1)),  # the older epoch is fenced
    ]
    for number, (batch, wanted) in enumerate(steps):
        answer = send(wire, topic, batch)
        assert (answer.error, answer.base_offset) == wanted, f"step {number}"
    assert end_offsets(broker.address, topic) == {0: 5}


def test_five_batches_are_remembered(wire: Connection, broker: Broker, topic: str) -> None:
    me = new_producer(wire)
    for number in range(6):
        assert send(wire, topic, sequence(me, number)).base_offset == number
    for number in range(1, 6):
        answer = send(wire, topic, sequence(me, number))
        assert (answer.error, answer.base_offset) == (0, number)
    assert send(wire, topic, sequence(me, 0)).error == 45  # the sixth from the end is forgotten
    assert end_offsets(broker.address, topic) == {0: 6}


def test_sequence_wraps_after_the_largest_int(wire: Connection, topic: str) -> None:
    me = new_producer(wire)
    assert send(wire, topic, sequence(me, 2**31 - 2, count=2)).base_offset == 0
    assert send(wire, topic, sequence(me, 0)).base_offset == 2
    assert send(wire, topic, sequence(me, 2**31 - 2, count=2)).base_offset == 0


def test_sequence_wraps_inside_a_batch(wire: Connection, topic: str) -> None:
    me = new_producer(wire)
    assert send(wire, topic, sequence(me, 2**31 - 1, count=3)).base_offset == 0  # 2147483647, 0, 1
    assert send(wire, topic, sequence(me, 2)).base_offset == 3


def test_producers_do_not_disturb_each_other(wire: Connection, topic: str) -> None:
    one, two = new_producer(wire), new_producer(wire)
    for number in range(3):
        assert send(wire, topic, sequence(one, number)).base_offset == 2 * number
        assert send(wire, topic, sequence(two, number)).base_offset == 2 * number + 1


# ---- Frames, headers, ApiVersions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "version"), [(PRODUCE, 2), (PRODUCE, 14), (999, 0), (-1, 0), (METADATA, 40), (METADATA, -1)]
)
def test_unknown_api_or_version_closes_the_connection(wire: Connection, broker: Broker, key: int, version: int) -> None:
    wire.send(key, version, b"\0" * 40)
    assert wire.is_closed()
    assert is_alive(broker)


FRAMES = {
    "longer than socket.request.max.bytes": struct.pack(">i", 104_857_601) + b"\0" * 100,
    "longest length": struct.pack(">i", 2**31 - 1) + b"\0" * 100,
    "negative length": struct.pack(">i", -1),
    "most negative length": struct.pack(">i", -(2**31)),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "one byte": struct.pack(">i", 1) + b"\0",
    "header cut in the middle": struct.pack(">i", 9) + struct.pack(">hhih", 3, 1, 1, 50)[:9],
    "client id longer than the frame": struct.pack(">i", 12) + struct.pack(">hhihh", 3, 1, 1, 500, 0),
    "body cut": request_frame(METADATA, 1, b"\0\0"),
    "array longer than the frame": request_frame(METADATA, 1, struct.pack(">i", 2**30)),
    "varint without end": request_frame(METADATA, 9, b"\xff" * 20),
}


@pytest.mark.parametrize("name", FRAMES)
def test_bad_frame_ends_only_its_connection(wire: Connection, broker: Broker, name: str) -> None:
    with Connection(broker.address) as neighbour:
        wire.send_raw(FRAMES[name])
        assert wire.is_closed()
        assert read_api_versions(neighbour.call(API_VERSIONS, 0, b""), 0).error == 0


@pytest.mark.parametrize("key", [0, 1, 2, 3, 18, 19, 20, 22])
def test_empty_body_is_survived(wire: Connection, broker: Broker, key: int) -> None:
    wire.send(key, 4, b"")
    try:
        wire.receive_frame()
    except Exception:  # closing is as good an answer as an error
        pass
    assert is_alive(broker)


def test_frame_may_come_byte_by_byte(wire: Connection) -> None:
    for byte in request_frame(API_VERSIONS, 3, api_versions(3), correlation_id=9):
        wire.send_raw(bytes([byte]))
    assert read_api_versions(wire.receive(API_VERSIONS, 3, 9), 3).error == 0


@pytest.mark.parametrize("version", [5 if brokers.TARGET == "kafka" else 6, 99, 32767])
def test_newer_api_versions_falls_back_to_version_0(wire: Connection, version: int) -> None:
    correlation = wire.send(API_VERSIONS, version, b"\xff\xff\xff", header=2)
    r = wire.receive(API_VERSIONS, 0, correlation)
    answer = read_api_versions(r, 0)
    assert answer.error == 35
    assert answer.ranges == {API_VERSIONS: (0, differs(kafka=4, ours=5))}
    assert read_api_versions(wire.call(API_VERSIONS, 3, api_versions(3)), 3).error == 0  # the connection stays


@pytest.mark.parametrize("version", range(5))
def test_api_versions_in_every_version(wire: Connection, version: int) -> None:
    answer = read_api_versions(wire.call(API_VERSIONS, version, api_versions(version)), version)
    assert answer.error == 0
    expected = {
        PRODUCE: (0, 13),
        1: (4, 18),
        2: (1, 11),
        METADATA: (0, 13),
        18: (0, differs(kafka=4, ours=5)),
        19: (2, 7),
    }
    assert {key: answer.ranges[key] for key in expected} == expected
    # What belongs to controllers is no business of a client; keys 4 to 7 are gone.
    assert not answer.ranges.keys() & {4, 5, 6, 7, 52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82}


@pytest.mark.parametrize(
    ("name", "release"), [("a!", "1"), ("", "1"), ("-a", "1"), ("a-", "1"), ("a", ""), ("a b", "1")]
)
def test_bad_software_name_is_an_invalid_request(wire: Connection, name: str, release: str) -> None:
    correlation = wire.send(API_VERSIONS, 3, api_versions(3, name, release))
    r = wire.receive(API_VERSIONS, 3, correlation)
    assert read_api_versions(r, 3).error == 42
    assert read_api_versions(wire.call(API_VERSIONS, 3, api_versions(3)), 3).error == 0


def test_features_with_minimum_0_are_shown_from_version_4(wire: Connection) -> None:
    older = read_api_versions(wire.call(API_VERSIONS, 3, api_versions(3)), 3).tags
    newer = read_api_versions(wire.call(API_VERSIONS, 4, api_versions(4)), 4).tags
    before = read_supported_features(older[0]) if 0 in older else {}
    after = read_supported_features(newer[0]) if 0 in newer else {}
    assert all(low > 0 for low, _ in before.values())
    assert before == {name: span for name, span in after.items() if span[0] > 0}
    assert "metadata.version" in after


# ---- Order -----------------------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_the_requests(wire: Connection, topic: str) -> None:
    plan = []
    for number in range(40):
        key, version, body = [
            (PRODUCE, 8, produce(8, topic, build())),
            (METADATA, 9, metadata(9, [topic])),
            (API_VERSIONS, 3, api_versions(3)),
            (PRODUCE, 9, produce(9, topic, build())),
        ][number % 4]
        plan.append((key, version, wire.send(key, version, body)))
    offsets = []
    for key, version, correlation in plan:
        r = wire.receive(key, version, correlation)  # fails if another answer comes first
        if key == PRODUCE:
            offsets += [each.base_offset for each in read_produce(r, version)]
        elif key == METADATA:
            assert read_metadata(r, version).topics[0].error == 0
    assert offsets == list(range(20))


def test_batch_keeps_its_bytes_apart_from_offset_and_epoch(wire: Connection, topic: str) -> None:
    first, second = build([b"one", None, b"three"]), build([b"four"], attributes=0x80)
    send(wire, topic, first)
    send(wire, topic, second)
    data = read_fetch(wire.call(FETCH, 4, fetch(4, [(topic, 0, 0)])), 4).partitions[0].records
    batches, cut = parse(data)
    assert (len(batches), cut) == (2, 0)
    assert [b.base_offset for b in batches] == [0, 3]
    assert data[16 : len(first)] == first[16:]
    assert data[len(first) + 16 :] == second[16:]

"""Goal: every stock client writes to the broker and reads back what it wrote; others read the same.

Method: for each client, codec, acks and idempotence a topic is made by the client's own admin and filled with records
of every shape. The log's end is then asked for by a raw request. The client reads all of it, from an offset, and from a
time; two other clients read all of it. Records are compared field by field, offsets must be contiguous, the order of
sending must be kept within each partition, and each key must lie in the partition computed here, not by the client.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.batch import parse
from harness.broker import Broker
from harness.clients import ALL, Client
from harness.clients.base import BEGINNING, CODECS, Start
from harness.presence import MissingError, absent
from harness.records import Record, sample
from harness.requests import FETCH, await_leaders, await_records, fetch, read_fetch
from harness.wire import Connection

PARTITIONS = 3
COUNT = 60
NUMBERS = itertools.count()

ROWS = [
    pytest.param(client, codec, acks, idempotent, marks=pytest.mark.row(client.name),
                 id=f"{client.name}-{codec}-acks_{acks}" + ("-idempotent" if idempotent else ""))
    for client in ALL
    for codec in CODECS
    for acks, idempotent in (("0", False), ("1", False), ("all", False), ("all", True))
]  # fmt: skip


Content = tuple[bytes | None, bytes | None]


def content(record: Record) -> Content:
    return record.key, record.value


def check_whole(client: Client, sent: list[Record], got: list[Record], ends: dict[int, int]) -> None:
    """`got` is all of `sent`, each record whole, in order, and in the right partition; offsets are 0, 1, 2 ..."""
    index = {content(r): i for i, r in enumerate(sent)}
    assert len(index) == len(sent), "the sample names a record twice"
    assert sorted(index[content(r)] for r in got) == list(range(len(sent)))
    for partition, end in ends.items():
        records = [r for r in got if r.partition == partition]
        assert [r.offset for r in records] == list(range(end)), f"offsets of partition {partition}"
        places = [index[content(r)] for r in records]
        assert places == sorted(places), f"order in partition {partition}: {places}"
        for r, was in zip(records, (sent[i] for i in places), strict=True):
            assert client.as_read(replace(was, offset=-1, partition=-1, timestamp=-1)) == replace(
                r, offset=-1, partition=-1, timestamp=-1
            )
            assert was.timestamp in (-1, r.timestamp)
            wanted = was.partition if was.partition >= 0 else client.partition(was.key, len(ends))
            assert wanted in (-1, partition), f"key {r.key!r} is in {partition}, its hash says {wanted}"


def check_batches(broker: Broker, topic: str, codec: str, ends: dict[int, int], idempotent: bool) -> None:
    """The log holds what the row says: the codec (or none, where compression did not pay) and a producer id or not."""
    codecs, producers = set(), set()
    with Connection(broker.address) as connection:
        for partition, end in ends.items():
            offset = 0
            while offset < end:
                body = fetch(4, [(topic, partition, offset)])
                data = read_fetch(connection.call(FETCH, 4, body), 4).partitions[0].records
                batches, _ = parse(data)
                assert batches, f"no batch at offset {offset} of partition {partition}"
                assert batches[0].base_offset == offset
                codecs |= {batch.attributes & 7 for batch in batches}
                producers |= {batch.producer_id >= 0 for batch in batches}
                offset = batches[-1].base_offset + batches[-1].last_offset_delta + 1
    wanted = CODECS.index(codec)
    assert wanted in codecs <= {0, wanted}, f"codecs in the log: {codecs}"
    assert producers == {idempotent}


def read(client: Client, broker: Broker, topic: str, starts: dict[int, Start], ends: dict[int, int]) -> list[Record]:
    got = client.consume(broker.bootstrap, topic, starts, {p: ends[p] for p in starts})
    return sorted(got, key=lambda r: r.partition)  # stable: the order within a partition stays as it came


@pytest.mark.parametrize(("client", "codec", "acks", "idempotent"), ROWS)
def test_records_come_back_identical(
    broker: Broker, present: Callable[[Client], Client], client: Client, codec: str, acks: str, idempotent: bool
) -> None:
    present(client)
    if codec in client.missing_codecs():
        absent(f"{client.name} has no {codec}: {client.missing_codecs()[codec]}")
    number = next(NUMBERS)
    topic = f"round-trip-{number}-{client.name}-{codec}"
    began = int(time.time() * 1000)
    sent = client.can_write(sample(number, count=COUNT, partitions=PARTITIONS))

    client.create_topic(broker.bootstrap, topic, PARTITIONS)
    await_leaders(broker.address, topic, PARTITIONS)  # what acks=0 sends earlier may be lost without a word
    where = client.produce(broker.bootstrap, topic, sent, codec=codec, acks=acks, idempotent=idempotent)
    ends = await_records(broker.address, topic, COUNT)
    check_batches(broker, topic, codec, ends, idempotent)

    whole = read(client, broker, topic, dict.fromkeys(ends, BEGINNING), ends)
    check_whole(client, sent, whole, ends)
    if all(r.timestamp < 0 for r in sent):
        assert all(began - 1000 <= r.timestamp <= time.time() * 1000 + 1000 for r in whole)
    if where and acks != "0":
        places = {(r.partition, r.offset): content(r) for r in whole}
        assert [places[each] for each in where] == [content(r) for r in sent], "acknowledged offsets"

    # From the middle, by offset; then from the time of the record there, which is where the first not older one lies.
    parts = {p: [r for r in whole if r.partition == p] for p, end in ends.items() if end}
    middle = {p: part[len(part) // 2] for p, part in parts.items()}
    later = read(client, broker, topic, {p: Start(kind="offset", number=r.offset) for p, r in middle.items()}, ends)
    assert later == [r for r in whole if r.offset >= middle[r.partition].offset]
    first = {p: next(r.offset for r in parts[p] if r.timestamp >= m.timestamp) for p, m in middle.items()}
    times = {p: Start(kind="timestamp", number=r.timestamp) for p, r in middle.items()}
    later = read(client, broker, topic, times, ends)
    assert later == [r for r in whole if r.offset >= first[r.partition]]

    for other in others(client, codec, number):
        same = read(other, broker, topic, dict.fromkeys(ends, BEGINNING), ends)
        check_same(client, whole, other, same)


def others(client: Client, codec: str, number: int) -> list[Client]:
    """Two clients that read what `client` wrote; another pair in each row."""
    able = [c for c in ALL if c is not client and is_here(c) and codec not in c.missing_codecs()]
    return [able[number % len(able)], able[(number + 1) % len(able)]] if len(able) > 1 else able


def is_here(client: Client) -> bool:
    try:
        client.check()
    except MissingError:
        return False
    return True


def check_same(writer: Client, whole: list[Record], reader: Client, got: list[Record]) -> None:
    """Both read the same records. A client that shows less than the other is compared in its own terms."""
    mine, theirs = [reader.as_read(r) for r in whole], [writer.as_read(r) for r in got]
    for expected, record in zip(mine, theirs, strict=True):
        assert record == expected, f"{reader.name} reads otherwise than {writer.name}"

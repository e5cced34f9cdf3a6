"""What open, committed and aborted transactions leave in a partition of a coordinator's topic, as a restart reads it.

Method: batches and markers written into a log by hand, in the order in which a broker may have written them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from pykafka_core.broker.groups_load import read_partition
from pykafka_core.broker.transactional_replay import replayed
from pykafka_core.coordinator.events import CommittedOffset
from pykafka_core.coordinator.records import offset_record, offset_tombstone
from pykafka_core.native import BatchBuilder, Log
from pykafka_core.protocol.records.framing import encode_coordinator_key, encode_coordinator_value

TRANSACTIONAL, CONTROL = 0x10, 0x20
COMMIT, ABORT = 1, 0


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log(tmp_path / "t-0") as opened:
        yield opened


def write(log: Log, pairs: dict[bytes, bytes | None], producer_id: int = -1) -> None:
    transactional = producer_id != -1
    builder = BatchBuilder(
        base_offset=log.log_end_offset,
        leader_epoch=0,
        producer_id=producer_id,
        producer_epoch=0 if transactional else -1,
        attributes=TRANSACTIONAL if transactional else 0,
    )
    for key, value in pairs.items():
        builder.add(1, key, value)
    log.append_as_follower(builder.finish())


def end(log: Log, producer_id: int, kind: int) -> None:
    builder = BatchBuilder(
        base_offset=log.log_end_offset,
        leader_epoch=0,
        producer_id=producer_id,
        producer_epoch=0,
        attributes=TRANSACTIONAL | CONTROL,
    )
    builder.add(1, struct.pack(">hh", 0, kind), struct.pack(">hi", 0, 0))
    log.append_as_follower(builder.finish())


def test_a_transaction_counts_from_its_commit_on(log: Log) -> None:
    write(log, {b"a": b"1"}, producer_id=5)
    write(log, {b"a": b"2", b"b": b"2"}, producer_id=6)
    assert replayed(log).last == {}
    assert replayed(log).open == {5: {b"a": b"1"}, 6: {b"a": b"2", b"b": b"2"}}
    end(log, 6, COMMIT)
    end(log, 5, ABORT)
    assert replayed(log).last == {b"a": b"2", b"b": b"2"}
    assert replayed(log).open == {}


def test_the_later_record_stays(log: Log) -> None:
    write(log, {b"a": b"1", b"b": b"1", b"c": b"1"}, producer_id=5)
    write(log, {b"a": b"2", b"b": None})
    assert replayed(log).open == {5: {b"a": None, b"c": b"1"}}
    end(log, 5, COMMIT)
    assert replayed(log).last == {b"a": b"2", b"b": None, b"c": b"1"}


def test_a_record_of_the_transaction_after_the_other_one(log: Log) -> None:
    write(log, {b"a": b"1"}, producer_id=5)
    write(log, {b"a": b"2"})
    write(log, {b"a": b"3"}, producer_id=5)
    end(log, 5, COMMIT)
    assert replayed(log).last == {b"a": b"3"}


def test_offsets_are_told_apart(log: Log) -> None:
    def pair(partition: int, offset: int | None) -> tuple[bytes, bytes | None]:
        if offset is None:
            key, _, _ = offset_tombstone("g", ("t", partition))
            return encode_coordinator_key(key), None
        key, value, version = offset_record("g", ("t", partition), CommittedOffset(offset, 0, "", 1))
        assert value is not None
        return encode_coordinator_key(key), encode_coordinator_value(value, version)

    write(log, dict([pair(0, 3), pair(1, 4)]))
    write(log, dict([pair(0, 5), pair(2, 6)]), producer_id=9)
    write(log, dict([pair(2, 7)]))
    found = read_partition(log)
    assert {place: each.offset for place, each in found.offsets["g"].items()} == {("t", 0): 3, ("t", 1): 4, ("t", 2): 7}
    sent = found.pending[9]["g"]
    assert {place: each and each.offset for place, each in sent.items()} == {("t", 0): 5, ("t", 2): None}

"""Goal: what is read from __consumer_offsets is the last of each key, in every format; C reads what Python reads.

Method: a log in a temporary directory with batches of all kinds; the quick way for plain batches against the slow one,
which takes each record apart by the message classes.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core import records
from pykafka_core.broker.groups_load import LoadedPartition, put, read_partition
from pykafka_core.coordinator.events import CommittedOffset
from pykafka_core.coordinator.records import empty_group_record, offset_record, offset_tombstone
from pykafka_core.log import Log
from pykafka_core.native import CorruptRecordError, collect_plain_batches, take_offset_commits
from pykafka_core.protocol.records.framing import encode_coordinator_key, encode_coordinator_value
from pykafka_core.protocol.records.group_coordinator.legacy_offset_commit_key import LegacyOffsetCommitKey
from pykafka_core.protocol.records.group_coordinator.offset_commit_key import OffsetCommitKey
from pykafka_core.protocol.records.group_coordinator.offset_commit_value import OffsetCommitValue

NOW = 1_700_000_000_000


def row(record: tuple[object, object, int]) -> tuple[bytes, bytes | None]:
    key, value, version = record
    return (
        encode_coordinator_key(key),  # type: ignore[arg-type]
        None if value is None else encode_coordinator_value(value, version),  # type: ignore[arg-type]
    )


def commit(group: str, topic: str, partition: int, offset: int, **more: object) -> tuple[bytes, bytes | None]:
    committed = CommittedOffset(offset, 1, "note", NOW, **more)  # type: ignore[arg-type]
    return row(offset_record(group, (topic, partition), committed))


def batch(*rows: tuple[bytes, bytes | None], codec: int = 0) -> bytes:
    return records.encode([(i, NOW, key, value) for i, (key, value) in enumerate(rows)], codec=codec)


def test_the_last_value_of_each_key_counts(tmp_path: Path) -> None:
    with Log(tmp_path / "__consumer_offsets-0") as log:
        log.append_batch(batch(commit("g", "t", 0, 1), commit("g", "t", 1, 1), commit("h", "t", 0, 1)))
        log.append_batch(batch(commit("g", "t", 0, 2), row(empty_group_record("g", NOW)), codec=4))
        log.append_batch(batch(row(offset_tombstone("g", ("t", 1))), commit("é" * 20, "t", 0, 7)))
        log.append_batch(batch((b"\x00\x63of the future", b"\0\0")))
        found = read_partition(log)
    assert {group: {key: each.offset for key, each in offsets.items()} for group, offsets in found.offsets.items()} == {
        "g": {("t", 0): 2},
        "h": {("t", 0): 1},
        "é" * 20: {("t", 0): 7},
    }
    assert list(found.groups) == ["g"]


def test_plain_batches_end_where_something_else_begins() -> None:
    plain = batch(commit("g", "t", 0, 1))
    packed = batch(commit("g", "t", 0, 2), codec=1)
    into: dict[bytes, bytes | None] = {}
    assert collect_plain_batches(plain + packed + plain, into) == (len(plain), 1)
    assert len(into) == 1
    assert collect_plain_batches(packed, into) == (0, -1)
    assert collect_plain_batches(plain + plain[:-1], into) == (len(plain), 1)
    assert collect_plain_batches(b"", into) == (0, -1)


def test_records_that_are_none_are_no_records() -> None:
    damaged = bytearray(batch(commit("g", "t", 0, 1)))
    damaged[61] = 0x7F  # the first record claims to be longer than the batch
    with pytest.raises(CorruptRecordError):
        collect_plain_batches(damaged, {})


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
int64s = st.integers(-(2**63), 2**63 - 1)


@given(
    group=texts,
    topic=texts,
    partition=st.integers(-(2**31), 2**31 - 1),
    version=st.integers(0, 4),
    legacy=st.booleans(),
    value=st.builds(
        OffsetCommitValue,
        offset=int64s,
        leader_epoch=st.integers(-(2**31), 2**31 - 1),
        metadata=texts,
        commit_timestamp=int64s,
        expire_timestamp=int64s,
        topic_id=st.binary(min_size=16, max_size=16),
    ),
)
def test_c_reads_what_the_message_classes_read(
    group: str, topic: str, partition: int, version: int, legacy: bool, value: OffsetCommitValue
) -> None:
    cls = LegacyOffsetCommitKey if legacy else OffsetCommitKey
    key_data = encode_coordinator_key(cls(group=group, topic=topic, partition=partition))
    value_data = encode_coordinator_value(value, version)
    slow, quick = LoadedPartition(), LoadedPartition()
    put(slow, key_data, value_data)
    assert take_offset_commits([(key_data, value_data)], quick.offsets, CommittedOffset) == []
    assert quick.offsets == slow.offsets
    assert isinstance(quick.offsets[group][topic, partition], CommittedOffset)


@given(st.binary(max_size=40), st.binary(max_size=60))
def test_what_c_cannot_read_is_handed_back(key: bytes, value: bytes) -> None:
    found: dict[str, dict[tuple[str, int], CommittedOffset]] = {}
    rest = take_offset_commits([(key, value)], found, CommittedOffset)
    assert list(rest) == [(key, value)] or len(found) == 1

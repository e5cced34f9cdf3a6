"""Goal: what is encoded is what is decoded, and the C parser reads what the format says and nothing else.

Method: hypothesis makes records; a slow parser in plain Python (slow.py) is the reference, on good bytes and on damaged
ones.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core import crc32c, records
from pykafka_core.records import BytesColumn, Codec, CorruptRecordError, InvalidRecordError, Record
from tests.records import slow, strategies

RULES = records.BatchRules(now_ms=strategies.NOW, timestamp_after_max_ms=2**62, max_message_bytes=2**31 - 1)


def sealed(batch: bytearray) -> bytes:
    """The batch with its CRC made right."""
    batch[17:21] = crc32c.value(memoryview(batch)[21:]).to_bytes(4, "big")
    return bytes(batch)


@given(rows=strategies.records)
def test_records_come_back_as_the_slow_parser_reads_them(rows: list[Record]) -> None:
    batch = records.encode(rows)
    assert list(records.iterate(batch)) == rows == slow.parse_batch(batch)
    header = records.check_stored(batch)
    assert header is not None
    assert header == records.BatchHeader.load(batch)
    assert (header.base_offset, header.last_offset, header.record_count) == (0, len(rows) - 1, len(rows))
    assert header.max_timestamp == max(-1, *(row.timestamp for row in rows))
    assert header.size_bytes == len(batch)
    assert header.crc == crc32c.value(batch[21:])


@given(rows=strategies.records, codec=st.sampled_from(Codec))
def test_every_codec_gives_the_same_records_by_every_way_of_reading(rows: list[Record], codec: Codec) -> None:
    batch = records.encode(rows, codec=codec, base_offset=0, producer_id=7, producer_epoch=1, base_sequence=3)
    assert list(records.iterate(batch)) == rows
    assert list(records.decode(batch).records()) == rows
    info, section = records.deep_validate(batch, RULES)
    assert bytes(memoryview(section)) == records.encode(rows)[61:]
    assert info.header.codec == codec
    assert (info.header.producer_id, info.header.producer_epoch, info.header.base_sequence) == (7, 1, 3)
    assert not info.max_timestamp_differs


@given(first=strategies.records, second=strategies.records, codec=st.sampled_from(Codec), cut=st.integers(0, 60))
def test_several_batches_become_one_set_of_columns(
    first: list[Record], second: list[Record], codec: Codec, cut: int
) -> None:
    later = [row._replace(offset=row.offset + 100) for row in second]
    data = records.encode(first) + records.encode(later, codec=codec)
    assert [len(batch) for batch in records.batches(data)] == [
        len(records.encode(first)),
        len(data) - len(records.encode(first)),
    ]
    assert list(records.decode(data + data[:cut]).records()) == first + later


@given(rows=strategies.records)
def test_columns_encode_to_the_same_bytes_as_records(rows: list[Record]) -> None:
    batch = records.encode(rows)
    columns = records.decode(batch)
    again = records.encode_columns(
        columns.timestamps, columns.keys, columns.values, headers=(columns.headers, columns.header_counts)
    )
    assert again == batch
    plain = [row._replace(headers=()) for row in rows]
    from_lists = records.encode_columns(
        [row.timestamp for row in rows], [row.key for row in rows], [row.value for row in rows]
    )
    assert from_lists == records.encode(plain)


def parsed(parse: Callable[[bytes], list[Record]], data: bytes) -> list[Record] | None:
    try:
        return parse(data)
    except ValueError:
        return None


@given(rows=strategies.records, data=st.data())
def test_damaged_records_are_read_as_the_slow_parser_reads_them_or_refused_by_both(
    rows: list[Record], data: st.DataObject
) -> None:
    batch = bytearray(records.encode(rows))
    for _ in range(data.draw(st.integers(1, 3))):
        batch[data.draw(st.integers(61, len(batch) - 1))] = data.draw(st.integers(0, 255))
    damaged = sealed(batch)
    expected = parsed(slow.parse_batch, damaged)
    # Timestamps beyond 64 bits wrap in C and in Java, and cannot in Python.
    if expected is not None and any(abs(row.timestamp) >= 2**63 for row in expected):
        return
    assert parsed(lambda b: list(records.iterate(b)), damaged) == expected
    assert parsed(lambda b: list(records.decode(b).records()), damaged) == expected
    # The gate also wants offsets 0, 1, 2 and no attribute of compression inside a record; the CRC is right.
    fault = None
    try:
        records.validate(damaged, RULES)
    except InvalidRecordError as error:
        fault = error.fault
    assert fault != records.Fault.CORRUPT
    if fault is None:
        assert expected is not None
        assert [row.offset for row in expected] == list(range(len(rows)))


@given(rows=strategies.records, codec=st.sampled_from(Codec), data=st.data())
def test_every_prefix_and_every_flipped_bit_is_refused(rows: list[Record], codec: Codec, data: st.DataObject) -> None:
    batch = records.encode(rows, codec=codec)
    prefix = batch[: data.draw(st.integers(0, len(batch) - 1))]
    assert records.check_stored(prefix) is None
    assert list(records.batches(prefix)) == []
    with pytest.raises(InvalidRecordError):
        records.validate(prefix, RULES)
    with pytest.raises(CorruptRecordError):
        records.iterate(prefix)

    bit = data.draw(st.integers(0, 8 * len(batch) - 1))
    flipped = bytearray(batch)
    flipped[bit // 8] ^= 1 << bit % 8
    if 12 <= bit // 8 < 16:  # the leader epoch: outside the CRC, and anything goes
        records.validate(flipped, RULES)
    else:
        with pytest.raises(InvalidRecordError):
            records.validate(flipped, RULES)


@given(junk=st.binary(max_size=200))
def test_no_bytes_crash_a_reader(junk: bytes) -> None:
    for read in (records.check_stored, records.decode, lambda b: list(records.iterate(b)), records.records_section):
        try:
            read(junk)
        except ValueError:
            pass


@given(count=st.integers(-(2**31), 2**31 - 1), section=st.binary(max_size=100))
def test_a_count_is_never_believed_beyond_the_bytes(count: int, section: bytes) -> None:
    header = slow.HEADER.pack(0, 49 + len(section), -1, 2, 0, 0, max(count - 1, 0), 0, 0, -1, -1, -1, count)
    batch = sealed(bytearray(header + section))
    expected = None if count < 0 or count > 100 else parsed(slow.parse_batch, batch)
    assert parsed(lambda b: list(records.decode(b).records()), batch) == expected


def test_log_append_time_gives_every_record_the_batchs_timestamp() -> None:
    batch = bytearray(records.encode([Record(0, 5, b"a", b"b"), Record(1, 9, b"a", b"b")]))
    batch[22] |= 8
    batch[35:43] = struct.pack(">q", 77)
    assert [row.timestamp for row in records.iterate(batch)] == [77, 77]
    assert records.decode(batch).timestamps.tolist() == [77, 77]


def test_offsets_may_have_gaps_and_rise() -> None:
    rows = [Record(10, 1, b"a", None), Record(15, 1, None, b"b")]
    batch = records.encode(rows, base_offset=8)
    assert list(records.iterate(batch)) == rows
    header = records.BatchHeader.load(batch)
    assert (header.base_offset, header.last_offset, header.next_offset) == (8, 15, 16)
    with pytest.raises(ValueError, match="offset delta 0 does not follow 0"):
        records.encode([Record(3, 1, None, None), Record(3, 1, None, None)])
    with pytest.raises(ValueError, match="does not follow"):
        records.encode([Record(3, 1, None, None)], base_offset=4)
    with pytest.raises(ValueError, match="at least one record"):
        records.encode([])


def test_wrong_columns_are_named() -> None:
    with pytest.raises(ValueError, match="columns of different lengths: 2 timestamps"):
        records.encode_columns([1, 2], None, [b"a"])
    fixed = BytesColumn.fixed(b"abcd", 2)
    with pytest.raises(ValueError, match="record 1 names bytes outside its buffer"):
        records.encode_columns([1, 2], None, BytesColumn(b"abc", fixed.positions, fixed.sizes))
    with pytest.raises(ValueError, match="record 1: its offset delta"):
        records.encode_columns([1, 2], None, [b"a", b"b"], offset_deltas=[4, 4])
    with pytest.raises(ValueError, match="no rows of 3"):
        BytesColumn.fixed(b"abcd", 3)
    with pytest.raises(ValueError, match="at least one record"):
        records.encode_columns([], None, [])


def test_a_header_key_that_is_no_text_survives() -> None:
    batch = records.encode([Record(0, 1, None, None, ((b"\xff\xfe".decode("utf-8", "surrogateescape"), b""),))])
    (row,) = records.iterate(batch)
    assert records.encode([row]) == batch

"""Goal: metadata batches are Kafka's, byte for byte, and what is no batch is never taken for one.

Method: the files that Apache Kafka 4.3.1 wrote are read and written again; bytes are cut and flipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core.metadata.local_batches import BatchRecord, encode_batch, iterate_batches

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(p for p in GOLDEN.rglob("*") if p.suffix in (".segment", ".checkpoint"))

RECORDS = st.lists(
    st.tuples(st.none() | st.binary(max_size=4), st.none() | st.binary(max_size=200)), min_size=1, max_size=5
)


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parts[-3]}-{p.name}")
def test_kafkas_batches_are_written_again_byte_for_byte(path: Path) -> None:
    data = path.read_bytes()
    again = b"".join(
        encode_batch(b.base_offset, b.leader_epoch, b.timestamp_ms, b.records, control=b.control)
        for b in iterate_batches(data)
    )
    assert again == data


@given(st.integers(0, 2**60), st.integers(0, 2**31 - 1), st.integers(0, 2**45), RECORDS, st.booleans())
def test_round_trip(offset: int, epoch: int, timestamp: int, records: list[BatchRecord], control: bool) -> None:
    data = encode_batch(offset, epoch, timestamp, records, control=control)
    (batch,) = iterate_batches(data)
    assert (batch.base_offset, batch.leader_epoch, batch.timestamp_ms, batch.control) == (
        offset,
        epoch,
        timestamp,
        control,
    )
    assert list(batch.records) == records
    assert batch.size == len(data)
    assert batch.next_offset == offset + len(records)


@given(RECORDS, RECORDS, st.data())
def test_a_torn_tail_is_left_out(first: list[BatchRecord], second: list[BatchRecord], data: st.DataObject) -> None:
    one, two = encode_batch(0, 1, 2, first), encode_batch(len(first), 1, 2, second)
    kept = data.draw(st.integers(0, len(two) - 1))
    assert [b.base_offset for b in iterate_batches(one + two[:kept])] == [0]


@given(RECORDS, st.data())
def test_a_flipped_bit_is_seen(records: list[BatchRecord], data: st.DataObject) -> None:
    whole = encode_batch(5, 1, 2, records)
    # Base offset and leader epoch stand outside the checksum; who reads a log checks that they go on.
    bit = data.draw(st.integers(0, len(whole) * 8 - 1).filter(lambda bit: bit // 8 >= 16 or 8 <= bit // 8 < 12))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    assert list(iterate_batches(bytes(flipped))) == []


@given(st.binary(max_size=300))
def test_no_bytes_crash(data: bytes) -> None:
    assert list(iterate_batches(data)) == []


def test_compressed_metadata_is_refused() -> None:
    import struct

    from pykafka_core.native import crc32c

    data = bytearray(encode_batch(0, 1, 2, [(None, b"x")]))
    data[22] |= 1
    data[17:21] = struct.pack(">I", crc32c(bytes(data[21:])))
    with pytest.raises(ValueError, match="the batch at offset 0 is compressed"):
        list(iterate_batches(bytes(data)))

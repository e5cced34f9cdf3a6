"""Goal: the gate tells why, in Python too, and deep_validate finds in compressed batches what the gate finds in plain
ones.

The rules themselves are tested in tests/csrc/record/test_validate.c.
"""

from __future__ import annotations

import pickle

import pytest

from pykafka_core import crc32c, records
from pykafka_core.records import BatchRules, Codec, Fault, InvalidRecordError, LimitError, Record

NOW = 1_700_000_000_000
RULES = BatchRules(now_ms=NOW)
ROWS = [Record(0, NOW, b"k", b"v"), Record(1, NOW + 5, None, b"w"), Record(2, NOW - 5, b"k", None)]
COMPRESSED = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]


def with_section(batch: bytes, section: bytes) -> bytes:
    """The batch around another records section, with size and CRC made right."""
    out = bytearray(batch[:61] + section)
    out[8:12] = (len(out) - 12).to_bytes(4, "big")
    out[17:21] = crc32c.value(memoryview(out)[21:]).to_bytes(4, "big")
    return bytes(out)


def refusal(batch: bytes, rules: BatchRules = RULES) -> InvalidRecordError:
    with pytest.raises(InvalidRecordError) as caught:
        records.deep_validate(batch, rules)
    return caught.value


def test_a_good_batch_tells_about_itself() -> None:
    info = records.validate(records.encode(ROWS), RULES)
    assert info.header.record_count == 3
    assert (info.max_timestamp, info.max_timestamp_differs, info.offset_of_max_timestamp_delta) == (NOW + 5, False, 1)


def test_a_refusal_names_fault_and_record() -> None:
    error = refusal(records.encode(ROWS), BatchRules(now_ms=NOW, keys_required=True))
    assert (error.fault, error.record_index) == (Fault.NULL_KEY, 1)
    assert "without key" in str(error)
    error = refusal(records.encode(ROWS)[:40] + b"x" + records.encode(ROWS)[41:])
    assert (error.fault, error.record_index) == (Fault.CORRUPT, -1)
    assert Fault(error.fault).error_code == 2
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.fault, again.record_index) == (str(error), error.fault, error.record_index)


def test_every_fault_of_the_engine_is_one_of_ours() -> None:
    from pykafka_core.native import _records

    assert set(_records.FAULTS.values()) == {str(fault) for fault in Fault}


@pytest.mark.parametrize("codec", COMPRESSED)
def test_records_inside_compressed_batches_are_judged_like_plain_ones(codec: Codec) -> None:
    rules = BatchRules(now_ms=NOW, keys_required=True)
    batch = records.encode(ROWS, codec=codec)
    records.validate(batch, rules)  # the gate does not open it
    assert refusal(batch, rules).fault == Fault.NULL_KEY
    late = BatchRules(now_ms=NOW, timestamp_before_max_ms=4)
    records.validate(batch, late)
    assert (refusal(batch, late).fault, refusal(batch, late).record_index) == (Fault.INVALID_TIMESTAMP, 2)
    gap = records.encode([*ROWS[:2], ROWS[2]._replace(offset=5)])
    lying = with_section(batch, records.compress(codec, gap[61:]))
    records.validate(lying, RULES)
    assert (refusal(lying).fault, refusal(lying).record_index) == (Fault.INVALID_RECORD, 2)
    few = with_section(batch, records.compress(codec, records.encode(ROWS[:2])[61:]))
    assert refusal(few).fault == Fault.INVALID_RECORD
    many = with_section(batch, records.compress(codec, records.encode([*ROWS, Record(3, NOW, b"", b"")])[61:]))
    assert refusal(many).fault == Fault.INVALID_RECORD


@pytest.mark.parametrize("codec", COMPRESSED)
def test_streams_that_do_not_decompress_are_invalid_records(codec: Codec) -> None:
    batch = records.encode(ROWS * 1, codec=codec)
    # Enough of the stream for the gate, and not enough for the codec.
    error = refusal(with_section(batch, batch[61:-1]))
    assert error.fault == Fault.INVALID_RECORD
    wrong = with_section(batch, records.encode(ROWS)[61:])
    assert refusal(wrong).fault == Fault.INVALID_RECORD


@pytest.mark.parametrize("codec", COMPRESSED)
def test_a_section_above_the_bound_is_too_large(codec: Codec) -> None:
    batch = records.encode([Record(0, NOW, b"k", bytes(100_000))], codec=codec)
    records.deep_validate(batch, RULES)
    with pytest.raises(InvalidRecordError) as caught:
        records.deep_validate(batch, RULES, size_max=90_000)
    assert caught.value.fault == Fault.TOO_LARGE
    for read in (records.decode, records.iterate, records.find_max_timestamp_in_batch):
        with pytest.raises(LimitError):
            read(batch, size_max=90_000)


@pytest.mark.parametrize("codec", COMPRESSED)
def test_a_header_that_lies_about_its_newest_record_is_found_when_opened(codec: Codec) -> None:
    batch = bytearray(records.encode(ROWS, codec=codec))
    batch[35:43] = (NOW + 9).to_bytes(8, "big")
    lying = with_section(bytes(batch), bytes(batch[61:]))
    assert not records.validate(lying, RULES).max_timestamp_differs
    info, _ = records.deep_validate(lying, RULES)
    assert info.max_timestamp_differs
    assert info.max_timestamp == NOW + 5
    assert info.offset_of_max_timestamp_delta == 1


@pytest.mark.parametrize("source", Codec)
@pytest.mark.parametrize("target", Codec)
def test_recompression_changes_codec_size_and_crc_alone(source: Codec, target: Codec) -> None:
    batch = records.encode(
        [row._replace(offset=row.offset + 40) for row in ROWS],
        codec=source, leader_epoch=3, producer_id=9, producer_epoch=2, base_sequence=8, transactional=True,
    )  # fmt: skip
    again = records.recompress(batch + b"what follows", target)
    before, after = records.BatchHeader.load(batch), records.check_stored(again)
    assert after is not None
    assert after.codec == target
    assert after.is_transactional
    assert after.base_offset == 40
    for field in ("base_offset", "leader_epoch", "last_offset_delta", "base_timestamp", "max_timestamp", "producer_id",
                  "producer_epoch", "base_sequence", "record_count"):  # fmt: skip
        assert getattr(before, field) == getattr(after, field)
    assert list(records.iterate(again)) == list(records.iterate(batch))


@pytest.mark.parametrize("codec", Codec)
def test_records_are_found_by_timestamp(codec: Codec) -> None:
    batch = records.encode([row._replace(offset=row.offset + 10) for row in ROWS], codec=codec)
    assert records.find_timestamp_in_batch(batch, NOW) == (10, NOW)
    assert records.find_timestamp_in_batch(batch, NOW + 1) == (11, NOW + 5)
    assert records.find_timestamp_in_batch(batch, 0, offset_min=12) == (12, NOW - 5)
    assert records.find_timestamp_in_batch(batch, NOW + 6) is None
    assert records.find_max_timestamp_in_batch(batch) == (11, NOW + 5)
    none = records.encode([Record(0, -1, b"k", b"v")], codec=codec)
    assert records.find_max_timestamp_in_batch(none) is None

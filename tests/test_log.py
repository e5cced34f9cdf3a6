"""The log as a library.

Goal: what is appended is what is read, batch by batch, across segments and reopening; and the methods that the C tests
do not reach, because they are Python: batches, find_time into compressed batches, settings.
Method: hypothesis plays a life of appends, rolls and reopenings against a plain list.
"""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pykafka_core import records
from pykafka_core.log import (
    ClosedError,
    InvalidRecordError,
    LimitError,
    Log,
    LogConfig,
    OffsetOutOfRangeError,
    ProducerStateError,
)

T = 1_700_000_000_000

CODECS = st.sampled_from([records.Codec.NONE, records.Codec.GZIP, records.Codec.LZ4, records.Codec.ZSTD])
BATCHES = st.tuples(st.lists(st.binary(max_size=200), min_size=1, max_size=5), CODECS)
STEPS = st.lists(st.one_of(BATCHES, st.sampled_from(["roll", "reopen clean", "reopen unclean"])), max_size=25)


def batch_of(values, codec=records.Codec.NONE, start=T, **producer):
    return records.encode([(i, start + i, b"k", value) for i, value in enumerate(values)], codec=codec, **producer)


def values_of(log, offset):
    found = []
    for batch in log.batches(offset, size_max_bytes=300):
        found += [(record.offset, record.value) for record in records.iterate(batch) if record.offset >= offset]
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_what_is_appended_is_what_is_read(steps):
    expected = []
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "t-0"
        config = LogConfig(segment_size_bytes=2000, index_interval_bytes=100)
        log = Log(directory, config=config)
        for step in steps:
            if step == "roll":
                log.roll()
            elif step == "reopen clean":
                log.close()
                log = Log(directory, config=config, clean=True)
                assert log.recovery.scanned_bytes == 0
            elif step == "reopen unclean":
                log.close()
                log = Log(directory, config=config)
                assert log.recovery.truncated_bytes == 0
            else:
                values, codec = step
                appended = log.append_batch(batch_of(values, codec, start=T + len(expected)))
                assert appended.base_offset == len(expected)
                expected += values
            assert log.log_end_offset == len(expected)
        assert values_of(log, 0) == list(enumerate(expected))
        middle = len(expected) // 2
        assert values_of(log, middle) == list(enumerate(expected))[middle:]
        if expected:
            assert log.find_time(T + middle) == (middle, T + middle)
        assert log.find_time(T + len(expected)) is None
        log.close()


def test_a_torn_tail_is_cut_at_the_last_good_batch(tmp_path):
    with Log(tmp_path / "t-0") as log:
        log.append_batch(batch_of([b"one", b"two"]))
        log.append_batch(batch_of([b"lost"]))
    segment = tmp_path / "t-0" / f"{0:020d}.log"
    segment.write_bytes(segment.read_bytes()[:-1])
    with Log(tmp_path / "t-0") as log:
        assert log.log_end_offset == 2
        assert log.recovery.truncated_bytes > 0
        assert values_of(log, 0) == [(0, b"one"), (1, b"two")]
        assert log.append_batch(batch_of([b"next"])).base_offset == 2


def test_a_repeat_of_an_idempotent_batch_is_appended_once_and_a_gap_is_refused(tmp_path):
    def batch(sequence):
        return batch_of([b"v"], producer_id=7, producer_epoch=0, base_sequence=sequence)

    with Log(tmp_path / "t-0") as log:
        assert not log.append_batch(batch(0)).duplicate
        again = log.append_batch(batch(0))
        assert (again.duplicate, again.base_offset, log.log_end_offset) == (True, 0, 1)
        with pytest.raises(ProducerStateError) as refused:
            log.append_batch(batch(2))
        assert refused.value.fault == "out of order sequence"


def test_what_does_not_belong_into_a_log_is_refused_with_its_reason(tmp_path):
    batch = batch_of([b"value"])
    with Log(tmp_path / "t-0", config=LogConfig(segment_size_bytes=1000)) as log:
        with pytest.raises(InvalidRecordError) as refused:
            log.append_batch(batch[:-1] + b"x")
        assert refused.value.fault == "corrupt"
        with pytest.raises(LimitError):
            log.append_batch(batch_of([bytes(2000)]))
        with pytest.raises(OffsetOutOfRangeError):
            log.read(1, 100)
        assert log.log_end_offset == 0
    with pytest.raises(ClosedError):
        log.append_batch(batch)


def test_deleted_records_are_out_of_range_and_their_segments_can_go(tmp_path):
    with Log(tmp_path / "t-0") as log:
        for value in (b"a", b"b", b"c"):
            log.append_batch(batch_of([value]))
            log.roll()
        log.raise_start_offset(2)
        assert log.drop_segments() == 2
        with pytest.raises(OffsetOutOfRangeError):
            log.read(1, 100)
        assert values_of(log, 2) == [(2, b"c")]
        assert [segment.base_offset for segment in log.segments()] == [2, 3]


def test_settings_are_those_asked_for_and_can_change(tmp_path):
    asked = LogConfig(segment_size_bytes=12345, segment_ms=6)
    with Log(tmp_path / "t-0", config=asked) as log:
        assert log.settings == asked
        log.change_settings(LogConfig())
        assert log.settings == LogConfig()

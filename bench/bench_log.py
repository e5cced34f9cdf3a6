"""The log by itself: append, read, look-up by offset and by time, opening.

Method: one thread, a log in a temporary directory, batches made beforehand; sizes from small to large; bytes per call
are in `extra_info`. What is timed goes into the page cache, not to the disk (flush policy P0).
"""

import itertools

import pytest

from pykafka_core import records
from pykafka_core.log import Log, LogConfig

RECORD_BYTES = 100
T = 1_700_000_000_000


def batch_of(count):
    return records.encode([(i, T + i, None, bytes(RECORD_BYTES)) for i in range(count)])


@pytest.fixture
def log(tmp_path):
    with Log(tmp_path / "t-0", config=LogConfig(segment_size_bytes=256 << 20)) as opened:
        yield opened


@pytest.mark.benchmark(group="append")
@pytest.mark.parametrize("count", [1, 10, 150, 9000])
def test_append(benchmark, log, count):
    batch = batch_of(count)
    benchmark.extra_info["bytes"] = len(batch)
    benchmark.pedantic(log.append_batch, args=(batch,), rounds=min(3000, (200 << 20) // len(batch)), warmup_rounds=5)


@pytest.fixture
def filled(log):
    batch = batch_of(10)
    for _ in range(20000):
        log.append_batch(batch)
    return log


@pytest.mark.benchmark(group="read")
@pytest.mark.parametrize("size", [1 << 10, 16 << 10, 1 << 20])
def test_read(benchmark, filled, size):
    offsets = itertools.cycle(range(0, filled.log_end_offset, 7919))
    benchmark.extra_info["bytes"] = size
    benchmark(lambda: filled.read(next(offsets), size))


@pytest.mark.benchmark(group="look-up")
def test_find_an_offset(benchmark, filled):
    """The smallest read is the look-up and one batch."""
    offsets = itertools.cycle(range(0, filled.log_end_offset, 7919))
    benchmark(lambda: filled.read(next(offsets), 1))


@pytest.mark.benchmark(group="look-up")
def test_find_the_tail(benchmark, filled):
    offset = filled.log_end_offset - 1
    benchmark(lambda: filled.read(offset, 1))


@pytest.mark.benchmark(group="look-up")
def test_find_a_time(benchmark, filled):
    benchmark(lambda: filled.find_time(T + 5))


@pytest.mark.benchmark(group="open")
@pytest.mark.parametrize("clean", [True, False])
def test_open(benchmark, filled, clean):
    directory = filled.directory
    benchmark.extra_info["bytes"] = filled.size_bytes
    filled.close()

    def reopen():
        Log(directory, clean=clean).close()

    benchmark.pedantic(reopen, rounds=5)

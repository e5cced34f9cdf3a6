"""Opening a log after an unclean stop: the scan of everything, and the look at the tail when only the process died.

Method: one thread, a log of 1 GiB in the page cache, batches of several sizes. `bytes` is what is read; the goal of a
scan is 2 GB/s for each core.
"""

import pytest

from pykafka_core import records
from pykafka_core.native import Log

T = 1_700_000_000_000
SIZE_BYTES = 1 << 30


def batch_of(size_bytes):
    count = max(1, size_bytes // 110)
    return records.encode([(i, T + i, None, bytes(100)) for i in range(count)])


@pytest.fixture(scope="module", params=[1 << 10, 16 << 10, 256 << 10], ids=lambda size: f"{size >> 10} KiB")
def filled(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("recovery") / "t-0"
    batch = batch_of(request.param)
    with Log(path) as log:
        for _ in range(SIZE_BYTES // len(batch) - 1):
            log.append(batch)
    return path


def reopen(path, **how):
    opened = Log(path, **how)
    recovery, end = opened.recovery, opened.log_end_offset
    del opened
    return recovery, end


@pytest.mark.benchmark(group="recovery")
def test_scan(benchmark, filled):
    recovery, end = benchmark.pedantic(reopen, args=(filled,), rounds=5, warmup_rounds=1)
    benchmark.extra_info["bytes"] = recovery.scanned_bytes
    assert end > 0
    assert recovery.truncated_bytes == 0
    assert recovery.scanned_bytes > SIZE_BYTES * 0.9


@pytest.mark.benchmark(group="recovery")
def test_after_the_death_of_the_process(benchmark, filled):
    recovery, end = benchmark.pedantic(reopen, args=(filled,), kwargs={"process_died": True}, rounds=20)
    benchmark.extra_info["bytes"] = recovery.scanned_bytes
    assert end > 0
    assert recovery.scanned_bytes < 64 << 20

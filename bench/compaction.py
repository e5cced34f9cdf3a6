"""Compaction at size: a log of many keys is cleaned and compared, record by record, with a dictionary.

Every fourth batch is compressed, with each codec in turn; every hundredth record is a tombstone, which stays as long as
delete.retention.ms says. What must hold: each key has its last record, at its offset, with its bytes, and no other
below the active segment; offsets rise; nothing else is there.

With --kafka, Apache Kafka's own `Cleaner` does the same to copies of the log, first one to warm up and then one that is
measured, and what it leaves is held against the same dictionary: its CPU for each GB beside ours. (Its thread's CPU
only: what its virtual machine spends on compiling and collecting is not counted.)
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "clients"))

from harness.cleaning import DAY_MS, Job, KafkaCleaner, cpu_s, run_cleaning
from pykafka_core import records
from pykafka_core.log import Log, LogConfig
from pykafka_core.records import Codec

T = 1_700_000_000_000
BATCH_RECORDS = 200
VALUE_BYTES = 400
SEGMENT_BYTES, MAP_BYTES = 64 << 20, 128 << 20


def fill(log: Log, megabytes: int, keys: int, chance: random.Random) -> dict[bytes, tuple[int, bytes | None]]:
    last: dict[bytes, tuple[int, bytes | None]] = {}
    codecs = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]
    offset = number = written = 0
    while written < megabytes * 1_000_000:
        rows = []
        for delta in range(BATCH_RECORDS):
            key = b"key-%d" % chance.randrange(keys)
            value = None if chance.random() < 0.01 else chance.randbytes(16) * (VALUE_BYTES // 16)
            rows.append((delta, T + offset + delta, key, value))
            last[key] = offset + delta, value
            written += len(key) + (0 if value is None else len(value)) + 10
        codec = codecs[number // 4 % 4] if number % 4 == 0 else Codec.NONE
        log.append(records.encode(rows, codec=codec))
        offset += BATCH_RECORDS
        number += 1
    return last


def clean(log: Log) -> None:
    end = log.log_end_offset
    log.roll()
    log.flush()
    done = 0
    while done < end:
        done = run_cleaning(log, Job(T, DAY_MS, SEGMENT_BYTES, done, end, MAP_BYTES))


def check(log: Log, last: dict[bytes, tuple[int, bytes | None]]) -> int:
    left, previous = dict(last), -1
    for batch in log.batches(0):
        for record in records.iterate(batch):
            assert record.offset > previous, f"offset {record.offset} after {previous}"
            previous = record.offset
            assert record.key is not None
            expected = left.pop(bytes(record.key), None)
            value = None if record.value is None else bytes(record.value)
            assert expected == (record.offset, value), f"{record.key!r} at {record.offset} is not the last of its key"
    assert not left, f"{len(left)} keys are lost, such as {next(iter(left))!r}"
    return len(last)


def clean_with_kafka(source: Path) -> Path:
    """Returns the directory that it has cleaned."""
    with Log(source, clean=True) as log:
        end, before = log.log_end_offset, log.size_bytes
    kafka = KafkaCleaner(jvm=("java", "-Xmx1g", "-XX:+UseG1GC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"))
    job = Job(T, DAY_MS, SEGMENT_BYTES, 0, end, MAP_BYTES)
    for name in ("warm-up", "measured"):
        copy = source.with_name(name) / source.name
        shutil.copytree(source, copy)
        started = time.monotonic()
        cleaned = kafka.clean(copy, job)
        if name == "warm-up":
            shutil.rmtree(copy)
    kafka.close()
    assert cleaned.end_offset == end, "Kafka needs a larger offset map for one pass"
    seconds = time.monotonic() - started
    print(f"Apache Kafka cleaned in {seconds:.1f} s, {cleaned.cpu_s / (before / 1e9):.1f} s of CPU for each GB")
    return copy


def main(words: list[str]) -> int:
    beside_kafka = "--kafka" in words
    numbers = [int(word) for word in words if word != "--kafka"]
    megabytes, keys = [*numbers, *(1000, 1_000_000)[len(numbers) :]]
    seed = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    print(f"{megabytes} MB, {keys} keys, SEED={seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="compaction-") as scratch:
        path = Path(scratch) / "ours" / "t-0"
        path.parent.mkdir()
        config = LogConfig(segment_size_bytes=SEGMENT_BYTES)
        with Log(path, config=config) as log:
            last = fill(log, megabytes, keys, random.Random(seed))
            log.roll()
        if beside_kafka:
            with Log(clean_with_kafka(path)) as log:
                print(f"checked: {check(log, last)} keys")
        with Log(path, config=config, clean=True) as log:
            before = log.size_bytes
            used, started = cpu_s(), time.monotonic()
            clean(log)
            each_s = (cpu_s() - used) / (before / 1e9)
            print(
                f"cleaned in {time.monotonic() - started:.1f} s, {each_s:.1f} s of CPU for each GB; "
                f"{before / 1e6:.0f} MB became {log.size_bytes / 1e6:.0f} MB"
            )
            print(f"checked: {check(log, last)} keys")
        # And once more as the next start finds it, believing nothing.
        with Log(path) as again:
            print(f"checked after a scan: {check(again, last)} keys")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

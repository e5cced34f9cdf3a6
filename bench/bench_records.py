"""Record batches: the gate, and reading and writing as columns and one by one.

Batches of 16 KiB and of 1 MB, of records of 100 B and 1 KiB.  Bytes and records per call are in extra_info.
"""

from __future__ import annotations

from typing import Any

import pytest

from pykafka_core import records
from pykafka_core.records import BytesColumn, Codec, Record

NOW = 1_700_000_000_000
RULES = records.BatchRules(now_ms=NOW, max_message_bytes=2**31 - 1)
SHAPES = [
    pytest.param((16 * 1024, 100), id="16KiB-of-100B"),
    pytest.param((16 * 1024, 1024), id="16KiB-of-1KiB"),
    pytest.param((1_000_000, 100), id="1MB-of-100B"),
    pytest.param((1_000_000, 1024), id="1MB-of-1KiB"),
]


def rows(shape: tuple[int, int]) -> list[Record]:
    """As many records as fit, with values that compress about as text does."""
    batch_size, value_size = shape
    line = b"the quick brown fox %08d jumps over the lazy dog; "
    values = [(line % i * (value_size // len(line) + 1))[:value_size] for i in range(batch_size // (value_size + 12))]
    return [Record(i, NOW + i // 10, None, value) for i, value in enumerate(values)]


def told(benchmark: Any, group: str, batch: bytes) -> None:
    benchmark.group = group
    benchmark.extra_info["bytes"] = len(batch)
    benchmark.extra_info["records"] = records.BatchHeader.load(batch).record_count


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("codec", [Codec.NONE, Codec.LZ4], ids=["plain", "lz4"])
def test_validate(benchmark: Any, shape: tuple[int, int], codec: Codec) -> None:
    batch = records.encode(rows(shape), codec=codec)
    told(benchmark, "validate", batch)
    benchmark(records.validate, batch, RULES)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("codec", Codec)
def test_deep_validate(benchmark: Any, shape: tuple[int, int], codec: Codec) -> None:
    batch = records.encode(rows(shape), codec=codec)
    told(benchmark, f"deep validate, {codec.name.lower()}", batch)
    benchmark(records.deep_validate, batch, RULES)


@pytest.mark.parametrize("shape", SHAPES)
def test_check_stored(benchmark: Any, shape: tuple[int, int]) -> None:
    batch = records.encode(rows(shape))
    told(benchmark, "check stored", batch)
    benchmark(records.check_stored, batch)


@pytest.mark.parametrize("shape", SHAPES)
def test_decode_columns(benchmark: Any, shape: tuple[int, int]) -> None:
    batch = records.encode(rows(shape))
    told(benchmark, "decode", batch)
    benchmark(records.decode, batch)


@pytest.mark.parametrize("shape", SHAPES)
def test_iterate(benchmark: Any, shape: tuple[int, int]) -> None:
    batch = records.encode(rows(shape))
    told(benchmark, "decode", batch)
    benchmark(lambda: sum(1 for _ in records.iterate(batch)))


@pytest.mark.parametrize("shape", SHAPES)
def test_encode_columns(benchmark: Any, shape: tuple[int, int]) -> None:
    made = rows(shape)
    timestamps = [row.timestamp for row in made]
    values = BytesColumn.of(row.value for row in made)
    told(benchmark, "encode", records.encode(made))
    benchmark(records.encode_columns, timestamps, None, values)


@pytest.mark.parametrize("shape", SHAPES)
def test_encode_records(benchmark: Any, shape: tuple[int, int]) -> None:
    made = rows(shape)
    told(benchmark, "encode", records.encode(made))
    benchmark(records.encode, made)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_recompress(benchmark: Any, shape: tuple[int, int], codec: Codec) -> None:
    batch = records.encode(rows(shape))
    told(benchmark, f"recompress, {codec.name.lower()}", batch)
    benchmark(records.recompress, batch, codec)

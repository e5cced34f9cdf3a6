"""Goal: our batches are Kafka's batches.  Method: kafka-python's and aiokafka's builders and readers as oracles, both
ways, all codecs they can write; where the compression is not involved, byte for byte."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykafka_core import records
from pykafka_core.records import Codec, Record
from tests.records import strategies

aiokafka_records = pytest.importorskip("aiokafka.record.default_records")
kafka_records = pytest.importorskip("kafka.record.default_records")

ORACLES = [pytest.param(kafka_records, id="kafka-python"), pytest.param(aiokafka_records, id="aiokafka")]


def skip_what_they_cannot(oracle: Any, codec: Codec) -> None:
    """kafka-python reads and writes snappy through a library of its own choice, which may be missing; aiokafka uses
    ours."""
    if oracle is kafka_records and codec is Codec.SNAPPY and not importlib.import_module("kafka.codec").has_snappy():
        pytest.skip("kafka-python has no snappy library here")


# Their builders want text for header keys and no -1 for "no timestamp".
rows_for_clients = st.lists(
    st.tuples(st.integers(0, 2**41), strategies.payloads, strategies.payloads, strategies.headers),
    min_size=1,
    max_size=15,
).map(strategies.records_from)


def built_by(oracle: Any, rows: list[Record], codec: int) -> bytes:
    builder = oracle.DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1 << 30,
    )  # fmt: skip
    for row in rows:
        assert builder.append(row.offset, row.timestamp, row.key, row.value, list(row.headers)) is not None
    return bytes(builder.build())


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("codec", Codec)
@settings(max_examples=20)
@given(rows=rows_for_clients)
def test_their_batches_are_read_and_accepted(oracle: Any, codec: Codec, rows: list[Record]) -> None:
    skip_what_they_cannot(oracle, codec)
    batch = built_by(oracle, rows, codec)
    assert list(records.iterate(batch)) == rows
    assert list(records.decode(batch).records()) == rows
    rules = records.BatchRules(now_ms=2**41, max_message_bytes=2**31 - 1)
    info, _ = records.deep_validate(batch, rules)
    assert info.max_timestamp == max(row.timestamp for row in rows)


@pytest.mark.parametrize("oracle", ORACLES)
@settings(max_examples=50)
@given(rows=rows_for_clients)
def test_uncompressed_batches_are_equal_byte_for_byte(oracle: Any, rows: list[Record]) -> None:
    # Leader epochs are the broker's to write, so clients put there what they like.
    theirs = built_by(oracle, rows, Codec.NONE)
    epoch = int.from_bytes(theirs[12:16], "big", signed=True)
    assert records.encode(rows, leader_epoch=epoch) == theirs


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("codec", Codec)
@settings(max_examples=20)
@given(rows=rows_for_clients)
def test_our_batches_are_read_by_them(oracle: Any, codec: Codec, rows: list[Record]) -> None:
    skip_what_they_cannot(oracle, codec)
    batch = oracle.DefaultRecordBatch(bytes(records.encode(rows, codec=codec)))
    assert batch.validate_crc()
    read = [Record(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in batch]
    assert read == rows

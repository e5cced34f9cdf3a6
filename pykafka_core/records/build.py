"""Batches from records, and from other batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.native import BatchBuilder, wrap_records

from .codecs import DECOMPRESSED_SIZE_MAX, Codec, compress
from .header import _CODEC_MASK, HEADER_SIZE, Record, split

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

__all__ = ["encode", "recompress"]

_ATTRIBUTES = slice(21, 23)


def with_codec(batch: Buffer, section: Buffer, codec: int, level: int | None) -> bytes:
    """The batch with its records section, given uncompressed, in this codec; everything else in its header stays."""
    header = bytearray(memoryview(batch).cast("B")[:HEADER_SIZE])
    attributes = int.from_bytes(header[_ATTRIBUTES], "big")
    header[_ATTRIBUTES] = (attributes & ~_CODEC_MASK | codec).to_bytes(2, "big")
    return wrap_records(header, compress(codec, section, level=level))


def encode(
    records: Iterable[Record | tuple[int, int, Buffer | None, Buffer | None]],
    *,
    codec: int = Codec.NONE,
    level: int | None = None,
    base_offset: int | None = None,
    leader_epoch: int = -1,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    transactional: bool = False,
    control: bool = False,
) -> bytes:
    """One batch of these records, with its CRC.

    Each record is a `Record`, or a tuple that starts like one.  Offsets must rise; `base_offset` is that of the first
    unless given.  Raises ValueError for none at all (a batch without records has no meaning for a producer), for
    offsets that do not rise or go beyond 2^31 - 1 from the base, and for a batch above 2 GiB.
    """
    rows = iter(records)
    first = next(rows, None)
    if first is None:
        raise ValueError("a batch needs at least one record")
    base = first[0] if base_offset is None else base_offset
    builder = BatchBuilder(
        base_offset=base,
        leader_epoch=leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        attributes=(0x10 if transactional else 0) | (0x20 if control else 0),
    )
    builder.add(*_added(first, base))
    for row in rows:
        builder.add(*_added(row, base))
    batch = builder.finish()
    return batch if codec == Codec.NONE else with_codec(batch, memoryview(batch)[HEADER_SIZE:], codec, level)


def _added(
    row: Record | tuple[int, int, Buffer | None, Buffer | None], base: int
) -> tuple[int, Buffer | None, Buffer | None, tuple[tuple[str, bytes | None], ...], int]:
    offset, timestamp, key, value, headers = row if len(row) == 5 else (*row, ())
    return timestamp, key, value, headers, offset - base


def recompress(batch: Buffer, codec: int, level: int | None = None, *, size_max: int = DECOMPRESSED_SIZE_MAX) -> bytes:
    """The same batch with its records in another codec (or another level of the same); header fields stay but size and
    CRC.

    For a topic whose `compression.type` differs from what the producer chose.  Raises CorruptRecordError, LimitError,
    ValueError for an unknown codec or level.
    """
    _, view, section = split(batch, size_max)
    return with_codec(view, section, codec, level)

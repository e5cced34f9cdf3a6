"""The header of a batch, its records one by one, and where batches begin and end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pykafka_core.native import CorruptRecordError, RecordIterator, check_stored_batch, load_batch_header

from .codecs import DECOMPRESSED_SIZE_MAX, Codec, decompress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

__all__ = ["HEADER_SIZE", "BatchHeader", "Codec", "Record", "batches", "check_stored", "iterate", "records_section"]

HEADER_SIZE = 61
_LOG_OVERHEAD = 12
_CODEC_MASK = 0x07
_LOG_APPEND_TIME = 0x08
_TRANSACTIONAL = 0x10
_CONTROL = 0x20
_DELETE_HORIZON = 0x40


class Record(NamedTuple):
    """One record.  Timestamps are milliseconds since the epoch, -1 for none; a header's key is text, its value may be
    null."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(slots=True, frozen=True)
class BatchHeader:
    """The 61 bytes before the records, in Kafka's words; nothing is checked but that they are there."""

    base_offset: int
    size_bytes: int  # the whole batch; a negative length field stays negative
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @classmethod
    def load(cls, batch: Buffer) -> BatchHeader:
        """The header of the batch that `batch` begins with.  Raises CorruptRecordError where 61 bytes are not there."""
        return cls(*load_batch_header(batch))

    @property
    def codec(self) -> int:
        """0..4 as in `Codec`; 5, 6 and 7 stand for no codec."""
        return self.attributes & _CODEC_MASK

    @property
    def is_log_append_time(self) -> bool:
        return bool(self.attributes & _LOG_APPEND_TIME)

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & _TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & _CONTROL)

    @property
    def delete_horizon_ms(self) -> int | None:
        return self.base_timestamp if self.attributes & _DELETE_HORIZON else None

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        return self.last_offset + 1


def check_stored(data: Buffer) -> BatchHeader | None:
    """The header of the batch that `data` begins with, after its size, magic, CRC and counts were checked.

    None where `data` ends before the batch does.  Raises CorruptRecordError.
    """
    header = check_stored_batch(data)
    return None if header is None else BatchHeader(*header)


def batches(data: Buffer) -> Iterator[memoryview]:
    """The whole batches of `data` (a segment file, a fetch answer), each as a view into it; a partial one at the end is
    left out.

    Sizes alone are looked at.  Raises CorruptRecordError for one that cannot be.
    """
    view = memoryview(data).cast("B")
    at = 0
    while len(view) - at >= _LOG_OVERHEAD:
        length = int.from_bytes(view[at + 8 : at + 12], "big", signed=True)
        if length < HEADER_SIZE - _LOG_OVERHEAD:
            raise CorruptRecordError(f"a batch at byte {at} claims a length of {length}")
        end = at + _LOG_OVERHEAD + length
        if end > len(view):
            return
        yield view[at:end]
        at = end


def split(batch: Buffer, size_max: int) -> tuple[BatchHeader, memoryview, Buffer]:
    """The header of a batch, the batch alone, and its records section, decompressed."""
    view = memoryview(batch).cast("B")
    header = BatchHeader.load(view)
    if not HEADER_SIZE <= header.size_bytes <= len(view):
        raise CorruptRecordError(f"{len(view)} bytes do not hold the batch, whose size is {header.size_bytes}")
    if header.magic != 2:
        raise CorruptRecordError(f"a batch of magic {header.magic}; only 2 is known")
    if header.codec > Codec.ZSTD:
        raise CorruptRecordError(f"a batch of the unknown codec {header.codec}")
    view = view[: header.size_bytes]
    section = view[HEADER_SIZE:]
    if header.codec == Codec.NONE:
        return header, view, section
    return header, view, decompress(header.codec, section, size_max=size_max)


def records_section(batch: Buffer, *, size_max: int = DECOMPRESSED_SIZE_MAX) -> Buffer:
    """The bytes behind the header, decompressed; a view into `batch` where they were not compressed.

    Raises CorruptRecordError, LimitError.  The CRC is not checked.
    """
    return split(batch, size_max)[2]


def iterate(batch: Buffer, *, size_max: int = DECOMPRESSED_SIZE_MAX) -> Iterator[Record]:
    """The records of one batch, made one at a time as they are asked for.

    Control batches are no exception: their records are markers.  Raises CorruptRecordError (when the damage is reached)
    and LimitError.  The CRC is not checked; `check_stored` does that.
    """
    _, view, section = split(batch, size_max)
    return RecordIterator(view, section, Record._make)

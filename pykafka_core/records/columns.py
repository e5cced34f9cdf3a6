"""Many records at once, as numpy columns: numbers as arrays, bytes as places in one buffer.

No Python object is made per record.  A null key or value has the size -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pykafka_core.native import BatchBuilder, CorruptRecordError, decode_record_columns, decode_record_headers

from .build import with_codec
from .codecs import DECOMPRESSED_SIZE_MAX, Codec
from .header import HEADER_SIZE, Record, batches, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray
    from typing_extensions import Buffer

__all__ = ["BytesColumn", "RecordColumns", "decode", "encode_columns"]


@dataclass(slots=True, frozen=True)
class BytesColumn:
    """A column of byte strings: row i is `buffer[positions[i] : positions[i] + sizes[i]]`, or null where `sizes[i]` is
    -1."""

    buffer: Buffer
    positions: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Iterable[Buffer | None]) -> BytesColumn:
        """The column of these byte strings, copied into a buffer of its own."""
        import numpy as np

        views = [None if row is None else memoryview(row).cast("B") for row in rows]
        sizes = np.fromiter((-1 if view is None else len(view) for view in views), np.int64, len(views))
        used = np.maximum(sizes, 0)
        return cls(b"".join(view for view in views if view is not None), np.cumsum(used) - used, sizes)

    @classmethod
    def nulls(cls, count: int) -> BytesColumn:
        import numpy as np

        return cls(b"", np.zeros(count, np.int64), np.full(count, -1, np.int64))

    @classmethod
    def fixed(cls, buffer: Buffer, size: int) -> BytesColumn:
        """Rows of `size` bytes each, back to back in `buffer`.  Raises ValueError where they do not fill it."""
        import numpy as np

        total = len(memoryview(buffer).cast("B"))
        if size < 1 or total % size:
            raise ValueError(f"{total} bytes are no rows of {size}")
        return cls(buffer, np.arange(0, total, size, dtype=np.int64), np.full(total // size, size, np.int64))

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> bytes | None:
        size = int(self.sizes[index])
        if size < 0:
            return None
        position = int(self.positions[index])
        return bytes(memoryview(self.buffer).cast("B")[position : position + size])

    def to_list(self) -> list[bytes | None]:
        """All rows as byte strings."""
        view = memoryview(self.buffer).cast("B")
        rows = zip(self.positions.tolist(), self.sizes.tolist(), strict=True)
        return [None if size < 0 else bytes(view[position : position + size]) for position, size in rows]


@dataclass(slots=True, frozen=True)
class RecordColumns:
    """The records of one or more batches.  All columns have one row per record.

    `keys`, `values` and `headers` name places in one buffer, which holds the records of all batches, decompressed.
    `headers` rows are encoded (without their count); `record_headers` decodes one.
    """

    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]  # milliseconds since the epoch, -1 for none
    keys: BytesColumn
    values: BytesColumn
    headers: BytesColumn
    header_counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets)

    def record_headers(self, index: int) -> tuple[tuple[str, bytes | None], ...]:
        """The headers of one record."""
        return decode_record_headers(self.headers[index] or b"") if self.header_counts[index] else ()

    def records(self) -> Iterator[Record]:
        """The records one by one, as `iterate` makes them."""
        keys, values = self.keys.to_list(), self.values.to_list()
        rows = zip(self.offsets.tolist(), self.timestamps.tolist(), keys, values, strict=True)
        for index, (offset, timestamp, key, value) in enumerate(rows):
            yield Record(offset, timestamp, key, value, self.record_headers(index))


def decode(data: Buffer, *, size_max: int = DECOMPRESSED_SIZE_MAX) -> RecordColumns:
    """The records of one or more batches, back to back (a fetch answer, a segment); a partial batch at the end is left
    out.

    `size_max` bounds the decompressed bytes of all batches together.  Raises CorruptRecordError, LimitError.  CRCs are
    not checked.
    """
    import numpy as np

    sections: list[Buffer] = []
    tables: list[NDArray[np.int64]] = []
    at = 0
    for batch in batches(data):
        header, _, section = split(batch, size_max - at)
        size = len(memoryview(section))
        # The smallest record has seven bytes: a count is believed only as far as the bytes go.
        if not 0 <= header.record_count <= size // 7:
            raise CorruptRecordError(f"{size} bytes cannot hold {header.record_count} records")
        table: NDArray[np.int64] = np.empty((9, header.record_count), np.int64)
        decode_record_columns(section, table)
        table[0] += header.base_offset
        table[1] += header.base_timestamp
        if header.is_log_append_time:
            table[1] = header.max_timestamp
        table[[2, 4, 6]] += at
        tables.append(table)
        sections.append(section)
        at += size
    buffer = sections[0] if len(sections) == 1 else b"".join(sections)
    if not tables:
        tables.append(np.empty((9, 0), np.int64))
    whole = tables[0] if len(tables) == 1 else np.concatenate(tables, axis=1)
    return RecordColumns(
        offsets=whole[0],
        timestamps=whole[1],
        keys=BytesColumn(buffer, whole[2], whole[3]),
        values=BytesColumn(buffer, whole[4], whole[5]),
        headers=BytesColumn(buffer, whole[6], whole[7]),
        header_counts=whole[8],
    )


def encode_columns(
    timestamps: ArrayLike,
    keys: BytesColumn | Sequence[Buffer | None] | None,
    values: BytesColumn | Sequence[Buffer | None],
    *,
    headers: tuple[BytesColumn, ArrayLike] | None = None,
    offset_deltas: ArrayLike | None = None,
    codec: int = Codec.NONE,
    level: int | None = None,
    base_offset: int = 0,
    leader_epoch: int = -1,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    transactional: bool = False,
) -> bytes:
    """One batch from columns, with its CRC.  Drops the GIL.

    `timestamps`: milliseconds since the epoch, one per record.  `keys`: None for no keys at all.  `headers`: encoded
    headers and their counts, as in `RecordColumns`.  `offset_deltas`: rising, 0, 1, 2 … unless given.  Raises
    ValueError for columns of different lengths, rows outside their buffer, headers that are none, no records, or a
    batch above 2 GiB.
    """
    import numpy as np

    times = np.ascontiguousarray(timestamps, np.int64)
    if times.ndim != 1 or not len(times):
        raise ValueError("a batch needs at least one record")
    key_column = BytesColumn.nulls(len(times)) if keys is None else _column(keys)
    builder = BatchBuilder(
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        attributes=0x10 if transactional else 0,
    )
    builder.add_columns(
        times,
        _row(key_column),
        _row(_column(values)),
        None if headers is None else (*_row(headers[0]), np.ascontiguousarray(headers[1], np.int64)),
        None if offset_deltas is None else np.ascontiguousarray(offset_deltas, np.int64),
    )
    batch = builder.finish()
    return batch if codec == Codec.NONE else with_codec(batch, memoryview(batch)[HEADER_SIZE:], codec, level)


def _column(rows: BytesColumn | Sequence[Buffer | None]) -> BytesColumn:
    return rows if isinstance(rows, BytesColumn) else BytesColumn.of(rows)


def _row(column: BytesColumn) -> tuple[Buffer, Any, Any]:
    import numpy as np

    return column.buffer, np.ascontiguousarray(column.positions, np.int64), np.ascontiguousarray(column.sizes, np.int64)

"""Records by timestamp, inside one batch; what ListOffsets needs where only Python can decompress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.native import find_record_by_timestamp, find_record_of_max_timestamp

from .codecs import DECOMPRESSED_SIZE_MAX
from .header import split

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["find_max_timestamp_in_batch", "find_timestamp_in_batch"]


def find_timestamp_in_batch(
    batch: Buffer, target: int, *, offset_min: int = 0, size_max: int = DECOMPRESSED_SIZE_MAX
) -> tuple[int, int] | None:
    """(offset, timestamp) of the first record at or after `offset_min` whose timestamp is at least `target`; None: no
    such.

    `offset_min`: the log start offset, which may lie inside the batch.  Raises CorruptRecordError, LimitError.
    """
    _, view, section = split(batch, size_max)
    return find_record_by_timestamp(view, section, target, offset_min)


def find_max_timestamp_in_batch(batch: Buffer, *, size_max: int = DECOMPRESSED_SIZE_MAX) -> tuple[int, int] | None:
    """(offset, timestamp) of the first of the records with the highest timestamp; None where no record has one
    (KIP-734).

    Raises CorruptRecordError, LimitError.
    """
    _, view, section = split(batch, size_max)
    return find_record_of_max_timestamp(view, section)

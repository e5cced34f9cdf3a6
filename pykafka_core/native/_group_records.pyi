"""Records of __consumer_offsets, many at a time, where a Python object per step would cost too much."""

from collections.abc import Sequence
from typing import Any

from typing_extensions import Buffer

def collect_plain_batches(data: Buffer, into: dict[bytes, bytes | None]) -> tuple[int, int]:
    """Put keys and values of the batches at the start of `data` into the dictionary, in order, as far as batches are
    whole and plain: not compressed, of no transaction, no control batches. Records without a key are passed over.

    Returns the position of the first batch that is something else, and the offset behind the last one that was
    collected, -1 if none was. CRCs are not checked. Raises CorruptRecordError.
    """

def take_offset_commits(
    pairs: list[tuple[bytes, bytes]], into: dict[str, dict[tuple[str, int], Any]], make: type[Any]
) -> Sequence[tuple[bytes, bytes]]:
    """Read the committed offsets among these keys and values; return the pairs that are something else.

    `into`: by group, topic and partition. `make`: a subclass of tuple with the fields offset, leader epoch, metadata,
    commit timestamp, expire timestamp, topic id.
    """

"""Record batches: what pykafka_core.records sees of csrc/record.

A header travels as a tuple in the order of `pykafka_core.records.BatchHeader`, rules as a tuple in the order of
`BatchRules`. `batch` is a buffer that begins with a batch's header; `records` is the uncompressed section behind one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, Self, TypeAlias, TypeVar, final

from typing_extensions import Buffer

_T = TypeVar("_T")
_Header: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int]
_Rules: TypeAlias = tuple[int, bool, int, int, int, bool, bool]
_Info: TypeAlias = tuple[_Header, int, bool, int]

FAULTS: Final[dict[int, str]]

def load_batch_header(data: Buffer) -> _Header: ...
def check_stored_batch(data: Buffer) -> _Header | None:
    """None: fewer bytes than the batch claims.  Raises CorruptRecordError.  Drops the GIL."""

def validate_batch(data: Buffer, rules: _Rules) -> _Info:
    """Raises InvalidRecordError.  Drops the GIL."""

def validate_batch_records(data: Buffer, records: Buffer, rules: _Rules) -> _Info:
    """Raises InvalidRecordError.  Drops the GIL."""

@final
class RecordIterator(Generic[_T]):
    """Records one by one: make((offset, timestamp, key, value, headers)).  Holds the buffer.  Raises
    CorruptRecordError."""

    def __new__(cls, data: Buffer, records: Buffer, make: Callable[[tuple[Any, ...]], _T]) -> Self: ...
    def __iter__(self) -> Iterator[_T]: ...
    def __next__(self) -> _T: ...

def decode_record_columns(records: Buffer, out: Any) -> None:
    """Fills an int64 array of the shape (9, record count), whose rows are those of csrc/record/columns.h.  Drops the
    GIL."""

def decode_record_headers(headers: Buffer) -> tuple[tuple[str, bytes | None], ...]:
    """The headers of one record from their encoding (without their count)."""

@final
class BatchBuilder:
    """Builds one uncompressed batch; the memory is its own and grows."""

    record_count: int
    size_bytes: int
    last_offset_delta: int
    def __new__(
        cls,
        *,
        base_offset: int = 0,
        leader_epoch: int = -1,
        producer_id: int = -1,
        producer_epoch: int = -1,
        base_sequence: int = -1,
        attributes: int = 0,
        delete_horizon_ms: int = -1,
        capacity: int = 4096,
    ) -> Self: ...
    def add(
        self,
        timestamp: int,
        key: Buffer | None,
        value: Buffer | None,
        headers: Sequence[tuple[str | bytes, bytes | None]] = (),
        offset_delta: int | None = None,
    ) -> None: ...
    def add_columns(
        self,
        timestamps: Any,
        keys: tuple[Buffer, Any, Any],
        values: tuple[Buffer, Any, Any],
        headers: tuple[Buffer, Any, Any, Any] | None = None,
        offset_deltas: Any = None,
    ) -> None: ...
    def finish(self) -> bytes: ...

def wrap_records(header: Buffer, records: Buffer) -> bytes:
    """A batch of this header around a records section, compressed or not, with the size, the magic and the CRC made
    right."""

def find_record_by_timestamp(data: Buffer, records: Buffer, target: int, offset_min: int) -> tuple[int, int] | None:
    """(offset, timestamp) of the first record at or after both.  Drops the GIL."""

def find_record_of_max_timestamp(data: Buffer, records: Buffer) -> tuple[int, int] | None:
    """(offset, timestamp).  Drops the GIL."""

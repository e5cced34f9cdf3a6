"""The gate between a producer's bytes and the log, as Kafka keeps it; for compressed batches to the last record.

`validate` is what the broker's data path does in C: everything for an uncompressed batch; for a compressed one its
header, CRC and the first bytes of the codec's framing.  `deep_validate` opens compressed batches too.

Source: org.apache.kafka.storage.internals.log.LogValidator, ProduceRequest.validateRecords; answers recorded from
4.3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pykafka_core.native import (
    CorruptRecordError,
    InvalidRecordError,
    LimitError,
    validate_batch,
    validate_batch_records,
)

from .codecs import DECOMPRESSED_SIZE_MAX, Codec
from .header import BatchHeader, split

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["BatchInfo", "BatchRules", "Fault", "deep_validate", "validate"]

_INT64_MAX = 2**63 - 1


class Fault(StrEnum):
    """`InvalidRecordError.fault`: why a batch was refused, with Kafka's error code."""

    CORRUPT = "corrupt"  # CORRUPT_MESSAGE (2)
    INVALID_RECORD = "invalid record"  # INVALID_RECORD (87)
    TOO_LARGE = "too large"  # MESSAGE_TOO_LARGE (10)
    INVALID_TIMESTAMP = "invalid timestamp"  # INVALID_TIMESTAMP (32)
    NULL_KEY = "null key"  # INVALID_RECORD (87), with record errors
    UNSUPPORTED_CODEC = "unsupported codec"  # UNSUPPORTED_COMPRESSION_TYPE (76)

    @property
    def error_code(self) -> int:
        return _ERROR_CODES[self]


_ERROR_CODES = {
    Fault.CORRUPT: 2,
    Fault.INVALID_RECORD: 87,
    Fault.TOO_LARGE: 10,
    Fault.INVALID_TIMESTAMP: 32,
    Fault.NULL_KEY: 87,
    Fault.UNSUPPORTED_CODEC: 76,
}


@dataclass(slots=True, frozen=True, kw_only=True)
class BatchRules:
    """What the topic and the request ask of a batch.  Times are milliseconds; `now_ms` is since the epoch."""

    now_ms: int
    max_message_bytes: int = 1048588
    log_append_time: bool = False
    timestamp_before_max_ms: int = _INT64_MAX
    timestamp_after_max_ms: int = 3600000
    keys_required: bool = False
    zstd_allowed: bool = True

    def _row(self) -> tuple[int, bool, int, int, int, bool, bool]:
        return (
            self.max_message_bytes,
            self.log_append_time,
            self.timestamp_before_max_ms,
            self.timestamp_after_max_ms,
            self.now_ms,
            self.keys_required,
            self.zstd_allowed,
        )


@dataclass(slots=True, frozen=True)
class BatchInfo:
    """What a good batch told about itself."""

    header: BatchHeader
    max_timestamp: int  # the highest of its records; of a compressed batch that was not opened, the header's
    max_timestamp_differs: bool  # the header has to be rewritten, as the leader does
    offset_of_max_timestamp_delta: int


def _info(found: tuple[tuple[int, ...], int, bool, int]) -> BatchInfo:
    header, max_timestamp, differs, delta = found
    return BatchInfo(BatchHeader(*header), max_timestamp, differs, delta)


def validate(batch: Buffer, rules: BatchRules) -> BatchInfo:
    """Checks the records field of one partition of a Produce request: exactly one batch, by these rules.  Drops the
    GIL.

    Raises InvalidRecordError, whose `fault` is a `Fault` and whose `record_index` is the first offending record or -1.
    """
    return _info(validate_batch(batch, rules._row()))


def deep_validate(
    batch: Buffer, rules: BatchRules, *, size_max: int = DECOMPRESSED_SIZE_MAX
) -> tuple[BatchInfo, Buffer]:
    """As `validate`, and reads every record of a compressed batch too; returns also the records section, decompressed.

    A stream that does not decompress is an INVALID_RECORD (Kafka answers with its generic error, on which clients give
    up too, and CORRUPT_MESSAGE would make them try again); one that holds more than `size_max` bytes is TOO_LARGE.
    """
    info = validate(batch, rules)
    try:
        _, view, section = split(batch, size_max)
    except CorruptRecordError as error:
        raise InvalidRecordError(f"The records do not decompress: {error}", Fault.INVALID_RECORD) from error
    except LimitError as error:
        raise InvalidRecordError(str(error), Fault.TOO_LARGE) from error
    if info.header.codec != Codec.NONE:
        info = _info(validate_batch_records(view, section, rules._row()))
    return info, section

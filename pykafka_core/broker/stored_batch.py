"""A producer's batch made into the one that its topic stores, where that takes opening it.

Two reasons: the topic has a codec of its own and the batch another, or the topic is compacted, so that every record
must have a key, and the batch is compressed. Anything else the data path does without looking inside.

Decompressing and compressing take milliseconds: call it on a thread. Source:
org.apache.kafka.storage.internals.log.LogValidator.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pykafka_core.broker.errors import RequestError
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.records import BatchHeader, BatchRules, Codec, Fault, InvalidRecordError, deep_validate
from pykafka_core.records.build import with_codec

if TYPE_CHECKING:
    from pykafka_core.broker.topic_configs import TopicSettings

__all__ = ["BatchRefusedError", "needs_opening", "stored_batch"]

ZSTD_VERSION_MIN: Final = 7
HEADER_SIZE: Final = 61
MAX_TIMESTAMP: Final = slice(35, 43)
DECOMPRESSED_SIZE_MAX: Final = 128 * 1024 * 1024
"""What one batch may hold once it is opened; a batch that holds more is refused as too large."""

Bytes = bytes | memoryview


class BatchRefusedError(RequestError):
    """A batch that its topic does not take. `record_index` is -1 for the batch as a whole."""

    def __init__(self, code: ErrorCode, message: str, record_index: int) -> None:
        super().__init__(code, message)
        self.record_index = record_index


def needs_opening(batch: Bytes, settings: TopicSettings, codec: int) -> bool:
    """Whether `stored_batch` has something to do. `codec`: the topic's, -1 for the producer's."""
    if len(batch) < HEADER_SIZE:
        return False
    given = BatchHeader.load(batch).codec
    return codec not in (-1, given) or (settings.compacted and given != Codec.NONE)


def stored_batch(batch: Bytes, settings: TopicSettings, codec: int, *, produce_version: int) -> Bytes:
    """Check a batch to its last record and return it as the topic stores it. Raises BatchRefusedError."""
    rules = BatchRules(
        now_ms=time.time_ns() // 1_000_000,
        max_message_bytes=settings.max_message_bytes,
        log_append_time=settings.log_append_time,
        timestamp_before_max_ms=settings.message_timestamp_before_max_ms,
        timestamp_after_max_ms=settings.message_timestamp_after_max_ms,
        keys_required=settings.compacted,
        zstd_allowed=produce_version >= ZSTD_VERSION_MIN,
    )
    try:
        info, section = deep_validate(batch, rules, size_max=DECOMPRESSED_SIZE_MAX)
    except InvalidRecordError as error:
        raise BatchRefusedError(ErrorCode(Fault(error.fault).error_code), str(error), error.record_index) from error
    if codec in (-1, info.header.codec):
        return batch
    header = bytearray(memoryview(batch)[:HEADER_SIZE])
    header[MAX_TIMESTAMP] = info.max_timestamp.to_bytes(8, "big", signed=True)
    return with_codec(header, section, codec, level_of(codec, settings))


def level_of(codec: int, settings: TopicSettings) -> int | None:
    match codec:
        case Codec.GZIP:
            return settings.compression_gzip_level
        case Codec.LZ4:
            return settings.compression_lz4_level
        case Codec.ZSTD:
            return settings.compression_zstd_level
        case _:
            return None

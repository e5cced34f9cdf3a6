"""The bridge to the C engine: everything that other packages may use of it.

Names are loaded from the compiled submodules when they are first asked for, so that importing this package costs
nothing and a process that only computes checksums never loads the server.  Import names from here, never from a
submodule: import checkers cannot look into compiled modules, but they see this file.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._cleaning import Cleaning, CleaningRequest, CleaningStats, StaleCleaningError
    from ._crc32c import crc32c, crc32c_by, crc32c_kernels
    from ._errors import (
        ClosedError,
        CorruptRecordError,
        EngineError,
        InvalidRecordError,
        KafkaStorageError,
        LimitError,
        OffsetOutOfRangeError,
        StorageExistsError,
        StorageNotFoundError,
    )
    from ._group_records import collect_plain_batches, take_offset_commits
    from ._load import FetchCounters, FetchLoad, Latency, ProduceLoad
    from ._log import (
        AbortedTxn,
        Appended,
        ExpiredSegment,
        FileCache,
        Log,
        LogDir,
        ProducerInfo,
        ProducerStateError,
        Recovery,
        SegmentInfo,
        TimestampedOffset,
    )
    from ._records import (
        BatchBuilder,
        RecordIterator,
        check_stored_batch,
        decode_record_columns,
        decode_record_headers,
        find_record_by_timestamp,
        find_record_of_max_timestamp,
        load_batch_header,
        validate_batch,
        validate_batch_records,
        wrap_records,
    )
    from ._server import TRUSTED_GUARD, AppendOutcome, Event, Partition, Request, Server, Topic, TopicConfig

__all__ = [
    "TRUSTED_GUARD",
    "AbortedTxn",
    "AppendOutcome",
    "Appended",
    "BatchBuilder",
    "Cleaning",
    "CleaningRequest",
    "CleaningStats",
    "ClosedError",
    "CorruptRecordError",
    "EngineError",
    "Event",
    "ExpiredSegment",
    "FetchCounters",
    "FetchLoad",
    "FileCache",
    "InvalidRecordError",
    "KafkaStorageError",
    "Latency",
    "LimitError",
    "Log",
    "LogDir",
    "OffsetOutOfRangeError",
    "Partition",
    "ProduceLoad",
    "ProducerInfo",
    "ProducerStateError",
    "RecordIterator",
    "Recovery",
    "Request",
    "SegmentInfo",
    "Server",
    "StaleCleaningError",
    "StorageExistsError",
    "StorageNotFoundError",
    "TimestampedOffset",
    "Topic",
    "TopicConfig",
    "check_stored_batch",
    "collect_plain_batches",
    "crc32c",
    "crc32c_by",
    "crc32c_kernels",
    "decode_record_columns",
    "decode_record_headers",
    "find_record_by_timestamp",
    "find_record_of_max_timestamp",
    "load_batch_header",
    "take_offset_commits",
    "validate_batch",
    "validate_batch_records",
    "wrap_records",
]

# Which submodule a name lives in; one line per submodule, in the order of the imports above.
_SUBMODULES = {
    "_cleaning": ("Cleaning", "CleaningRequest", "CleaningStats", "StaleCleaningError"),
    "_crc32c": ("crc32c", "crc32c_by", "crc32c_kernels"),
    "_errors": (
        "ClosedError",
        "CorruptRecordError",
        "EngineError",
        "InvalidRecordError",
        "KafkaStorageError",
        "LimitError",
        "OffsetOutOfRangeError",
        "StorageExistsError",
        "StorageNotFoundError",
    ),
    "_group_records": ("collect_plain_batches", "take_offset_commits"),
    "_load": ("FetchCounters", "FetchLoad", "Latency", "ProduceLoad"),
    "_log": (
        "AbortedTxn",
        "Appended",
        "ExpiredSegment",
        "FileCache",
        "Log",
        "LogDir",
        "ProducerInfo",
        "ProducerStateError",
        "Recovery",
        "SegmentInfo",
        "TimestampedOffset",
    ),
    "_records": (
        "BatchBuilder",
        "RecordIterator",
        "check_stored_batch",
        "decode_record_columns",
        "decode_record_headers",
        "find_record_by_timestamp",
        "find_record_of_max_timestamp",
        "load_batch_header",
        "validate_batch",
        "validate_batch_records",
        "wrap_records",
    ),
    "_server": ("TRUSTED_GUARD", "AppendOutcome", "Event", "Partition", "Request", "Server", "Topic", "TopicConfig"),
}
_SUBMODULE_OF = {name: submodule for submodule, names in _SUBMODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    submodule = _SUBMODULE_OF.get(name)
    if submodule is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # As importlib.import_module does, which a start does without.
    module = f"{__name__}.{submodule}"
    __import__(module)
    value = getattr(sys.modules[module], name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

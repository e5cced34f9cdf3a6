"""What the C engine can say no with.

Exception
├── MemoryError
└── EngineError                    anything the engine refused
    ├── KafkaStorageError          (OSError) the disk or the kernel said no; errno tells what
    │   ├── StorageNotFoundError   (FileNotFoundError)
    │   └── StorageExistsError     (FileExistsError)
    ├── CorruptRecordError         (ValueError) bytes that fail their checksum or cannot be what they claim
    ├── InvalidRecordError         (ValueError) a well-formed batch that breaks a rule; it tells which
    ├── OffsetOutOfRangeError      (LookupError) an offset outside the log
    ├── LimitError                 (ValueError) a configured limit is exceeded
    └── ClosedError                (ValueError) the thing was closed, or its storage has failed
"""

class EngineError(Exception): ...
class KafkaStorageError(EngineError, OSError): ...
class StorageNotFoundError(KafkaStorageError, FileNotFoundError): ...
class StorageExistsError(KafkaStorageError, FileExistsError): ...
class CorruptRecordError(EngineError, ValueError): ...

class InvalidRecordError(EngineError, ValueError):
    """`fault` is one of the values of `pykafka_core.records.Fault`; `record_index` is -1 for the batch as a whole."""

    fault: str
    record_index: int
    def __init__(self, message: str, fault: str = "invalid record", record_index: int = -1) -> None: ...

class OffsetOutOfRangeError(EngineError, LookupError): ...
class LimitError(EngineError, ValueError): ...
class ClosedError(EngineError, ValueError): ...

# cython: language_level=3
"""The one place where a status of the C engine becomes an exception; the tree is described in _errors.pyi."""

import errno

from pykafka_core.native cimport kc


class EngineError(Exception):
    pass


class KafkaStorageError(EngineError, OSError):
    pass


class StorageNotFoundError(KafkaStorageError, FileNotFoundError):
    pass


class StorageExistsError(KafkaStorageError, FileExistsError):
    pass


class CorruptRecordError(EngineError, ValueError):
    pass


class InvalidRecordError(EngineError, ValueError):
    def __init__(self, message, fault="invalid record", record_index=-1):
        super().__init__(message)
        self.fault = fault
        self.record_index = record_index

    def __reduce__(self):
        return type(self), (self.args[0], self.fault, self.record_index)


class OffsetOutOfRangeError(EngineError, LookupError):
    pass


class LimitError(EngineError, ValueError):
    pass


class ClosedError(EngineError, ValueError):
    pass


cdef int check(kc.kc_status status, object what) except -1:
    if status == kc.KC_OK:
        return 0
    if status == kc.KC_NO_MEMORY:
        raise MemoryError(f"{what}: out of memory")
    message = f"{what}: {kc.kc_status_name(status).decode()}"
    if status == kc.KC_CORRUPT:
        raise CorruptRecordError(message)
    if status == kc.KC_INVALID:
        raise InvalidRecordError(message)
    if status == kc.KC_OUT_OF_RANGE:
        raise OffsetOutOfRangeError(message)
    if status == kc.KC_LIMIT:
        raise LimitError(message)
    if status == kc.KC_CLOSED:
        raise ClosedError(message)
    if status == kc.KC_NOT_FOUND:
        raise StorageNotFoundError(errno.ENOENT, message)
    if status == kc.KC_EXISTS:
        raise StorageExistsError(errno.EEXIST, message)
    if status == kc.KC_IO_ERROR:
        raise KafkaStorageError(errno.EIO, message)
    if status == kc.KC_NO_SPACE:
        raise KafkaStorageError(errno.ENOSPC, message)
    if status == kc.KC_NO_FILES:
        raise KafkaStorageError(errno.EMFILE, message)
    if status == kc.KC_DENIED:
        raise KafkaStorageError(errno.EACCES, message)
    # KC_AGAIN, KC_END and KC_STALE mean something to the caller of the C function, who should have looked.
    raise EngineError(message)

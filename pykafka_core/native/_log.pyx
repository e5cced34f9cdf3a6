# cython: language_level=3
"""One partition's log: the bridge to csrc/log.  What each name does stands in _log.pyi.

The GIL is given back around every call that takes the log's lock or touches a file.
"""

import errno
import os

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport INT32_MAX, INT64_MAX, int16_t, int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from pykafka_core.native cimport kc
from pykafka_core.native._errors cimport check

from pykafka_core._namedtuple import namedtuple
from pykafka_core.native._errors import (
    ClosedError,
    CorruptRecordError,
    EngineError,
    InvalidRecordError,
    KafkaStorageError,
    LimitError,
)

cdef enum:
    PATH_SIZE = 4096
    COPY_ON_STACK_MAX = 4096

cdef _tuple_type(name, fields):
    return namedtuple(name, fields, module="pykafka_core.log")


Appended = _tuple_type("Appended", "base_offset last_offset log_append_time_ms duplicate")
Recovery = _tuple_type(
    "Recovery",
    "scanned_bytes truncated_bytes rebuilt_indexes dropped_segments cut_base_offset cut_position",
)
ExpiredSegment = _tuple_type("ExpiredSegment", "reason base_offset size_bytes max_timestamp")
SegmentInfo = _tuple_type("SegmentInfo", "base_offset size_bytes max_timestamp")
AbortedTxn = _tuple_type("AbortedTxn", "producer_id first_offset last_offset last_stable_offset")
ProducerInfo = _tuple_type(
    "ProducerInfo",
    "producer_id producer_epoch last_sequence last_timestamp coordinator_epoch current_txn_start_offset",
)
TimestampedOffset = _tuple_type("TimestampedOffset", "offset timestamp leader_epoch batch")


class ProducerStateError(EngineError):
    def __init__(self, message, fault):
        super().__init__(message)
        self.fault = fault

    def __reduce__(self):
        return type(self), (self.args[0], self.fault)


_FAULTS = {
    kc.KC_FAULT_CORRUPT: "corrupt",
    kc.KC_FAULT_INVALID_RECORD: "invalid record",
    kc.KC_FAULT_TOO_LARGE: "too large",
    kc.KC_FAULT_INVALID_TIMESTAMP: "invalid timestamp",
    kc.KC_FAULT_NULL_KEY: "null key",
    kc.KC_FAULT_UNSUPPORTED_CODEC: "unsupported codec",
}

_REASONS = {
    kc.KC_RETENTION_START_OFFSET: "start offset",
    kc.KC_RETENTION_TIME: "time",
    kc.KC_RETENTION_SIZE: "size",
}


@cython.final
cdef class FileCache:
    def __cinit__(self, Py_ssize_t limit=256):
        if limit <= 0:
            raise ValueError(f"limit must be positive, not {limit}")
        check(kc.kc_file_cache_create(kc.kc_disk_system(), limit, &self.cache), "file cache")
        self.limit = limit

    def __dealloc__(self):
        kc.kc_file_cache_destroy(self.cache)

    @property
    def open_count(self):
        cdef size_t count
        with nogil:
            count = kc.kc_file_cache_open_count(self.cache)
        return count


@cython.final
cdef class LogDir:
    def __cinit__(self):
        check(kc.kc_log_dir_create(&self.dir), "log directory")

    def __dealloc__(self):
        kc.kc_log_dir_release(self.dir)

    def fail(self):
        kc.kc_log_dir_fail(self.dir, kc.KC_IO_ERROR)

    def announce_to(self, int descriptor):
        check(kc.kc_log_dir_announce_to(self.dir, descriptor), "descriptor to announce a failed log directory to")

    @property
    def failure(self):
        cdef kc.kc_status status = kc.kc_log_dir_failure(self.dir)
        return None if status == kc.KC_OK else kc.kc_status_name(status).decode()

    @property
    def scanned_bytes(self):
        return kc.kc_log_dir_scanned(self.dir)


cdef object refused(const kc.kc_batch_refusal *refusal):
    cdef char text[kc.KC_BATCH_REFUSAL_TEXT_MAX]
    kc.kc_batch_refusal_format(refusal, text, sizeof(text))
    return InvalidRecordError((<bytes>text).decode(), _FAULTS[<int>refusal.fault], refusal.record_index)


cdef kc.kc_batch_rules load_rules(tuple rules, bint log_append_time) except *:
    cdef kc.kc_batch_rules r
    if rules is None:
        r.batch_size_max_bytes = INT32_MAX
        r.timestamp_before_max_ms = INT64_MAX
        r.timestamp_after_max_ms = INT64_MAX
        r.now_ms = 0
        r.keys_required = False
        r.zstd_allowed = True
    else:
        (r.batch_size_max_bytes, _, r.timestamp_before_max_ms, r.timestamp_after_max_ms, r.now_ms,
         r.keys_required, r.zstd_allowed) = rules
    r.log_append_time = log_append_time
    r.sequence_optional = False
    return r


cdef object append_error(kc.kc_append_fault fault):
    if fault == kc.KC_APPEND_OUT_OF_ORDER_SEQUENCE:
        return ProducerStateError("the batch's base sequence does not follow the producer's last", "out of order sequence")
    if fault == kc.KC_APPEND_INVALID_PRODUCER_EPOCH:
        return ProducerStateError("the producer has come back with a newer epoch", "invalid producer epoch")
    if fault == kc.KC_APPEND_INVALID_TXN_STATE:
        return ProducerStateError("the producer's transaction is open, and the batch is not in it", "invalid txn state")
    if fault == kc.KC_APPEND_COORDINATOR_FENCED:
        return ProducerStateError("the marker is of a coordinator that has been replaced", "coordinator fenced")
    if fault == kc.KC_APPEND_TOO_LARGE:
        return LimitError("the batch is larger than a segment")
    if fault == kc.KC_APPEND_STORAGE_ERROR:
        return KafkaStorageError(errno.EIO, "the log takes no more batches: a write to it has failed")
    return ClosedError("the log is closed")


cdef bytes read_slice(kc.kc_log_slice *slice):
    # Gives the slice's reference back, whatever happens.
    cdef kc.kc_status status
    cdef size_t got = 0
    cdef char *to
    cdef bytes result
    if slice.size_bytes == 0:
        return b""
    try:
        result = PyBytes_FromStringAndSize(NULL, slice.size_bytes)
        to = PyBytes_AS_STRING(result)
        with nogil:
            status = kc.kc_file_read(slice.file, to, slice.size_bytes, slice.position, &got)
        check(status, "read")
        return result if got == <size_t>slice.size_bytes else result[:got]
    finally:
        with nogil:
            kc.kc_file_release(slice.file)


cdef object timestamped_offset(kc.kc_log_position *found):
    cdef bytes batch = read_slice(&found.batch) if found.in_batch else None
    if found.offset < 0:
        return None
    return TimestampedOffset(found.offset, found.timestamp, found.leader_epoch, batch)


cdef class Log:
    def __cinit__(self, directory, FileCache files=None, *, config=None, bint clean=False, int64_t recovery_point=0,
                  int64_t log_start_offset=-1, LogDir log_dir=None, bint process_died=False,
                  bint offline=False, bint compacted=False):
        cdef kc.kc_log_options options
        cdef kc.kc_log_recovery report
        cdef kc.kc_status status
        cdef bytes path = os.fsencode(directory)
        cdef const char *c_path = path
        if recovery_point < 0:
            raise ValueError(f"recovery_point must not be negative, but is {recovery_point}")
        self.files = files if files is not None else FileCache()
        memset(&options, 0, sizeof(options))
        options.files = self.files.cache
        options.clock = kc.kc_clock_system()
        options.config = load_config(config, kc.kc_log_config_default())
        options.dir = log_dir.dir if log_dir is not None else NULL
        options.clean = clean
        options.process_died = process_died
        options.compacted = compacted
        options.recovery_point = recovery_point
        options.log_start_offset = log_start_offset
        memset(&report, 0, sizeof(report))
        with nogil:
            if offline:
                status = kc.kc_log_open_offline(c_path, &options, &self.log)
            else:
                status = kc.kc_log_open(c_path, &options, &report, &self.log)
        check(status, os.fsdecode(path))
        self.recovery = Recovery(report.scanned_bytes, report.truncated_bytes, report.rebuilt_indexes,
                                 report.dropped_segments, report.cut_base_offset, report.cut_position)

    def __dealloc__(self):
        if self.log != NULL:
            kc.kc_log_release(self.log)

    cdef kc.kc_log *pointer(self) noexcept:
        return self.log

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if not self.closed:
            self.close()

    def close(self):
        cdef kc.kc_status status
        with nogil:
            status = kc.kc_log_close(self.log)
        if status != kc.KC_CLOSED:
            check(status, "close")

    @property
    def closed(self):
        cdef size_t count
        with nogil:
            kc.kc_log_segments(self.log, NULL, 0, &count)
        return count == 0

    @property
    def writable(self):
        return kc.kc_log_writable(self.log)

    @property
    def offline(self):
        return kc.kc_log_offline(self.log)

    @property
    def log_start_offset(self):
        return kc.kc_log_start_offset(self.log)

    @property
    def log_end_offset(self):
        return kc.kc_log_end_offset(self.log)

    @property
    def synced_offset(self):
        return kc.kc_log_synced_offset(self.log)

    @property
    def last_stable_offset(self):
        return kc.kc_log_last_stable_offset(self.log)

    @property
    def size_bytes(self):
        return kc.kc_log_size_bytes(self.log)

    @property
    def directory(self):
        cdef char buffer[PATH_SIZE]
        cdef kc.kc_status status
        with nogil:
            status = kc.kc_log_directory(self.log, buffer, sizeof(buffer))
        check(status, "directory")
        return os.fsdecode(<bytes>buffer)

    def append(self, batch, *, int32_t leader_epoch=0, bint log_append_time=False, tuple rules=None):
        cdef Py_buffer view
        cdef uint8_t on_stack[COPY_ON_STACK_MAX]
        cdef uint8_t *copy = on_stack
        cdef kc.kc_batch_rules r = load_rules(rules, log_append_time)
        cdef kc.kc_batch_info info
        cdef kc.kc_batch_refusal refusal
        cdef kc.kc_append append
        cdef kc.kc_status status
        PyObject_GetBuffer(batch, &view, PyBUF_SIMPLE)
        if view.len > COPY_ON_STACK_MAX:
            copy = <uint8_t *>malloc(view.len)
            if copy == NULL:
                PyBuffer_Release(&view)
                raise MemoryError(f"{view.len} bytes for a copy of the batch")
        memset(&append, 0, sizeof(append))
        with nogil:
            # Offsets are written into the batch, and the caller's bytes may be immutable.
            memcpy(copy, view.buf, view.len)
            status = kc.kc_batch_validate(kc.kc_slice_make(copy, view.len), &r, &info, &refusal)
            if status == kc.KC_OK:
                append.batch = copy
                append.info = &info
                append.leader_epoch = leader_epoch
                append.log_append_time = log_append_time
                append.guard = kc.KC_TXN_GUARD_TRUSTED
                kc.kc_log_append(self.log, &append, 1)
        PyBuffer_Release(&view)
        if copy != on_stack:
            free(copy)
        if status == kc.KC_INVALID:
            raise refused(&refusal)
        check(status, "append")
        if append.fault != kc.KC_APPEND_OK and append.fault != kc.KC_APPEND_DUPLICATE:
            raise append_error(append.fault)
        return Appended(append.base_offset, append.last_offset, append.log_append_time_ms,
                        append.fault == kc.KC_APPEND_DUPLICATE)

    def append_marker(self, *, int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch, bint commit,
                      int16_t transaction_version, int32_t leader_epoch=0, bint log_append_time=False):
        cdef kc.kc_log_marker marker
        cdef kc.kc_append append
        marker.producer_id = producer_id
        marker.producer_epoch = producer_epoch
        marker.coordinator_epoch = coordinator_epoch
        marker.commit = commit
        marker.transaction_version = transaction_version
        marker.leader_epoch = leader_epoch
        marker.log_append_time = log_append_time
        if producer_id < 0:
            raise ValueError(f"producer id {producer_id} is negative")
        with nogil:
            kc.kc_log_append_marker(self.log, &marker, &append)
        if append.fault != kc.KC_APPEND_OK:
            raise append_error(append.fault)
        return Appended(append.base_offset, append.last_offset, append.log_append_time_ms, False)

    def admits_transaction(self, int64_t producer_id, int16_t producer_epoch):
        cdef bint admits
        with nogil:
            admits = kc.kc_log_admits_transaction(self.log, producer_id, producer_epoch)
        return admits

    def begin_verification(self, int64_t producer_id, int16_t producer_epoch, int32_t base_sequence, *,
                           bint supports_epoch_bump):
        cdef int64_t guard = 0
        cdef kc.kc_status status
        with nogil:
            status = kc.kc_log_begin_verification(self.log, producer_id, producer_epoch, base_sequence,
                                                  supports_epoch_bump, &guard)
        check(status, "begin_verification")
        return guard

    def expect_transaction(self, int64_t producer_id, int16_t producer_epoch):
        cdef kc.kc_status status
        with nogil:
            status = kc.kc_log_expect_transaction(self.log, producer_id, producer_epoch)
        if status == kc.KC_STALE:
            return False
        check(status, "expect_transaction")
        return True

    def aborted_txns(self, int64_t offset, int64_t end_offset):
        cdef kc.kc_aborted_txns found
        cdef kc.kc_status status
        cdef uint32_t i
        memset(&found, 0, sizeof(found))
        with nogil:
            status = kc.kc_log_collect_aborted(self.log, offset, end_offset, &found)
        try:
            check(status, "aborted_txns")
            return [AbortedTxn(found.items[i].producer_id, found.items[i].first_offset, found.items[i].last_offset,
                               found.items[i].last_stable_offset) for i in range(found.count)]
        finally:
            kc.kc_aborted_txns_release(&found)

    def producers(self):
        cdef kc.kc_producer_info *infos = NULL
        cdef kc.kc_producer_info *at
        cdef size_t count = 0, capacity = 0, i
        cdef list out = []
        while True:
            with nogil:
                kc.kc_log_producers(self.log, infos, capacity, &count)
            if count <= capacity:
                break
            free(infos)
            capacity = count + 8
            infos = <kc.kc_producer_info *>malloc(capacity * sizeof(kc.kc_producer_info))
            if infos == NULL:
                raise MemoryError(f"a list of {capacity} producers")
        try:
            for i in range(count):
                at = &infos[i]
                out.append(ProducerInfo(at.producer_id, at.producer_epoch, at.last_sequence, at.last_timestamp,
                                        at.coordinator_epoch, at.txn_first_offset))
        finally:
            free(infos)
        out.sort()
        return out

    def append_as_follower(self, batch):
        cdef Py_buffer view
        cdef kc.kc_status status
        PyObject_GetBuffer(batch, &view, PyBUF_SIMPLE)
        with nogil:
            status = kc.kc_log_append_as_follower(self.log, <const uint8_t *>view.buf, view.len)
        PyBuffer_Release(&view)
        if status == kc.KC_INVALID:
            raise InvalidRecordError("the batch's base offset is below the log end offset")
        check(status, "append_as_follower")

    def read(self, int64_t offset, int32_t size_max_bytes=1048576, *, offset_limit=None, bint min_one_batch=True):
        cdef kc.kc_log_slice slice
        cdef kc.kc_status status
        cdef int64_t limit = INT64_MAX if offset_limit is None else offset_limit
        if size_max_bytes < 0:
            raise ValueError(f"size_max_bytes must not be negative, but is {size_max_bytes}")
        with nogil:
            status = kc.kc_log_read(self.log, offset, limit, size_max_bytes, min_one_batch, &slice)
        check(status, f"read at offset {offset}")
        return read_slice(&slice)

    def find_timestamp(self, int64_t timestamp, *, offset_limit=None):
        cdef kc.kc_log_position found
        cdef kc.kc_status status
        cdef int64_t limit = INT64_MAX if offset_limit is None else offset_limit
        with nogil:
            status = kc.kc_log_find_timestamp(self.log, timestamp, limit, &found)
        check(status, f"find_timestamp {timestamp}")
        return timestamped_offset(&found)

    def find_max_timestamp(self):
        cdef kc.kc_log_position found
        cdef kc.kc_status status
        with nogil:
            status = kc.kc_log_find_max_timestamp(self.log, &found)
        check(status, "find_max_timestamp")
        return timestamped_offset(&found)

    def end_offset_for_epoch(self, int32_t leader_epoch):
        cdef int32_t epoch
        cdef int64_t end_offset
        with nogil:
            kc.kc_log_end_offset_for_epoch(self.log, leader_epoch, &epoch, &end_offset)
        return epoch, end_offset

    def epoch_for_offset(self, int64_t offset):
        cdef int32_t epoch
        with nogil:
            epoch = kc.kc_log_epoch_for_offset(self.log, offset)
        return epoch

    @property
    def latest_epoch(self):
        cdef int32_t epoch
        with nogil:
            epoch = kc.kc_log_latest_epoch(self.log)
        return epoch

    def assign_epoch(self, int32_t leader_epoch):
        cdef kc.kc_status status
        with nogil:
            status = kc.kc_log_assign_epoch(self.log, leader_epoch)
        if status == kc.KC_STALE:
            raise ValueError(f"leader epoch {leader_epoch} is below the latest, {self.latest_epoch}")
        check(status, "assign_epoch")

    @property
    def config(self):
        cdef kc.kc_log_config c
        with nogil:
            c = kc.kc_log_get_config(self.log)
        return (c.segment_size_bytes, c.segment_ms, c.segment_index_size_bytes, c.index_interval_bytes,
                c.producer_id_expiration_ms)

    def configure(self, config):
        cdef kc.kc_log_config c = load_config(config, kc.kc_log_get_config(self.log))
        with nogil:
            kc.kc_log_set_config(self.log, &c)

    def roll(self):
        cdef kc.kc_status status
        with nogil:
            status = kc.kc_log_roll(self.log)
        check(status, "roll")

    def flush(self):
        cdef kc.kc_status status
        cdef int64_t synced_offset = 0
        with nogil:
            status = kc.kc_log_flush(self.log, &synced_offset)
        check(status, "flush")
        return synced_offset

    def truncate(self, int64_t offset):
        cdef kc.kc_status status
        with nogil:
            status = kc.kc_log_truncate(self.log, offset)
        check(status, f"truncate to offset {offset}")

    def raise_start_offset(self, int64_t offset):
        cdef kc.kc_status status
        with nogil:
            status = kc.kc_log_raise_start_offset(self.log, offset)
        check(status, f"raise log start offset to {offset}")

    def drop_segments(self):
        cdef kc.kc_status status
        cdef int32_t dropped = 0
        with nogil:
            status = kc.kc_log_drop_segments(self.log, &dropped)
        check(status, "drop_segments")
        return dropped

    def expire(self, int64_t retention_ms, int64_t retention_bytes, int64_t high_watermark):
        cdef kc.kc_retention retention
        cdef kc.kc_retention_result result
        cdef kc.kc_retention_segment *segments = NULL
        cdef kc.kc_status status
        cdef size_t capacity = 0, i
        with nogil:
            kc.kc_log_segments(self.log, NULL, 0, &capacity)
        # Should the log roll before the call, the names of what is beyond this are told by the next pass.
        segments = <kc.kc_retention_segment *>malloc((capacity + 1) * sizeof(kc.kc_retention_segment))
        if segments == NULL:
            raise MemoryError(f"a list of {capacity} segments")
        retention.retention_ms = retention_ms
        retention.retention_bytes = retention_bytes
        try:
            with nogil:
                status = kc.kc_log_expire(self.log, &retention, high_watermark, segments, capacity + 1, &result)
            check(status, "expire")
            return [ExpiredSegment(_REASONS[<int>segments[i].reason], segments[i].base_offset, segments[i].size_bytes,
                                   segments[i].max_timestamp) for i in range(min(result.segment_count, capacity + 1))]
        finally:
            free(segments)

    def rename_directory(self, directory):
        cdef kc.kc_status status
        cdef bytes path = os.fsencode(directory)
        cdef const char *c_path = path
        with nogil:
            status = kc.kc_log_rename_directory(self.log, c_path)
        check(status, f"rename to {os.fsdecode(path)}")

    def segments(self):
        cdef kc.kc_log_segment_info *infos = NULL
        cdef size_t count = 0, capacity = 0, i
        while True:
            with nogil:
                kc.kc_log_segments(self.log, infos, capacity, &count)
            if count <= capacity:
                break
            free(infos)
            capacity = count + 8
            infos = <kc.kc_log_segment_info *>malloc(capacity * sizeof(kc.kc_log_segment_info))
            if infos == NULL:
                raise MemoryError(f"a list of {capacity} segments")
        try:
            return [SegmentInfo(infos[i].base_offset, infos[i].size_bytes, infos[i].max_timestamp) for i in range(count)]
        finally:
            free(infos)


cdef kc.kc_log_config load_config(config, kc.kc_log_config c) except *:
    if config is not None:
        (c.segment_size_bytes, c.segment_ms, c.segment_index_size_bytes, c.index_interval_bytes,
         c.producer_id_expiration_ms) = config
        if c.segment_size_bytes <= 0 or c.segment_index_size_bytes < 24 or c.index_interval_bytes < 0 or c.segment_ms < 0:
            raise ValueError(f"not a log configuration: {tuple(config)}")
    return c

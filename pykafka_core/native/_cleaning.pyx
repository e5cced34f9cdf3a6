# cython: language_level=3
"""One cleaning of a log: the bridge to csrc/log/cleaner.h.  What each name does stands in _cleaning.pyi.

The GIL is given back around every call that reads, writes or takes the log's lock.
"""

import os
from collections import namedtuple

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from pykafka_core.native cimport kc
from pykafka_core.native._errors cimport check
from pykafka_core.native._log cimport Log

CleaningRequest = namedtuple("CleaningRequest", "need codec section")
CleaningStats = namedtuple(
    "CleaningStats",
    "end_offset map_bytes_read copy_bytes_read bytes_written map_records copy_records records_kept key_count segments_before "
    "segments_after",
)
CleaningRequest.__module__ = CleaningStats.__module__ = __name__

_NEEDS = {
    kc.KC_CLEANING_AGAIN: "again",
    kc.KC_CLEANING_DECOMPRESS: "decompress",
    kc.KC_CLEANING_COMPRESS: "compress",
    kc.KC_CLEANING_DONE: "done",
}


class StaleCleaningError(Exception):
    pass


@cython.final
cdef class Cleaning:
    cdef kc.kc_cleaning *cleaning
    cdef bint waiting, over

    def __cinit__(self, Log log, *, int64_t first_dirty_offset, int64_t limit_offset, int64_t now_ms, int64_t delete_retention_ms,
                  size_t map_size_bytes, double map_load_factor):
        cdef kc.kc_cleaning_options options
        cdef kc.kc_status status
        cdef bytes seed = os.urandom(16)
        cdef const char *seed_bytes = seed
        cdef kc.kc_log *pointer = log.pointer()
        memset(&options, 0, sizeof(options))
        options.first_dirty_offset = first_dirty_offset
        options.limit_offset = limit_offset
        options.now_ms = now_ms
        options.delete_retention_ms = delete_retention_ms
        options.map_size_bytes = map_size_bytes
        options.map_load_factor = map_load_factor
        memcpy(&options.seed, seed_bytes, 16)
        if not 0 < map_load_factor <= 1:
            raise ValueError(f"map_load_factor must lie above 0 and not above 1, but is {map_load_factor}")
        with nogil:
            status = kc.kc_cleaning_start(pointer, &options, &self.cleaning)
        check(status, "cleaning")

    def __dealloc__(self):
        self.close()

    def close(self):
        cdef kc.kc_cleaning *cleaning = self.cleaning
        self.cleaning = NULL
        with nogil:
            kc.kc_cleaning_end(cleaning)

    def step(self, section=None, *, int64_t size_bytes=1048576):
        cdef kc.kc_cleaning_request request
        cdef kc.kc_slice slice
        cdef kc.kc_status status
        cdef Py_buffer view
        if self.cleaning == NULL or self.over:
            raise ValueError("the cleaning is over")
        if self.waiting != (section is not None):
            raise ValueError("a section is to be given where, and only where, it was asked for")
        slice.data = NULL
        slice.size = 0
        if section is not None:
            PyObject_GetBuffer(section, &view, PyBUF_SIMPLE)
            slice.data = <const unsigned char *>view.buf
            slice.size = view.len
        with nogil:
            status = kc.kc_cleaning_step(self.cleaning, slice, size_bytes, &request)
        if section is not None:
            PyBuffer_Release(&view)
        self.waiting = False
        if status != kc.KC_OK:
            self.over = True
        if status == kc.KC_STALE:
            raise StaleCleaningError("the log was truncated, or segments of it were dropped, meanwhile")
        check(status, "cleaning")
        self.over = request.need == kc.KC_CLEANING_DONE
        self.waiting = request.need == kc.KC_CLEANING_DECOMPRESS or request.need == kc.KC_CLEANING_COMPRESS
        data = (<const char *>request.section.data)[:request.section.size] if self.waiting else b""
        return CleaningRequest(_NEEDS[<int>request.need], request.codec, data)

    @property
    def stats(self):
        cdef kc.kc_cleaning_stats s
        if self.cleaning == NULL:
            raise ValueError("the cleaning is closed")
        kc.kc_cleaning_stats_of(self.cleaning, &s)
        return CleaningStats(s.end_offset, s.map_bytes_read, s.copy_bytes_read, s.bytes_written, s.map_records, s.copy_records,
                             s.records_kept, s.key_count, s.segments_before, s.segments_after)

# What other bridges may see of a log: its C object, which lives as long as the Python one and longer if they retain it.
from pykafka_core.native cimport kc


cdef class FileCache:
    cdef kc.kc_file_cache *cache
    cdef readonly object limit


cdef class LogDir:
    cdef kc.kc_log_dir *dir


cdef class Log:
    cdef kc.kc_log *log
    cdef readonly FileCache files
    cdef readonly object recovery

    # Borrowed; kc_log_retain it to keep it.  Never NULL in an object whose __init__ has returned.
    cdef kc.kc_log *pointer(self) noexcept

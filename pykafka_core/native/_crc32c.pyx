# cython: language_level=3
"""CRC-32C of any buffer; see csrc/crc32c/crc32c.h."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t

from pykafka_core.native cimport kc

# Below this many bytes, handing the GIL over costs more than the sum.
cdef enum:
    GIL_SIZE_MIN = 16384


def crc32c(data, uint32_t crc=0):
    cdef Py_buffer view
    cdef uint32_t result
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    if view.len < GIL_SIZE_MIN:
        result = kc.kc_crc32c_extend(crc, view.buf, view.len)
    else:
        with nogil:
            result = kc.kc_crc32c_extend(crc, view.buf, view.len)
    PyBuffer_Release(&view)
    return result


def crc32c_kernels():
    cdef kc.kc_crc32c_kernel kernels[kc.KC_CRC32C_KERNELS_MAX]
    cdef size_t count = kc.kc_crc32c_kernels(kernels)
    cdef size_t i
    return [kernels[i].name.decode() for i in range(count)]


def crc32c_by(str kernel, data, uint32_t crc=0):
    cdef kc.kc_crc32c_kernel kernels[kc.KC_CRC32C_KERNELS_MAX]
    cdef size_t count = kc.kc_crc32c_kernels(kernels)
    cdef size_t i
    cdef Py_buffer view
    cdef uint32_t result
    for i in range(count):
        if kernels[i].name.decode() == kernel:
            break
    else:
        raise ValueError(f"no kernel {kernel!r} on this processor, only {', '.join(crc32c_kernels())}")
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    with nogil:
        result = kernels[i].extend(crc, view.buf, view.len)
    PyBuffer_Release(&view)
    return result

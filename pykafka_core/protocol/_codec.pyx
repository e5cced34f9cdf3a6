# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True, binding=False, autotestdict=False
"""Table-driven encoder and decoder for the classes that ci/generate_protocol.py writes.

For each (class, version) the class's FIELDS are turned once into a plan: an array of C structs in wire order. Encoding
and decoding walk that plan and read or write the slots of the message object in place, so no Python code runs and no
attribute is looked up by name on the way. Runs with the GIL held; owns no state but the cache of plans.

Invariants
1. Nothing is allocated because a peer said so: a count is at most (bytes left / smallest size of an item), and the
   memory of all objects is charged to a budget (BUDGET_FLOOR + BUDGET_FACTOR * bytes of the message) before they exist.
2. The reader never passes `end`; inside a tagged field `end` is the end of that field.
3. A slot is reached only through an object whose type is (a subclass of) the class that the plan was made for.
4. We hold a reference to whatever we took out of a list or slot while Python code may run. Such code can run only where
   a value is compared with a default and where a value hands out its buffer.

Sources: Kafka's protocol guide, KIP-482 (flexible versions), KIP-893 (nullable structs).
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.float cimport PyFloat_AsDouble, PyFloat_Check
from cpython.long cimport PyLong_Check
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport Py_EQ, PyObject, PyObject_RichCompareBool, PyTypeObject
from libc.limits cimport LLONG_MAX, LLONG_MIN
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memmove

from pykafka_core.protocol.exceptions import ProtocolError, UnsupportedVersionError
from pykafka_core.protocol.message import Message, Struct

cdef extern from *:
    """
    #include <Python.h>
    #include <structmember.h>
    #include <string.h>

    static inline int kc_is_member(PyObject *descr) { return Py_TYPE(descr) == &PyMemberDescr_Type; }
    static inline Py_ssize_t kc_member_offset(PyObject *descr) {
        return ((PyMemberDescrObject *)descr)->d_member->offset;
    }
    /* The slot of an object, as an lvalue. */
    #define KC_SLOT(object, offset) (*(PyObject **)((char *)(object) + (offset)))

    /* The value of an int that lies in [low, high]; 0 if it does not, or is no int. Nearly all numbers have one digit,
       and those need no call. Never sets an exception, never runs Python code. */
    static inline int kc_get_int(PyObject *value, long long low, long long high, long long *number) {
        int overflow = 0;
    #if PY_VERSION_HEX >= 0x030C0000
        if (PyLong_CheckExact(value) && PyUnstable_Long_IsCompact((PyLongObject *)value))
            *number = (long long)PyUnstable_Long_CompactValue((PyLongObject *)value);
    #else
        if (PyLong_CheckExact(value) && Py_SIZE(value) >= -1 && Py_SIZE(value) <= 1)
            *number = Py_SIZE(value) * (long long)((PyLongObject *)value)->ob_digit[0];
    #endif
        else if (PyLong_Check(value))
            *number = PyLong_AsLongLongAndOverflow(value, &overflow);
        else
            return 0;
        return !overflow && *number >= low && *number <= high;
    }

    static inline uint16_t kc_get16(const unsigned char *p) { return (uint16_t)((p[0] << 8) | p[1]); }
    static inline uint32_t kc_get32(const unsigned char *p) {
        uint32_t v; memcpy(&v, p, 4); return PY_BIG_ENDIAN ? v : __builtin_bswap32(v);
    }
    static inline uint64_t kc_get64(const unsigned char *p) {
        uint64_t v; memcpy(&v, p, 8); return PY_BIG_ENDIAN ? v : __builtin_bswap64(v);
    }
    static inline void kc_put16(unsigned char *p, uint16_t v) { p[0] = (unsigned char)(v >> 8); p[1] = (unsigned char)v; }
    static inline void kc_put32(unsigned char *p, uint32_t v) { v = PY_BIG_ENDIAN ? v : __builtin_bswap32(v); memcpy(p, &v, 4); }
    static inline void kc_put64(unsigned char *p, uint64_t v) { v = PY_BIG_ENDIAN ? v : __builtin_bswap64(v); memcpy(p, &v, 8); }
    """
    bint kc_get_int(PyObject *value, long long low, long long high, long long *number) noexcept
    bint kc_is_member(object descr)
    Py_ssize_t kc_member_offset(object descr)
    PyObject *KC_SLOT(PyObject *obj, Py_ssize_t offset) noexcept
    uint16_t kc_get16(const unsigned char *p) noexcept
    uint32_t kc_get32(const unsigned char *p) noexcept
    uint64_t kc_get64(const unsigned char *p) noexcept
    void kc_put16(unsigned char *p, uint16_t v) noexcept
    void kc_put32(unsigned char *p, uint32_t v) noexcept
    void kc_put64(unsigned char *p, uint64_t v) noexcept

cdef extern from *:
    """
    /* Gives the reference `value` to the slot. */
    static inline void kc_store(PyObject *object, Py_ssize_t offset, PyObject *value) {
        PyObject *old = KC_SLOT(object, offset);
        KC_SLOT(object, offset) = value;
        Py_XDECREF(old);
    }
    """
    void kc_store(PyObject *obj, Py_ssize_t offset, PyObject *value) noexcept

# Declared here rather than cimported where a borrowed or stolen reference must not be counted on the way.
cdef extern from "Python.h":
    PyObject *PyUnicode_DecodeUTF8(const char *s, Py_ssize_t size, const char *errors) except NULL
    const char *PyUnicode_AsUTF8AndSize(PyObject *text, Py_ssize_t *size) except NULL
    bint PyUnicode_Check(PyObject *value) noexcept
    PyObject *PyLong_FromLong(long value) except NULL
    PyObject *PyLong_FromLongLong(long long value) except NULL
    PyObject *PyFloat_FromDouble(double value) except NULL
    PyObject *PyBytes_FromStringAndSize(const char *s, Py_ssize_t size) except NULL
    bint PyBytes_CheckExact(PyObject *value) noexcept
    Py_ssize_t PyBytes_GET_SIZE(PyObject *value) noexcept
    char *PyBytes_AS_STRING(PyObject *value) noexcept
    PyObject *PyList_New(Py_ssize_t size) except NULL
    void PyList_SET_ITEM(PyObject *items, Py_ssize_t index, PyObject *item) noexcept
    bint PyList_Check(PyObject *value) noexcept
    bint PyTuple_Check(PyObject *value) noexcept
    Py_ssize_t PyList_GET_SIZE(PyObject *items) noexcept
    Py_ssize_t PyTuple_GET_SIZE(PyObject *items) noexcept
    PyObject *PyList_GET_ITEM(PyObject *items, Py_ssize_t index) noexcept
    PyObject *PyTuple_GET_ITEM(PyObject *items, Py_ssize_t index) noexcept
    PyObject *PyType_GenericAlloc(PyTypeObject *cls, Py_ssize_t item_count) except NULL
    bint PyObject_TypeCheck(PyObject *value, PyTypeObject *cls) noexcept
    PyObject *Py_NewRef(PyObject *value) noexcept
    void Py_DECREF(PyObject *value) noexcept
    PyObject *Py_None
    PyObject *Py_True
    PyObject *Py_False

include "_codec_plan.pxi"
include "_codec_reader.pxi"
include "_codec_writer.pxi"


cdef tuple decode_bytes(_Plan plan, const unsigned char *data, Py_ssize_t size, Py_ssize_t offset):
    cdef Reader r
    cdef PyObject *owned
    if offset < 0 or offset > size:
        raise ValueError(f"offset {offset} is outside of the {size} bytes")
    r.pos = data + offset
    r.end = data + size
    r.budget = BUDGET_FLOOR + BUDGET_FACTOR * (size - offset)
    r.tagged_field_size_max = plan.tagged_field_size_max
    r.trail.depth = 0
    r.plan = <PyObject *>plan
    owned = read_struct(&r, &plan.c)
    result = <object>owned
    Py_DECREF(owned)
    return result, r.pos - data


def decode(cls not None, int version, data not None, Py_ssize_t offset=0):
    """Read one message from `data` at `offset`; return it and the offset of the first byte behind it."""
    cdef _Plan plan = plan_of(cls, version)
    cdef Py_buffer view
    cdef PyObject *source = <PyObject *>data
    if PyBytes_CheckExact(source):
        return decode_bytes(plan, <const unsigned char *>PyBytes_AS_STRING(source), PyBytes_GET_SIZE(source), offset)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return decode_bytes(plan, <const unsigned char *>view.buf, view.len, offset)
    finally:
        PyBuffer_Release(&view)


cdef bytes encode_with(_Plan plan, const StructPlan *c, source, bytes prefix, bint sized):
    """`plan` is the message's, `c` that of the struct to write, which may be a part of it."""
    cdef Writer w
    cdef PyObject *owned
    cdef Py_ssize_t start = 4 if sized else 0
    w.plan = <PyObject *>plan
    w.pos = 0
    w.size = 512
    w.trail.depth = 0
    w.buffer = <unsigned char *>PyMem_Malloc(w.size)
    if w.buffer == NULL:
        raise MemoryError
    try:
        room(&w, start)
        memcpy(room(&w, len(prefix)), PyBytes_AS_STRING(<PyObject *>prefix), len(prefix))
        write_struct(&w, c, <PyObject *>source)
        if sized:
            if w.pos - 4 > 0x7FFFFFFF:
                raise write_error(&w, f"frame of {w.pos - 4} bytes", w.pos - 4, 0x7FFFFFFF)
            kc_put32(w.buffer, <uint32_t>(w.pos - 4))
        owned = PyBytes_FromStringAndSize(<const char *>w.buffer, w.pos)
        result = <object>owned
        Py_DECREF(owned)
        return result
    finally:
        PyMem_Free(w.buffer)


def encode(message not None, int version, bytes prefix=b"", bint sized=False):
    """Write one message; return `prefix` and its bytes, after their length as int32 if `sized`."""
    cdef _Plan plan = plan_of(type(message), version)
    return encode_with(plan, &plan.c, message, prefix, sized)


def encode_struct(cls not None, int version, struct not None):
    """Write a struct that is part of a message of this class; return what may stand in its place there."""
    cdef _Plan plan = plan_of(cls, version)
    cdef _Plan part = plan.parts.get(type(struct))
    cdef Encoded kept = Encoded.__new__(Encoded)
    if part is None:
        raise TypeError(f"{type(struct).__name__} is no part of {cls.__name__}")
    kept.data = encode_with(plan, &part.c, struct, b"", False)
    kept.cls = type(struct)
    kept.version = version
    return kept

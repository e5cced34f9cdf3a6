# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True, binding=False
"""Table-driven encoder and decoder for the classes that ci/generate_protocol.py writes.

For each (class, version) the class's FIELDS are turned once into a plan: an array of C structs in wire order. Encoding
and decoding walk that plan and read or write the slots of the message object in place, so no Python code runs and no
attribute is looked up by name on the way. Runs with the GIL held; owns no state but the cache of plans.

Invariants
1. Nothing is allocated because a peer said so: a count is at most (bytes left / smallest size of an item), and the
   memory of all objects is charged to a budget (BUDGET_FLOOR + BUDGET_FACTOR * bytes of the message) before they exist.
2. The reader never passes `end`; inside a tagged field `end` is the end of that field.
3. A slot is reached only through an object whose type is (a subclass of) the class that the plan was made for.
4. Between taking an object out of a list or slot and being done with it, we hold a reference to it.

Sources: Kafka's protocol guide, KIP-482 (flexible versions), KIP-893 (nullable structs).
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.float cimport PyFloat_AsDouble, PyFloat_Check, PyFloat_FromDouble
from cpython.long cimport PyLong_Check, PyLong_FromLongLong
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport Py_EQ, PyObject, PyObject_RichCompareBool, PyTypeObject, PyObject_TypeCheck
from cpython.ref cimport Py_INCREF
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
    bint kc_is_member(object descr)
    Py_ssize_t kc_member_offset(object descr)
    PyObject *KC_SLOT(PyObject *obj, Py_ssize_t offset)
    void kc_store "KC_STORE"(PyObject *obj, Py_ssize_t offset, PyObject *value)
    uint16_t kc_get16(const unsigned char *p) noexcept
    uint32_t kc_get32(const unsigned char *p) noexcept
    uint64_t kc_get64(const unsigned char *p) noexcept
    void kc_put16(unsigned char *p, uint16_t v) noexcept
    void kc_put32(unsigned char *p, uint32_t v) noexcept
    void kc_put64(unsigned char *p, uint64_t v) noexcept

cdef extern from *:
    """
    /* Gives the reference `value` to the slot. */
    static inline void KC_STORE(PyObject *object, Py_ssize_t offset, PyObject *value) {
        PyObject *old = KC_SLOT(object, offset);
        KC_SLOT(object, offset) = value;
        Py_XDECREF(old);
    }
    """

cdef extern from "Python.h":
    object PyUnicode_DecodeUTF8(const char *s, Py_ssize_t size, const char *errors)
    const char *PyUnicode_AsUTF8AndSize(PyObject *text, Py_ssize_t *size) except NULL
    bint PyUnicode_Check(PyObject *value)
    long long PyLong_AsLongLongAndOverflow(PyObject *value, int *overflow) except? -1
    list PyList_New(Py_ssize_t size)
    void PyList_SET_ITEM(object items, Py_ssize_t index, object item)
    bint PyList_Check(PyObject *value)
    bint PyTuple_Check(PyObject *value)
    Py_ssize_t PyList_GET_SIZE(PyObject *items)
    Py_ssize_t PyTuple_GET_SIZE(PyObject *items)
    PyObject *PyList_GET_ITEM(PyObject *items, Py_ssize_t index)
    PyObject *PyTuple_GET_ITEM(PyObject *items, Py_ssize_t index)
    object PyType_GenericAlloc(PyTypeObject *cls, Py_ssize_t item_count)
    PyObject *Py_None
    PyObject *Py_True
    PyObject *Py_False

cdef enum Kind:
    BOOL, INT8, INT16, INT32, INT64, UINT16, UINT32, FLOAT64, UUID, STRING, BYTES, STRUCT, ARRAY

cdef enum:
    DEPTH_MAX = 16
    STRING_SIZE_MAX = 0x7FFF

# Memory that the objects of one message may take, by the estimates below. Dense but honest messages (partitions of
# a Metadata answer, offset commits without metadata) were measured at up to 10 times their size on the wire; short
# topic names reach 35 times, which the floor allows for some ten thousand of them.
cdef enum:
    BUDGET_FLOOR = 1048576
    BUDGET_FACTOR = 16
    LIST_MEMORY = 72
    TEXT_MEMORY = 49

cdef dict KINDS = {
    "bool": BOOL, "int8": INT8, "int16": INT16, "int32": INT32, "int64": INT64, "uint16": UINT16, "uint32": UINT32,
    "float64": FLOAT64, "uuid": UUID, "string": STRING, "classic_string": STRING, "bytes": BYTES, "records": BYTES,
}

cdef struct StructPlan

cdef struct Op:
    Kind kind
    Kind item_kind          # of an array
    bint compact
    bint nullable
    bint default_is_fresh   # a new list or struct for each message
    bint strict             # absent in this version, and only its default may be
    int tag
    Py_ssize_t slot
    Py_ssize_t item_size_min
    PyObject *default       # owned by Plan.keep
    PyObject *name          # owned by Plan.keep
    StructPlan *child       # of a struct or an array of structs; owned by a Plan in Plan.keep

cdef struct StructPlan:
    PyTypeObject *cls
    Op *ops                 # in line, then tagged (tags ascend), then absent in this version
    int inline_count
    int tagged_end
    int count
    bint flexible
    Py_ssize_t size_min
    Py_ssize_t memory
    int depth


cdef class Plan:
    """How one class is written in one version. Kept for ever once made: there are some thousand in all."""

    cdef StructPlan c
    cdef object cls
    cdef int version
    cdef list keep
    cdef Py_ssize_t tagged_field_size_max

    def __cinit__(self):
        self.c.ops = NULL

    def __dealloc__(self):
        PyMem_Free(self.c.ops)


cdef dict _plans = {}          # message class -> {version: Plan}


cdef bint in_versions(str versions, int version) except -1:
    if not versions:
        return False
    low, _, high = versions.partition("-")
    return int(low) <= version <= int(high or low)


cdef Plan make_plan(object cls, int version, bint flexible, dict structs, dict done):
    """Build the plan of one struct. `structs` maps names to classes, `done` holds the plans of this message so far."""
    cdef Plan plan = done.get(cls)
    if plan is not None:
        return plan
    plan = Plan.__new__(Plan)
    plan.cls = cls
    plan.version = version
    plan.keep = []
    cdef list rows = list(cls.FIELDS)
    cdef list inline = [row for row in rows if in_versions(row[2], version) and row[4] < 0]
    cdef list tagged = sorted([row for row in rows if in_versions(row[2], version) and row[4] >= 0], key=lambda row: row[4])
    cdef list absent = [row for row in rows if not in_versions(row[2], version)]
    cdef StructPlan *c = &plan.c
    cdef Op *op
    cdef Plan child
    cdef Py_ssize_t size
    c.cls = <PyTypeObject *>cls
    c.flexible = flexible
    c.inline_count = <int>len(inline)
    c.tagged_end = <int>(len(inline) + len(tagged))
    c.count = <int>len(rows)
    c.size_min = 1 if flexible else 0
    c.memory = cls.__basicsize__ + 16
    c.depth = 1
    c.ops = <Op *>PyMem_Calloc(max(1, len(rows)), sizeof(Op))
    if c.ops == NULL:
        raise MemoryError
    cdef int index = 0
    for name, type_name, versions, nullable, tag, default, ignorable in inline + tagged + absent:
        op = &c.ops[index]
        descriptor = cls.__dict__[name]
        if not kc_is_member(descriptor):
            raise TypeError(f"{cls.__name__}.{name} is not a slot")
        plan.keep += [name, default]
        op.name = <PyObject *>name
        op.default = <PyObject *>default
        op.slot = kc_member_offset(descriptor)
        op.tag = tag
        op.nullable = in_versions(nullable, version)
        op.compact = flexible and type_name != "classic_string"
        op.strict = not ignorable
        item_type = type_name[2:] if type_name.startswith("[]") else type_name
        kind = KINDS.get(item_type, STRUCT)
        op.kind = op.item_kind = kind
        op.default_is_fresh = type(default) is tuple
        size = (1, 1, 2, 4, 8, 2, 4, 8, 16, 1 if op.compact else 2, 1 if op.compact else 4, 0)[<int>kind]
        if kind == STRUCT:
            child = make_plan(structs[item_type], version, flexible, structs, done)
            plan.keep.append(child)
            op.child = &child.c
            c.depth = max(c.depth, child.c.depth + 1)
            size = child.c.size_min
        if item_type is not type_name:
            op.kind = ARRAY
            op.item_size_min = max(1, size)
            size = 1 if op.compact else 4
        elif kind == STRUCT and op.nullable:
            size = 1
        if index < c.inline_count:
            c.size_min += size
        index += 1
    if c.depth > DEPTH_MAX:
        raise TypeError(f"{cls.__name__} is nested more than {DEPTH_MAX} deep")
    done[cls] = plan
    return plan


cdef Plan plan_of(object cls, int version):
    cdef dict by_version = _plans.get(cls)
    cdef Plan plan
    if by_version is not None:
        plan = by_version.get(version)
        if plan is not None:
            return plan
    if not (isinstance(cls, type) and issubclass(cls, Message)):
        raise TypeError(f"{cls!r} is not a message class")
    if "FIELDS" not in cls.__dict__:
        raise TypeError(f"{cls.__name__} is not a generated class")
    if not cls.VERSION_MIN <= version <= cls.VERSION_MAX:
        raise UnsupportedVersionError(
            f"{cls.__name__} has no version {version}, only {cls.VERSION_MIN} to {cls.VERSION_MAX}",
            value=version,
            limit=(cls.VERSION_MIN, cls.VERSION_MAX),
        )
    from sys import modules
    structs = {
        name: value for name, value in vars(modules[cls.__module__]).items()
        if isinstance(value, type) and issubclass(value, Struct)
    }
    flexible = cls.FLEXIBLE_VERSION_MIN is not None and version >= cls.FLEXIBLE_VERSION_MIN
    plan = make_plan(cls, version, flexible, structs, {})
    plan.tagged_field_size_max = cls.TAGGED_FIELD_SIZE_MAX
    _plans.setdefault(cls, {})[version] = plan
    return plan


# --- where we are, for error texts -----------------------------------------------------------------------------------

cdef struct Trail:
    int depth
    const Op *ops[DEPTH_MAX + 1]
    Py_ssize_t indexes[DEPTH_MAX + 1]   # -1 outside of arrays


cdef object error(Plan plan, Trail *trail, text, value=None, limit=None):
    parts = []
    for i in range(trail.depth):
        name = <object>trail.ops[i].name
        parts.append(name if trail.indexes[i] < 0 else f"{name}[{trail.indexes[i]}]")
    return ProtocolError(
        text, message=f"{plan.cls.__name__} v{plan.version}", field=".".join(parts) or None, value=value, limit=limit
    )


# --- decoding --------------------------------------------------------------------------------------------------------

cdef struct Reader:
    const unsigned char *pos
    const unsigned char *end
    Py_ssize_t budget
    Py_ssize_t tagged_field_size_max
    Trail trail
    PyObject *plan


cdef object read_error(Reader *r, text, value=None, limit=None):
    return error(<Plan>r.plan, &r.trail, text, value, limit)


cdef int need(Reader *r, Py_ssize_t size) except -1:
    if r.end - r.pos < size:
        raise read_error(r, f"needs {size} bytes, {r.end - r.pos} are left", size, r.end - r.pos)
    return 0


cdef int charge(Reader *r, Py_ssize_t size) except -1:
    if size > r.budget:
        raise read_error(r, f"would take {size} bytes of memory, more than the {r.budget} left for this message", size, r.budget)
    r.budget -= size
    return 0


cdef inline int read_uvarint(Reader *r, uint32_t *value) except -1:
    cdef const unsigned char *pos = r.pos
    cdef uint32_t result
    cdef int shift
    if pos < r.end and pos[0] < 0x80:
        value[0] = pos[0]
        r.pos = pos + 1
        return 0
    result = 0
    shift = 0
    while pos < r.end:
        if shift == 28 and pos[0] > 0x0F:
            raise read_error(r, "varint has more than 32 bits", pos[0], 0x0F)
        result |= <uint32_t>(pos[0] & 0x7F) << shift
        if pos[0] < 0x80:
            value[0] = result
            r.pos = pos + 1
            return 0
        pos += 1
        shift += 7
    raise read_error(r, "ends inside a varint", None, None)


cdef int read_length(Reader *r, bint compact, bint nullable, int classic_size, Py_ssize_t *length) except -1:
    """Read the length of a string or byte block, or the count of an array; -1 is null and only where null may be."""
    cdef uint32_t encoded
    cdef Py_ssize_t result
    if compact:
        read_uvarint(r, &encoded)
        result = <Py_ssize_t>encoded - 1
    else:
        need(r, classic_size)
        if classic_size == 2:
            result = <short>kc_get16(r.pos)
        else:
            result = <int>kc_get32(r.pos)
        r.pos += classic_size
    if result < 0 and not (nullable and result == -1):
        raise read_error(r, "is null but must not be" if result == -1 else f"has the negative length {result}", result, 0)
    length[0] = result
    return 0


cdef object read_value(Reader *r, const Op *op, Kind kind, bint nullable):
    """Read one value that is no array and no struct."""
    cdef const unsigned char *pos = r.pos
    cdef Py_ssize_t left = r.end - pos
    cdef Py_ssize_t length
    cdef uint64_t bits
    cdef double number
    if kind == INT32:
        if left >= 4:
            r.pos = pos + 4
            return PyLong_FromLongLong(<int>kc_get32(pos))
        need(r, 4)
    elif kind == INT16:
        if left >= 2:
            r.pos = pos + 2
            return PyLong_FromLongLong(<short>kc_get16(pos))
        need(r, 2)
    elif kind == INT64:
        if left >= 8:
            r.pos = pos + 8
            return PyLong_FromLongLong(<int64_t>kc_get64(pos))
        need(r, 8)
    elif kind == STRING:
        read_length(r, op.compact, nullable, 2, &length)
        if length < 0:
            return None
        if length > STRING_SIZE_MAX:
            raise read_error(r, f"string of {length} bytes, at most {STRING_SIZE_MAX} are allowed", length, STRING_SIZE_MAX)
        need(r, length)
        charge(r, TEXT_MEMORY + length)
        pos = r.pos
        r.pos += length
        try:
            return PyUnicode_DecodeUTF8(<const char *>pos, length, NULL)
        except UnicodeDecodeError as cause:
            raise read_error(r, f"is not UTF-8: {cause.reason} at byte {cause.start}") from None
    elif kind == BOOL:
        if left >= 1:
            r.pos = pos + 1
            return pos[0] != 0
        need(r, 1)
    elif kind == INT8:
        if left >= 1:
            r.pos = pos + 1
            return PyLong_FromLongLong(<signed char>pos[0])
        need(r, 1)
    elif kind == UUID:
        if left >= 16:
            charge(r, TEXT_MEMORY)
            r.pos = pos + 16
            return PyBytes_FromStringAndSize(<const char *>pos, 16)
        need(r, 16)
    elif kind == BYTES:
        read_length(r, op.compact, nullable, 4, &length)
        if length < 0:
            return None
        need(r, length)
        charge(r, TEXT_MEMORY + length)
        pos = r.pos
        r.pos += length
        return PyBytes_FromStringAndSize(<const char *>pos, length)
    elif kind == UINT16:
        if left >= 2:
            r.pos = pos + 2
            return PyLong_FromLongLong(kc_get16(pos))
        need(r, 2)
    elif kind == UINT32:
        if left >= 4:
            r.pos = pos + 4
            return PyLong_FromLongLong(kc_get32(pos))
        need(r, 4)
    elif kind == FLOAT64:
        if left >= 8:
            r.pos = pos + 8
            bits = kc_get64(pos)
            memcpy(&number, &bits, 8)
            return PyFloat_FromDouble(number)
        need(r, 8)
    raise SystemError("a kind without a reader")


cdef list read_array(Reader *r, const Op *op):
    cdef Py_ssize_t count, i, item_memory
    cdef Kind kind = op.item_kind
    cdef list items
    cdef object item
    cdef int level
    read_length(r, op.compact, op.nullable, 4, &count)
    if count < 0:
        return None
    if count > (r.end - r.pos) // op.item_size_min:
        raise read_error(
            r,
            f"{count} items of at least {op.item_size_min} bytes cannot be in the {r.end - r.pos} bytes left",
            count,
            (r.end - r.pos) // op.item_size_min,
        )
    item_memory = 8
    if kind == STRUCT:
        item_memory += op.child.memory
    charge(r, LIST_MEMORY + count * item_memory)
    items = PyList_New(count)
    level = r.trail.depth - 1
    for i in range(count):
        r.trail.indexes[level] = i
        item = read_struct(r, op.child) if kind == STRUCT else read_value(r, op, kind, False)
        Py_INCREF(item)
        PyList_SET_ITEM(items, i, item)
    return items


cdef object read_op(Reader *r, const Op *op):
    """Read the value of one field in line; the trail's last entry is this field."""
    cdef int mark
    if op.kind == ARRAY:
        return read_array(r, op)
    if op.kind == STRUCT:
        if op.nullable:
            need(r, 1)
            mark = <signed char>r.pos[0]
            r.pos += 1
            if mark == -1:
                return None
            if mark != 1:
                raise read_error(r, f"marker of a nullable struct is {mark}, not -1 or 1", mark, 1)
        charge(r, op.child.memory)
        return read_struct(r, op.child)
    return read_value(r, op, op.kind, op.nullable)


cdef object read_tagged_value(Reader *r, const Op *op):
    cdef uint32_t mark
    if op.kind == STRUCT and op.nullable:
        # In a tag block the marker is an unsigned varint, not the int8 of a struct in line.
        read_uvarint(r, &mark)
        if mark == 0:
            return None
        if mark != 1:
            raise read_error(r, f"marker of a nullable struct is {mark}, not 0 or 1", mark, 1)
        charge(r, op.child.memory)
        return read_struct(r, op.child)
    return read_op(r, op)


cdef inline object default_of(const Op *op):
    if not op.default_is_fresh:
        return <object>op.default
    if op.kind == ARRAY:
        return []
    return default_struct(op.child)


cdef object default_struct(const StructPlan *plan):
    cdef object result = PyType_GenericAlloc(plan.cls, 0)
    cdef object value
    cdef int i
    for i in range(plan.count):
        value = default_of(&plan.ops[i])
        Py_INCREF(value)
        kc_store(<PyObject *>result, plan.ops[i].slot, <PyObject *>value)
    return result


cdef object read_struct(Reader *r, const StructPlan *plan):
    cdef object result = PyType_GenericAlloc(plan.cls, 0)
    cdef PyObject *target = <PyObject *>result
    cdef const Op *op
    cdef object value
    cdef int i
    cdef int level = r.trail.depth
    r.trail.depth = level + 1
    for i in range(plan.inline_count):
        op = &plan.ops[i]
        r.trail.ops[level] = op
        r.trail.indexes[level] = -1
        if op.kind < STRUCT:
            value = read_value(r, op, op.kind, op.nullable)
        else:
            value = read_op(r, op)
        Py_INCREF(value)
        kc_store(target, op.slot, <PyObject *>value)
    for i in range(plan.inline_count, plan.count):
        op = &plan.ops[i]
        if op.default_is_fresh:
            charge(r, LIST_MEMORY if op.child == NULL or op.kind == ARRAY else op.child.memory)
        value = default_of(op)
        Py_INCREF(value)
        kc_store(target, op.slot, <PyObject *>value)
    r.trail.depth = level
    if plan.flexible:
        read_tags(r, plan, target)
    return result


cdef int read_tags(Reader *r, const StructPlan *plan, PyObject *target) except -1:
    cdef uint32_t count, tag, size, i
    cdef int64_t previous = -1
    cdef int next_op = plan.inline_count
    cdef int level = r.trail.depth
    cdef const Op *op
    cdef const unsigned char *outer_end
    cdef object value
    read_uvarint(r, &count)
    if count == 0:
        return 0
    if count > (r.end - r.pos) // 2:
        raise read_error(r, f"{count} tagged fields cannot be in the {r.end - r.pos} bytes left", count, (r.end - r.pos) // 2)
    for i in range(count):
        read_uvarint(r, &tag)
        read_uvarint(r, &size)
        if <int64_t>tag <= previous:
            raise read_error(r, f"tag {tag} follows tag {previous}; tags must ascend", tag, previous)
        previous = tag
        if <Py_ssize_t>size > r.tagged_field_size_max:
            raise read_error(r, f"tag {tag} has {size} bytes, more than {r.tagged_field_size_max}", size, r.tagged_field_size_max)
        if r.end - r.pos < <Py_ssize_t>size:
            raise read_error(r, f"tag {tag} has {size} bytes, {r.end - r.pos} are left", size, r.end - r.pos)
        while next_op < plan.tagged_end and <uint32_t>plan.ops[next_op].tag < tag:
            next_op += 1
        if next_op == plan.tagged_end or <uint32_t>plan.ops[next_op].tag != tag:
            r.pos += size
            continue
        op = &plan.ops[next_op]
        r.trail.depth = level + 1
        r.trail.ops[level] = op
        r.trail.indexes[level] = -1
        outer_end = r.end
        r.end = r.pos + size
        value = read_tagged_value(r, op)
        if r.pos != r.end:
            raise read_error(r, f"{r.end - r.pos} bytes of the tagged field are left over", size, size - (r.end - r.pos))
        r.end = outer_end
        r.trail.depth = level
        Py_INCREF(value)
        kc_store(target, op.slot, <PyObject *>value)
    return 0


cdef tuple decode_bytes(Plan plan, const unsigned char *data, Py_ssize_t size, Py_ssize_t offset):
    cdef Reader r
    cdef object result
    if offset < 0 or offset > size:
        raise ValueError(f"offset {offset} is outside of the {size} bytes")
    r.pos = data + offset
    r.end = data + size
    r.budget = BUDGET_FLOOR + BUDGET_FACTOR * (size - offset)
    r.tagged_field_size_max = plan.tagged_field_size_max
    r.trail.depth = 0
    r.plan = <PyObject *>plan
    result = read_struct(&r, &plan.c)
    return result, r.pos - data


def decode(cls not None, int version, data not None, Py_ssize_t offset=0):
    """Read one message from `data` at `offset`; return it and the offset of the first byte behind it."""
    cdef Plan plan = plan_of(cls, version)
    cdef Py_buffer view
    if PyBytes_CheckExact(data):
        return decode_bytes(plan, <const unsigned char *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), offset)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return decode_bytes(plan, <const unsigned char *>view.buf, view.len, offset)
    finally:
        PyBuffer_Release(&view)


# --- encoding --------------------------------------------------------------------------------------------------------

cdef struct Writer:
    unsigned char *buffer
    Py_ssize_t pos
    Py_ssize_t size
    Trail trail
    PyObject *plan


cdef object write_error(Writer *w, text, value=None, limit=None):
    return error(<Plan>w.plan, &w.trail, text, value, limit)


cdef int grow(Writer *w, Py_ssize_t size) except -1:
    cdef Py_ssize_t wanted = max(w.size * 2, w.pos + size)
    cdef void *buffer = PyMem_Realloc(w.buffer, wanted)
    if buffer == NULL:
        raise MemoryError
    w.buffer = <unsigned char *>buffer
    w.size = wanted
    return 0


cdef inline unsigned char *room(Writer *w, Py_ssize_t size) except NULL:
    """Return where `size` bytes may be written; the position moves behind them."""
    if w.size - w.pos < size:
        grow(w, size)
    w.pos += size
    return w.buffer + w.pos - size


cdef inline int put_uvarint(unsigned char *p, uint32_t value) noexcept:
    cdef int size = 0
    while value >= 0x80:
        p[size] = <unsigned char>(value | 0x80)
        value >>= 7
        size += 1
    p[size] = <unsigned char>value
    return size + 1


cdef inline int write_uvarint(Writer *w, uint32_t value) except -1:
    cdef unsigned char *p
    if value < 0x80:
        p = room(w, 1)
        p[0] = <unsigned char>value
        return 0
    p = room(w, 5)
    w.pos += put_uvarint(p, value) - 5
    return 0


cdef int write_length(Writer *w, bint compact, int classic_size, Py_ssize_t length, Py_ssize_t length_max) except -1:
    """Write the length of a string or byte block, or the count of an array; -1 is null."""
    if length > length_max:
        raise write_error(w, f"has the length {length}, at most {length_max} is allowed", length, length_max)
    if compact:
        return write_uvarint(w, <uint32_t>(length + 1))
    if classic_size == 2:
        kc_put16(room(w, 2), <uint16_t>length)
    else:
        kc_put32(room(w, 4), <uint32_t>length)
    return 0


cdef int write_null(Writer *w, const Op *op, bint nullable) except -1:
    if not nullable:
        raise write_error(w, "is None, which this version cannot carry")
    if op.kind == STRUCT:
        room(w, 1)[0] = 0xFF
        return 0
    return write_length(w, op.compact, 2 if op.kind == STRING else 4, -1, 0)


cdef int wrong_type(Writer *w, PyObject *value, expected) except -1:
    raise write_error(w, f"needs {expected}, not {type(<object>value).__name__}", <object>value)


cdef inline long long integer(Writer *w, PyObject *value, long long low, long long high) except? -1:
    cdef int overflow = 0
    cdef long long number
    if not PyLong_Check(<object>value):
        wrong_type(w, value, "an int")
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow or number < low or number > high:
        raise write_error(w, f"{<object>value} is not between {low} and {high}", <object>value, (low, high))
    return number


cdef int write_value(Writer *w, const Op *op, Kind kind, bint nullable, PyObject *value) except -1:
    """Write one value that is no array and no struct."""
    cdef const char *text
    cdef Py_ssize_t length
    cdef Py_buffer view
    cdef uint64_t bits
    cdef double number
    cdef long long n
    if kind == INT32:
        n = integer(w, value, -0x80000000LL, 0x7FFFFFFFLL)
        kc_put32(room(w, 4), <uint32_t>n)
    elif kind == INT16:
        n = integer(w, value, -0x8000, 0x7FFF)
        kc_put16(room(w, 2), <uint16_t>n)
    elif kind == STRING:
        if value == Py_None:
            return write_null(w, op, nullable)
        if not PyUnicode_Check(value):
            wrong_type(w, value, "a str")
        try:
            text = PyUnicode_AsUTF8AndSize(value, &length)
        except UnicodeEncodeError as cause:
            raise write_error(w, f"cannot be UTF-8: {cause.reason}", <object>value) from None
        write_length(w, op.compact, 2, length, STRING_SIZE_MAX)
        memcpy(room(w, length), text, length)
    elif kind == INT64:
        n = integer(w, value, LLONG_MIN, LLONG_MAX)
        kc_put64(room(w, 8), <uint64_t>n)
    elif kind == BOOL:
        if value == Py_True:
            room(w, 1)[0] = 1
        elif value == Py_False:
            room(w, 1)[0] = 0
        else:
            wrong_type(w, value, "True or False")
    elif kind == INT8:
        n = integer(w, value, -0x80, 0x7F)
        room(w, 1)[0] = <unsigned char>n
    elif kind == UUID:
        if not PyBytes_CheckExact(<object>value):
            wrong_type(w, value, "16 bytes")
        if PyBytes_GET_SIZE(<object>value) != 16:
            raise write_error(w, f"a uuid of {PyBytes_GET_SIZE(<object>value)} bytes, not 16", <object>value, 16)
        memcpy(room(w, 16), PyBytes_AS_STRING(<object>value), 16)
    elif kind == BYTES:
        if value == Py_None:
            return write_null(w, op, nullable)
        if PyBytes_CheckExact(<object>value):
            length = PyBytes_GET_SIZE(<object>value)
            write_length(w, op.compact, 4, length, 0x7FFFFFFF)
            memcpy(room(w, length), PyBytes_AS_STRING(<object>value), length)
            return 0
        if not PyObject_CheckBuffer(<object>value):
            wrong_type(w, value, "bytes")
        PyObject_GetBuffer(<object>value, &view, PyBUF_SIMPLE)
        try:
            write_length(w, op.compact, 4, view.len, 0x7FFFFFFF)
            memcpy(room(w, view.len), view.buf, view.len)
        finally:
            PyBuffer_Release(&view)
    elif kind == UINT16:
        n = integer(w, value, 0, 0xFFFF)
        kc_put16(room(w, 2), <uint16_t>n)
    elif kind == UINT32:
        n = integer(w, value, 0, 0xFFFFFFFFLL)
        kc_put32(room(w, 4), <uint32_t>n)
    elif kind == FLOAT64:
        if not (PyFloat_Check(<object>value) or PyLong_Check(<object>value)):
            wrong_type(w, value, "a float")
        number = PyFloat_AsDouble(<object>value)
        memcpy(&bits, &number, 8)
        kc_put64(room(w, 8), bits)
    else:
        raise SystemError("a kind without a writer")
    return 0


cdef int write_array(Writer *w, const Op *op, PyObject *value) except -1:
    cdef bint is_list = PyList_Check(value)
    cdef Py_ssize_t count, i
    cdef Kind kind = op.item_kind
    cdef object item
    cdef int level = w.trail.depth - 1
    if value == Py_None:
        return write_null(w, op, op.nullable)
    if not is_list and not PyTuple_Check(value):
        wrong_type(w, value, "a list")
    count = PyList_GET_SIZE(value) if is_list else PyTuple_GET_SIZE(value)
    write_length(w, op.compact, 4, count, 0x7FFFFFFE)
    for i in range(count):
        w.trail.indexes[level] = i
        if is_list:
            # Comparing a value with its default may run Python code, which may change the list.
            if PyList_GET_SIZE(value) != count:
                raise write_error(w, "the list was changed while it was written")
            item = <object>PyList_GET_ITEM(value, i)
        else:
            item = <object>PyTuple_GET_ITEM(value, i)
        if kind == STRUCT:
            write_struct(w, op.child, <PyObject *>item)
        else:
            write_value(w, op, kind, False, <PyObject *>item)
    w.trail.indexes[level] = -1
    return 0


cdef int write_op(Writer *w, const Op *op, PyObject *value) except -1:
    """Write the value of one field in line; the trail's last entry is this field."""
    if op.kind == ARRAY:
        return write_array(w, op, value)
    if op.kind == STRUCT:
        if op.nullable:
            if value == Py_None:
                return write_null(w, op, True)
            room(w, 1)[0] = 1
        return write_struct(w, op.child, value)
    return write_value(w, op, op.kind, op.nullable, value)


cdef int is_default(const Op *op, PyObject *value) except -1:
    cdef const StructPlan *child
    cdef PyObject *member
    cdef int i
    if value == op.default:
        return 1
    if not op.default_is_fresh:
        return PyObject_RichCompareBool(<object>value, <object>op.default, Py_EQ)
    if op.kind == ARRAY:
        if PyList_Check(value):
            return PyList_GET_SIZE(value) == 0
        return PyTuple_Check(value) and PyTuple_GET_SIZE(value) == 0
    child = op.child
    if not PyObject_TypeCheck(<object>value, child.cls):
        return 0
    for i in range(child.count):
        member = KC_SLOT(value, child.ops[i].slot)
        if member == NULL:
            return 0
        held = <object>member
        if not is_default(&child.ops[i], <PyObject *>held):
            return 0
    return 1


cdef int write_struct(Writer *w, const StructPlan *plan, PyObject *source) except -1:
    cdef const Op *op
    cdef PyObject *member
    cdef object value
    cdef int i
    cdef int level = w.trail.depth
    cdef int tagged_count = 0
    if not PyObject_TypeCheck(<object>source, plan.cls):
        wrong_type(w, source, f"a {(<object>plan.cls).__name__}")
    w.trail.depth = level + 1
    for i in range(plan.count):
        op = &plan.ops[i]
        w.trail.ops[level] = op
        w.trail.indexes[level] = -1
        member = KC_SLOT(source, op.slot)
        if member == NULL:
            raise write_error(w, "is not set")
        value = <object>member
        if i < plan.inline_count:
            if op.kind < STRUCT:
                write_value(w, op, op.kind, op.nullable, member)
            else:
                write_op(w, op, member)
        elif i < plan.tagged_end:
            if not is_default(op, member):
                tagged_count += 1
        elif op.strict and member != op.default and not is_default(op, member):
            raise write_error(w, f"{value!r} cannot be carried by this version, which has no such field", value, <object>op.default)
    if plan.flexible:
        write_uvarint(w, tagged_count)
        if tagged_count:
            write_tags(w, plan, source, level)
    w.trail.depth = level
    return 0


cdef int write_tags(Writer *w, const StructPlan *plan, PyObject *source, int level) except -1:
    cdef const Op *op
    cdef object value
    cdef unsigned char encoded[5]
    cdef Py_ssize_t start, size
    cdef int i, size_of_size
    for i in range(plan.inline_count, plan.tagged_end):
        op = &plan.ops[i]
        w.trail.ops[level] = op
        w.trail.indexes[level] = -1
        value = <object>KC_SLOT(source, op.slot)
        if is_default(op, <PyObject *>value):
            continue
        write_uvarint(w, <uint32_t>op.tag)
        start = w.pos
        if op.kind == STRUCT and op.nullable:
            write_uvarint(w, 0 if value is None else 1)
            if value is not None:
                write_struct(w, op.child, <PyObject *>value)
        else:
            write_op(w, op, <PyObject *>value)
        # The size is known only here: write it behind and move the payload up.
        size = w.pos - start
        if size > 0x7FFFFFFF:
            raise write_error(w, f"tagged field of {size} bytes", size, 0x7FFFFFFF)
        size_of_size = put_uvarint(encoded, <uint32_t>size)
        room(w, size_of_size)
        memmove(w.buffer + start + size_of_size, w.buffer + start, size)
        memcpy(w.buffer + start, encoded, size_of_size)
    return 0


def encode(message not None, int version, bytes prefix=b"", bint sized=False):
    """Write one message; return `prefix` and its bytes, after their length as int32 if `sized`."""
    cdef Plan plan = plan_of(type(message), version)
    cdef Writer w
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
        memcpy(room(&w, len(prefix)), PyBytes_AS_STRING(prefix), len(prefix))
        write_struct(&w, &plan.c, <PyObject *>message)
        if sized:
            if w.pos - 4 > 0x7FFFFFFF:
                raise write_error(&w, f"frame of {w.pos - 4} bytes", w.pos - 4, 0x7FFFFFFF)
            kc_put32(w.buffer, <uint32_t>(w.pos - 4))
        return PyBytes_FromStringAndSize(<const char *>w.buffer, w.pos)
    finally:
        PyMem_Free(w.buffer)

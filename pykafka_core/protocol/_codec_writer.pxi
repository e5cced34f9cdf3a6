# Part of _codec.pyx: from objects to bytes, in a buffer that grows.

cdef struct Writer:
    unsigned char *buffer
    Py_ssize_t pos
    Py_ssize_t size
    Trail trail
    PyObject *plan


cdef object write_error(Writer *w, text, value=None, limit=None):
    return error(<_Plan>w.plan, &w.trail, text, value, limit)


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


cdef int wrong_int(Writer *w, PyObject *value, long long low, long long high) except -1:
    if not PyLong_Check(<object>value):
        return wrong_type(w, value, "an int")
    raise write_error(w, f"{<object>value} is not between {low} and {high}", <object>value, (low, high))


cdef int write_value(Writer *w, const Op *op, Kind kind, bint nullable, PyObject *value) except -1:
    """Write one value that is no array and no struct."""
    cdef const char *text
    cdef Py_ssize_t length
    cdef Py_buffer view
    cdef uint64_t bits
    cdef double number
    cdef long long n = 0
    if kind == INT32:
        if not kc_get_int(value, -0x80000000LL, 0x7FFFFFFFLL, &n):
            wrong_int(w, value, -0x80000000LL, 0x7FFFFFFFLL)
        kc_put32(room(w, 4), <uint32_t>n)
    elif kind == INT16:
        if not kc_get_int(value, -0x8000, 0x7FFF, &n):
            wrong_int(w, value, -0x8000, 0x7FFF)
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
        if not kc_get_int(value, LLONG_MIN, LLONG_MAX, &n):
            wrong_int(w, value, LLONG_MIN, LLONG_MAX)
        kc_put64(room(w, 8), <uint64_t>n)
    elif kind == BOOL:
        if value == Py_True:
            room(w, 1)[0] = 1
        elif value == Py_False:
            room(w, 1)[0] = 0
        else:
            wrong_type(w, value, "True or False")
    elif kind == INT8:
        if not kc_get_int(value, -0x80, 0x7F, &n):
            wrong_int(w, value, -0x80, 0x7F)
        room(w, 1)[0] = <unsigned char>n
    elif kind == UUID:
        if not PyBytes_CheckExact(value):
            wrong_type(w, value, "16 bytes")
        if PyBytes_GET_SIZE(value) != 16:
            raise write_error(w, f"a uuid of {PyBytes_GET_SIZE(value)} bytes, not 16", <object>value, 16)
        memcpy(room(w, 16), PyBytes_AS_STRING(value), 16)
    elif kind == BYTES:
        if value == Py_None:
            return write_null(w, op, nullable)
        if PyBytes_CheckExact(value):
            length = PyBytes_GET_SIZE(value)
            write_length(w, op.compact, 4, length, 0x7FFFFFFF)
            memcpy(room(w, length), PyBytes_AS_STRING(value), length)
            return 0
        if not PyObject_CheckBuffer(<object>value):
            wrong_type(w, value, "bytes")
        held = <object>value  # a class in Python may hand out the buffer, and change what we were given
        PyObject_GetBuffer(held, &view, PyBUF_SIMPLE)
        try:
            write_length(w, op.compact, 4, view.len, 0x7FFFFFFF)
            memcpy(room(w, view.len), view.buf, view.len)
        finally:
            PyBuffer_Release(&view)
    elif kind == UINT16:
        if not kc_get_int(value, 0, 0xFFFF, &n):
            wrong_int(w, value, 0, 0xFFFF)
        kc_put16(room(w, 2), <uint16_t>n)
    elif kind == UINT32:
        if not kc_get_int(value, 0, 0xFFFFFFFFLL, &n):
            wrong_int(w, value, 0, 0xFFFFFFFFLL)
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
    cdef PyObject *item
    cdef unsigned char *p
    cdef long long n = 0
    cdef int level = w.trail.depth - 1
    if value == Py_None:
        return write_null(w, op, op.nullable)
    if not is_list and not PyTuple_Check(value):
        wrong_type(w, value, "a list")
    held = <object>value
    count = PyList_GET_SIZE(value) if is_list else PyTuple_GET_SIZE(value)
    write_length(w, op.compact, 4, count, 0x7FFFFFFE)
    if kind == INT32:
        p = room(w, 4 * count)
        for i in range(count):
            item = PyList_GET_ITEM(value, i) if is_list else PyTuple_GET_ITEM(value, i)
            if not kc_get_int(item, -0x80000000LL, 0x7FFFFFFFLL, &n):
                w.trail.indexes[level] = i
                wrong_int(w, item, -0x80000000LL, 0x7FFFFFFFLL)
            kc_put32(p, <uint32_t>n)
            p += 4
        return 0
    for i in range(count):
        w.trail.indexes[level] = i
        if is_list:
            # What a value does when it is compared with a default or asked for its buffer may change the list.
            if PyList_GET_SIZE(value) != count:
                raise write_error(w, "the list was changed while it was written")
            item = PyList_GET_ITEM(value, i)
        else:
            item = PyTuple_GET_ITEM(value, i)
        if kind == STRUCT:
            write_struct(w, op.child, item)
        else:
            write_value(w, op, kind, False, item)
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
    cdef int i
    if value == op.default:
        return 1
    held = <object>value
    if not op.default_is_fresh:
        return PyObject_RichCompareBool(held, <object>op.default, Py_EQ)
    if op.kind == ARRAY:
        if PyList_Check(value):
            return PyList_GET_SIZE(value) == 0
        return PyTuple_Check(value) and PyTuple_GET_SIZE(value) == 0
    child = op.child
    if not PyObject_TypeCheck(value, child.cls):
        return 0
    for i in range(child.count):
        if KC_SLOT(value, child.ops[i].slot) == NULL:
            return 0
        if not is_default(&child.ops[i], KC_SLOT(value, child.ops[i].slot)):
            return 0
    return 1


cdef int write_encoded(Writer *w, const StructPlan *plan, PyObject *source) except -1:
    """Write what encode_struct made for this very place."""
    cdef Encoded kept
    if type(<object>source) is not Encoded:
        return wrong_type(w, source, f"a {(<object>plan.cls).__name__}")
    kept = <Encoded><object>source
    if kept.cls is not <object>plan.cls or kept.version != (<_Plan>w.plan).version:
        raise write_error(w, f"is a {kept.cls.__name__} encoded for version {kept.version}")
    memcpy(room(w, len(kept.data)), PyBytes_AS_STRING(<PyObject *>kept.data), len(kept.data))
    return 0


cdef int write_struct(Writer *w, const StructPlan *plan, PyObject *source) except -1:
    cdef const Op *op
    cdef PyObject *member
    cdef int i
    cdef int level = w.trail.depth
    cdef int tagged_count = 0
    if not PyObject_TypeCheck(source, plan.cls):
        return write_encoded(w, plan, source)
    held = <object>source
    w.trail.depth = level + 1
    w.trail.indexes[level] = -1
    for i in range(plan.count):
        op = &plan.ops[i]
        w.trail.ops[level] = op
        member = KC_SLOT(source, op.slot)
        if member == NULL:
            raise write_error(w, "is not set")
        if i < plan.inline_count:
            if op.kind < STRUCT:
                write_value(w, op, op.kind, op.nullable, member)
            else:
                write_op(w, op, member)
        elif i < plan.tagged_end:
            if not is_default(op, member):
                tagged_count += 1
        elif op.strict and member != op.default and not is_default(op, member):
            value = <object>KC_SLOT(source, op.slot)
            raise write_error(w, f"{value!r} cannot be carried by this version, which has no such field", value, <object>op.default)
    if plan.flexible:
        write_uvarint(w, tagged_count)
        if tagged_count:
            write_tags(w, plan, source, level, tagged_count)
    w.trail.depth = level
    return 0


cdef int write_tags(Writer *w, const StructPlan *plan, PyObject *source, int level, int count) except -1:
    cdef const Op *op
    cdef object value
    cdef unsigned char encoded[5]
    cdef Py_ssize_t start, size
    cdef int i, size_of_size
    cdef int written = 0
    for i in range(plan.inline_count, plan.tagged_end):
        op = &plan.ops[i]
        w.trail.ops[level] = op
        w.trail.indexes[level] = -1
        value = <object>KC_SLOT(source, op.slot)
        if is_default(op, <PyObject *>value):
            continue
        written += 1
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
    if written != count:
        raise write_error(w, "a tagged field was changed while it was written")
    return 0

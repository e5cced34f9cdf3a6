# Part of _codec.pyx: from bytes to objects. Readers return a new reference and move `pos` behind what they read; they
# leave the trail as they found it, except on an error.

cdef struct Reader:
    const unsigned char *pos
    const unsigned char *end
    Py_ssize_t budget
    Py_ssize_t tagged_field_size_max
    Trail trail
    PyObject *plan


cdef object read_error(Reader *r, text, value=None, limit=None):
    return error(<_Plan>r.plan, &r.trail, text, value, limit)


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


cdef PyObject *read_value(Reader *r, const Op *op, Kind kind, bint nullable) except NULL:
    """Read one value that is no array and no struct; return a new reference, as all readers do."""
    cdef const unsigned char *pos = r.pos
    cdef Py_ssize_t left = r.end - pos
    cdef Py_ssize_t length
    cdef uint64_t bits
    cdef double number
    if kind == INT32:
        if left >= 4:
            r.pos = pos + 4
            return PyLong_FromLong(<int>kc_get32(pos))
        need(r, 4)
    elif kind == INT16:
        if left >= 2:
            r.pos = pos + 2
            return PyLong_FromLong(<short>kc_get16(pos))
        need(r, 2)
    elif kind == INT64:
        if left >= 8:
            r.pos = pos + 8
            return PyLong_FromLongLong(<int64_t>kc_get64(pos))
        need(r, 8)
    elif kind == STRING:
        read_length(r, op.compact, nullable, 2, &length)
        if length < 0:
            return Py_NewRef(Py_None)
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
            return Py_NewRef(Py_True if pos[0] else Py_False)
        need(r, 1)
    elif kind == INT8:
        if left >= 1:
            r.pos = pos + 1
            return PyLong_FromLong(<signed char>pos[0])
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
            return Py_NewRef(Py_None)
        need(r, length)
        charge(r, TEXT_MEMORY + length)
        pos = r.pos
        r.pos += length
        return PyBytes_FromStringAndSize(<const char *>pos, length)
    elif kind == UINT16:
        if left >= 2:
            r.pos = pos + 2
            return PyLong_FromLong(kc_get16(pos))
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


cdef PyObject *read_array(Reader *r, const Op *op) except NULL:
    cdef Py_ssize_t count, i, item_memory
    cdef Kind kind = op.item_kind
    cdef PyObject *items
    cdef int level = r.trail.depth - 1
    read_length(r, op.compact, op.nullable, 4, &count)
    if count < 0:
        return Py_NewRef(Py_None)
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
    try:
        if kind == INT32:
            for i in range(count):
                PyList_SET_ITEM(items, i, PyLong_FromLong(<int>kc_get32(r.pos)))
                r.pos += 4
        elif kind == STRUCT:
            for i in range(count):
                r.trail.indexes[level] = i
                PyList_SET_ITEM(items, i, read_struct(r, op.child))
        else:
            for i in range(count):
                r.trail.indexes[level] = i
                PyList_SET_ITEM(items, i, read_value(r, op, kind, False))
    except:
        Py_DECREF(items)
        raise
    return items


cdef PyObject *read_op(Reader *r, const Op *op) except NULL:
    """Read the value of one array or struct in line; the trail's last entry is this field."""
    cdef int mark
    if op.kind == ARRAY:
        return read_array(r, op)
    if op.kind != STRUCT:
        return read_value(r, op, op.kind, op.nullable)
    if op.nullable:
        need(r, 1)
        mark = <signed char>r.pos[0]
        r.pos += 1
        if mark == -1:
            return Py_NewRef(Py_None)
        if mark != 1:
            raise read_error(r, f"marker of a nullable struct is {mark}, not -1 or 1", mark, 1)
    charge(r, op.child.memory)
    return read_struct(r, op.child)


cdef PyObject *read_tagged_value(Reader *r, const Op *op) except NULL:
    cdef uint32_t mark
    if op.kind == STRUCT and op.nullable:
        # In a tag block the marker is an unsigned varint, not the int8 of a struct in line.
        read_uvarint(r, &mark)
        if mark == 0:
            return Py_NewRef(Py_None)
        if mark != 1:
            raise read_error(r, f"marker of a nullable struct is {mark}, not 0 or 1", mark, 1)
        charge(r, op.child.memory)
        return read_struct(r, op.child)
    return read_op(r, op)


cdef inline PyObject *default_of(const Op *op) except NULL:
    if not op.default_is_fresh:
        return Py_NewRef(op.default)
    if op.kind == ARRAY:
        return PyList_New(0)
    return default_struct(op.child)


cdef PyObject *default_struct(const StructPlan *plan) except NULL:
    cdef PyObject *result = PyType_GenericAlloc(plan.cls, 0)
    cdef int i
    try:
        for i in range(plan.count):
            kc_store(result, plan.ops[i].slot, default_of(&plan.ops[i]))
    except:
        Py_DECREF(result)
        raise
    return result


cdef PyObject *read_struct(Reader *r, const StructPlan *plan) except NULL:
    cdef PyObject *result = PyType_GenericAlloc(plan.cls, 0)
    try:
        fill_struct(r, plan, result)
    except:
        Py_DECREF(result)
        raise
    return result


cdef int fill_struct(Reader *r, const StructPlan *plan, PyObject *target) except -1:
    cdef const Op *op
    cdef int i
    cdef int level = r.trail.depth
    r.trail.depth = level + 1
    r.trail.indexes[level] = -1
    for i in range(plan.inline_count):
        op = &plan.ops[i]
        r.trail.ops[level] = op
        if op.kind < STRUCT:
            kc_store(target, op.slot, read_value(r, op, op.kind, op.nullable))
        else:
            kc_store(target, op.slot, read_op(r, op))
            r.trail.indexes[level] = -1
    for i in range(plan.inline_count, plan.count):
        op = &plan.ops[i]
        if op.default_is_fresh:
            charge(r, LIST_MEMORY if op.kind == ARRAY else op.child.memory)
        kc_store(target, op.slot, default_of(op))
    r.trail.depth = level
    if plan.flexible:
        if r.pos < r.end and r.pos[0] == 0:
            r.pos += 1
        else:
            read_tags(r, plan, target)
    return 0


cdef int read_tags(Reader *r, const StructPlan *plan, PyObject *target) except -1:
    cdef uint32_t count, tag, size, i
    cdef int64_t previous = -1
    cdef int next_op = plan.inline_count
    cdef int level = r.trail.depth
    cdef const Op *op
    cdef const unsigned char *outer_end
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
        kc_store(target, op.slot, read_tagged_value(r, op))
        if r.pos != r.end:
            raise read_error(r, f"{r.end - r.pos} bytes of the tagged field are left over", size, size - (r.end - r.pos))
        r.end = outer_end
        r.trail.depth = level
    return 0

# Part of _codec.pyx: from the FIELDS of a class to a plan, an array of C structs in wire order; and the trail that says
# in an error which field was at hand.

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
    PyObject *default       # owned by _Plan.keep
    PyObject *name          # owned by _Plan.keep
    StructPlan *child       # of a struct or an array of structs; owned by a _Plan in _Plan.keep

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


cdef class _Plan:
    """How one class is written in one version. Kept for ever once made: there are some thousand in all."""

    cdef StructPlan c
    cdef object cls
    cdef int version
    cdef list keep
    cdef dict parts            # of a message: the plans of all its structs, by class
    cdef Py_ssize_t tagged_field_size_max

    def __cinit__(self):
        self.c.ops = NULL

    def __dealloc__(self):
        PyMem_Free(self.c.ops)


cdef dict _plans = {}          # message class -> {version: _Plan}


cdef bint in_versions(str versions, int version) except -1:
    if not versions:
        return False
    low, _, high = versions.partition("-")
    return int(low) <= version <= int(high or low)


cdef _Plan make_plan(object cls, int version, bint flexible, dict structs, dict done):
    """Build the plan of one struct. `structs` maps names to classes, `done` holds the plans of this message so far."""
    cdef _Plan plan = done.get(cls)
    if plan is not None:
        return plan
    plan = _Plan.__new__(_Plan)
    plan.cls = cls
    plan.version = version
    plan.keep = []
    cdef list rows = list(cls.FIELDS)
    cdef list inline = [row for row in rows if in_versions(row[2], version) and row[4] < 0]
    cdef list tagged = sorted([row for row in rows if in_versions(row[2], version) and row[4] >= 0], key=lambda row: row[4])
    cdef list absent = [row for row in rows if not in_versions(row[2], version)]
    cdef StructPlan *c = &plan.c
    cdef Op *op
    cdef _Plan child
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


cdef _Plan plan_of(object cls, int version):
    cdef dict by_version = _plans.get(cls)
    cdef _Plan plan
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
    parts = {}
    plan = make_plan(cls, version, flexible, structs, parts)
    plan.parts = parts
    plan.tagged_field_size_max = cls.TAGGED_FIELD_SIZE_MAX
    _plans.setdefault(cls, {})[version] = plan
    return plan


cdef class Encoded:
    """A struct as it is written in one version; see encode_struct."""

    cdef readonly bytes data
    cdef object cls
    cdef int version


cdef struct Trail:
    int depth
    const Op *ops[DEPTH_MAX + 1]
    Py_ssize_t indexes[DEPTH_MAX + 1]   # -1 outside of arrays


cdef object error(_Plan plan, Trail *trail, text, value=None, limit=None):
    parts = []
    for i in range(trail.depth):
        name = <object>trail.ops[i].name
        parts.append(name if trail.indexes[i] < 0 else f"{name}[{trail.indexes[i]}]")
    return ProtocolError(
        text, message=f"{plan.cls.__name__} v{plan.version}", field=".".join(parts) or None, value=value, limit=limit
    )

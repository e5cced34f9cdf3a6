# cython: language_level=3
"""Record batches: the bridge to csrc/record.  What each name does stands in _records.pyi."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t

from pykafka_core.native cimport kc
from pykafka_core.native._errors cimport check

from pykafka_core.native._errors import CorruptRecordError, InvalidRecordError

# Below this many bytes, handing the GIL over costs more than the work.
cdef enum:
    GIL_SIZE_MIN = 16384
    HEADERS_INLINE_MAX = 8

FAULTS = {
    kc.KC_FAULT_CORRUPT: "corrupt",
    kc.KC_FAULT_INVALID_RECORD: "invalid record",
    kc.KC_FAULT_TOO_LARGE: "too large",
    kc.KC_FAULT_INVALID_TIMESTAMP: "invalid timestamp",
    kc.KC_FAULT_NULL_KEY: "null key",
    kc.KC_FAULT_UNSUPPORTED_CODEC: "unsupported codec",
}


cdef class _HeldBytes:
    """A held buffer: its bytes stay where they are until this goes away."""

    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, data):
        PyObject_GetBuffer(data, &self.view, PyBUF_SIMPLE)
        self.held = True

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)

    cdef inline kc.kc_slice slice(self) noexcept:
        # An empty buffer may have no address, which C would take for null; any other address will do.
        return kc.kc_slice_make(self.view.buf if self.view.buf != NULL else <void *>&self.view, self.view.len)


cdef kc.kc_batch_header load_header(_HeldBytes batch) except *:
    cdef kc.kc_batch_header header
    if batch.view.len < kc.KC_BATCH_HEADER_SIZE:
        raise CorruptRecordError(
            f"{batch.view.len} bytes are no record batch: its header alone has {kc.KC_BATCH_HEADER_SIZE}"
        )
    kc.kc_batch_header_load(<const uint8_t *>batch.view.buf, &header)
    return header


cdef tuple header_tuple(const kc.kc_batch_header *h):
    return (
        h.base_offset, h.size_bytes, h.leader_epoch, h.magic, h.crc, h.attributes, h.last_offset_delta, h.base_timestamp,
        h.max_timestamp, h.producer_id, h.producer_epoch, h.base_sequence, h.record_count,
    )


cdef kc.kc_batch_rules load_rules(tuple rules) except *:
    cdef kc.kc_batch_rules r
    (r.batch_size_max_bytes, r.log_append_time, r.timestamp_before_max_ms, r.timestamp_after_max_ms, r.now_ms,
     r.keys_required, r.zstd_allowed) = rules
    r.sequence_optional = False
    return r


cdef object refused(const kc.kc_batch_refusal *refusal):
    cdef char text[kc.KC_BATCH_REFUSAL_TEXT_MAX]
    kc.kc_batch_refusal_format(refusal, text, sizeof(text))
    return InvalidRecordError((<bytes>text).decode(), FAULTS[<int>refusal.fault], refusal.record_index)


def load_batch_header(data):
    cdef _HeldBytes batch = _HeldBytes(data)
    cdef kc.kc_batch_header header = load_header(batch)
    return header_tuple(&header)


def check_stored_batch(data):
    cdef _HeldBytes batch = _HeldBytes(data)
    cdef kc.kc_slice bytes = batch.slice()
    cdef kc.kc_batch_header header
    cdef kc.kc_status status
    with nogil:
        status = kc.kc_batch_check_stored(bytes, &header)
    if status == kc.KC_END:
        return None
    check(status, "record batch")
    return header_tuple(&header)


def validate_batch(data, tuple rules):
    cdef _HeldBytes batch = _HeldBytes(data)
    cdef kc.kc_slice bytes = batch.slice()
    cdef kc.kc_batch_rules r = load_rules(rules)
    cdef kc.kc_batch_info info
    cdef kc.kc_batch_refusal refusal
    cdef kc.kc_status status
    with nogil:
        status = kc.kc_batch_validate(bytes, &r, &info, &refusal)
    if status == kc.KC_INVALID:
        raise refused(&refusal)
    check(status, "record batch")
    return header_tuple(&info.header), info.max_timestamp, info.max_timestamp_differs, info.offset_of_max_timestamp_delta


def validate_batch_records(data, records, tuple rules):
    cdef _HeldBytes batch = _HeldBytes(data)
    cdef _HeldBytes section = _HeldBytes(records)
    cdef kc.kc_slice bytes = section.slice()
    cdef kc.kc_batch_header header = load_header(batch)
    cdef kc.kc_batch_rules r = load_rules(rules)
    cdef kc.kc_batch_info info
    cdef kc.kc_batch_refusal refusal
    cdef kc.kc_status status
    with nogil:
        status = kc.kc_batch_validate_records(bytes, &header, &r, &info, &refusal)
    if status == kc.KC_INVALID:
        raise refused(&refusal)
    check(status, "records")
    return header_tuple(&header), info.max_timestamp, info.max_timestamp_differs, info.offset_of_max_timestamp_delta


cdef inline object bytes_of(kc.kc_slice s, bint null):
    return None if null else PyBytes_FromStringAndSize(<const char *>s.data, s.size)


cdef tuple headers_of(kc.kc_slice headers):
    cdef kc.kc_record_header header
    cdef kc.kc_status status
    cdef list out = []
    while True:
        status = kc.kc_record_header_next(&headers, &header)
        if status == kc.KC_END:
            return tuple(out)
        check(status, "record headers")
        out.append((
            PyUnicode_DecodeUTF8(<const char *>header.key.data, header.key.size, "surrogateescape"),
            bytes_of(header.value, header.value_null),
        ))


cdef class RecordIterator:
    cdef _HeldBytes section
    cdef kc.kc_record_iterator it
    cdef int64_t base_offset, base_timestamp, log_append_time
    cdef bint is_log_append_time
    cdef object make
    cdef int32_t index

    def __cinit__(self, data, records, make):
        cdef kc.kc_batch_header header = load_header(_HeldBytes(data))
        self.section = _HeldBytes(records)
        self.make = make
        self.base_offset = header.base_offset
        self.base_timestamp = header.base_timestamp
        self.log_append_time = header.max_timestamp
        self.is_log_append_time = header.attributes & kc.KC_ATTRIBUTE_LOG_APPEND_TIME
        kc.kc_record_iterator_init(&self.it, self.section.slice(), header.record_count)

    def __iter__(self):
        return self

    def __next__(self):
        cdef kc.kc_record r
        cdef kc.kc_status status = kc.kc_record_next(&self.it, &r)
        if status == kc.KC_END:
            raise StopIteration
        if status != kc.KC_OK:
            raise CorruptRecordError(f"record {self.index} breaks the format, or bytes follow the last one")
        self.index += 1
        return self.make((
            self.base_offset + r.offset_delta,
            self.log_append_time if self.is_log_append_time else self.base_timestamp + r.timestamp_delta,
            bytes_of(r.key, r.key_null),
            bytes_of(r.value, r.value_null),
            headers_of(r.headers) if r.header_count else (),
        ))


def decode_record_columns(records, int64_t[:, ::1] out):
    cdef _HeldBytes section = _HeldBytes(records)
    cdef kc.kc_slice bytes = section.slice()
    cdef kc.kc_record_columns columns
    cdef Py_ssize_t count = out.shape[1]
    cdef int32_t bad = 0
    cdef kc.kc_status status
    if out.shape[0] != 9 or count > 0x7fffffff:
        raise ValueError("out must have the shape (9, record count)")
    if count == 0:
        if section.view.len:
            raise CorruptRecordError("bytes follow the last record")
        return
    columns.offset_delta = &out[0, 0]
    columns.timestamp_delta = &out[1, 0]
    columns.key_position = &out[2, 0]
    columns.key_size = &out[3, 0]
    columns.value_position = &out[4, 0]
    columns.value_size = &out[5, 0]
    columns.headers_position = &out[6, 0]
    columns.headers_size = &out[7, 0]
    columns.header_count = &out[8, 0]
    with nogil:
        status = kc.kc_record_columns_decode(bytes, <int32_t>count, columns, &bad)
    if status != kc.KC_OK:
        what = "bytes follow the last record" if bad == count else f"record {bad} breaks the format"
        raise CorruptRecordError(what)


def decode_record_headers(headers):
    cdef _HeldBytes section = _HeldBytes(headers)
    return headers_of(section.slice())


cdef class BatchBuilder:
    cdef kc.kc_batch_builder b
    cdef kc.kc_batch_spec spec
    cdef uint8_t *buffer

    def __cinit__(self, *, int64_t base_offset=0, int32_t leader_epoch=-1, int64_t producer_id=-1, int16_t producer_epoch=-1,
                  int32_t base_sequence=-1, int16_t attributes=0, int64_t delete_horizon_ms=-1, Py_ssize_t capacity=4096):
        if attributes & kc.KC_ATTRIBUTE_CODEC_MASK:
            raise ValueError("a builder writes uncompressed records; compress them afterwards")
        self.spec.base_offset = base_offset
        self.spec.leader_epoch = leader_epoch
        self.spec.producer_id = producer_id
        self.spec.producer_epoch = producer_epoch
        self.spec.base_sequence = base_sequence
        self.spec.attributes = attributes
        self.spec.delete_horizon_ms = delete_horizon_ms
        capacity = max(capacity, kc.KC_BATCH_HEADER_SIZE)
        self.buffer = <uint8_t *>PyMem_Malloc(capacity)
        if self.buffer == NULL:
            raise MemoryError
        kc.kc_batch_builder_init(&self.b, self.buffer, capacity, &self.spec)

    def __dealloc__(self):
        PyMem_Free(self.buffer)

    cdef int reserve(self, size_t size) except -1:
        cdef size_t capacity
        cdef uint8_t *larger
        if self.b.capacity - self.b.used >= size:
            return 0
        capacity = max(self.b.used + size, 2 * self.b.capacity)
        larger = <uint8_t *>PyMem_Realloc(self.buffer, capacity)
        if larger == NULL:
            raise MemoryError
        self.buffer = larger
        kc.kc_batch_builder_moved(&self.b, larger, capacity)
        return 0

    @property
    def record_count(self):
        return self.b.record_count

    @property
    def size_bytes(self):
        return self.b.used

    @property
    def last_offset_delta(self):
        return self.b.last_offset_delta

    @last_offset_delta.setter
    def last_offset_delta(self, int32_t value):
        if value < self.b.last_offset_delta:
            raise ValueError(f"last offset delta {value} is below that of the last record, {self.b.last_offset_delta}")
        self.b.last_offset_delta = value

    def add(self, int64_t timestamp, key, value, headers=(), offset_delta=None):
        cdef _HeldBytes held_key, held_value
        cdef kc.kc_slice key_slice = kc.kc_slice_make(NULL, 0), value_slice = kc.kc_slice_make(NULL, 0)
        cdef kc.kc_record_header inline_headers[HEADERS_INLINE_MAX]
        cdef kc.kc_record_header *c_headers = inline_headers
        cdef Py_ssize_t count = len(headers), i, headers_size = 0
        cdef int64_t delta = <int64_t>self.b.last_offset_delta + 1 if offset_delta is None else offset_delta
        cdef size_t size_max
        cdef list kept = []
        cdef bytes one
        if delta < 0 or delta > 0x7fffffff or delta <= self.b.last_offset_delta:
            raise ValueError(f"offset delta {delta} does not follow {self.b.last_offset_delta}")
        if key is not None:
            held_key = _HeldBytes(key)
            key_slice = held_key.slice()
        if value is not None:
            held_value = _HeldBytes(value)
            value_slice = held_value.slice()
        if count > HEADERS_INLINE_MAX:
            c_headers = <kc.kc_record_header *>PyMem_Malloc(count * sizeof(kc.kc_record_header))
            if c_headers == NULL:
                raise MemoryError
        try:
            for i, (header_key, header_value) in enumerate(headers):
                if i >= count:
                    raise ValueError("headers changed while they were read")
                one = header_key.encode("utf-8", "surrogateescape") if isinstance(header_key, str) else bytes(header_key)
                kept.append(one)
                c_headers[i].key = kc.kc_slice_make(PyBytes_AS_STRING(one), PyBytes_GET_SIZE(one))
                headers_size += PyBytes_GET_SIZE(one) + 10
                c_headers[i].value_null = header_value is None
                c_headers[i].value = kc.kc_slice_make(NULL, 0)
                if header_value is not None:
                    one = bytes(header_value)
                    kept.append(one)
                    c_headers[i].value = kc.kc_slice_make(PyBytes_AS_STRING(one), PyBytes_GET_SIZE(one))
                    headers_size += PyBytes_GET_SIZE(one)
            size_max = kc.kc_record_size_max(key_slice, value_slice, headers_size)
            if size_max == 0 or size_max > <size_t>0x7fffffff - self.b.used:
                raise ValueError("a record batch cannot be larger than 2 GiB")
            self.reserve(size_max)
            check(
                kc.kc_batch_builder_add_at(&self.b, <int32_t>delta, timestamp, key_slice, value_slice, c_headers, <int32_t>count),
                "record",
            )
        finally:
            if c_headers != inline_headers:
                PyMem_Free(c_headers)

    def add_columns(self, const int64_t[::1] timestamps, tuple keys, tuple values, headers=None, offset_deltas=None):
        cdef _HeldBytes key_bytes = _HeldBytes(keys[0]), value_bytes = _HeldBytes(values[0]), header_bytes
        cdef const int64_t[::1] key_position = keys[1], key_size = keys[2], value_position = values[1], value_size = values[2]
        cdef const int64_t[::1] headers_position, headers_size, header_count, deltas
        cdef Py_ssize_t count = timestamps.shape[0]
        cdef kc.kc_record_source source
        cdef size_t size = 0
        cdef int32_t bad = 0
        cdef kc.kc_status status
        lengths = [len(key_position), len(key_size), len(value_position), len(value_size)]
        source.headers = kc.kc_slice_make(NULL, 0)
        source.headers_position = source.headers_size = source.header_count = source.offset_delta = NULL
        if headers is not None:
            header_bytes = _HeldBytes(headers[0])
            headers_position, headers_size, header_count = headers[1], headers[2], headers[3]
            lengths += [len(headers_position), len(headers_size), len(header_count)]
        if offset_deltas is not None:
            deltas = offset_deltas
            lengths.append(len(deltas))
        if any(length != count for length in lengths):
            raise ValueError(f"columns of different lengths: {count} timestamps, others {lengths}")
        if self.b.record_count:
            raise ValueError("columns go into an empty builder")
        if count == 0:
            return
        if count > 0x7fffffff:
            raise ValueError("a record batch cannot have more than 2^31 - 1 records")
        source.timestamp = &timestamps[0]
        source.keys = key_bytes.slice()
        source.key_position, source.key_size = &key_position[0], &key_size[0]
        source.values = value_bytes.slice()
        source.value_position, source.value_size = &value_position[0], &value_size[0]
        if headers is not None:
            source.headers = header_bytes.slice()
            source.headers_position, source.headers_size = &headers_position[0], &headers_size[0]
            source.header_count = &header_count[0]
        if offset_deltas is not None:
            source.offset_delta = &deltas[0]
        with nogil:
            status = kc.kc_record_columns_size_max(&source, <int32_t>count, &size, &bad)
        if status != kc.KC_OK:
            raise ValueError(f"record {bad} names bytes outside its buffer, or makes the batch larger than 2 GiB")
        self.reserve(size)
        with nogil:
            status = kc.kc_record_columns_encode(&self.b, &source, <int32_t>count, &bad)
        if status != kc.KC_OK:
            raise ValueError(f"record {bad}: its offset delta is not above the one before, or the batch is full")

    def finish(self):
        cdef kc.kc_slice batch
        check(kc.kc_batch_builder_finish(&self.b, &batch), "record batch")
        return PyBytes_FromStringAndSize(<const char *>batch.data, batch.size)


def wrap_records(header, records):
    cdef kc.kc_batch_header h = load_header(_HeldBytes(header))
    cdef _HeldBytes section = _HeldBytes(records)
    cdef bytes out
    if section.view.len > 0x7fffffff - kc.KC_BATCH_HEADER_SIZE:
        raise ValueError("a record batch cannot be larger than 2 GiB")
    out = PyBytes_FromStringAndSize(NULL, kc.KC_BATCH_HEADER_SIZE + section.view.len)
    check(kc.kc_batch_wrap(&h, section.slice(), <uint8_t *>PyBytes_AS_STRING(out)), "record batch")
    return out


def find_record_by_timestamp(data, records, int64_t target, int64_t offset_min):
    cdef kc.kc_batch_header header = load_header(_HeldBytes(data))
    cdef _HeldBytes section = _HeldBytes(records)
    cdef kc.kc_slice bytes = section.slice()
    cdef kc.kc_timestamped_offset found
    cdef kc.kc_status status
    with nogil:
        status = kc.kc_record_find_timestamp(bytes, &header, target, offset_min, &found)
    if status == kc.KC_END:
        return None
    check(status, "records")
    return found.offset, found.timestamp


def find_record_of_max_timestamp(data, records):
    cdef kc.kc_batch_header header = load_header(_HeldBytes(data))
    cdef _HeldBytes section = _HeldBytes(records)
    cdef kc.kc_slice bytes = section.slice()
    cdef kc.kc_timestamped_offset found
    cdef kc.kc_status status
    with nogil:
        status = kc.kc_record_find_max_timestamp(bytes, &header, &found)
    if status == kc.KC_END:
        return None
    check(status, "records")
    return found.offset, found.timestamp

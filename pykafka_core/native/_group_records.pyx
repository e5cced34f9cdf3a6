# cython: language_level=3
"""Committed offsets out of their records, many at a time; the contract stands in _group_records.pyi."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t

from pykafka_core.native cimport kc
from pykafka_core.native._errors cimport check

cdef enum:
    OFFSET_COMMIT_KEY = 1
    OFFSET_COMMIT_KEY_LEGACY = 0
    VALUE_WITH_EXPIRY = 1
    VALUE_WITH_EPOCH = 3
    VALUE_FLEXIBLE = 4
    SPECIAL = kc.KC_ATTRIBUTE_CODEC_MASK | kc.KC_ATTRIBUTE_TRANSACTIONAL | kc.KC_ATTRIBUTE_CONTROL


cdef bytes _bytes(kc.kc_slice data):
    return PyBytes_FromStringAndSize(<const char *>data.data, <Py_ssize_t>data.size)


cdef int _collect(kc.kc_slice section, int32_t record_count, dict into) except -1:
    cdef kc.kc_record_iterator iterator
    cdef kc.kc_record record
    cdef kc.kc_status status
    kc.kc_record_iterator_init(&iterator, section, record_count)
    while True:
        status = kc.kc_record_next(&iterator, &record)
        if status != kc.KC_OK:
            break
        if not record.key_null:
            into[_bytes(record.key)] = None if record.value_null else _bytes(record.value)
    if status != kc.KC_END:
        check(status, "records")
    return 0


def collect_plain_batches(const uint8_t[::1] data not None, dict into not None):
    cdef size_t at = 0, left
    cdef size_t size = <size_t>data.shape[0]
    cdef kc.kc_batch_header header
    cdef int64_t next_offset = -1
    cdef const uint8_t *batch
    while size - at >= kc.KC_BATCH_HEADER_SIZE:
        batch = &data[0] + at
        left = size - at
        kc.kc_batch_header_load(batch, &header)
        if (header.size_bytes < kc.KC_BATCH_HEADER_SIZE or <size_t>header.size_bytes > left
                or header.magic != kc.KC_BATCH_MAGIC_VALUE or header.attributes & SPECIAL):
            break
        _collect(kc.kc_slice_make(batch + kc.KC_BATCH_HEADER_SIZE, <size_t>header.size_bytes - kc.KC_BATCH_HEADER_SIZE),
                 header.record_count, into)
        at += <size_t>header.size_bytes
        next_offset = header.base_offset + header.last_offset_delta + 1
    return at, next_offset


cdef inline str _text(kc.kc_slice data):
    return (<const char *>data.data)[:data.size].decode("utf-8") if data.size else ""


def take_offset_commits(list pairs not None, dict into not None, make not None):
    cdef list rest = []
    cdef bytes key, value, name
    cdef kc.kc_reader r
    cdef kc.kc_slice group, topic, metadata, topic_id, tag
    cdef int16_t key_type, version
    cdef int32_t partition, epoch
    cdef int64_t offset, commit_ms, expire_ms
    cdef uint32_t tags, number
    cdef bytes no_topic_id = bytes(16), topic_id_bytes = no_topic_id
    cdef bytes group_bytes = None
    cdef dict offsets = None, topics = {}
    cdef object topic_name
    new = tuple.__new__
    for pair in pairs:
        key = (<tuple>pair)[0]
        value = (<tuple>pair)[1]
        kc.kc_reader_init(&r, kc.kc_slice_make(PyBytes_AS_STRING(key), <size_t>PyBytes_GET_SIZE(key)))
        key_type = kc.kc_read_i16(&r)
        if not kc.kc_reader_ok(&r) or not OFFSET_COMMIT_KEY_LEGACY <= key_type <= OFFSET_COMMIT_KEY:
            rest.append(pair)
            continue
        group = kc.kc_read_string(&r)
        topic = kc.kc_read_string(&r)
        partition = kc.kc_read_i32(&r)
        if not kc.kc_reader_ok(&r) or kc.kc_read_remaining(&r):
            rest.append(pair)
            continue
        kc.kc_reader_init(&r, kc.kc_slice_make(PyBytes_AS_STRING(value), <size_t>PyBytes_GET_SIZE(value)))
        version = kc.kc_read_i16(&r)
        offset = kc.kc_read_i64(&r)
        epoch = kc.kc_read_i32(&r) if version >= VALUE_WITH_EPOCH else -1
        metadata = kc.kc_read_compact_string(&r) if version >= VALUE_FLEXIBLE else kc.kc_read_string(&r)
        commit_ms = kc.kc_read_i64(&r)
        expire_ms = kc.kc_read_i64(&r) if version == VALUE_WITH_EXPIRY else -1
        topic_id.data = NULL
        topic_id.size = 0
        if version >= VALUE_FLEXIBLE:
            tags = kc.kc_read_tag_count(&r)
            while tags and kc.kc_reader_ok(&r):
                tag = kc.kc_read_tag(&r, &number)
                if number == 0:
                    topic_id = tag
                tags -= 1
        if (not kc.kc_reader_ok(&r) or kc.kc_read_remaining(&r) or not 0 <= version <= VALUE_FLEXIBLE
                or topic_id.size not in (0, 16)):
            rest.append(pair)
            continue
        # Neighbours are often of one group and one topic: their names are made once.
        name = _bytes(group)
        if name != group_bytes:
            group_bytes = name
            offsets = into.setdefault(group_bytes.decode("utf-8"), {})
        name = _bytes(topic)
        topic_name = topics.get(name)
        if topic_name is None:
            topic_name = topics[name] = (<bytes>name).decode("utf-8")
        if topic_id.size == 0:
            topic_id_bytes = no_topic_id
        else:
            name = _bytes(topic_id)
            if name != topic_id_bytes:
                topic_id_bytes = name
        offsets[(topic_name, partition)] = new(
            make, (offset, epoch, _text(metadata), commit_ms, expire_ms, topic_id_bytes))
    return rest

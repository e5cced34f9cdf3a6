# cython: language_level=3
"""Loads of records, produced or fetched: the bridge to csrc/client.  What each name does stands in _load.pyi.

The GIL is given back while a load runs; a codec takes it once for a batch.
"""

from collections import namedtuple

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int16_t, int32_t, int64_t, uint64_t
from libc.string cimport memset

from pykafka_core.native cimport kc
from pykafka_core.native cimport kc_load as k
from pykafka_core.native._errors cimport check

Latency = namedtuple("Latency", "records bytes total_ms max_ms")
FetchCounters = namedtuple("FetchCounters", "records bytes requests last_records_us")
Latency.__module__ = FetchCounters.__module__ = __name__


cdef inline kc.kc_slice slice_of(bytes data):
    return kc.kc_slice_make(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


cdef Latency_of(const k.kc_latency *l):
    return Latency(l.count, l.bytes, l.total_ms, l.max_ms)


cdef class _Codec:
    """A Python function that compresses or decompresses, as C calls it. Keeps its last result alive."""

    cdef object function, error
    cdef bytes kept

    def __cinit__(self, function):
        self.function = function


cdef kc.kc_status run_codec(void *state, int codec, kc.kc_slice data, kc.kc_slice *out) noexcept with gil:
    cdef _Codec self = <_Codec>state
    try:
        self.kept = bytes(self.function(codec, PyBytes_FromStringAndSize(<const char *>data.data, data.size)))
        out[0] = slice_of(self.kept)
        return kc.KC_OK
    except BaseException as error:
        self.error = error
        return kc.KC_INVALID


cdef class _Links:
    """Connections until a load takes them over."""

    cdef k.kc_link *links
    cdef int count

    def __cinit__(self, addresses, int timeout_ms):
        cdef int i, port
        cdef const char *host
        cdef kc.kc_status status
        self.links = <k.kc_link *>PyMem_Calloc(max(len(addresses), 1), sizeof(k.kc_link))
        if self.links == NULL:
            raise MemoryError
        for i in range(len(addresses)):
            self.links[i].fd = -1
        for i, (name, number) in enumerate(addresses):
            self.count = i + 1
            encoded = name.encode()
            host, port = encoded, number
            with nogil:
                status = k.kc_link_connect(&self.links[i], host, port, timeout_ms)
            if status != kc.KC_OK:
                raise ConnectionError(f"{name}:{number}: {kc.kc_status_name(status).decode()}")

    def __dealloc__(self):
        cdef int i
        if self.links != NULL:
            for i in range(self.count):
                k.kc_link_close(&self.links[i])
            PyMem_Free(self.links)


@cython.final
cdef class ProduceLoad:
    cdef k.kc_produce_load *load
    cdef _Codec codec

    def __cinit__(self, addresses, partitions, *, bytes topic, bytes client_id, bytes transactional_id, int64_t record_count,
                  int64_t warmup_count, int64_t producer_id, int16_t producer_epoch, int64_t linger_us,
                  double records_per_second, uint64_t seed, size_t batch_size_bytes, size_t buffer_size_bytes, payload,
                  int32_t in_flight_max, int32_t request_timeout_ms, int16_t acks, int16_t codec, compress,
                  int connect_timeout_ms):
        cdef k.kc_produce_load_config c
        cdef kc.kc_status status
        cdef Py_ssize_t i
        cdef _Links links = _Links(addresses, connect_timeout_ms)
        cdef k.kc_load_partition *places = NULL
        cdef kc.kc_slice *payloads = NULL
        cdef list kept = []
        self.codec = _Codec(compress)
        memset(&c, 0, sizeof(c))
        c.clock = k.kc_clock_system()
        c.topic, c.client_id = slice_of(topic), slice_of(client_id)
        if transactional_id is not None:
            c.transactional_id = slice_of(transactional_id)
        c.record_count, c.warmup_count = record_count, warmup_count
        c.producer_id, c.producer_epoch = producer_id, producer_epoch
        c.linger_us, c.records_per_second, c.seed = linger_us, records_per_second, seed
        c.batch_size_bytes, c.buffer_size_bytes = batch_size_bytes, buffer_size_bytes
        c.in_flight_max, c.request_timeout_ms, c.acks, c.codec = in_flight_max, request_timeout_ms, acks, codec
        c.compress.run, c.compress.state = run_codec, <void *>self.codec
        c.links, c.link_count, c.partition_count = links.links, links.count, len(partitions)
        try:
            places = <k.kc_load_partition *>PyMem_Calloc(len(partitions) + 1, sizeof(k.kc_load_partition))
            if places == NULL:
                raise MemoryError
            for i, (index, link) in enumerate(partitions):
                if not 0 <= link < links.count:
                    raise ValueError(f"partition {index} is on connection {link} of {links.count}")
                places[i].index, places[i].link = index, link
            c.partitions = places
            if isinstance(payload, int):
                c.payload, c.payload_size = k.KC_PAYLOAD_RANDOM, payload
            elif payload is None:
                c.payload = k.KC_PAYLOAD_COUNTER
            else:
                c.payload, c.payload_count = k.KC_PAYLOAD_CHOSEN, len(payload)
                payloads = <kc.kc_slice *>PyMem_Calloc(len(payload) + 1, sizeof(kc.kc_slice))
                if payloads == NULL:
                    raise MemoryError
                for i, each in enumerate(payload):
                    kept.append(each)
                    payloads[i] = slice_of(each)
                c.payloads = payloads
            status = k.kc_produce_load_open(&c, &self.load)
            check(status, "load")
            links.count = 0
        finally:
            PyMem_Free(places)
            PyMem_Free(payloads)

    def __dealloc__(self):
        if self.load != NULL:
            k.kc_produce_load_close(self.load)

    def run(self, int64_t milliseconds, *, bint drain=False):
        cdef k.kc_clock clock = k.kc_clock_system()
        cdef kc.kc_status status
        with nogil:
            status = k.kc_produce_load_run(self.load, k.kc_clock_monotonic_us(&clock) + milliseconds * 1000, drain)
        if status == kc.KC_AGAIN:
            return False
        if self.codec.error is not None:
            error, self.codec.error = self.codec.error, None
            raise error
        if status == kc.KC_CLOSED:
            raise ConnectionError("a connection was lost, or a request was not answered in time")
        check(status, "load")
        return True

    @property
    def made(self):
        return k.kc_produce_load_made(self.load)

    @property
    def failed(self):
        cdef int16_t code = 0
        cdef int64_t count = k.kc_produce_load_failed(self.load, &code)
        return count, code

    @property
    def total(self):
        return Latency_of(k.kc_produce_load_total(self.load))

    @property
    def steady(self):
        return Latency_of(k.kc_produce_load_steady(self.load))

    def take_window(self):
        cdef k.kc_latency *window = k.kc_produce_load_window(self.load)
        found = Latency_of(window)
        memset(window, 0, sizeof(k.kc_latency))
        return found

    def percentile(self, double part, *, bint steady=False):
        if steady:
            return k.kc_latency_percentile(k.kc_produce_load_steady(self.load), part)
        return k.kc_latency_percentile(k.kc_produce_load_total(self.load), part)


@cython.final
cdef class FetchLoad:
    cdef k.kc_fetch_load *load
    cdef _Codec codec
    cdef int32_t place_count

    def __cinit__(self, addresses, places, *, bytes client_id, int64_t record_count, int32_t wait_ms, int32_t size_min_bytes,
                  int32_t size_max_bytes, int32_t partition_size_max_bytes, int32_t request_timeout_ms, bint check_crcs,
                  bint read_committed, decompress, int connect_timeout_ms):
        cdef k.kc_fetch_load_config c
        cdef kc.kc_status status
        cdef Py_ssize_t i
        cdef _Links links = _Links(addresses, connect_timeout_ms)
        cdef k.kc_fetch_place *wanted = NULL
        cdef list kept = []
        cdef bytes name
        self.codec = _Codec(decompress)
        memset(&c, 0, sizeof(c))
        c.clock = k.kc_clock_system()
        c.client_id = slice_of(client_id)
        c.record_count, c.wait_ms = record_count, wait_ms
        c.size_min_bytes, c.size_max_bytes, c.partition_size_max_bytes = size_min_bytes, size_max_bytes, partition_size_max_bytes
        c.request_timeout_ms, c.check_crcs, c.read_committed = request_timeout_ms, check_crcs, read_committed
        c.decompress.run, c.decompress.state = run_codec, <void *>self.codec
        c.links, c.link_count, c.place_count = links.links, links.count, len(places)
        try:
            wanted = <k.kc_fetch_place *>PyMem_Calloc(len(places) + 1, sizeof(k.kc_fetch_place))
            if wanted == NULL:
                raise MemoryError
            for i, (topic, partition, offset, link) in enumerate(places):
                if not 0 <= link < links.count:
                    raise ValueError(f"partition {partition} is on connection {link} of {links.count}")
                name = topic
                kept.append(name)
                wanted[i].topic = slice_of(name)
                wanted[i].partition, wanted[i].offset, wanted[i].link = partition, offset, link
            c.places = wanted
            status = k.kc_fetch_load_open(&c, &self.load)
            check(status, "load")
            links.count = 0
            self.place_count = len(places)
        finally:
            PyMem_Free(wanted)

    def __dealloc__(self):
        if self.load != NULL:
            k.kc_fetch_load_close(self.load)

    def run(self, int64_t milliseconds):
        cdef k.kc_clock clock = k.kc_clock_system()
        cdef kc.kc_status status
        with nogil:
            status = k.kc_fetch_load_run(self.load, k.kc_clock_monotonic_us(&clock) + milliseconds * 1000)
        if status == kc.KC_AGAIN:
            return False
        if self.codec.error is not None:
            error, self.codec.error = self.codec.error, None
            raise error
        if status == kc.KC_CLOSED:
            raise ConnectionError("a connection was lost, or a request was not answered in time")
        if status == kc.KC_INVALID:
            return None
        check(status, "load")
        return True

    @property
    def refusal(self):
        cdef int32_t place = -1
        cdef int16_t code = k.kc_fetch_load_refusal(self.load, &place)
        return code, place

    @property
    def counters(self):
        cdef const k.kc_fetch_counters *c = k.kc_fetch_load_counters(self.load)
        return FetchCounters(c.records, c.bytes, c.requests, c.last_records_us)

    def offset(self, int32_t place):
        if not 0 <= place < self.place_count:
            raise IndexError(place)
        return k.kc_fetch_load_offset(self.load, place)

    def seek(self, int32_t place, int64_t offset):
        if not 0 <= place < self.place_count:
            raise IndexError(place)
        k.kc_fetch_load_seek(self.load, place, offset)

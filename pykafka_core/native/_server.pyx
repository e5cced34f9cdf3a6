# cython: language_level=3
"""Bridge to csrc/server and csrc/hot; the contract stands in _server.pyi.

Bytes are taken by the buffer protocol itself: one typed memoryview brings four thousand lines of Cython's own with it,
and `collections.abc`, which a start does without.
"""

import os

cimport cython

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from pykafka_core.native._errors cimport check
from pykafka_core.native._log cimport Log
from pykafka_core.native.kc cimport *
from pykafka_core.native.kc_server cimport *

cdef enum:
    WORKERS = 2    # one sync may wait for the disk while another is prepared

TRUSTED_GUARD = <int>KC_TXN_GUARD_TRUSTED


@cython.final
cdef class TopicConfig:
    cdef kc_topic_config config

    def __cinit__(self, *, int32_t max_message_bytes=1048588, bint log_append_time=False,
                  int64_t timestamp_before_max_ms=INT64_MAX, int64_t timestamp_after_max_ms=3600000,
                  int64_t flush_messages=INT64_MAX, bint compacted=False, int codec=-1,
                  int32_t min_insync_replicas=1, bint internal=False):
        if not -1 <= codec <= 4:
            raise ValueError(f"codec {codec} is not between -1 (the producer's) and 4 (zstd)")
        if max_message_bytes < 0:
            raise ValueError(f"max_message_bytes {max_message_bytes} is negative")
        if flush_messages < 1:
            raise ValueError(f"flush_messages {flush_messages} is below 1")
        self.config.flush_messages = flush_messages
        self.config.batch_size_max_bytes = max_message_bytes
        self.config.log_append_time = log_append_time
        self.config.timestamp_before_max_ms = timestamp_before_max_ms
        self.config.timestamp_after_max_ms = timestamp_after_max_ms
        self.config.compacted = compacted
        self.config.codec = <int8_t>codec
        self.config.min_insync_replicas = min_insync_replicas
        self.config.internal = internal


@cython.final
cdef class AppendOutcome:
    cdef readonly int error_code
    cdef readonly int64_t base_offset
    cdef readonly int64_t log_append_time_ms
    cdef readonly int64_t log_start_offset
    cdef readonly list record_errors
    cdef readonly object error_message


cdef int _get_buffer(response, Py_buffer *view) except -1:
    """The bytes of an answer; None has none. To be released either way."""
    if response is None:
        memset(view, 0, sizeof(view[0]))
        return 0
    return PyObject_GetBuffer(response, view, PyBUF_SIMPLE)


cdef AppendOutcome _outcome_of(const kc_partition_append *out):
    cdef char[KC_BATCH_REFUSAL_TEXT_MAX] text
    cdef size_t text_size
    cdef AppendOutcome outcome = AppendOutcome.__new__(AppendOutcome)
    outcome.error_code = out.error
    outcome.base_offset = out.base_offset
    outcome.log_append_time_ms = out.log_append_time_ms
    outcome.log_start_offset = out.log_start_offset
    outcome.record_errors = []
    outcome.error_message = None
    if out.error and out.refusal.message != NULL:
        text_size = kc_batch_refusal_format(&out.refusal, text, KC_BATCH_REFUSAL_TEXT_MAX)
        outcome.error_message = text[:text_size].decode("ascii")
        if out.refusal.record_index >= 0:
            outcome.record_errors.append((out.refusal.record_index, outcome.error_message))
    return outcome


@cython.final
cdef class Partition:
    cdef kc_partition *_partition
    cdef readonly int32_t index
    cdef readonly Log log

    def __cinit__(self, int32_t index, Log log not None, int32_t leader_epoch):
        if index < 0:
            raise ValueError(f"partition index {index} is negative")
        cdef kc_status status = kc_partition_create(index, log.pointer(), leader_epoch, &self._partition)
        check(status, f"partition {index}")
        self.index = index
        self.log = log

    def __dealloc__(self):
        if self._partition != NULL:
            kc_partition_release(self._partition)

    @property
    def leader_epoch(self):
        return kc_partition_leader_epoch(self._partition)

    @leader_epoch.setter
    def leader_epoch(self, int32_t value):
        kc_partition_set_leader_epoch(self._partition, value)

    @property
    def high_watermark(self):
        return kc_partition_high_watermark(self._partition)

    @property
    def last_stable_offset(self):
        return kc_partition_last_stable_offset(self._partition)

    def append(self, batch not None, TopicConfig config not None, *, int16_t produce_version=13,
               int64_t guard=0, bint by_coordinator=False):
        cdef Py_buffer view
        PyObject_GetBuffer(batch, &view, PyBUF_SIMPLE)
        cdef size_t size = <size_t>view.len
        cdef uint8_t *copy = <uint8_t *>malloc(size + 1)
        if copy != NULL:
            memcpy(copy, view.buf, size)
        PyBuffer_Release(&view)
        if copy == NULL:
            raise MemoryError
        cdef kc_append_terms terms
        terms.produce_version = produce_version
        terms.origin = KC_ORIGIN_COORDINATOR if by_coordinator else KC_ORIGIN_CLIENT
        terms.guard = guard
        cdef kc_partition_append out
        cdef kc_partition *partition = self._partition
        cdef kc_topic_config rules = config.config
        cdef kc_clock clock
        with nogil:
            clock = kc_clock_system()
            kc_append_to_partition(partition, &rules, copy, size, &terms, kc_clock_wall_ms(&clock), &out)
            free(copy)
        return _outcome_of(&out)

    def append_marker(self, TopicConfig config not None, *, int64_t producer_id, int16_t producer_epoch,
                      int32_t coordinator_epoch, bint commit, int16_t transaction_version):
        if producer_id < 0:
            raise ValueError(f"producer id {producer_id} is negative")
        cdef kc_log_marker marker
        cdef kc_partition_append out
        cdef kc_partition *partition = self._partition
        memset(&marker, 0, sizeof(marker))
        marker.producer_id = producer_id
        marker.producer_epoch = producer_epoch
        marker.coordinator_epoch = coordinator_epoch
        marker.commit = commit
        marker.transaction_version = transaction_version
        marker.log_append_time = config.config.log_append_time
        with nogil:
            kc_append_marker_to_partition(partition, &marker, &out)
        return _outcome_of(&out)

    def wake(self):
        cdef kc_partition *partition = self._partition
        with nogil:
            kc_partition_notify(partition, INT64_MAX)


@cython.final
cdef class Topic:
    cdef kc_topic *_topic
    cdef readonly str name
    cdef readonly bytes topic_id
    cdef readonly TopicConfig config
    cdef readonly tuple partitions

    def __cinit__(self, str name not None, bytes topic_id not None, TopicConfig config not None, partitions):
        self.name = name
        self.topic_id = topic_id
        self.config = config
        self.partitions = tuple(partitions)
        if len(topic_id) != KC_TOPIC_ID_SIZE:
            raise ValueError(f"topic id of {len(topic_id)} bytes; it has {KC_TOPIC_ID_SIZE}")
        for i, partition in enumerate(self.partitions):
            if not isinstance(partition, Partition) or (<Partition>partition).index != i:
                raise ValueError(f"partition {i} of topic {name!r} is not a Partition of that index")
        cdef bytes encoded = name.encode()
        cdef kc_slice c_name
        c_name.data = <const uint8_t *><const char *>encoded
        c_name.size = len(encoded)
        cdef size_t count = len(self.partitions)
        cdef kc_partition **pointers = <kc_partition **>malloc((count + 1) * sizeof(kc_partition *))
        if pointers == NULL:
            raise MemoryError
        for i in range(count):
            pointers[i] = (<Partition>self.partitions[i])._partition
        cdef kc_status status = kc_topic_create(c_name, <const uint8_t *><const char *>topic_id, &config.config, pointers,
                                                <int32_t>count, &self._topic)
        free(pointers)
        check(status, f"topic {name!r}")

    def __dealloc__(self):
        if self._topic != NULL:
            kc_topic_release(self._topic)


@cython.final
cdef class Request:
    cdef readonly object token
    cdef readonly int32_t listener
    cdef readonly str peer
    cdef readonly str local
    cdef readonly bytes frame


@cython.final
cdef class Event:
    cdef readonly str kind
    cdef readonly str peer
    cdef readonly bytes detail
    cdef readonly uint32_t suppressed


cdef str _event_kind(const kc_up_view *view):
    if view.kind == KC_UP_ACCEPT_FAILED:
        return "accept failed: " + (<bytes>kc_status_name(view.status)).decode("ascii")
    if view.reason == KC_CLOSE_FRAME_TOO_LARGE:
        return "frame too large"
    if view.reason == KC_CLOSE_FRAME_TIMEOUT:
        return "frame timeout"
    if view.reason == KC_CLOSE_FILE:
        return "file unreadable"
    if view.reason == KC_CLOSE_SLOW_READER:
        return "slow reader"
    if view.reason == KC_CLOSE_NO_MEMORY:
        return "out of memory"
    return "malformed request"


cdef object _from_up(const kc_up_view *view):
    cdef Request request
    cdef Event event
    peer = (<bytes>view.peer).decode("ascii", "replace")
    data = PyBytes_FromStringAndSize(<const char *>view.data.data, <Py_ssize_t>view.data.size)
    if view.kind == KC_UP_REQUEST:
        request = Request.__new__(Request)
        request.token = (<object>view.reactor << 64) | view.token
        request.listener = view.listener
        request.peer = peer
        request.local = (<bytes>view.local).decode("ascii", "replace")
        request.frame = data
        return request
    event = Event.__new__(Event)
    event.kind = _event_kind(view)
    event.peer = peer
    event.detail = data
    event.suppressed = view.suppressed
    return event


cdef kc_slice _slice_of(bytes data):
    """Valid as long as `data`; None: no bytes at all."""
    cdef kc_slice out
    out.data = NULL if data is None else <const uint8_t *><const char *>data
    out.size = 0 if data is None else len(data)
    return out


@cython.final
cdef class Server:
    cdef kc_server *_server
    cdef uint32_t _reactors
    cdef bint _started

    def __cinit__(self, *, int32_t node_id, uint32_t reactors=3, uint32_t frame_size_max=104857600,
                  uint32_t connections_max=2147483647, uint64_t input_bytes_max=536870912, int64_t idle_ms=600000,
                  int32_t send_buffer=-1, int32_t receive_buffer=-1, int64_t spin_us=0, int32_t fetch_max_bytes=57671680,
                  uint32_t fetch_sessions_max=1000,
                  bytes handed_up_keys=b""):
        if not 1 <= reactors <= KC_REACTORS_MAX:
            raise ValueError(f"reactors {reactors} is not between 1 and {KC_REACTORS_MAX}")
        cdef kc_server_config config
        memset(&config, 0, sizeof(config))
        config.hot.node_id = node_id
        config.hot.fetch_size_max_bytes = fetch_max_bytes
        # A session belongs to its connection, and so to one reactor.
        config.hot.fetch_sessions_max = (fetch_sessions_max + reactors - 1) // reactors
        for key in handed_up_keys:
            if key >= KC_API_KEY_COUNT:
                raise ValueError(f"API key {key} is beyond {KC_API_KEY_COUNT - 1}")
            config.hot.handed_up[<int>key] = True
        config.reactor = kc_reactor_config_default()
        config.reactor.frame_size_max = frame_size_max
        config.reactor.connections_max = max(1, connections_max // reactors)
        config.reactor.input_bytes_max = max(1, input_bytes_max // reactors)
        config.reactor.idle_us = idle_ms * 1000 if idle_ms >= 0 else -1
        config.reactor.socket_send_buffer = send_buffer
        config.reactor.socket_receive_buffer = receive_buffer
        config.reactor.spin_us = spin_us
        config.reactor_count = reactors
        config.worker_count = WORKERS
        config.hash_seed = int.from_bytes(os.urandom(8), "little")
        cdef kc_status status = kc_server_create(&config, &self._server)
        check(status, "server")
        self._reactors = reactors

    def __dealloc__(self):
        if self._server == NULL:
            return
        with nogil:
            kc_server_stop(self._server)
            kc_server_destroy(self._server)

    def publish(self, topics):
        cdef list held = list(topics)
        for topic in held:
            if not isinstance(topic, Topic):
                raise TypeError(f"{topic!r} is not a Topic")
        cdef size_t count = len(held)
        cdef kc_topic **pointers = <kc_topic **>malloc((count + 1) * sizeof(kc_topic *))
        if pointers == NULL:
            raise MemoryError
        for i in range(count):
            pointers[i] = (<Topic>held[i])._topic
        cdef kc_status status
        cdef kc_topic_table *table = kc_server_topics(self._server)
        with nogil:
            status = kc_topic_table_publish(table, pointers, count)
            free(pointers)
        check(status, "topic table")

    def publish_api_versions(self, bodies, str cluster_id not None):
        cdef list kept = [bytes(body) for body in bodies]
        if len(kept) != KC_API_VERSIONS_COUNT:
            raise ValueError(f"{len(kept)} bodies; ApiVersions has {KC_API_VERSIONS_COUNT} versions")
        cdef kc_slice slices[KC_API_VERSIONS_COUNT]
        for i in range(KC_API_VERSIONS_COUNT):
            slices[i] = _slice_of(kept[i])
        cdef bytes cluster = cluster_id.encode()
        cdef kc_slice name = _slice_of(cluster)
        check(kc_api_versions_publish(kc_server_api_versions(self._server), slices, name), "ApiVersions")

    def open_group(self, str group_id not None, int32_t generation, members):
        cdef list kept = [(member_id.encode(), None if instance_id is None else instance_id.encode())
                          for member_id, instance_id in members]
        cdef bytes group = group_id.encode()
        cdef uint32_t count = len(kept)
        cdef kc_group_member *entries = <kc_group_member *>malloc((count + 1) * sizeof(kc_group_member))
        if entries == NULL:
            raise MemoryError
        for i in range(count):
            entries[i].id = _slice_of(kept[i][0])
            entries[i].instance = _slice_of(kept[i][1])
        cdef kc_group_table *table = kc_server_groups(self._server)
        cdef kc_slice name = _slice_of(group)
        cdef kc_status status
        with nogil:
            status = kc_group_table_open(table, name, generation, entries, count)
            free(entries)
        check(status, "group table")

    def close_group(self, str group_id not None):
        cdef bytes group = group_id.encode()
        kc_group_table_close(kc_server_groups(self._server), _slice_of(group))

    def forget_group(self, str group_id not None):
        cdef bytes group = group_id.encode()
        kc_group_table_forget(kc_server_groups(self._server), _slice_of(group))

    def heard_ms(self, str group_id not None, str member_id not None):
        cdef bytes group = group_id.encode(), member = member_id.encode()
        cdef int64_t heard_us = kc_group_table_heard_us(kc_server_groups(self._server), _slice_of(group), _slice_of(member))
        return heard_us // 1000 if heard_us >= 0 else -1

    def listen(self, int fd, int32_t listener, host=None, int32_t port=0):
        if self._started:
            raise RuntimeError("listen() comes before start()")
        cdef bytes encoded = (host or "").encode()
        if len(encoded) > KC_HOST_SIZE_MAX:
            raise ValueError(f"advertised host of {len(encoded)} bytes; at most {KC_HOST_SIZE_MAX}")
        cdef kc_endpoint endpoint
        memset(&endpoint, 0, sizeof(endpoint))
        memcpy(endpoint.host, <const char *>encoded, len(encoded))
        endpoint.port = port
        cdef kc_status status = kc_server_listen(self._server, fd, listener, &endpoint)
        check(status, f"listener {listener}")

    def start(self):
        if self._started:
            raise RuntimeError("the server has been started before")
        self._started = True
        cdef kc_status status = kc_server_start(self._server)
        check(status, "server")

    def fileno(self):
        return kc_server_descriptor(self._server)

    def receive(self):
        cdef list out = []
        cdef kc_up *up
        cdef kc_up_view view
        while True:
            up = kc_server_next(self._server)
            if up == NULL:
                return out
            kc_view_up(up, &view)
            try:
                out.append(_from_up(&view))
            finally:
                kc_up_free(up)

    def reply(self, token, response, *, bint close=False):
        reactor = token >> 64
        if not 0 <= reactor < self._reactors:
            raise ValueError(f"token {token:#x} is not of this server")
        cdef bint has_answer = response is not None
        cdef kc_conn_token conn = token & 0xFFFFFFFFFFFFFFFF
        cdef uint32_t index = reactor
        cdef kc_status status
        cdef Py_buffer view
        _get_buffer(response, &view)
        with nogil:
            status = kc_server_reply(self._server, index, conn, <const uint8_t *>view.buf, view.len, has_answer, close)
        PyBuffer_Release(&view)
        check(status, "reply")

    def reply_later(self, token, response):
        reactor = token >> 64
        if not 0 <= reactor < self._reactors:
            raise ValueError(f"token {token:#x} is not of this server")
        cdef bint has_answer = response is not None
        cdef kc_conn_token conn = token & 0xFFFFFFFFFFFFFFFF
        cdef uint32_t index = reactor
        cdef kc_status status
        cdef Py_buffer view
        _get_buffer(response, &view)
        status = kc_server_reply_later(self._server, index, conn, <const uint8_t *>view.buf, view.len, has_answer, False)
        PyBuffer_Release(&view)
        check(status, "reply")

    def flush_replies(self):
        with nogil:
            kc_server_flush_replies(self._server)

    def stop_listening(self):
        with nogil:
            kc_server_stop_listening(self._server)

    def quiesce(self):
        with nogil:
            kc_server_quiesce(self._server)

    def idle(self):
        return kc_server_idle(self._server)

    def connection_count(self):
        return kc_server_connection_count(self._server)

    def stop(self):
        with nogil:
            kc_server_stop(self._server)

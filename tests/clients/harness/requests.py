"""Request bodies and answers of the APIs that the raw tests use, each for all the versions it names.

A function that builds a body takes the version first; `read_*` takes the reader of an answer. Only fields that a test
looks at are returned. The layouts are those of Kafka's message definitions.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.wire import FLEXIBLE_FROM, Connection, Reader, Writer

PRODUCE, FETCH, LIST_OFFSETS, METADATA, API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER_ID = (
    0,
    1,
    2,
    3,
    18,
    19,
    20,
    22,
)
LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING = -1, -2, -3, -4, -5, -6
NO_ID = bytes(16)


def writer(key: int, version: int) -> Writer:
    return Writer(flexible=version >= FLEXIBLE_FROM[key])


def _name(out: Writer, key: int, version: int, topic: str | bytes) -> None:
    """A topic by name, or by id in the versions that have it (Produce and Fetch 13)."""
    if version >= 13:
        assert isinstance(topic, bytes), "these versions name topics by id"
        out.raw(topic)
    else:
        assert isinstance(topic, str)
        out.string(topic)


def _read_name(r: Reader, version: int) -> str | bytes | None:
    return r.take(16) if version >= 13 else r.string()


# ---- Produce ---------------------------------------------------------------------------------------------


def produce(
    version: int, topic: str | bytes, batches: bytes | None, *, partition: int = 0, acks: int = 1,
    transactional_id: str | None = None,
) -> bytes:  # fmt: skip
    out = writer(PRODUCE, version)
    if version >= 3:
        out.string(transactional_id)
    out.i16(acks).i32(10_000).count(1)
    _name(out, PRODUCE, version, topic)
    out.count(1).i32(partition).blob(batches).tags().tags().tags()
    return bytes(out.data)


@dataclass(slots=True, frozen=True, kw_only=True)
class Produced:
    topic: str | bytes | None
    partition: int
    error: int
    base_offset: int
    log_append_time: int
    log_start_offset: int = -1
    record_errors: list[tuple[int, str | None]] = field(default_factory=list)
    message: str | None = None


def read_produce(r: Reader, version: int) -> list[Produced]:
    found = []
    for _ in range(r.count()):
        topic = _read_name(r, version)
        for _ in range(r.count()):
            partition, error, base, append_time = r.i32(), r.i16(), r.i64(), r.i64()
            start = r.i64() if version >= 5 else -1
            errors: list[tuple[int, str | None]] = []
            message = None
            if version >= 8:
                for _ in range(r.count()):
                    errors.append((r.i32(), r.string()))
                    r.tags()
                message = r.string()
            r.tags()
            found.append(Produced(
                topic=topic, partition=partition, error=error, base_offset=base, log_append_time=append_time,
                log_start_offset=start, record_errors=errors, message=message,
            ))  # fmt: skip
        r.tags()
    r.i32()
    r.tags()
    assert r.left == 0, f"{r.left} bytes after the answer"
    return found


# ---- Fetch -----------------------------------------------------------------------------------------------


def fetch(
    version: int, wanted: Sequence[tuple[str | bytes, int, int]], *, max_wait_ms: int = 0, min_bytes: int = 1,
    max_bytes: int = 1 << 20, partition_max_bytes: int = 1 << 20, session_id: int = 0, session_epoch: int = -1,
    leader_epoch: int = -1, isolation: int = 0,
) -> bytes:  # fmt: skip
    """`wanted` is (topic, partition, offset), one topic entry each, in that order."""
    out = writer(FETCH, version)
    if version <= 14:
        out.i32(-1)
    out.i32(max_wait_ms).i32(min_bytes).i32(max_bytes).i8(isolation)
    if version >= 7:
        out.i32(session_id).i32(session_epoch)
    out.count(len(wanted))
    for topic, partition, offset in wanted:
        _name(out, FETCH, version, topic)
        out.count(1).i32(partition)
        if version >= 9:
            out.i32(leader_epoch)
        out.i64(offset)
        if version >= 12:
            out.i32(-1)
        if version >= 5:
            out.i64(-1)
        out.i32(partition_max_bytes).tags().tags()
    if version >= 7:
        out.count(0)
    if version >= 11:
        out.string("")
    return bytes(out.tags().data)


@dataclass(slots=True, frozen=True, kw_only=True)
class Fetched:
    topic: str | bytes | None
    partition: int
    error: int
    high_watermark: int
    last_stable_offset: int
    log_start_offset: int
    records: bytes


class FetchAnswer(NamedTuple):
    error: int
    session_id: int
    partitions: list[Fetched]


def read_fetch(r: Reader, version: int) -> FetchAnswer:
    r.i32()
    error, session = (r.i16(), r.i32()) if version >= 7 else (0, 0)
    found = []
    for _ in range(r.count()):
        topic = _read_name(r, version)
        for _ in range(r.count()):
            partition, code, high, stable = r.i32(), r.i16(), r.i64(), r.i64()
            start = r.i64() if version >= 5 else -1
            for _ in range(max(r.count(), 0)):
                r.i64(), r.i64(), r.tags()
            if version >= 11:
                r.i32()
            records = r.blob() or b""
            r.tags()
            found.append(Fetched(
                topic=topic, partition=partition, error=code, high_watermark=high, last_stable_offset=stable,
                log_start_offset=start, records=records,
            ))  # fmt: skip
        r.tags()
    r.tags()
    assert r.left == 0, f"{r.left} bytes after the answer"
    return FetchAnswer(error, session, found)


# ---- ListOffsets -----------------------------------------------------------------------------------------


def list_offsets(
    version: int, topic: str, wanted: Sequence[tuple[int, int]], *, leader_epoch: int = -1, isolation: int = 0
) -> bytes:
    """`wanted` is (partition, timestamp or marker)."""
    out = writer(LIST_OFFSETS, version).i32(-1)
    if version >= 2:
        out.i8(isolation)
    out.count(1).string(topic).count(len(wanted))
    for partition, timestamp in wanted:
        out.i32(partition)
        if version >= 4:
            out.i32(leader_epoch)
        out.i64(timestamp).tags()
    out.tags()
    if version >= 10:
        out.i32(10_000)
    return bytes(out.tags().data)


class Listed(NamedTuple):
    error: int
    timestamp: int
    offset: int
    leader_epoch: int


def read_list_offsets(r: Reader, version: int) -> dict[int, Listed]:
    if version >= 2:
        r.i32()
    found = {}
    for _ in range(r.count()):
        r.string()
        for _ in range(r.count()):
            partition, error, timestamp, offset = r.i32(), r.i16(), r.i64(), r.i64()
            found[partition] = Listed(error, timestamp, offset, r.i32() if version >= 4 else -1)
            r.tags()
        r.tags()
    r.tags()
    assert r.left == 0, f"{r.left} bytes after the answer"
    return found


# ---- Metadata --------------------------------------------------------------------------------------------


def metadata(
    version: int, topics: Sequence[str | bytes] | None, *, auto_create: bool = False, topic_id: bytes = NO_ID
) -> bytes:
    """Topics given as bytes are ids (without a name). `topic_id` goes with those given by name."""
    out = writer(METADATA, version).count(-1 if topics is None else len(topics))
    for topic in topics or ():
        if version >= 10:
            out.raw(topic if isinstance(topic, bytes) else topic_id)
        out.string(None if isinstance(topic, bytes) else topic).tags()
    if version >= 4:
        out.boolean(auto_create)
    if 8 <= version <= 10:
        out.boolean(False)
    if version >= 8:
        out.boolean(False)
    return bytes(out.tags().data)


@dataclass(slots=True, frozen=True, kw_only=True)
class TopicMetadata:
    error: int
    name: str | None
    topic_id: bytes
    partitions: dict[int, tuple[int, int, int]]  # index -> (error, leader, leader epoch)


@dataclass(slots=True, frozen=True, kw_only=True)
class MetadataAnswer:
    brokers: dict[int, tuple[str | None, int]]
    cluster_id: str | None
    controller_id: int
    topics: list[TopicMetadata]
    error: int = 0


def read_metadata(r: Reader, version: int) -> MetadataAnswer:
    if version >= 3:
        r.i32()
    brokers = {}
    for _ in range(r.count()):
        node, host, port = r.i32(), r.string(), r.i32()
        brokers[node] = (host, port)
        if version >= 1:
            r.string()
        r.tags()
    cluster_id = r.string() if version >= 2 else None
    controller = r.i32() if version >= 1 else -1
    topics = []
    for _ in range(r.count()):
        error, name = r.i16(), r.string()
        topic_id = r.take(16) if version >= 10 else NO_ID
        if version >= 1:
            r.boolean()
        partitions = {}
        for _ in range(r.count()):
            code, index, leader = r.i16(), r.i32(), r.i32()
            epoch = r.i32() if version >= 7 else -1
            for _ in range(3 if version >= 5 else 2):
                r.array(r.i32)
            r.tags()
            partitions[index] = (code, leader, epoch)
        if version >= 8:
            r.i32()
        r.tags()
        topics.append(TopicMetadata(error=error, name=name, topic_id=topic_id, partitions=partitions))
    if 8 <= version <= 10:
        r.i32()
    top = r.i16() if version >= 13 else 0
    r.tags()
    assert r.left == 0, f"{r.left} bytes after the answer"
    return MetadataAnswer(brokers=brokers, cluster_id=cluster_id, controller_id=controller, topics=topics, error=top)


# ---- ApiVersions, InitProducerId, CreateTopics -----------------------------------------------------------


def api_versions(version: int, name: str = "wire-test", release: str = "1.0") -> bytes:
    out = writer(API_VERSIONS, version)
    if version >= 3:
        out.string(name).string(release).tags()
    return bytes(out.data)


class ApiVersionsAnswer(NamedTuple):
    error: int
    ranges: dict[int, tuple[int, int]]
    tags: dict[int, bytes]


def read_api_versions(r: Reader, version: int) -> ApiVersionsAnswer:
    error, ranges = r.i16(), {}
    for _ in range(r.count()):
        key = r.i16()
        ranges[key] = (r.i16(), r.i16())
        r.tags()
    if version >= 1:
        r.i32()
    tags = r.tags()
    assert r.left == 0, f"{r.left} bytes after the answer"
    return ApiVersionsAnswer(error, ranges, tags)


def read_supported_features(data: bytes) -> dict[str, tuple[int, int]]:
    """Tag 0 of ApiVersions: name -> (min, max)."""
    r, found = Reader(data, flexible=True), {}
    for _ in range(r.count()):
        name = r.string() or ""
        found[name] = (r.i16(), r.i16())
        r.tags()
    return found


def init_producer_id(version: int, transactional_id: str | None = None) -> bytes:
    out = writer(INIT_PRODUCER_ID, version).string(transactional_id).i32(60_000)
    if version >= 3:
        out.i64(-1).i16(-1)
    return bytes(out.tags().data)


def read_init_producer_id(r: Reader) -> tuple[int, int, int]:
    """(error, producer id, producer epoch)"""
    r.i32()
    return r.i16(), r.i64(), r.i16()


def create_topics(
    version: int, names: Sequence[str], *, partitions: int = 1, replicas: int = 1,
    configs: Mapping[str, str] | None = None, validate_only: bool = False,
) -> bytes:  # fmt: skip
    out = writer(CREATE_TOPICS, version).count(len(names))
    for name in names:
        out.string(name).i32(partitions).i16(replicas).count(0).count(len(configs or {}))
        for key, value in (configs or {}).items():
            out.string(key).string(value).tags()
        out.tags()
    return bytes(out.i32(30_000).boolean(validate_only).tags().data)


class Created(NamedTuple):
    error: int
    message: str | None
    topic_id: bytes
    partitions: int
    configs: dict[str, str | None]


def read_create_topics(r: Reader, version: int) -> dict[str | None, Created]:
    r.i32()
    found = {}
    for _ in range(r.count()):
        name = r.string()
        topic_id = r.take(16) if version >= 7 else NO_ID
        error, message = r.i16(), r.string()
        partitions, configs = -1, {}
        if version >= 5:
            partitions, _ = r.i32(), r.i16()
            for _ in range(max(r.count(), 0)):
                key, value = r.string() or "", r.string()
                r.boolean(), r.i8(), r.boolean(), r.tags()
                configs[key] = value
        r.tags()
        found[name] = Created(error, message, topic_id, partitions, configs)
    r.tags()
    assert r.left == 0, f"{r.left} bytes after the answer"
    return found


def delete_topic(address: tuple[str, int], topic: str) -> None:
    with Connection(address) as connection:
        body = bytes(Writer().count(1).string(topic).i32(30_000).data)
        r = connection.call(DELETE_TOPICS, 3, body)
        r.i32()
        assert (r.count(), r.string(), r.i16()) == (1, topic, 0)


# ---- What every test needs -------------------------------------------------------------------------------


def create_topic(address: tuple[str, int], topic: str, partitions: int = 1, **configs: str | int) -> None:
    """Create and wait until each partition has a leader. Underscores in config names stand for dots."""
    named = {name.replace("_", "."): str(value) for name, value in configs.items()}
    with Connection(address) as connection:
        body = create_topics(4, [topic], partitions=partitions, configs=named)
        answer = read_create_topics(connection.call(CREATE_TOPICS, 4, body), 4)[topic]
        assert answer.error == 0, f"CreateTopics {topic}: error {answer.error}, {answer.message}"
    await_leaders(address, topic, partitions)


def await_leaders(address: tuple[str, int], topic: str, partitions: int, seconds: float = 60) -> None:
    """Until every partition answers ListOffsets without an error: Metadata may name a leader before it leads."""
    deadline, wanted = time.monotonic() + seconds, [(p, LATEST) for p in range(partitions)]
    with Connection(address) as connection:
        while True:
            body = list_offsets(4, topic, wanted)
            listed = read_list_offsets(connection.call(LIST_OFFSETS, 4, body), 4)
            if len(listed) == partitions and all(each.error == 0 for each in listed.values()):
                return
            assert time.monotonic() < deadline, f"no leaders for {topic}: {listed}"
            time.sleep(0.01)


def end_offsets(address: tuple[str, int], topic: str) -> dict[int, int]:
    with Connection(address) as connection:
        described = read_metadata(connection.call(METADATA, 5, metadata(5, [topic])), 5).topics[0]
        body = list_offsets(4, topic, [(p, LATEST) for p in sorted(described.partitions)])
        listed = read_list_offsets(connection.call(LIST_OFFSETS, 4, body), 4)
    assert all(each.error == 0 for each in listed.values()), listed
    return {partition: each.offset for partition, each in listed.items()}


def await_records(address: tuple[str, int], topic: str, count: int) -> dict[int, int]:
    """End offsets once they add up to `count`, which acks=0 does not promise at once."""
    deadline = time.monotonic() + 60
    while True:
        ends = end_offsets(address, topic)
        if sum(ends.values()) >= count or time.monotonic() > deadline:
            assert sum(ends.values()) == count, f"{count} records sent, the log ends at {ends}"
            return ends
        time.sleep(0.01)

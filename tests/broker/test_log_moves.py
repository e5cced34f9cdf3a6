"""Goal: a replica moves to another log directory and nothing is lost, whoever writes, deletes or stops meanwhile.

Method: the parts alone, with real logs and metadata in memory, for what can happen to a log during its move; a running
broker with two directories for producers at work, answers as recorded from Apache Kafka 4.3.1, and a kill.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from pykafka_core.broker.config import make_config
from pykafka_core.broker.configs import Configs
from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.log_dirs import LogDirs
from pykafka_core.broker.log_moves import LogMoves
from pykafka_core.broker.topics import RunningTopic, Topics, native_log_config
from pykafka_core.metadata.changes import alter_configs, create_topic
from pykafka_core.metadata.errors import MetadataError
from pykafka_core.metadata.image import ConfigResourceType
from pykafka_core.native import Log, Partition
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.framing import decode_response
from pykafka_core.protocol.messages import alter_replica_log_dirs_request as alter
from pykafka_core.protocol.messages import describe_log_dirs_request as describe
from pykafka_core.protocol.messages import incremental_alter_configs_request as configs_request
from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from pykafka_core.records import BatchHeader, Record, batches, encode, iterate
from pykafka_core.testing import Broker
from tests.broker.fakes import NODE_ID, FakeStore
from tests.broker.processes import broker_process
from tests.broker.raw_client import RawClient, batch_of, fetch, produce
from tests.broker.raw_client import create_topic as create

IDS = (b"a" * 16, b"b" * 16)
TOPIC_ID = b"t" * 16
THROTTLE = "replica.alter.log.dirs.io.max.bytes.per.second"
SEGMENT_BYTES = 1 << 20


class FailingStore(FakeStore):
    """Takes no more changes once it is told to."""

    full = False

    async def commit(self, records: Any, *, expected_revision: int | None = None) -> Any:
        if self.full:
            raise MetadataError("the disk is full")
        return await super().commit(records, expected_revision=expected_revision)


class Parts:
    """A topic `t` with one partition in the first of two log directories, and what moves it."""

    def __init__(self, path: Path) -> None:
        self.paths = [path / "a", path / "b"]
        for each in self.paths:
            each.mkdir(exist_ok=True)
        self.store = FailingStore()
        self.configs = Configs(config=make_config({}), store=self.store, node_id=NODE_ID)
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self, *, new: bool = True) -> None:
        self.log_dirs = LogDirs(
            [(path, id_, new) for path, id_ in zip(self.paths, IDS, strict=True)], files_open_max=64
        )
        self.topics = Topics(log_dirs=self.log_dirs, publish=lambda _: None, node_id=1)
        self.moves = LogMoves(
            topics=self.topics,
            log_dirs=self.log_dirs,
            configs=self.configs,
            store=self.store,
            node_id=NODE_ID,
            lock=asyncio.Lock(),
            spawn=self.spawn,
        )
        settings = self.configs.topic_settings({"segment.bytes": str(SEGMENT_BYTES)})
        if new:
            config = native_log_config(settings, self.configs.broker_values())
            (made,) = self.log_dirs.create("t", TOPIC_ID, [0], config)
            await self.store.commit(create_topic("t", TOPIC_ID, [[NODE_ID]], directories=[[made.directory_id]]))
            partitions = [Partition(0, made.log, 0)]
            self.topics.put([RunningTopic(name="t", topic_id=TOPIC_ID, settings=settings, partitions=partitions)])
        else:
            self.log_dirs.take_markers()
            self.log_dirs.scan(self.store.image, NODE_ID)
            self.topics.put([self.topics.opened(self.store.image.topics["t"], settings, self.configs.broker_values())])

    def spawn(self, chore: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(chore))

    @property
    def log(self) -> Log:
        topic = self.topics.find("t")
        assert topic is not None
        return topic.partitions[0].log

    def fill(self, batches: int = 30, size: int = 100_000) -> None:
        for number in range(batches):
            self.log.append(batch_of(bytes([number % 256]) * size))

    async def move(self, to: int) -> None:
        await self.moves.start("t", 0, str(self.paths[to]))
        await self.end()

    async def end(self) -> None:
        while self.tasks:
            await self.tasks.pop()

    def at(self, place: int) -> bool:
        """Whether the partition, and nothing but it, is in this directory, as the metadata says."""
        partition = self.store.image.partition("t", 0)
        assert partition is not None
        assert self.log_dirs.path_of(self.log) == self.paths[place]
        return partition.directories == (IDS[place],) and self.names(place) == ["t-0"] and self.names(1 - place) == []

    def names(self, place: int) -> list[str]:
        entries = self.paths[place].iterdir()
        return sorted(each.name for each in entries if each.is_dir() and not each.name.endswith("-delete"))

    def close(self) -> None:
        self.log_dirs.close()
        self.log_dirs.mark_clean(broker_epoch=1)


@pytest.fixture
async def parts(tmp_path: Path) -> Any:
    made = Parts(tmp_path)
    await made.open()
    yield made
    made.close()


def content(log: Log) -> bytes:
    """Every byte from the log start offset on, whatever the segments."""
    found, offset = b"", log.log_start_offset
    while offset < log.log_end_offset:
        for batch in batches(log.read(offset, 1 << 24)):
            found += batch
            offset = BatchHeader.load(batch).next_offset
    return found


async def test_every_byte_comes_along(parts: Parts) -> None:
    parts.log.assign_epoch(4)
    parts.fill()
    before, epochs = content(parts.log), [parts.log.epoch_for_offset(offset) for offset in range(30)]
    await parts.move(1)
    assert parts.at(1)
    assert content(parts.log) == before
    assert [parts.log.epoch_for_offset(offset) for offset in range(30)] == epochs
    parts.fill(1)
    await parts.move(0)
    assert parts.at(0)
    assert content(parts.log).startswith(before)
    assert parts.log.log_end_offset == 31


async def test_the_next_start_finds_it_there(parts: Parts) -> None:
    parts.fill()
    before = content(parts.log)
    await parts.move(1)
    parts.close()
    await parts.open(new=False)
    assert parts.at(1)
    assert content(parts.log) == before


async def test_transactions_stay_what_they_are(parts: Parts) -> None:
    def sent(producer_id: int, sequence: int) -> bytes:
        rows = [Record(0, 1_700_000_000_000, b"k", bytes(100_000))]
        return encode(rows, producer_id=producer_id, producer_epoch=0, base_sequence=sequence, transactional=True)

    for number in range(10):
        parts.log.append(sent(number, 0))
    for number in range(9):
        parts.log.append_marker(
            producer_id=number,
            producer_epoch=0,
            coordinator_epoch=3,
            transaction_version=0,
            commit=number % 3 != 0,
        )
    before = parts.log.last_stable_offset, parts.log.aborted_txns(0, 100), sorted(parts.log.producers())
    assert before[0] == 9
    assert len(before[1]) == 3
    for place in (1, 0):
        await parts.move(place)
        assert parts.at(place)
        after = parts.log.last_stable_offset, parts.log.aborted_txns(0, 100), sorted(parts.log.producers())
        assert after == before
    parts.close()
    await parts.open(new=False)
    assert (parts.log.last_stable_offset, parts.log.aborted_txns(0, 100)) == before[:2]


async def test_a_log_that_begins_inside_a_batch(parts: Parts) -> None:
    for _ in range(20):
        parts.log.append(batch_of(*[bytes(50_000)] * 5))
    parts.log.raise_start_offset(53)
    parts.log.drop_segments()
    await parts.move(1)
    assert (parts.log.log_start_offset, parts.log.log_end_offset) == (53, 100)
    assert BatchHeader.load(parts.log.read(53)).base_offset == 50
    assert parts.at(1)


async def test_a_log_whose_first_records_were_compacted_begins_where_it_did(parts: Parts) -> None:
    for offset in (7, 8, 12):
        parts.log.append_as_follower(encode([(offset, 1_700_000_000_000, b"k", b"v")], leader_epoch=0))
    for place in (1, 0):
        await parts.move(place)
        assert (parts.log.log_start_offset, parts.log.log_end_offset) == (0, 13)
        # Who reads from the start is not out of range.
        assert BatchHeader.load(parts.log.read(0)).base_offset == 7
        assert parts.at(place)


@pytest.mark.parametrize("filled", [0, 30])
async def test_an_empty_log_keeps_its_offsets(parts: Parts, filled: int) -> None:
    parts.fill(filled)
    parts.log.raise_start_offset(filled)
    parts.log.drop_segments()
    await parts.move(1)
    assert (parts.log.log_start_offset, parts.log.log_end_offset) == (filled, filled)
    assert parts.log.append(batch_of(b"next")).base_offset == filled
    assert parts.at(1)


async def test_what_goes_during_the_move_is_gone_after_it(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    parts.fill()
    monkeypatch.setattr("pykafka_core.broker.log_moves.STEP_BYTES", 200_000)
    await parts.moves.start("t", 0, str(parts.paths[1]))
    (move,) = parts.moves.all()
    while move.future.log_end_offset < 5:  # noqa: ASYNC110
        await asyncio.sleep(0)
    # Everything goes but for a last batch, which compaction might take as well: here nothing is left at all.
    move.source.raise_start_offset(move.source.log_end_offset)
    move.source.roll()
    move.source.drop_segments()
    await parts.end()
    assert (parts.log.log_start_offset, parts.log.log_end_offset) == (30, 30)
    assert parts.at(1)


async def test_a_move_back_is_the_end_of_a_move(parts: Parts) -> None:
    parts.fill()
    await parts.store.commit(alter_configs(ConfigResourceType.BROKER, "", {THROTTLE: "1"}))
    source = parts.log
    await parts.moves.start("t", 0, str(parts.paths[1]))
    (move,) = parts.moves.all()
    assert parts.names(1) == [Path(move.future.directory).name]
    assert move.lag == 30
    await parts.moves.start("t", 0, str(parts.paths[1]))
    assert parts.moves.all() == [move]
    await parts.moves.start("t", 0, str(parts.paths[0]))
    assert parts.moves.all() == []
    await parts.end()
    assert parts.log is source
    assert parts.at(0)


async def test_a_topic_that_is_deleted_takes_its_copy_along(parts: Parts) -> None:
    parts.fill()
    await parts.store.commit(alter_configs(ConfigResourceType.BROKER, "", {THROTTLE: "1"}))
    await parts.moves.start("t", 0, str(parts.paths[1]))
    topic = parts.topics.find("t")
    assert topic is not None
    parts.topics.remove([topic])
    parts.log_dirs.retire(topic)
    await parts.end()
    assert parts.names(0) == parts.names(1) == []


async def test_without_metadata_it_stays_where_it_was(parts: Parts) -> None:
    parts.fill()
    before = content(parts.log)
    parts.store.full = True
    await parts.move(1)
    assert parts.at(0)
    assert content(parts.log) == before
    assert parts.log.append(batch_of(b"on it goes")).base_offset == 30
    parts.store.full = False
    await parts.move(1)
    assert parts.at(1)
    assert parts.log.log_end_offset == 31


async def test_a_stop_leaves_a_copy_that_is_made_anew(parts: Parts) -> None:
    parts.fill()
    before = content(parts.log)
    await parts.store.commit(alter_configs(ConfigResourceType.BROKER, "", {THROTTLE: "1"}))
    await parts.moves.start("t", 0, str(parts.paths[1]))
    while not parts.names(1):  # noqa: ASYNC110
        await asyncio.sleep(0)
    for task in parts.tasks:
        task.cancel()
    await asyncio.gather(*parts.tasks, return_exceptions=True)
    parts.tasks.clear()
    parts.close()
    assert parts.names(1)[0].endswith("-future")
    await parts.store.commit(alter_configs(ConfigResourceType.BROKER, "", {THROTTLE: None}))
    await parts.open(new=False)
    assert parts.names(1) == []
    await parts.moves.resume()
    await parts.end()
    assert parts.at(1)
    assert content(parts.log) == before


async def test_a_copy_that_the_metadata_calls_the_partition_becomes_it(parts: Parts) -> None:
    """Apache Kafka writes the new place first and renames afterwards; a crash may lie between."""
    parts.fill()
    before = content(parts.log)
    await parts.move(1)
    parts.close()
    (parts.paths[1] / "t-0").rename(parts.paths[1] / f"t-0.{'0' * 32}-future")
    await parts.open(new=False)
    assert parts.at(1)
    assert content(parts.log) == before


async def test_who_cannot_be_moved(parts: Parts) -> None:
    for name, index, path, code in [
        ("t", 0, "relative", ErrorCode.LOG_DIR_NOT_FOUND),
        ("t", 0, str(parts.paths[1]) + "/", ErrorCode.LOG_DIR_NOT_FOUND),
        ("t", 1, str(parts.paths[1]), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("nope", 0, str(parts.paths[1]), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]:
        with pytest.raises(RequestError) as refused:
            await parts.moves.start(name, index, path)
        assert refused.value.code == code
    assert parts.at(0)


async def test_a_directory_that_has_failed_is_no_place_to_go_to_or_to_come_from(parts: Parts) -> None:
    parts.fill()
    first, second = parts.log_dirs.all
    second.shared.fail()
    with pytest.raises(RequestError) as refused:
        await parts.moves.start("t", 0, str(parts.paths[1]))
    assert refused.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    assert parts.at(0)
    first.shared.fail()
    with pytest.raises(RequestError) as refused:
        await parts.moves.start("t", 0, str(parts.paths[0]))
    assert refused.value.code == ErrorCode.KAFKA_STORAGE_ERROR


async def test_a_destination_that_fails_costs_nothing(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    parts.fill()
    before = content(parts.log)
    monkeypatch.setattr("pykafka_core.broker.log_moves.STEP_BYTES", 200_000)
    await parts.moves.start("t", 0, str(parts.paths[1]))
    (move,) = parts.moves.all()
    while move.future.log_end_offset < 5:  # noqa: ASYNC110
        await asyncio.sleep(0)
    move.directory.shared.fail()
    await parts.end()
    assert parts.moves.all() == []
    assert parts.log_dirs.path_of(parts.log) == parts.paths[0]
    assert content(parts.log) == before
    assert parts.log.append(batch_of(b"on it goes")).base_offset == 30


# ---- a running broker


def ask_to_move(client: RawClient, name: str, path: Path, *, version: int = 2) -> int:
    request = alter.AlterReplicaLogDirsRequest(
        dirs=[
            alter.AlterReplicaLogDir(path=str(path), topics=[alter.AlterReplicaLogDirTopic(name=name, partitions=[0])])
        ]
    )
    (topic,) = client.call(request, version).results
    assert topic.topic_name == name
    code: int = topic.partitions[0].error_code
    return code


def places(client: RawClient, name: str) -> list[tuple[str, bool]]:
    """Last part of the directory, and whether it is a copy on its way."""
    wanted = [describe.DescribableLogDirTopic(topic=name, partitions=[0])]
    found = [
        (result.log_dir.rpartition("/")[2], partition.is_future_key)
        for result in client.call(describe.DescribeLogDirsRequest(topics=wanted), 4).results
        for topic in result.topics
        for partition in topic.partitions
    ]
    return sorted(found, key=lambda each: each[1])


def wait_until_at(client: RawClient, name: str, directory: str) -> None:
    deadline = time.monotonic() + 60
    while places(client, name) != [(directory, False)]:
        assert time.monotonic() < deadline, places(client, name)
        time.sleep(0.01)


class Writer(threading.Thread):
    """Produces numbers one by one, and each until it is acknowledged."""

    def __init__(self, bootstrap: str, name: str) -> None:
        super().__init__()
        self.bootstrap, self.topic = bootstrap, name
        self.acknowledged: dict[int, bytes] = {}
        self.refusals: set[int] = set()
        self.ending = False

    def run(self) -> None:
        with RawClient(self.bootstrap) as client:
            number = 0
            while not self.ending:
                value = b"%d" % number + bytes(1000)
                (answer,) = produce(client, self.topic, batch_of(value))
                if answer.error_code:
                    self.refusals.add(answer.error_code)
                    continue
                self.acknowledged[answer.base_offset] = value
                number += 1


@pytest.mark.parametrize(("version", "flush_messages"), [(1, 2**63 - 1), (2, 1)])
def test_nothing_acknowledged_is_lost(tmp_path: Path, name: str, version: int, flush_messages: int) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    with (
        Broker(directory=tmp_path, log_dirs=f"{first},{second}", log_segment_bytes=1 << 20) as broker,
        RawClient(broker.bootstrap) as client,
    ):
        create(client, name, file_delete_delay_ms=0, flush_messages=flush_messages)
        produce(client, name, *[batch_of(bytes(500_000))] * 1)
        writer = Writer(broker.bootstrap, name)
        writer.start()
        here = places(client, name)[0][0]
        try:
            for _ in range(6):
                here = "b" if here == "a" else "a"
                assert ask_to_move(client, name, tmp_path / here, version=version) == 0
                wait_until_at(client, name, here)
        finally:
            writer.ending = True
            writer.join()
        assert len(writer.acknowledged) > 10
        assert writer.refusals <= {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.KAFKA_STORAGE_ERROR}
        found: dict[int, bytes] = {}
        offset = 1
        while offset <= max(writer.acknowledged):
            for batch in batches(fetch(client, name, offset=offset)):
                found |= {record.offset: bytes(record.value or b"") for record in iterate(batch)}
                offset = BatchHeader.load(batch).next_offset
        assert {offset: found[offset] for offset in writer.acknowledged} == writer.acknowledged
        assert list(found) == sorted(found)
        assert ask_to_move(client, name, tmp_path / "c", version=version) == ErrorCode.LOG_DIR_NOT_FOUND
        assert ask_to_move(client, "no-such-topic", first, version=version) == 3
    with Broker(directory=tmp_path, log_dirs=f"{first},{second}") as broker, RawClient(broker.bootstrap) as client:
        assert places(client, name) == [(here, False)]


def test_who_waits_for_records_is_told_to_ask_again(tmp_path: Path, name: str) -> None:
    with (
        # The one reactor takes what came first first, so that the fetch waits before anything is moved.
        Broker(log_dirs=f"{tmp_path / 'a'},{tmp_path / 'b'}", num_network_threads=1) as broker,
        RawClient(broker.bootstrap) as client,
        RawClient(broker.bootstrap) as reader,
    ):
        create(client, name)
        produce(client, name, batch_of(b"first"))
        wanted = FetchPartition(partition=0, fetch_offset=1, partition_max_bytes=1 << 20)
        topic = FetchTopic(topic=name, partitions=[wanted])
        began = time.monotonic()
        number = reader.send(FetchRequest(max_wait_ms=60_000, min_bytes=1, max_bytes=1 << 20, topics=[topic]), 11)
        ((here, _),) = places(client, name)
        there = "b" if here == "a" else "a"
        assert ask_to_move(client, name, tmp_path / there) == 0
        wait_until_at(client, name, there)
        found, answer = decode_response(ApiKey.FETCH, 11, reader.receive())
        assert found == number
        assert answer.responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert time.monotonic() - began < 30
        assert produce(client, name, batch_of(b"second"))[0].base_offset == 1
        assert b"second" in fetch(reader, name, offset=1)


def set_throttle(client: RawClient, rate: str | None) -> None:
    operation = configs_request.AlterableConfig(name=THROTTLE, config_operation=1 if rate is None else 0, value=rate)
    resource = configs_request.AlterConfigsResource(resource_type=4, resource_name="1", configs=[operation])
    (answer,) = client.call(configs_request.IncrementalAlterConfigsRequest(resources=[resource]), 1).responses
    assert answer.error_code == 0


def test_a_move_outlives_a_kill(tmp_path: Path) -> None:
    words = ["--override", f"log.dirs={tmp_path / 'a'},{tmp_path / 'b'}", "--override", "log.segment.bytes=1048576"]
    with broker_process(None, *words) as broker:
        broker.await_ready()
        client = broker.client()
        create(client, "moved")
        for _ in range(30):
            assert produce(client, "moved", batch_of(bytes(500_000)))[0].error_code == 0
        set_throttle(client, "1")
        ((here, _),) = places(client, "moved")
        there = "b" if here == "a" else "a"
        assert ask_to_move(client, "moved", tmp_path / there) == 0
        assert places(client, "moved") == [(here, False), (there, True)]
        client.close()
    with broker_process(None, *words) as broker:
        broker.await_ready()
        client = broker.client()
        deadline = time.monotonic() + 60
        while places(client, "moved") != [(here, False), (there, True)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        set_throttle(client, None)
        wait_until_at(client, "moved", there)
        assert produce(client, "moved", batch_of(b"on"))[0].base_offset == 30
        client.close()

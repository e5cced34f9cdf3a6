"""Compaction in a running broker, and of logs made by chance: what a reader sees is the last value of each key.

The property tests drive `Cleaner` itself over real logs in a temporary directory, with every codec, and read them back
through the engine; the broker tests produce and consume over the network.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykafka_core.broker.cleaner import Cleaner, measure
from pykafka_core.broker.topic_configs import topic_settings
from pykafka_core.native import Cleaning, FileCache, Log, StaleCleaningError
from pykafka_core.records import BatchHeader, Codec, batches, encode, iterate
from pykafka_core.records.codecs import decompress
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient, create_topic, produce
from tests.broker.transactional_client import E, Producer, committed, coordinated, group_offset

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000
CODECS = [Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]
VALUES: dict[str, object] = {
    "log.cleaner.dedupe.buffer.size": 1 << 20,
    "log.cleaner.io.buffer.load.factor": 0.9,
    "log.cleaner.io.max.bytes.per.second": 1e300,
    "log.cleaner.threads": 1,
}


class FakeDirs:
    """The part of LogDirs that the cleaner asks for, for one log."""

    def __init__(self) -> None:
        self.cleaned: dict[Log, int] = {}

    def cleaned_offset(self, log: Log) -> int:
        return self.cleaned.get(log, 0)

    def write_cleaned_offset(self, log: Log, offset: int) -> None:
        self.cleaned[log] = offset

    def make_recoverable(self, log: Log, offset: int) -> None:
        log.flush()

    def condemn_dropped(self, log: Log, *, delay_s: float) -> None:
        pass


def topic_of(log: Log, **overrides: object) -> Any:
    texts = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0"}
    texts |= {key.replace("_", "."): str(value) for key, value in overrides.items()}
    partition = SimpleNamespace(index=0, log=log, last_stable_offset=log.log_end_offset)
    return SimpleNamespace(name="t", settings=topic_settings({}, texts), partitions=(partition,))


def clean(log: Log, dirs: FakeDirs, **overrides: object) -> bool:
    cleaner = Cleaner(topics=None, log_dirs=dirs, configs=None)  # type: ignore[arg-type]
    done = cleaner.clean_dirtiest([topic_of(log, **overrides)], VALUES)
    assert not cleaner._uncleanable
    return done


def read_all(log: Log) -> list[tuple[int, int, bytes | None, bytes | None]]:
    """Every record, and on the way: the batches go on without a gap in their offsets that another one fills."""
    found, offset = [], log.log_start_offset
    while offset < log.log_end_offset:
        data = log.read(offset)
        for batch in batches(data):
            header = BatchHeader.load(batch)
            assert header.last_offset >= offset
            offset = header.last_offset + 1
            if header.record_count:
                found += [(r.offset, r.timestamp, r.key, r.value) for r in iterate(batch)]
    return found


RECORD = st.tuples(st.sampled_from([b"a", b"b", b"c", b"", b"longer key"]), st.none() | st.binary(max_size=40))
BATCH = st.tuples(st.lists(RECORD, min_size=1, max_size=6), st.sampled_from(CODECS), st.booleans(), st.booleans())


@given(rounds=st.lists(st.lists(BATCH, max_size=8), min_size=1, max_size=4), seconds=st.integers(0, 30))
@settings(max_examples=120, deadline=None)
def test_read_through_it_is_the_last_value_of_each_key(tmp_path_factory, rounds, seconds):
    folder = tmp_path_factory.mktemp("log")
    originals: dict[int, tuple[int, int, bytes | None, bytes | None]] = {}
    dirs = FakeDirs()
    config = (1 << 20, DAY_MS, 10 << 20, 100, DAY_MS)
    with Log(folder / "t-0", FileCache(8), config=config) as log:
        for round_ in rounds:
            for rows, codec, log_append_time, rolls in round_:
                base = log.log_end_offset
                records = [(i, NOW_MS + base + i, key, value) for i, (key, value) in enumerate(rows)]
                appended = log.append(encode(records, codec=codec), log_append_time=log_append_time)
                stamp = appended.log_append_time_ms
                for i, timestamp, key, value in records:
                    originals[base + i] = (base + i, stamp if log_append_time else timestamp, key, value)
                if rolls:
                    log.roll()
            clean(log, dirs, delete_retention_ms=seconds * 1000)
            found = read_all(log)
            assert [originals[offset] for offset, *_ in found] == found
            newest = {key: offset for offset, _, key, _ in originals.values()}
            last = {key: offset for offset, _, key, _ in found}
            for key, offset in newest.items():
                gone = originals[offset][3] is None and key not in last
                assert gone or last[key] == offset
                assert not gone or seconds == 0
        before = found
        log.flush()
        end = log.log_end_offset
    with Log(folder / "t-0", FileCache(8), config=config, clean=False) as log:
        assert log.log_end_offset == end
        assert log.recovery.truncated_bytes == 0
        assert read_all(log) == before
    shutil.rmtree(folder)


@pytest.mark.parametrize("codec", CODECS)
def test_batches_keep_their_codec_offsets_and_producer(tmp_path, codec):
    dirs = FakeDirs()
    with Log(tmp_path / "t-0") as log:
        rows = [(i, NOW_MS + i, b"k%d" % (i % 50), b"v" * 100) for i in range(100)]
        batch = encode(rows, codec=codec, producer_id=7, producer_epoch=1, base_sequence=0)
        log.append(batch)
        log.append(encode([(0, NOW_MS, b"k3", None)], codec=codec))
        log.roll()
        assert clean(log, dirs)
        first, second = (BatchHeader.load(found) for found in batches(log.read(0)))
        assert (first.base_offset, first.last_offset, first.record_count) == (0, 99, 49)
        assert (first.producer_id, first.producer_epoch, first.base_sequence) == (7, 1, 0)
        assert first.codec == second.codec == codec
        assert first.max_timestamp == NOW_MS + 99
        assert second.delete_horizon_ms is not None
        assert second.delete_horizon_ms > time.time() * 1000
        assert [(key, value) for *_, key, value in read_all(log)][-1] == (b"k3", None)
        assert dirs.cleaned[log] == 101
        assert not clean(log, dirs)


def test_how_dirty_a_log_is(tmp_path):
    with Log(tmp_path / "t-0") as log:
        now = int(time.time() * 1000)

        def dirt(cleaned: int = 0, **overrides: object) -> Any:
            topic = topic_of(log, **overrides)
            return measure(topic, topic.partitions[0], cleaned, now)

        assert dirt() is None
        for age in (300_000, 200_000, 100_000):
            log.append(encode([(0, now - age, b"k", b"v" * 1000)]))
            if age < 300_000:
                # Nothing but sealed segments counts.
                assert dirt().limit_offset == log.log_end_offset - 1
            log.roll()
        assert (dirt().first_dirty_offset, dirt().limit_offset, dirt().ratio, dirt().overdue) == (0, 3, 1.0, False)
        assert (dirt(1).first_dirty_offset, round(dirt(1).ratio, 2)) == (1, 0.67)
        assert dirt(3) is None
        assert dirt(99).first_dirty_offset == 0
        assert dirt(min_compaction_lag_ms=150_000).limit_offset == 2
        assert dirt(2, min_compaction_lag_ms=150_000) is None
        assert not dirt(1, min_cleanable_dirty_ratio=0.7).due
        assert dirt(1, min_cleanable_dirty_ratio=0.6).due
        assert dirt(1, min_cleanable_dirty_ratio=0.7, max_compaction_lag_ms=150_000).due
        assert not dirt(1, min_cleanable_dirty_ratio=0.7, max_compaction_lag_ms=250_000).due
        log.raise_start_offset(2)
        assert dirt(1).first_dirty_offset == 2


def test_what_the_throttle_allows(tmp_path):
    with Log(tmp_path / "t-0") as log:
        for i in range(100):
            log.append(encode([(0, NOW_MS, b"%d" % i, b"v" * 100_000)]))
        log.roll()
        cleaner = Cleaner(topics=None, log_dirs=FakeDirs(), configs=None)  # type: ignore[arg-type]
        started = time.monotonic()
        # 10 MB are read twice and written once.
        assert cleaner.clean_dirtiest([topic_of(log)], VALUES | {"log.cleaner.io.max.bytes.per.second": 30e6})
        assert 0.7 < time.monotonic() - started < 30


def test_a_step_that_is_not_asked_for_and_a_log_that_is_cut(tmp_path):
    options = {
        "first_dirty_offset": 0, "limit_offset": 100, "now_ms": NOW_MS, "delete_retention_ms": 0,
        "map_size_bytes": 1000, "map_load_factor": 0.9,
    }  # fmt: skip
    with Log(tmp_path / "t-0") as log:
        log.append(encode([(0, NOW_MS, b"k", b"v")]))
        log.append(encode([(0, NOW_MS, b"k", b"v")], codec=Codec.ZSTD))
        log.roll()
        log.append(encode([(0, NOW_MS, b"k", b"v")]))
        with pytest.raises(ValueError, match="map_load_factor"):
            Cleaning(log, **(options | {"map_load_factor": 0.0}))
        cleaning = Cleaning(log, **options)
        with pytest.raises(ValueError, match="asked for"):
            cleaning.step(b"")
        request = cleaning.step()
        assert (request.need, request.codec) == ("decompress", Codec.ZSTD)
        log.truncate(1)
        with pytest.raises(StaleCleaningError):
            cleaning.step(decompress(request.codec, request.section))
        cleaning.close()
        with pytest.raises(ValueError, match="over"):
            cleaning.step()
        assert not list((tmp_path / "t-0").glob("*.cleaned"))
        assert log.log_end_offset == 1


# ---- a broker


def fill(client: RawClient, name: str, count: int, keys: int, codec: Codec) -> dict[bytes, bytes]:
    """Records of 10 kB until several segments of 1 MiB are full; the last value of each key."""
    last = {}
    for first in range(0, count, 20):
        rows = [(i, NOW_MS, b"key-%d" % ((first + i) % keys), b"%d-" % (first + i) + b"x" * 10_000) for i in range(20)]
        (answer,) = produce(client, name, encode(rows, codec=codec))
        assert answer.error_code == 0
        last |= {key: value for _, _, key, value in rows}
    return last


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.LZ4])
def test_a_compacted_topic_read_by_a_real_client(tmp_path, codec):
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    broker = Broker(directory=tmp_path, log_cleaner_backoff_ms=50, log_cleaner_min_cleanable_ratio=0.01)
    with broker:
        with RawClient(broker.bootstrap) as client:
            segment_bytes = 1 << 20
            create_topic(client, "t", cleanup_policy="compact", segment_bytes=segment_bytes, file_delete_delay_ms=0,
                         segment_ms=1 if codec else DAY_MS)  # fmt: skip
            last = fill(client, "t", 1000, 30, codec)
            if codec:
                # Well compressed, it is less than a segment: by time it rolls.
                rows = [(0, NOW_MS + 10_000, b"end", b"end")]
                produce(client, "t", encode(rows))
                last[b"end"] = b"end"
        checkpoint = tmp_path / "cleaner-offset-checkpoint"
        deadline = time.monotonic() + 60
        while not checkpoint.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g", "enable.partition.eof": True,
                             "enable.auto.commit": False, "check.crcs": True})  # fmt: skip
        consumer.assign([TopicPartition("t", 0, OFFSET_BEGINNING)])
        found, offsets = {}, []
        while True:
            message = consumer.poll(10)
            assert message is not None
            if message.error():
                break
            found[message.key()] = message.value()
            offsets.append(message.offset())
        consumer.close()
        assert found == last
        assert offsets == sorted(set(offsets))
        assert len(offsets) < 500
    with broker, RawClient(broker.bootstrap) as client:
        assert len(checkpoint.read_text().splitlines()) == 3
        fill(client, "t", 20, 20, codec)


def log_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.log"))


def check_txns(client: RawClient) -> None:
    """Every third transaction was committed, the 57th the last. Cleaning may go on meanwhile."""
    numbers = [int(value.split(b"-")[0]) for value in committed(client, "t")]
    assert [number % 3 for number in numbers] == [0] * len(numbers)
    assert numbers == sorted(numbers)
    assert numbers[-1] == 57
    assert len(numbers) < 8
    assert group_offset(client, "g", "t") == (0, 57)


@pytest.mark.parametrize("version", [1, 2])
def test_transactions_on_a_compacted_topic_and_in_the_offsets(tmp_path, version):
    broker = Broker(directory=tmp_path, log_cleaner_backoff_ms=50, log_cleaner_min_cleanable_ratio=0.01,
                    offsets_topic_segment_bytes=1 << 20, offsets_topic_num_partitions=1,
                    offset_metadata_max_bytes=30_000)  # fmt: skip
    with broker, RawClient(broker.bootstrap) as client:
        create_topic(client, "t", cleanup_policy="compact", segment_bytes=1 << 20, file_delete_delay_ms=0,
                     delete_retention_ms=0)  # fmt: skip
        coordinated(client, "tx")
        producer = Producer(client, "tx", version)
        assert producer.init() == 0
        for number in range(60):
            if version == 1:
                assert producer.add("t", 0) == [0]
                assert producer.add_group("g") == 0
            # The key is always the same.
            assert producer.produce("t", b"%d-" % number + b"x" * 100_000) == 0
            assert producer.send_offset("g", "t", number, metadata="m" * 30_000) == 0
            assert producer.end(commit=number % 3 == 0) == 0
        deadline = time.monotonic() + 60
        # What stays: the active segment, and the last value committed before it.
        while log_size(tmp_path / "t-0") > 2 << 20 or log_size(tmp_path / "__consumer_offsets-0") > 1 << 20:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        check_txns(client)
    with broker, RawClient(broker.bootstrap) as client:
        coordinated(client, "tx")
        producer.client = client
        check_txns(client)
        deadline = time.monotonic() + 60
        while (codes := producer.add("t", 0)) == [E.COORDINATOR_LOAD_IN_PROGRESS]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert codes == [0]
        # Its sequences are still known.
        assert producer.produce("t", b"60-") == 0
        assert producer.end(commit=False) == 0
        check_txns(client)


# ---- threads


class Hands:
    """Logs in the hands of cleaning threads, which let go of them when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.changed = threading.Condition()
        self.held: list[Log] = []
        self.threads: set[threading.Thread] = set()
        """That have ever taken one."""
        self.cleaned: list[Log] = []
        self.taken = 0
        self.let_gone = 0
        """How many have been taken, and how many of those, the earliest, may go."""
        monkeypatch.setattr(Cleaner, "_clean", lambda _, dirt, *__: self.hold(dirt.partition.log))

    def hold(self, log: Log) -> None:
        with self.changed:
            number = self.taken
            self.taken += 1
            self.held.append(log)
            self.threads.add(threading.current_thread())
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: number < self.let_gone, timeout=60)
            self.held.remove(log)
            self.cleaned.append(log)
            self.changed.notify_all()

    def let_go(self, *, for_ever: bool = False) -> None:
        """Of those that are held now, or of all that ever will be."""
        with self.changed:
            self.let_gone = sys.maxsize if for_ever else self.taken
            self.changed.notify_all()

    def hold_so_many(self, count: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: len(self.held) == count, timeout=30)


async def test_threads_come_and_go_and_none_takes_what_another_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pykafka_core.broker.cleaner.RECONFIGURE_INTERVAL_S", 0.01)
    values = VALUES | {"log.cleaner.enable": True, "log.cleaner.backoff.ms": 5}
    hands = Hands(monkeypatch)
    with ExitStack() as logs:
        opened = [logs.enter_context(Log(tmp_path / f"t-{number}")) for number in range(4)]
        for log in opened:
            log.append(encode([(0, NOW_MS, b"k", b"v")]))
            log.roll()
        topics = SimpleNamespace(all=lambda: [topic_of(log) for log in opened])
        configs = SimpleNamespace(broker_values=lambda: values)
        cleaner = Cleaner(topics=topics, log_dirs=FakeDirs(), configs=configs)  # type: ignore[arg-type]
        running = asyncio.create_task(cleaner.run())
        assert await asyncio.to_thread(hands.hold_so_many, 1)
        values["log.cleaner.threads"] = 3
        assert await asyncio.to_thread(hands.hold_so_many, 3)
        assert len({*hands.held}) == 3
        # The fourth is there for whoever is done first, and a fourth thread finds nothing.
        values["log.cleaner.threads"] = 8
        assert await asyncio.to_thread(hands.hold_so_many, 4)
        assert {*hands.held} == {*opened}
        assert not cleaner.clean_dirtiest(topics.all(), values)
        # Fewer: those above the number end with what they have in hand, the others go on.
        values["log.cleaner.threads"] = 1
        while len([each for each in hands.threads if each.is_alive()]) > 1:
            hands.let_go()
            await asyncio.sleep(0.01)
        assert await asyncio.to_thread(hands.hold_so_many, 1)
        running.cancel()
        hands.let_go(for_ever=True)
        with pytest.raises(asyncio.CancelledError):
            await running
        assert hands.held == []

"""A log directory that fails, and a disk that fills up, under a broker that runs.

Method: broker processes over two log directories, on a disk that fails on demand (tests/broker/faults). What is
expected is Apache Kafka's: a failed directory's partitions are KAFKA_STORAGE_ERROR, the others go on, the last failure
ends the process. A full disk is milder than in Kafka, which ends: it refuses, and goes on when there is room.
"""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pykafka_core.protocol.messages.describe_log_dirs_request import DescribeLogDirsRequest
from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from pykafka_core.protocol.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.records import encode
from tests.broker.faults import FaultyDisk
from tests.broker.raw_client import RawClient, batch_of, create_topic, fetch, produce
from tests.ports import free_port

STORAGE_ERROR = 56
SECONDS_MAX = 20.0


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    return FaultyDisk(tmp_path)


@pytest.fixture
def dirs(tmp_path: Path) -> list[Path]:
    """The first holds the metadata log as well."""
    return [tmp_path / "data" / "a", tmp_path / "data" / "b"]


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def place_of(topic: str, partition: int, dirs: list[Path]) -> Path:
    (found,) = [directory for directory in dirs if (directory / f"{topic}-{partition}").exists()]
    return found


def split(client: RawClient, dirs: list[Path], **configs: object) -> tuple[int, int]:
    """A topic with a partition in each directory; their numbers, in the order of the directories."""
    create_topic(client, "t", 2, **configs)
    places = [place_of("t", partition, dirs) for partition in (0, 1)]
    assert set(places) == set(dirs), "the fuller directory was chosen"
    return places.index(dirs[0]), places.index(dirs[1])


def fetch_error(client: RawClient, partition: int) -> int:
    wanted = FetchPartition(partition=partition, fetch_offset=0, partition_max_bytes=1 << 20)
    request = FetchRequest(max_wait_ms=0, max_bytes=1 << 20, topics=[FetchTopic(topic="t", partitions=[wanted])])
    (found,) = client.call(request, 11).responses[0].partitions
    code: int = found.error_code
    return code


def list_offsets_error(client: RawClient, partition: int, timestamp: int) -> int:
    wanted = ListOffsetsPartition(partition_index=partition, timestamp=timestamp)
    (topic,) = client.call(ListOffsetsRequest(topics=[ListOffsetsTopic(name="t", partitions=[wanted])]), 7).topics
    code: int = topic.partitions[0].error_code
    return code


def described(client: RawClient) -> dict[str, tuple[int, list[tuple[str, int]]]]:
    return {
        result.log_dir: (
            result.error_code,
            [(topic.name, p.partition_index) for topic in result.topics for p in topic.partitions],
        )
        for result in client.call(DescribeLogDirsRequest(topics=None), 4).results
    }


def metadata(client: RawClient) -> dict[int, Any]:
    answer = client.call(MetadataRequest(topics=None), 12)
    (topic,) = [topic for topic in answer.topics if topic.name == "t"]
    return {partition.partition_index: partition for partition in topic.partitions}


def check_offline(client: RawClient, dirs: list[Path], good: int, bad: int) -> None:
    assert produce(client, "t", batch_of(b"x"), first_partition=bad)[0].error_code == STORAGE_ERROR
    assert fetch_error(client, bad) == STORAGE_ERROR
    for timestamp in (-1, -2, -3, 5):
        assert list_offsets_error(client, bad, timestamp) == STORAGE_ERROR
    assert produce(client, "t", batch_of(b"x"), first_partition=good)[0].error_code == 0
    assert fetch_error(client, good) == 0
    found = described(client)
    assert found[str(dirs[1])] == (STORAGE_ERROR, [])
    assert found[str(dirs[0])] == (0, [("t", good)])
    partitions = metadata(client)
    assert (partitions[bad].error_code, partitions[bad].leader_id, partitions[bad].offline_replicas) == (5, -1, [1])
    assert (partitions[good].error_code, partitions[good].leader_id, partitions[good].offline_replicas) == (0, 1, [])


@pytest.mark.parametrize("calls", ["write", "sync"])
def test_a_failed_directory_is_offline_and_the_others_go_on(disk: FaultyDisk, dirs: list[Path], calls: str) -> None:
    port = free_port()
    with disk.broker(*dirs, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            good, bad = split(client, dirs, flush_messages=1)
            for partition in (good, bad):
                assert produce(client, "t", batch_of(b"kept"), first_partition=partition)[0].error_code == 0
            kept = fetch(client, "t", bad)
            disk.fail(calls, errno.EIO, dirs[1])
            assert produce(client, "t", batch_of(b"lost"), first_partition=bad)[0].error_code == STORAGE_ERROR
            disk.heal()
            # For good, whatever the disk may do now; and clients see it in the metadata as well.
            eventually(lambda: metadata(client)[bad].leader_id == -1)
            check_offline(client, dirs, good, bad)
        broker.await_line("Stopped serving replicas in dir")
        assert broker.stop() == 0
    assert (dirs[0] / ".kafka_cleanshutdown").exists()
    assert not (dirs[1] / ".kafka_cleanshutdown").exists()
    assert not (dirs[1] / ".pykafka-core.boot").exists()
    with disk.broker(*dirs, port=port) as broker:
        broker.await_ready()
        assert f"Attempting recovery for all logs in {dirs[1]}" in broker.output
        with broker.client() as client:
            assert fetch(client, "t", bad).startswith(kept)
            assert produce(client, "t", batch_of(b"more"), first_partition=bad)[0].error_code == 0
        assert broker.stop() == 0


@pytest.mark.parametrize("which", [0, 1], ids=["the one with the metadata", "the last one"])
def test_the_process_ends_when_it_cannot_go_on(disk: FaultyDisk, dirs: list[Path], which: int) -> None:
    used = dirs if which == 0 else dirs[1:]
    with disk.broker(*used, port=free_port()) as broker:
        broker.await_ready()
        with broker.client() as client:
            create_topic(client, "t", len(used))
            partition = [place_of("t", index, used) for index in range(len(used))].index(dirs[which])
            assert produce(client, "t", batch_of(b"kept"), first_partition=partition)[0].error_code == 0
            disk.fail("any", errno.EIO, dirs[which])
            answer = produce(client, "t", batch_of(b"lost"), first_partition=partition)[0]
            assert answer.error_code == STORAGE_ERROR
        assert broker.wait() == 1
        assert "Shutdown broker because" in broker.output
        assert "Traceback" not in broker.output


def test_a_parked_fetch_hears_of_the_failure(disk: FaultyDisk, dirs: list[Path]) -> None:
    with disk.broker(*dirs, port=free_port()) as broker:
        broker.await_ready()
        with broker.client() as client, broker.client() as waiting:
            _, bad = split(client, dirs)
            wanted = FetchPartition(partition=bad, fetch_offset=0, partition_max_bytes=1 << 20)
            request = FetchRequest(
                max_wait_ms=60_000, min_bytes=1, max_bytes=1 << 20, topics=[FetchTopic(topic="t", partitions=[wanted])]
            )
            waiting.send(request, 11)
            disk.fail("write", errno.EIO, dirs[1])
            assert produce(client, "t", batch_of(b"lost"), first_partition=bad)[0].error_code == STORAGE_ERROR
            assert waiting.receive()
        assert broker.stop() == 0


def numbered(sequence: int) -> bytes:
    now = time.time_ns() // 1_000_000
    records = [(0, now, b"k", b"v" * 500)]
    return encode(records, leader_epoch=-1, producer_id=9, producer_epoch=0, base_sequence=sequence)


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(disk: FaultyDisk, tmp_path: Path) -> None:
    port = free_port()
    data = tmp_path / "data"
    with disk.broker(data, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            create_topic(client, "t", segment_bytes=1 << 20)
            for sequence in range(5):
                assert produce(client, "t", numbered(sequence))[0].error_code == 0
            before = fetch(client, "t")
            disk.fail("write", errno.ENOSPC, data)
            for _ in range(3):
                assert produce(client, "t", numbered(5))[0].error_code == STORAGE_ERROR
                assert fetch(client, "t") == before
            disk.heal()
            # Refused is not remembered: the same sequence is new, and then a duplicate.
            assert produce(client, "t", numbered(5))[0].base_offset == 5
            assert produce(client, "t", numbered(5))[0].base_offset == 5
            assert produce(client, "t", numbered(6))[0].base_offset == 6
            disk.fail("write", errno.ENOSPC, data)
            assert produce(client, "t", numbered(7))[0].error_code == STORAGE_ERROR
            after = fetch(client, "t")
        broker.process.kill()
        broker.wait()
    disk.heal()
    with disk.broker(data, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            assert fetch(client, "t") == after
            assert produce(client, "t", numbered(7))[0].base_offset == 7
        assert broker.stop() == 0


def test_a_directory_that_cannot_be_used_at_the_start(disk: FaultyDisk, dirs: list[Path]) -> None:
    port = free_port()
    with disk.broker(*dirs, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            good, bad = split(client, dirs)
            for partition in (good, bad):
                assert produce(client, "t", batch_of(b"kept"), first_partition=partition)[0].error_code == 0
            kept = fetch(client, "t", bad)
        assert broker.stop() == 0
    aside = dirs[1].with_name("aside")
    dirs[1].rename(aside)
    dirs[1].write_text("a file and no directory")
    with disk.broker(*dirs, port=port) as broker:
        broker.await_ready()
        assert f"Log directory {dirs[1]} " in broker.output
        with broker.client() as client:
            check_offline(client, dirs, good, bad)
            create_topic(client, "other", 3)
            assert all((dirs[0] / f"other-{partition}").is_dir() for partition in range(3))
        assert broker.stop() == 0
    dirs[1].unlink()
    aside.rename(dirs[1])
    with disk.broker(*dirs, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            assert fetch(client, "t", bad) == kept
            assert metadata(client)[bad].leader_id == 1
        assert broker.stop() == 0


def test_the_directory_with_the_fewest_partitions_comes_next(tmp_path: Path, disk: FaultyDisk) -> None:
    dirs = [tmp_path / "data" / name for name in "abc"]
    port = free_port()
    with disk.broker(*dirs, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            create_topic(client, "t", 7)
            counts = sorted(len(list(directory.glob("t-*"))) for directory in dirs)
            assert counts == [2, 2, 3]
        assert broker.stop() == 0
    # One that is new gets all of the next.
    dirs.append(tmp_path / "data" / "d")
    with disk.broker(*dirs, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            create_topic(client, "u", 2)
            assert all((dirs[3] / f"u-{partition}").is_dir() for partition in (0, 1))
        assert broker.stop() == 0
    shutil.rmtree(tmp_path / "data")

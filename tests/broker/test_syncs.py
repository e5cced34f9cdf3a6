"""Answers of Python that wait for the disk.

Method: `Syncs` over a log whose sync ends when the test lets it; then a broker over two log directories on a disk that
fails on demand, with log.flush.interval.messages=1: what a coordinator says while its partition cannot be synced is an
error in every API, and never what the disk may not have.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pykafka_core.broker.syncs import NO_FLUSH, Synced, Syncs
from pykafka_core.coordinator.partitioning import partition_for
from pykafka_core.native import EngineError
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.consumer_group_describe_request import ConsumerGroupDescribeRequest
from pykafka_core.protocol.messages.delete_groups_request import DeleteGroupsRequest
from pykafka_core.protocol.messages.describe_groups_request import DescribeGroupsRequest
from pykafka_core.protocol.messages.heartbeat_request import HeartbeatRequest
from pykafka_core.protocol.messages.join_group_request import JoinGroupRequest, JoinGroupRequestProtocol
from pykafka_core.protocol.messages.leave_group_request import LeaveGroupRequest, MemberIdentity
from pykafka_core.protocol.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from pykafka_core.protocol.messages.offset_delete_request import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from pykafka_core.protocol.messages.offset_fetch_request import OffsetFetchRequest, OffsetFetchRequestGroup
from tests.broker.faults import FaultyDisk
from tests.broker.processes import free_port
from tests.broker.raw_client import RawClient, create_topic
from tests.broker.transactional_client import Producer, coordinated, group_offset

NOT_COORDINATOR = ErrorCode.NOT_COORDINATOR
PATIENCE_S = 20.0


class SlowLog:
    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.fails = False
        self.flushes = 0
        self.log_end_offset = self.synced_offset = 0

    def flush(self) -> int:
        self.flushes += 1
        end_offset = self.log_end_offset
        self.begun.release()
        assert self.may_end.acquire(timeout=PATIENCE_S)
        if self.fails:
            raise EngineError("it fails")
        self.synced_offset = end_offset
        return end_offset


def append(syncs: Syncs, topic: Any, count: int = 1) -> Synced | None:
    topic.partitions[0].log.log_end_offset += count
    return syncs.appended(topic, 0)


def topic_of(log: SlowLog, flush_messages: int) -> Any:
    settings = SimpleNamespace(flush_messages=flush_messages)
    return SimpleNamespace(name="t", settings=settings, partitions=[SimpleNamespace(log=log)])


async def begun(log: SlowLog) -> None:
    assert await asyncio.to_thread(log.begun.acquire, timeout=PATIENCE_S)


async def test_those_who_come_during_a_sync_share_the_next_one() -> None:
    log = SlowLog()
    topic, syncs = topic_of(log, 1), Syncs(asyncio.ensure_future)
    first = append(syncs, topic)
    assert first is not None
    await begun(log)
    later = [append(syncs, topic) for _ in range(5)]
    assert len({id(each) for each in later}) == 1
    (second,) = {id(each): each for each in later}.values()
    assert second is not None
    assert second is not first
    # Who only reads waits for all that is there to be read.
    assert syncs.pending(topic, 0) is second
    log.may_end.release()
    assert await first == ErrorCode.NONE
    await begun(log)
    assert not second.done()
    log.may_end.release()
    assert await second == ErrorCode.NONE
    await asyncio.sleep(0)
    assert syncs.pending(topic, 0) is None
    assert log.flushes == 2


async def test_a_sync_that_fails_has_failed_for_good() -> None:
    log = SlowLog()
    topic, syncs = topic_of(log, 1), Syncs(asyncio.ensure_future)
    first = append(syncs, topic)
    await begun(log)
    second = append(syncs, topic)
    log.fails = True
    log.may_end.release()
    assert first is not None
    assert second is not None
    assert (await first, await second) == (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.KAFKA_STORAGE_ERROR)
    for pending in (syncs.pending(topic, 0), append(syncs, topic)):
        assert pending is not None
        assert await pending == ErrorCode.KAFKA_STORAGE_ERROR
    assert log.flushes == 1, "nothing is tried again"
    # Another log of the same name, as after the topic was deleted and made again, knows nothing of it.
    again = topic_of(SlowLog(), 1)
    assert syncs.pending(again, 0) is None


async def test_a_count_above_one_lets_so_many_wait() -> None:
    log = SlowLog()
    topic, syncs = topic_of(log, 10), Syncs(asyncio.ensure_future)
    assert append(syncs, topic, 4) is None
    assert append(syncs, topic, 5) is None
    tenth = append(syncs, topic)
    assert tenth is not None
    log.may_end.release()
    assert await tenth == ErrorCode.NONE
    await asyncio.sleep(0)
    assert append(syncs, topic, 9) is None
    assert log.flushes == 1


async def test_what_an_earlier_run_left_unsynced_counts() -> None:
    log = SlowLog()
    log.log_end_offset, log.synced_offset = 107, 100
    topic, syncs = topic_of(log, 10), Syncs(asyncio.ensure_future)
    assert append(syncs, topic, 2) is None
    tenth = append(syncs, topic)
    assert tenth is not None
    log.may_end.release()
    assert await tenth == ErrorCode.NONE
    assert log.synced_offset == 110


async def test_no_policy_no_wait() -> None:
    log = SlowLog()
    topic, syncs = topic_of(log, NO_FLUSH), Syncs(asyncio.ensure_future)
    assert append(syncs, topic, 1 << 40) is None
    assert syncs.pending(topic, 0) is None
    assert log.flushes == 0


async def test_who_waits_is_told_when_the_broker_stops() -> None:
    log = SlowLog()
    tasks: list[asyncio.Task[None]] = []
    topic, syncs = topic_of(log, 1), Syncs(lambda chore: tasks.append(asyncio.ensure_future(chore)))
    first = append(syncs, topic)
    await begun(log)
    second = append(syncs, topic)
    tasks[0].cancel()
    assert first is not None
    assert second is not None
    assert (await first, await second) == (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.KAFKA_STORAGE_ERROR)
    log.may_end.release()


# ---- a broker


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    return FaultyDisk(tmp_path)


def commit(client: RawClient, group: str, offset: int) -> int:
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
    request = OffsetCommitRequest(group_id=group, topics=[OffsetCommitRequestTopic(name="t", partitions=[partition])])
    code: int = client.call(request, 8).topics[0].partitions[0].error_code
    return code


def join(client: RawClient, group: str) -> Any:
    request = JoinGroupRequest(
        group_id=group,
        session_timeout_ms=30_000,
        rebalance_timeout_ms=30_000,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )
    return client.call(request, 3)


def told(client: RawClient, group: str, member_id: str, generation: int) -> dict[str, int]:
    """What each API says of a group."""
    heartbeat = HeartbeatRequest(group_id=group, member_id=member_id, generation_id=generation + 1)
    several = client.call(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group)]), 8).groups[0]
    removal = OffsetDeleteRequestTopic(name="t", partitions=[OffsetDeleteRequestPartition(partition_index=0)])
    leaver = MemberIdentity(member_id=member_id)
    return {
        "heartbeat": client.call(heartbeat, 3).error_code,
        "fetch": group_offset(client, group, "t")[0],
        "fetch several": several.error_code,
        "describe": client.call(DescribeGroupsRequest(groups=[group]), 5).groups[0].error_code,
        "describe consumers": client.call(ConsumerGroupDescribeRequest(group_ids=[group]), 0).groups[0].error_code,
        "remove offsets": client.call(OffsetDeleteRequest(group_id=group, topics=[removal]), 0).error_code,
        "leave": client.call(LeaveGroupRequest(group_id=group, members=[leaver]), 3).error_code,
        "delete": client.call(DeleteGroupsRequest(groups_names=[group]), 1).results[0].error_code,
    }


def test_nothing_is_told_that_the_disk_may_not_have(disk: FaultyDisk, tmp_path: Path) -> None:
    dirs = [tmp_path / "data" / "a", tmp_path / "data" / "b"]
    words = ["log.flush.interval.messages=1", "offsets.topic.num.partitions=2"]
    words += ["transaction.state.log.num.partitions=1", "group.initial.rebalance.delay.ms=0"]
    overrides = tuple(word for setting in words for word in ("--override", setting))
    with disk.broker(*dirs, port=free_port(), words=overrides) as broker:
        broker.await_ready()
        with broker.client() as client:
            create_topic(client, "t")
            coordinated(client, "g")
            places = [(dirs[1] / f"__consumer_offsets-{index}").exists() for index in (0, 1)]
            assert sorted(places) == [False, True], "the fuller directory was chosen"
            names = [f"g{number}" for number in range(20)]
            bad, worse, bad_too, *_ = [name for name in names if places[partition_for(name, 2)]]
            good = next(name for name in names if not places[partition_for(name, 2)])
            assert [commit(client, group, 1) for group in (good, bad, worse)] == [0, 0, 0]
            joined = join(client, bad_too)
            assert joined.error_code == 0
            transactional = (dirs[1] / "__transaction_state-0").exists()
            producer = Producer(client, "tx")
            assert producer.init() == 0
            assert producer.send_offset(worse, "t", 5) == 0
            disk.fail("sync", errno.EIO, dirs[1])
            # These three are in the log's memory, and the sync is what fails: it would be acknowledged without it.
            assert commit(client, bad, 2) == NOT_COORDINATOR
            if not transactional:
                assert producer.send_offset(worse, "t", 6) == NOT_COORDINATOR
            for group in (bad, worse, bad_too):
                answers = told(client, group, joined.member_id, joined.generation_id)
                assert answers == dict.fromkeys(answers, NOT_COORDINATOR)
                assert join(client, group).error_code == NOT_COORDINATOR
            assert commit(client, good, 3) == 0
            assert group_offset(client, good, "t") == (0, 3)
        assert broker.stop() == 0
    disk.heal()
    with disk.broker(*dirs, port=free_port(), words=overrides) as broker:
        broker.await_ready()
        with broker.client() as client:
            coordinated(client, "g")
            assert group_offset(client, good, "t") == (0, 3)
            error, offset = group_offset(client, bad, "t")
            assert (error, offset in (1, 2)) == (0, True), "refused: there or not"
            assert commit(client, bad, 4) == 0
            assert group_offset(client, bad, "t") == (0, 4)
        assert broker.stop() == 0

"""Retention in a running broker: what is too old or too much goes, clients see where the log begins, a restart too.

Old records are made by giving them old timestamps; the broker looks every 50 milliseconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

import pytest

from pykafka_core.protocol.messages.delete_topics_request import DeleteTopicsRequest, DeleteTopicState
from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from pykafka_core.protocol.messages.incremental_alter_configs_request import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from pykafka_core.protocol.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient, batch_of, create_topic, fetch, produce

HOUR_MS = 3_600_000
EARLIEST, LATEST = -2, -1
SETTINGS = {"log_initial_task_delay_ms": 0, "log_retention_check_interval_ms": 50}


@pytest.fixture(scope="module")
def keeper() -> Iterator[Broker]:
    with Broker(**SETTINGS) as running:
        yield running


@pytest.fixture
def client(keeper: Broker) -> Iterator[RawClient]:
    with RawClient(keeper.bootstrap) as connected:
        yield connected


def offset_at(client: RawClient, name: str, timestamp: int) -> int:
    wanted = ListOffsetsTopic(name=name, partitions=[ListOffsetsPartition(partition_index=0, timestamp=timestamp)])
    answer = client.call(ListOffsetsRequest(replica_id=-1, topics=[wanted]), 5)
    found: int = answer.topics[0].partitions[0].offset
    return found


def fetch_error(client: RawClient, name: str, offset: int, *, max_wait_ms: int = 0) -> tuple[int, int]:
    """Error code and log start offset."""
    topic = FetchTopic(topic=name, partitions=[FetchPartition(fetch_offset=offset, partition_max_bytes=1 << 20)])
    request = FetchRequest(max_wait_ms=max_wait_ms, min_bytes=1, max_bytes=1 << 20, topics=[topic])
    found = client.call(request, 11).responses[0].partitions[0]
    return found.error_code, found.log_start_offset


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def await_passes(client: RawClient, name: str) -> None:
    """Until the broker has looked at all logs, from the first to the last, at least once more."""
    for number in range(2):  # the pass that finds the first witness may have begun with it
        witness = f"{name}-witness-{number}"
        create_topic(client, witness, retention_ms=HOUR_MS)
        fill(client, witness, [2])
        wait_for(lambda witness=witness: offset_at(client, witness, EARLIEST) == 1)
        (answer,) = client.call(DeleteTopicsRequest(topics=[DeleteTopicState(name=witness)]), 6).responses
        assert answer.error_code == 0


def fill(client: RawClient, name: str, ages_h: list[float]) -> None:
    """One batch of 600 kB for each age, so that every segment of 1 MiB holds one."""
    now = int(time.time() * 1000)
    for age in ages_h:
        (answer,) = produce(client, name, batch_of(b"x" * 600_000, timestamp=now - int(age * HOUR_MS)))
        assert answer.error_code == 0


def alter(client: RawClient, name: str, key: str, value: str) -> None:
    resource = AlterConfigsResource(
        resource_type=2, resource_name=name, configs=[AlterableConfig(name=key, config_operation=0, value=value)]
    )
    (answer,) = client.call(IncrementalAlterConfigsRequest(resources=[resource]), 1).responses
    assert answer.error_code == 0, answer


def test_old_segments_go_and_readers_are_told(keeper, client, name, caplog):
    caplog.set_level(logging.INFO, "kafka.log")
    create_topic(client, name, segment_bytes=1 << 20, retention_ms=HOUR_MS, file_delete_delay_ms=0)
    fill(client, name, [5, 4, 3, 0, 0])
    wait_for(lambda: offset_at(client, name, EARLIEST) == 3)
    assert [fetch_error(client, name, offset)[0] for offset in (0, 2, 3)] == [1, 1, 0]
    assert fetch_error(client, name, 3)[1] == 3
    folder = keeper.directory / f"{name}-0"
    wait_for(lambda: len(list(folder.glob("*.log*"))) == 2)
    assert (keeper.directory / "log-start-offset-checkpoint").read_text().splitlines()[2:].count(f"{name} 0 3") == 1
    lines = [record.getMessage() for record in caplog.records if f"partition={name}-0" in record.getMessage()]
    assert any("due to log retention time 3600000ms breach" in line for line in lines)
    assert any("Incremented log start offset to 3 due to segment deletion" in line for line in lines)


def test_a_log_that_is_old_as_a_whole_is_emptied_and_goes_on(client, name):
    create_topic(client, name, retention_ms=HOUR_MS)
    fill(client, name, [2])
    wait_for(lambda: offset_at(client, name, EARLIEST) == 1)
    assert offset_at(client, name, LATEST) == 1
    (answer,) = produce(client, name, batch_of(b"new", timestamp=int(time.time() * 1000)))
    assert answer.base_offset == 1
    assert fetch(client, name, offset=1)


def test_by_size_the_oldest_go(client, name):
    create_topic(client, name, segment_bytes=1 << 20, retention_bytes=1_300_000)
    fill(client, name, [0] * 6)
    wait_for(lambda: offset_at(client, name, EARLIEST) == 3)
    await_passes(client, name)
    assert offset_at(client, name, EARLIEST) == 3


def test_a_log_without_the_policy_keeps_all_but_what_was_deleted(client, name):
    create_topic(client, name, cleanup_policy="compact", retention_ms=HOUR_MS, segment_bytes=1 << 20)
    fill(client, name, [5, 4, 0])
    await_passes(client, name)
    assert offset_at(client, name, EARLIEST) == 0
    # compact,delete does both.
    alter(client, name, "cleanup.policy", "compact,delete")
    wait_for(lambda: offset_at(client, name, EARLIEST) == 2)


def test_a_changed_limit_holds_from_the_next_pass_on(client, name):
    create_topic(client, name, segment_bytes=1 << 20)
    fill(client, name, [5, 3, 0])
    await_passes(client, name)
    assert offset_at(client, name, EARLIEST) == 0
    alter(client, name, "retention.ms", str(4 * HOUR_MS))
    wait_for(lambda: offset_at(client, name, EARLIEST) == 1)
    alter(client, name, "retention.ms", "-1")
    await_passes(client, name)
    assert offset_at(client, name, EARLIEST) == 1


def test_a_fetch_that_waits_at_an_emptied_end_is_answered(client, keeper, name):
    create_topic(client, name, retention_ms=HOUR_MS, segment_bytes=1 << 20)
    fill(client, name, [2])
    wait_for(lambda: offset_at(client, name, EARLIEST) == 1)
    assert fetch_error(client, name, 0, max_wait_ms=5000) == (1, -1)
    assert fetch_error(client, name, 1, max_wait_ms=10) == (0, 1)


@pytest.mark.parametrize("clean", [True, False])
def test_what_went_stays_gone_after_a_restart(tmp_path, clean):
    settings = SETTINGS | {"log_retention_ms": HOUR_MS, "log_segment_bytes": 1 << 20}
    broker = Broker(directory=tmp_path, topics={"t": 1}, **settings)
    with broker, RawClient(broker.bootstrap) as client:
        fill(client, "t", [5, 4, 0])
        wait_for(lambda: offset_at(client, "t", EARLIEST) == 2)
    if not clean:
        (tmp_path / ".kafka_cleanshutdown").unlink()
    assert len(list((tmp_path / "t-0").glob("*.log.deleted"))) == 2
    with broker, RawClient(broker.bootstrap) as client:
        assert offset_at(client, "t", EARLIEST) == 2
        assert offset_at(client, "t", LATEST) == 3
    assert not list((tmp_path / "t-0").glob("*.deleted"))


def test_a_topic_that_is_deleted_meanwhile_disturbs_nobody(client, name, caplog):
    caplog.set_level(logging.ERROR)
    for round_ in range(5):
        topic = f"{name}-{round_}"
        create_topic(client, topic, retention_ms=HOUR_MS, segment_bytes=1 << 20)
        fill(client, topic, [2, 2])
        (answer,) = client.call(DeleteTopicsRequest(topics=[DeleteTopicState(name=topic)]), 6).responses
        assert answer.error_code == 0
    assert not [record.getMessage() for record in caplog.records]

"""What the requests beside Produce and Fetch cost the broker: CPU over all its threads for each, one in flight.

ListOffsets never leaves the reactor, nor does the heartbeat of a member; the others go through the mailbox to Python
and back. The difference is what moving one of them to C could bring. extra_info has it as broker_cpu_us_each.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator
from typing import Any

import pytest

from bench import broker_process, raw_client
from bench.broker_process import BrokerProcess, pinned_broker
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.heartbeat_request import HeartbeatRequest
from pykafka_core.protocol.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from pykafka_core.protocol.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from pykafka_core.protocol.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from pykafka_core.protocol.messages.offset_fetch_request import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")

ROUNDS, REQUESTS = 5, 500
PARTITIONS = 10
TOPICS = [f"t-{number:03}" for number in range(100)]


def commit(partitions: int) -> OffsetCommitRequest:
    places = [OffsetCommitRequestPartition(partition_index=p, committed_offset=5) for p in range(partitions)]
    return OffsetCommitRequest(group_id="g", topics=[OffsetCommitRequestTopic(name=TOPICS[0], partitions=places)])


def committed(partitions: int) -> OffsetFetchRequest:
    topic = OffsetFetchRequestTopics(name=TOPICS[0], partition_indexes=list(range(partitions)))
    return OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=[topic])])


def list_offsets(partitions: int) -> ListOffsetsRequest:
    asked = [ListOffsetsPartition(partition_index=p, timestamp=-1) for p in range(partitions)]
    return ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=TOPICS[0], partitions=asked)])


def metadata(topics: list[str]) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in topics])


REQUESTS_OF = {
    "ApiVersions": (ApiKey.API_VERSIONS, 3, ApiVersionsRequest()),
    "Metadata of 1 topic": (ApiKey.METADATA, 9, metadata(TOPICS[:1])),
    "Metadata of 100 topics": (ApiKey.METADATA, 9, metadata(TOPICS)),
    "Metadata of all topics, 1,050 partitions": (ApiKey.METADATA, 9, MetadataRequest(topics=None)),
    "FindCoordinator": (ApiKey.FIND_COORDINATOR, 4, FindCoordinatorRequest(key_type=0, coordinator_keys=["g"])),
    "ListOffsets of 1 partition, in C": (ApiKey.LIST_OFFSETS, 7, list_offsets(1)),
    "ListOffsets of 10 partitions, in C": (ApiKey.LIST_OFFSETS, 7, list_offsets(10)),
    "OffsetCommit of 1 partition": (ApiKey.OFFSET_COMMIT, 8, commit(1)),
    "OffsetCommit of 10 partitions": (ApiKey.OFFSET_COMMIT, 8, commit(10)),
    "OffsetFetch of 10 partitions": (ApiKey.OFFSET_FETCH, 8, committed(10)),
    "Heartbeat of nobody": (ApiKey.HEARTBEAT, 4, HeartbeatRequest(group_id="g", generation_id=1, member_id="m")),
}


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with pinned_broker() as started:
        with started.connect() as connection:
            for name in TOPICS:
                raw_client.create_topic(connection, name, PARTITIONS)
            key, version, body = REQUESTS_OF["FindCoordinator"]
            raw_client.call(connection, key, version, body)  # makes __consumer_offsets
        yield started


def answered(broker: BrokerProcess, key: ApiKey, version: int, body: Message) -> None:
    """Waits until the coordinator has loaded: error codes 14 to 16 are "not yet"."""
    with broker.connect() as connection:
        for _ in itertools.repeat(None, 1000):
            connection.sendall(encode_request(key, version, 1, "bench", body, with_length=True))
            _, answer = decode_response(key, version, raw_client.receive_frame(connection))
            if not any(f"error_code={code}," in repr(answer) for code in (14, 15, 16)):
                return
    raise TimeoutError(repr(answer))


@pytest.mark.parametrize("name", REQUESTS_OF)
def test_request(benchmark: Any, broker: BrokerProcess, name: str) -> None:
    key, version, body = REQUESTS_OF[name]
    answered(broker, key, version, body)
    frame = encode_request(key, version, 1, "bench", body, with_length=True)
    costs = []
    with broker.connect() as connection:

        def load() -> None:
            before = broker.cpu_s()
            for _ in range(REQUESTS):
                connection.sendall(frame)
                raw_client.receive_frame(connection)
            costs.append((broker.cpu_s() - before) / REQUESTS * 1e6)

        benchmark.pedantic(load, rounds=ROUNDS, warmup_rounds=1)
    benchmark.group = "requests beside Produce and Fetch"
    benchmark.extra_info.update(
        requests=REQUESTS,
        broker_cpu_us_each=round(statistics.median(costs[1:]), 1),
        broker_cpu_us_each_range=[round(min(costs[1:]), 1), round(max(costs[1:]), 1)],
        machine=broker_process.machine(),
    )
    print(f"{name}: {statistics.median(costs[1:]):.1f} µs of broker CPU each")

"""2,000 partitions under `ulimit -n 1024` with 200 clients connected.

Method: a broker process with that limit; every partition is written to and read from, and the broker is stopped and
started once.
"""

from __future__ import annotations

import os
import resource
from contextlib import ExitStack
from pathlib import Path

import pytest

from pykafka_core.protocol.messages.create_topics_request import CreatableTopic, CreateTopicsRequest
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from tests.broker.processes import broker_process
from tests.broker.raw_client import RawClient, batch_of, fetch
from tests.ports import free_port

TOPICS, PARTITIONS, CLIENTS, FILES_MAX = 20, 100, 200, 1024


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))


def produce_everywhere(clients: list[RawClient]) -> None:
    """Each client writes to all partitions of a topic."""
    data = [PartitionProduceData(index=index, records=batch_of(b"v")) for index in range(PARTITIONS)]
    for number, client in enumerate(clients):
        topic = TopicProduceData(name=f"t{number % TOPICS}", partition_data=data)
        answer = client.call(ProduceRequest(acks=1, timeout_ms=5000, topic_data=[topic]), 8)
        assert {partition.error_code for partition in answer.responses[0].partition_responses} == {0}


@pytest.mark.timeout(300)
def test_two_thousand_partitions_and_two_hundred_clients(tmp_path: Path) -> None:
    port = free_port()
    with broker_process(tmp_path, port=port, before_exec=few_files) as broker:
        broker.await_ready()
        with ExitStack() as stack:
            clients = [stack.enter_context(broker.client()) for _ in range(CLIENTS)]
            topics = [
                CreatableTopic(name=f"t{number}", num_partitions=PARTITIONS, replication_factor=1)
                for number in range(TOPICS)
            ]
            # One at a time: all in one request take a busy machine longer than a client waits.
            for topic in topics:
                (answer,) = clients[0].call(CreateTopicsRequest(topics=[topic]), 7).topics
                assert answer.error_code == 0
            produce_everywhere(clients)
            files = len(os.listdir(f"/proc/{broker.process.pid}/fd")) if Path("/proc/self/fd").exists() else 0
            assert files < FILES_MAX
            with broker.client() as late:
                assert late.call(MetadataRequest(topics=[]), 9).brokers
        assert broker.stop() == 0
        assert "too many open files" not in broker.output.lower()
    with broker_process(tmp_path, port=port, before_exec=few_files) as broker:
        broker.await_ready()
        with broker.client() as client:
            found = client.call(MetadataRequest(topics=None), 12).topics
            assert sum(len(topic.partitions) for topic in found) == TOPICS * PARTITIONS
            assert all(fetch(client, f"t{number}", PARTITIONS - 1) for number in range(TOPICS))
        assert broker.stop() == 0

"""Transactions of one record each, over 20 producers at a time, in both transaction versions.

    version 1    AddPartitionsToTxn, Produce, EndTxn
    version 2    Produce, which adds the partition; EndTxn, which moves the epoch

Each producer has a transactional id, a connection and a partition of its own. All send their next request, then all
wait for their answers, so that the broker has 20 at a time. The wall time is for the most part this client's; what the
broker took for a transaction, over all its threads, stands in extra_info:

    broker_cpu_us_each      of one transaction; 333 are 3,000 transactions a second on one core
    client_cpu_us_each      of one transaction, in this process
"""

from __future__ import annotations

import os
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from bench import raw_client
from bench.broker_process import BrokerProcess, pinned_broker
from pykafka_core.native import BatchBuilder
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from pykafka_core.protocol.messages.end_txn_request import EndTxnRequest
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")
if sys.platform != "linux":
    pytest.skip("the CPU clock of another process needs Linux", allow_module_level=True)

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
PRODUCERS = 20
TRANSACTIONS = 100
"""Of each producer in one round."""
TRANSACTIONAL = 0x10
SERIAL = count()


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with pinned_broker() as started:
        yield started


class Producer:
    def __init__(self, port: int, topic: str, number: int, version: int) -> None:
        self.topic, self.number, self.version = topic, number, version
        self.id = f"{topic}-{number}"
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.call(ApiKey.FIND_COORDINATOR, 3, FindCoordinatorRequest(key=self.id, key_type=1))
        answer = self.call(
            ApiKey.INIT_PRODUCER_ID, 4, InitProducerIdRequest(transactional_id=self.id, transaction_timeout_ms=60_000)
        )
        self.producer_id, self.epoch, self.sequence = answer.producer_id, answer.producer_epoch, 0

    def call(self, key: ApiKey, version: int, body: Message) -> Any:
        self.send(key, version, body)
        return self.receive(key, version)

    def send(self, key: ApiKey, version: int, body: Message) -> None:
        self.connection.sendall(encode_request(key, version, 1, "bench", body, with_length=True))

    def receive(self, key: ApiKey, version: int) -> Any:
        return decode_response(key, version, raw_client.receive_frame(self.connection))[1]

    # ---- the steps of a transaction: what is sent, and what comes back

    def send_add(self) -> None:
        topics = [AddPartitionsToTxnTopic(name=self.topic, partitions=[self.number])]
        self.send(
            ApiKey.ADD_PARTITIONS_TO_TXN,
            3,
            AddPartitionsToTxnRequest(
                v3_and_below_transactional_id=self.id,
                v3_and_below_producer_id=self.producer_id,
                v3_and_below_producer_epoch=self.epoch,
                v3_and_below_topics=topics,
            ),
        )

    def receive_add(self) -> None:
        answer = self.receive(ApiKey.ADD_PARTITIONS_TO_TXN, 3)
        (partition,) = answer.results_by_topic_v3_and_below[0].results_by_partition
        assert partition.partition_error_code == 0

    def send_produce(self) -> None:
        builder = BatchBuilder(
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=self.sequence,
            attributes=TRANSACTIONAL,
        )
        builder.add(time.time_ns() // 1_000_000, b"key", b"x" * 100)
        self.sequence += 1
        data = PartitionProduceData(index=self.number, records=builder.finish())
        topic = TopicProduceData(name=self.topic, partition_data=[data])
        request = ProduceRequest(transactional_id=self.id, acks=-1, timeout_ms=5000, topic_data=[topic])
        self.send(ApiKey.PRODUCE, 10 + self.version, request)

    def receive_produce(self) -> None:
        answer = self.receive(ApiKey.PRODUCE, 10 + self.version)
        assert answer.responses[0].partition_responses[0].error_code == 0

    def send_end(self) -> None:
        request = EndTxnRequest(
            transactional_id=self.id, producer_id=self.producer_id, producer_epoch=self.epoch, committed=True
        )
        self.send(ApiKey.END_TXN, 3 + self.version, request)

    def receive_end(self) -> None:
        answer = self.receive(ApiKey.END_TXN, 3 + self.version)
        assert answer.error_code == 0
        if self.version == 2:
            self.producer_id, self.epoch, self.sequence = answer.producer_id, answer.producer_epoch, 0


def transact(producers: list[Producer]) -> None:
    """One transaction of each."""
    steps = [(Producer.send_produce, Producer.receive_produce), (Producer.send_end, Producer.receive_end)]
    if producers[0].version == 1:
        steps.insert(0, (Producer.send_add, Producer.receive_add))
    for send, receive in steps:
        for each in producers:
            send(each)
        for each in producers:
            receive(each)


@pytest.mark.benchmark(group="transactions of one record, 20 producers")
@pytest.mark.parametrize("version", [1, 2])
def test_transactions(benchmark: Any, broker: BrokerProcess, version: int) -> None:
    topic = f"transactions-{next(SERIAL)}"
    with socket.create_connection(("127.0.0.1", broker.port)) as connection:
        raw_client.create_topic(connection, topic, PRODUCERS)
    producers = [Producer(broker.port, topic, number, version) for number in range(PRODUCERS)]
    for _ in range(20):
        transact(producers)
    broker_us: list[float] = []
    client_us: list[float] = []

    def one_round() -> None:
        before, own = broker.cpu_s(), time.process_time()
        for _ in range(TRANSACTIONS):
            transact(producers)
        each = TRANSACTIONS * PRODUCERS
        broker_us.append((broker.cpu_s() - before) / each * 1e6)
        client_us.append((time.process_time() - own) / each * 1e6)

    benchmark.pedantic(one_round, rounds=ROUNDS)
    benchmark.extra_info["broker_cpu_us_each"] = round(statistics.median(broker_us), 1)
    benchmark.extra_info["client_cpu_us_each"] = round(statistics.median(client_us), 1)
    for each in producers:
        each.connection.close()

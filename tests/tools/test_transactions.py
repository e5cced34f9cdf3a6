"""kafka-transactions says what Kafka's says, finds transactions in each of their states, and ends those that are open.

Method: golden/transactions.session holds answers of Apache Kafka's own tool. Then a transaction is opened by our client
on either broker and left as it is; it is listed, described, found in its partition, and ended in both ways that there
are.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from pathlib import Path

import pytest

import recorded
from harness import broker as brokers
from pykafka_core.client.admin import create_topic
from pykafka_core.client.cluster import Client
from pykafka_core.client.load import ProduceTask, open_produce_load, run
from pykafka_core.client.transactions import Transaction
from running import Ran, run_inside


@pytest.fixture(params=["ours", "kafka"])
def broker(request: pytest.FixtureRequest) -> brokers.Broker:
    found: brokers.Broker = request.getfixturevalue(request.param)
    return found


def words_of(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split()).replace("- ", "-")


def test_answers_are_those_of_kafkas_tool(broker: brokers.Broker, tmp_path: Path) -> None:
    count = 0
    for step, ran in recorded.replay("transactions", tmp_path, broker.bootstrap, run=run_inside):
        count += 1
        assert (ran.status, ran.out) == (step.status, step.out), step.line
        # What its client logs and what argparse4j suggests are left out.
        wanted = [line for line in step.err if not line.startswith("[kafka-admin-client-thread")]
        assert words_of(ran.err) == words_of(wanted).partition(" Did you mean")[0], step.line
    assert count == 23


def transactions(broker: brokers.Broker, *words: str) -> Ran:
    return run_inside("kafka-transactions", "--bootstrap-server", broker.bootstrap, *words)


def rows(ran: Ran) -> list[list[str]]:
    assert (ran.status, ran.err) == (0, []), ran
    return [[cell.strip() for cell in line.split("\t")[:-1]] for line in ran.out[1:]]


async def open_transaction(broker: brokers.Broker, topic: str, transactional_id: str) -> None:
    """Three records of a transaction that nobody ends."""
    async with Client([broker.address]) as client:
        await create_topic(client, topic, partition_count=1)
        transaction = Transaction(client, transactional_id)
        await transaction.init()
        await transaction.add_partitions([(topic, 0)])
        load = await open_produce_load(
            client,
            topic,
            {},
            ProduceTask(
                record_count=3,
                payload=10,
                transactional_id=transactional_id,
                producer_id=transaction.producer_id,
                producer_epoch=transaction.producer_epoch,
            ),
        )
        while not await run(load, 100):
            pass
        assert load.failed == (0, 0)


def test_an_open_transaction_is_seen_and_forced_to_its_end(broker: brokers.Broker) -> None:
    topic, name = f"open-{uuid.uuid4().hex[:8]}", f"id-{uuid.uuid4().hex[:8]}"
    asyncio.run(open_transaction(broker, topic, name))
    listed = rows(transactions(broker, "list", "--transactional-id-pattern", name))
    assert [(row[0], row[1], row[3]) for row in listed] == [(name, "1", "Ongoing")]
    (described,) = rows(transactions(broker, "describe", "--transactional-id", name))
    assert described[:2] == ["1", name]
    assert described[4:6] == ["Ongoing", "60000"]
    assert described[8] == f"{topic}-0"
    assert re.fullmatch(r"\d{13}", described[6])
    assert int(described[7]) < 60_000
    (producer,) = rows(transactions(broker, "describe-producers", "--topic", topic, "--partition", "0"))
    assert producer[0] == described[2]
    assert (producer[3], producer[5]) == ("2", "0")
    # Its coordinator knows of it, so that it does not hang.
    assert rows(transactions(broker, "find-hanging", "--topic", topic, "--max-transaction-timeout", "0")) == []
    assert transactions(broker, "forceTerminateTransaction", "--transactionalId", name).status == 0
    (described,) = rows(transactions(broker, "describe", "--transactional-id", name))
    assert described[4] in ("CompleteAbort", "Empty")
    (producer,) = rows(transactions(broker, "describe-producers", "--topic", topic, "--partition", "0"))
    assert producer[5] == "None"


def test_a_transaction_of_one_partition_is_aborted_where_it_lies(broker: brokers.Broker) -> None:
    topic, name = f"abort-{uuid.uuid4().hex[:8]}", f"id-{uuid.uuid4().hex[:8]}"
    asyncio.run(open_transaction(broker, topic, name))
    where = ["--topic", topic, "--partition", "0"]
    ran = transactions(broker, "abort", *where, "--start-offset", "0")
    assert (ran.status, ran.out, ran.err) == (0, [], []), ran
    (producer,) = rows(transactions(broker, "describe-producers", *where))
    assert producer[5] == "None"
    assert transactions(broker, "abort", *where, "--start-offset", "0").status == 1
    ends = run_inside("kafka-get-offsets", "--bootstrap-server", broker.bootstrap, "--topic", topic)
    assert ends.out == [f"{topic}:0:4"]


def test_the_performance_test_commits_its_transactions(broker: brokers.Broker) -> None:
    topic, name = f"perf-{uuid.uuid4().hex[:8]}", f"id-{uuid.uuid4().hex[:8]}"
    where = ["--bootstrap-server", broker.bootstrap, "--topic", topic]
    words = ["--num-records", "2000", "--record-size", "10", "--throughput", "10000", "--transactional-id", name]
    ran = run_inside("kafka-producer-perf-test", *where, *words, "--transaction-duration-ms", "50")
    assert (ran.status, ran.err) == (0, []), ran
    assert ran.out[-1].startswith("2000 records sent, ")
    # The commit is answered before all its markers are written.
    deadline = time.monotonic() + 60
    while (states := [row[3] for row in rows(transactions(broker, "list", "--transactional-id-pattern", name))]) == [
        "PrepareCommit"
    ]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert states == ["CompleteCommit"]
    committed = ["--num-records", "2000", "--hide-header", "--command-property", "isolation.level=read_committed"]
    ran = run_inside("kafka-consumer-perf-test", *where, *committed)
    assert (ran.status, ran.err) == (0, []), ran
    assert ran.out[0].split(", ")[4] == "2000"
    # Several transactions, each with a marker.
    ends = run_inside("kafka-get-offsets", "--bootstrap-server", broker.bootstrap, "--topic", topic)
    assert int(ends.out[0].split(":")[2]) > 2001

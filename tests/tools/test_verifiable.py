"""The verifiable tools print an event for whatever happens, in the shape of Kafka's, and end in good order.

Method: what Apache Kafka 4.3.1's tools printed stands in EVENTS as the keys of each event, in order; ours are run
against either broker.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import uuid
from queue import Queue
from typing import Any

import pytest

from harness import broker as brokers
from running import run_inside, run_ours

EVENTS = {
    "startup_complete": [],
    "producer_send_success": ["key", "value", "offset", "topic", "partition"],
    "producer_send_error": ["topic", "key", "value", "exception", "message"],
    "tool_data": ["sent", "acked", "target_throughput", "avg_throughput"],
    "partitions_assigned": ["partitions"],
    "partitions_revoked": ["partitions"],
    "record_data": ["key", "value", "topic", "partition", "offset"],
    "records_consumed": ["count", "partitions"],
    "offsets_committed": ["offsets", "success"],
    "shutdown_complete": [],
    "shutdown_requested": [],
}


@pytest.fixture(params=["ours", "kafka"])
def broker(request: pytest.FixtureRequest) -> brokers.Broker:
    found: brokers.Broker = request.getfixturevalue(request.param)
    return found


def read_event(line: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(line)
    assert list(event) == ["timestamp", "name", *EVENTS[event["name"]]]
    assert line == json.dumps(event, separators=(",", ":")) or "avg_throughput" in event
    return event


def events(lines: list[str]) -> list[dict[str, Any]]:
    return [read_event(line) for line in lines]


def names(found: list[dict[str, Any]]) -> list[str]:
    return [each["name"] for each in found]


def test_what_is_produced_is_consumed(broker: brokers.Broker) -> None:
    topic, group_id = f"vp-{uuid.uuid4().hex[:8]}", f"vg-{uuid.uuid4().hex[:8]}"
    where = ["--bootstrap-server", broker.bootstrap, "--topic", topic]
    # In a process of its own, as signals are for the main thread of one.
    ran = run_ours(
        "kafka-verifiable-producer", *where, "--max-messages", "5", "--value-prefix", "7", "--repeating-keys", "2"
    )
    produced = events(ran.out)
    assert (ran.status, ran.err) == (0, [])
    assert names(produced) == ["startup_complete", *["producer_send_success"] * 5, "shutdown_complete", "tool_data"]
    sent = [(each["key"], each["value"], each["offset"], each["partition"]) for each in produced[1:6]]
    assert sent == [(str(number % 2), f"7.{number}", number, 0) for number in range(5)]
    assert (produced[-1]["sent"], produced[-1]["acked"], produced[-1]["target_throughput"]) == (5, 5, -1)
    read = [*where, "--group-id", group_id, "--max-messages"]
    consumed = events(run_ours("kafka-verifiable-consumer", *read, "3", "--verbose").out)
    assert names(consumed) == [
        "startup_complete", "partitions_assigned", "record_data", "record_data", "record_data", "records_consumed",
        "offsets_committed", "partitions_revoked", "shutdown_complete", "shutdown_requested",
    ]  # fmt: skip
    assert [(each["key"], each["value"], each["offset"]) for each in consumed[2:5]] == [each[:3] for each in sent[:3]]
    assert consumed[5]["partitions"] == [{"topic": topic, "partition": 0, "count": 3, "minOffset": 0, "maxOffset": 2}]
    assert consumed[6]["offsets"] == [{"topic": topic, "partition": 0, "offset": 3}]
    consumed = events(run_ours("kafka-verifiable-consumer", *read, "2", "--enable-autocommit").out)
    assert "offsets_committed" not in names(consumed)
    assert consumed[2]["partitions"][0]["minOffset"] == 3
    groups = run_inside(
        "kafka-consumer-groups", "--bootstrap-server", broker.bootstrap, "--describe", "--group", group_id
    )
    assert groups.out[-1].split()[:6] == [group_id, topic, "0", "5", "5", "0"]


def test_a_message_that_is_refused_is_told(ours: brokers.Broker) -> None:
    ran = run_ours(
        "kafka-verifiable-producer", "--bootstrap-server", ours.bootstrap, "--topic", "b@d", "--max-messages", "1"
    )
    found = events(ran.out)
    assert names(found) == ["startup_complete", "producer_send_error", "shutdown_complete", "tool_data"]
    assert found[1]["exception"] == "class org.apache.kafka.common.errors.InvalidTopicException"
    assert found[1]["message"] == "Invalid topics: [b@d]"
    assert ran.status == 0


class Running:
    """A tool that runs until it is told to stop."""

    def __init__(self, module: str, *words: str) -> None:
        line = [sys.executable, "-m", f"pykafka_core.tools.{module}", *words]
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
        self.lines: Queue[str | None] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def until(self, name: str) -> dict[str, Any]:
        while (line := self.lines.get(timeout=60)) is not None:
            event = read_event(line)
            if event["name"] == name:
                return event
        raise AssertionError(f"ended before {name}")

    def stop(self) -> list[dict[str, Any]]:
        self.process.send_signal(signal.SIGTERM)
        rest = []
        while (line := self.lines.get(timeout=60)) is not None:
            rest.append(read_event(line))
        assert self.process.wait(60) == 128 + signal.SIGTERM
        return rest


def test_a_signal_ends_both_in_good_order_and_a_second_member_takes_part(ours: brokers.Broker) -> None:
    topic, group_id = f"vs-{uuid.uuid4().hex[:8]}", f"vg-{uuid.uuid4().hex[:8]}"
    where = ["--bootstrap-server", ours.bootstrap, "--topic", topic]
    created = run_inside("kafka-topics", *where, "--create", "--partitions", "2")
    assert created.status == 0
    producer = Running("verifiable_producer", *where, "--throughput", "200")
    read = [*where, "--group-id", group_id, "--session-timeout", "10000"]
    first = Running("verifiable_consumer", *read)
    assert len(first.until("partitions_assigned")["partitions"]) == 2
    first.until("offsets_committed")
    second = Running("verifiable_consumer", *read)
    assert len(first.until("partitions_revoked")["partitions"]) == 2
    own, other = (each.until("partitions_assigned")["partitions"] for each in (first, second))
    assert sorted(each["partition"] for each in own + other) == [0, 1]
    end = names(second.stop())
    assert end[-3:] == ["shutdown_requested", "partitions_revoked", "shutdown_complete"]
    assert len(first.until("partitions_assigned")["partitions"]) == 2
    summary = producer.stop()[-1]
    assert summary["name"] == "tool_data"
    assert summary["sent"] == summary["acked"] > 0
    assert names(first.stop())[-1] == "shutdown_complete"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--reset-policy", "foo"], "Invalid value foo for configuration auto.offset.reset"),
        (["--group-protocol", "foo"], "No enum constant org.apache.kafka.clients.consumer.GroupProtocol.FOO"),
        (
            ["--assignment-strategy", "org.example.Foo"],
            "partition.assignment.strategy=org.example.Foo is not supported",
        ),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], said: str) -> None:
    where = ["--bootstrap-server", "localhost:1", "--topic", "t", "--group-id", "g"]
    ran = run_inside("kafka-verifiable-consumer", *where, *words)
    assert (ran.status, ran.out) == (1, [])
    assert said in ran.err[0]


@pytest.mark.parametrize(
    "words",
    [
        ["--group-protocol", "consumer", "--group-remote-assignor", "uniform"],
        ["--assignment-strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"],
    ],
)
def test_members_give_up_only_what_others_get(words: list[str], ours: brokers.Broker) -> None:
    topic, group_id = f"vc-{uuid.uuid4().hex[:8]}", f"vg-{uuid.uuid4().hex[:8]}"
    where = ["--bootstrap-server", ours.bootstrap, "--topic", topic]
    assert run_inside("kafka-topics", *where, "--create", "--partitions", "2").status == 0
    read = [*where, "--group-id", group_id, *words]
    first = Running("verifiable_consumer", *read)
    assert len(first.until("partitions_assigned")["partitions"]) == 2
    second = Running("verifiable_consumer", *read)
    (given_up,) = first.until("partitions_revoked")["partitions"]
    # Told of the rebalance, though it gets nothing: Kafka's does the same.
    assert first.until("partitions_assigned")["partitions"] == []
    taken: list[dict[str, Any]] = []
    while not taken:
        taken = second.until("partitions_assigned")["partitions"]
    assert taken == [given_up]
    assert run_ours("kafka-verifiable-producer", *where, "--max-messages", "20").status == 0
    groups = run_inside("kafka-groups", "--bootstrap-server", ours.bootstrap, "--list")
    wanted = "Consumer" if "consumer" in words else "Classic"
    assert any(line.split()[:2] == [group_id, wanted] for line in groups.out)
    end = names(second.stop())
    assert end[-3:] == ["shutdown_requested", "partitions_revoked", "shutdown_complete"]
    while not (gained := first.until("partitions_assigned")["partitions"]):
        pass
    assert gained == [given_up]
    assert names(first.stop())[-1] == "shutdown_complete"

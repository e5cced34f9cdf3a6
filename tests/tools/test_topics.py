"""kafka-topics: what the recorded session does not show, and the same commands by both tools against both brokers."""

from __future__ import annotations

import re

import pytest

from four import assert_one_answer
from harness.broker import Broker
from running import Ran, run_ours
from tests.ports import free_ports

NAME = "kafka-topics"


def topics(broker: Broker, *words: str) -> Ran:
    return run_ours(NAME, "--bootstrap-server", broker.bootstrap, *words)


def test_lists_are_filtered_by_regular_expression(ours: Broker) -> None:
    for name in ("regex-a1", "regex-a2", "regex-b1"):
        assert topics(ours, "--create", "--topic", name).out == [f"Created topic {name}."]
    assert topics(ours, "--list", "--topic", "regex-a.*").out == ["regex-a1", "regex-a2"]
    assert topics(ours, "--list", "--topic", "regex-a1,regex-b.").out == ["regex-a1", "regex-b1"]
    assert topics(ours, "--list", "--topic=regex").out == [""]
    assert topics(ours, "--delete", "--topic", "regex-a.*").status == 0
    assert topics(ours, "--list", "--topic", "regex-.*").out == ["regex-b1"]


def test_bad_regular_expression(ours: Broker) -> None:
    ran = topics(ours, "--list", "--topic", "a(")
    assert ran.status == 1
    assert ran.out == ["Error while executing topic command : a( is an invalid regex."]


def test_description_by_id(ours: Broker) -> None:
    topics(ours, "--create", "--topic", "by-id")
    line = topics(ours, "--describe", "--topic", "by-id").out[0]
    topic_id = re.search(r"TopicId: (\S+)", line)
    assert topic_id
    assert topics(ours, "--describe", f"--topic-id={topic_id[1]}").out[0] == line
    missing = topics(ours, "--describe", "--topic-id=AAAAAAAAAAAAAAAAAAAAAg")
    assert missing.status == 1
    assert "TopicId 'AAAAAAAAAAAAAAAAAAAAAg' does not exist as expected" in missing.out[0]
    assert topics(ours, "--describe", "--topic-id=short").status == 1


def test_existing_or_not_may_be_no_error(ours: Broker) -> None:
    assert topics(ours, "--delete", "--topic", "not-there", "--if-exists").status == 0
    ran = topics(ours, "--alter", "--topic", "not-there", "--partitions", "2", "--if-exists")
    assert (ran.status, ran.out) == (0, [])


def test_reports_of_a_healthy_broker_are_empty(ours: Broker) -> None:
    topics(ours, "--create", "--topic", "healthy", "--partitions", "2")
    for report in ("under-replicated-partitions", "unavailable-partitions", "under-min-isr-partitions"):
        ran = topics(ours, "--describe", "--topic", "healthy", f"--{report}")
        assert (ran.status, ran.out) == (0, [])
    assert len(topics(ours, "--describe", "--topic", "healthy", "--at-min-isr-partitions").out) == 2


def test_many_partitions_come_in_several_answers(ours: Broker) -> None:
    topics(ours, "--create", "--topic", "wide", "--partitions", "25")
    ran = topics(ours, "--describe", "--topic", "wide", "--partition-size-limit-per-response", "10")
    assert [line.split("\t")[2] for line in ran.out[1:]] == [f"Partition: {index}" for index in range(25)]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--list", "--create"], "Command must include exactly one action: --list, --describe, --create, --alter"),
        (["--create"], 'Missing required argument "[topic]"'),
        (["--create", "--topic", "a", "--if-exists"], 'Option "[if-exists]" can\'t be used with option "[create]"'),
        (["--alter", "--topic", "a"], 'Missing required argument "[partitions]"'),
        (["--topic"], "Option topic requires an argument"),
        (["--list=x"], "Option list does not allow an argument"),
        (["--t", "a"], "t is not a recognized option"),
    ],
)
def test_wrong_use(words: list[str], text: str) -> None:
    ran = run_ours(NAME, "--bootstrap-server", "127.0.0.1:1", *words)
    assert ran.status == 1
    assert ran.out == []
    assert ran.err[0].startswith(text)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--topic", "a", "--partitions", "many"], "Cannot parse argument 'many' of option partitions"),
        (["--topic", "a", "--config", "flush.ms"], "all configs to be added must be in the format"),
        (["--topic", "a", "--replica-assignment", "1:1"], "may not contain duplicate entries: 1"),
        (["--topic", "a", "--replica-assignment", "1,1:2"], "Partition 1 has different replication factor: [1, 2]"),
        (["--topic", "a", "--replica-assignment", "x"], 'For input string: "x"'),
        (["--topic", "a", "--replication-factor", "0"], "The replication factor must be between 1 and 32767"),
    ],
)
def test_bad_values(ours: Broker, words: list[str], text: str) -> None:
    ran = topics(ours, "--create", *words)
    assert ran.status == 1
    assert ran.out[-1].startswith("Error while executing topic command : ")
    assert text in ran.out[-1]


def test_unreachable_broker(tmp_path) -> None:
    config = tmp_path / "client.properties"
    config.write_text("default.api.timeout.ms=400\n")
    port = free_ports(1)[0]
    ran = run_ours(NAME, "--bootstrap-server", f"127.0.0.1:{port}", "--list", "--command-config", str(config))
    assert ran.status == 1
    text = "Timed out waiting for a node assignment. Call: listTopics"
    assert ran.out == [f"Error while executing topic command : {text}"]


@pytest.mark.parametrize("line", ["security.protocol=SASL_SSL", "ssl.truststore.location=x", "retry.backoff.ms=soon"])
def test_settings_that_cannot_be_used(tmp_path, line: str) -> None:
    config = tmp_path / "client.properties"
    config.write_text(line + "\n")
    ran = run_ours(NAME, "--bootstrap-server", "127.0.0.1:1", "--list", "--command-config", str(config))
    assert ran.status == 1
    assert line.partition("=")[0] in ran.out[0]


STORY = """
kafka-topics --create --topic four.story --partitions 2 --config retention.ms=100000
kafka-topics --create --topic four.story
kafka-topics --describe --topic four.story
kafka-topics --alter --topic four.story --partitions 3
kafka-topics --alter --topic four.story --partitions 3
kafka-topics --create --topic t --config no.such=1
kafka-topics --describe --topic four.story --at-min-isr-partitions
kafka-topics --list --topic four.story
kafka-topics --delete --topic four.story
kafka-topics --delete --topic four.story
"""


@pytest.mark.timeout(300)
def test_both_tools_say_the_same_of_both_brokers(ours: Broker, kafka: Broker) -> None:
    assert_one_answer(STORY, ours, kafka)

"""kafka-configs: one story by both tools to both brokers, and the parts of its command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from four import assert_one_answer
from harness.broker import Broker
from pykafka_core.tools.command import ToolError
from pykafka_core.tools.configs import COMMAND, added, deleted, read_entities
from running import run_kafkas, run_ours

STORY = r"""
kafka-topics --create --topic conf
kafka-configs --nope
kafka-configs --describe
kafka-configs --describe --alter --topic conf
kafka-configs --describe --entity-type wrong
kafka-configs --describe --entity-type topics --topic conf
kafka-configs --describe --entity-type topics --entity-type topics
kafka-configs --describe --entity-type topics --entity-default
kafka-configs --alter --topic conf
kafka-configs --alter --entity-type topics --add-config a=b
kafka-configs --alter --entity-type users --add-config a=b
kafka-configs --alter --topic conf --add-config a
kafka-configs --alter --topic conf --add-config "a!=b"
kafka-configs --alter --topic conf --add-config a=b --add-config-file x
kafka-configs --alter --topic conf --add-config no.such=1
kafka-configs --alter --topic conf --add-config retention.ms=x
kafka-configs --alter --topic conf --add-config retention.ms=100000,cleanup.policy=[compact,delete]
kafka-configs --describe --topic conf
kafka-configs --alter --topic conf --delete-config retention.ms,cleanup.policy
kafka-configs --alter --topic conf --delete-config retention.ms
kafka-configs --alter --topic conf --delete-config no.such
kafka-configs --describe --topic missing
kafka-configs --describe --topic bad/name
kafka-configs --alter --topic missing --add-config retention.ms=1
kafka-configs --describe --broker 7
kafka-configs --describe --broker x
kafka-configs --alter --user u --add-config producer_byte_rate=1024,consumer_byte_rate=2048.5
kafka-configs --alter --user u --add-config producer_byte_rate=1024,consumer_byte_rate=20000000
kafka-configs --describe --user u
kafka-configs --alter --user u --add-config producer_byte_rate=x
kafka-configs --alter --user u --add-config nope=1
kafka-configs --alter --user u --client c --add-config request_percentage=50
kafka-configs --alter --client-defaults --add-config request_percentage=50
kafka-configs --alter --user-defaults --client c --add-config request_percentage=50
kafka-configs --alter --ip 127.0.0.1 --add-config connection_creation_rate=10
kafka-configs --alter --ip-defaults --add-config connection_creation_rate=20
kafka-configs --alter --ip 127.0.0.1 --add-config nope=10
kafka-configs --describe --user u
kafka-configs --describe --user u --client c
kafka-configs --describe --entity-type users
kafka-configs --describe --entity-type clients
kafka-configs --describe --entity-type users --entity-type clients
kafka-configs --describe --client-defaults
kafka-configs --describe --entity-type ips
kafka-configs --describe --user-defaults
kafka-configs --alter --user u --delete-config producer_byte_rate,nope
kafka-configs --alter --user v --delete-config producer_byte_rate
kafka-configs --alter --user u --delete-config producer_byte_rate,consumer_byte_rate
kafka-configs --alter --user u --client c --delete-config request_percentage
kafka-configs --alter --client-defaults --delete-config request_percentage
kafka-configs --alter --user-defaults --client c --delete-config request_percentage
kafka-configs --alter --ip 127.0.0.1 --delete-config connection_creation_rate
kafka-configs --alter --ip-defaults --delete-config connection_creation_rate
kafka-configs --alter --user u --add-config SCRAM-SHA-256=[iterations=8192,password=x],SCRAM-SHA-512=[password=y]
kafka-configs --alter --user u --add-config SCRAM-SHA-512=[iterations=8192,password=x]
kafka-configs --describe --user u
kafka-configs --describe --entity-type users
kafka-configs --alter --user u --delete-config SCRAM-SHA-512
kafka-configs --alter --user u --add-config SCRAM-SHA-256=[password=x],producer_byte_rate=1
kafka-configs --alter --user u --add-config SCRAM-SHA-256=[iterations=1,password=x]
kafka-configs --alter --user u --add-config SCRAM-SHA-256=x
kafka-configs --alter --user-defaults --add-config SCRAM-SHA-256=[password=x]
kafka-configs --describe --user u
kafka-configs --describe --entity-type users
kafka-configs --describe --user nobody
kafka-configs --alter --user u --delete-config SCRAM-SHA-256,SCRAM-SHA-512
kafka-configs --alter --user u --delete-config SCRAM-SHA-256
kafka-configs --alter --broker 1 --add-config message.max.bytes=1500000
kafka-configs --describe --broker 1
kafka-configs --alter --entity-type brokers --entity-name 1 --delete-config message.max.bytes
kafka-configs --alter --broker 1 --add-config broker.id=3
kafka-configs --alter --group g --add-config consumer.session.timeout.ms=50000
kafka-configs --describe --group g
kafka-configs --describe --group nogroup
kafka-configs --describe --entity-type groups
kafka-configs --alter --group g --delete-config consumer.session.timeout.ms
kafka-configs --alter --client-metrics m --add-config interval.ms=1000,metrics=[a,b]
kafka-configs --describe --client-metrics m
kafka-configs --describe --entity-type client-metrics
kafka-configs --describe --client-metrics nometrics
kafka-configs --alter --client-metrics m --delete-config interval.ms,metrics
kafka-configs --describe --entity-type broker-loggers
kafka-topics --delete --topic conf
"""


@pytest.mark.timeout(300)
def test_both_tools_say_the_same_of_both_brokers(ours: Broker, kafka: Broker) -> None:
    assert_one_answer(STORY, ours, kafka)
    for broker in (ours, kafka):
        # Every setting there is: not the same ones of both brokers, but of each by both tools.
        for words in (["--topic", "all-configs"], ["--broker", "1"]):
            line = ("--bootstrap-server", broker.bootstrap, "--describe", "--all", *words)
            run_ours("kafka-topics", *line[:2], "--create", "--topic", "all-configs", "--if-not-exists")
            by_ours, by_kafkas = run_ours("kafka-configs", *line), run_kafkas("kafka-configs", *line)
            assert by_ours.out == by_kafkas.out
            assert len(by_ours.out) > 20


@pytest.mark.parametrize(
    ("text", "configs"),
    [
        ("a=b", {"a": "b"}),
        ("a=b,c=[d,e],f=", {"a": "b", "c": "d,e", "f": ""}),
        ("a = b , c=[[x]=1]", {"a": "b", "c": "x=1"}),
        ("SCRAM-SHA-256=[iterations=8192,password=a=b]", {"SCRAM-SHA-256": "iterations=8192,password=a=b"}),
    ],
)
def test_configs_to_add(text: str, configs: dict[str, str]) -> None:
    assert added(COMMAND.parse(["--add-config", text])) == configs


@pytest.mark.parametrize("text", ["a", "a=b=c", "a=b,c", "a b=c", "a/b=c"])
def test_configs_that_cannot_be_added(text: str) -> None:
    with pytest.raises(ToolError):
        added(COMMAND.parse(["--add-config", text]))


def test_configs_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "add.properties"
    file.write_text("a=b,c\n# nothing\nd : [e]\n")
    assert added(COMMAND.parse(["--add-config-file", str(file)])) == {"a": "b,c", "d": "[e]"}


def test_configs_to_delete_may_be_repeated() -> None:
    assert deleted(COMMAND.parse(["--delete-config", "a, b", "--delete-config", "c"])) == ["a", "b", "c"]


def test_names_and_defaults_belong_to_types_in_their_order() -> None:
    words = ["--entity-type", "users", "--entity-default", "--entity-type", "clients", "--entity-name", "c"]
    entities = read_entities(COMMAND.parse(words))
    assert (entities.types, entities.names) == (["users", "clients"], ["", "c"])
    entities = read_entities(COMMAND.parse(["--client", "c", "--user-defaults"]))
    assert (entities.types, entities.names) == (["clients", "users"], ["c", ""])


def test_every_topic_and_every_broker_is_described_where_no_name_is_given(ours: Broker) -> None:
    servers = ("--bootstrap-server", ours.bootstrap)
    run_ours("kafka-topics", *servers, "--create", "--topic", "described", "--config", "flush.ms=1000")
    ran = run_ours("kafka-configs", *servers, "--describe", "--entity-type", "topics")
    assert ran.out[ran.out.index("Dynamic configs for topic described are:") + 1].startswith("  flush.ms=1000 ")
    ran = run_ours("kafka-configs", *servers, "--describe", "--entity-type", "brokers", "--all")
    assert ran.out[0] == "All configs for broker 1 are:"
    assert "Default configs for brokers in the cluster are:" in ran.out
    run_ours("kafka-topics", *servers, "--delete", "--topic", "described")


def test_an_address_that_is_none(ours: Broker) -> None:
    words = ("--alter", "--ip", "no.such.host.invalid", "--add-config", "connection_creation_rate=10")
    ran = run_ours("kafka-configs", "--bootstrap-server", ours.bootstrap, *words)
    assert ran.status == 1
    assert ran.err[0].endswith("must be a valid IP or resolvable host, but it is: no.such.host.invalid")

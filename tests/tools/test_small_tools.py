"""The commands that ask one question each: kafka-get-offsets, -delete-records, -log-dirs, -cluster, -features and
-broker-api-versions. Wrong use, and one story by both tools to both brokers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from four import assert_one_answer
from harness.broker import Broker
from pykafka_core.tools.broker_api_versions import api_lines
from running import run_kafkas, run_ours

UNREACHABLE = ("--bootstrap-server", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("tool", "words", "text"),
    [
        ("kafka-get-offsets", ["--topic-partitions", "a", "--topic", "a"], "Error occurred: --topic-partitions cannot"),
        ("kafka-get-offsets", ["--partitions", "x"], "Error occurred: --partitions expects a comma separated list of"),
        ("kafka-get-offsets", ["--time", "soon"], "Error occurred: Malformed time argument soon. Please use -1 or"),
        (
            "kafka-get-offsets",
            ["--topic-partitions", "a:x"],
            "Error occurred: org.apache.kafka.tools.TerseException: I",
        ),
        ("kafka-get-offsets", ["--nope"], "Error occurred: nope is not a recognized option"),
        ("kafka-delete-records", [], 'Missing required argument "[offset-json-file]"'),
        ("kafka-delete-records", ["--offset-json-file", "/no/such"], "Unable to read file /no/such"),
        ("kafka-log-dirs", [], 'Missing required argument "[describe]"'),
        ("kafka-log-dirs", ["--nope"], "nope is not a recognized option"),
        ("kafka-broker-api-versions", ["--nope"], "nope is not a recognized option"),
    ],
)
def test_wrong_use(tool: str, words: list[str], text: str) -> None:
    ran = run_ours(tool, *UNREACHABLE, *words)
    assert (ran.status, ran.out) == (1, [])
    assert ran.err[0].startswith(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{x", "The input string is not a valid JSON"),
        ('{"version": 2, "partitions": []}', "Not supported version field value 2"),
        ('{"version": 1}', "Missing partitions field"),
        ('{"partitions": [{"topic": "t", "partition": "x", "offset": 1}]}', 'Expected `Integer` value, received "x"'),
        ('{"partitions": [{"topic": "t", "partition": 1, "offset": 1}, {"topic": "t", "partition": 1, "offset": 2}]}',
         "Offset json file contains duplicate topic partitions: t-1"),
    ],
)  # fmt: skip
def test_files_of_offsets_that_cannot_be_used(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "offsets.json"
    file.write_text(text)
    ran = run_ours("kafka-delete-records", *UNREACHABLE, "--offset-json-file", str(file))
    assert (ran.status, ran.out, ran.err[0]) == (1, [], said)


STORY = r"""
kafka-topics --create --topic small --partitions 3
kafka-console-producer --topic small --property parse.key=true --property key.separator=: << a:1\nb:2\nc:3\nd:4\ne:5\n
kafka-get-offsets --topic small
kafka-get-offsets --topic smal.* --partitions 0,2
kafka-get-offsets --topic-partitions small:0,small:1-,nothing --exclude-internal-topics
kafka-get-offsets --topic-partitions small:-2 --time earliest
kafka-get-offsets --topic small --time max-timestamp --partitions 9
kafka-get-offsets --topic small --time -4
kafka-get-offsets --topic small --time latest-tiered
kafka-get-offsets --topic small --time 1
kafka-get-offsets --topic small --time 99999999999999
kafka-get-offsets --topic missing
kafka-get-offsets --topic small(
kafka-get-offsets --topic small --time soon
kafka-delete-records --offset-json-file FILE
kafka-get-offsets --topic small --time -2
kafka-delete-records --offset-json-file no-such-file
kafka-log-dirs --describe --topic-list small
kafka-log-dirs --describe --topic-list missing --broker-list 1
kafka-log-dirs --describe --broker-list 7,1
kafka-log-dirs --describe --broker-list x
kafka-topics --delete --topic small
"""


@pytest.mark.timeout(300)
def test_both_tools_say_the_same_of_both_brokers(ours: Broker, kafka: Broker, tmp_path: Path) -> None:
    file = tmp_path / "offsets.json"
    # One only: Kafka's command prints several in an order that is drawn by lot at each start.
    places = [{"topic": "small", "partition": 2, "offset": -1}]
    file.write_text(json.dumps({"partitions": places, "version": 1}))
    assert_one_answer(STORY.replace("FILE", str(file)), ours, kafka)


@pytest.mark.timeout(300)
def test_both_tools_say_the_same_of_a_cluster(ours: Broker, kafka: Broker) -> None:
    """Each command has its server behind the subcommand, which a story cannot say; Kafka's is a process for each."""
    for words in (["list-endpoints"], ["cluster-id"], ["unregister", "--id", "7"]):
        answers = set()
        for broker in (kafka, ours):
            for run in (run_kafkas, run_ours):
                ran = run("kafka-cluster", *words, "--bootstrap-server", broker.bootstrap)
                out = "\n".join(ran.out).replace(str(broker.port), "PORT")
                out = out if "Cluster ID: " not in out else out[:12]
                err = [line for line in ran.err if not line.startswith("[kafka-admin-client")]
                answers.add((ran.status, out, tuple(err)))
        assert len(answers) == 1, answers


FEATURES = """
version-mapping
version-mapping --release-version 3.6
version-mapping --release-version x
feature-dependencies --feature group.version=1 --feature metadata.version=20
feature-dependencies --feature eligible.leader.replicas.version=1
feature-dependencies --feature nope=1
feature-dependencies --feature metadata.version=99
feature-dependencies --feature group.version=9
describe
upgrade --feature group.version=1 --dry-run
upgrade --feature group.version=9 --dry-run
upgrade --feature x
upgrade --feature x=y
upgrade --feature x=1 --feature x=1
upgrade --release-version 9.3
upgrade --release-version 4.3 --feature x=1
upgrade
nothing
"""


@pytest.mark.timeout(300)
def test_both_tools_say_the_same_of_features(ours: Broker, kafka: Broker) -> None:
    for line in FEATURES.strip().splitlines():
        for broker in (kafka, ours):
            answers = set()
            for run in (run_kafkas, run_ours):
                ran = run("kafka-features", "--bootstrap-server", broker.bootstrap, *line.split())
                # The epoch is the end of Kafka's metadata log, which grows with each heartbeat.
                answers.add((ran.status, tuple(each.rsplit("Epoch: ", 1)[0] for each in ran.out), tuple(ran.err)))
            assert len(answers) == 1, (line, answers)


def test_versions_of_a_broker_that_is_older_or_newer() -> None:
    lines = dict(api_lines({0: (3, 7), 1: (40, 41), 2: (-3, -2), 999: (0, 0)}))
    assert lines[0] == "Produce(0): 3 to 7 [usable: 7]"
    assert lines[1] == "Fetch(1): 40 to 41 [unusable: node too new]"
    assert lines[2] == "ListOffsets(2): -3 to -2 [unusable: node too old]"
    assert lines[999] == "UNKNOWN(999): 0"
    assert lines[3] == "Metadata(3): UNSUPPORTED"
    assert 58 not in lines  # an API of controllers


def test_every_api_of_the_broker_is_usable(ours: Broker) -> None:
    ran = run_ours("kafka-broker-api-versions", "--bootstrap-server", ours.bootstrap)
    assert ran.out[0] == f"{ours.bootstrap} (id: 1 rack: null isFenced: false) -> ("
    assert ran.out[-1] == ")"
    assert all("[usable: " in line or line.rstrip(",").endswith(": UNSUPPORTED") for line in ran.out[1:-1])

"""kafka-consumer-groups and kafka-groups: wrong use, one story by both tools to both brokers, members and files."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from four import assert_one_answer, normal
from harness.broker import Broker
from pykafka_core.tools.java_errors import JavaError
from pykafka_core.tools.java_times import datetime_ms, duration_ms
from pykafka_core.tools.re2_syntax import regex_fault
from running import Ran, run_kafkas, run_ours

GROUPS = "kafka-consumer-groups"


def groups(broker: Broker, *words: str) -> Ran:
    return run_ours(GROUPS, "--bootstrap-server", broker.bootstrap, *words)


def forget_groups(broker: Broker) -> None:
    """Those that other tests have left behind: their names are of no two runs the same."""
    deadline = time.monotonic() + 60
    while (left := groups(broker, "--list")).out:
        assert left.status == 0
        assert time.monotonic() < deadline, left.out
        groups(broker, "--delete", "--all-groups")


def make_topic(broker: Broker, name: str, partitions: int, *values: str) -> None:
    servers = ("--bootstrap-server", broker.bootstrap, "--topic", name)
    assert run_ours("kafka-topics", *servers, "--create", "--partitions", str(partitions)).status == 0
    text = "".join(f"{value}:{value}\n" for value in values)
    keyed = ("--property", "parse.key=true", "--property", "key.separator=:")
    assert run_ours("kafka-console-producer", *servers, *keyed, stdin=text).status == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--list", "--describe", "--all-groups"], "Command must include exactly one action: --list, --describe, "),
        (["--describe"], "Option [describe] takes one of these options: [all-groups], [group]"),
        (["--describe", "--group", "g", "--members", "--state"], "Option [describe] takes at most one of these"),
        (["--describe", "--group", "g", "--state", "x"], "Option [describe] does not take a value for [state]"),
        (["--list", "--group", "g"], 'Option "[group]" can\'t be used with option "[list]"'),
        (["--delete", "--group", "g", "--topic", "t"], "The consumer does not support topic-specific offset"),
        (["--delete-offsets", "--group", "g"], "Option [delete-offsets] takes the following options"),
        (["--reset-offsets", "--group", "g", "--execute", "--dry-run"], "Option [reset-offsets] only accepts one of"),
        (["--reset-offsets", "--dry-run"], "Option [reset-offsets] takes one of these options"),
        (["--reset-offsets", "--group", "g", "--to-latest", "--to-earliest", "--dry-run"], 'Option "[to-earliest]"'),
    ],
)
def test_wrong_use(words: list[str], text: str) -> None:
    ran = run_ours(GROUPS, "--bootstrap-server", "127.0.0.1:1", *words)
    assert (ran.status, ran.out) == (1, [])
    assert ran.err[0].startswith(text)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--nope"], "joptsimple.UnrecognizedOptionException: nope is not a recognized option"),
        (["--group"], "joptsimple.OptionMissingRequiredArgumentException: Option group requires an argument"),
        (["--members"], "joptsimple.UnavailableOptionException: Option(s) [members] are unavailable given other"),
    ],
)
def test_what_joptsimple_throws(words: list[str], text: str) -> None:
    ran = run_ours(GROUPS, "--bootstrap-server", "127.0.0.1:1", *words)
    assert ran.status == 1
    assert ran.err[0].startswith(f'Exception in thread "main" {text}')


STORY = r"""
kafka-topics --create --topic groups --partitions 3
kafka-console-producer --topic groups --property parse.key=true --property key.separator=: << a:1\nb:2\nc:3\nd:4\ne:5\n
kafka-consumer-groups --list
kafka-consumer-groups --describe --group nobody
kafka-consumer-groups --group one --topic groups --reset-offsets --to-earliest --execute
kafka-consumer-groups --group a-group-of-a-rather-long-name --topic groups:1,2 --reset-offsets --to-latest --execute
kafka-consumer-groups --list
kafka-consumer-groups --list --state
kafka-consumer-groups --list --type --state empty
kafka-consumer-groups --list --state stable,dead
kafka-consumer-groups --describe --group one
kafka-consumer-groups --describe --group one --verbose
kafka-consumer-groups --describe --all-groups
kafka-consumer-groups --describe --group one --members
kafka-consumer-groups --describe --group one --members --verbose
kafka-consumer-groups --describe --group one --state
kafka-consumer-groups --describe --all-groups --state --verbose
kafka-consumer-groups --group one --all-topics --reset-offsets --shift-by 1 --dry-run
kafka-consumer-groups --group one --topic groups:0 --reset-offsets --to-offset 100
kafka-consumer-groups --group one --topic groups --reset-offsets --to-current --dry-run --export
kafka-consumer-groups --group one --group two --topic groups --reset-offsets --to-latest --dry-run --export
kafka-consumer-groups --group one --topic groups --reset-offsets --to-datetime 2001-01-01T00:00:00.000 --dry-run
kafka-consumer-groups --group one --topic groups:0 --reset-offsets --to-datetime 2035-01-01T00:00:00.000Z --dry-run
kafka-consumer-groups --group one --topic groups --reset-offsets --by-duration P1D --dry-run
kafka-consumer-groups --group one --topic groups --reset-offsets --by-duration tomorrow --dry-run
kafka-consumer-groups --group one --topic groups --reset-offsets --to-datetime tomorrow --dry-run
kafka-consumer-groups --group one --topic groups --reset-offsets --to-offset x --dry-run
kafka-consumer-groups --group one --topic groups:0,7 --reset-offsets --to-latest --dry-run
kafka-consumer-groups --group one --topic missing --reset-offsets --to-latest --dry-run
kafka-consumer-groups --group one --topic groups:x --reset-offsets --to-latest --dry-run
kafka-consumer-groups --group one --reset-offsets --to-latest --dry-run
kafka-consumer-groups --group one --topic groups --reset-offsets --from-file no-such-file --dry-run
kafka-consumer-groups --delete-offsets --group one --topic groups:0 --topic missing
kafka-consumer-groups --delete-offsets --group nobody --topic groups
kafka-consumer-groups --describe --group one --offsets
kafka-groups --list
kafka-groups --list --consumer
kafka-groups --list --protocol consumer
kafka-groups --list --group-type share
kafka-groups --list --group-type wrong
kafka-groups
kafka-consumer-groups --delete --group one --group nobody
kafka-consumer-groups --delete --all-groups
kafka-consumer-groups --validate-regex a(b
kafka-topics --delete --topic groups
"""


@pytest.mark.timeout(300)
def test_both_tools_say_the_same_of_both_brokers(ours: Broker, kafka: Broker) -> None:
    for broker in (ours, kafka):
        forget_groups(broker)
    assert_one_answer(STORY, ours, kafka)


@contextmanager
def member(broker: Broker, topic: str, group: str, record_count: int, **settings: str) -> Iterator[None]:
    """A consumer that has read so many records, has committed them and keeps its partitions."""
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "client.id": "mine",
                         "auto.offset.reset": "earliest",
                         **{name.replace("_", "."): value for name, value in settings.items()}})  # fmt: skip
    consumer.subscribe([topic])
    try:
        while record_count:
            record_count -= consumer.poll(0.2) is not None
        consumer.commit(asynchronous=False)
        yield
    finally:
        consumer.close()


ASKED = (["--describe"], ["--describe", "--verbose"], ["--describe", "--offsets"], ["--describe", "--members"],
         ["--describe", "--members", "--verbose"], ["--describe", "--state"], ["--describe", "--state", "--verbose"],
         ["--delete"], ["--reset-offsets", "--topic", "with-member", "--to-latest", "--execute"],
         ["--delete-offsets", "--topic", "with-member:0"])  # fmt: skip


def ask_both(broker: Broker, group: str) -> list[tuple[int, list[str], list[str]]]:
    """What our command and Kafka's say of the group, which must be the same."""
    told = []
    for words in ASKED:
        line = ("--bootstrap-server", broker.bootstrap, "--group", group, *words)
        by_ours, by_kafkas = run_ours(GROUPS, *line), run_kafkas(GROUPS, *line)
        assert normal(by_ours, broker) == normal(by_kafkas, broker), words
        status, out, err = normal(by_ours, broker)
        # librdkafka names its members in the Base64 that has a plus and a slash.
        told.append((status, [re.sub(r"(?<= )[\w+/-]{22}(?= )", "ID", row) for row in out], err))
    return told


@pytest.mark.timeout(300)
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_with_a_member(protocol: str, ours: Broker, kafka: Broker) -> None:
    told: dict[str, list[tuple[int, list[str], list[str]]]] = {}
    for broker in (ours, kafka):
        make_topic(broker, "with-member", 2, *"abcdefgh")
        with member(broker, "with-member", "members", 8, group_protocol=protocol):
            told[broker.target] = ask_both(broker, "members")
        assert groups(broker, "--delete", "--group", "members").status == 0
        assert run_ours("kafka-topics", "--bootstrap-server", broker.bootstrap, "--delete", "--topic", "with-member")
    assert told["ours"] == told["kafka"]
    assert "mine" in str(told["ours"])


@contextmanager
def process(broker: Broker, topic: str, group: str, *words: str) -> Iterator[None]:
    """A member that takes part in rebalances."""
    line = [sys.executable, "-m", "pykafka_core.tools.verifiable_consumer", "--bootstrap-server", broker.bootstrap]
    running = subprocess.Popen([*line, "--topic", topic, "--group-id", group, *words], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.terminate()
        running.wait(30)


@pytest.mark.timeout(300)
def test_a_group_with_members_of_both_protocols(ours: Broker, kafka: Broker) -> None:
    """And with a static one: this is where all the columns are shown."""
    for broker in (ours, kafka):
        make_topic(broker, "both", 4, *"abcdefgh")
        old = ("--assignment-strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor")
        new = ("--group-protocol", "consumer", "--group-instance-id", "static-1")
        with process(broker, "both", "both", *old), process(broker, "both", "both", *new):
            deadline = time.monotonic() + 60
            line = ("--describe", "--group", "both", "--members")
            while sorted(row.split()[-1] for row in groups(broker, *line).out[1:]) != ["#PARTITIONS", "2", "2"]:
                assert time.monotonic() < deadline
            line = ("--describe", "--group", "both")
            while groups(broker, *line, "--state").out[-1].split()[-2] != "Stable" or sum(
                int(row.split()[3]) for row in groups(broker, *line).out[2:] if row.split()[3] != "-"
            ) < 8:  # fmt: skip
                assert time.monotonic() < deadline
            verbose = ask_both(broker, "both")[4][1]
        assert verbose[1].split()[-1] == "UPGRADED"
        assert sorted(line.split()[-1] for line in verbose[2:]) == ["false", "true"]
        assert ["static-1" in line for line in sorted(verbose[2:], key=lambda line: line.split()[-1])] == [False, True]


def test_a_plan_goes_out_to_a_file_and_comes_back(ours: Broker, tmp_path: Path) -> None:
    make_topic(ours, "planned", 2, "a", "b", "c", "d", "e")
    words = ["--reset-offsets", "--group", "planner", "--topic", "planned"]
    plan = groups(ours, *words, "--to-latest", "--dry-run", "--export").out
    assert groups(ours, "--list").out.count("planner") == 0
    rows = sorted(line.split(",") for line in plan if line)
    assert [row[:2] for row in rows] == [["planned", "0"], ["planned", "1"]]
    assert sum(int(row[2]) for row in rows) == 5
    file = tmp_path / "plan.csv"
    file.write_text("\n".join(plan))
    ran = groups(ours, "--reset-offsets", "--group", "planner", "--from-file", str(file), "--execute")
    assert sorted(line.split()[1:] for line in ran.out[2:]) == rows
    described = [line.split() for line in groups(ours, "--describe", "--group", "planner").out[2:]]
    assert [[line[1], line[2], line[3], line[5]] for line in described] == [[*row, "0"] for row in rows]
    file.write_text("planner,planned,0,1\nother,planned,0,0\n")
    ran = groups(
        ours, "--reset-offsets", "--group", "planner", "--group", "other", "--from-file", str(file), "--execute"
    )
    assert sorted(line.split() for line in ran.out[2:]) == [
        ["other", "planned", "0", "0"],
        ["planner", "planned", "0", "1"],
    ]
    ran = groups(ours, "--reset-offsets", "--group", "third", "--from-file", str(file), "--dry-run")
    assert "Error: No reset plan for group third found" in ran.out
    file.write_text("not a plan\n")
    ran = groups(ours, "--reset-offsets", "--group", "third", "--from-file", str(file), "--dry-run")
    assert (ran.status, ran.out[1][:56]) == (0, "Error: Executing consumer group command failed due to co")
    assert groups(ours, "--delete", "--group", "planner", "--group", "other").out[0].endswith("was successful.")


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("ab*c+?|[^a-z]{2,3}", None),
        (r"(?i)a(?P<x>b)(?:c)\d\pL\Q*(\E[[:alpha:]\w-]", None),
        ("a(b", "missing closing )"),
        ("a)b", "unexpected )"),
        ("*a", "missing argument to repetition operator"),
        ("a**", "invalid nested repetition operator"),
        ("a{1001}", "invalid repeat count"),
        ("a[b", "missing closing ]"),
        ("[z-a]", "invalid character class range"),
        ("(?=a)", "invalid or unsupported Perl syntax"),
        (r"\q", "invalid escape sequence"),
        ("a\\", "trailing backslash at end of expression"),
    ],
)
def test_regular_expressions(pattern: str, fault: str | None) -> None:
    assert regex_fault(pattern) == fault


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("P1D", 86_400), ("PT1H2M3.5S", 3723.5), ("-PT10S", -10), ("P1DT-1H", 82_800), ("pt0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_ms(text) == seconds * 1000


def test_datetimes() -> None:
    wanted = int(dt.datetime(2024, 2, 29, 10, 0, 0, 250_000, tzinfo=dt.UTC).timestamp() * 1000)
    for text in ("2024-02-29T10:00:00.250", "2024-02-29T10:00:00.250Z", "2024-02-29T12:00:00.250+02:00",
                 "2024-02-29T08:30:00.250-0130"):  # fmt: skip
        assert datetime_ms(text) == wanted, text


@pytest.mark.parametrize("text", ["", "P", "PT", "1D", "P1Y", "PT1.5M"])
def test_wrong_durations(text: str) -> None:
    with pytest.raises(JavaError):
        duration_ms(text)


@pytest.mark.parametrize("text", ["2024-02-30T10:00:00.250", "2024-02-29", "2024-02-29T10:00", "T", "2024-02-29T"])
def test_wrong_datetimes(text: str) -> None:
    with pytest.raises(JavaError):
        datetime_ms(text)

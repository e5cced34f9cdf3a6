"""A session recorded from Apache Kafka's own commands, replayed with ours against our broker.

Method: golden/kafka-4.3.1-commands.txt holds what was typed and what was answered, in order; each command is one test,
and the later ones build on what the earlier ones have created. Standard output and exit status must be the same, and so
must what Kafka says on standard error, its stack frames aside. Ids, times, addresses and directories are replaced by
their names on both sides.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.broker import Broker
from running import OURS, Ran, run_ours

GOLDEN = Path(__file__).resolve().parent / "golden" / "kafka-4.3.1-commands.txt"
# Here a word of the recorded command line holds blanks, or the answer is ours by intent.
QUOTED = {"bad name!": "'bad name!'"}
CUT = 300  # longer lines of the recording were cut
LINES_KEPT = 9  # and so were longer outputs


class Recorded:
    def __init__(self, number: int, command: str) -> None:
        self.number = number
        self.command = command
        self.out: list[str] = []
        self.err: list[str] = []
        self.status = 0

    def words(self, bootstrap: str) -> list[str]:
        text = self.command.replace("HOST:9092", bootstrap)
        for plain, quoted in QUOTED.items():
            text = text.replace(plain, quoted)
        return shlex.split(text)


def recorded() -> Iterator[Recorded]:
    current: Recorded | None = None
    for number, line in enumerate(GOLDEN.read_text().splitlines(), 1):
        if line.startswith("$ "):
            current = Recorded(number, line[2:])
        elif current is not None and line.startswith("  rc="):
            current.status = int(line[5:])
            yield current
        elif current is not None:
            {"out": current.out, "err": current.err}[line[2:5]].append(line[7:].replace("<TAB>", "\t"))


SESSION = list(recorded())
# What was typed into the two producers of the session.
TYPED = iter(["a:1\nb\n", "a:1\nc:2\n"])
# And what stood in dr.json.
DELETED = iter([1, 100])
# Said on standard output by Kafka, where it spoils pipes; ours says it to a terminal only. And an advertisement.
NOT_OURS = (
    "is deprecated and will be removed in a future version",
    "The consumer rebalance protocol (KIP-848)",
    "[kafka-admin-client-thread | ",
)
# What the recorded session takes for granted and our broker or our commands do otherwise, with the reason.
OTHERWISE = {
    "kafka-console-producer --broker-list HOST:9092 --topic testTopic": "ours always takes --broker-list",
    "kafka-topics --bootstrap-server HOST:9092 --describe --topics-with-overrides": "there all topics had one setting",
    "kafka-broker-api-versions --bootstrap-server HOST:9092": "the recording was cut; test_small_tools.py",
    "kafka-features --bootstrap-server HOST:9092 describe": "our broker has other features; test_small_tools.py",
    "kafka-topics ": "the help has texts of our own; test_entry_points.py looks at it",
    "kafka-topics --bootstrap-server 127.0.0.1:1 --list --command-config /dev/null": "takes a minute; test_topics.py",
}


# The others need files of a broker's, or a broker of their own; their tests replay what was recorded of them.
REPLAYED = {
    "kafka-broker-api-versions",
    "kafka-cluster",
    "kafka-configs",
    "kafka-console-consumer",
    "kafka-console-producer",
    "kafka-consumer-groups",
    "kafka-delete-records",
    "kafka-features",
    "kafka-get-offsets",
    "kafka-groups",
    "kafka-log-dirs",
    "kafka-topics",
} & OURS.keys()


def replayed() -> Iterator[object]:
    for each in SESSION:
        tool = each.command.split()[0]
        if tool in REPLAYED and each.command not in OTHERWISE:
            yield pytest.param(each, id=f"{each.number}-{tool}")


def normal(line: str) -> str:
    line = re.sub(r"(?<![\w-])[\w-]{22}(?![\w-])", "ID", line)
    line = re.sub(r"\b1\d{12}\b", "TIME", line)
    line = re.sub(r"127\.0\.0\.1([: ])\d+\b", r"HOST\g<1>9092", line)
    line = re.sub(r"(?<=\"logDir\":\")[^\"]+", "LOGDIR", line)
    # Formatting with eligible.leader.replicas.version=1 stores this one in Kafka.
    line = re.sub(r"min\.insync\.replicas=1,|,min\.insync\.replicas=1|min\.insync\.replicas=1", "", line)
    return line[:CUT].rstrip() if len(line) > CUT else line.rstrip()


def wanted(lines: list[str]) -> list[str]:
    return [line for line in lines if "__consumer_offsets" not in line and not any(text in line for text in NOT_OURS)]


@pytest.mark.parametrize("step", list(replayed()))
def test_recorded_command(step: Recorded, fresh: Broker, tmp_path: Path) -> None:
    tool, *words = step.words(fresh.bootstrap)
    if tool == "kafka-delete-records":
        place = {"topic": "testTopic", "partition": 0, "offset": next(DELETED)}
        (tmp_path / "dr.json").write_text(json.dumps({"partitions": [place], "version": 1}))
    stdin = next(TYPED) if tool == "kafka-console-producer" else ""
    compare(run_ours(tool, *words, cwd=tmp_path, stdin=stdin), step)


def compare(ran: Ran, step: Recorded) -> None:
    assert ran.status == step.status, ran
    out, recorded_out = wanted(ran.out), wanted(step.out)
    if len(step.out) >= LINES_KEPT:
        out = out[: len(recorded_out)]
    said, recorded_said = [normal(line) for line in out], [normal(line) for line in recorded_out]
    if step.command.startswith("kafka-consumer-groups") and step.command.endswith("--list"):
        # In the order of their coordinators' partitions, and one has a name drawn by lot.
        said, recorded_said = sorted(said), sorted(recorded_said)
    assert said == recorded_said, ran
    shown = [normal(line).split(": ", 1)[-1] for line in ran.err]
    for line in wanted(step.err):
        # Java names a class of its own before some texts; the text is what counts.
        text = normal(line).split(": ", 1)[-1]
        assert any(text[: CUT - 120] in each or each in text for each in shown), (line, ran)

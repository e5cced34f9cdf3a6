"""kafka-metadata-quorum, kafka-leader-election and kafka-reassign-partitions answer as Kafka's do, with either broker.

Method: golden/cluster.session holds what Apache Kafka's tools answered on a broker of its own; ours are run against our
broker and against Apache Kafka, in the order of the session. Ids, times, offsets, ports and directories differ from one
run to the next and are replaced by their names.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

import recorded
from harness import broker as brokers
from running import Ran, run_inside

# The reason is worded by Java's JSON library, or the broker is asked for a minute.
OTHERWISE = {
    "--execute --reassignment-json-file broken.json": "worded by a library",
    "--verify --reassignment-json-file re-7.json": "waits for a minute",
}


def shown(line: str, directory: Path, bootstrap: str) -> str:
    line = recorded.normal(line, directory, bootstrap)
    line = re.sub(r"(CONTROLLER)://[^\"\s]*:\d+", r"\1://HOST:9093", line)
    # A cluster whose voters stand in its configuration does not know their directories.
    line = line.replace('"directoryId": "ID", ', "")
    line = re.sub(r"(LeaderEpoch|HighWatermark):\s+\d+", r"\1: N", line)
    line = re.sub(r"log dir /\S+ to", "log dir LOGDIR to", line)
    line = re.sub(r"^1\s+\tAAAAAAAAAAAAAAAAAAAAAA\t\d+", "1 ID N", line).replace("\t", " ")
    line = re.sub(r"^1 +ID +\d+", "1 ID N", line)
    return re.sub(r"\s+", " ", line).strip()


def lines_of(lines: list[str], directory: Path, bootstrap: str) -> list[str]:
    return [shown(line, directory, bootstrap) for line in lines]


def reason(lines: list[str]) -> str:
    return " ".join(lines).split("error: ")[-1].replace("- ", "-")


def compare(step: recorded.Step, ran: Ran, directory: Path, bootstrap: str) -> None:
    assert lines_of(ran.out, directory, bootstrap) == lines_of(step.out, directory, bootstrap), (step.line, ran)
    assert ran.status == step.status, (step.line, ran)
    said, wanted = lines_of(ran.err, directory, bootstrap), lines_of(step.err, directory, bootstrap)
    if any(line.startswith("usage: ") for line in wanted):
        # What was wrong, in a text that argparse4j has broken and justified.
        assert reason(said) == reason(wanted), step.line
    elif wanted:
        assert said[0] == wanted[0], (step.line, ran)


@pytest.mark.parametrize("broker", ["ours", "kafka"])
def test_answers_are_those_of_kafkas_tools(broker: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    running: brokers.Broker = request.getfixturevalue(broker)
    count = 0
    for step, ran in recorded.replay("cluster", tmp_path, running.bootstrap, run=run_inside, leave_out=OTHERWISE):
        compare(step, ran, tmp_path, running.bootstrap)
        count += 1
    assert count > 70


def test_replicas_of_a_partition_are_in_different_racks() -> None:
    from pykafka_core.tools.reassignment import place_replicas

    racks = {number: f"rack-{number % 3}" for number in range(1, 8)}
    spread = place_replicas(racks, 21, 3)
    assert all(len({racks[number] for number in replicas}) == 3 for replicas in spread)
    leaders = [replicas[0] for replicas in spread]
    assert {leaders.count(number) for number in racks} == {3}
    assert all(len(set(each)) == 2 for each in place_replicas(dict.fromkeys(range(4)), 8, 2))


def test_human_readable_says_how_long_ago(ours: brokers.Broker) -> None:
    words = ["--bootstrap-server", ours.bootstrap, "describe", "--replication", "--human-readable"]
    ran = run_inside("kafka-metadata-quorum", *words)
    assert ran.status == 0, ran
    assert len(re.findall(r"\d+ ms ago", ran.out[1])) == 2


def test_a_replica_is_moved_to_another_log_directory(tmp_path: Path) -> None:
    directories = [tmp_path / "one", tmp_path / "two"]
    broker = brokers.OurBroker(tmp_path / "broker", log_dirs=",".join(map(str, directories)))
    broker.start()
    try:
        where = ["--bootstrap-server", broker.bootstrap]
        assert run_inside("kafka-topics", *where, "--create", "--topic", "t", "--partitions", "1").status == 0
        here = next(directory for directory in directories if (directory / "t-0").exists())
        there = next(directory for directory in directories if directory != here)
        move = tmp_path / "move.json"
        move.write_text(
            '{"partitions":[{"topic":"t","partition":0,"replicas":[1],"log_dirs":["%s"]}]}' % there  # noqa: UP031
        )
        words = ["--reassignment-json-file", str(move)]
        ran = run_inside("kafka-reassign-partitions", *where, "--execute", *words)
        assert ran.status == 0, ran
        assert ran.out[2].endswith(f'"log_dirs":["{here}"]}}]}}')
        assert ran.out[-1] == f"Successfully started moving log directory to {there} for replica t-0 with broker 1 "
        deadline = time.monotonic() + 60
        done = "Reassignment of replica t-0-1 completed successfully."
        while done not in (ran := run_inside("kafka-reassign-partitions", *where, "--verify", *words)).out:
            assert "Reassignment of replica t-0-1 is still in progress." in ran.out
            assert time.monotonic() < deadline
        assert (there / "t-0").exists()
    finally:
        broker.stop()

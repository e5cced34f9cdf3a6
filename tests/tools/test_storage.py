"""kafka-storage says what Kafka's says, and what it formats starts with either broker.

Method: golden/storage.session holds the answers of Apache Kafka's own tool; ids, times and directories are replaced by
their names on both sides. Usage lines are compared too, without their line breaks, which argparse4j justifies. Then
directories are formatted in each way by ours, and by Kafka's, and brokers are started on them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import recorded
from harness import broker as brokers
from harness import jars
from harness.presence import MissingError, absent
from running import run_inside, run_kafkas, run_ours
from tests.ports import free_ports

CLUSTER_ID = "a0gdYGjfQ1uMYuaP3ItY-g"


def shown(lines: list[str], directory: Path) -> list[str]:
    """Which of several directories comes first depends on the hash of its path, so these lines are sorted."""
    text = [re.sub(r"\s+", " ", recorded.normal(line, directory, "HOST:9092")).strip() for line in lines]
    text = [re.sub(r"^Log directory DIR/[ab] is", "Log directory is", line) for line in text]
    return [line for line in text if not line.startswith("Formatting")] + sorted(
        line for line in text if line.startswith("Formatting")
    )


def test_answers_are_those_of_kafkas_tool(tmp_path: Path) -> None:
    count = 0
    for step, ran in recorded.replay("storage", tmp_path, run=run_inside):
        count += 1
        assert shown(ran.out, tmp_path) == shown(step.out, tmp_path), (step.line, ran)
        assert ran.status == step.status, (step.line, ran)
        said, wanted = " ".join(shown(ran.err, tmp_path)), " ".join(shown(step.err, tmp_path))
        # What argparse4j suggests is left out, and so are Java's causes.
        wanted = wanted.partition(" Did you mean")[0].partition(" Caused by: ")[0]
        assert said.replace("- ", "-") == wanted.replace("- ", "-"), (step.line, ran)
    assert count > 60


def test_random_uuids_differ_and_are_no_options() -> None:
    first, second = (run_ours("kafka-storage", "random-uuid").out for _ in range(2))
    assert len(first) == len(second) == 1
    assert first != second
    assert re.fullmatch(r"[\w][\w-]{21}", first[0])


class Formatted(brokers.OurBroker):
    """Ours, on directories that a tool has formatted, with the same properties file."""

    def __init__(self, directory: Path, properties: Path, port: int) -> None:
        super().__init__(directory)
        self.file, self.port = properties, port
        self.data.mkdir(exist_ok=True)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "pykafka_core.tools.server_start", str(self.file)]


class FormattedKafka(brokers.ApacheKafka):
    def __init__(self, directory: Path, properties: Path, port: int) -> None:
        super().__init__(directory)
        self.file, self.port = properties, port
        self.data.mkdir(exist_ok=True)

    def command(self) -> list[str]:
        return [*jars.program("kafka.Kafka"), str(self.file)]


def write_properties(directory: Path, *, dynamic: bool) -> tuple[Path, int]:
    port, controller = free_ports(2)
    quorum = (
        f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}"
        if dynamic
        else f"controller.quorum.voters=1@127.0.0.1:{controller}"
    )
    path = directory / "server.properties"
    path.write_text(
        "\n".join(
            [
                "process.roles=broker,controller", "node.id=1", quorum, "controller.listener.names=CONTROLLER",
                f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
                f"log.dirs={directory}/x,{directory}/y", "offsets.topic.replication.factor=1", "",
            ]
        )
    )  # fmt: skip
    return path, port


WAYS = {"static": (), "standalone": ("--standalone",)}
SCRAM = ("-S", "SCRAM-SHA-256=[name=alice,password=secret]")


def require_kafka() -> None:
    try:
        jars.require()
    except MissingError as missing:
        absent(str(missing))


@pytest.mark.parametrize(("way", "by"), [("static", "ours"), ("standalone", "ours"), ("static", "kafka")])
def test_our_broker_starts_on_what_was_formatted(way: str, by: str, tmp_path: Path) -> None:
    if by == "kafka":
        require_kafka()
    properties, port = write_properties(tmp_path, dynamic=bool(WAYS[way]))
    format_with = run_ours if by == "ours" else run_kafkas
    done = format_with("kafka-storage", "format", "-t", CLUSTER_ID, "-c", str(properties), *WAYS[way], *SCRAM)
    assert done.status == 0, done
    broker = Formatted(tmp_path, properties, port)
    broker.start()
    try:
        created = run_ours("kafka-topics", "--bootstrap-server", broker.bootstrap, "--create", "--topic", "t")
        assert created.out == ["Created topic t."], created
    finally:
        assert broker.stop() == 0
    for name in ("x", "y"):
        assert f"cluster.id={CLUSTER_ID}\n" in (tmp_path / name / "meta.properties").read_text()


def test_apache_kafka_starts_on_what_ours_has_formatted(tmp_path: Path) -> None:
    """The way with more in it; the other writes a part of the same files."""
    require_kafka()
    properties, port = write_properties(tmp_path, dynamic=True)
    done = run_ours("kafka-storage", "format", "-t", CLUSTER_ID, "-c", str(properties), "--standalone", *SCRAM)
    assert done.status == 0, done
    broker = FormattedKafka(tmp_path, properties, port)
    broker.start()
    try:
        created = run_ours("kafka-topics", "--bootstrap-server", broker.bootstrap, "--create", "--topic", "t")
        assert created.out == ["Created topic t."], created
    finally:
        broker.stop()


def test_everything_is_synced_before_it_has_its_name(tmp_path: Path) -> None:
    """Seen from outside: each file is synced under another name, then renamed; its directory is synced after that."""
    strace = subprocess.run(["which", "strace"], capture_output=True, check=False)
    if strace.returncode:
        pytest.skip("no strace")
    properties, _ = write_properties(tmp_path, dynamic=False)
    trace = tmp_path / "trace"
    words = ["format", "-t", CLUSTER_ID, "-c", str(properties)]
    subprocess.run(
        ["strace", "-f", "-o", str(trace), "-y", "-e", "trace=fsync,rename,renameat,renameat2",
         sys.executable, "-m", "pykafka_core.tools.storage", *words],
        check=True, capture_output=True,
    )  # fmt: skip
    calls = [line for line in trace.read_text().splitlines() if str(tmp_path) in line and "= 0" in line]
    for name in ("bootstrap.checkpoint", "meta.properties"):
        for directory in (tmp_path / "x", tmp_path / "y"):
            renamed = next(i for i, call in enumerate(calls) if "rename" in call and f'{directory}/{name}"' in call)
            assert any("fsync" in call and f"{directory}/{name}." in call for call in calls[:renamed])
            assert any("fsync" in call and f"{directory}>" in call for call in calls[renamed:])

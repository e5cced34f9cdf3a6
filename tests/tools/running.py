"""Runs commands: ours as processes of their own, Apache Kafka's in one virtual machine that runs many.

A Java process takes a second to start and the machine that tests is small; `Commands.java` is what keeps these tests
short.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

from harness import jars

OURS = {
    "kafka-broker-api-versions": "broker_api_versions",
    "kafka-cluster": "cluster",
    "kafka-configs": "configs",
    "kafka-console-consumer": "console_consumer",
    "kafka-console-producer": "console_producer",
    "kafka-consumer-groups": "consumer_groups",
    "kafka-delete-records": "delete_records",
    "kafka-dump-log": "dump_log",
    "kafka-features": "features",
    "kafka-get-offsets": "get_offsets",
    "kafka-groups": "groups",
    "kafka-log-dirs": "log_dirs",
    "kafka-leader-election": "leader_election",
    "kafka-metadata-quorum": "metadata_quorum",
    "kafka-consumer-perf-test": "consumer_perf",
    "kafka-producer-perf-test": "producer_perf",
    "kafka-reassign-partitions": "reassign_partitions",
    "kafka-storage": "storage",
    "kafka-topics": "topics",
    "kafka-transactions": "transactions",
    "kafka-verifiable-consumer": "verifiable_consumer",
    "kafka-verifiable-producer": "verifiable_producer",
}
KAFKAS = {
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
}


FRAME = re.compile(r"\s+at |\s+\.\.\. \d+ more")


class Ran:
    """What a command has answered. Java's stack frames are left out."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = [line for line in out.splitlines() if not FRAME.match(line)]
        self.err = [line for line in err.splitlines() if line and not FRAME.match(line)]

    def __repr__(self) -> str:
        return f"status {self.status}\nout {self.out}\nerr {self.err}"


def run_ours(command: str, *words: str, stdin: str = "", cwd: Path | None = None, timeout: float = 60) -> Ran:
    line = [sys.executable, "-m", f"pykafka_core.tools.{OURS[command]}", *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(
        line, input=stdin, capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd, env=environment
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def run_inside(command: str, *words: str, cwd: Path | None = None) -> Ran:
    """Like run_ours, in this process: for the many commands of a session, which need none of their own."""
    out, err = io.StringIO(), io.StringIO()
    main = importlib.import_module(f"pykafka_core.tools.{OURS[command]}").main
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(cwd or Path.cwd()):
        status = main(list(words))
    return Ran(status, out.getvalue(), err.getvalue())


class VirtualMachine:
    """One Java process, started when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, command: str, *words: str, stdin: str = "") -> Ran:
        if self._process is None:
            jars.require()
            jars.compile_programs()
            line = jars.program("Commands")
            self._process = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        assert self._process.stdin
        assert self._process.stdout
        fields = [base64.b64encode(text.encode()) for text in (KAFKAS[command], stdin, *words)]
        self._process.stdin.write(b"\t".join(fields) + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            # Some commands end the whole process, which Commands.java cannot keep them from.
            self.stop()
            return run_apart(command, *words, stdin=stdin)
        status, out, err = answer.decode().rstrip("\n").split("\t")
        return Ran(int(status), base64.b64decode(out).decode(), base64.b64decode(err).decode())

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


KAFKAS_MACHINE = VirtualMachine()


def run_kafkas(command: str, *words: str, stdin: str = "", cwd: Path | None = None) -> Ran:
    """A command that needs a directory of its own gets a process of its own."""
    if cwd is None:
        return KAFKAS_MACHINE.run(command, *words, stdin=stdin)
    return run_apart(command, *words, stdin=stdin, cwd=cwd)


def run_apart(command: str, *words: str, stdin: str = "", cwd: Path | None = None) -> Ran:
    jars.require()
    line = [*jars.program(KAFKAS[command]), *words]
    done = subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=90, check=False, cwd=cwd)
    return Ran(done.returncode, done.stdout, done.stderr)

"""Runs a command as a process of its own: ours, or the class of Apache Kafka's jars that has the same name there."""

from __future__ import annotations

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
    "kafka-console-consumer": "console_consumer",
    "kafka-console-producer": "console_producer",
    "kafka-storage": "storage",
    "kafka-topics": "topics",
}
KAFKAS = {
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
}


class Ran:
    """What a command has answered. Java's stack frames are left out of `err`."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status = done.returncode
        self.out = done.stdout.splitlines()
        lines = done.stderr.splitlines()
        self.err = [line for line in lines if line and not re.match(r"\s+at |\s+\.\.\. \d+ more", line)]

    def __repr__(self) -> str:
        return f"status {self.status}\nout {self.out}\nerr {self.err}"


def run_ours(command: str, *words: str, stdin: str = "", cwd: Path | None = None, timeout: float = 60) -> Ran:
    line = [sys.executable, "-m", f"pykafka_core.tools.{OURS[command]}", *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return Ran(
        subprocess.run(
            line, input=stdin, capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd, env=environment
        )
    )


def run_inside(command: str, *words: str, cwd: Path | None = None) -> Ran:
    """Like run_ours, in this process: for the many commands of a session, which need none of their own."""
    out, err = io.StringIO(), io.StringIO()
    main = importlib.import_module(f"pykafka_core.tools.{OURS[command]}").main
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(cwd or Path.cwd()):
        status = main(list(words))
    return Ran(subprocess.CompletedProcess([command, *words], status, out.getvalue(), err.getvalue()))


def run_kafkas(command: str, *words: str, stdin: str = "", cwd: Path | None = None, timeout: float = 90) -> Ran:
    jars.require()
    line = [*jars.JVM, "-cp", jars.classpath(), KAFKAS[command], *words]
    return Ran(subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd))

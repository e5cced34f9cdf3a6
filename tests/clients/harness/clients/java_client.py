"""Apache Kafka's own Java client, run by java/ClientProgram.java, one JVM for the session."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import jars
from harness.clients.base import Client, LineProcess, Offsets, Start
from harness.records import Record, from_lines, to_lines


class Java(Client):
    name = "java"

    def __init__(self) -> None:
        self.process: LineProcess | None = None

    def check(self) -> None:
        jars.require()

    def version(self) -> str:
        return f"kafka-clients {jars.VERSION}"

    def create_topic(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._ask("create", "--bootstrap", bootstrap, "--topic", topic, "--partitions", str(partitions))

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Record], *, codec: str, acks: str, idempotent: bool
    ) -> list[tuple[int, int]]:
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder) / "in", Path(folder) / "out"
            path.write_text(to_lines(records))
            settings = {
                "compression.type": codec, "acks": acks, "enable.idempotence": str(idempotent).lower(),
                "batch.size": "2048", "linger.ms": "5",
            }  # fmt: skip
            chosen = [word for n, v in settings.items() for word in ("--set", f"{n}={v}")]
            self._ask(
                "produce", "--bootstrap", bootstrap, "--topic", topic, "--in", str(path), "--out", str(out), *chosen
            )
            rows = [line.split("\t") for line in out.read_text().splitlines()]
            return [(int(partition), int(offset)) for partition, offset in rows]

    def consume(self, bootstrap: str, topic: str, start: Mapping[int, Start], until: Offsets) -> list[Record]:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            begin = ",".join(f"{p}:{s.kind}:{s.number}" for p, s in start.items())
            end = ",".join(f"{p}:{n}" for p, n in until.items())
            self._ask(
                "consume", "--bootstrap", bootstrap, "--topic", topic, "--from", begin, "--until", end,
                "--out", str(out), "--set", "fetch.max.wait.ms=50", "--set", "check.crcs=true",
            )  # fmt: skip
            return from_lines(out.read_text())

    def close(self) -> None:
        if self.process:
            self.process.close()
            self.process = None

    def _ask(self, *words: str) -> None:
        if self.process is None:
            jars.compile_programs()
            self.process = LineProcess([*jars.program("ClientProgram"), "serve"])
        answer = self.process.ask("\t".join(words))
        assert answer == "OK", answer

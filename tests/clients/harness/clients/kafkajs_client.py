"""kafkajs, run by node/client.js. Unmaintained but everywhere; speaks old versions with its own quirks."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import jars
from harness.clients.base import Client, LineProcess, Offsets, Start, without_null_headers
from harness.presence import MissingError
from harness.records import Record, from_lines, to_lines

MODULES = jars.BUILD / "node" / "node_modules"
PROGRAM = jars.ROOT / "tests" / "clients" / "node" / "client.js"


class KafkaJs(Client):
    name = "kafkajs"

    def __init__(self) -> None:
        self.process: LineProcess | None = None
        self.missing: dict[str, str] | None = None

    def check(self) -> None:
        if not shutil.which("node"):
            raise MissingError("no node")
        if not (MODULES / "kafkajs").exists():
            raise MissingError("no kafkajs (ci/clients installs it with npm)")

    def version(self) -> str:
        return str(json.loads((MODULES / "kafkajs" / "package.json").read_text())["version"])

    def can_write(self, records: Sequence[Record]) -> list[Record]:
        # Its encoder asks Buffer.byteLength of every header value, which throws on null.
        return without_null_headers(records)

    def missing_codecs(self) -> dict[str, str]:
        if self.missing is None:
            self.missing = dict(self._ask(op="codecs")["missing"])
        return self.missing

    def create_topic(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._ask(op="create", bootstrap=bootstrap, topic=topic, partitions=partitions)

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Record], *, codec: str, acks: str, idempotent: bool
    ) -> list[tuple[int, int]]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "in"
            path.write_text(to_lines(records))
            self._ask(
                op="produce", bootstrap=bootstrap, topic=topic, codec=codec, acks=-1 if acks == "all" else int(acks),
                idempotent=idempotent, out=f"{folder}/out", **{"in": str(path)},
            )  # fmt: skip
        return []

    def consume(self, bootstrap: str, topic: str, start: Mapping[int, Start], until: Offsets) -> list[Record]:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            begin = {p: [s.kind, s.number] for p, s in start.items()}
            self._ask(
                op="consume", bootstrap=bootstrap, topic=topic, until=dict(until), out=str(out), **{"from": begin}
            )
            return from_lines(out.read_text())

    def close(self) -> None:
        if self.process:
            self.process.close()
            self.process = None

    def _ask(self, **command: Any) -> dict[str, Any]:
        if self.process is None:
            environment = {**os.environ, "NODE_MODULES": str(MODULES), "NODE_NO_WARNINGS": "1"}
            self.process = LineProcess(["node", str(PROGRAM)], environment)
        answer: dict[str, Any] = json.loads(self.process.ask(json.dumps(command)))
        assert answer["ok"], answer["error"]
        return answer

"""The broker under test: ours, or Apache Kafka as the reference that proves the tests right.

`KC_CLIENTS_TARGET=kafka` chooses Apache Kafka (one KRaft node from the jars in build/); the default is ours, from the
environment that runs the tests. A broker is ready when it answers ApiVersions and names itself in Metadata. It is a
child process on a free port of the loopback interface; `stop` is SIGTERM and must end with exit status 0 for ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness import jars
from harness.presence import MissingError
from harness.wire import Connection, Writer
from tests.ports import free_ports

TARGET = os.environ.get("KC_CLIENTS_TARGET", "ours")
OURS_BIN = Path(os.environ.get("KC_CLIENTS_BIN", Path(sys.executable).parent))
START_SECONDS = 120


class Broker:
    """One broker process and its directory. `start` after `stop` uses the same port and the same data."""

    target = ""

    def __init__(self, directory: Path, **settings: str | int) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "broker.log"
        self.settings = {name.replace("_", "."): str(value) for name, value in settings.items()}
        self.port, self.controller_port = free_ports(2)
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        raise NotImplementedError

    def prepare(self) -> None:
        """What must exist before the first start."""

    def start(self) -> None:
        if not self.data.exists():
            self.data.mkdir()
            self.prepare()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory
            )
        self._await_ready()

    def stop(self, seconds: float = 60) -> int:
        """SIGTERM and wait. Returns the exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None

    def kill(self) -> None:
        """SIGKILL and wait."""
        assert self.process
        self.process.kill()
        self.process.wait()
        self.process = None

    def crash(self) -> None:
        """Die, and be there again."""
        self.kill()
        self.start()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def _await_ready(self) -> None:
        assert self.process
        deadline, reason = time.monotonic() + START_SECONDS, "nothing tried"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended with status {self.process.returncode}:\n{self.tail()}")
            try:
                with Connection(self.address, 10) as connection:
                    versions = connection.call(18, 0, b"")
                    assert versions.i16() == 0
                    brokers = connection.call(3, 1, bytes(Writer().count(0).data)).count()
                if brokers:
                    return
                reason = "Metadata names no broker"
            except Exception as error:  # any failure means "not yet" until the deadline
                reason = repr(error)
            time.sleep(0.02)
        raise RuntimeError(f"not ready after {START_SECONDS} s ({reason}):\n{self.tail()}")


class OurBroker(Broker):
    """`properties=True` starts it as `kafka-server-start server.properties`, else as `pykafka-core start`."""

    target = "ours"

    def __init__(self, directory: Path, *, properties: bool = False, **settings: str | int) -> None:
        super().__init__(directory, **settings)
        self.properties = properties

    def command(self) -> list[str]:
        wanted = {"listeners": f"PLAINTEXT://{self.bootstrap}", "log.dirs": str(self.data), **self.settings}
        lines = [f"{name}={value}" for name, value in wanted.items()]
        if self.properties:
            path = self.directory / "server.properties"
            path.write_text("\n".join(lines) + "\n")
            return [str(OURS_BIN / "kafka-server-start"), str(path)]
        return [str(OURS_BIN / "pykafka-core"), "start", *(a for line in lines for a in ("--override", line))]


class ApacheKafka(Broker):
    """With a Java that starts quickly; one who measures overrides `jvm`."""

    target = "kafka"

    def jvm(self) -> list[str]:
        return jars.quick()

    def write_properties(self) -> Path:
        lines = {
            "process.roles": "broker,controller", "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}", "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT", "log.dirs": str(self.data),
            "offsets.topic.replication.factor": "1", "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1", **self.settings,
        }  # fmt: skip
        path = self.directory / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        return path

    def prepare(self) -> None:
        jars.require()
        path = self.write_properties()
        done = jars.java("kafka.tools.StorageTool", "format", "-t", "a0gdYGjfQ1uMYuaP3ItY-g", "-c", str(path))
        assert done.returncode == 0, done.stdout + done.stderr

    def command(self) -> list[str]:
        # Also where the directory is somebody else's and nothing was prepared.
        self.write_properties()
        return [
            *self.jvm(), "-Xmx768m", "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp", jars.classpath(), "kafka.Kafka", str(self.directory / "server.properties"),
        ]  # fmt: skip


def handed_over(giver: Broker, kind: type[Broker]) -> Broker:
    """A broker of another kind for the same data, port and settings; `start` it when the giver has ended."""
    taker = kind(giver.directory, **giver.settings)
    taker.port, taker.controller_port = giver.port, giver.controller_port
    return taker


def make(directory: Path, *, properties: bool = False, **settings: str | int) -> Broker:
    """A broker of the chosen kind, not started. Underscores in `settings` stand for dots."""
    if TARGET == "kafka":
        return ApacheKafka(directory, **settings)
    if TARGET != "ours":
        raise ValueError(f"KC_CLIENTS_TARGET is {TARGET!r}: it may be 'ours' or 'kafka'")
    if not (OURS_BIN / "pykafka-core").exists():
        raise MissingError("no pykafka-core command (ci/build installs it)")
    return OurBroker(directory, properties=properties, **settings)

"""The brokers of bench/compare as processes on one processor, and what they cost: all threads of all their processes.

How ours and Apache Kafka are started is the business of tests/clients/harness; here they are pinned and measured. Any
other broker is a command in which {port} and {data} stand for what they say, and {properties} for a server.properties.

A broker that offers no CreateTopics is started afresh for each sample, on an empty directory, and asked for the topic's
metadata, which makes it. Its command may hold {partitions}, of each topic, and {sync}: group where an answer has to
wait for the disk, else none.

Linux only: /proc, and the CPU clock of another process, which counts what utime and stime in /proc/<pid>/stat count, in
nanoseconds instead of hundredths of a second.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import struct
import time
from pathlib import Path
from typing import Any

from bench import raw_client
from bench.broker_process import API_VERSIONS_V0, START_TIMEOUT_S, processors
from harness import jars
from harness.broker import ApacheKafka, Broker, OurBroker
from pykafka_core.protocol.api_keys import ApiKey

# What is deleted between samples must not lie about for a minute.
SETTINGS: dict[str, Any] = {"log_segment_delete_delay_ms": 1000}


def tree(pid: int) -> list[int]:
    """A process and all that it started, directly or not."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


class Measured(Broker):
    """Mixed into a broker: starts on the broker's processor, while this process and its children keep the client's."""

    label = ""
    is_jvm = False
    first_answer_s = 0.0
    """From just before fork and exec to the first ApiVersions answer."""
    partitions, sync = 1, "none"
    """What {partitions} and {sync} stand for at the next start."""

    _began = 0.0
    _offered: dict[int, int] | None = None

    def start(self) -> None:
        pins = processors()
        own = os.sched_getaffinity(0)
        if pins:
            os.sched_setaffinity(0, {pins[0]})
        try:
            super().start()
        finally:
            os.sched_setaffinity(0, own)

    def command(self) -> list[str]:
        command = super().command()
        self._began = time.monotonic()
        return command

    def _await_ready(self) -> None:
        pins = processors()
        if pins:
            os.sched_setaffinity(0, {pins[1]})
        while not self._answers():
            assert self.process
            if self.process.poll() is not None or time.monotonic() - self._began > START_TIMEOUT_S:
                break  # the harness says what is wrong
            time.sleep(0.0005)
        self.first_answer_s = time.monotonic() - self._began
        super()._await_ready()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(self.address, timeout=START_TIMEOUT_S) as connection:
                connection.sendall(API_VERSIONS_V0)
                return bool(connection.recv(1 << 16))
        except OSError:
            return False

    def offered(self) -> dict[int, int]:
        """The highest version of each API."""
        if self._offered is None:
            with socket.create_connection(self.address, timeout=START_TIMEOUT_S) as connection:
                connection.sendall(API_VERSIONS_V0)
                answer = raw_client.receive_frame(connection)
            count = struct.unpack_from(">i", answer, 6)[0]
            ranges = (struct.unpack_from(">hhh", answer, 10 + 6 * i) for i in range(count))
            self._offered = {key: highest for key, _, highest in ranges}
        return self._offered

    @property
    def manages_topics(self) -> bool:
        return ApiKey.CREATE_TOPICS in self.offered() and ApiKey.DELETE_TOPICS in self.offered()

    @property
    def fetch_version(self) -> int:
        """One of the two that bench/load.c speaks."""
        return 11 if self.offered()[ApiKey.FETCH] >= 11 else 4

    def start_empty(self) -> None:
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        self.start()

    def cpu_s(self) -> float:
        """CPU seconds so far."""
        assert self.process
        total = 0.0
        for pid in tree(self.process.pid):
            try:
                total += time.clock_gettime((~pid << 3) | 2)
            except OSError:
                continue  # it has just ended
        return total

    def rss_mib(self) -> float:
        assert self.process
        kib = 0
        for pid in tree(self.process.pid):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            kib += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        return kib / 1024


class Ours(Measured, OurBroker):
    label = "ours"


class Kafka(Measured, ApacheKafka):
    label = f"Kafka {jars.VERSION}"
    is_jvm = True

    def jvm(self) -> list[str]:
        return ["java", "-XX:+UseG1GC"]


class GivenCommand(Broker):
    template, partitions, sync = "", 1, "none"

    def command(self) -> list[str]:
        properties = self.directory / "server.properties"
        lines = {"listeners": f"PLAINTEXT://{self.bootstrap}", "log.dirs": str(self.data), **self.settings}
        properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        filled = {"port": str(self.port), "data": str(self.data), "properties": str(properties)}
        filled |= {"partitions": str(self.partitions), "sync": self.sync}
        return [word.format(**filled) for word in shlex.split(self.template)]


class Other(Measured, GivenCommand):
    def __init__(self, directory: Path, label: str, template: str) -> None:
        super().__init__(directory, **SETTINGS)
        self.label, self.template = label, template


def make(directory: Path, others: dict[str, str], wanted: list[str] | None) -> list[Measured]:
    """The brokers that are there and wanted by the first word of their name, not started. Ours comes first."""
    found: list[Measured] = [Ours(directory / "ours", **SETTINGS)]
    if list(jars.JARS.glob("kafka-clients-*.jar")):
        found.append(Kafka(directory / "kafka", **SETTINGS))
    found += [Other(directory / name, name, template) for name, template in others.items()]
    if wanted is None:
        return found
    chosen = [broker for broker in found if broker.label.split()[0].lower() in wanted]
    if len(chosen) != len(wanted):
        there = ", ".join(broker.label.split()[0].lower() for broker in found)
        raise SystemExit(f"compare: --brokers may name these: {there} (Kafka needs ci/clients --prepare)")
    return chosen

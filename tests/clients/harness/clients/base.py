"""What the tests ask of a client. An adapter does it through the client's own public interface where there is one."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from queue import Empty, Queue
from typing import Any, Literal

from harness.records import Record, java_partition

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
SECONDS = 60


@dataclass(slots=True, frozen=True, kw_only=True)
class Start:
    """Where to begin in a partition: at an offset (-1 is the beginning), or at the first record of a time."""

    kind: Literal["offset", "timestamp"]
    number: int


BEGINNING = Start(kind="offset", number=-1)
Offsets = Mapping[int, int]


class Client:
    """A client is created once per session; each call opens and closes its own connections.

    `consume` reads by assignment and returns the records of all partitions, each partition's in the order they came.
    `until` is the end offset (exclusive) of every partition that is read.
    """

    name = ""

    def check(self) -> None:
        """Raises MissingError if this machine lacks the client."""

    def version(self) -> str:
        raise NotImplementedError

    def can_write(self, records: Sequence[Record]) -> list[Record]:
        """The records as this client is able to send them, which is unchanged for most."""
        return list(records)

    def missing_codecs(self) -> Mapping[str, str]:
        """Codecs that the client has in principle and lacks on this machine, with the reason."""
        return {}

    def as_read(self, record: Record) -> Record:
        """The record as this client shows it, which is unchanged for most."""
        return record

    def partition(self, key: bytes | None, partitions: int) -> int:
        """Where the client's default partitioner puts a key; -1 if anywhere."""
        return java_partition(key, partitions)

    def create_topic(self, bootstrap: str, topic: str, partitions: int) -> None:
        raise NotImplementedError

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Record], *, codec: str, acks: str, idempotent: bool
    ) -> list[tuple[int, int]]:
        """Send all, wait for all. Returns (partition, offset) by record, or nothing if the client does not say."""
        raise NotImplementedError

    def consume(self, bootstrap: str, topic: str, start: Mapping[int, Start], until: Offsets) -> list[Record]:
        raise NotImplementedError

    def close(self) -> None:
        pass


def as_record(r: Any) -> Record:
    """From the ConsumerRecord of kafka-python and of aiokafka, which name their fields alike."""
    return Record(
        partition=r.partition, offset=r.offset, timestamp=r.timestamp, key=r.key, value=r.value,
        headers=tuple((name, value) for name, value in r.headers),
    )  # fmt: skip


def without_null_headers(records: Sequence[Record]) -> list[Record]:
    return [replace(r, headers=tuple(h for h in r.headers if h[1] is not None)) for r in records]


class LineProcess:
    """A child that answers each line on its standard input with one line on its standard output."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.answers: Queue[str] = Queue()
        self.errors: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def ask(self, line: str) -> str:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        try:
            answer = self.answers.get(timeout=SECONDS + 30)
        except Empty:
            self.close()
            raise TimeoutError(f"no answer to: {line}") from None
        if not answer:
            raise RuntimeError("the client program ended: " + "".join(self.errors[-20:]))
        return answer

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.answers.put(line.rstrip("\n"))
        self.answers.put("")

    def _read_errors(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.errors.append(line)
            del self.errors[:-50]

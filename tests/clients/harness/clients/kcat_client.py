"""kcat 1.7.1 as Debian ships it, on librdkafka 2.0.2: the oldest client here, and the one that reads text best.

What kcat cannot say: it sends no explicit timestamp, one set of headers per run, and null only for an empty field (-Z),
so a list of records is cut into runs of equal shape. It has no admin: topics appear by auto-creation or by our wire
client. Header values are printed without lengths, so a reader compares them in kcat's own spelling.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from harness.clients.base import SECONDS, Client, Offsets, Start
from harness.presence import MissingError
from harness.records import Headers, Record, librdkafka_partition
from harness.requests import await_records, create_topic

KEY_MARK, RECORD_MARK = b"\x1c\x1d", b"\x1e\x1f\x1e"
ACKS = {"0": "0", "1": "1", "all": "-1"}


def _address(bootstrap: str) -> tuple[str, int]:
    host, _, port = bootstrap.partition(":")
    return host, int(port)


def spelled(headers: Headers) -> bytes:
    # It prints values as C strings: what follows a NUL is not shown.
    shown = ((name.encode(), b"NULL" if value is None else value.split(b"\0")[0]) for name, value in headers)
    return b",".join(name + b"=" + value for name, value in shown)


class Kcat(Client):
    name = "kcat"

    def check(self) -> None:
        if not shutil.which("kcat"):
            raise MissingError("no kcat (Debian package kcat)")

    def version(self) -> str:
        text = subprocess.run(["kcat", "-V"], capture_output=True, text=True, check=False).stdout
        numbers = re.findall(r"(?:Version|librdkafka) ([\d.]+)", text)
        return f"{numbers[0]} (librdkafka {numbers[1]})"

    def partition(self, key: bytes | None, partitions: int) -> int:
        return librdkafka_partition(key, partitions)

    def can_write(self, records: Sequence[Record]) -> list[Record]:
        # No explicit time; -Z makes every empty field null; three runs: plain, with headers, into one partition.
        found = []
        for i, r in enumerate(records):
            part = i * 3 // len(records)
            headers = (("kind", b"plain"), ("twice", b"1"), ("twice", b"2"), ("empty", b"")) if part else ()
            found.append(replace(r, timestamp=-1, key=r.key or None, value=r.value or None, headers=headers,
                                 partition=1 if part == 2 else -1))  # fmt: skip
        return found

    def as_read(self, record: Record) -> Record:
        if not record.headers or record.headers[0][0] == "":
            return record
        return replace(record, headers=(("", spelled(record.headers)),))

    def create_topic(self, bootstrap: str, topic: str, partitions: int) -> None:
        create_topic(_address(bootstrap), topic, partitions)

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Record], *, codec: str, acks: str, idempotent: bool
    ) -> list[tuple[int, int]]:
        sent = 0
        for (partition, headers), group in groupby(records, key=lambda r: (r.partition, r.headers)):
            run = list(group)
            command = [
                "kcat", "-P", "-b", bootstrap, "-t", topic, "-p", str(partition), "-z", codec, "-Z",
                "-K", KEY_MARK.decode(), "-D", RECORD_MARK.decode(), "-X", f"acks={ACKS[acks]}",
                "-X", f"enable.idempotence={str(idempotent).lower()}", "-X", "linger.ms=2",
                "-X", f"message.timeout.ms={SECONDS * 1000}",
            ]  # fmt: skip
            for name, value in headers:
                command += ["-H", f"{name}={(value or b'').decode()}"]
            _run(command, RECORD_MARK.join((r.key or b"") + KEY_MARK + (r.value or b"") for r in run))
            sent += len(run)
            await_records(_address(bootstrap), topic, sent)  # the next run is another connection: keep the order
        return []

    def consume(self, bootstrap: str, topic: str, start: Mapping[int, Start], until: Offsets) -> list[Record]:
        found: list[Record] = []
        for partition, begin in start.items():
            place = "beginning" if begin.number < 0 else str(begin.number)
            if begin.kind == "timestamp":
                place = f"s@{begin.number}"
            command = [
                "kcat", "-C", "-b", bootstrap, "-t", topic, "-p", str(partition), "-o", place, "-e", "-q", "-u",
                "-f", "%p %o %T %K %S\\n%k%s%h" + RECORD_MARK.decode(), "-X", "fetch.wait.max.ms=50",
                "-X", "check.crcs=true", "-X", "enable.partition.eof=true",
            ]  # fmt: skip
            found += _parse(_run(command, b""))
        return found


def _run(command: Sequence[str], data: bytes) -> bytes:
    done = subprocess.run(command, input=data, capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"kcat ended with {done.returncode}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def _parse(data: bytes) -> list[Record]:
    found, at = [], 0
    while at < len(data):
        line = data.index(b"\n", at)
        partition, offset, timestamp, key_size, value_size = map(int, data[at:line].split())
        at = line + 1
        key = None if key_size < 0 else data[at : at + key_size]
        at += max(key_size, 0)
        value = None if value_size < 0 else data[at : at + value_size]
        at += max(value_size, 0)
        end = data.index(RECORD_MARK, at)
        headers: Headers = (("", data[at:end]),) if end > at else ()
        at = end + len(RECORD_MARK)
        found.append(Record(
            partition=partition, offset=offset, timestamp=timestamp, key=key, value=value, headers=headers
        ))  # fmt: skip
    return found

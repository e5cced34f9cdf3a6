"""Both log cleaners over a partition's directory: Apache Kafka's (java/Cleaning.java) and ours."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness import jars
from pykafka_core.native import Cleaning, Log
from pykafka_core.records.codecs import compress, decompress

DAY_MS = 86_400_000


class Job(NamedTuple):
    """What a cleaning is told. Both take a directory that was closed cleanly, and leave it so."""

    now_ms: int
    delete_retention_ms: int
    segment_bytes: int
    first_dirty_offset: int
    limit_offset: int
    map_bytes: int = 1 << 20


class Cleaned(NamedTuple):
    end_offset: int
    """Below it the log is clean."""
    cpu_s: float


class KafkaCleaner:
    def __init__(self, *, jvm: Sequence[str] = ()) -> None:
        """`jvm`: java and its options, in place of those for short lives."""
        jars.compile_programs()
        command = [*jvm, "-cp", jars.classpath(), "Cleaning"] if jvm else jars.program("Cleaning")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def clean(self, directory: Path, job: Job) -> Cleaned:
        assert self._process.stdin
        assert self._process.stdout
        print(directory, *job, sep="\t", file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"Apache Kafka's cleaner has failed on {directory}: see its output"
        end_offset, cpu_ns = map(int, answer.split("\t"))
        return Cleaned(end_offset, cpu_ns / 1e9)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


def clean_with_ours(directory: Path, job: Job) -> Cleaned:
    config = (job.segment_bytes, 7 * DAY_MS, 10 << 20, 4096, 2**31 - 1)
    with Log(directory, config=config, clean=True, compacted=True) as log:
        used = cpu_s()
        return Cleaned(run_cleaning(log, job), cpu_s() - used)


def run_cleaning(log: Log, job: Job) -> int:
    """One pass; returns up to where it came."""
    cleaning = Cleaning(
        log,
        first_dirty_offset=job.first_dirty_offset,
        limit_offset=job.limit_offset,
        now_ms=job.now_ms,
        delete_retention_ms=job.delete_retention_ms,
        map_size_bytes=job.map_bytes,
        map_load_factor=0.9,
    )
    section = None
    while (request := cleaning.step(section, size_bytes=4 << 20)).need != "done":
        section = None
        if request.need == "decompress":
            section = decompress(request.codec, request.section)
        elif request.need == "compress":
            section = compress(request.codec, request.section)
    end_offset = cleaning.stats.end_offset
    cleaning.close()
    return end_offset


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

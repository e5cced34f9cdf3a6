"""What kafka-dump-log shows of offset and time indexes, and how it checks them against their log.

An index that a crash has left with zeros at its end is shown up to them.

Source: org.apache.kafka.storage.internals.log.{OffsetIndex,TimeIndex}, org.apache.kafka.tools.DumpLogSegments.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from pykafka_core.tools.dump_files import INTEGER_MAX, DumpError, LogFile, Trouble, base_offset_of, read_whole
from pykafka_core.tools.progress import Progress

__all__ = ["dump_index", "dump_time_index"]

CORRUPT_INDEX: Final = "org.apache.kafka.storage.internals.log.CorruptIndexException"
OFFSET_ENTRY: Final = struct.Struct(">ii")
TIME_ENTRY: Final = struct.Struct(">qi")


def read_entries(path: str, layout: struct.Struct) -> tuple[list[tuple[int, int]], int]:
    """The entries, offsets relative, and the size of the file. Raises DumpError."""
    data = read_whole(path)
    whole = len(data) - len(data) % layout.size
    return list(layout.iter_unpack(data[:whole])), len(data)


def check_size(path: str, size: int, layout: struct.Struct, what: str) -> None:
    if size % layout.size:
        raise DumpError(
            f"{what} file {os.path.abspath(path)} is corrupt, found {size} bytes which is neither positive nor a "
            f"multiple of {layout.size}",
            CORRUPT_INDEX,
        )


def progressing(
    path: str, entries: list[tuple[int, int]], *, verify_only: bool
) -> Iterator[tuple[int, tuple[int, int]]]:
    """The entries with their numbers; the terminal is told how far they are."""
    what = f"entries of {os.path.basename(path)}"
    with Progress(what, len(entries), beside_output=not verify_only) as progress:
        for number, entry in enumerate(entries):
            progress.show(number)
            yield number, entry


def beside(path: str, suffix: str) -> str:
    name = os.path.basename(path).split(".")[0]
    return os.path.join(os.path.dirname(os.path.abspath(path)), name + suffix)


def dump_index(path: str, trouble: Trouble, *, sanity_only: bool, verify_only: bool, size_max: int) -> None:
    """Raises DumpError."""
    base = base_offset_of(os.path.basename(path))
    with LogFile(beside(path, ".log")) as log:
        entries, size = read_entries(path, OFFSET_ENTRY)
        if not entries:
            print(f"{path} is empty.")
            return
        if sanity_only:
            last = base + entries[-1][0]
            if last < base:
                raise DumpError(
                    f"Corrupt index found, index file {os.path.abspath(path)} has non-zero size but the last offset "
                    f"is {last} which is less than the base offset {base}",
                    CORRUPT_INDEX,
                )
            check_size(path, size, OFFSET_ENTRY, "Index")
            print(f"{path} passed sanity check.")
            return
        for number, (relative, position) in progressing(path, entries, verify_only=verify_only):
            offset = base + relative
            if relative == 0 and number:
                return
            if position < 0 or position > log.size:
                raise DumpError(
                    f"Slice from position {position} exceeds end position of FileRecords(size={log.size}, "
                    f"file={beside(path, '.log')}, start=0, end=2147483647)",
                    "java.lang.IllegalArgumentException",
                )
            batch = next(log.batches(position, position + size_max), None)
            if batch is None:
                raise DumpError("", "java.util.NoSuchElementException")
            if batch.header.last_offset != offset:
                trouble.index_mismatches.setdefault(os.path.abspath(path), {})[offset] = batch.header.last_offset
            if not verify_only:
                print(f"offset: {offset} position: {position}")


def dump_time_index(path: str, trouble: Trouble, *, sanity_only: bool, verify_only: bool) -> None:
    """Raises DumpError."""
    base = base_offset_of(os.path.basename(path))
    where = os.path.abspath(path)
    with LogFile(beside(path, ".log")) as log:
        positions, _ = read_entries(beside(path, ".index"), OFFSET_ENTRY)
        entries, size = read_entries(path, TIME_ENTRY)
        if sanity_only:
            check_time_index(path, entries, base, size)
            print(f"{path} passed sanity check.")
            return
        relatives = [relative for relative, _ in positions]
        before = -1
        for number, (timestamp, relative) in progressing(path, entries, verify_only=verify_only):
            offset = base + relative
            if relative == 0 and number:
                return
            at = bisect_right(relatives, relative) - 1
            start = positions[at][1] if at >= 0 else 0
            found = next(
                (each for each in log.batches(start, start + INTEGER_MAX) if each.header.last_offset >= offset), None
            )
            if found is None or found.header.last_offset != offset:
                last = -1 if found is None else found.header.last_offset
                trouble.not_found.setdefault(where, []).append((offset, last))
            else:
                newest = max((record.timestamp for record in found.records()), default=-1)
                if newest != timestamp:
                    trouble.time_mismatches.setdefault(where, []).append((timestamp, newest))
                if before >= timestamp:
                    trouble.out_of_order.setdefault(where, []).append((timestamp, before))
            if not verify_only:
                print(f"timestamp: {timestamp} offset: {offset}")
            before = timestamp


def check_time_index(path: str, entries: list[tuple[int, int]], base: int, size: int) -> None:
    """Raises DumpError."""
    if entries:
        first_time, (last_time, last_relative) = entries[0][0], entries[-1]
        if last_time < first_time:
            raise DumpError(
                f"Corrupt time index found, time index file ({os.path.abspath(path)}) has non-zero size but the last "
                f"timestamp is {last_time} which is less than the first timestamp {first_time}",
                CORRUPT_INDEX,
            )
        if last_relative < 0:
            raise DumpError(
                f"Corrupt time index found, time index file ({os.path.abspath(path)}) has non-zero size but the last "
                f"offset is {base + last_relative} which is less than the first offset {base}",
                CORRUPT_INDEX,
            )
    check_size(path, size, TIME_ENTRY, "Time index")

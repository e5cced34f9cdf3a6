"""Sequential disk I/O in the ways that are open to a log, and which of them the engine takes.

Each way moves SIZE bytes through one file and tells GB/s and CPU seconds per GB, of this process alone: what the kernel
writes back later, on its own threads, is nobody's here, except where a sync waits for it. `bench/bench_disk.py` runs
them under pytest-benchmark, bench/compare puts the table into bench/RESULTS.md.

Linux only: fallocate with KEEP_SIZE, sync_file_range, sendfile to a socket.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KIB, MIB, GB = 1 << 10, 1 << 20, 1e9
SIZE = 128 * MIB
SYNCS = 100
ROUNDS = 3
ALLOCATION = 8 * MIB
SEND_BUFFER = 256 * KIB
FALLOC_FL_KEEP_SIZE, SYNC_FILE_RANGE_WRITE = 1, 2

_libc = ctypes.CDLL(None, use_errno=True)
_OFFSET = ctypes.c_int64


def _call(name: str, *arguments: int) -> None:
    words = [ctypes.c_int(arguments[0]), *map(_OFFSET, arguments[1:])]
    if name == "fallocate":
        words[1] = ctypes.c_int(arguments[1])
    if name == "sync_file_range":
        words[3] = ctypes.c_uint(arguments[3])
    if getattr(_libc, name)(*words) != 0:
        raise OSError(ctypes.get_errno(), name)


@contextmanager
def opened(path: Path, flags: int = 0) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def aligned(size: int) -> mmap.mmap:
    """As O_DIRECT wants it, filled, so that nothing is zero by accident."""
    memory = mmap.mmap(-1, size)
    memory.write(os.urandom(4096) * (size // 4096))
    return memory


# ---- the ways; each leaves its file behind and returns how many bytes it has moved


def append(path: Path, piece: int, *, allocate: bool = False, back: int = 0, flags: int = 0, sync: bool = False) -> int:
    """`back`: bytes after which the kernel is told to begin writing; `sync`: one fdatasync at the end."""
    data, allocated, told = aligned(piece), 0, 0
    path.unlink(missing_ok=True)
    with opened(path, flags) as file:
        for at in range(0, SIZE, piece):
            if allocate and at + piece > allocated:
                _call("fallocate", file, FALLOC_FL_KEEP_SIZE, allocated, ALLOCATION)
                allocated += ALLOCATION
            os.pwrite(file, data, at)
            if back and at + piece - told >= back:
                _call("sync_file_range", file, told, back, SYNC_FILE_RANGE_WRITE)
                told += back
        if sync:
            os.fdatasync(file)
    return SIZE


def synced(path: Path, piece: int, *, written: bool = False, allocate: bool = False) -> int:
    """A sync behind each piece; `written`: into a file whose blocks hold zeros, so that its size stays."""
    data = aligned(max(piece, 4096))[:piece]
    path.unlink(missing_ok=True)
    with opened(path) as file:
        if written:
            os.pwrite(file, bytes(SYNCS * piece), 0)
        if allocate:
            _call("fallocate", file, FALLOC_FL_KEEP_SIZE, 0, SYNCS * piece)
        os.fsync(file)
        for at in range(0, SYNCS * piece, piece):
            os.pwrite(file, data, at)
            os.fdatasync(file)
    return SYNCS * piece


def _make(path: Path) -> None:
    if not path.exists() or path.stat().st_size != SIZE:
        append(path, MIB, sync=True)


def forget(path: Path) -> None:
    with opened(path) as file:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def read(path: Path, piece: int, *, flags: int = 0, ahead: int = 0) -> int:
    """`ahead`: the kernel is asked for so much at a time before it is read."""
    buffer = aligned(piece)
    with opened(path, flags) as file:
        for at in range(0, SIZE, piece):
            if ahead and at % ahead == 0:
                os.posix_fadvise(file, at, 2 * ahead, os.POSIX_FADV_WILLNEED)
            os.preadv(file, [buffer], at)
    return SIZE


@contextmanager
def _reader(buffer_size: int) -> Iterator[socket.socket]:
    """A connection whose other end reads in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            try:
                with socket.create_connection(server.getsockname()) as link:
                    space = bytearray(256 * KIB)
                    while link.recv_into(space):
                        pass
            finally:
                os._exit(0)
        link, _ = server.accept()
    try:
        with link:
            if buffer_size:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_size)
            yield link
    finally:
        os.waitpid(child, 0)


def send(path: Path, step: int, *, buffer_size: int = SEND_BUFFER, copied: bool = False) -> int:
    """From the page cache to a socket: by sendfile, or `copied` through memory."""
    buffer = memoryview(bytearray(step))
    with _reader(buffer_size) as link, opened(path) as file:
        for at in range(0, SIZE, step):
            if copied:
                os.preadv(file, [buffer], at)
                link.sendall(buffer)
                continue
            end = at + step
            while at < end:
                at += os.sendfile(link.fileno(), file, at, end - at)
    return SIZE


# ---- the list of them


@dataclass(frozen=True)
class Way:
    group: str
    title: str
    run: Callable[[Path], int]
    prepare: Callable[[Path], None] | None = None
    engine: str = ""
    """Why the engine does it this way; empty: it does not."""
    piece: int = 0
    """Where each is synced."""


def _cold(path: Path) -> None:
    _make(path)
    forget(path)


def _size(size: int) -> str:
    return f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"


def _write_ways() -> Iterator[Way]:
    for piece in (16 * KIB, 64 * KIB, MIB):
        yield Way("append", f"buffered, {_size(piece)} a call", lambda p, n=piece: append(p, n))
    yield Way("append", "buffered, 64 KiB a call, 8 MiB allocated ahead", lambda p: append(p, 64 * KIB, allocate=True),
              engine="what arrives together is one call; blocks are reserved in steps of up to 8 MiB")  # fmt: skip
    yield Way("append", "buffered, 1 MiB a call, 8 MiB allocated ahead", lambda p: append(p, MIB, allocate=True))
    yield Way("append", "O_DIRECT, 1 MiB a call", lambda p: append(p, MIB, flags=os.O_DIRECT))
    for back in (0, MIB, 8 * MIB, 32 * MIB):
        title = f"written back each {_size(back)}, then a sync" if back else "written back by the sync at the end"
        why = "a steady disk: no storm that a sync would have to wait behind" if back == 8 * MIB else ""
        yield Way(
            "to the disk", f"1 MiB a call, {title}", lambda p, n=back: append(p, MIB, back=n, sync=True), engine=why
        )
    for piece in (4 * KIB, 64 * KIB):
        why = "one sync for all that came while the last one ran, so that it is rarely this small"
        yield Way("a sync each", f"append {_size(piece)}, fdatasync", lambda p, n=piece: synced(p, n), engine=why,
                  piece=piece)  # fmt: skip
    allocated = "append 4 KiB into allocated blocks, fdatasync"
    yield Way("a sync each", allocated, lambda p: synced(p, 4 * KIB, allocate=True), piece=4 * KIB)
    yield Way(
        "a sync each", "overwrite 4 KiB of zeros, fdatasync", lambda p: synced(p, 4 * KIB, written=True), piece=4 * KIB
    )


def _read_ways() -> Iterator[Way]:
    yield Way("read", "warm, 64 KiB a call", lambda p: read(p, 64 * KIB), _make)
    yield Way("read", "cold, 64 KiB a call", lambda p: read(p, 64 * KIB), _cold)
    yield Way("read", "cold, 64 KiB a call, 4 MiB asked for ahead", lambda p: read(p, 64 * KIB, ahead=4 * MIB), _cold,
              engine="by a thread of its own, 4 MiB at a time, and then sent from the page cache")  # fmt: skip
    yield Way("read", "cold, O_DIRECT, 1 MiB a call", lambda p: read(p, MIB, flags=os.O_DIRECT), _cold)
    for step in (16 * KIB, 64 * KIB, 256 * KIB, 2 * MIB):
        why = "whole ranges with a send buffer of 256 KiB" if step == 2 * MIB else ""
        yield Way("send", f"sendfile, {_size(step)} a call", lambda p, n=step: send(p, n), _make, why)
    yield Way(
        "send", "sendfile, 2 MiB a call, buffer left to the kernel", lambda p: send(p, 2 * MIB, buffer_size=0), _make
    )
    yield Way("send", "read and sent, 16 KiB a call", lambda p: send(p, 16 * KIB, copied=True), _make,
              "up to 16 KiB are copied and leave with their header: one call less for the same bytes")  # fmt: skip


def ways() -> list[Way]:
    return [*_write_ways(), *_read_ways()]


def measure(way: Way, path: Path) -> tuple[float, float]:
    """GB/s and CPU seconds per GB, medians."""
    rates, costs = [], []
    for _ in range(ROUNDS):
        if way.prepare:
            way.prepare(path)
        began, before = time.perf_counter(), time.process_time()
        size = way.run(path)
        spent, passed = time.process_time() - before, time.perf_counter() - began
        rates.append(size / GB / passed)
        costs.append(spent / (size / GB))
    return statistics.median(rates), statistics.median(costs)


def disk_table(folder: Path) -> str:
    """For bench/RESULTS.md."""
    lines = [
        f"The disk: {SIZE // MIB} MiB through one file, or {SYNCS} pieces where each is synced, medians of {ROUNDS}; "
        "CPU of the caller.",
        "",
        "| | way | GB/s | CPU s/GB | µs a piece | why the engine does it so |",
        "|---|---|---|---|---|---|",
    ]
    path = folder / "disk"
    before = ""
    for way in ways():
        rate, cost = measure(way, path)
        each = f"{way.piece / GB / rate * 1e6:.0f}" if way.piece else ""
        print(f"{way.group}: {way.title}: {rate:.2f} GB/s, {cost:.3f} s/GB", flush=True)
        group = "" if way.group == before else way.group
        lines.append(f"| {group} | {way.title} | {rate:.3g} | {cost:.2g} | {each} | {way.engine} |")
        before = way.group
    path.unlink(missing_ok=True)
    return "\n".join(lines)

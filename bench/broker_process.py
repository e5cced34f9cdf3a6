"""A broker as a child process, and what it costs: CPU seconds over all its threads, memory, and the moment of its first
answer.

The broker runs on one processor and whoever measures on another, so that neither's work is counted as the other's, and
the scheduler's luck does not decide the result. `BENCH_PIN=no` leaves both to the scheduler; `BENCH_PIN=0,1` names the
processors of broker and client. Data lies below $BENCH_DATA, or in the system's temporary directory.

Linux only: the clock of another process, and /proc.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("pykafka-core")
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 30
GB = 1e9
API_VERSIONS_V0 = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def processors() -> tuple[int, int] | None:
    """The processors of broker and client; None: unpinned."""
    wanted = os.environ.get("BENCH_PIN", "")
    if wanted == "no":
        return None
    if wanted:
        broker, client = wanted.split(",")
        return int(broker), int(client)
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class BrokerProcess:
    """`with BrokerProcess(num_network_threads=2) as broker:` starts it, waits for its first answer, stops it."""

    def __init__(self, *, pin: int | None = None, data: Path | None = None, **settings: str | int) -> None:
        self.pin = pin
        self.settings = {name.replace("_", "."): value for name, value in settings.items()}
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="bench-broker-", dir=os.environ.get("BENCH_DATA")))
        self.data = data or self._folder / "data"
        self.process: subprocess.Popen[bytes] | None = None
        self.first_answer_s = 0.0
        """From just before fork and exec to the first ApiVersions answer."""
        self.first_answer_cpu_s = 0.0

    def __enter__(self) -> BrokerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def start(self) -> None:
        settings = {"listeners": f"PLAINTEXT://{self.bootstrap}", "log.dirs": str(self.data), **self.settings}
        command = [str(COMMAND), "start"]
        for name, value in settings.items():
            command += ["--override", f"{name}={value}"]
        # Compiled files are part of an installation: without them, each start would measure the compiler.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        own = os.sched_getaffinity(0)
        with (self._folder / "broker.log").open("ab") as log:
            if self.pin is not None:
                os.sched_setaffinity(0, {self.pin})
            try:
                began = time.monotonic()
                self.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, env=environment
                )
            finally:
                os.sched_setaffinity(0, own)
        try:
            self._await_answer(began)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_TIMEOUT_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.process = None
        if status != 0:
            raise RuntimeError(f"the broker ended with status {status}:\n{self.output()}")

    def output(self) -> str:
        return (self._folder / "broker.log").read_text(errors="replace")[-3000:]

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=START_TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def cpu_s(self) -> float:
        """CPU seconds so far, over all threads."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def memory_mib(self) -> dict[str, float]:
        """Resident and proportional set size, and of it what is the process's own and backed by no file."""
        fields = {}
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, value = line.split()[:2]
            fields[name] = int(value) / 1024
        return {"rss": fields["Rss:"], "pss": fields["Pss:"], "anonymous": fields["Anonymous:"]}

    def _await_answer(self, began: float) -> None:
        assert self.process
        while True:
            try:
                with self.connect() as connection:
                    connection.sendall(API_VERSIONS_V0)
                    if not connection.recv(1 << 16):
                        raise ConnectionResetError("closed without an answer")
                self.first_answer_s = time.monotonic() - began
                self.first_answer_cpu_s = self.cpu_s()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the broker did not start:\n{self.output()}") from None
                if time.monotonic() - began > START_TIMEOUT_S:
                    raise TimeoutError(f"no answer after {START_TIMEOUT_S} s:\n{self.output()}") from None
                time.sleep(0.0005)


@contextmanager
def pinned_broker(**settings: str | int) -> Iterator[BrokerProcess]:
    """A broker on its processor, and this process, with the threads that its clients will start, on the other."""
    pins, own = processors(), os.sched_getaffinity(0)
    with BrokerProcess(pin=pins[0] if pins else None, **settings) as broker:
        if pins:
            os.sched_setaffinity(0, {pins[1]})
        try:
            yield broker
        finally:
            os.sched_setaffinity(0, own)


# ---- the state of the machine, told beside each figure


def touch_s_per_gb(size: int = 64 << 20) -> float:
    """What it costs to touch fresh memory here and now.

    A guest whose pages the host has taken back pays for them in whatever system call touches them next: above about 1
    s/GB a sample that writes files says more about the host than about the broker.
    """
    before = time.thread_time()
    mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()
    return (time.thread_time() - before) / (size / GB)


def jiffies() -> tuple[int, int]:
    """All time that has passed on all processors, and the part of it that the host took away."""
    with open("/proc/stat") as file:
        values = [int(word) for word in file.readline().split()[1:9]]
    return sum(values), values[7]


def machine() -> dict[str, Any]:
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
    return {
        "processor": model,
        "processors": os.cpu_count(),
        "kernel": os.uname().release,
        "python": sys.version.split()[0],
        "pinned": processors(),
        "load": os.getloadavg(),
    }

"""A client program that is started again whenever it has ended, and the deaths that it and the broker die meanwhile.

    program = Program(lambda start: ["copier", str(start)], log)      the first process is its start 1
    program.kill()                                                    SIGKILL; the next one comes by itself
    program.overtake(until)                                           it stands still until the next has taken over, and
                                                                      goes on as a zombie
    die_in_turn(progress, goal, [program.kill, broker.crash] * 5, chance, seconds)
    program.stop()                                                    none of its processes is left

Threads: each program has one that starts its processes; all else is called by the test's.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.groups import await_that

BETWEEN_S = 0.1
POLL_S = 0.02
TAKE_OVER_S = 60


class Program:
    def __init__(
        self,
        command: Callable[[int], list[str]],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        may_end: bool = False,
    ) -> None:
        """What start N prints goes to `log`.N. `may_end`: one that ends with status 0 has done all there was to do."""
        self.starts = 0
        self.zombies: list[subprocess.Popen[bytes]] = []
        """Processes that have been overtaken."""
        self._command, self._log, self._environment = command, log, dict(os.environ) | dict(environment or {})
        self._may_end = may_end
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._lock, self.log(self.starts + 1).open("wb") as log:
                self.starts += 1
                self._process = mine = subprocess.Popen(
                    self._command(self.starts), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
                )
            while self._process is mine and mine.poll() is None and not self._stopping.wait(POLL_S):
                pass
            if self._process is mine and self._may_end and mine.poll() == 0:
                return
            self._stopping.wait(BETWEEN_S)

    @property
    def has_ended(self) -> bool:
        """By itself, and for good."""
        return not self._thread.is_alive()

    def kill(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def overtake(self, until: Callable[[int], bool]) -> None:
        """`until(start)`: what the next start must have done before the one that stands still goes on, and what that
        one must have done already, or it is left alone."""
        with self._lock:
            if self._process is None or self._process.poll() is not None or not until(self.starts):
                return
            self._process.send_signal(signal.SIGSTOP)
            self.zombies.append(self._process)
            self._process, next_one = None, self.starts + 1
        try:
            await_that(
                lambda: any(until(start) for start in range(next_one, self.starts + 1)), "the next has taken over",
                TAKE_OVER_S,
            )  # fmt: skip
        finally:
            self.zombies[-1].send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        for process in [self._process, *self.zombies]:
            if process is not None:
                process.kill()
                process.wait()

    def log(self, start: int) -> Path:
        return self._log.with_name(f"{self._log.name}.{start}")

    def tail(self) -> str:
        """The last words of the last three."""
        logs = [self.log(start) for start in range(max(1, self.starts - 2), self.starts + 1)]
        return "\n--\n".join(log.read_text(errors="replace")[-1500:] for log in logs if log.exists())


def die_in_turn(
    progress: Callable[[], int], goal: int, deaths: Sequence[Callable[[], None]], chance: random.Random, seconds: float
) -> None:
    """The deaths, evenly over the way to the goal; then the rest of the way. `progress` is asked all the time. Returns
    also where the goal is not reached in that time: what came of it is the caller's to judge."""
    deadline = time.monotonic() + seconds

    def await_progress(wanted: int) -> None:
        while progress() < wanted and time.monotonic() < deadline:
            time.sleep(POLL_S)

    for number, death in enumerate(deaths, 1):
        await_progress(goal * number // (len(deaths) + 2))
        time.sleep(chance.random() * 0.2)  # anywhere in a transaction
        death()
    await_progress(goal)

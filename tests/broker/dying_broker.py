"""A broker that kills itself while a transaction is being ended: before the so-manyth of the writes that this takes.

    python -m tests.broker.dying_broker DIRECTORY PORT WRITE

The writes: the decision, a marker for each partition, the completion. A number beyond them: after the last one, before
the answer leaves.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from pykafka_core.broker.config import make_config
from pykafka_core.broker.main import run_broker
from pykafka_core.broker.transaction_markers import Markers
from pykafka_core.broker.transactions import Transactions
from pykafka_core.coordinator.transaction import Status


def die_at(write: int) -> None:
    done = 0

    def next_write() -> None:
        nonlocal done
        if done == write:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1

    append, mark, reply = Transactions._append_state, Markers.write, Transactions._append

    def append_state(self: Transactions, effect: Any) -> Any:
        if effect.state is not None and effect.state.status not in (Status.EMPTY, Status.ONGOING):
            next_write()
        return append(self, effect)

    def write_marker(self: Markers, *arguments: Any, **more: Any) -> Any:
        next_write()
        return mark(self, *arguments, **more)

    def append_and_after(self: Transactions, effect: Any, now: Any) -> None:
        reply(self, effect, now)
        if effect.state is not None and effect.state.status in (Status.COMPLETE_COMMIT, Status.COMPLETE_ABORT):
            next_write()

    Transactions._append_state = append_state  # type: ignore[method-assign]
    Transactions._append = append_and_after  # type: ignore[method-assign]
    Markers.write = write_marker  # type: ignore[method-assign]


if __name__ == "__main__":
    directory, port, number = sys.argv[1:]
    die_at(int(number))
    sys.exit(run_broker(make_config({"listeners": f"PLAINTEXT://127.0.0.1:{port}", "log.dirs": directory})))

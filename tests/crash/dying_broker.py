"""A broker that kills itself at a step of somebody's transaction: before or after its so-manyth write of a kind.

    python -m tests.crash.dying_broker STEP before|after NUMBER KEY=VALUE…

| step | the write |
|---|---|
| init | InitProducerId's record in __transaction_state |
| add | partitions or a group are added to a transaction: AddPartitionsToTxn, AddOffsetsToTxn, Produce 12 |
| produce | the first batch of a transaction in a partition, once it is verified |
| offset | TxnOffsetCommit's record in __consumer_offsets |
| prepare | the decision to commit or abort |
| marker | a marker in a partition, of records or of __consumer_offsets |
| complete | the completion |

"after" is before the client is answered. Later batches of a transaction are appended by the reactors alone and have no
step here. The last line that it prints is the step, so that its starter knows that it came to it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from pykafka_core.broker.config import make_config
from pykafka_core.broker.groups import Groups
from pykafka_core.broker.handlers import produce
from pykafka_core.broker.main import run_broker
from pykafka_core.broker.transaction_markers import Markers
from pykafka_core.broker.transactions import Transactions
from pykafka_core.broker.txn_verification import transactional_header
from pykafka_core.coordinator.transaction import Status
from pykafka_core.coordinator.transactional_commits import AppendTransactional

STEPS: Final = ("init", "add", "produce", "offset", "prepare", "marker", "complete")
STATUS_STEPS: Final = {
    Status.EMPTY: "init",
    Status.ONGOING: "add",
    Status.PREPARE_COMMIT: "prepare",
    Status.PREPARE_ABORT: "prepare",
    Status.COMPLETE_COMMIT: "complete",
    Status.COMPLETE_ABORT: "complete",
}


def die_at(step: str, when: str, number: int) -> None:
    left = number

    def reached(this_step: str, this_when: str) -> None:
        nonlocal left
        if (this_step, this_when) == (step, when):
            left -= 1
            if left == 0:
                os.write(1, f"dies {when} {step}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)

    def around(name: Callable[..., str | None], write: Any) -> Any:
        def told(self: Any, *arguments: Any, **more: Any) -> Any:
            of = name(*arguments)
            if of:
                reached(of, "before")
            done = write(self, *arguments, **more)
            if of:
                reached(of, "after")
            return done

        return told

    def of_state(effect: Any) -> str | None:
        return None if effect.state is None else STATUS_STEPS.get(effect.state.status)

    def of_offsets(effect: Any) -> str | None:
        return "offset" if isinstance(effect, AppendTransactional) else None

    append = produce.append

    async def append_to_partition(topic: Any, data: Any, *more: Any) -> Any:
        transactional = transactional_header(data.records) is not None
        if transactional:
            reached("produce", "before")
        answer = await append(topic, data, *more)
        if transactional:
            reached("produce", "after")
        return answer

    patched: Any = Transactions, Groups, Markers, produce
    patched[0]._append_state = around(of_state, Transactions._append_state)
    patched[1]._append = around(of_offsets, Groups._append)
    patched[2].write = around(lambda *_: "marker", Markers.write)
    patched[3].append = append_to_partition


if __name__ == "__main__":
    die_at(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    settings = dict(word.split("=", 1) for word in sys.argv[4:])
    sys.exit(run_broker(make_config(settings)))

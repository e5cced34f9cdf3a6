"""Goal: what a stock client copies from topic to topic in transactions arrives exactly once, whoever dies meanwhile.

Method: a copier (copiers/copier.py, copier.js, java/Copier.java) reads one topic, which was written in transactions of
which some were aborted, and writes what it reads to another, with its offsets in the same transactions, and aborts
every fifth. While it works, it is killed again and again, and so is the broker; whoever is dead is started again. Now
and then it only stands still while a successor takes over, and then goes on as a zombie. A read_committed consumer
watches.

The copier writes a journal of each of its steps, which no SIGKILL shortens. Journals, what the watcher was shown, the
group's offsets as they were asked for all the time, and in the end both topics as either kind of consumer reads them
are told to the history checker of ci/crash (tests/crash/txn_history.py), which judges by T1-T6 and L1-L9: nothing is
lost, nothing doubled, nothing aborted is seen.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import jars
from harness.account import COPIER, INPUTS, Account
from harness.broker import Broker
from harness.clients import ALL, Client
from harness.clients.kafkajs_client import MODULES
from harness.copying import PARTITIONS, Progress, fill, judge, summary
from harness.groups import await_that, call
from harness.programs import Program, die_in_turn
from harness.requests import create_topic
from harness.sizes import COUNT, KILLS, SEED, TIMEOUT_S, WAIT_S
from harness.watching import Watcher
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.update_features_request import FeatureUpdateKey, UpdateFeaturesRequest
from tests.crash.txn_history import NEVER, TxnHistory

pytestmark = [pytest.mark.row("transactions")]

COPIERS = Path(__file__).resolve().parent / "copiers"
SAFE_DOWNGRADE = 2
STEPS = ["", "send", "acked", "offsets", "committing", "committing", "aborting"]
"""Of the copier, at which somebody dies; "": at any moment."""
AIM_S = 0.5


def command(kind: str, bootstrap: str, start: int, journal: Path) -> list[str]:
    if kind == "kafkajs":
        return ["node", str(COPIERS / "copier.js"), bootstrap, str(start), str(journal)]
    if kind == "java":
        return [*jars.program("Copier"), bootstrap, str(start), str(journal)]
    return [sys.executable, str(COPIERS / "copier.py"), kind, bootstrap, str(start), str(journal)]


@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize(
    ("kind", "transaction_version"),
    [("confluent-kafka", 2), ("aiokafka", 2), ("kafkajs", 2), ("java", 2), ("java", 1)],
)
def test_exactly_once(
    kind: str,
    transaction_version: int,
    present: Callable[[Client], Client],
    own_broker: Callable[..., Broker],
    tmp_path: Path,
) -> None:
    present(next(client for client in ALL if client.name == kind))
    if kind == "java":
        jars.compile_programs()
    chance = random.Random(f"{SEED} {kind} {transaction_version}")
    broker = own_broker(
        group_min_session_timeout_ms=500, group_initial_rebalance_delay_ms=100,
        offsets_topic_num_partitions=5, transaction_state_log_num_partitions=5,
        log_flush_offset_checkpoint_interval_ms=500,
    )  # fmt: skip
    if transaction_version != 2:
        update = FeatureUpdateKey(
            feature="transaction.version", max_version_level=transaction_version, upgrade_type=SAFE_DOWNGRADE
        )
        assert call(broker, ApiKey.UPDATE_FEATURES, 1, UpdateFeaturesRequest(feature_updates=[update])).error_code == 0
    for topic in ("in", "out"):
        create_topic(broker.address, topic, PARTITIONS)
    account = Account()
    inputs = fill(broker.bootstrap, COUNT, account, chance)

    def journal(start: int) -> Path:
        return tmp_path / f"journal-{start}"

    def has_begun(start: int) -> bool:
        return journal(start).exists() and " init\n" in journal(start).read_text()

    def at_a_step(death: Callable[[], None]) -> Callable[[], None]:
        """It comes when the copier has just written such a line: most of its time it spends elsewhere."""

        def strike() -> None:
            word, deadline = chance.choice(STEPS), time.monotonic() + AIM_S
            while word and last_word(journal(program.starts)) != word and time.monotonic() < deadline:
                time.sleep(0.0003)
            death()

        return strike

    def overtake() -> None:
        await_that(lambda: has_begun(program.starts), "the copier has its producer id")
        at_a_step(lambda: program.overtake(has_begun))()

    program = Program(
        lambda start: command(kind, broker.bootstrap, start, journal(start)),
        tmp_path / "copier.log",
        environment={"NODE_MODULES": str(MODULES), "NODE_NO_WARNINGS": "1"},
    )
    watcher = Watcher(broker, "out", PARTITIONS)
    progress = Progress(broker, account, inputs)
    try:
        deaths = [at_a_step(program.kill), at_a_step(broker.crash), overtake, at_a_step(broker.crash)]
        die_in_turn(progress, progress.goal, [deaths[number % 4] for number in range(KILLS)], chance, WAIT_S)
        come = progress()
    finally:
        program.stop()
        watcher.stop()
    assert come >= progress.goal, f"{come} of {progress.goal} were copied in {WAIT_S} s\n{program.tail()}"
    progress.settle()
    for start in range(1, program.starts + 1):
        if journal(start).exists():
            account.journal(journal(start), start, inputs)
    account.watched(watcher.seen)
    history = judge(broker, account, {"in": INPUTS, "out": 0})

    done, filled = summary(history, filled=False), summary(history, filled=True)
    late = [steps_after_fence(history, start) for start in range(1, program.starts + 1)]
    print(f"{kind}, transaction.version {transaction_version}: {KILLS} deaths, {program.starts} starts, ", end="")
    print(f"{len(program.zombies)} zombies that sent {sum(late)} records, {done}; input: {filled}")
    assert program.starts > KILLS // 2
    assert min(done["aborted"], done["records aborted"], filled["records aborted"]) > 0
    assert done["records"] - done["records aborted"] >= COUNT
    assert len(watcher.seen) > COUNT // 2
    assert any(late) or len(program.zombies) < 20, "no zombie has tried anything"


def last_word(journal: Path) -> str:
    """What the copier does now."""
    if not journal.exists():
        return ""
    with journal.open("rb") as lines:
        lines.seek(max(journal.stat().st_size - 100, 0))
        words = lines.read().decode().rpartition("\n")[0].rpartition("\n")[2].split(" ")
    return words[1] if len(words) > 1 else ""


def steps_after_fence(history: TxnHistory, start: int) -> int:
    """What was sent by this start of the copier after a later one had its producer id."""
    fence = min((moment for (_, other), moment in history.fences.items() if other > start), default=NEVER)
    mine = [txn for txn in history.txns if (txn.producer, txn.incarnation) == (COPIER, start)]
    return sum(send.asked > fence for txn in mine for send in txn.sends)

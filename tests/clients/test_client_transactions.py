"""Goal: what a stock client copies from topic to topic in transactions arrives exactly once, whoever dies meanwhile.

Method: a copier (copiers/copier.py, copier.js, java/Copier.java) reads numbers from one topic and writes them to
another, with its offsets in the same transactions, and aborts every fifth. While it works, it is killed again and
again, and so is the broker; whoever is dead is started again. In the end the other topic, read by a read_committed
consumer, holds every number just once, in order, and nothing that was written in a transaction that was aborted; and no
transaction is open.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import jars
from harness.broker import Broker
from harness.clients import ALL, Client
from harness.clients.kafkajs_client import MODULES
from harness.copying import PARTITIONS, call, copied, fill, read_committed
from harness.requests import create_topic
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.update_features_request import FeatureUpdateKey, UpdateFeaturesRequest

pytestmark = [pytest.mark.row("transactions")]

COPIERS = Path(__file__).resolve().parent / "copiers"
COUNT = int(os.environ.get("KC_CLIENTS_TRANSACTIONS", "1500"))
KILLS = int(os.environ.get("KC_CLIENTS_KILLS", "4"))
WAIT_S = 100 + 25 * KILLS
SEED = os.environ.get("KC_TEST_SEED", "")
SAFE_DOWNGRADE = 2


def command(kind: str, bootstrap: str, seed: int) -> list[str]:
    if kind == "kafkajs":
        return ["node", str(COPIERS / "copier.js"), bootstrap]
    if kind.startswith("java"):
        return [*jars.program("Copier"), bootstrap, str(seed)]
    return [sys.executable, str(COPIERS / "copier.py"), kind, bootstrap, str(seed)]


class Copiers:
    """One copier at a time; the next one comes when it is gone."""

    def __init__(self, kind: str, bootstrap: str, errors: Path) -> None:
        self.starts = 0
        self._kind, self._bootstrap, self._errors = kind, bootstrap, errors
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        environment = os.environ | {"NODE_MODULES": str(MODULES), "NODE_NO_WARNINGS": "1"}
        while not self._stopping.is_set():
            self.starts += 1
            with self._errors.open("ab") as errors:
                self._process = subprocess.Popen(
                    command(self._kind, self._bootstrap, self.starts),
                    stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=environment,
                )  # fmt: skip
            self._process.wait()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        self._stopping.set()
        self.kill()
        self._thread.join()


@pytest.mark.timeout(WAIT_S + 150)
@pytest.mark.parametrize(
    ("kind", "transaction_version"),
    [("confluent-kafka", 2), ("aiokafka", 2), ("kafkajs", 2), ("java", 2), ("java", 0)],
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
    fill(broker.bootstrap, COUNT)
    copiers = Copiers(kind, broker.bootstrap, tmp_path / "copier.log")
    try:
        deadline = time.monotonic() + WAIT_S
        for number in range(1, KILLS + 1):
            while copied(broker) < COUNT * number // (KILLS + 2) and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(chance.random() * 0.2)  # anywhere in a transaction
            if number % 2:
                copiers.kill()
            else:
                assert broker.process
                broker.process.kill()
                broker.process.wait()
                broker.start()
        while copied(broker) < COUNT and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        copiers.stop()
    log = (tmp_path / "copier.log").read_text(errors="replace")[-2000:]
    assert copied(broker) == COUNT, f"{copied(broker)} of {COUNT} were copied in {WAIT_S} s\n{log}"
    assert copiers.starts > KILLS // 2
    seen = read_committed(broker.bootstrap)
    values = [value for partition in seen.values() for value in partition]
    assert not [value for value in values if value.startswith("x")], "records of aborted transactions are seen"
    counts = Counter(map(int, values))
    assert not [number for number, count in counts.items() if count > 1], "records are doubled"
    assert len(counts) == COUNT, "records are lost"
    for partition in seen.values():
        assert [int(value) for value in partition] == sorted(int(value) for value in partition)

"""Goal: Apache Kafka's own TransactionalMessageCopier copies each record exactly once, whoever dies meanwhile.

Method: as Kafka's system tests do: a copier for each partition of a topic, with random aborts, and both kinds of
TxnOffsetCommit (with the group's metadata and without). They are killed again and again, and so is the broker. What a
read_committed consumer sees in the end is partition by partition what was copied, each record once and in order.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import jars
from harness.broker import Broker
from harness.copying import PARTITIONS, copied, fill, read_committed
from harness.presence import MissingError, absent
from harness.requests import create_topic

COUNT = int(os.environ.get("KC_CLIENTS_TRANSACTIONS", "1500"))
KILLS = int(os.environ.get("KC_CLIENTS_KILLS", "4"))
WAIT_S = 100 + 25 * KILLS
SEED = os.environ.get("KC_TEST_SEED", "")
SIZE = 23

pytestmark = [pytest.mark.row("transactions"), pytest.mark.timeout(WAIT_S + 150)]


class Copier:
    """The copier of a partition. It ends by itself where the partition did when it started; then, or when it was
    killed, the next one comes."""

    def __init__(self, bootstrap: str, partition: int, output: Path) -> None:
        self.starts = 0
        self._command = [
            *jars.program("org.apache.kafka.tools.TransactionalMessageCopier"),
            "--broker-list", bootstrap, "--input-topic", "in", "--input-partition", str(partition),
            "--output-topic", "out", "--transactional-id", f"copier-{partition}", "--consumer-group", "copier",
            "--transaction-size", str(SIZE), "--transaction-timeout", "15000", "--enable-random-aborts",
            *(["--use-group-metadata"] if partition % 2 else []),
        ]  # fmt: skip
        self._output = output
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.starts += 1
            with self._output.open("ab") as output:
                self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            if self._process.wait() == 0 and b'"stage":"ShutdownComplete"' in self._output.read_bytes()[-4000:]:
                self._stopping.wait(0.5)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        self._stopping.set()
        self.kill()
        self._thread.join()


def test_kafkas_copier(own_broker: Callable[..., Broker], tmp_path: Path) -> None:
    try:
        jars.compile_programs()
    except MissingError as missing:
        absent(str(missing))
    chance = random.Random(f"{SEED} message copier")
    broker = own_broker(
        group_min_session_timeout_ms=500, group_initial_rebalance_delay_ms=100,
        offsets_topic_num_partitions=5, transaction_state_log_num_partitions=5,
    )  # fmt: skip
    for topic in ("in", "out"):
        create_topic(broker.address, topic, PARTITIONS)
    fill(broker.bootstrap, COUNT)
    copiers = [Copier(broker.bootstrap, index, tmp_path / f"copier-{index}.log") for index in range(PARTITIONS)]
    try:
        deadline = time.monotonic() + WAIT_S
        for number in range(1, KILLS + 1):
            while copied(broker) < COUNT * number // (KILLS + 2) and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(chance.random() * 0.2)  # anywhere in a transaction
            if number % 2:
                chance.choice(copiers).kill()
            else:
                assert broker.process
                broker.process.kill()
                broker.process.wait()
                broker.start()
        while copied(broker) < COUNT and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        for each in copiers:
            each.stop()
    logs = "\n".join(each.read_text(errors="replace")[-1500:] for each in sorted(tmp_path.glob("copier-*.log")))
    assert copied(broker) == COUNT, f"{copied(broker)} of {COUNT} were copied in {WAIT_S} s\n{logs}"
    assert sum(each.starts for each in copiers) > PARTITIONS
    seen = read_committed(broker.bootstrap)
    for partition, values in seen.items():
        assert values == [str(number) for number in range(partition, COUNT, PARTITIONS)], f"partition {partition}"

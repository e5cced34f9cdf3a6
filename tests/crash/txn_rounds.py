"""Rounds of the crash campaign (campaign.py) with transactions, judged by T1-T6 and L1-L9 of all that was seen.

txn        the broker is killed in the middle of a step of somebody's transaction (dying_broker.py), or at any moment;
           workers of both transaction versions, one of them under several kinds of faults of its own (txn_load.py)
txn-power  the power goes, with log.flush.interval.messages=1 for everything that is acknowledged
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pykafka_core.protocol.messages.update_features_request import FeatureUpdateKey, UpdateFeaturesRequest
from tests.broker.processes import BrokerProcess, broker_process
from tests.broker.raw_client import RawClient, create_topic
from tests.crash import dying_broker
from tests.crash.txn_history import TxnHistory
from tests.crash.txn_load import Worker, drain
from tests.ports import free_port

PARTITIONS: Final = 3
WORKERS: Final = 6
TOPIC: Final = "records"
SETTINGS: Final = {
    "num.network.threads": "2",
    "transaction.state.log.num.partitions": "3",
    "offsets.topic.num.partitions": "3",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
    "log.flush.offset.checkpoint.interval.ms": "300",
}
SAFE_DOWNGRADE: Final = 2
FAIR_SHARE_S: Final = 60


class BrokenRule(Exception):
    """A history that must not be."""


def words_of(settings: dict[str, str]) -> list[str]:
    return [word for key, value in settings.items() for word in ("--override", f"{key}={value}")]


@contextmanager
def dying(directory: Path, port: int, chance: random.Random) -> Iterator[BrokerProcess]:
    step, when = chance.choice(dying_broker.STEPS), chance.choice(["before", "after"])
    settings = SETTINGS | {"listeners": f"PLAINTEXT://127.0.0.1:{port}", "log.dirs": str(directory)}
    number = chance.randint(1, 12)
    words = [sys.executable, "-m", "tests.crash.dying_broker", step, when, str(number)]
    broker = BrokerProcess([*words, *(f"{key}={value}" for key, value in settings.items())], port=port)
    try:
        yield broker
    finally:
        broker.close()


class Crowd:
    """The workers of a round."""

    def __init__(self, bootstrap: str, chance: random.Random) -> None:
        self.history = TxnHistory()
        self.workers = [
            Worker(self.history, bootstrap, TOPIC, PARTITIONS, number, 1 + number % 2, chance.getrandbits(32))
            for number in range(WORKERS)
        ]
        self._bootstrap = bootstrap
        for each in self.workers:
            each.start()

    @property
    def committed(self) -> int:
        return sum(each.committed for each in self.workers)

    def check(self) -> None:
        for each in self.workers:
            if each.failure:
                raise BrokenRule(f"worker {each.number} has failed") from each.failure

    def await_progress(self, more: int, broker: BrokerProcess | None = None) -> None:
        goal, deadline = self.committed + more, time.monotonic() + FAIR_SHARE_S
        while self.committed < goal:
            self.check()
            if broker is not None and broker.process.poll() is not None:
                return
            if time.monotonic() > deadline:
                raise BrokenRule(f"no progress: refused {[dict(each.refused) for each in self.workers]}")
            time.sleep(0.01)

    def stop(self) -> None:
        for each in self.workers:
            each.stopping.set()
        for each in self.workers:
            each.join(FAIR_SHARE_S)
            assert not each.is_alive()
        self.check()

    def judge(self, what: str) -> None:
        for each in self.workers:
            each.finish()
        try:
            drain(self.history, self._bootstrap, TOPIC, PARTITIONS)
        except AssertionError as error:
            raise BrokenRule(f"{what}: {error}") from error
        problems = self.history.problems(drained=True)
        if problems:
            raise BrokenRule("\n".join([what, *problems]))


def prepare(bootstrap: str, chance: random.Random, **configs: object) -> int:
    """The topic, and transaction.version, which is returned."""
    version = chance.choice([2, 2, 1, 0])
    with RawClient(bootstrap) as client:
        create_topic(client, TOPIC, PARTITIONS, segment_bytes=1 << 20, **configs)
        if version != 2:
            update = FeatureUpdateKey(
                feature="transaction.version", max_version_level=version, upgrade_type=SAFE_DOWNGRADE
            )
            answer = client.call(UpdateFeaturesRequest(feature_updates=[update]), 1)
            assert answer.error_code == 0, answer
    return version


def txn_round(place: Path, chance: random.Random) -> dict[str, int]:
    port, died = free_port(), {"in a step": 0, "at any moment": 0}
    with broker_process(place, *words_of(SETTINGS), port=port) as broker:
        broker.await_ready()
        version = prepare(broker.bootstrap, chance)
        crowd = Crowd(broker.bootstrap, chance)
        try:
            crowd.await_progress(10)
            broker.stop(signal.SIGKILL)
            for _ in range(chance.randint(3, 8)):
                if chance.random() < 0.7:
                    with dying(place, port, chance) as broker:
                        crowd.await_progress(60, broker)
                        if broker.process.poll() is None:
                            broker.stop(signal.SIGKILL)
                        died["in a step" if "dies " in broker.output else "at any moment"] += 1
                else:
                    with broker_process(place, *words_of(SETTINGS), port=port) as broker:
                        broker.await_ready()
                        crowd.await_progress(chance.randint(1, 20))
                        time.sleep(chance.random() * 0.1)
                        broker.stop(signal.SIGKILL)
                        died["at any moment"] += 1
            with broker_process(place, *words_of(SETTINGS), port=port) as broker:
                broker.await_ready()
                crowd.await_progress(10)
                crowd.stop()
                crowd.judge(f"transaction.version {version}, after {died}")
                if broker.stop() != 0:
                    raise BrokenRule(f"the broker did not stop well\n{broker.output}")
        finally:
            for each in crowd.workers:
                each.stopping.set()
    return result(crowd, {f"died {what}": count for what, count in died.items()})


def result(crowd: Crowd, counts: dict[str, int]) -> dict[str, int]:
    found = crowd.history.census()
    cycles = {f"cycles of {kind}": count for kind, count in found.items()}
    return counts | {"transactions": len(crowd.history.txns), "committed": crowd.committed} | cycles


def txn_power_round(
    place: Path, chance: random.Random, *, loop_file_system: Any, cut_power: Any, mount_again: Any, boots: Any
) -> dict[str, int]:
    kind, port, cuts = chance.choice(["ext4", "xfs"]), free_port(), 4
    words = words_of(SETTINGS | {"log.flush.interval.messages": "1"})
    starts = boots(place)
    with loop_file_system(place, kind) as mount:
        crowd = None
        try:
            for _ in range(cuts):
                with broker_process(mount / "data", *words, port=port, before_exec=next(starts)) as broker:
                    broker.await_ready()
                    if crowd is None:
                        prepare(broker.bootstrap, chance)
                        crowd = Crowd(broker.bootstrap, chance)
                    crowd.await_progress(10)
                    time.sleep(chance.random() * 0.3)
                    cut_power(broker, mount)
                    broker.stop(signal.SIGKILL)
                mount_again(place, mount)
            assert crowd is not None
            with broker_process(mount / "data", *words, port=port, before_exec=next(starts)) as broker:
                broker.await_ready()
                crowd.await_progress(10)
                crowd.stop()
                crowd.judge(f"on {kind} after {cuts} power cuts")
                broker.stop(signal.SIGKILL)
        finally:
            for each in crowd.workers if crowd else ():
                each.stopping.set()
    return result(crowd, {"power cuts": cuts})

"""Rounds of the crash campaign (campaign.py) with transactions, judged by T1-T6 and L1-L9 of all that was seen.

txn        the broker is killed in the middle of a step of a transaction (dying_broker.py), or at any moment, or is
           stopped well; workers of both transaction versions, with faults of their own (txn_load.py). In some rounds
           logs roll and are compacted all the time, in some their replicas move between two log directories
txn-power  the power goes, with log.flush.interval.messages=1 for everything that is acknowledged
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pykafka_core.protocol.messages.alter_replica_log_dirs_request import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
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
COMPACTING: Final = {
    "log.roll.ms": "300",
    "log.cleaner.backoff.ms": "100",
    "log.cleaner.min.cleanable.ratio": "0.01",
    "log.cleaner.delete.retention.ms": "100",
}
INTERNAL: Final = ("__transaction_state", "__consumer_offsets")
SAFE_DOWNGRADE: Final = 2
FAIR_SHARE_S: Final = 60


class BrokenRule(Exception):
    """A history that must not be."""


def words_of(settings: dict[str, str]) -> list[str]:
    return [word for key, value in settings.items() for word in ("--override", f"{key}={value}")]


@contextmanager
def dying(settings: dict[str, str], port: int, chance: random.Random) -> Iterator[BrokerProcess]:
    step, when = chance.choice(dying_broker.STEPS), chance.choice(["before", "after"])
    settings = settings | {"listeners": f"PLAINTEXT://127.0.0.1:{port}"}
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

    def judge(self, what: str, *, all_stored: bool = True) -> None:
        """`all_stored` false: what was aborted may have been removed."""
        for each in self.workers:
            each.finish()
        try:
            drain(self.history, self._bootstrap, TOPIC, PARTITIONS)
        except AssertionError as error:
            raise BrokenRule(f"{what}: {error}") from error
        problems = self.history.problems(drained=True, all_stored=all_stored)
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


class Mover(threading.Thread):
    """Moves replicas between two log directories, as long as there is a broker, until it is told to stop."""

    def __init__(self, bootstrap: str, directories: list[Path], seed: int) -> None:
        super().__init__(daemon=True)
        self.bootstrap, self.directories = bootstrap, directories
        self.chance = random.Random(seed)
        self.stopping = threading.Event()
        self.asked = 0

    def run(self) -> None:
        while not self.stopping.wait(self.chance.uniform(0, 0.2)):
            try:
                with RawClient(self.bootstrap) as client:
                    while not self.stopping.wait(self.chance.uniform(0, 0.1)):
                        topic = self.chance.choice([TOPIC, TOPIC, *INTERNAL])
                        place = AlterReplicaLogDirTopic(name=topic, partitions=[self.chance.randrange(PARTITIONS)])
                        path = AlterReplicaLogDir(path=str(self.chance.choice(self.directories)), topics=[place])
                        client.call(AlterReplicaLogDirsRequest(dirs=[path]), 2)
                        self.asked += 1
            except OSError:
                continue

    def stop(self) -> None:
        self.stopping.set()
        self.join(FAIR_SHARE_S)


def txn_round(place: Path, chance: random.Random) -> dict[str, int]:
    port, died = free_port(), {"in a step": 0, "at any moment": 0, "not": 0}
    compacts, moves = chance.random() < 0.4, chance.random() < 0.25
    directories = [place / "a", place / "b"] if moves else [place / "a"]
    settings = SETTINGS | (COMPACTING if compacts else {}) | {"log.dirs": ",".join(map(str, directories))}
    policy = {"cleanup_policy": "compact"} if compacts and chance.random() < 0.5 else {}
    words = words_of(settings)
    with broker_process(None, *words, port=port) as broker:
        broker.await_ready()
        version = prepare(broker.bootstrap, chance, **policy)
        crowd = Crowd(broker.bootstrap, chance)
        mover = Mover(broker.bootstrap, directories, chance.getrandbits(32))
        if moves:
            mover.start()
        try:
            crowd.await_progress(10)
            broker.stop(signal.SIGKILL)
            for _ in range(chance.randint(3, 8)):
                how = chance.random()
                if how < 0.6:
                    with dying(settings, port, chance) as broker:
                        crowd.await_progress(60, broker)
                        if broker.process.poll() is None:
                            broker.stop(signal.SIGKILL)
                        died["in a step" if "dies " in broker.output else "at any moment"] += 1
                else:
                    with broker_process(None, *words, port=port) as broker:
                        broker.await_ready()
                        crowd.await_progress(chance.randint(1, 20))
                        time.sleep(chance.random() * 0.1)
                        if how < 0.85:
                            broker.stop(signal.SIGKILL)
                            died["at any moment"] += 1
                        elif broker.stop() != 0:
                            raise BrokenRule(f"the broker did not stop well\n{broker.output}")
                        else:
                            died["not"] += 1
            with broker_process(None, *words, port=port) as broker:
                broker.await_ready()
                crowd.await_progress(10)
                if moves:
                    mover.stop()
                crowd.stop()
                crowd.judge(
                    f"transaction.version {version}, after {died}, {compacts=} {moves=} {policy=}",
                    all_stored=not policy,
                )
                if broker.stop() != 0:
                    raise BrokenRule(f"the broker did not stop well\n{broker.output}")
        finally:
            mover.stopping.set()
            for each in crowd.workers:
                each.stopping.set()
    return result(crowd, {f"died {what}": count for what, count in died.items()} | {"moves": mover.asked})


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

"""A broker with two log directories is killed while a replica moves to and fro under load; then each acknowledged
record is looked for, at its offset.

    python -m tests.crash.moves SECONDS [--seed N]

Each round is a life of the same broker, ended by kill -9 at a random moment. The first record that is missing ends the
campaign with status 1 and the seed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

from pykafka_core.records import BatchHeader, batches, iterate
from tests.broker.processes import BrokerProcess, broker_process
from tests.broker.raw_client import RawClient, batch_of, create_topic, fetch, produce
from tests.broker.test_log_moves import ask_to_move, places

TOPIC = "moved"
VALUE_SIZE = 3000
PATIENCE_S = 30.0


class Load(threading.Thread):
    """Produces until its broker is gone."""

    def __init__(self, bootstrap: str, acknowledged: dict[int, bytes]) -> None:
        super().__init__()
        self.bootstrap, self.acknowledged = bootstrap, acknowledged

    def run(self) -> None:
        try:
            with RawClient(self.bootstrap) as client:
                while True:
                    value = b"%d" % len(self.acknowledged) + bytes(VALUE_SIZE)
                    (answer,) = produce(client, TOPIC, batch_of(value))
                    if not answer.error_code:
                        self.acknowledged[answer.base_offset] = value
        except OSError:
            return


def read_all(client: RawClient, end: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    offset, deadline = 0, time.monotonic() + PATIENCE_S
    while offset < end:
        try:
            data = fetch(client, TOPIC, offset=offset)
        except AssertionError:
            # A move that the last life began is being swapped in.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
            continue
        for batch in batches(data):
            found |= {record.offset: bytes(record.value or b"") for record in iterate(batch)}
            offset = BatchHeader.load(batch).next_offset
    return found


def one_life(broker: BrokerProcess, client: RawClient, directory: Path, chance: random.Random) -> int:
    """Move the replica until the kill; returns how often that was asked for."""
    moves, end = 0, time.monotonic() + chance.uniform(0.2, 1.5)
    while time.monotonic() < end:
        (here,) = [name for name, is_copy in places(client, TOPIC) if not is_copy]
        ask_to_move(client, TOPIC, directory / ("b" if here == "a" else "a"))
        moves += 1
        time.sleep(chance.uniform(0, 0.05))
    broker.process.kill()
    broker.process.wait()
    return moves


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    chance, acknowledged, rounds, moves = random.Random(options.seed), {}, 0, 0  # type: ignore[var-annotated]
    end = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory(prefix="moves-") as scratch:
        directory = Path(scratch)
        words = ["--override", f"log.dirs={directory / 'a'},{directory / 'b'}"]
        words += ["--override", "log.segment.bytes=1048576"]
        while time.monotonic() < end:
            with broker_process(None, *words) as broker:
                broker.await_ready()
                with broker.client() as client:
                    if not rounds:
                        create_topic(client, TOPIC, file_delete_delay_ms=0)
                    found = read_all(client, max(acknowledged, default=-1) + 1)
                    lost = sorted(offset for offset in acknowledged if found.get(offset) != acknowledged[offset])
                    if lost:
                        print(f"seed {options.seed}, round {rounds}: lost {len(lost)} records, from offset {lost[0]}")
                        return 1
                    load = Load(broker.bootstrap, acknowledged)
                    load.start()
                    moves += one_life(broker, client, directory, chance)
                    load.join()
            rounds += 1
    print(f"seed {options.seed}: {rounds} kills, {moves} moves, {len(acknowledged)} records acknowledged, none lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())

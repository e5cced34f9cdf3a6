"""A random life of transactions: producers of both versions come, write, end, and are replaced, while the broker dies
between any two effects and disks refuse what they please. In the end everything works again and time passes.

What must hold (T1 to T5 of exactly-once):
  - all records of a transaction whose commit was acknowledged are visible, once, in order, in all its partitions;
  - none of one that was aborted, or refused, or never ended;
  - of one whose producer never heard the outcome: all or none;
  - a producer that was replaced ends nothing any more;
  - no transaction stays open in a partition.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pykafka_core.coordinator.transaction import Status
from pykafka_core.coordinator.transaction_records import transaction_key, transaction_value
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.records.framing import encode_coordinator_key, encode_coordinator_value
from tests.coordinator.transaction_play import Place, Producer, TransactionPlay

PLACES = [("t", 0), ("t", 1), ("u", 0)]
IDS = ["x", "y"]
AGAIN = {
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
}
LAST_EPOCHS = 32764


class Client:
    """A producer and what it knows of its transaction."""

    def __init__(self, producer: Producer, number: int) -> None:
        self.producer = producer
        self.number = number
        self.values: list[tuple[Place, str]] = []
        self.ending: bool | None = None
        """The end that it asked for and has not heard of: as real clients do, it asks for nothing else."""
        self.gone = False
        self.replaced = False


class TransactionsLife(RuleBasedStateMachine):
    @initialize(version=st.sampled_from([0, 1, 2]))
    def begin(self, version: int) -> None:
        self.play = TransactionPlay(version)
        self.clients: list[Client] = []
        self.count = 0
        self.committed: list[list[tuple[Place, str]]] = []
        self.aborted: list[list[tuple[Place, str]]] = []
        self.unknown: list[list[tuple[Place, str]]] = []

    # ---- what happens

    @rule(transactional_id=st.sampled_from(IDS), version=st.sampled_from([1, 2]))
    def a_producer_comes(self, transactional_id: str, version: int) -> None:
        producer = Producer(transactional_id, min(version, max(self.play.version, 1)))
        answer = self.play.init(producer)
        if answer is not None and not answer.error:
            for each in self.clients:
                if each.producer.transactional_id == transactional_id:
                    each.replaced = True
            self.clients.append(Client(producer, len(self.clients)))

    @rule(which=st.integers(0, 3))
    def a_producer_recovers(self, which: int) -> None:
        """KIP-360: after an error it asks for a new epoch with the one that it has."""
        client = self.pick(which)
        if client is None:
            return
        answer = self.play.init(client.producer, own=True)
        if answer is None:
            return
        if not answer.error:
            assert not client.replaced, "a producer that was replaced was let in again"
            self.close(client)
            client.ending = None
        elif answer.error not in AGAIN:
            self.leave(client)

    @rule(which=st.integers(0, 3), place=st.sampled_from(PLACES))
    def produces(self, which: int, place: Place) -> None:
        client = self.pick(which)
        if client is None or client.ending is not None:
            return
        producer = client.producer
        if producer.version < 2:
            error = self.play.add(producer, [place])
            if error is None or error in AGAIN:
                return
            if error:
                self.leave(client)
                return
        self.count += 1
        value = f"{client.number}:{self.count}"
        error = self.play.produce(producer, place, value)
        if error == ErrorCode.NONE:
            client.values.append((place, value))
        elif error is not None and error not in AGAIN:
            self.leave(client)

    @rule(which=st.integers(0, 3), commit=st.booleans())
    def ends(self, which: int, commit: bool) -> None:
        client = self.pick(which)
        if client is None:
            return
        if client.ending is not None:
            commit = client.ending
        elif not client.values:
            return  # real clients do not ask the coordinator to end nothing
        answer = self.play.end(client.producer, commit=commit)
        if answer is None or answer.error in AGAIN:
            client.ending = commit
        elif answer.error:
            self.leave(client, attempted=client.ending)
        else:
            assert not client.replaced, "a producer that was replaced has ended a transaction"
            (self.committed if commit else self.aborted).append(client.values)
            client.values, client.ending = [], None

    @rule(which=st.integers(0, 3), places=st.lists(st.sampled_from(PLACES), min_size=1), commit=st.booleans())
    def transacts(self, which: int, places: list[Place], commit: bool) -> None:
        for place in places:
            self.produces(which, place)
        self.ends(which, commit)

    @rule(which=st.integers(0, 3), commit=st.booleans())
    def a_producer_that_was_replaced_ends(self, which: int, commit: bool) -> None:
        """It is refused, whatever its successor is doing."""
        replaced = [each for each in self.clients if each.replaced]
        if replaced:
            answer = self.play.end(replaced[-1 - which % len(replaced)].producer, commit=commit)
            assert answer is None or answer.error

    @rule(milliseconds=st.sampled_from([1, 100, 100, 30_000, 61_000]))
    def time_passes(self, milliseconds: int) -> None:
        self.play.wait(milliseconds)

    @rule(effects=st.integers(0, 6))
    def the_next_step_is_the_last(self, effects: int) -> None:
        self.play.crash_after = effects

    @rule()
    def the_broker_starts_anew(self) -> None:
        self.play.restart()

    @rule(error=st.sampled_from([ErrorCode.NONE] * 4 + [ErrorCode.COORDINATOR_NOT_AVAILABLE]))
    def the_disk(self, error: ErrorCode) -> None:
        self.play.disk_error = error

    @rule(place=st.sampled_from(PLACES), error=st.sampled_from([ErrorCode.NONE] * 2 + [ErrorCode.KAFKA_STORAGE_ERROR]))
    def a_partition(self, place: Place, error: ErrorCode) -> None:
        self.play.partition(place).error = error

    @rule(which=st.integers(0, 3))
    def epochs_run_out(self, which: int) -> None:
        """As if thousands of transactions had gone by."""
        client = self.pick(which)
        if client is None or client.replaced or client.values or client.ending is not None:
            return
        transactional_id = client.producer.transactional_id
        found = self.play.coordinator.ids[transactional_id]
        state = found.state
        known = (state.producer_id, state.epoch) == (client.producer.producer_id, client.producer.epoch)
        quiet = state.status in (Status.EMPTY, Status.COMPLETE_COMMIT, Status.COMPLETE_ABORT)
        if known and quiet and not found.pending and state.epoch < LAST_EPOCHS:
            found.state = state._replace(epoch=LAST_EPOCHS, last_epoch=-1)
            client.producer.epoch = LAST_EPOCHS
            version = 1 if self.play.version else 0
            self.play.log[encode_coordinator_key(transaction_key(transactional_id))] = encode_coordinator_value(
                transaction_value(found.state, version), version
            )

    # ---- what is known

    def pick(self, which: int) -> Client | None:
        there = [each for each in self.clients if not each.gone]
        return there[-1 - which % len(there)] if there else None

    def close(self, client: Client) -> None:
        """Its transaction is over; unless it was about to commit, it was aborted."""
        (self.unknown if client.ending else self.aborted).append(client.values)
        client.values = []

    def leave(self, client: Client, attempted: bool | None = None) -> None:
        client.ending = client.ending if attempted is None else attempted
        self.close(client)
        client.gone = True

    # ---- what must hold

    def visible(self) -> list[tuple[Place, str]]:
        return [(place, value) for place in PLACES for value in self.play.partition(place).committed]

    @invariant()
    def nothing_that_was_aborted_is_seen(self) -> None:
        if hasattr(self, "play"):
            seen = set(self.visible())
            assert not [each for values in self.aborted for each in values if each in seen]

    def teardown(self) -> None:
        if not hasattr(self, "play"):
            return
        play = self.play
        play.crash_after = -1
        play.disk_error = ErrorCode.NONE
        for place in PLACES:
            play.partition(place).error = ErrorCode.NONE
        play.restart()
        for _ in range(3):
            play.wait(61_000)
        for client in self.clients:
            if not client.gone:
                self.leave(client)
        for place in PLACES:
            assert not play.partition(place).open, f"a transaction stays open in {place}"
        for found in play.coordinator.ids.values():
            assert not found.pending
        visible = self.visible()
        seen = set(visible)
        assert len(seen) == len(visible)
        for values in self.committed:
            assert seen.issuperset(values), "an acknowledged commit is lost"
        for values in self.aborted:
            assert seen.isdisjoint(values), "an aborted record is seen"
        for values in self.unknown:
            assert seen.issuperset(values) or seen.isdisjoint(values), "a transaction is seen in part"
        known = {each for values in (*self.committed, *self.unknown) for each in values}
        assert seen <= known
        for place in PLACES:
            by_client: dict[str, list[int]] = {}
            for value in play.partition(place).committed:
                number, _, count = value.partition(":")
                by_client.setdefault(number, []).append(int(count))
            assert all(counts == sorted(counts) for counts in by_client.values())


TransactionsLife.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestTransactionsLife = TransactionsLife.TestCase


@pytest.mark.parametrize("seed", range(4))
def test_long_lives(seed: int) -> None:
    """Hypothesis finds short stories and makes them shorter; these are long and busy. KC_TEST_LIVES: how many."""
    for number in range(int(os.environ.get("KC_TEST_LIVES", "40"))):
        chance = random.Random(f"{os.environ.get('KC_TEST_SEED', '')}{seed}-{number}")
        life = TransactionsLife()
        life.begin(chance.choice([0, 1, 2, 2]))
        for _ in range(120):
            which, commit = chance.randrange(4), chance.random() < 0.6
            act = chance.choices(range(10), weights=[6, 2, 16, 16, 8, 6, 5, 1, 2, 1])[0]
            match act:
                case 0:
                    life.a_producer_comes(chance.choice(IDS), chance.choice([1, 2]))
                case 1:
                    life.a_producer_recovers(which)
                case 2:
                    life.produces(which, chance.choice(PLACES))
                case 3:
                    life.ends(which, commit)
                case 4:
                    life.transacts(which, chance.choices(PLACES, k=2), commit)
                case 5:
                    life.a_producer_that_was_replaced_ends(which, commit)
                case 6:
                    life.time_passes(chance.choice([1, 100, 100, 100, 61_000]))
                case 7:
                    life.the_next_step_is_the_last(chance.randrange(6))
                case 8:
                    life.the_disk(chance.choice([ErrorCode.NONE] * 5 + [ErrorCode.COORDINATOR_NOT_AVAILABLE]))
                    error = chance.choice([ErrorCode.NONE, ErrorCode.KAFKA_STORAGE_ERROR])
                    life.a_partition(chance.choice(PLACES), error)
                case 9:
                    life.epochs_run_out(which)
            life.nothing_that_was_aborted_is_seen()
        life.teardown()

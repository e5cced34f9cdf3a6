"""A world for the transaction coordinator: a clock moved by hand, a log in memory, partitions that take records and
markers, producers with names.

Partitions do what a broker's do, in a few lines: a record of an older epoch than the partition has seen is refused, a
marker ends what its producer has open. Values written to the log go through their record format.

`crash_after` lets the broker die after so many effects: what was carried out stays, the rest and all memory is lost.
It is what scripts (transaction_script.py) and the random life (test_transactions_machine.py) stand on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pykafka_core.coordinator.events import Now
from pykafka_core.coordinator.transaction import TransactionState
from pykafka_core.coordinator.transaction_events import (
    AddPartitions,
    AppendState,
    EndTransaction,
    ExpireId,
    InitProducer,
    MarkersWritten,
    ProducerAnswer,
    RetryDue,
    RetryLater,
    SpareTaken,
    StateAppended,
    TimeOut,
    TransactionConfig,
    TxnEffect,
    TxnReply,
    VerifyPartitions,
    WriteMarkers,
)
from pykafka_core.coordinator.transaction_records import (
    loaded_state,
    transaction_key,
    transaction_value,
    value_version,
)
from pykafka_core.coordinator.transactions import TransactionCoordinator
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.records.framing import (
    decode_coordinator_key,
    decode_coordinator_value,
    encode_coordinator_key,
    encode_coordinator_value,
)

WALL_START_MS = 1_700_000_000_000
Place = tuple[str, int]


class Crash(Exception):
    """The broker dies."""


class FakePartition:
    """A partition as far as transactions go."""

    def __init__(self) -> None:
        self.epochs: dict[int, int] = {}
        self.open: dict[int, list[str]] = {}
        self.committed: list[str] = []
        self.aborted: list[str] = []
        self.error = ErrorCode.NONE

    def produce(self, producer_id: int, epoch: int, value: str) -> ErrorCode:
        if epoch < self.epochs.get(producer_id, -1):
            return ErrorCode.INVALID_PRODUCER_EPOCH
        self.epochs[producer_id] = epoch
        self.open.setdefault(producer_id, []).append(value)
        return ErrorCode.NONE

    def end(self, producer_id: int, epoch: int, *, commit: bool, version: int) -> ErrorCode:
        if self.error:
            return self.error
        known = self.epochs.get(producer_id, -1)
        is_open = producer_id in self.open
        if epoch < known or (version >= 2 and epoch == known and is_open):
            return ErrorCode.INVALID_PRODUCER_EPOCH
        self.epochs[producer_id] = epoch
        (self.committed if commit else self.aborted).extend(self.open.pop(producer_id, []))
        return ErrorCode.NONE


class Producer:
    """A client: what it was last told."""

    def __init__(self, transactional_id: str, version: int) -> None:
        self.transactional_id = transactional_id
        self.version = version
        self.producer_id = -1
        self.epoch = -1


class TransactionPlay:
    def __init__(self, transaction_version: int = 2, **config: int) -> None:
        self.config = TransactionConfig(**config)
        self.version = transaction_version
        self.coordinator = TransactionCoordinator(self.config, transaction_version=transaction_version)
        self.clock_ms = 0
        self.log: dict[bytes, bytes] = {}
        """The last value of each key."""
        self.disk_error = ErrorCode.NONE
        self.partitions: dict[Place, FakePartition] = {}
        self.retries: list[tuple[int, RetryDue]] = []
        self.said: list[str] = []
        self.answers: dict[int, Any] = {}
        self.next_id = 1000
        self.requests = 0
        self.crash_after = -1
        self.decided: dict[tuple[int, int], set[bool]] = {}
        """How each producer id and epoch of a decision was decided: never both ways."""

    @property
    def now(self) -> Now:
        return Now(self.clock_ms, WALL_START_MS + self.clock_ms)

    # ---- what clients do

    def ask(self, event: Any) -> Any:
        """The answer; None where the broker died before it gave one."""
        try:
            self.run(self.coordinator.step(event, self.now))
        except Crash:
            self.restart()
        return self.answers.pop(event.request, None)

    def request(self) -> int:
        self.requests += 1
        return self.requests

    def init(self, who: Producer, *, own: bool = False, timeout_ms: int = 60_000) -> ProducerAnswer | None:
        answer: ProducerAnswer | None = self.ask(
            InitProducer(
                who.transactional_id,
                self.request(),
                timeout_ms,
                self.next_id,
                who.producer_id if own else -1,
                who.epoch if own else -1,
            )
        )
        if answer is not None and not answer.error:
            who.producer_id, who.epoch = answer.producer_id, answer.epoch
        return answer

    def add(self, who: Producer, places: Iterable[Place]) -> Any:
        return self.ask(
            AddPartitions(
                who.transactional_id, self.request(), who.producer_id, who.epoch, frozenset(places), who.version
            )
        )

    def verify(self, who: Producer, places: Iterable[Place]) -> Any:
        return self.ask(
            VerifyPartitions(who.transactional_id, self.request(), who.producer_id, who.epoch, frozenset(places))
        )

    def produce(self, who: Producer, place: Place, value: str) -> ErrorCode | None:
        """As a broker does it: the coordinator is asked before the first record of a transaction in a partition."""
        partition = self.partition(place)
        if who.producer_id not in partition.open or who.epoch != partition.epochs.get(who.producer_id):
            error = self.add(who, [place]) if who.version >= 2 else self.verify(who, [place])
            if error is None:
                return None
            if isinstance(error, dict):
                error = error[place]
            if error:
                return ErrorCode(error)
        return partition.produce(who.producer_id, who.epoch, value)

    def end(self, who: Producer, *, commit: bool) -> ProducerAnswer | None:
        answer: ProducerAnswer | None = self.ask(
            EndTransaction(
                who.transactional_id,
                self.request(),
                who.producer_id,
                who.epoch,
                commit,
                who.version,
                self.next_id,
            )
        )
        if answer is not None and not answer.error and who.version >= 2:
            who.producer_id, who.epoch = answer.producer_id, answer.epoch
        return answer

    def partition(self, place: Place) -> FakePartition:
        return self.partitions.setdefault(place, FakePartition())

    # ---- time, death

    def wait(self, milliseconds: int) -> None:
        """Let time pass; what is due is retried, and transactions that are too old are aborted."""
        self.clock_ms += milliseconds
        try:
            due = [event for at, event in self.retries if at <= self.clock_ms]
            self.retries = [each for each in self.retries if each[0] > self.clock_ms]
            for event in due:
                self.run(self.coordinator.step(event, self.now))
            for transactional_id in self.coordinator.timed_out(self.now):
                self.run(self.coordinator.step(TimeOut(transactional_id, self.next_id), self.now))
            for transactional_id in self.coordinator.expired(self.now):
                self.run(self.coordinator.step(ExpireId(transactional_id), self.now))
        except Crash:
            self.restart()

    def restart(self) -> None:
        """All but the log is lost."""
        self.crash_after = -1
        self.coordinator = TransactionCoordinator(self.config, transaction_version=self.version)
        self.retries.clear()
        for key, data in self.log.items():
            found = decode_coordinator_key("transaction", key)
            value, _ = decode_coordinator_value("transaction", found.API_KEY, data)
            self.coordinator.load(found.transactional_id, loaded_state(value), self.now)  # type: ignore[attr-defined, arg-type]
        self.run(self.coordinator.loaded(list(self.coordinator.ids), self.now))

    # ---- effects

    def run(self, effects: Iterable[TxnEffect]) -> None:
        for effect in effects:
            if self.crash_after == 0:
                raise Crash
            self.crash_after -= 1
            match effect:
                case TxnReply():
                    assert effect.request not in self.answers, f"request {effect.request} was answered twice"
                    self.answers[effect.request] = effect.answer
                case SpareTaken():
                    assert effect.producer_id == self.next_id
                    self.next_id += 1
                case RetryLater():
                    due = RetryDue(effect.transactional_id, effect.ticket)
                    self.retries.append((self.clock_ms + effect.delay_ms, due))
                case AppendState():
                    self.append(effect)
                case WriteMarkers():
                    self.write_markers(effect)

    def append(self, effect: AppendState) -> None:
        error = self.disk_error
        what = "forgotten" if effect.state is None else describe(effect.state)
        self.said.append(("cannot write: " if error else "log: ") + what)
        if not error:
            key = encode_coordinator_key(transaction_key(effect.transactional_id))
            if effect.state is None:
                del self.log[key]
            else:
                self.check_decision(effect.state)
                version = value_version(self.version)
                self.log[key] = encode_coordinator_value(transaction_value(effect.state, version), version)
        self.run(self.coordinator.step(StateAppended(effect.transactional_id, effect.ticket, error), self.now))

    def check_decision(self, state: TransactionState) -> None:
        if state.is_ending and state.client_version >= 2:
            ways = self.decided.setdefault((state.producer_id, state.epoch), set())
            ways.add(state.commits)
            assert len(ways) == 1, f"{state.producer_id} epoch {state.epoch} was decided both ways"

    def write_markers(self, effect: WriteMarkers) -> None:
        errors = {}
        for place in sorted(effect.partitions):
            if self.crash_after == 0:
                raise Crash
            self.crash_after -= 1
            error = self.partition(place).end(
                effect.producer_id, effect.epoch, commit=effect.commit, version=effect.transaction_version
            )
            errors[place] = error
            kind = "commit" if effect.commit else "abort"
            told = f": {error.name}" if error else ""
            self.said.append(f"{place[0]}-{place[1]}: {kind} {effect.producer_id}/{effect.epoch}{told}")
        self.run(self.coordinator.step(MarkersWritten(effect.transactional_id, effect.ticket, errors), self.now))


def describe(state: TransactionState) -> str:
    text = f"{state.status.title} {state.producer_id}/{state.epoch}"
    if state.next_producer_id != -1:
        text += f", next {state.next_producer_id}"
    if state.partitions:
        text += " in " + " ".join(f"{topic}-{index}" for topic, index in sorted(state.partitions))
    return text
